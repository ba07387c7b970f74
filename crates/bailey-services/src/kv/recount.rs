//! Counting every tenant's keys anew, once a night: the counter that holds the quota is kept by the
//! statements that write, and this is what finds out should one of them ever have been wrong.
//!
//! Nobody is kept waiting to find a difference: a statement sees rows and counter as of one instant,
//! and every write changes both at once. Only a tenant with a difference is locked, and counted again
//! under the lock.

use std::time::Duration;

use bailey_protocol::limits::KV_KEYS;
use bailey_protocol::{CallError, Timestamp};
use deadpool_postgres::Transaction;

use super::Kv;
use crate::database::Failure;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Time of the day, in UTC, from which a night's recount is due.
const DUE_AT: Duration = Duration::from_secs(3 * 3600);

/// What a recount came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recount {
    /// Tenants that were counted.
    pub tenants: u64,
    /// Tenants whose counter was wrong, and is right now.
    pub corrected: u64,
}

/// A tenant as the tables have it.
struct Counted {
    plugin: String,
    guild: i64,
    /// Whether the counter says something else than the rows.
    differs: bool,
}

impl Kv {
    /// Counts every tenant's keys and corrects the counters that are wrong, unless that was done since
    /// three in the night (UTC) or another host is at it: then `None`. Writers need not stop.
    ///
    /// # Errors
    /// [`CallError`] when the database fails; what was corrected by then stays corrected, and the
    /// recount is still due.
    pub async fn recount(&self) -> Result<Option<Recount>, CallError> {
        // Held to the end on a connection of its own. Should this host die, the lock goes with it.
        const CLAIM: &str = "SELECT FROM kv_recount WHERE counted_at < $1 FOR UPDATE SKIP LOCKED";
        const DONE: &str = "UPDATE kv_recount SET counted_at = $1";
        let begun_at = self.clock.now();
        let mut client = self.bounded_recount(self.database.client()).await?;
        let claiming = async {
            let transaction = client.transaction().await?;
            let claim = transaction.query_opt(CLAIM, &[&last_due(begun_at).0]).await?;
            Ok(claim.map(|_| transaction))
        };
        let Some(claim) = self.bounded_recount(claiming).await? else { return Ok(None) };

        let recount = self.recount_everybody().await?;
        let finishing = async {
            claim.execute(DONE, &[&begun_at.0]).await?;
            Ok(claim.commit().await?)
        };
        self.bounded_recount(finishing).await?;
        tracing::info!(tenants = recount.tenants, corrected = recount.corrected, "recounted the keys in kv");
        Ok(Some(recount))
    }

    async fn recount_everybody(&self) -> Result<Recount, CallError> {
        let mut recount = Recount::default();
        let (mut plugin, mut guild) = (String::new(), i64::MIN); // before every tenant
        while let Some(next) = self.bounded_recount(self.count_after(&plugin, guild)).await? {
            recount.tenants += 1;
            if next.differs && self.bounded_recount(self.correct(&next)).await? {
                recount.corrected += 1;
            }
            (plugin, guild) = (next.plugin, next.guild);
        }
        Ok(recount)
    }

    /// The tenant after this one, counted in one instant.
    async fn count_after(&self, plugin: &str, guild: i64) -> Result<Option<Counted>, Failure> {
        // Either table may know a tenant the other does not: that is a difference as well.
        const SQL: &str = "
            WITH tenant AS (
                (SELECT plugin, guild FROM kv WHERE (plugin, guild) > ($1, $2)
                 ORDER BY plugin, guild LIMIT 1)
                UNION
                (SELECT plugin, guild FROM kv_usage WHERE (plugin, guild) > ($1, $2)
                 ORDER BY plugin, guild LIMIT 1)
                ORDER BY plugin, guild LIMIT 1)
            SELECT plugin, guild,
                (SELECT keys FROM kv_usage WHERE kv_usage.plugin = tenant.plugin AND kv_usage.guild = tenant.guild)
                IS DISTINCT FROM
                (SELECT least(count(*), $3) FROM kv WHERE kv.plugin = tenant.plugin AND kv.guild = tenant.guild)
                AS differs
            FROM tenant";
        let client = self.database.client().await?;
        let statement = client.prepare_cached(SQL).await?;
        let row = client.query_opt(&statement, &[&plugin, &guild, &i64::from(KV_KEYS)]).await?;
        Ok(row.map(|row| Counted {
            plugin: row.get("plugin"),
            guild: row.get("guild"),
            differs: row.get("differs"),
        }))
    }

    /// Counts a tenant again with its counter held, and writes down what is there. Who adds or removes
    /// a key meanwhile waits for the counter, and then adds to the corrected one. `false`: there was
    /// nothing to correct any more.
    async fn correct(&self, tenant: &Counted) -> Result<bool, Failure> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let before = hold_counter(&transaction, tenant).await?;
        let after = count_under_lock(&transaction, tenant).await?;
        transaction.commit().await?;
        if let Some(after) = after {
            let (plugin, guild) = (&tenant.plugin, tenant.guild.cast_unsigned());
            tracing::warn!(
                %plugin, guild, before, after,
                "corrected the number of keys of {plugin}@{guild} in kv from {before} to {after}"
            );
        }
        Ok(after.is_some())
    }

    async fn bounded_recount<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, CallError> {
        self.database.bounded("the recount", &"everybody", work).await
    }
}

/// Locks a tenant's counter, made if it is not there, and says what it is.
async fn hold_counter(transaction: &Transaction<'_>, tenant: &Counted) -> Result<i64, Failure> {
    const MAKE: &str = "INSERT INTO kv_usage (plugin, guild, keys) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
    const HOLD: &str = "SELECT keys FROM kv_usage WHERE plugin = $1 AND guild = $2 FOR UPDATE";
    transaction.execute(MAKE, &[&tenant.plugin, &tenant.guild]).await?;
    Ok(transaction.query_one(HOLD, &[&tenant.plugin, &tenant.guild]).await?.get("keys"))
}

/// Sets a counter that is held. A statement of its own: what it sees is no older than the lock.
/// `None`: it is right.
async fn count_under_lock(transaction: &Transaction<'_>, tenant: &Counted) -> Result<Option<i64>, Failure> {
    // A tenant that got more keys than it may have keeps them, and gets no more.
    const SQL: &str = "
        UPDATE kv_usage SET keys = there.rows
        FROM (SELECT least(count(*), $3) AS rows FROM kv WHERE plugin = $1 AND guild = $2) AS there
        WHERE plugin = $1 AND guild = $2 AND keys <> there.rows
        RETURNING keys";
    let most = i64::from(KV_KEYS);
    let row = transaction.query_opt(SQL, &[&tenant.plugin, &tenant.guild, &most]).await?;
    Ok(row.map(|row| row.get("keys")))
}

/// The last time before `now` at which a recount became due.
fn last_due(now: Timestamp) -> Timestamp {
    let (day, due_at) = (DAY.as_millis() as i64, DUE_AT.as_millis() as i64);
    Timestamp((now.0 - due_at).div_euclid(day) * day + due_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recount_is_due_at_three_every_night() {
        let midnight = 1_767_225_600_000; // 2026-01-01
        let hour = 3_600_000;
        for (now, due) in [(0, -21), (2, -21), (3, 3), (4, 3), (26, 3), (27, 27)] {
            assert_eq!(last_due(Timestamp(midnight + now * hour)), Timestamp(midnight + due * hour), "{now}");
        }
    }
}
