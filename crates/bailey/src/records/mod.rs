//! What a running host leaves in the platform's database for others to see: that it lives, what its
//! sessions and its connections to Discord do, the events it put aside. And what it finds there to do:
//! events to deliver once more.

mod cron;
mod letters;
mod redrive;
mod sessions;
mod shards;

use std::sync::Arc;
use std::time::Duration;

use bailey_host::{CronClaims, DeadLetters, Host};
use bailey_protocol::{Clock, limits};
use bailey_store::{HostId, NewHost, Store, StoreError};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::letters::Letters;
use self::shards::Watched;
use crate::error::chain;

/// Time between two looks at the sessions, and at what is to be delivered once more.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Time between two sweeps of letters nobody came back to.
const SWEEP_AGAIN: Duration = Duration::from_secs(3600);
/// Time the last words may take when the host ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The records of one host.
pub(crate) struct Records {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What the tasks share.
struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    host: NewHost,
    letters: Arc<Letters>,
    /// The host has shut down: nothing is tried for long any more.
    ending: CancellationToken,
}

impl Records {
    /// Records of a host that is about to start.
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let mut rng: StdRng = rand::make_rng();
        let host = NewHost {
            id: HostId::new(rng.random()),
            machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let letters = Arc::new(Letters::default());
        Self {
            shared: Arc::new(Shared { store, clock, host, letters, ending: CancellationToken::new() }),
            tasks: TaskTracker::new(),
        }
    }

    /// Where the host puts events aside.
    pub(crate) fn letters(&self) -> Arc<dyn DeadLetters> {
        Arc::clone(&self.shared.letters) as _
    }

    /// Remembers which schedules were told.
    pub(crate) fn cron_claims(&self) -> Arc<dyn CronClaims> {
        Arc::new(cron::Claims(self.shared.store.clone()))
    }

    /// Says that the host has started, and keeps its records from now on.
    pub(crate) async fn run(&self, host: &Host) -> Result<(), StoreError> {
        let shared = &self.shared;
        shared.store.host_started(&shared.host).await?;
        self.tasks.spawn(letters::write(Arc::clone(shared)));
        self.tasks.spawn(sessions::publish(Arc::clone(shared), host.clone()));
        self.tasks.spawn(redrive::deliver(Arc::clone(shared), host.clone()));
        self.tasks.spawn(sweep(Arc::clone(shared)));
        Ok(())
    }

    /// Keeps the records of the host's connections to Discord from now on.
    pub(crate) fn watch(&self, gateways: Vec<Watched>) {
        self.tasks.spawn(shards::publish(Arc::clone(&self.shared), gateways));
    }

    /// Writes the last words of a host that has shut down, as far as the database takes them in time.
    pub(crate) async fn stop(&self) {
        self.shared.ending.cancel();
        self.tasks.close();
        let last_words = async {
            self.tasks.wait().await;
            let shared = &self.shared;
            if let Err(error) = shared.store.host_ended(&shared.host.id).await {
                tracing::warn!("it is not recorded that this host ended: {}", chain(&error));
            }
        };
        let in_time = tokio::time::timeout(LAST_WORDS, last_words).await.is_ok();
        let left = self.shared.letters.waiting();
        if !in_time && left > 0 {
            tracing::error!(
                left,
                "{left} events that were put aside could not be kept: the database is away"
            );
        }
    }
}

/// Forgets, from time to time, what was put aside long ago.
async fn sweep(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(SWEEP_AGAIN);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.ending.cancelled() => return,
        }
        match shared.store.sweep_dead_letters(shared.clock.now(), limits::DEAD_LETTERS_KEPT).await {
            Ok(0) => {}
            Ok(gone) => {
                tracing::warn!(gone, "{gone} events were put aside too long ago, and are forgotten");
            }
            Err(error) => tracing::warn!("old events that were put aside stay: {}", chain(&error)),
        }
    }
}
