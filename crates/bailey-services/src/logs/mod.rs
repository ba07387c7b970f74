//! `plugin.log` and what a process prints: to the operator's terminal at once, to a table in batches.
//!
//! Writing a line never waits and never fails. What is too much is dropped and counted, and the
//! count is written as a line of its own.

mod budget;
mod queue;
mod table;
mod terminal;

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{CallError, Clock, Tenant, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::queue::Queue;
use crate::database::Database;

/// Time lines are collected before they are written together.
const GATHER: Duration = Duration::from_millis(200);
/// Lines written together at most, and how many waiting lines end the gathering early.
const BATCH: usize = 500;
/// Times a batch is tried before its lines are given up.
const ATTEMPTS: u32 = 3;
/// Time between two tries.
const RETRY: Duration = Duration::from_secs(1);
/// Days a line is kept. Bailey's choice.
const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// Time between two removals of old lines.
const CLEAR_INTERVAL: Duration = Duration::from_secs(3600);

/// One line about to be kept, or read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedLine {
    /// Who wrote it.
    pub tenant: Tenant,
    /// The plugin's version at the time.
    pub version: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub line: LogLine,
}

/// The log service. A cheap clone; all clones share one queue.
#[derive(Clone)]
pub struct Logs {
    database: Database,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    writer: TaskTracker,
    stop: CancellationToken,
}

impl Logs {
    /// The service on a database, with times from `clock`. Starts the task that writes; must be
    /// called inside a Tokio runtime.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        let logs = Self {
            database,
            clock,
            queue: Arc::default(),
            writer: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        logs.writer.spawn(logs.clone().run());
        logs.writer.close();
        logs
    }

    /// Takes a line. Over the tenant's 600 a minute, or when the database is so far behind that the
    /// queue is full, it is dropped and counted.
    pub fn write(&self, tenant: &Tenant, version: &str, line: LogLine) {
        let at = self.clock.now();
        let line = LoggedLine { tenant: tenant.clone(), version: version.to_owned(), at, line };
        self.queue.offer(line, terminal::show);
    }

    /// Completes when every line taken before this call is in the table, or given up after three
    /// tries.
    pub async fn flush(&self) {
        self.queue.flushed().await;
    }

    /// The newest lines of a tenant, at most `limit` of them, oldest first. Lines not yet written
    /// are not among them: [`Logs::flush`] first to be sure.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn recent(&self, tenant: &Tenant, limit: u32) -> Result<Vec<LoggedLine>, CallError> {
        let work = async {
            let client = self.database.client().await?;
            table::recent(&client, tenant, limit).await
        };
        self.database.bounded("the log", tenant, work).await
    }

    /// Writes what is waiting and ends the task. Lines taken afterwards reach the terminal only.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.writer.wait().await;
    }

    async fn run(self) {
        let mut clear_at = self.clock.now() + CLEAR_INTERVAL;
        loop {
            let stopping = tokio::select! {
                () = self.stop.cancelled() => true,
                () = self.queue.worth_writing(GATHER) => false,
            };
            let now = self.clock.now();
            self.queue.close_minutes(if stopping { None } else { Some(now) }, now, terminal::show);
            while let Some(batch) = self.queue.take(BATCH) {
                self.keep(&batch).await;
                self.queue.settle(batch.len());
            }
            if stopping {
                self.queue.close();
                return;
            }
            if now >= clear_at {
                self.clear(now).await;
                clear_at = now + CLEAR_INTERVAL;
            }
        }
    }

    async fn keep(&self, batch: &[LoggedLine]) {
        for attempt in 1..=ATTEMPTS {
            let work = async { table::insert(&self.database.client().await?, batch).await };
            if self.database.bounded("keeping log lines", &"everybody", work).await.is_ok() {
                return;
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(RETRY).await;
            }
        }
        tracing::error!(lines = batch.len(), "gave up keeping log lines of plugins");
    }

    async fn clear(&self, now: Timestamp) {
        let before = now - KEPT;
        loop {
            let work = async { table::clear(&self.database.client().await?, before).await };
            match self.database.bounded("clearing old log lines", &"everybody", work).await {
                Ok(removed) if removed == table::CLEAR_BATCH => {}
                _ => return, // done, or logged and tried again in an hour
            }
        }
    }
}

/// The line that says what is missing.
fn marker(dropped: u64) -> LogLine {
    let plural = if dropped == 1 { "line" } else { "lines" };
    let most = bailey_protocol::limits::LOG_LINES_PER_MINUTE;
    let text = format!("you dropped {dropped} {plural}: at most {most} a minute are kept");
    LogLine::plain(LogLevel::Warning, &text)
}
