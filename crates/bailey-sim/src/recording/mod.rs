//! What was said between a bot and the simulated Discord, as a file: one JSON object a line, in the order of causes,
//! with secrets taken out before anything is written. [`Recording`] reads and writes it, `recorder` makes one,
//! [`replay`] says it again.

pub(crate) mod recorder;
pub(crate) mod replay;
mod secrets;

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Snowflake;

/// The format written today.
const VERSION: u32 = 1;
/// Longest recording, written or read.
pub(crate) const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// What stands for the simulator's address in a recording.
pub(crate) const ADDRESS: &str = "SIMULATOR-ADDRESS";

/// One line of a recording. Times are simulated Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// The first line: what was recorded, and how it is written.
    Began {
        /// The format of what follows.
        version: u32,
        /// When.
        at_ms: u64,
        /// The simulator's seed.
        seed: u64,
        /// The bot's application.
        application: Snowflake,
    },
    /// Somebody acted, or a driver ordered something: an operation of the control side.
    Control {
        /// When.
        at_ms: u64,
        /// Its name, e.g. `say`.
        operation: String,
        /// Its fields.
        fields: Value,
    },
    /// The bot asked something of the REST API.
    Request {
        /// When.
        at_ms: u64,
        /// Counts requests; the answer has the same.
        number: u64,
        /// HTTP method.
        method: String,
        /// Path and query after `/api/v10`.
        path: String,
        /// The JSON body or the fields of a form; null without one. Of files only the media type is kept.
        body: Value,
    },
    /// What it was answered.
    Answer {
        /// When.
        at_ms: u64,
        /// Which request.
        number: u64,
        /// HTTP status.
        status: u16,
        /// The body: JSON as it is, anything else as text.
        body: Value,
    },
    /// The bot sent a frame.
    Received {
        /// When.
        at_ms: u64,
        /// The number of its connection.
        connection: u64,
        /// The frame; text when it is not JSON.
        frame: Value,
    },
    /// A connection was sent a frame that belongs to no session: hello, acknowledged heartbeats.
    Sent {
        /// When.
        at_ms: u64,
        /// The number of the connection.
        connection: u64,
        /// The frame.
        frame: Value,
    },
    /// A session was told something: a dispatch, or an order. It is written when it is decided, whether or not a
    /// client is connected.
    Told {
        /// When.
        at_ms: u64,
        /// The session's id.
        session: String,
        /// The frame.
        frame: Value,
    },
    /// A driver closed a session's connection.
    Cut {
        /// When.
        at_ms: u64,
        /// The session's id.
        session: String,
        /// The code; null when the line was cut without a word.
        code: Option<u16>,
    },
    /// The last line of a recording that became too long; others just end.
    Full {
        /// When.
        at_ms: u64,
    },
}

impl Record {
    /// When it was written, in simulated Unix milliseconds.
    pub fn at_ms(&self) -> u64 {
        match self {
            Self::Began { at_ms, .. }
            | Self::Control { at_ms, .. }
            | Self::Request { at_ms, .. }
            | Self::Answer { at_ms, .. }
            | Self::Received { at_ms, .. }
            | Self::Sent { at_ms, .. }
            | Self::Told { at_ms, .. }
            | Self::Cut { at_ms, .. }
            | Self::Full { at_ms } => *at_ms,
        }
    }
}

/// Everything in a recording, in order, and known to make sense: it begins with [`Record::Began`] and every answer
/// has its request.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    records: Vec<Record>,
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read or written.
    #[error("the recording {path} cannot be used: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is longer than any recording is.
    #[error("the recording has {bytes} bytes; at most {MOST_BYTES} are read\nhint: record a shorter story")]
    TooLong {
        /// How long it is.
        bytes: u64,
    },
    /// A line is wrong.
    #[error(
        "line {line} of the recording is wrong: {what}\nhint: recordings are written by the simulator; docs/reference/simulator.md has the format"
    )]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

impl Recording {
    /// Reads a recording from a file.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or a line of it is wrong.
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::File { path: path.display().to_string(), source };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > MOST_BYTES {
            return Err(RecordingError::TooLong { bytes });
        }
        Self::parse(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// Reads a recording from its text.
    ///
    /// # Errors
    /// When it is too long or a line of it is wrong.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let bytes = text.len() as u64;
        if bytes > MOST_BYTES {
            return Err(RecordingError::TooLong { bytes });
        }
        let mut records = Vec::new();
        let mut open = HashSet::new();
        let mut last_number = 0;
        for (line, text) in (1..).zip(text.lines()) {
            let wrong = |what: String| RecordingError::Line { line, what };
            let record: Record = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
            match &record {
                Record::Began { version, .. } if line == 1 => {
                    if *version != VERSION {
                        return Err(wrong(format!(
                            "it has version {version}; this simulator reads {VERSION}"
                        )));
                    }
                }
                Record::Began { .. } => return Err(wrong("only the first line is `began`".to_owned())),
                _ if line == 1 => return Err(wrong("the first line must be `began`".to_owned())),
                Record::Request { number, .. } => {
                    if *number <= last_number {
                        return Err(wrong(format!("request {number} does not come after {last_number}")));
                    }
                    last_number = *number;
                    open.insert(*number);
                }
                Record::Answer { number, status, .. } => {
                    if !open.remove(number) {
                        return Err(wrong(format!("nobody asked what answer {number} is for")));
                    }
                    if !(100..=599).contains(status) {
                        return Err(wrong(format!("{status} is no HTTP status")));
                    }
                }
                Record::Told { frame, .. } => {
                    let op = frame.get("op").and_then(Value::as_u64);
                    let fits = match op {
                        Some(0) => frame["s"].is_u64() && frame["t"].is_string(),
                        Some(7 | 9) => true,
                        _ => false,
                    };
                    if !fits {
                        return Err(wrong(
                            "a session is told dispatches (op 0, with s and t), 7 or 9".to_owned(),
                        ));
                    }
                }
                Record::Control { .. }
                | Record::Received { .. }
                | Record::Sent { .. }
                | Record::Cut { .. }
                | Record::Full { .. } => {}
            }
            records.push(record);
        }
        if records.is_empty() {
            return Err(RecordingError::Line {
                line: 1,
                what: "there is none; it must be `began`".to_owned(),
            });
        }
        Ok(Self { records })
    }

    /// Every line, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The recording as text, byte for byte as it was recorded.
    pub fn to_text(&self) -> String {
        self.records.iter().map(line).collect()
    }

    /// Writes it to a file that does not exist yet.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordingError> {
        use std::io::Write;
        let failed = |source| RecordingError::File { path: path.display().to_string(), source };
        let mut file = std::fs::File::create_new(path).map_err(failed)?;
        file.write_all(self.to_text().as_bytes()).map_err(failed)
    }
}

/// A record as its line.
fn line(record: &Record) -> String {
    // Records are plain data: they can always be written.
    serde_json::to_string(record).map(|text| text + "\n").unwrap_or_default()
}
