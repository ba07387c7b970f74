//! One plugin on one server: its queue, its process, its state. A process is started when there is
//! something to tell it, replaced when it fails, and ended when asked.
//!
//! [`Session`] is the handle others hold; `actor` decides when a process lives; `life` is one
//! process from its first byte to its last; `unanswered` sees to it that no person waits for a plugin
//! that will not answer.

mod actor;
pub(crate) mod flight;
mod frames_in;
mod frames_out;
mod life;
mod noise;
pub(crate) mod queue;
mod restarts;
mod slots;
mod state;
mod streams;
mod unanswered;
mod waits;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_protocol::host_message::{Lifecycle, SocketEvent};
use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{Clock, Event, EventId, Tenant, limits};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::{Calls, Unanswered};
use crate::dead_letters::{DeadLetter, DeadLetters, Settled};
use crate::installation::Installation;
use crate::observation::{Observation, Observer};
use crate::quiet::{Busy, Quiet};
use crate::router::UnhandledKinds;
use crate::spawn::Spawner;
use crate::supervisor::breaker::Breaker;
use crate::supervisor::{Gate, Plugins};
use crate::timings::{HostRates, HostTimings};
use queue::{Delivery, Queue};
use state::Status;
pub use state::{SessionState, SessionView};

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
    pub(crate) plugins: Plugins,
    pub(crate) gate: Gate,
    pub(crate) tasks: TaskTracker,
    /// The host takes nothing more in and ends.
    pub(crate) closing: CancellationToken,
    /// Where dead letters are kept for good.
    pub(crate) keeper: Option<Arc<dyn DeadLetters>>,
    /// The last ones, for whoever looks.
    pub(crate) dead_letters: Mutex<VecDeque<DeadLetter>>,
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
    pub(crate) news: Mutex<frames_out::Waiting>,
    pub(crate) wake: Notify,
    pub(crate) status: Mutex<Status>,
    pub(crate) breaker: Mutex<Breaker>,
    pub(crate) unhandled: Arc<UnhandledKinds>,
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
            news: Mutex::default(),
            wake: Notify::new(),
            status: Mutex::new(Status::cold(installation.version.clone(), world.clock.now())),
            breaker: Mutex::default(),
            unhandled: Arc::default(),
        });
        let (sender, commands) = mpsc::channel(16);
        world.tasks.spawn(actor::run(Arc::clone(&shared), Arc::new(installation), commands));
        Self { shared, commands: sender }
    }

    pub(crate) fn unhandled(&self) -> Arc<UnhandledKinds> {
        Arc::clone(&self.shared.unhandled)
    }

    /// Lets the plugin answer an interaction that is about to be offered.
    pub(crate) fn admit(&self, event: &Event) {
        if let Some(interaction) = &event.interaction {
            self.shared.world.calls.admit(&self.shared.tenant, interaction, event.received_at);
        }
    }

    /// Queues an event. Never waits: one plugin must not slow another.
    pub(crate) fn offer(&self, event: Event, busy: Busy) {
        self.take(Delivery::new(event, busy));
    }

    /// Queues an event that was put aside; says what became of it.
    pub(crate) fn offer_again(&self, event: Event, busy: Busy) -> oneshot::Receiver<Settled> {
        let (tell, settled) = oneshot::channel();
        self.take(Delivery { tell: Some(tell), ..Delivery::new(event, busy) });
        settled
    }

    fn take(&self, delivery: Delivery) {
        let shared = &self.shared;
        if let Some(opened) = shared.closed() {
            // One that was put aside before stays that, with the reason.
            if delivery.tell.is_some() {
                return shared.bury(delivery, opened.why);
            }
            return shared.refuse(delivery, &opened);
        }
        if shared.is_far_from_starting() && delivery.event.interaction.is_some() {
            return shared.abandon(delivery, "the plugin does not start soon enough", Unanswered::NotRunning);
        }
        let dropped = lock(&shared.queue).push(delivery);
        if let Some(dropped) = dropped {
            let reason = format!("more than {} events were waiting", limits::DELIVERY_QUEUE);
            shared.abandon(dropped, &reason, Unanswered::Busy);
        }
        shared.wake.notify_one();
    }

    /// Tells news of a connection, starting a process for it if need be, and waits for its handler.
    ///
    /// # Errors
    /// A clause that says why it was not told, or what the plugin answered.
    pub(crate) async fn tell(&self, event: SocketEvent) -> Result<(), String> {
        if let Some(opened) = self.shared.closed() {
            return Err(opened.why);
        }
        let (reply, answer) = oneshot::channel();
        let news = frames_out::News { event, reply, _busy: self.shared.world.quiet.hold() };
        lock(&self.shared.news).push(news);
        self.shared.wake.notify_one();
        answer.await.unwrap_or_else(|_| Err("its process ended".to_owned()))
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

    /// What is not finished, for a host that waits no longer.
    pub(crate) fn unfinished(&self) -> String {
        let view = self.view();
        format!(
            "the process of {} had not ended: it is {} ({}), with {} events unacknowledged and {} waiting",
            view.tenant, view.state, view.reason, view.in_flight, view.queued
        )
    }

    pub(crate) fn view(&self) -> SessionView {
        self.shared.view()
    }
}

impl Shared {
    /// Puts a delivery aside for good.
    pub(crate) fn bury(&self, mut delivery: Delivery, reason: String) {
        delivery.settle(Settled::PutAside);
        let event: &EventId = &delivery.event.id;
        tracing::warn!(tenant = %self.tenant, %event, attempts = delivery.attempts,
            "event {event} for {} was put aside: {reason}", self.tenant);
        self.world.observer.tell(|| Observation::EventDeadLettered {
            tenant: self.tenant.clone(),
            event: event.clone(),
            reason: reason.clone(),
        });
        let letter = DeadLetter {
            tenant: self.tenant.clone(),
            event: delivery.event,
            attempts: delivery.attempts,
            reason,
            at: self.world.clock.now(),
        };
        if let Some(keeper) = &self.world.keeper {
            keeper.keep(letter.clone());
        }
        let mut dead = lock(&self.world.dead_letters);
        if dead.len() == DEAD_LETTERS {
            dead.pop_front();
        }
        dead.push_back(letter);
    }

    /// Tells the author and the operator of something that went wrong.
    pub(crate) fn problem(&self, message: String) {
        tracing::warn!(tenant = %self.tenant, "{message}");
        let version = lock(&self.status).version.clone();
        self.world.calls.log(&self.tenant, &version, LogLine::plain(LogLevel::Error, &message));
        self.world.observer.tell(|| Observation::Problem { tenant: self.tenant.clone(), message });
    }

    /// Keeps a line the plugin wrote.
    pub(crate) fn log(&self, version: &str, mut line: LogLine) {
        for text in line.texts_mut() {
            *text = self.world.calls.blot(&self.tenant, std::mem::take(text));
        }
        self.world.calls.log(&self.tenant, version, line.clone());
        self.world.observer.tell(|| Observation::Log { tenant: self.tenant.clone(), line });
    }
}

/// A lock whose holder panicked is still a lock: nothing here is left half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
