//! `plugin.log` and what a process prints: to the operator's terminal at once, to a table in batches.
//!
//! Writing a line never waits and never fails. What is too much is dropped and counted, and the
//! count is written as a line of its own.

mod budget;
mod filter;
mod queue;
mod reader;
mod sweep;
mod table;
mod tail;
mod terminal;

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{Clock, Tenant, Timestamp, limits};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::filter::LogFilter;
use self::queue::Queue;
pub use self::reader::{
    KeptLine, LogCursor, LogCursorError, LogFollower, LogPage, LogPlace, LogQuery, LogReader,
};
use self::tail::Audience;
pub use self::tail::{LogTail, Tailed};
pub use self::terminal::{escape, is_harmful};
use crate::database::Database;
use crate::partitions::Partitioned;

/// Time lines are collected before they are written together.
const GATHER: Duration = Duration::from_millis(200);
/// Lines written together at most, and how many waiting lines end the gathering early.
const BATCH: usize = 1000;
/// Times a batch is tried before its lines are given up.
const ATTEMPTS: u32 = 3;
/// Time between two tries.
const RETRY: Duration = Duration::from_secs(1);

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// Time a line is kept; it goes with its day of UTC.
    pub kept: Duration,
    /// Bytes all lines may take on disk, indexes included.
    pub total_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { kept: limits::LOG_KEPT, total_bytes: limits::LOG_TOTAL_BYTES }
    }
}

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

impl LoggedLine {
    /// Message, tags and extra values on one line, harmless on a terminal.
    pub fn one_line(&self) -> String {
        terminal::OneLine(self).to_string()
    }

    /// Bytes of text, and something for the rest of it.
    fn bytes(&self) -> usize {
        let LogLine { message, tags, extra, .. } = &self.line;
        let tags: usize = tags.iter().map(String::len).sum();
        let extra: usize = extra.iter().map(|(name, value)| name.len() + value.len()).sum();
        256 + self.version.len() + message.len() + tags + extra
    }
}

/// The log service. A cheap clone; all clones share one queue.
#[derive(Clone)]
pub struct Logs {
    database: Database,
    clock: Arc<dyn Clock>,
    options: LogOptions,
    queue: Arc<Queue>,
    audience: Audience,
    days: Arc<Partitioned>,
    writer: TaskTracker,
    stop: CancellationToken,
}

impl Logs {
    /// The service on a database, with times from `clock`. Starts the task that writes; must be
    /// called inside a Tokio runtime.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self::with_options(database, clock, LogOptions::default())
    }

    /// As [`Logs::new`], with another idea of how much is kept.
    pub fn with_options(database: Database, clock: Arc<dyn Clock>, options: LogOptions) -> Self {
        let logs = Self {
            database,
            clock,
            options,
            queue: Arc::default(),
            audience: Audience::default(),
            days: Arc::new(table::partitioned()),
            writer: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        logs.writer.spawn(logs.clone().run());
        logs.writer.close();
        logs
    }

    /// Takes a line. Over the tenant's 60 a minute, as many again for what its process prints, or when the database is so far behind that the
    /// queue is full, it is dropped and counted.
    pub fn write(&self, tenant: &Tenant, version: &str, line: LogLine) {
        let at = self.clock.now();
        let line = LoggedLine { tenant: tenant.clone(), version: version.to_owned(), at, line };
        self.queue.offer(line, |line| self.show(line));
    }

    fn show(&self, line: &LoggedLine) {
        terminal::show(line);
        self.audience.show(line);
    }

    /// The lines of this process from now on, as they are taken.
    pub fn tail(&self, filter: LogFilter) -> LogTail {
        self.audience.join(filter)
    }

    /// Reads what is in the table, of all processes.
    pub fn reader(&self) -> LogReader {
        LogReader::new(self.database.clone(), Arc::clone(&self.clock))
    }

    /// Completes when every line taken before this call is in the table, or given up after three
    /// tries.
    pub async fn flush(&self) {
        self.queue.flushed().await;
    }

    /// Writes what is waiting and ends the task. Lines taken afterwards reach the terminal only.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.writer.wait().await;
    }

    async fn run(self) {
        loop {
            let stopping = tokio::select! {
                () = self.stop.cancelled() => true,
                () = self.queue.worth_writing(GATHER) => false,
            };
            let now = self.clock.now();
            self.queue.close_minutes(if stopping { None } else { Some(now) }, now, |line| self.show(line));
            while let Some(batch) = self.queue.take(BATCH) {
                self.keep(&batch).await;
                self.queue.settle(batch.len());
            }
            if stopping {
                self.queue.close();
                return;
            }
        }
    }

    async fn keep(&self, batch: &[LoggedLine]) {
        for attempt in 1..=ATTEMPTS {
            let work = async { table::insert(&self.database.client().await?, &self.days, batch).await };
            if self.database.bounded("keeping log lines", &"everybody", work).await.is_ok() {
                return;
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(RETRY).await;
            }
        }
        tracing::error!(lines = batch.len(), "gave up keeping log lines of plugins");
    }
}

/// The line that says what is missing.
fn marker(dropped: u64) -> LogLine {
    let plural = if dropped == 1 { "line" } else { "lines" };
    let (lines, kibibytes) = (limits::LOG_LINES_PER_MINUTE, limits::LOG_BYTES_PER_MINUTE / 1024);
    let text = format!(
        "you dropped {dropped} {plural}: at most {lines} lines and {kibibytes} KiB a minute are kept, and as much of what is printed"
    );
    LogLine::plain(LogLevel::Warning, &text)
}
