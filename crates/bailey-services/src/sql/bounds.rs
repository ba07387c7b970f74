//! What a plugin's statements are bound by, of the bounds an operator may choose.

use std::time::Duration;

use bailey_protocol::limits;

/// What a plugin's statements are bound by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) statement_time: Duration,
    pub(super) disk_bytes: u64,
}

impl Bounds {
    /// As settings of a session.
    pub(super) fn settings(self) -> impl Iterator<Item = (&'static str, u128)> {
        let time = self.statement_time;
        [
            ("statement_timeout", time.as_millis()),
            ("lock_timeout", limits::SQL_LOCK_TIME.min(time).as_millis()),
            ("idle_in_transaction_session_timeout", time.as_millis()),
            ("work_mem", u128::from(limits::SQL_WORK_MEMORY_BYTES / 1024)),
            ("temp_file_limit", u128::from(limits::SQL_TEMPORARY_BYTES / 1024)),
            ("max_parallel_workers_per_gather", 0),
        ]
        .into_iter()
    }

    /// All of them, to see whether they were changed.
    pub(super) fn in_words(self) -> String {
        let settings: String = self.settings().map(|(name, value)| format!("{name}={value} ")).collect();
        format!("{settings}disk_bytes={}", self.disk_bytes)
    }
}
