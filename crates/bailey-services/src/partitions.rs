//! Tables split by time: making partitions before they are needed, or at the latest when they are, and
//! dropping whole ones. Which times are kept is the services' business.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bailey_protocol::Timestamp;
use deadpool_postgres::Object;
use tokio_postgres::error::SqlState;

use crate::database::Failure;

/// Milliseconds of a day and of a week; stretches begin at multiples of them since 1970.
pub(crate) const DAY: i64 = 24 * 3600 * 1000;
pub(crate) const WEEK: i64 = 7 * DAY;

/// One partitioned table.
#[derive(Debug)]
pub(crate) struct Partitioned {
    table: &'static str,
    /// Milliseconds of one partition.
    width: i64,
    /// How partitions are stored: a `WITH` clause or nothing.
    storage: &'static str,
    /// Beginnings of partitions that were there when last looked.
    known: Mutex<BTreeSet<i64>>,
}

/// One partition that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) name: String,
    /// No time in it is before this.
    pub(crate) lower: Timestamp,
    /// Every time in it is before this.
    pub(crate) upper: Timestamp,
    /// What it takes on disk.
    pub(crate) bytes: u64,
}

impl Partitioned {
    pub(crate) const fn new(table: &'static str, width: i64, storage: &'static str) -> Self {
        Self { table, width, storage, known: Mutex::new(BTreeSet::new()) }
    }

    /// Makes the partitions that rows of these times go to, unless they are known to be there.
    pub(crate) async fn ensure(
        &self,
        client: &Object,
        times: impl IntoIterator<Item = i64>,
    ) -> Result<(), Failure> {
        const SQL: &str = "SELECT bailey_make_partition($1, $2, $3, $4)";
        let wanted: BTreeSet<i64> = times.into_iter().map(|at| at - at.rem_euclid(self.width)).collect();
        let missing: Vec<i64> = wanted.difference(&self.known()).copied().collect();
        for lower in missing {
            let statement = client.prepare_cached(SQL).await?;
            let upper = lower.saturating_add(self.width);
            client.execute(&statement, &[&self.table, &lower, &upper, &self.storage]).await?;
            self.known().insert(lower);
        }
        Ok(())
    }

    /// Makes the present partition and the next one, whatever is remembered.
    pub(crate) async fn make_ahead(&self, client: &Object, now: Timestamp) -> Result<(), Failure> {
        self.forget();
        self.ensure(client, [now.0, now.0.saturating_add(self.width)]).await
    }

    /// Whether a write failed because a partition is gone that was there: forget and try again.
    pub(crate) fn was_dropped(&self, failure: &Failure) -> bool {
        // A broken rule of the table's own has a name; a row without a place does not.
        let Failure::Statement(error) = failure else { return false };
        let nameless = error.as_db_error().is_some_and(|error| error.constraint().is_none());
        let gone = nameless && error.code() == Some(&SqlState::CHECK_VIOLATION);
        if gone {
            self.forget();
        }
        gone
    }

    /// The partitions, oldest first.
    pub(crate) async fn list(&self, client: &Object) -> Result<Vec<Partition>, Failure> {
        const SQL: &str = "SELECT name, lower, upper, bytes FROM bailey_partitions($1)";
        let statement = client.prepare_cached(SQL).await?;
        let rows = client.query(&statement, &[&self.table]).await?;
        let read = |row: &tokio_postgres::Row| Partition {
            name: row.get("name"),
            lower: Timestamp(row.get("lower")),
            upper: Timestamp(row.get("upper")),
            bytes: row.get::<_, i64>("bytes").unsigned_abs(),
        };
        Ok(rows.iter().map(read).collect())
    }

    /// Drops a partition with everything in it; false when another host has done so.
    pub(crate) async fn remove(&self, client: &Object, partition: &Partition) -> Result<bool, Failure> {
        const SQL: &str = "SELECT bailey_drop_partition($1, $2) AS dropped";
        let statement = client.prepare_cached(SQL).await?;
        let row = client.query_one(&statement, &[&self.table, &partition.name]).await?;
        self.forget();
        Ok(row.get("dropped"))
    }

    /// Drops what ends before `before`; says how many partitions that were.
    pub(crate) async fn remove_older(&self, client: &Object, before: Timestamp) -> Result<u64, Failure> {
        let mut removed = 0;
        for partition in self.list(client).await? {
            if partition.upper <= before {
                removed += u64::from(self.remove(client, &partition).await?);
            }
        }
        Ok(removed)
    }

    fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
