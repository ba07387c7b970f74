//! The rhythm of work done over and over, by the service's clock, until somebody says stop.

use std::time::Duration;

use bailey_protocol::{Clock, Timestamp};
use tokio_util::sync::CancellationToken;

/// `while rounds.next().await { .. }` does something each time an interval has passed since it was
/// last begun.
pub(crate) struct Rounds<'a> {
    interval: Duration,
    clock: &'a dyn Clock,
    cancelled: &'a CancellationToken,
    due: Timestamp,
}

impl<'a> Rounds<'a> {
    /// The first round begins at once.
    pub(crate) fn from_now(
        interval: Duration,
        clock: &'a dyn Clock,
        cancelled: &'a CancellationToken,
    ) -> Self {
        Self { interval, clock, cancelled, due: clock.now() }
    }

    /// The first round begins after one interval.
    pub(crate) fn later(interval: Duration, clock: &'a dyn Clock, cancelled: &'a CancellationToken) -> Self {
        Self { due: clock.now() + interval, ..Self::from_now(interval, clock, cancelled) }
    }

    /// Waits for the next round; false when there is none any more.
    pub(crate) async fn next(&mut self) -> bool {
        let due = self.clock.sleep_until(self.due);
        if self.due > self.clock.now() && self.cancelled.run_until_cancelled(due).await.is_none() {
            return false;
        }
        self.due = self.clock.now() + self.interval;
        !self.cancelled.is_cancelled()
    }
}
