//! `ephemeral.*`: rate limits, cooldowns, duplicates and flags of a plugin on one server. Kept in
//! this process's memory, within bounds, and lost when it ends; what must last belongs into `kv`.
//!
//! Time comes from the service's clock alone. The four kinds do not see each other's keys, and a
//! tenant sees only its own. Every call is one step under one lock, so calls at the same time count
//! as if they came one after the other.

mod memory;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::Done;
use bailey_protocol::method::ephemeral::{Check, Cooldown, Count, Counted, Flag, Key, Remember, Sighting};
use bailey_protocol::{CallError, Clock, Tenant};
use tokio_util::sync::CancellationToken;

use memory::Memory;
use shelf::{Kind, Slot};

/// Time between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What is held right now, over all tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tenants that hold anything.
    pub tenants: usize,
    /// Their keys, expired ones included until they are swept.
    pub keys: usize,
    /// Bytes these take, as counted against the limits.
    pub bytes: usize,
}

/// The service of short-lived state. A cheap clone.
#[derive(Clone)]
pub struct Ephemeral {
    memory: Arc<Memory>,
    clock: Arc<dyn Clock>,
}

impl Ephemeral {
    /// An empty one, with times from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { memory: Arc::new(Memory::new()), clock }
    }

    /// `ephemeral.counter`: adds a hit and says how many there were within the window, this one
    /// included. A hit leaves the window once exactly that time has passed.
    ///
    /// Hits are kept for the widest window the key was ever counted with, so a key may be counted
    /// with several; and no more than [`EPHEMERAL_HITS`](bailey_protocol::limits::EPHEMERAL_HITS) of
    /// them, the newest, which is then the answer however many there were.
    ///
    /// # Errors
    /// [`CallError`] when the state cannot be reached; in this process's memory it always can.
    pub async fn counter(&self, tenant: &Tenant, params: &Count) -> Result<Counted, CallError> {
        let (now, slot) = (self.clock.now(), slot(Kind::Counter, &params.key));
        let count = self.memory.with(tenant, now, |shelf| shelf.hit(slot, params.window, now));
        Ok(Counted { count })
    }

    /// `ephemeral.cooldown_set`: starts a cooldown, anew if it lasts already.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn cooldown_set(&self, tenant: &Tenant, params: &Remember) -> Result<Done, CallError> {
        self.set(tenant, Kind::Cooldown, params);
        Ok(Done::OK)
    }

    /// `ephemeral.cooldown_check`: whether a cooldown lasts and for how long still.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn cooldown_check(&self, tenant: &Tenant, params: &Check) -> Result<Cooldown, CallError> {
        Ok(Cooldown::lasting(self.remaining(tenant, Kind::Cooldown, &params.key)))
    }

    /// `ephemeral.dedup`: whether the key is seen for the first time. Seeing it again does not make
    /// it remembered for longer.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn dedup(&self, tenant: &Tenant, params: &Remember) -> Result<Sighting, CallError> {
        let (now, slot) = (self.clock.now(), slot(Kind::Dedup, &params.key));
        let is_new = self.memory.with(tenant, now, |shelf| {
            let is_new = shelf.expiry(&slot, now).is_none();
            if is_new {
                shelf.set(slot, now + params.time_to_live);
            }
            is_new
        });
        Ok(Sighting { is_new })
    }

    /// `ephemeral.flag_set`: sets a flag, for the time given from now on.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn flag_set(&self, tenant: &Tenant, params: &Remember) -> Result<Done, CallError> {
        self.set(tenant, Kind::Flag, params);
        Ok(Done::OK)
    }

    /// `ephemeral.flag_check`: whether a flag is set.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn flag_check(&self, tenant: &Tenant, params: &Check) -> Result<Flag, CallError> {
        Ok(Flag { active: !self.remaining(tenant, Kind::Flag, &params.key).is_zero() })
    }

    /// Sweeps once a minute, by the service's clock, until cancelled. What has expired is absent
    /// before that too; this only gives its memory back.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        loop {
            let next = self.clock.now() + SWEEP_INTERVAL;
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = self.clock.sleep_until(next) => self.sweep(),
            }
        }
    }

    /// Forgets everything that has expired.
    pub fn sweep(&self) {
        self.memory.sweep(self.clock.now());
    }

    /// How much is held right now.
    pub fn usage(&self) -> Usage {
        self.memory.usage()
    }

    fn set(&self, tenant: &Tenant, kind: Kind, params: &Remember) {
        let (now, slot) = (self.clock.now(), slot(kind, &params.key));
        self.memory.with(tenant, now, |shelf| shelf.set(slot, now + params.time_to_live));
    }

    /// How long a key lasts still; zero when it is not there.
    fn remaining(&self, tenant: &Tenant, kind: Kind, key: &Key) -> Duration {
        let (now, slot) = (self.clock.now(), slot(kind, key));
        let expires_at = self.memory.with(tenant, now, |shelf| shelf.expiry(&slot, now));
        expires_at.map_or(Duration::ZERO, |expires_at| expires_at.since(now))
    }
}

fn slot(kind: Kind, key: &Key) -> Slot {
    Slot { kind, key: key.clone() }
}
