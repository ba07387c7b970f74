//! Each plugin's share, on each server, of what the bot may change: one that writes without end uses up its own
//! share, not the bot's good standing.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bailey_protocol::Tenant;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Writes after which tenants that have their whole share again are forgotten.
const FORGET_EVERY: u32 = 10_000;

/// All shares.
#[derive(Debug)]
pub(super) struct Shares {
    limiter: DefaultKeyedRateLimiter<Tenant>,
    clock: DefaultClock,
    taken: AtomicU32,
}

impl Shares {
    /// Everybody may write so often a minute, and as often at once.
    pub(super) fn new(writes_per_minute: NonZeroU32) -> Self {
        let limiter = RateLimiter::keyed(Quota::per_minute(writes_per_minute));
        Self { limiter, clock: DefaultClock::default(), taken: AtomicU32::new(0) }
    }

    /// Takes one write of the tenant's share, or says in how long there is one.
    pub(super) fn take(&self, tenant: &Tenant) -> Result<(), Duration> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(tenant).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}
