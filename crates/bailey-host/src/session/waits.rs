//! How long a process has waited for answers of ours that were slow. That time is not held against it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailey_protocol::limits;
use tokio::time::Instant;

use super::lock;

/// The calls of one process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// When each unanswered call began.
    unanswered: Vec<Instant>,
    waited: Duration,
    /// Everything up to here is in `waited`, as far as it counts.
    counted: Option<Instant>,
}

/// One call until it is answered.
#[derive(Debug)]
pub(crate) struct Waiting {
    waits: Waits,
    since: Instant,
}

impl Waits {
    /// A call begins.
    pub(crate) fn begin(&self) -> Waiting {
        let since = Instant::now();
        lock(&self.0).unanswered.push(since);
        Waiting { waits: self.clone(), since }
    }

    /// Calls that are not answered.
    pub(crate) fn unanswered(&self) -> usize {
        lock(&self.0).unanswered.len()
    }

    /// The time so far in which at least one call waited longer than [`limits::QUICK_ANSWER`].
    pub(crate) fn waited(&self) -> Duration {
        let inner = lock(&self.0);
        let oldest = inner.unanswered.iter().min().copied();
        inner.waited + oldest.map_or(Duration::ZERO, |oldest| inner.slow(oldest, Instant::now()))
    }
}

impl Inner {
    /// What a call from `since` to `now` adds, if it was slow.
    fn slow(&self, since: Instant, now: Instant) -> Duration {
        if now.duration_since(since) <= limits::QUICK_ANSWER {
            return Duration::ZERO;
        }
        now.duration_since(self.counted.map_or(since, |counted| counted.max(since)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut inner = lock(&self.waits.0);
        if let Some(at) = inner.unanswered.iter().position(|since| *since == self.since) {
            inner.unanswered.swap_remove(at);
        }
        // A call that began earlier and is not answered yet covers this one.
        if inner.unanswered.iter().any(|since| *since <= self.since) {
            return;
        }
        let slow = inner.slow(self.since, now);
        if !slow.is_zero() {
            inner.waited += slow;
            inner.counted = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_slow_answers_count_and_each_second_once() {
        let waits = Waits::default();
        let quick = waits.begin();
        pass(1).await;
        drop(quick);
        assert_eq!(waits.waited(), Duration::ZERO);
        let (long, short) = (waits.begin(), waits.begin());
        pass(5).await;
        assert_eq!(waits.waited(), Duration::from_secs(5));
        drop(short);
        pass(5).await;
        let overlapping = waits.begin();
        pass(1).await;
        drop(long);
        assert_eq!(waits.waited(), Duration::from_secs(11));
        pass(4).await;
        drop(overlapping);
        assert_eq!(waits.waited(), Duration::from_secs(15));
        pass(100).await;
        assert_eq!((waits.waited(), waits.unanswered()), (Duration::from_secs(15), 0));
    }
}
