//! Events put aside for good: what they are, who keeps them, and how one is tried again.
//!
//! The host decides that an event is put aside and forgets it; a [`DeadLetters`] remembers.

use bailey_protocol::{Event, Tenant, Timestamp};

/// An event put aside for good.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// For whom it was.
    pub tenant: Tenant,
    /// The event, whole.
    pub event: Event,
    /// How often it was delivered.
    pub attempts: u32,
    /// Why it was put aside, as a clause.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Keeps dead letters.
pub trait DeadLetters: Send + Sync {
    /// Takes one over. Called by sessions, so it returns at once; what cannot be written yet waits elsewhere.
    /// A letter with the tenant and event id of an earlier one takes its place.
    fn keep(&self, letter: DeadLetter);
}

/// What became of an event that was delivered once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The plugin is done with it.
    Acknowledged,
    /// It was put aside again, and [`DeadLetters::keep`] was told so.
    PutAside,
}

/// Why an event was not delivered once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedeliverError {
    /// Nothing is installed under that name.
    #[error("the plugin is not installed on this server")]
    NotInstalled,
    /// Nobody waits for its answer any more.
    #[error("an interaction is never delivered late: nobody could see the answer")]
    Interaction,
    /// The installation was removed, or the host ended, before it was settled.
    #[error("the plugin was removed or Bailey stopped before the event was done with")]
    Dropped,
}
