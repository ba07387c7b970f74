//! The lines on their way to the table: bounded by number and by bytes, and never waited for by
//! those who write.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_protocol::Timestamp;
use tokio::sync::{Notify, watch};

use super::budget::{Budget, Missing};
use super::{BATCH, LoggedLine, marker};

/// Lines that may wait.
const LINES: usize = 20_000;
/// Bytes of text that may wait.
const BYTES: usize = 32 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something came in.
    arrived: Notify,
    /// Enough came in, or somebody waits, to write at once.
    pressing: Notify,
    /// How many lines were written or given up so far.
    settled: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<LoggedLine>,
    bytes: usize,
    /// How many lines ever came in.
    accepted: u64,
    budget: Budget,
    closed: bool,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            arrived: Notify::new(),
            pressing: Notify::new(),
            settled: watch::Sender::new(0),
        }
    }
}

impl Queue {
    /// Takes a line if the tenant has room, after what has to be said about its last minute. `show`
    /// sees what was taken.
    pub(super) fn offer(&self, line: LoggedLine, show: impl Fn(&LoggedLine)) {
        let mut state = self.lock();
        let (taken, missing) = state.budget.take(&line);
        if let Some(missing) = missing {
            state.push(missing.into_line(line.at), &show);
        }
        if taken {
            state.push(line, &show);
        }
        let pressing = state.lines.len() >= BATCH;
        drop(state);
        self.arrived.notify_one();
        if pressing {
            self.pressing.notify_one();
        }
    }

    /// Completes when lines have gathered for `gather`, or enough of them, or somebody is waiting.
    /// Also completes after `gather` without lines, so that minutes are ended in time.
    pub(super) async fn worth_writing(&self, gather: Duration) {
        let waiting = !self.lock().lines.is_empty();
        if !waiting {
            let _ = tokio::time::timeout(gather * 5, self.arrived.notified()).await;
        }
        let _ = tokio::time::timeout(gather, self.pressing.notified()).await;
    }

    /// Ends the minutes that are over, or all with `None`, and queues what has to be said about them.
    pub(super) fn close_minutes(&self, over: Option<Timestamp>, at: Timestamp, show: impl Fn(&LoggedLine)) {
        let mut state = self.lock();
        for missing in state.budget.end_minutes(over) {
            state.push(missing.into_line(at), &show);
        }
    }

    /// The oldest lines, at most `most`; `None` when nothing waits.
    pub(super) fn take(&self, most: usize) -> Option<Vec<LoggedLine>> {
        let mut state = self.lock();
        let count = state.lines.len().min(most);
        let batch: Vec<LoggedLine> = state.lines.drain(..count).collect();
        state.bytes -= batch.iter().map(LoggedLine::bytes).sum::<usize>();
        (!batch.is_empty()).then_some(batch)
    }

    /// Notes that lines taken were written or given up.
    pub(super) fn settle(&self, count: usize) {
        self.settled.send_modify(|settled| *settled += count as u64);
    }

    /// Takes no more lines; nobody writes them any longer.
    pub(super) fn close(&self) {
        let left = {
            let mut state = self.lock();
            state.closed = true;
            state.bytes = 0;
            std::mem::take(&mut state.lines).len()
        };
        self.settle(left);
    }

    /// Completes when every line accepted so far is settled.
    pub(super) async fn flushed(&self) {
        let accepted = self.lock().accepted;
        let mut settled = self.settled.subscribe();
        self.arrived.notify_one();
        self.pressing.notify_one();
        let _ = settled.wait_for(|settled| *settled >= accepted).await; // cannot fail: we hold the sender
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, line: LoggedLine, show: &impl Fn(&LoggedLine)) {
        let bytes = line.bytes();
        if self.lines.len() >= LINES || self.bytes + bytes > BYTES {
            self.budget.drop_taken(&line.tenant);
            return;
        }
        show(&line);
        if self.closed {
            return;
        }
        self.bytes += bytes;
        self.accepted += 1;
        self.lines.push_back(line);
    }
}

impl Missing {
    fn into_line(self, at: Timestamp) -> LoggedLine {
        LoggedLine { tenant: self.tenant, version: self.version, at, line: marker(self.dropped) }
    }
}

#[cfg(test)]
mod tests {
    use bailey_protocol::method::log::{LogLevel, LogLine};
    use bailey_protocol::{GuildId, Tenant};

    use super::*;

    fn line(guild: u64, text: &str) -> LoggedLine {
        LoggedLine {
            tenant: Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(guild) },
            version: "1.0.0".into(),
            at: Timestamp(0),
            line: LogLine::plain(LogLevel::Info, text),
        }
    }

    #[test]
    fn a_queue_nobody_empties_stays_bounded_and_says_what_it_lost() {
        let queue = Queue::default();
        for number in 0..(LINES + 5) as u64 {
            queue.offer(line(1 + number % 1000, "x"), |_| {});
        }
        assert_eq!(queue.lock().lines.len(), LINES);
        while queue.take(BATCH).is_some() {}
        assert_eq!(queue.lock().bytes, 0);
        queue.close_minutes(None, Timestamp(0), |_| {});
        let markers = queue.take(BATCH).unwrap();
        assert_eq!(markers.len(), 5);
        assert!(markers[0].line.message.contains("dropped 1 line:"), "{:?}", markers[0]);
    }

    #[test]
    fn long_lines_fill_it_by_their_bytes() {
        let queue = Queue::default();
        let text = "\u{10ffff}".repeat(4000);
        for number in 0..LINES as u64 {
            queue.offer(line(1 + number % 5000, &text), |_| {});
        }
        let waiting = queue.lock().lines.len();
        assert!((BYTES / 17_000..=BYTES / 16_000).contains(&waiting), "{waiting}");
    }
}
