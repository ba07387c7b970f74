//! Making partitions ahead and dropping those that are too old.

use std::time::Duration;

use bailey_protocol::{CallError, limits};
use tokio_util::sync::CancellationToken;

use super::table::{self, CLEAR_BATCH};
use super::{Metrics, alive};
use crate::rounds::Rounds;

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(3600);
/// A series goes when the week its last hour was in is over and dropped: it is marked by days.
const SERIES_KEPT: Duration = limits::METRIC_HOURS_KEPT.saturating_add(Duration::from_secs(9 * 24 * 3600));

impl Metrics {
    /// Sweeps now and once an hour, by the service's clock, until cancelled. Never fails: what could
    /// not be removed is out of every question's reach and waits for the next round. Several hosts may
    /// do this at once.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        let mut rounds = Rounds::from_now(INTERVAL, &*self.clock, &cancelled);
        while rounds.next().await {
            // What fails is logged; the next round tries again.
            cancelled.run_until_cancelled(self.sweep()).await;
        }
    }

    /// Makes the partitions of the present and of what comes next, and drops everybody's minutes after
    /// 48 hours and hours after 90 days, by whole partitions; then removes the series that have nothing
    /// left, and notes of gaps as old. Says how many partitions and series went.
    ///
    /// # Errors
    /// [`CallError`] when the database fails; what was removed by then stays removed.
    pub async fn sweep(&self) -> Result<u64, CallError> {
        let now = self.clock.now();
        let work = async {
            let client = self.database.client().await?;
            let mut removed = 0;
            for (table, kept) in [
                (&self.tables.minutes, limits::METRIC_MINUTES_KEPT),
                (&self.tables.hours, limits::METRIC_HOURS_KEPT),
            ] {
                table.make_ahead(&client, now).await?;
                removed += table.remove_older(&client, now - kept).await?;
            }
            alive::clear(&client, now - limits::METRIC_HOURS_KEPT).await?;
            Ok(removed)
        };
        let mut total = self.database.bounded("the sweep of metrics", &"everybody", work).await?;
        loop {
            let work = async { table::clear_series(&self.database.client().await?, now - SERIES_KEPT).await };
            let removed = self.database.bounded("the sweep of metrics", &"everybody", work).await?;
            total += removed;
            if removed < CLEAR_BATCH {
                return Ok(total);
            }
        }
    }
}
