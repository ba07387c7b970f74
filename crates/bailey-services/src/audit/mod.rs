//! What plugins did on Discord: who, what, to whom, and what came of it. Never what was said, and no tokens.
//!
//! Noting something never waits and never fails. What the database cannot keep up with is counted, and said.

mod entry;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailey_protocol::{CallError, Clock, GuildId, PluginId, Timestamp, limits};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::entry::AuditEntry;
use crate::database::Database;
use crate::partitions::Partitioned;
use crate::rounds::Rounds;

/// Entries that wait for the database; more are dropped and counted.
const QUEUE: usize = 10_000;
/// Entries written together at most.
const BATCH: usize = 500;
/// Time entries are collected before they are written together.
const GATHER: Duration = Duration::from_millis(200);
/// Times a batch is tried before its entries are given up.
const ATTEMPTS: u32 = 3;
/// Time between two tries.
const RETRY: Duration = Duration::from_secs(1);
/// Time between two looks for days that are too old.
const SWEEP: Duration = Duration::from_secs(3600);

/// The audit. A cheap clone; all clones share one queue.
#[derive(Clone)]
pub struct Audit {
    database: Database,
    clock: Arc<dyn Clock>,
    days: Arc<Partitioned>,
    queue: mpsc::Sender<AuditEntry>,
    counts: Arc<Counts>,
    settled: watch::Receiver<u64>,
    writer: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    dropped: AtomicU64,
}

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Of this plugin only.
    pub plugin: Option<PluginId>,
    /// On this server only.
    pub guild: Option<GuildId>,
    /// Only calls of this method.
    pub method: Option<String>,
    /// Only what was refused or failed.
    pub failed: bool,
    /// Only since then.
    pub since: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Audit {
    /// The audit in a database, with times from `clock`. Starts the task that writes; must be called inside a Tokio
    /// runtime.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (settle, settled) = watch::channel(0);
        let audit = Self {
            database,
            clock,
            days: Arc::new(table::partitioned()),
            queue,
            counts: Arc::default(),
            settled,
            writer: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        audit.writer.spawn(audit.clone().run(waiting, settle));
        audit.writer.close();
        audit
    }

    /// Takes an entry.
    pub fn note(&self, entry: AuditEntry) {
        match self.queue.try_send(entry) {
            Ok(()) => self.counts.taken.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.counts.dropped.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// The time by the audit's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What plugins did, newest first.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn find(database: &Database, query: &AuditQuery) -> Result<Vec<AuditEntry>, CallError> {
        let work = async { table::find(&database.client().await?, query).await };
        database.bounded("reading the audit", &"everybody", work).await
    }

    /// Completes when everything taken before this call is in the table, or given up.
    pub async fn flush(&self) {
        let taken = self.counts.taken.load(Ordering::Relaxed);
        // It fails only once the writer has ended, which writes everything before.
        let _ = self.settled.clone().wait_for(|settled| *settled >= taken).await;
    }

    /// Writes what is waiting and ends the task.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.writer.wait().await;
    }

    /// Drops days that are too old, now and once an hour, by the service's clock, until cancelled.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        let mut rounds = Rounds::from_now(SWEEP, &*self.clock, &cancelled);
        while rounds.next().await {
            // What fails is logged; the next round tries again.
            cancelled.run_until_cancelled(self.sweep()).await;
        }
    }

    /// Makes the partitions of today and tomorrow and drops the days that are too old. Says how many went.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn sweep(&self) -> Result<u64, CallError> {
        let now = self.clock.now();
        let work = async {
            let client = self.database.client().await?;
            let removed = self.days.remove_older(&client, now - limits::AUDIT_KEPT).await?;
            self.days.make_ahead(&client, now).await?;
            Ok(removed)
        };
        self.database.bounded("the sweep of the audit", &"everybody", work).await
    }

    async fn run(self, mut waiting: mpsc::Receiver<AuditEntry>, settle: watch::Sender<u64>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let stopping = tokio::select! {
                biased;
                // One first, so that nothing is gathered while nothing happens.
                taken = waiting.recv_many(&mut batch, 1) => taken == 0,
                () = self.stop.cancelled() => true,
            };
            if stopping {
                waiting.close();
            } else {
                self.stop.run_until_cancelled(tokio::time::sleep(GATHER)).await;
            }
            loop {
                while batch.len() < BATCH
                    && let Ok(entry) = waiting.try_recv()
                {
                    batch.push(entry);
                }
                if batch.is_empty() {
                    break;
                }
                self.keep(&batch).await;
                settle.send_modify(|settled| *settled += batch.len() as u64);
                batch.clear();
            }
            let dropped = self.counts.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                tracing::error!(
                    dropped,
                    "the audit of what plugins do on Discord lacks {dropped} entries: the database is too slow"
                );
            }
            if stopping {
                return;
            }
        }
    }

    async fn keep(&self, batch: &[AuditEntry]) {
        for attempt in 1..=ATTEMPTS {
            let work = async { table::insert(&self.database.client().await?, &self.days, batch).await };
            if self.database.bounded("keeping the audit", &"everybody", work).await.is_ok() {
                return;
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(RETRY).await;
            }
        }
        let lacks = batch.len();
        tracing::error!(
            lacks,
            "the audit of what plugins do on Discord lacks {lacks} entries: the database failed"
        );
    }
}
