//! How many calls, and how many bytes of them, one process may have in flight, and how many calls all
//! processes of its plugin.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const BYTES_IN_FLIGHT: usize = bailey_protocol::limits::CALL_BYTES_IN_FLIGHT;
const KIBIBYTE: usize = 1024;

/// The slots of one process.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    calls: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
    /// Shared by all processes of the plugin.
    of_plugin: Arc<Semaphore>,
}

/// A place for one call, from its reading to the writing of its answer.
#[derive(Debug)]
pub(crate) struct Slot {
    _call: OwnedSemaphorePermit,
    _kibibytes: OwnedSemaphorePermit,
    _of_plugin: OwnedSemaphorePermit,
}

impl Slots {
    pub(crate) fn new(calls: usize, of_plugin: Arc<Semaphore>) -> Self {
        Self {
            calls: Arc::new(Semaphore::new(calls)),
            kibibytes: Arc::new(Semaphore::new(BYTES_IN_FLIGHT / KIBIBYTE)),
            of_plugin,
        }
    }

    /// Waits for a slot for a call that came in a line of `bytes`. `None` is never answered while
    /// the slots live, since they are never closed.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Slot> {
        let kibibytes = (bytes / KIBIBYTE + 1).min(BYTES_IN_FLIGHT / KIBIBYTE) as u32;
        let call = Arc::clone(&self.calls).acquire_owned().await.ok()?;
        let kibibytes = Arc::clone(&self.kibibytes).acquire_many_owned(kibibytes).await.ok()?;
        let of_plugin = Arc::clone(&self.of_plugin).acquire_owned().await.ok()?;
        Some(Slot { _call: call, _kibibytes: kibibytes, _of_plugin: of_plugin })
    }

    /// A slot, if one is free right now.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Slot> {
        let kibibytes = (bytes / KIBIBYTE + 1).min(BYTES_IN_FLIGHT / KIBIBYTE) as u32;
        let call = Arc::clone(&self.calls).try_acquire_owned().ok()?;
        let kibibytes = Arc::clone(&self.kibibytes).try_acquire_many_owned(kibibytes).ok()?;
        let of_plugin = Arc::clone(&self.of_plugin).try_acquire_owned().ok()?;
        Some(Slot { _call: call, _kibibytes: kibibytes, _of_plugin: of_plugin })
    }
}
