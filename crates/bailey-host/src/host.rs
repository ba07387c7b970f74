//! The host itself: installations come and go, events go in, and it says when nothing is under way.

use std::sync::{Arc, PoisonError, RwLock};

use bailey_protocol::host_message::{Lifecycle, SocketEvent};
use bailey_protocol::{Clock, Event, EventKind, Tenant, Timestamp};
use bailey_services::SocketSink;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Calls;
use crate::bus::{Bus, BusClosed, Partition};
use crate::cron::{CronClaims, Timekeeper};
use crate::dead_letters::{DeadLetter, DeadLetters, RedeliverError, Settled};
use crate::installation::Installation;
use crate::observation::Observer;
use crate::quiet::Quiet;
use crate::router::Routes;
use crate::session::{AnnounceError, Session, SessionView, World, lock};
use crate::spawn::Spawner;
use crate::supervisor::{Gate, Plugins};
use crate::timings::{HostRates, HostTimings};

/// What a host is made of.
pub struct HostConfig {
    /// Starts processes.
    pub spawner: Spawner,
    /// Carries out calls.
    pub calls: Arc<dyn Calls>,
    /// Keeps events that are put aside for good; without it the last few are in memory only.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// Remembers which schedules were told; without it nobody is told the time.
    pub cron_claims: Option<Arc<dyn CronClaims>>,
    /// Tells how old an interaction is, and when schedules are due.
    pub clock: Arc<dyn Clock>,
    /// How long to wait for what.
    pub timings: HostTimings,
    /// How much plugins may ask and say.
    pub rates: HostRates,
    /// Who watches.
    pub observer: Observer,
}

/// Runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    world: Arc<World>,
    bus: Bus,
    routes: RwLock<Routes<Session>>,
    closing: CancellationToken,
    timekeeper: Option<Timekeeper>,
    /// One installation is changed at a time, so that two do not race for a tenant.
    changing: tokio::sync::Mutex<()>,
}

impl Host {
    /// Starts a host without installations. Must run inside a tokio runtime.
    pub fn start(config: HostConfig) -> Self {
        let (quiet, closing) = (Quiet::default(), CancellationToken::new());
        let (bus, partitions) =
            Bus::new(config.rates.bus_partitions, config.rates.bus_capacity, quiet.clone());
        let plugins = Plugins::new(config.timings.breakers.clone(), config.rates.plugin_calls_in_flight);
        let gate = Gate::new(config.rates.room.clone());
        let timings = config.timings.cron.clone();
        let timekeeper = config
            .cron_claims
            .map(|claims| Timekeeper::new(Arc::clone(&config.clock), claims, timings, quiet.clone()));
        let world = Arc::new(World {
            plugins,
            gate,
            spawner: config.spawner,
            calls: config.calls,
            clock: config.clock,
            timings: config.timings,
            rates: config.rates,
            observer: config.observer,
            quiet,
            tasks: TaskTracker::new(),
            closing: closing.clone(),
            keeper: config.dead_letters,
            dead_letters: Default::default(),
        });
        let inner = Arc::new(Inner {
            world: Arc::clone(&world),
            bus,
            routes: RwLock::default(),
            closing,
            timekeeper,
            changing: tokio::sync::Mutex::default(),
        });
        for partition in partitions {
            world.tasks.spawn(Arc::clone(&inner).route(partition));
        }
        if inner.timekeeper.is_some() {
            world.tasks.spawn(Arc::clone(&inner).keep_time());
        }
        if world.rates.room.memory_bytes.is_some() {
            world.tasks.spawn(Arc::clone(&inner).measure());
        }
        Self { inner }
    }

    /// Takes an event in, waiting while the bus is full. From its return on, [`Host::quiesced`]
    /// waits for it.
    ///
    /// # Errors
    /// [`BusClosed`] when the host is shutting down.
    pub async fn publish(&self, event: Event) -> Result<(), BusClosed> {
        self.inner.bus.publish(event).await
    }

    /// Adds an installation; its process starts with its first event. One that is there already is
    /// replaced: its process ends in good order and events wait for the new one.
    pub async fn install(&self, installation: Installation) {
        let _one_at_a_time = self.inner.changing.lock().await;
        if self.inner.closing.is_cancelled() {
            return;
        }
        let known = self.inner.session(installation.tenant());
        let session = match known {
            Some(session) => {
                session.replace(installation.clone()).await;
                session
            }
            None => Session::start(&self.inner.world, installation.clone()),
        };
        let mut routes = self.inner.routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.set(&installation, session.unhandled(), session);
        drop(routes);
        if let Some(timekeeper) = &self.inner.timekeeper {
            timekeeper.set(installation.tenant(), &installation.schedules);
        }
    }

    /// Takes an installation out and ends its process in good order. False if there is none.
    pub async fn remove(&self, tenant: &Tenant) -> bool {
        let _one_at_a_time = self.inner.changing.lock().await;
        if let Some(timekeeper) = &self.inner.timekeeper {
            timekeeper.set(tenant, &[]);
        }
        let session = {
            let mut routes = self.inner.routes.write().unwrap_or_else(PoisonError::into_inner);
            routes.remove(tenant)
        };
        match session {
            Some(session) => {
                session.stop().await;
                true
            }
            None => false,
        }
    }

    /// Sends a lifecycle message, starting a process for it if need be, and waits for its handler.
    /// It goes before the events that are waiting. Best effort: once, and not again after a crash.
    ///
    /// # Errors
    /// [`AnnounceError`] when the handler did not run to its end, as far as we know.
    pub async fn announce(&self, tenant: &Tenant, lifecycle: Lifecycle) -> Result<(), AnnounceError> {
        let session = self.inner.session(tenant).ok_or(AnnounceError::NotInstalled)?;
        session.announce(lifecycle).await
    }

    /// Completes when nothing is under way: no event on the bus, every delivery acknowledged or
    /// given up, every call answered. What a plugin does in threads of its own is not seen.
    pub async fn quiesced(&self) {
        self.inner.world.quiet.reached().await;
    }

    /// Begins to tell plugins the time. Before, they could not act on it: nothing is known of their servers.
    pub fn begin_to_tell_time(&self) {
        if let Some(timekeeper) = &self.inner.timekeeper {
            timekeeper.begin();
        }
    }

    /// Tells a plugin on a server news of a connection, starting it if need be, and waits for its handler.
    ///
    /// # Errors
    /// A clause that says why it was not told, or what the plugin answered.
    pub async fn tell(&self, tenant: &Tenant, event: SocketEvent) -> Result<(), String> {
        match self.inner.session(tenant) {
            Some(session) => session.tell(event).await,
            None => Err("the plugin is not installed on this server".to_owned()),
        }
    }

    /// Completes when everybody whose schedule is due up to an instant was told.
    pub async fn told_the_time(&self, until: Timestamp) {
        if let Some(timekeeper) = &self.inner.timekeeper {
            timekeeper.worked_off(until).await;
        }
    }

    /// Every session, in no order.
    pub fn sessions(&self) -> Vec<SessionView> {
        let sessions: Vec<Session> = {
            let routes = self.inner.routes.read().unwrap_or_else(PoisonError::into_inner);
            routes.targets().cloned().collect()
        };
        // Looking takes a moment each, in which events should find their way.
        sessions.iter().map(Session::view).collect()
    }

    /// The events put aside most recently, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        lock(&self.inner.world.dead_letters).iter().cloned().collect()
    }

    /// Delivers an event that was put aside once more: to this installation alone, under the same id, its
    /// attempts counted anew. Waits until it is known what became of it.
    ///
    /// # Errors
    /// [`RedeliverError`] when it is not delivered; what was put aside stays that.
    pub async fn redeliver(&self, tenant: &Tenant, event: Event) -> Result<Settled, RedeliverError> {
        if event.kind == EventKind::InteractionCreate {
            return Err(RedeliverError::Interaction);
        }
        let session = self.inner.session(tenant).ok_or(RedeliverError::NotInstalled)?;
        let settled = session.offer_again(event, self.inner.world.quiet.hold());
        settled.await.map_err(|_| RedeliverError::Dropped)
    }

    /// Ends every process in good order, all at the same time, and takes nothing more in. Whatever is not done
    /// within the drain deadline of the timings is left behind, and named.
    pub async fn shutdown(&self) -> Drained {
        let inner = &self.inner;
        inner.closing.cancel();
        let until = Instant::now() + inner.world.timings.drain_deadline;
        let sessions: Vec<Session> = {
            let Ok(_one_at_a_time) = timeout_at(until, inner.changing.lock()).await else {
                return self.drained(vec!["an installation was being changed".to_owned()]);
            };
            let routes = inner.routes.read().unwrap_or_else(PoisonError::into_inner);
            routes.targets().cloned().collect()
        };
        let cut_off = join_all(sessions.iter().map(async |session| {
            let stopped = timeout_at(until, session.stop()).await;
            stopped.is_err().then(|| session.unfinished())
        }));
        let mut cut_off: Vec<String> = cut_off.await.into_iter().flatten().collect();
        *inner.routes.write().unwrap_or_else(PoisonError::into_inner) = Routes::default();
        inner.world.tasks.close();
        if timeout_at(until, inner.world.tasks.wait()).await.is_err() {
            let tasks = inner.world.tasks.len();
            cut_off.push(format!("{tasks} calls or answers were still being carried out"));
        }
        self.drained(cut_off)
    }

    fn drained(&self, cut_off: Vec<String>) -> Drained {
        for what in &cut_off {
            let deadline = self.inner.world.timings.drain_deadline;
            tracing::error!("stopped after {deadline:?} although {what}");
        }
        Drained { cut_off }
    }
}

/// How a shutdown went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// What was not finished in time, a clause each; empty if everything was.
    pub cut_off: Vec<String>,
}

impl Inner {
    fn session(&self, tenant: &Tenant) -> Option<Session> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(tenant).cloned()
    }

    /// Hands the events of one partition to the sessions they go to.
    async fn route(self: Arc<Self>, mut partition: Partition) {
        loop {
            let taken = tokio::select! {
                taken = partition.next() => taken,
                () = self.closing.cancelled() => {
                    partition.close();
                    partition.next().await
                }
            };
            let Some(taken) = taken else { return };
            let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
            // All are admitted before one of them may decline: who answers is known then.
            routes.route(&taken.event).for_each(|session| session.admit(&taken.event));
            for session in routes.route(&taken.event) {
                session.offer(taken.event.clone(), taken.busy.another());
            }
        }
    }

    /// Tells plugins the time, minute after minute.
    async fn keep_time(self: Arc<Self>) {
        let Some(timekeeper) = &self.timekeeper else { return };
        let tell = |tenant: &Tenant, event: Event| {
            if let Some(session) = self.session(tenant) {
                session.offer(event, self.world.quiet.hold());
            }
        };
        timekeeper.run(self.closing.clone(), tell).await;
    }

    /// Looks at how much memory the processes take, again and again.
    async fn measure(self: Arc<Self>) {
        let every = self.world.rates.room.measure_every;
        while tokio::time::timeout(every, self.closing.cancelled()).await.is_err() {
            self.world.gate.measure();
        }
    }
}

impl SocketSink for Host {
    fn tell(&self, tenant: &Tenant, event: SocketEvent) -> BoxFuture<'_, Result<(), String>> {
        let tenant = tenant.clone();
        async move { Host::tell(self, &tenant, event).await }.boxed()
    }
}
