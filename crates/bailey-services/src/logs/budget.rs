//! How much each tenant may still write this minute: what it logs, and apart from that what its process
//! prints, so that neither crowds out the other. Pure: time comes in.

use std::collections::HashMap;
use std::time::Duration;

use bailey_protocol::{Tenant, Timestamp, limits};

use super::LoggedLine;

const MINUTE: Duration = Duration::from_secs(60);

/// One tenant's minute.
#[derive(Debug)]
struct Minute {
    began: Timestamp,
    version: String,
    logged: Room,
    printed: Room,
    dropped: u64,
}

/// What is left of a minute for one kind of line.
#[derive(Debug)]
struct Room {
    lines: u32,
    bytes: usize,
}

/// A minute that ended with lines missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) tenant: Tenant,
    pub(super) version: String,
    pub(super) dropped: u64,
}

/// The minutes of everybody who wrote lately; those long past are let go by [`Budget::end_minutes`].
#[derive(Debug, Default)]
pub(super) struct Budget(HashMap<Tenant, Minute>);

impl Budget {
    /// Takes one line's room, or counts it as dropped. Says what went missing in the tenant's
    /// minute before, if this line begins a new one.
    pub(super) fn take(&mut self, line: &LoggedLine) -> (bool, Option<Missing>) {
        let minute = match self.0.get_mut(&line.tenant) {
            Some(minute) => minute,
            None => self.0.entry(line.tenant.clone()).or_insert_with(|| Minute::beginning_with(line)),
        };
        let mut missing = None;
        if line.at.since(minute.began) >= MINUTE {
            missing = std::mem::replace(minute, Minute::beginning_with(line)).missing(&line.tenant);
        }
        let room = if line.line.level.is_printed() { &mut minute.printed } else { &mut minute.logged };
        let taken = room.take(line.bytes());
        minute.dropped += u64::from(!taken);
        (taken, missing)
    }

    /// Counts a line as dropped that had room in its minute and none in the queue.
    pub(super) fn drop_taken(&mut self, tenant: &Tenant) {
        if let Some(minute) = self.0.get_mut(tenant) {
            minute.dropped += 1;
        }
    }

    /// Lets go of the minutes that are over, all of them with `None`, and says what went missing.
    pub(super) fn end_minutes(&mut self, now: Option<Timestamp>) -> Vec<Missing> {
        let over = |minute: &Minute| now.is_none_or(|now| now.since(minute.began) >= MINUTE);
        self.0
            .extract_if(|_, minute| over(minute))
            .filter_map(|(tenant, minute)| minute.missing(&tenant))
            .collect()
    }
}

impl Minute {
    fn beginning_with(line: &LoggedLine) -> Self {
        let room = || Room { lines: limits::LOG_LINES_PER_MINUTE, bytes: limits::LOG_BYTES_PER_MINUTE };
        let version = line.version.clone();
        Self { began: line.at, version, logged: room(), printed: room(), dropped: 0 }
    }

    fn missing(self, tenant: &Tenant) -> Option<Missing> {
        let Self { version, dropped, .. } = self;
        (dropped > 0).then(|| Missing { tenant: tenant.clone(), version, dropped })
    }
}

impl Room {
    fn take(&mut self, bytes: usize) -> bool {
        let fits = self.lines > 0 && self.bytes >= bytes;
        if fits {
            self.lines -= 1;
            self.bytes -= bytes;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use bailey_protocol::method::log::{LogLevel, LogLine};

    use super::*;

    fn tenant() -> Tenant {
        Tenant { plugin: "demo".parse().unwrap(), guild: bailey_protocol::GuildId(1) }
    }

    fn line(level: LogLevel, text: &str, version: &str, at: i64) -> LoggedLine {
        let line = LogLine::plain(level, text);
        LoggedLine { tenant: tenant(), version: version.to_owned(), at: Timestamp(at), line }
    }

    #[test]
    fn a_minute_has_room_for_its_lines_and_counts_the_rest() {
        let mut budget = Budget::default();
        for level in [LogLevel::Info, LogLevel::Stderr] {
            for number in 0..limits::LOG_LINES_PER_MINUTE + 7 {
                let (taken, missing) = budget.take(&line(level, "x", "1", i64::from(number)));
                assert_eq!(taken, number < limits::LOG_LINES_PER_MINUTE);
                assert_eq!(missing, None);
            }
        }
        let expected = Missing { tenant: tenant(), version: "1".into(), dropped: 14 };
        assert_eq!(budget.take(&line(LogLevel::Info, "x", "2", 60_000)), (true, Some(expected)));
        assert_eq!(budget.end_minutes(Some(Timestamp(119_999))), []);
        assert_eq!(budget.0.len(), 1);
        assert_eq!(budget.end_minutes(Some(Timestamp(120_000))), []);
        assert!(budget.0.is_empty());
    }

    #[test]
    fn long_lines_use_the_minute_up_by_their_bytes() {
        let mut budget = Budget::default();
        let long = line(LogLevel::Info, &"\u{1F600}".repeat(4000), "1", 0); // 16,000 bytes
        let fit = (0..60).filter(|_| budget.take(&long).0).count();
        assert_eq!(fit, limits::LOG_BYTES_PER_MINUTE / long.bytes());
        assert!(budget.take(&line(LogLevel::Info, "short", "1", 0)).0, "there is a little room left");
        assert_eq!(budget.end_minutes(None)[0].dropped, 60 - fit as u64);
    }

    #[test]
    fn lines_lost_to_a_full_queue_count_as_well() {
        let mut budget = Budget::default();
        assert!(budget.take(&line(LogLevel::Info, "x", "1", 0)).0);
        budget.drop_taken(&tenant());
        assert_eq!(budget.end_minutes(None)[0].dropped, 1);
    }
}
