//! Making days ahead, and dropping those that are too old or too much.

use std::time::Duration;

use bailey_protocol::CallError;
use tokio_util::sync::CancellationToken;

use super::Logs;
use crate::rounds::Rounds;

/// Time between two sweeps: a flood of lines is noticed within it.
const INTERVAL: Duration = Duration::from_secs(60);

impl Logs {
    /// Sweeps now and once a minute, by the service's clock, until cancelled. Never fails: what could
    /// not be done waits for the next round. Several hosts may do this at once.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        let mut rounds = Rounds::from_now(INTERVAL, &*self.clock, &cancelled);
        while rounds.next().await {
            // What fails is logged; the next round tries again.
            cancelled.run_until_cancelled(self.sweep()).await;
        }
    }

    /// Makes the partitions of today and tomorrow, drops the days that are too old, and then the oldest
    /// ones while all together take more room than they may. A single day that takes more than that goes
    /// as well, today's too: a full disk would take everything. Says how many days went.
    ///
    /// # Errors
    /// [`CallError`] when the database fails; what was dropped by then stays dropped.
    pub async fn sweep(&self) -> Result<u64, CallError> {
        let now = self.clock.now();
        let work = async {
            let client = self.database.client().await?;
            let mut removed = self.days.remove_older(&client, now - self.options.kept).await?;
            let days = self.days.list(&client).await?;
            let mut bytes: u64 = days.iter().map(|day| day.bytes).sum();
            for day in days.iter().take_while(|day| day.lower <= now) {
                if bytes <= self.options.total_bytes {
                    break;
                }
                if self.days.remove(&client, day).await? {
                    removed += 1;
                    tracing::warn!(
                        partition = day.name,
                        bytes = day.bytes,
                        "log lines of plugins took {bytes} bytes of the {} they may: dropped the oldest day, {}",
                        self.options.total_bytes,
                        day.name
                    );
                }
                bytes = bytes.saturating_sub(day.bytes);
            }
            self.days.make_ahead(&client, now).await?;
            Ok(removed)
        };
        self.database.bounded("the sweep of log lines", &"everybody", work).await
    }
}
