//! The lines of this process as they come, before they are in the table. For all processes, follow the
//! table instead.

use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use super::LoggedLine;
use super::filter::LogFilter;

/// Lines one who looks may be behind; then the oldest are passed over.
const BEHIND: usize = 1024;

/// What a tail brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tailed {
    /// A line.
    Line(Arc<LoggedLine>),
    /// So many lines, chosen or not, came faster than they were looked at.
    Missed(u64),
}

/// Hands lines to everybody who looks; waits for nobody.
#[derive(Debug, Clone)]
pub(super) struct Audience(broadcast::Sender<Arc<LoggedLine>>);

impl Default for Audience {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Audience {
    pub(super) fn show(&self, logged: &LoggedLine) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(Arc::new(logged.clone())); // the last one may just have left
        }
    }

    pub(super) fn join(&self, filter: LogFilter) -> LogTail {
        LogTail { lines: self.0.subscribe(), filter }
    }
}

/// The lines somebody chose, as they come.
#[derive(Debug)]
pub struct LogTail {
    lines: broadcast::Receiver<Arc<LoggedLine>>,
    filter: LogFilter,
}

impl LogTail {
    /// The next line, or how many were missed; `None` when the service is gone. Safe to drop while it
    /// waits.
    pub async fn next(&mut self) -> Option<Tailed> {
        loop {
            match self.lines.recv().await {
                Ok(line) if self.filter.matches(&line) => return Some(Tailed::Line(line)),
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => return Some(Tailed::Missed(count)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
