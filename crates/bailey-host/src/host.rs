//! The host itself: installations come and go, events go in, and it says when nothing is under way.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bailey_protocol::host_message::Lifecycle;
use bailey_protocol::{Clock, Event, Tenant};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Calls;
use crate::bus::{Bus, BusClosed, Partition};
use crate::installation::Installation;
use crate::observation::Observer;
use crate::quiet::Quiet;
use crate::router::Routes;
use crate::session::{AnnounceError, DeadLetter, Session, SessionView, World, lock};
use crate::spawn::Spawner;
use crate::timings::{HostRates, HostTimings};

/// What a host is made of.
pub struct HostConfig {
    /// Starts processes.
    pub spawner: Spawner,
    /// Carries out calls.
    pub calls: Arc<dyn Calls>,
    /// Tells how old an interaction is.
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
    /// One installation is changed at a time, so that two do not race for a tenant.
    changing: tokio::sync::Mutex<()>,
}

impl Host {
    /// Starts a host without installations. Must run inside a tokio runtime.
    pub fn start(config: HostConfig) -> Self {
        let quiet = Quiet::default();
        let (bus, partitions) =
            Bus::new(config.rates.bus_partitions, config.rates.bus_capacity, quiet.clone());
        let world = Arc::new(World {
            spawner: config.spawner,
            calls: config.calls,
            clock: config.clock,
            timings: config.timings,
            rates: config.rates,
            observer: config.observer,
            quiet,
            tasks: TaskTracker::new(),
            dead_letters: Default::default(),
        });
        let inner = Arc::new(Inner {
            world: Arc::clone(&world),
            bus,
            routes: RwLock::default(),
            closing: CancellationToken::new(),
            changing: tokio::sync::Mutex::default(),
        });
        for partition in partitions {
            world.tasks.spawn(Arc::clone(&inner).route(partition));
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
    }

    /// Takes an installation out and ends its process in good order. False if there is none.
    pub async fn remove(&self, tenant: &Tenant) -> bool {
        let _one_at_a_time = self.inner.changing.lock().await;
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

    /// Every session, in no order.
    pub fn sessions(&self) -> Vec<SessionView> {
        let routes = self.inner.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.targets().map(Session::view).collect()
    }

    /// The events put aside most recently, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        lock(&self.inner.world.dead_letters).iter().cloned().collect()
    }

    /// Ends every process in good order and takes nothing more in. Bounded by the timings.
    pub async fn shutdown(&self) {
        let inner = &self.inner;
        inner.closing.cancel();
        let sessions: Vec<Session> = {
            let _one_at_a_time = inner.changing.lock().await;
            let routes = inner.routes.read().unwrap_or_else(PoisonError::into_inner);
            routes.targets().cloned().collect()
        };
        join_all(sessions.iter().map(Session::stop)).await;
        *inner.routes.write().unwrap_or_else(PoisonError::into_inner) = Routes::default();
        inner.world.tasks.close();
        let timings = &inner.world.timings;
        let most = timings.call_deadline + timings.write_stall + Duration::from_secs(5);
        if tokio::time::timeout(most, inner.world.tasks.wait()).await.is_err() {
            tracing::error!("calls were still being carried out {most:?} after the last plugin ended");
        }
    }
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
            for session in routes.route(&taken.event) {
                session.offer(taken.event.clone(), taken.busy.another());
            }
        }
    }
}
