//! Simulated time and the ids that are made from it. Nothing here waits; timers live where they are used.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

/// Discord's first second, in Unix milliseconds (2015-01-01).
pub(crate) const EPOCH_MS: u64 = 1_420_070_400_000;

/// Where the simulator's "now" comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockMode {
    /// Time stands still until [`crate::Control::advance`] moves it. `start_ms` is Unix milliseconds.
    Manual {
        /// The first "now", Unix milliseconds; not before 2015.
        start_ms: u64,
    },
    /// The machine's clock.
    Real,
}

impl ClockMode {
    /// A manual clock that starts on 2025-01-01 00:00 UTC, the usual choice in tests.
    pub fn manual() -> Self {
        Self::Manual { start_ms: 1_735_689_600_000 }
    }
}

/// "Now" for everything a bot can see: ids, timestamps, interaction windows.
#[derive(Debug)]
pub(crate) struct Clock {
    manual: Option<AtomicU64>,
    /// How far Discord's own clock is ahead of ours; negative: behind.
    skew_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        let manual = match mode {
            ClockMode::Manual { start_ms } => Some(AtomicU64::new(start_ms.max(EPOCH_MS))),
            ClockMode::Real => None,
        };
        Self { manual, skew_ms: AtomicI64::new(0) }
    }

    /// What Discord's clock shows, wrong as it may be: ids and times in payloads.
    pub(crate) fn now_ms(&self) -> u64 {
        self.skewed(self.steady_ms())
    }

    /// The simulated time itself, which decides how long things last and what drivers are told.
    pub(crate) fn steady_ms(&self) -> u64 {
        match &self.manual {
            Some(now) => now.load(Ordering::SeqCst),
            None => wall_ms(),
        }
    }

    /// Real time as Discord's clock shows it: the `Date` header and the ends of rate limits.
    pub(crate) fn discord_wall_ms(&self) -> u64 {
        self.skewed(wall_ms())
    }

    pub(crate) fn set_skew(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::SeqCst);
    }

    /// A simulated time as Discord's clock shows it.
    pub(crate) fn skewed(&self, ms: u64) -> u64 {
        ms.saturating_add_signed(self.skew_ms.load(Ordering::SeqCst)).max(EPOCH_MS)
    }

    pub(crate) fn is_manual(&self) -> bool {
        self.manual.is_some()
    }

    /// Moves a manual clock forward and returns the new time; `None` on a real clock, which cannot be moved.
    pub(crate) fn advance(&self, by_ms: u64) -> Option<u64> {
        let now = self.manual.as_ref()?;
        let next = now.load(Ordering::SeqCst).saturating_add(by_ms).min(LAST_MS);
        now.store(next, Ordering::SeqCst);
        Some(next)
    }
}

/// The last time the clock can show, in the year 2100: far below what a snowflake can hold.
const LAST_MS: u64 = 4_102_444_800_000;

/// The machine's clock in Unix milliseconds, for rate-limit headers, which describe real time.
#[expect(clippy::disallowed_methods, reason = "the simulator is the edge: it is the clock it hands out")]
pub(crate) fn wall_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(EPOCH_MS, |since| u64::try_from(since.as_millis()).unwrap_or(EPOCH_MS))
}

/// Unix milliseconds as Discord writes a date-time, e.g. `2025-01-01T00:00:00.000000+00:00`.
pub(crate) fn iso(ms: u64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]+00:00");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00.000000+00:00".to_owned())
}

/// A Discord id: milliseconds since 2015 in the upper 42 bits. JSON writes it as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snowflake(pub u64);

impl Snowflake {
    /// When this id was made, in Unix milliseconds.
    pub fn created_ms(self) -> u64 {
        (self.0 >> 22) + EPOCH_MS
    }
}

impl fmt::Display for Snowflake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Snowflake {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Snowflake {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `ms` as the `Date` header has it, e.g. `Wed, 01 Jan 2025 00:00:00 GMT`.
pub(crate) fn http_date(ms: u64) -> Option<String> {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    OffsetDateTime::from_unix_timestamp(i64::try_from(ms / 1000).ok()?).ok()?.format(format).ok()
}

/// Makes ids: time from the clock, then a counter, so equal inputs give equal ids.
#[derive(Debug, Default)]
pub(crate) struct SnowflakeMaker {
    last: u64,
    /// Which of Discord's machines makes them: another one each time the clock is set, so that ids of a clock that
    /// was set back are never those that it gave before.
    worker: u64,
}

/// Workers there can be: five bits of an id.
const WORKERS: u64 = 32;

impl SnowflakeMaker {
    pub(crate) fn next(&mut self, now_ms: u64) -> Snowflake {
        let earliest = (now_ms.saturating_sub(EPOCH_MS) << 22) | (self.worker << 17);
        self.last = earliest.max(self.last + 1);
        Snowflake(self.last)
    }

    /// The clock was set, perhaps back.
    pub(crate) fn clock_was_set(&mut self) {
        self.last = 0;
        self.worker = (self.worker + 1) % WORKERS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_within_one_millisecond_and_carry_the_time() {
        let mut maker = SnowflakeMaker::default();
        let first = maker.next(1_735_689_600_000);
        let second = maker.next(1_735_689_600_000);
        assert_eq!(first.0 & 0xfff, 0);
        assert_eq!(second.0, first.0 + 1);
        assert_eq!(second.created_ms(), 1_735_689_600_000);
        assert_eq!(iso(second.created_ms()), "2025-01-01T00:00:00.000000+00:00");
    }

    #[test]
    fn a_clock_that_is_set_back_gives_no_id_twice() {
        let mut maker = SnowflakeMaker::default();
        let before: Vec<Snowflake> = (0..3).map(|_| maker.next(1_735_689_600_000)).collect();
        maker.clock_was_set();
        let after: Vec<Snowflake> = (0..3).map(|_| maker.next(1_735_689_600_000)).collect();
        assert!(before.iter().all(|id| !after.contains(id)), "{before:?} {after:?}");
        assert_eq!(after[0].created_ms(), 1_735_689_600_000);
    }

    #[test]
    fn the_date_header_is_written_as_http_wants_it() {
        assert_eq!(http_date(1_735_689_600_000).as_deref(), Some("Wed, 01 Jan 2025 00:00:00 GMT"));
    }
}
