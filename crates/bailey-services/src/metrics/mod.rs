//! `metrics.*`: numbers a plugin records on one server, kept added up by minute and hour.
//!
//! Recording never waits for the database: values are added up in memory and written together
//! every second, so that a crash loses at most the last second; `alive` says afterwards how much. A question has the asking tenant's
//! values written first, so that a plugin finds what it recorded. Several hosts may write the same
//! series: what each has is added to what is stored. The bound on series is kept by each host for
//! itself, from what is stored and what it has waiting.

mod alive;
mod bucket;
mod chart;
mod pending;
mod sweep;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bailey_protocol::method::Done;
use bailey_protocol::method::metrics::{Chart, Number, Period, Query, Record, Total, TotalOf};
use bailey_protocol::{CallError, Clock, Tenant, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::alive::Gap;
use self::bucket::Bucket;
use self::pending::{Account, Pending, Point, beginning};
use self::table::{Found, Tables, width};
use crate::database::{Database, Failure};
use crate::partitions::DAY;

/// Time values are added up before they are written together.
const GATHER: Duration = Duration::from_secs(1);
/// Buckets written by one statement at most.
const BATCH: usize = 1000;
/// Times a batch is tried that the server gave up in favour of another.
const ATTEMPTS: u32 = 4;
/// Times everything is tried at the end, and the time between two tries.
const LAST_ATTEMPTS: u32 = 3;
const RETRY: Duration = Duration::from_secs(1);

/// The metrics service. A cheap clone; all clones share what waits.
#[derive(Clone)]
pub struct Metrics {
    database: Database,
    clock: Arc<dyn Clock>,
    pending: Arc<Pending>,
    tables: Arc<Tables>,
    written: Arc<Written>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// How far values have reached the tables.
#[derive(Debug)]
struct Written {
    /// What was recorded before this time, in milliseconds, is there.
    until: AtomicI64,
    /// Whether the last round before the end left nothing behind.
    settled: AtomicBool,
}

impl Metrics {
    /// The service on a database, with times from `clock`. Starts the task that writes; must be
    /// called inside a Tokio runtime.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        let until = AtomicI64::new(clock.now().0); // nothing was recorded before
        let metrics = Self {
            database,
            clock,
            pending: Arc::default(),
            tables: Arc::default(),
            written: Arc::new(Written { until, settled: AtomicBool::new(false) }),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        metrics.tasks.spawn(metrics.clone().run());
        metrics
    }

    /// `metrics.record`: takes a value in, without waiting.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it would begin one set of tags more than the 100 a metric may have,
    /// or one series more than the 1,000 a tenant may have; [`CallError::RateLimited`] when the database is so far behind that there is no room.
    pub fn record(&self, tenant: &Tenant, record: &Record) -> Result<Done, CallError> {
        self.pending.record(tenant, record, self.clock.now())?;
        Ok(Done::OK)
    }

    /// `metrics.query`: one number for each bucket of the period, in one series or one for each
    /// value of a tag. Of those, the 20 largest are shown, then the rest together.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn query(&self, tenant: &Tenant, query: &Query) -> Result<Chart, CallError> {
        let from = self.beginning_of(query.period);
        let found = self.found(tenant, query, from).await?;
        Ok(chart::chart(query, from, found))
    }

    /// `metrics.total`: the sum of everything in the period.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn total(&self, tenant: &Tenant, total: &Total) -> Result<TotalOf, CallError> {
        let Total { metric, period } = total.clone();
        let aggregate = bailey_protocol::method::metrics::Aggregate::Sum;
        let query = Query { metric, period, aggregate, group_by: None };
        let mut whole = Bucket::default();
        for found in self.found(tenant, &query, self.beginning_of(period)).await? {
            whole.add(&found.bucket);
        }
        Ok(TotalOf { total: Number(whole.aggregate(aggregate)) })
    }

    /// Writes what a tenant recorded before this call.
    ///
    /// # Errors
    /// [`CallError`] when the database fails; the values wait on.
    pub async fn flush(&self, tenant: &Tenant) -> Result<(), CallError> {
        let Some(account) = self.pending.of(tenant) else { return Ok(()) };
        // In a task of its own: a call may be given up half way, a write may not.
        let metrics = self.clone();
        let writing = self.tasks.spawn(async move { metrics.write(&account).await });
        writing.await.unwrap_or(Err(CallError::Internal))
    }

    /// Writes what is waiting and ends the task. What is recorded afterwards is written only when
    /// somebody asks for it.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn run(self) {
        let ended = CancellationToken::new();
        self.tasks.spawn(self.clone().give_signs(ended.clone()));
        self.write_until_stopped().await;
        ended.cancel();
    }

    async fn write_until_stopped(&self) {
        loop {
            let gathered = tokio::time::timeout(GATHER, self.pending.pressing.notified());
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = gathered => {}
            }
            if !self.write_all().await {
                // The reason is in the log; without a pause a database that is away would be pressed.
                let _ = tokio::time::timeout(RETRY, self.stop.cancelled()).await;
            }
        }
        for attempt in 1..=LAST_ATTEMPTS {
            if self.write_all().await {
                self.written.settled.store(true, Ordering::Release);
                return;
            }
            if attempt < LAST_ATTEMPTS {
                tokio::time::sleep(RETRY).await;
            }
        }
        tracing::error!("gave up keeping the last values of plugins' metrics");
    }

    /// Writes what waits of everybody; says whether all of it could be.
    async fn write_all(&self) -> bool {
        let now = self.clock.now();
        for account in self.pending.waiting(now) {
            // One that fails ends the round: mostly the database is away for all.
            if self.write(&account).await.is_err() {
                return false;
            }
        }
        self.written.until.store(now.0, Ordering::Release);
        true
    }

    /// The time before which everything recorded is in the tables.
    fn written_at(&self) -> Timestamp {
        Timestamp(self.written.until.load(Ordering::Acquire))
    }

    /// Whether nothing waits any more after the end.
    fn is_settled(&self) -> bool {
        self.written.settled.load(Ordering::Acquire)
    }

    /// Writes what waits of one tenant. Must not be dropped half way.
    async fn write(&self, account: &Account) -> Result<(), CallError> {
        let _turn = account.writing.lock().await;
        let outcome = self.write_in_turn(account).await;
        account.tried(outcome.is_ok());
        outcome
    }

    async fn write_in_turn(&self, account: &Account) -> Result<(), CallError> {
        let (tenant, now) = (&account.tenant, self.clock.now());
        if account.is_stale(now) {
            let work = async { table::series(&self.database.client().await?, tenant).await };
            let stored = self.database.bounded("reading metric series", tenant, work).await?;
            let dropped = account.load(stored, now);
            if dropped > 0 {
                tracing::warn!(%tenant, dropped, "dropped values of metrics: the tenant has too many series");
            }
        }
        let mut points = account.take(now);
        while !points.is_empty() {
            let rest = points.split_off(points.len().min(BATCH));
            let work = self.write_batch(tenant, &points, now);
            if let Err(error) = self.database.bounded("keeping metrics", tenant, work).await {
                points.extend(rest);
                account.put_back(points);
                return Err(error);
            }
            account.mark(&points, now);
            points = rest;
        }
        Ok(())
    }

    async fn write_batch(&self, tenant: &Tenant, points: &[Point], now: Timestamp) -> Result<(), Failure> {
        let client = self.database.client().await?;
        let mut attempt = 1;
        loop {
            let written = async {
                table::mark(&client, tenant, points, beginning(now, DAY)).await?;
                table::add(&client, &self.tables, tenant, points).await
            };
            match written.await {
                Err(failure) if failure.is_passing() && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn found(&self, tenant: &Tenant, query: &Query, from: i64) -> Result<Vec<Found>, CallError> {
        self.flush(tenant).await?;
        let Query { metric, period, group_by, .. } = query;
        let work = async {
            let client = self.database.client().await?;
            table::buckets(&client, tenant, metric, *period, from, group_by.as_deref()).await
        };
        self.database.bounded("reading metrics", tenant, work).await
    }

    /// The beginning of the first bucket of a period that ends with the present bucket.
    fn beginning_of(&self, period: Period) -> i64 {
        let width = width(period);
        beginning(self.clock.now(), width) - width * (period.buckets() as i64 - 1)
    }
}
