//! What a plugin writes beside the protocol: kept as log lines up to a number a minute, the rest
//! counted. Also remembers its last words, for the message that says why it ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailey_protocol::limits;
use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_services::logs::escape;
use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::streams::Lines;
use super::{Shared, lock};
use crate::bucket::Bucket;

const MINUTE: Duration = Duration::from_secs(60);
/// Lines of standard error remembered.
const LAST_LINES: usize = 6;
/// Characters of one of them.
const LAST_LINE_CHARACTERS: usize = 300;

/// The noise of one process, shared by the readers of its two streams.
pub(crate) struct Noise {
    shared: Arc<Shared>,
    version: String,
    counts: Mutex<Counts>,
}

struct Counts {
    minute: Instant,
    kept: u32,
    dropped: u64,
    last_words: VecDeque<String>,
}

impl Noise {
    pub(crate) fn new(shared: Arc<Shared>, version: String) -> Self {
        let counts = Counts { minute: Instant::now(), kept: 0, dropped: 0, last_words: VecDeque::new() };
        Self { shared, version, counts: Mutex::new(counts) }
    }

    /// Takes one line.
    pub(crate) fn take(&self, level: LogLevel, text: &str) {
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        let (keep, summary, flooding) = {
            let mut counts = lock(&self.counts);
            if level == LogLevel::Stderr {
                counts.remember(text);
            }
            counts.admit(self.shared.world.rates.noise_lines_per_minute)
        };
        if let Some(summary) = summary {
            self.shared.log(&self.version, summary);
        }
        if keep {
            self.shared.log(&self.version, LogLine::plain(level, text));
        }
        if flooding {
            let plugin = &self.shared.tenant.plugin;
            let most = self.shared.world.rates.noise_lines_per_minute;
            self.shared.problem(format!(
                "plugin `{plugin}` floods its output: more than {most} lines in a minute that are no \
                 messages; the rest of this minute is only counted"
            ));
        }
    }

    /// Says how much was not kept, at the end of a process.
    pub(crate) fn finish(&self) {
        let dropped = std::mem::take(&mut lock(&self.counts).dropped);
        if let Some(summary) = summary(dropped) {
            self.shared.log(&self.version, summary);
        }
    }

    /// What it wrote last to standard error, on one line; empty if nothing.
    pub(crate) fn last_words(&self) -> String {
        let counts = lock(&self.counts);
        counts.last_words.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }
}

impl Counts {
    fn remember(&mut self, text: &str) {
        // Python points at the place in the line above; without that line's columns it points nowhere.
        if text.chars().all(|character| matches!(character, '~' | '^' | ' ')) {
            return;
        }
        if self.last_words.len() == LAST_LINES {
            self.last_words.pop_front();
        }
        // They are quoted in sentences of ours, in logs and on terminals.
        let line: String = text.trim().chars().take(LAST_LINE_CHARACTERS).collect();
        self.last_words.push_back(escape(&line));
    }

    /// Whether to keep a line, what to say of the minute before, and whether the flood just began.
    fn admit(&mut self, most: u32) -> (bool, Option<LogLine>, bool) {
        let mut said = None;
        if self.minute.elapsed() >= MINUTE {
            self.minute = Instant::now();
            self.kept = 0;
            said = summary(std::mem::take(&mut self.dropped));
        }
        if self.kept < most {
            self.kept += 1;
            return (true, said, false);
        }
        self.dropped += 1;
        (false, said, self.dropped == 1)
    }
}

fn summary(dropped: u64) -> Option<LogLine> {
    (dropped > 0).then(|| {
        LogLine::plain(
            LogLevel::Warning,
            &format!("{dropped} lines of output were not kept: too many in a minute"),
        )
    })
}

/// Reads standard error to its end.
pub(crate) async fn read_stderr(stderr: Box<dyn AsyncRead + Send + Unpin>, noise: Arc<Noise>) {
    let rates = &noise.shared.world.rates;
    let mut pace = Bucket::new(rates.chatter_bytes_per_second, rates.chatter_burst);
    let mut lines = Lines::new(stderr, limits::NOISE_LINE_BYTES);
    // A pipe that cannot be read any more has nothing more to say.
    while let Ok(Some(line)) = lines.next().await {
        noise.take(LogLevel::Stderr, &String::from_utf8_lossy(&line.bytes));
        if let Some(wait) = pace.spend(line.bytes.len() as f64 + super::frames_in::LINE_COST) {
            tokio::time::sleep(wait).await;
        }
    }
}
