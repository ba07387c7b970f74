//! What every connection and request of one simulator shares.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::gateway::sharding::{Pace, Sharding};
use crate::recording::recorder::Recorder;
use crate::rest::faults::Faults;
use crate::rest::limits::Limits;
use crate::rest::log::RequestLog;
use crate::state::State;

/// Gateway connections at once.
pub(crate) const MOST_CONNECTIONS: u32 = 64;
/// Discord's usual heartbeat interval.
const HEARTBEAT_MS: u64 = 41_250;

/// One simulator's shared parts.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) recorder: Arc<Recorder>,
    /// The folder that recordings ordered over HTTP go to.
    pub(crate) recordings: Mutex<Option<PathBuf>>,
    /// REST requests answered so far.
    pub(crate) answered: watch::Sender<u64>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) log: Mutex<RequestLog>,
    pub(crate) connections: Arc<Semaphore>,
    /// How shards may begin, and how they did.
    pub(crate) pace: Mutex<Pace>,
    /// The feed's latest index.
    pub(crate) feed_changed: watch::Receiver<u64>,
    /// Changes when a client connects to a session and when a heartbeat carries a sequence number.
    pub(crate) heard: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
    heartbeat_ms: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        state: State,
        clock: Arc<Clock>,
        feed_changed: watch::Receiver<u64>,
        sharding: Sharding,
    ) -> Self {
        let recorder = Arc::clone(&state.recorder);
        Self {
            state: Mutex::new(state),
            recorder,
            recordings: Mutex::default(),
            answered: watch::Sender::new(0),
            clock,
            limits: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
            connections: Arc::new(Semaphore::new(MOST_CONNECTIONS as usize)),
            pace: Mutex::new(Pace::new(sharding)),
            feed_changed,
            heard: watch::Sender::new(0),
            stop: CancellationToken::new(),
            heartbeat_ms: AtomicU64::new(HEARTBEAT_MS),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Wakes those who wait for a client to connect or to acknowledge.
    pub(crate) fn client_heard(&self) {
        self.heard.send_modify(|count| *count += 1);
    }

    /// The heartbeat interval that the next connection is told.
    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.load(Ordering::SeqCst))
    }

    pub(crate) fn set_heartbeat(&self, interval: Duration) {
        let interval = u64::try_from(interval.as_millis()).unwrap_or(HEARTBEAT_MS).clamp(10, HEARTBEAT_MS);
        self.heartbeat_ms.store(interval, Ordering::SeqCst);
    }
}

/// Locks, also after a panic elsewhere: every change under these locks is complete or harmless.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
