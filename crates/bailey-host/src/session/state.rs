//! What a session is doing, why, since when and until when: as kept, and as seen from outside.

use std::fmt;
use std::time::Duration;

use bailey_protocol::{Tenant, Timestamp};
use tokio::time::Instant;

use super::Shared;
use crate::observation::Observation;
use crate::session::lock;
use crate::spawn::MemoryProbe;
use crate::supervisor::breaker::{Opened, Passage};

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// No process; the next event starts one.
    Cold,
    /// A process waits for its turn to start, or was started and is not ready.
    Starting,
    /// Takes events.
    Ready,
    /// Finishes what it has, then ends.
    Draining,
    /// Ended without being asked; starts again after a wait.
    Backoff,
    /// Did harm; nothing is delivered for a while.
    Broken,
}

impl SessionState {
    /// The state as one word in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Backoff => "backoff",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A session as seen from outside.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Whose.
    pub tenant: Tenant,
    /// What it is doing.
    pub state: SessionState,
    /// Why, as a clause.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When that is over at the latest, where it is known.
    pub until: Option<Timestamp>,
    /// Deliveries were stopped, and the next event decides whether they go on.
    pub on_trial: bool,
    /// Its process, if there is one.
    pub pid: Option<u32>,
    /// When that was started.
    pub started_at: Option<Timestamp>,
    /// Bytes of memory it takes, where that can be measured.
    pub memory: Option<u64>,
    /// When an event was last given to a process.
    pub last_event_at: Option<Timestamp>,
    /// Events waiting.
    pub queued: usize,
    /// Events sent and not acknowledged.
    pub in_flight: usize,
    /// For how long the oldest of them is not acknowledged.
    pub oldest_unacknowledged: Option<Duration>,
    /// Events dropped since the installation because too many were waiting.
    pub dropped: u64,
    /// Events not delivered since the installation because deliveries were stopped.
    pub refused: u64,
    /// Processes that ended without being asked since the installation.
    pub restarts: u64,
    /// Those since the last process that lived long.
    pub failed_in_a_row: usize,
    /// How the last process ended, as a clause.
    pub last_exit: Option<String>,
}

/// What is known of a session.
pub(crate) struct Status {
    pub(crate) state: SessionState,
    pub(crate) reason: String,
    pub(crate) since: Timestamp,
    pub(crate) until: Option<Instant>,
    pub(crate) pid: Option<u32>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) memory: Option<MemoryProbe>,
    pub(crate) last_event_at: Option<Timestamp>,
    pub(crate) in_flight: usize,
    pub(crate) oldest_unacknowledged: Option<Instant>,
    pub(crate) refused: u64,
    /// Whether somebody was told that events are refused, since deliveries were last stopped.
    pub(crate) told_of_refusal: bool,
    pub(crate) restarts: u64,
    pub(crate) failed_in_a_row: usize,
    pub(crate) last_exit: Option<String>,
    pub(crate) version: String,
}

impl Status {
    pub(crate) fn cold(version: String, since: Timestamp) -> Self {
        Self {
            state: SessionState::Cold,
            reason: "nothing has happened yet".to_owned(),
            since,
            until: None,
            pid: None,
            started_at: None,
            memory: None,
            last_event_at: None,
            in_flight: 0,
            oldest_unacknowledged: None,
            refused: 0,
            told_of_refusal: false,
            restarts: 0,
            failed_in_a_row: 0,
            last_exit: None,
            version,
        }
    }
}

impl Shared {
    /// Notes what the session does from now on; nothing is new if it does the same for the same reason.
    pub(crate) fn set_state(&self, state: SessionState, reason: impl Into<String>, until: Option<Instant>) {
        let reason = reason.into();
        let since = {
            let now = self.world.clock.now();
            let mut status = lock(&self.status);
            if (status.state, &status.reason, status.until) == (state, &reason, until) {
                return;
            }
            if status.state != state {
                status.since = now;
            }
            status.state = state;
            status.until = until;
            status.reason.clone_from(&reason);
            status.since
        };
        tracing::debug!(tenant = %self.tenant, %state, "{} is {state}: {reason}", self.tenant);
        self.world.observer.tell(|| Observation::SessionChanged {
            tenant: self.tenant.clone(),
            state,
            reason,
            since,
            until: until.map(|until| self.timestamp(until)),
        });
    }

    /// A moment that is still to come, on the clock people read.
    fn timestamp(&self, moment: Instant) -> Timestamp {
        self.world.clock.now() + moment.saturating_duration_since(Instant::now())
    }

    /// Why nothing may be delivered or started at present, if so: this server's breaker first, then the
    /// plugin's, which says nothing about a process that runs.
    pub(crate) fn closed(&self) -> Option<Opened> {
        if let Passage::Closed(opened) = lock(&self.breaker).passage(Instant::now()) {
            return Some(opened);
        }
        let version = {
            let status = lock(&self.status);
            let runs =
                matches!(status.state, SessionState::Ready | SessionState::Draining) || status.pid.is_some();
            (!runs).then(|| status.version.clone())?
        };
        match self.world.plugins.passage(&self.tenant, &version) {
            Passage::Closed(opened) => Some(everywhere(opened)),
            _ => None,
        }
    }

    pub(crate) fn view(&self) -> SessionView {
        let (queued, dropped) = {
            let queue = lock(&self.queue);
            (queue.len(), queue.dropped())
        };
        let closed = self.closed();
        let now = Instant::now();
        let on_trial = matches!(lock(&self.breaker).passage(now), Passage::Trial(_));
        let status = lock(&self.status);
        let memory = status.memory.clone();
        let mut view = SessionView {
            tenant: self.tenant.clone(),
            state: status.state,
            reason: status.reason.clone(),
            since: status.since,
            until: status.until.map(|until| self.timestamp(until)),
            on_trial,
            pid: status.pid,
            started_at: status.started_at,
            memory: None,
            last_event_at: status.last_event_at,
            queued,
            in_flight: status.in_flight,
            oldest_unacknowledged: status.oldest_unacknowledged.map(|since| now.duration_since(since)),
            dropped,
            refused: status.refused,
            restarts: status.restarts,
            failed_in_a_row: status.failed_in_a_row,
            last_exit: status.last_exit.clone(),
        };
        drop(status);
        view.memory = memory.and_then(|memory| memory()); // reads files: nobody should wait for it
        // What happened on other servers is not known to a session that sleeps.
        match closed {
            Some(opened) if matches!(view.state, SessionState::Cold | SessionState::Backoff) => {
                view.state = SessionState::Broken;
                view.until = Some(self.timestamp(opened.until));
                view.reason = opened.why;
            }
            None if view.state == SessionState::Broken => {
                view.state = SessionState::Cold;
                view.until = None;
                view.reason = "the next event is delivered again".to_owned();
            }
            _ => {}
        }
        view
    }
}

/// The reason of a plugin's breaker, told on one server.
pub(crate) fn everywhere(opened: Opened) -> Opened {
    Opened { why: format!("it is paused on all servers: {}", opened.why), ..opened }
}
