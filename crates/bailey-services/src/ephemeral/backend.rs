//! What a place that keeps short-lived state must do. Two do: this process's memory, and a Redis
//! that several hosts share. The same tests run on both.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bailey_protocol::Tenant;
use bailey_protocol::method::ephemeral::Key;

/// The four kinds of key, each a namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Counts hits within a window.
    Counter,
    /// Lasts for a time.
    Cooldown,
    /// Was seen already.
    Dedup,
    /// Is set for a time.
    Flag,
}

/// Where something is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    pub(super) kind: Kind,
    pub(super) key: Key,
}

/// The backend cannot be used now. Why is known to whoever reports it, once for all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away;

/// What a backend promises to say.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Away>> + Send + 'a>>;

/// Keeps the shelves of tenants. Every method is one atomic step by the backend's own clock.
pub(super) trait Backend: Send + Sync {
    /// Adds a hit; how many there are within the window, this one included.
    fn hit<'a>(&'a self, tenant: &'a Tenant, key: &'a Key, window: Duration) -> Answer<'a, usize>;

    /// Keeps a key for a time from now, whatever was there.
    fn set<'a>(&'a self, tenant: &'a Tenant, slot: Slot, time_to_live: Duration) -> Answer<'a, ()>;

    /// Keeps a key for a time from now unless it is there already; whether it was not.
    fn set_new<'a>(&'a self, tenant: &'a Tenant, slot: Slot, time_to_live: Duration) -> Answer<'a, bool>;

    /// How long a key lasts still; zero when it is not there.
    fn remaining<'a>(&'a self, tenant: &'a Tenant, slot: Slot) -> Answer<'a, Duration>;
}
