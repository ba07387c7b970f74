//! Removing what is older than its time, in small batches.

use std::time::Duration;

use bailey_protocol::{CallError, limits};
use tokio_util::sync::CancellationToken;

use super::Metrics;
use super::table::{self, CLEAR_BATCH, Old};

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(3600);
/// A series goes a day after its last hour: it is marked by days.
const SERIES_KEPT: Duration = limits::METRIC_HOURS_KEPT.saturating_add(Duration::from_secs(2 * 24 * 3600));

impl Metrics {
    /// Sweeps once an hour, by the service's clock, until cancelled. Never fails: what could not be
    /// removed is out of every question's reach and waits for the next round.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        loop {
            let next = self.clock.now() + INTERVAL;
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = self.clock.sleep_until(next) => {}
            }
            tokio::select! {
                () = cancelled.cancelled() => return,
                _ = self.sweep() => {} // logged; the next round tries again
            }
        }
    }

    /// Removes every tenant's minutes after 48 hours and hours after 90 days, batch by batch, and the
    /// series that have nothing left. Says how many rows there were.
    ///
    /// # Errors
    /// [`CallError`] when the database fails; what was removed by then stays removed.
    pub async fn sweep(&self) -> Result<u64, CallError> {
        let kept = [
            (Old::Minutes, limits::METRIC_MINUTES_KEPT),
            (Old::Hours, limits::METRIC_HOURS_KEPT),
            (Old::Series, SERIES_KEPT),
        ];
        let mut total = 0;
        for (what, kept) in kept {
            let before = self.clock.now() - kept;
            loop {
                let work = async { table::clear(&self.database.client().await?, what, before).await };
                let removed = self.database.bounded("the sweep of metrics", &"everybody", work).await?;
                total += removed;
                if removed < CLEAR_BATCH {
                    break;
                }
            }
        }
        Ok(total)
    }
}
