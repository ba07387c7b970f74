//! Dates, times and intervals as ISO 8601. PostgreSQL counts from 2000-01-01, in microseconds or days,
//! over more years than any calendar crate covers.

use postgres_protocol::types as binary;

use super::Refusal;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A moment in microseconds since 2000-01-01, with what names its zone.
pub(super) fn timestamp(microseconds: i64, zone: &str) -> String {
    match microseconds {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        _ => {
            let (day, era) = calendar(microseconds.div_euclid(DAY));
            format!("{day}T{}{zone}{era}", time(microseconds.rem_euclid(DAY)))
        }
    }
}

/// A date in days since 2000-01-01.
pub(super) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        _ => {
            let (day, era) = calendar(days.into());
            format!("{day}{era}")
        }
    }
}

/// A time of day in microseconds; PostgreSQL knows `24:00:00`. Six decimals or none: Python before
/// 3.11 reads no other number of them.
pub(super) fn time(microseconds: i64) -> String {
    let (hours, minutes) = (microseconds / HOUR, microseconds / MINUTE % 60);
    let (seconds, fraction) = (microseconds / SECOND % 60, microseconds % SECOND);
    let whole = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if fraction == 0 { whole } else { format!("{whole}.{fraction:06}") }
}

/// A time of day and the seconds its zone is west of Greenwich.
pub(super) fn time_with_zone(bytes: &[u8]) -> Result<String, Refusal> {
    let (microseconds, zone) = bytes.split_at_checked(8).unwrap_or((bytes, &[]));
    let microseconds = binary::time_from_sql(microseconds)?;
    let east = -i64::from(binary::int4_from_sql(zone)?);
    let (hours, minutes, seconds) = (east.abs() / 3600, east.abs() / 60 % 60, east.abs() % 60);
    let sign = if east < 0 { '-' } else { '+' };
    let exact = if seconds == 0 { String::new() } else { format!(":{seconds:02}") };
    Ok(format!("{}{sign}{hours:02}:{minutes:02}{exact}", time(microseconds)))
}

/// Microseconds, days and months, each with a sign of its own, as `intervalstyle = iso_8601` writes them.
pub(super) fn interval(bytes: &[u8]) -> Result<String, Refusal> {
    let (microseconds, rest) = bytes.split_at_checked(8).unwrap_or((bytes, &[]));
    let (days, months) = rest.split_at_checked(4).unwrap_or((rest, &[]));
    let microseconds = binary::int8_from_sql(microseconds)?;
    let days = binary::int4_from_sql(days)?;
    let months = binary::int4_from_sql(months)?;
    let mut text = String::from("P");
    let mut part = |amount: i64, unit: char| {
        if amount != 0 {
            text.push_str(&format!("{amount}{unit}"));
        }
    };
    part((months / 12).into(), 'Y');
    part((months % 12).into(), 'M');
    part(days.into(), 'D');
    if microseconds != 0 || (days == 0 && months == 0) {
        text.push('T');
        let mut part = |amount: i64, unit: char| {
            if amount != 0 {
                text.push_str(&format!("{amount}{unit}"));
            }
        };
        part(microseconds / HOUR, 'H');
        part(microseconds / MINUTE % 60, 'M');
        let seconds = microseconds % MINUTE;
        if seconds != 0 || microseconds == 0 {
            let sign = if seconds < 0 { "-" } else { "" };
            let (whole, fraction) = ((seconds / SECOND).abs(), (seconds % SECOND).abs());
            text.push_str(&format!("{sign}{whole}"));
            if fraction != 0 {
                text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
            }
            text.push('S');
        }
    }
    Ok(text)
}

/// The calendar day, and ` BC` when it is before the year 1. Howard Hinnant's `civil_from_days`:
/// years begin in March, so that the leap day is their last.
fn calendar(days_since_2000: i64) -> (String, &'static str) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days_since_2000 + 730_425; // since 0000-03-01
    let cycle = days.div_euclid(DAYS_OF_400_YEARS);
    let day_of_cycle = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_cycle + 400 * cycle + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}
