//! Knows whether anything is under way: a count of work in hand, and a way to wait for none.
//!
//! Every event on the bus, every delivery not yet settled and every call not yet answered holds a
//! [`Busy`]. What follows from a piece of work takes its own before the first one is given back, so
//! the count touches zero only when nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The count. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Quiet(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    busy: AtomicUsize,
    none_left: Notify,
}

/// One piece of work in hand; given back by dropping it.
#[derive(Debug)]
pub struct Busy(Arc<Inner>);

impl Quiet {
    /// Counts one piece of work until the answer is dropped.
    pub fn hold(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(&self.0))
    }

    /// How many pieces of work are in hand.
    pub fn in_hand(&self) -> usize {
        self.0.busy.load(Ordering::Acquire)
    }

    /// Completes when no work is in hand; at once if there is none.
    pub async fn reached(&self) {
        loop {
            let notified = self.0.none_left.notified();
            tokio::pin!(notified);
            notified.as_mut().enable(); // before looking, or the last Busy could slip in between
            if self.in_hand() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Busy {
    /// A second piece of work that follows from this one.
    pub fn another(&self) -> Self {
        self.0.busy.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn quiet_is_reached_when_the_last_work_is_given_back() {
        let quiet = Quiet::default();
        quiet.reached().await;
        let first = quiet.hold();
        let waiting = quiet.reached();
        tokio::pin!(waiting);
        assert!(poll!(waiting.as_mut()).is_pending());
        let second = first.another();
        drop(first);
        assert!(poll!(waiting.as_mut()).is_pending());
        drop(second);
        assert!(poll!(waiting.as_mut()).is_ready());
    }
}
