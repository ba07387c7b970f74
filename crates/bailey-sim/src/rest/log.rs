//! The latest REST requests, for the status page and for drivers.

use std::collections::VecDeque;

use serde::Serialize;

/// Requests remembered.
const MOST_ENTRIES: usize = 200;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it was answered, in simulated Unix milliseconds.
    pub at_ms: u64,
    /// HTTP method.
    pub method: String,
    /// Path after `/api/v10`; interaction tokens are left out.
    pub path: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// How long it took, in milliseconds of real time.
    pub milliseconds: u64,
}

/// The latest requests, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<Entry>,
}

impl RequestLog {
    pub(crate) fn push(&mut self, mut entry: Entry) {
        if self.entries.len() == MOST_ENTRIES {
            self.entries.pop_front();
        }
        entry.path = entry.path.chars().take(200).collect();
        self.entries.push_back(entry);
    }

    pub(crate) fn list(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
}

/// `/webhooks/1/token/…` without the token.
pub(crate) fn without_token(path: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').collect();
    if matches!(segments.get(1), Some(&("webhooks" | "interactions")))
        && let Some(token) = segments.get_mut(3)
    {
        *token = "…";
    }
    segments.join("/")
}
