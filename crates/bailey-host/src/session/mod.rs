//! One plugin on one server: its queue, its process, its state. A process is started when there is
//! something to tell it, replaced when it fails, and ended when asked.
//!
//! [`Session`] is the handle others hold; `actor` decides when a process lives; `life` is one
//! process from its first byte to its last.

mod actor;
pub(crate) mod flight;
mod frames_in;
mod life;
mod noise;
pub(crate) mod queue;
mod restarts;
mod slots;
mod streams;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_protocol::host_message::Lifecycle;
use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{Clock, Event, EventId, Tenant, limits};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::broker::Calls;
use crate::installation::Installation;
use crate::observation::{Observation, Observer};
use crate::quiet::{Busy, Quiet};
use crate::router::UnhandledKinds;
use crate::spawn::Spawner;
use crate::timings::{HostRates, HostTimings};
use queue::{Delivery, Queue};

/// Dead letters kept in memory; the oldest goes first.
const DEAD_LETTERS: usize = 256;

/// What every session of a host shares.
pub(crate) struct World {
    pub(crate) spawner: Spawner,
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timings: HostTimings,
    pub(crate) rates: HostRates,
    pub(crate) observer: Observer,
    pub(crate) quiet: Quiet,
    pub(crate) tasks: TaskTracker,
    pub(crate) dead_letters: Mutex<VecDeque<DeadLetter>>,
}

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
}

/// What a session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// No process; the next event starts one.
    Cold,
    /// A process was started and is not ready.
    Starting,
    /// Takes events.
    Ready,
    /// Finishes what it has, then ends.
    Draining,
    /// Ended without being asked; starts again after a wait.
    Backoff {
        /// What happened, as a sentence.
        reason: String,
    },
    /// Does not start; left alone for a while.
    Broken {
        /// What happened, as a sentence.
        reason: String,
    },
}

/// A session as seen from outside.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Whose.
    pub tenant: Tenant,
    /// What it is doing.
    pub state: SessionState,
    /// Its process, if there is one.
    pub pid: Option<u32>,
    /// Events waiting.
    pub queued: usize,
    /// Events sent and not acknowledged.
    pub in_flight: usize,
    /// Events dropped since the installation because too many were waiting.
    pub dropped: u64,
}

/// Why a lifecycle message had no effect that we know of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// Nothing is installed under that name.
    #[error("the plugin is not installed on this server")]
    NotInstalled,
    /// There is no process to tell.
    #[error("the plugin is not running: {0}")]
    NotRunning(String),
    /// The handler did not finish.
    #[error("the plugin did not finish its handler within {0:?}")]
    TimedOut(Duration),
    /// The plugin answered with an error.
    #[error("the plugin answered: {0}")]
    Refused(String),
}

pub(crate) type Reply<T> = oneshot::Sender<T>;

/// A lifecycle message on its way.
pub(crate) struct Announcement {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) reply: Reply<Result<(), AnnounceError>>,
    pub(crate) _busy: Busy,
}

pub(crate) enum Command {
    Announce(Announcement),
    Replace(Arc<Installation>, Reply<()>),
    Stop(Reply<()>),
}

/// What the handle, the actor and the life of a process share.
pub(crate) struct Shared {
    pub(crate) tenant: Tenant,
    pub(crate) world: Arc<World>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) wake: Notify,
    pub(crate) status: Mutex<Status>,
    pub(crate) unhandled: Arc<UnhandledKinds>,
}

#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) state: SessionState,
    /// Of [`SessionState::Backoff`] and [`SessionState::Broken`]: when it is over.
    pub(crate) until: Option<Instant>,
    pub(crate) pid: Option<u32>,
    pub(crate) in_flight: usize,
    pub(crate) version: String,
}

/// The handle of a session. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

impl Session {
    /// A cold session of an installation.
    pub(crate) fn start(world: &Arc<World>, installation: Installation) -> Self {
        let shared = Arc::new(Shared {
            tenant: installation.tenant().clone(),
            world: Arc::clone(world),
            queue: Mutex::new(Queue::new(limits::DELIVERY_QUEUE)),
            wake: Notify::new(),
            status: Mutex::new(Status {
                state: SessionState::Cold,
                until: None,
                pid: None,
                in_flight: 0,
                version: installation.version.clone(),
            }),
            unhandled: Arc::default(),
        });
        let (sender, commands) = mpsc::channel(16);
        world.tasks.spawn(actor::run(Arc::clone(&shared), Arc::new(installation), commands));
        Self { shared, commands: sender }
    }

    pub(crate) fn unhandled(&self) -> Arc<UnhandledKinds> {
        Arc::clone(&self.shared.unhandled)
    }

    /// Queues an event. Never waits: one plugin must not slow another.
    pub(crate) fn offer(&self, event: Event, busy: Busy) {
        let shared = &self.shared;
        let delivery = Delivery::new(event, busy);
        if let Some(reason) = shared.refuses() {
            shared.bury(delivery, reason);
            return;
        }
        if let Some(interaction) = &delivery.event.interaction {
            shared.world.calls.admit(&shared.tenant, interaction, delivery.event.received_at);
        }
        let dropped = lock(&shared.queue).push(delivery);
        if let Some(dropped) = dropped {
            shared.bury(dropped, format!("more than {} events were waiting", limits::DELIVERY_QUEUE));
        }
        shared.wake.notify_one();
    }

    /// Sends a lifecycle message and waits for its handler.
    pub(crate) async fn announce(&self, lifecycle: Lifecycle) -> Result<(), AnnounceError> {
        let (reply, answer) = oneshot::channel();
        let announcement = Announcement { lifecycle, reply, _busy: self.shared.world.quiet.hold() };
        let stopped = || AnnounceError::NotRunning("it is being stopped".to_owned());
        self.commands.send(Command::Announce(announcement)).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Goes on with another version or other grants, in a fresh process.
    pub(crate) async fn replace(&self, installation: Installation) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Replace(Arc::new(installation), reply)).await.is_ok() {
            let _ = done.await; // a session that stopped meanwhile has nothing to replace
        }
    }

    /// Ends the process in good order and takes nothing more.
    pub(crate) async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Stop(reply)).await.is_ok() {
            let _ = done.await; // dropped means stopped
        }
    }

    pub(crate) fn view(&self) -> SessionView {
        let (queued, dropped) = {
            let queue = lock(&self.shared.queue);
            (queue.len(), queue.dropped())
        };
        let status = lock(&self.shared.status);
        let waited = status.until.is_none_or(|until| until <= Instant::now());
        let state = match &status.state {
            SessionState::Backoff { .. } if waited => SessionState::Cold,
            state => state.clone(),
        };
        SessionView {
            tenant: self.shared.tenant.clone(),
            state,
            pid: status.pid,
            queued,
            in_flight: status.in_flight,
            dropped,
        }
    }
}

impl Shared {
    pub(crate) fn set_state(&self, state: SessionState, until: Option<Instant>) {
        let mut status = lock(&self.status);
        status.state = state;
        status.until = until;
    }

    /// Why no event is taken at present, if none is.
    fn refuses(&self) -> Option<String> {
        let status = lock(&self.status);
        match &status.state {
            SessionState::Broken { reason } if status.until.is_some_and(|until| Instant::now() < until) => {
                Some(format!("the plugin does not start: {reason}"))
            }
            _ => None,
        }
    }

    /// Puts a delivery aside for good.
    pub(crate) fn bury(&self, delivery: Delivery, reason: String) {
        let event: &EventId = &delivery.event.id;
        tracing::warn!(tenant = %self.tenant, %event, attempts = delivery.attempts,
            "event {event} for {} was put aside: {reason}", self.tenant);
        self.world.observer.tell(|| Observation::EventDeadLettered {
            tenant: self.tenant.clone(),
            event: event.clone(),
            reason: reason.clone(),
        });
        let mut dead = lock(&self.world.dead_letters);
        if dead.len() == DEAD_LETTERS {
            dead.pop_front();
        }
        dead.push_back(DeadLetter {
            tenant: self.tenant.clone(),
            event: delivery.event,
            attempts: delivery.attempts,
            reason,
        });
    }

    /// Tells the author and the operator of something that went wrong.
    pub(crate) fn problem(&self, message: String) {
        tracing::warn!(tenant = %self.tenant, "{message}");
        let version = lock(&self.status).version.clone();
        self.world.calls.log(&self.tenant, &version, LogLine::plain(LogLevel::Error, &message));
        self.world.observer.tell(|| Observation::Problem { tenant: self.tenant.clone(), message });
    }

    /// Keeps a line the plugin wrote.
    pub(crate) fn log(&self, version: &str, line: LogLine) {
        self.world.calls.log(&self.tenant, version, line.clone());
        self.world.observer.tell(|| Observation::Log { tenant: self.tenant.clone(), line });
    }
}

/// A lock whose holder panicked is still a lock: nothing here is left half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
