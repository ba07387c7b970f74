//! Housekeeping: removing expired rows, a tenant's when it needs the room and everybody's now and then.

use std::time::Duration;

use bailey_protocol::{CallError, Tenant};
use deadpool_postgres::Object;
use tokio_util::sync::CancellationToken;

use super::Kv;
use crate::database::{Failure, stored_guild};
use crate::rounds::Rounds;

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(60);
/// Rows removed by one statement.
const BATCH: i64 = 1000;

impl Kv {
    /// Sweeps once a minute, by the service's clock, and recounts once a night, until cancelled. Never
    /// fails: what could not be removed is absent all the same, and what is due stays due.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        let mut rounds = Rounds::later(INTERVAL, &*self.clock, &cancelled);
        while rounds.next().await {
            let round = async {
                let _ = self.sweep().await; // logged; the next round tries again
                let _ = self.recount().await;
            };
            cancelled.run_until_cancelled(round).await;
        }
    }

    /// Removes every tenant's expired rows, batch by batch, and says how many there were.
    ///
    /// # Errors
    /// [`CallError`] when the database fails; what was removed by then stays removed.
    pub async fn sweep(&self) -> Result<u64, CallError> {
        let mut total = 0;
        loop {
            let removed = self.database.bounded("the sweep", &"everybody", self.sweep_batch()).await?;
            total += removed.unsigned_abs();
            if removed < BATCH {
                return Ok(total);
            }
        }
    }

    async fn sweep_batch(&self) -> Result<i64, Failure> {
        // Rows somebody is writing are left for the next round. Addressed by place, so that no join
        // is planned by statistics that are out of date.
        const SQL: &str = "
            WITH gone AS (
                DELETE FROM kv WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM kv WHERE expires_at <= $1
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
                RETURNING plugin, guild),
            counted AS (
                UPDATE kv_usage SET keys = kv_usage.keys - gone.rows
                FROM (SELECT plugin, guild, count(*) AS rows FROM gone GROUP BY plugin, guild) AS gone
                WHERE kv_usage.plugin = gone.plugin AND kv_usage.guild = gone.guild)
            SELECT count(*) AS removed FROM gone";
        let client = self.database.client().await?;
        let statement = client.prepare_cached(SQL).await?;
        Ok(client.query_one(&statement, &[&self.now(), &BATCH]).await?.get("removed"))
    }
}

/// Removes one tenant's expired rows and says how many there were.
pub(super) async fn sweep_tenant(client: &Object, tenant: &Tenant, now: i64) -> Result<u64, Failure> {
    // The inner query runs once, into an array: as a join it would be planned by statistics, which
    // for a table that has just grown are wrong.
    const SQL: &str = "
        WITH gone AS (
            DELETE FROM kv
            WHERE plugin = $1 AND guild = $2 AND key = ANY (ARRAY(
                SELECT key FROM kv WHERE plugin = $1 AND guild = $2 AND expires_at <= $3
                ORDER BY key FOR UPDATE))
            RETURNING 1)
        UPDATE kv_usage SET keys = keys - gone.rows
        FROM (SELECT count(*) AS rows FROM gone) AS gone
        WHERE plugin = $1 AND guild = $2 AND gone.rows > 0
        RETURNING gone.rows";
    let statement = client.prepare_cached(SQL).await?;
    let row = client.query_opt(&statement, &[&tenant.plugin.as_str(), &stored_guild(tenant), &now]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>("rows").unsigned_abs()))
}
