//! Lets sessions wait for room, and tells those that have nothing to do when they must make some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bailey_protocol::PluginId;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::room::{Full, Next, Number, Room, WaitsFor};
use crate::session::lock;
use crate::spawn::MemoryProbe;
use crate::timings::RoomLimits;

/// The door to the room. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Mutex<Inner>>);

struct Inner {
    room: Room,
    waiting: HashMap<Number, oneshot::Sender<()>>,
    evictions: HashMap<Number, Arc<Notify>>,
    probes: HashMap<Number, MemoryProbe>,
}

/// One session's place: in line at first, then inside. Dropping it gives it back.
pub(crate) struct Place {
    gate: Gate,
    number: Number,
    granted: Option<oneshot::Receiver<()>>,
    eviction: Arc<Notify>,
}

impl Gate {
    pub(crate) fn new(limits: RoomLimits) -> Self {
        let (waiting, evictions, probes) = Default::default();
        Self(Arc::new(Mutex::new(Inner { room: Room::new(limits), waiting, evictions, probes })))
    }

    /// Stands in line.
    pub(crate) fn ask(&self, plugin: &PluginId, urgent: bool) -> Result<Place, Full> {
        let mut inner = lock(&self.0);
        let number = inner.room.enqueue(plugin, urgent)?;
        let (grant, granted) = oneshot::channel();
        let eviction = Arc::new(Notify::new());
        inner.waiting.insert(number, grant);
        inner.evictions.insert(number, Arc::clone(&eviction));
        inner.proceed();
        Ok(Place { gate: self.clone(), number, granted: Some(granted), eviction })
    }

    /// Measures all processes and acts upon it.
    pub(crate) fn measure(&self) {
        let probes: Vec<_> = {
            let inner = lock(&self.0);
            inner.probes.iter().map(|(number, probe)| (*number, Arc::clone(probe))).collect()
        };
        // Reading files takes a moment each, in which nobody should wait for the lock.
        let measured: Vec<_> =
            probes.into_iter().filter_map(|(number, probe)| Some((number, probe()?))).collect();
        let mut inner = lock(&self.0);
        measured.into_iter().for_each(|(number, bytes)| inner.room.measured(number, bytes));
        inner.proceed();
    }
}

impl Inner {
    fn proceed(&mut self) {
        loop {
            match self.room.next() {
                Next::Start(number) => {
                    let granted = self.waiting.remove(&number).is_some_and(|grant| grant.send(()).is_ok());
                    if !granted {
                        self.room.forget(number);
                    }
                }
                Next::Evict(number) => {
                    if let Some(eviction) = self.evictions.get(&number) {
                        eviction.notify_one();
                    }
                }
                Next::Wait => return,
            }
        }
    }
}

impl Place {
    /// Completes when it is inside.
    pub(crate) async fn granted(&mut self) {
        if let Some(granted) = &mut self.granted {
            let _ = granted.await; // the gate drops no grant of a place that lives
            self.granted = None;
        }
    }

    /// A person waits now.
    pub(crate) fn promote(&self) {
        lock(&self.gate.0).room.promote(self.number);
    }

    /// Why it is not inside yet.
    pub(crate) fn waits_for(&self) -> WaitsFor {
        lock(&self.gate.0).room.waits_for()
    }

    /// The process has started; from now on it counts as what is measured.
    pub(crate) fn started(&self, probe: Option<&MemoryProbe>) {
        let measured = probe.and_then(|probe| probe());
        let mut inner = lock(&self.gate.0);
        inner.room.started(self.number);
        if let Some(probe) = probe {
            inner.probes.insert(self.number, Arc::clone(probe));
        }
        if let Some(bytes) = measured {
            inner.room.measured(self.number, bytes);
        }
        inner.proceed();
    }

    /// The process has had its turn to start, whether it has or not.
    pub(crate) fn turn_over(&self) {
        let mut inner = lock(&self.gate.0);
        inner.room.turn_over(self.number);
        inner.proceed();
    }

    /// The process has had nothing to do since then, or has something to do.
    pub(crate) fn idle(&self, since: Option<Instant>) {
        let mut inner = lock(&self.gate.0);
        inner.room.idle(self.number, since);
        inner.proceed();
    }

    /// Completes when others need the room of one that has nothing to do.
    pub(crate) async fn evicted(&self) {
        self.eviction.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = lock(&self.gate.0);
        inner.room.forget(self.number);
        inner.waiting.remove(&self.number);
        inner.evictions.remove(&self.number);
        inner.probes.remove(&self.number);
        inner.proceed();
    }
}
