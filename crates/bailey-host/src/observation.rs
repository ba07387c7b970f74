//! What the host saw, told to a driver in the same process (a scenario, a test, a bench).
//!
//! The channel is unbounded, because a driver must not lose a line of its transcript and must not
//! slow the plugins it watches. What goes into it is bounded by what plugins may do (calls and
//! output are rated, events come from the driver itself); a host without a driver tells nobody.

use std::time::Duration;

use bailey_protocol::error::ErrorObject;
use bailey_protocol::method::log::LogLine;
use bailey_protocol::{EventId, EventKind, Tenant, Timestamp};
use tokio::sync::mpsc;

use crate::session::SessionState;

/// Bytes of a call's parameters or result that are shown; longer ones are cut and end in `...`.
pub const SHOWN_BYTES: usize = 256 * 1024;

/// One thing the host saw.
#[derive(Debug, Clone)]
pub enum Observation {
    /// A process answered `host.boot` and takes events.
    SessionStarted {
        /// Whose.
        tenant: Tenant,
        /// The process, as numbered by the machine; 0 where there is none.
        pid: u32,
        /// From the start of the process.
        took: Duration,
    },
    /// A session is in another state, or for another reason.
    SessionChanged {
        /// Whose.
        tenant: Tenant,
        /// What it is doing now.
        state: SessionState,
        /// Why, as a clause.
        reason: String,
        /// Since when.
        since: Timestamp,
        /// When it changes by itself at the latest, where that is known.
        until: Option<Timestamp>,
    },
    /// A process is gone.
    SessionEnded {
        /// Whose.
        tenant: Tenant,
        /// Why, as a clause: `it was asked to`, `exit code 1`.
        reason: String,
    },
    /// An event was written to a process for the first time.
    EventDelivered {
        /// To whom.
        tenant: Tenant,
        /// Which.
        event: EventId,
        /// What kind.
        kind: EventKind,
    },
    /// The same event was written to a fresh process.
    EventRedelivered {
        /// To whom.
        tenant: Tenant,
        /// Which.
        event: EventId,
        /// The how manieth time, from 2.
        attempt: u32,
    },
    /// The plugin is done with an event.
    EventAcked {
        /// Who.
        tenant: Tenant,
        /// Which.
        event: EventId,
        /// Whether anything in the plugin handles this kind.
        handled: bool,
    },
    /// A handler raised. An acknowledgement follows: failed events are not delivered again.
    EventFailed {
        /// Whose.
        tenant: Tenant,
        /// Which.
        event: EventId,
        /// What the SDK said, usually `handler_exception`.
        reason: String,
    },
    /// An event was put aside for good.
    EventDeadLettered {
        /// For whom it was.
        tenant: Tenant,
        /// Which.
        event: EventId,
        /// Why, as a clause.
        reason: String,
    },
    /// An event came while deliveries are stopped: it is counted, and nothing else.
    EventRefused {
        /// For whom it was.
        tenant: Tenant,
        /// Which.
        event: EventId,
        /// Why deliveries are stopped, as a clause.
        reason: String,
    },
    /// A call was answered.
    Call {
        /// By whom.
        tenant: Tenant,
        /// As the plugin wrote it.
        method: String,
        /// JSON text, at most [`SHOWN_BYTES`].
        params: String,
        /// The result as JSON text, at most [`SHOWN_BYTES`], or the refusal.
        outcome: Result<String, ErrorObject>,
        /// From reading the call to having its answer.
        took: Duration,
    },
    /// The plugin logged, printed or wrote to standard error.
    Log {
        /// Who.
        tenant: Tenant,
        /// What.
        line: LogLine,
    },
    /// Something its author or operator should know, as one sentence.
    Problem {
        /// Whose.
        tenant: Tenant,
        /// The sentence.
        message: String,
    },
}

/// Where observations go; by default nowhere.
#[derive(Debug, Clone, Default)]
pub struct Observer(Option<mpsc::UnboundedSender<Observation>>);

impl Observer {
    /// An observer and the end to read it from. See the module on why it is unbounded.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Observation>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// Whether anyone listens.
    pub(crate) fn listens(&self) -> bool {
        self.0.is_some()
    }

    /// Tells, if anyone listens; the observation is not even made otherwise.
    pub(crate) fn tell(&self, observation: impl FnOnce() -> Observation) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(observation()); // a driver that stopped listening is no error
        }
    }
}

/// JSON text as shown: cut at [`SHOWN_BYTES`].
pub(crate) fn shown(json: &str) -> String {
    if json.len() <= SHOWN_BYTES {
        return json.to_owned();
    }
    let mut end = SHOWN_BYTES;
    while !json.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &json[..end])
}
