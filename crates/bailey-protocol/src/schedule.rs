//! Schedules: what a plugin's manifest says about when it wants to be told the time.
//!
//! The grammar is the SDKs': five fields in UTC, numbers only, Sunday is 0. No library reads exactly it (they take names,
//! `7`, `N/S` as a range), and what remains once it is read is five bit sets; tests hold them to a library's opinion.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits;
use crate::time::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
/// Days that are looked through for the next match: also 29 February comes within them, whatever the century.
const DAYS_AHEAD: u32 = 41 * 366;

/// One entry of a manifest's `cron`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name, unique within the plugin: that of the function it calls.
    pub name: String,
    /// When.
    pub spec: CronSpec,
    /// What becomes of a time at which Bailey did not run.
    pub missed: Missed,
}

/// What becomes of a time at which Bailey did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// Nothing.
    #[default]
    Skip,
    /// The latest one is made up for, once, if it is not older than [`limits::CRON_MADE_UP`].
    RunOnce,
}

impl Missed {
    /// The word of the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::RunOnce => "run_once",
        }
    }
}

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronSpec {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the day of the month, and that of the week, is anything but every day.
    restricts: (bool, bool),
}

/// A text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// There are not five fields.
    #[error("a schedule has five fields (minute, hour, day, month, weekday) and this one has {0}")]
    Fields(usize),
    /// A field cannot be read.
    #[error("{field} {text:?} cannot be read: {rule}")]
    Field {
        /// Which field, in words.
        field: &'static str,
        /// What it says.
        text: String,
        /// What it may say.
        rule: String,
    },
    /// It is due too often.
    #[error("it is due more often than every {} minutes", limits::CRON_EVERY.as_secs() / 60)]
    TooOften,
}

/// Name, first and last number of each field.
const FIELDS: [(&str, u32, u32); 5] = [
    ("the minute", 0, 59),
    ("the hour", 0, 23),
    ("the day", 1, 31),
    ("the month", 1, 12),
    ("the weekday", 0, 6),
];

/// The bits of all days of a month, and of a week.
const EVERY_DAY: u64 = ((1 << 31) - 1) << 1;
const EVERY_WEEKDAY: u64 = (1 << 7) - 1;

impl CronSpec {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is due in the minute of an instant.
    pub fn is_due(&self, at: Timestamp) -> bool {
        let time = at.to_date_time();
        has(self.minutes, time.minute()) && has(self.hours, time.hour()) && self.is_due_on(time.date())
    }

    /// The beginning of the first minute after that of an instant in which it is due; `None` if there is none, as with
    /// 31 February.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let from = minute_of(after) + MINUTE;
        let start = from.to_date_time();
        let mut date = start.date();
        for day in 0..DAYS_AHEAD {
            if self.is_due_on(date) {
                let first =
                    if day == 0 { u16::from(start.hour()) * 60 + u16::from(start.minute()) } else { 0 };
                let found = (first..24 * 60).find(|minute| {
                    has(self.hours, (minute / 60) as u8) && has(self.minutes, (minute % 60) as u8)
                });
                if let Some(minute) = found {
                    let midnight = Timestamp::from(date.midnight().assume_utc());
                    return Some(midnight + MINUTE * u32::from(minute));
                }
            }
            date = date.next_day()?;
        }
        None
    }

    /// The beginning of the latest minute, up to that of `until` and not before `from`, in which it was due.
    pub fn latest_between(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let (mut minute, from) = (minute_of(until), minute_of(from));
        while minute >= from {
            if self.is_due(minute) {
                return Some(minute);
            }
            minute = minute - MINUTE;
        }
        None
    }

    fn is_due_on(&self, date: ::time::Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().number_days_from_sunday());
        let on_day = match self.restricts {
            (true, true) => day || weekday,
            _ => day && weekday,
        };
        on_day && has(self.months, u8::from(date.month()))
    }

    /// The least number of minutes from one due minute to the next, as far as the minute field alone tells.
    fn shortest_gap(&self) -> u32 {
        let minutes: Vec<u32> = (0..60).filter(|minute| self.minutes & (1 << minute) != 0).collect();
        let gaps = minutes.windows(2).map(|pair| pair[1] - pair[0]);
        let around = match (minutes.first(), minutes.last()) {
            (Some(first), Some(last)) => first + 60 - last,
            _ => 60,
        };
        gaps.chain([around]).min().unwrap_or(60)
    }
}

/// The beginning of the minute of an instant.
pub fn minute_of(at: Timestamp) -> Timestamp {
    let minute = MINUTE.as_millis() as i64;
    Timestamp(at.0.div_euclid(minute) * minute)
}

fn has(set: u64, number: u8) -> bool {
    set & (1 << number) != 0
}

impl FromStr for CronSpec {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = *fields.as_slice() else {
            return Err(CronError::Fields(fields.len()));
        };
        let set = |index: usize, text: &str| {
            let (field, first, last) = FIELDS[index];
            read_field(text, first, last).map_err(|rule| {
                let text = text.chars().take(40).collect();
                CronError::Field { field, text, rule }
            })
        };
        let (days, weekdays) = (set(2, day)?, set(4, weekday)?);
        let spec = Self {
            minutes: set(0, minute)?,
            hours: set(1, hour)?,
            months: set(3, month)?,
            restricts: (days != EVERY_DAY, weekdays != EVERY_WEEKDAY),
            days,
            weekdays,
            text: text.to_owned(),
        };
        if u64::from(spec.shortest_gap()) * 60 < limits::CRON_EVERY.as_secs() {
            return Err(CronError::TooOften);
        }
        Ok(spec)
    }
}

/// The numbers of one field as bits.
fn read_field(text: &str, first: u32, last: u32) -> Result<u64, String> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u32>().ok()).flatten().ok_or_else(|| format!("{text:?} is no number"))
    };
    let inside = |text: &str| {
        let found = number(text)?;
        if (first..=last).contains(&found) {
            Ok(found)
        } else {
            Err(format!("{found} is not within {first} to {last}"))
        }
    };
    let mut set = 0;
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (item, None),
        };
        if step == Some(0) {
            return Err("a step is 1 or more".to_owned());
        }
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (first, last),
            Some((from, to)) => (inside(from)?, inside(to)?),
            // As the platform reads it: a step after a single number means nothing.
            None => (inside(range)?, inside(range)?),
        };
        if from > to {
            return Err(format!("{from} is after {to}"));
        }
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
        (from..=to).step_by(step).for_each(|number| set |= 1 << number);
    }
    Ok(set)
}

impl fmt::Display for CronSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(text: &str) -> CronSpec {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_dialect_is_exactly_that_of_the_sdks() {
        for good in [
            "0 9 * * *",
            "*/5 * * * *",
            "0,30 8-18/2 1,15 1-12 0-6",
            "7/9 * * * *",
            "  0  0 * *  0 ",
            "00 09 * * *",
        ] {
            assert!(good.parse::<CronSpec>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "0 9 * * * *",
            "@daily",
            "0 9 * * 7",
            "0 9 * * SUN",
            "0 9 * JAN *",
            "60 * * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 32 * *",
            "0 0 * 0 *",
            "0 0 * 13 *",
            "5-1 * * * *",
            "0 */0 * * *",
            "0, * * * *",
            ",0 * * * *",
            "0 ? * * *",
            "0 -1 * * *",
            "+0 * * * *",
            "0 1-2-3 * * *",
            "0 1/2/3 * * *",
            "0 */ * * *",
            "0 *-5 * * *",
            "99999 * * * *",
        ] {
            assert!(bad.parse::<CronSpec>().is_err(), "{bad:?}");
        }
        assert!(!spec("0/15 * * * *").is_due(at("2026-01-01T00:15:00")), "N/S means N");
    }

    #[test]
    fn five_minutes_lie_between_two_times() {
        for often in ["* * * * *", "*/4 * * * *", "0,3 4 * * *", "0,57 * * * *", "1-9/4 1 1 1 *"] {
            assert_eq!(often.parse::<CronSpec>(), Err(CronError::TooOften), "{often}");
        }
        for fine in ["*/5 * * * *", "0,55 * * * *", "3 * * * *", "*/7 * * * *"] {
            let minutes = fine.parse::<CronSpec>().map(|spec| spec.shortest_gap());
            assert_eq!(minutes.is_ok(), fine != "*/7 * * * *", "{fine}: {minutes:?}"); // from 56 to 0 are 4
        }
    }

    #[test]
    fn one_restricted_day_decides_and_of_two_either() {
        assert!(spec("0 0 13 * *").is_due(at("2026-01-13")) && !spec("0 0 13 * *").is_due(at("2026-01-14")));
        let friday_or_13 = spec("0 0 13 * 5");
        assert!(friday_or_13.is_due(at("2026-01-13")) && friday_or_13.is_due(at("2026-01-16")));
        assert!(!friday_or_13.is_due(at("2026-01-14")));
        assert!(spec("0 0 * * 0").is_due(at("2026-01-04")), "a Sunday");
    }

    #[test]
    fn the_next_and_the_latest_time_are_found() {
        let next = |text: &str, after: &str| spec(text).next_after(at(after)).map(|next| next.to_string());
        assert_eq!(next("0 9 * * *", "2026-01-01T09:00:30").as_deref(), Some("2026-01-02T09:00:00.000Z"));
        assert_eq!(next("0 9 * * *", "2026-01-01T08:59:59").as_deref(), Some("2026-01-01T09:00:00.000Z"));
        assert_eq!(next("30 12 29 2 *", "2026-01-01").as_deref(), Some("2028-02-29T12:30:00.000Z"));
        assert_eq!(next("0 0 31 2 *", "2026-01-01"), None);
        let latest = spec("0 */6 * * *").latest_between(at("2026-01-01T00:30:00"), at("2026-01-01T11:59:59"));
        assert_eq!(latest.map(|at| at.to_string()).as_deref(), Some("2026-01-01T06:00:00.000Z"));
        assert_eq!(
            spec("0 9 * * *").latest_between(at("2026-01-01T09:01:00"), at("2026-01-02T08:59:00")),
            None
        );
    }

    /// A field as people write it: the text and the numbers it means.
    fn field(first: u32, last: u32) -> impl Strategy<Value = String> {
        let number = first..=last;
        let range = (first..=last, first..=last, 1..6_u32).prop_map(|(one, other, step)| {
            let (from, to) = (one.min(other), one.max(other));
            if step == 1 { format!("{from}-{to}") } else { format!("{from}-{to}/{step}") }
        });
        let item = prop_oneof![number.prop_map(|number| number.to_string()), range];
        prop_oneof![
            Just("*".to_owned()),
            (5..12_u32).prop_map(|step| format!("*/{step}")),
            prop::collection::vec(item, 1..3).prop_map(|items| items.join(",")),
        ]
    }

    /// A model that counts days one by one and reads a field's text anew for each number.
    mod model {
        /// Minute, hour, day, month and weekday of a minute since 1970.
        fn calendar(minute: i64) -> [u32; 5] {
            let (mut year, mut month, mut day) = (1970, 0, minute / 1440);
            let weekday = (day + 4) % 7; // it began with a Thursday
            let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            while day >= 365 + i64::from(is_leap(year)) {
                day -= 365 + i64::from(is_leap(year));
                year += 1;
            }
            let february = 28 + i64::from(is_leap(year));
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            while day >= lengths[month] {
                day -= lengths[month];
                month += 1;
            }
            [minute % 60, minute / 60 % 24, day + 1, month as i64 + 1, weekday].map(|number| number as u32)
        }

        fn says(field: &str, first: u32, number: u32) -> bool {
            field.split(',').any(|item| {
                let (range, step) = item.split_once('/').unwrap_or((item, "1"));
                let (from, to) = match range.split_once('-') {
                    _ if range == "*" => (first, 60),
                    Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
                    None => return range.parse() == Ok(number),
                };
                (from..=to).contains(&number) && (number - from).is_multiple_of(step.parse().unwrap())
            })
        }

        pub(super) fn is_due(spec: &str, minute: i64) -> bool {
            let fields: Vec<&str> = spec.split(' ').collect();
            let now = calendar(minute);
            let says = |index: usize, number| says(fields[index], u32::from([2, 3].contains(&index)), number);
            let restricts_days = (1..=31).any(|day| !says(2, day));
            let restricts_weekdays = (0..=6).any(|day| !says(4, day));
            let day = match (restricts_days, restricts_weekdays) {
                (true, true) => says(2, now[2]) || says(4, now[4]),
                (true, false) => says(2, now[2]),
                (false, true) => says(4, now[4]),
                (false, false) => true,
            };
            day && says(0, now[0]) && says(1, now[1]) && says(3, now[3])
        }
    }

    /// A minute field, some of which are due too often.
    fn minutes() -> impl Strategy<Value = String> {
        prop_oneof![
            field(0, 59),
            (5..40_u32).prop_map(|step| format!("*/{step}")),
            (0..60_u32).prop_map(|minute| minute.to_string()),
            (0..60_u32, 1..90_u32).prop_map(|(minute, step)| format!("{minute}/{step}")),
        ]
    }

    proptest! {
        /// What is due, next and last, is what the model finds minute by minute.
        #[test]
        fn a_model_that_counts_agrees(
            (minute, hour, day, month, weekday) in (minutes(), field(0, 23), field(1, 31), field(1, 12), field(0, 6)),
            now in 0..60_000_000_i64, // until 2084
        ) {
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            let at = |minute: i64| Timestamp(minute * 60_000);
            let every_hour = format!("{minute} * * * *");
            let due: Vec<i64> = (0..120).filter(|minute| model::is_due(&every_hour, *minute)).collect();
            let too_often = due.windows(2).any(|pair| pair[1] - pair[0] < 5);
            let read = text.parse::<CronSpec>();
            prop_assert_eq!(read == Err(CronError::TooOften), too_often, "{}: {:?}", text, read);
            let Ok(spec) = read else { return Ok(()) };
            let three_days = 3 * 1440;
            let next = (now + 1..=now + three_days).find(|minute| model::is_due(&text, *minute));
            let found = spec.next_after(at(now)).map(|at| at.0 / 60_000).filter(|next| *next <= now + three_days);
            prop_assert_eq!(found, next, "{} after {}", text, now);
            let earliest = (now - 1440).max(0);
            let latest = (earliest..=now).rev().find(|minute| model::is_due(&text, *minute));
            let found = spec.latest_between(at(earliest), at(now)).map(|at| at.0 / 60_000);
            prop_assert_eq!(found, latest, "{} before {}", text, now);
            prop_assert_eq!(spec.is_due(at(now)), model::is_due(&text, now));
        }

        /// Another library, which is asked for each number in a list of its own, agrees.
        #[test]
        fn a_library_has_the_same_opinion(
            (hour, day, month, weekday) in (field(0, 23), field(1, 31), field(1, 12), field(0, 6)),
            minute in prop_oneof![Just("*/5".to_owned()), Just("17".to_owned()), Just("3,40".to_owned())],
            after in 1_767_225_600_i64..1_893_456_000,
        ) {
            use chrono::TimeZone as _;
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            let ours: CronSpec = text.parse().unwrap();
            let list = |set: u64| {
                let all: Vec<String> = (0..64).filter(|bit| set & (1 << bit) != 0).map(|bit: u32| bit.to_string()).collect();
                if [EVERY_DAY, EVERY_WEEKDAY].contains(&set) { "*".to_owned() } else { all.join(",") }
            };
            let theirs = [ours.minutes, ours.hours, ours.days, ours.months, ours.weekdays].map(list).join(" ");
            let library: croner::Cron = theirs.parse().unwrap();
            let start = chrono::Utc.timestamp_opt(after, 0).unwrap();
            let expected = library.find_next_occurrence(&start, false).ok().map(|at| at.timestamp() * 1000);
            prop_assert_eq!(ours.next_after(Timestamp(after * 1000)).map(|at| at.0), expected, "{} as {}", text, theirs);
        }

        /// Whatever is written is read or refused.
        #[test]
        fn no_text_is_too_odd(text in "[-0-9*/, a-z]{0,30}") {
            let _ = text.parse::<CronSpec>();
        }
    }
}
