//! `numeric` as JSON, without a change in value where it matters and without surprises where it does not.
//!
//! - A whole number with no decimals is a JSON integer of any size, as `sum(bigint)` gives them.
//! - One with decimals is a JSON number as PostgreSQL writes it, `1.50`, if a 64-bit float holds its
//!   value, and a string if not: the author of `numeric(20, 8)` meant every digit.
//! - A computed one with 16 decimals or more, as `avg()` and division give them, is a JSON number in
//!   any case. PostgreSQL has rounded it already, and an average that is a number for some rows and a
//!   string for others helps nobody. To have all digits of such a column, cast it to text.
//! - Not a number and the infinities are strings.

use super::Refusal;

/// Decimals from which a value without declared precision counts as computed: the fewest PostgreSQL's
/// division gives significant digits.
const COMPUTED_DECIMALS: usize = 16;
/// Digits Python reads as an integer at most.
const INTEGER_DIGITS: usize = 4300;

const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// The JSON text of a value. `modifier` is that of the column: negative without declared precision.
pub(super) fn json(bytes: &[u8], modifier: i32) -> Result<String, Refusal> {
    let text = match text(bytes) {
        Some(text) => text,
        None => return Err(Refusal::Unreadable("its bytes are no numeric".to_owned())),
    };
    let is_number = match text.split_once('.') {
        _ if text.ends_with(|end: char| !end.is_ascii_digit()) => false,
        None => text.len() <= INTEGER_DIGITS,
        Some((_, decimals)) if modifier < 0 && decimals.len() >= COMPUTED_DECIMALS => {
            text.parse().is_ok_and(f64::is_finite)
        }
        Some(_) => is_exact(&text),
    };
    Ok(if is_number { text } else { format!("\"{text}\"") })
}

/// Whether a 64-bit float holds the value of a decimal number.
fn is_exact(text: &str) -> bool {
    let Ok(number) = text.parse::<f64>() else { return false };
    // The shortest text that reads back as the same float: equal but for zeros at the end, or not the same value.
    let shortest = number.to_string();
    let padded = if shortest.contains('.') { shortest } else { format!("{shortest}.") };
    number.is_finite() && padded.trim_end_matches('0') == text.trim_end_matches('0')
}

/// The decimal text PostgreSQL writes: four digits in 16 bits each, the weight of the first, a sign and
/// the number of decimals.
fn text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let count = usize::from(words.next()?);
    let weight = i32::from(words.next()?.cast_signed());
    let sign = words.next()?;
    let decimals = usize::from(words.next()?);
    match sign {
        NOT_A_NUMBER => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let groups: Vec<u16> = words.collect();
    if groups.len() != count || groups.iter().any(|group| *group > 9999) {
        return None;
    }
    // The group worth 10000^power; those not sent are zero.
    let group =
        |power: i32| usize::try_from(weight - power).ok().and_then(|index| groups.get(index)).copied();
    let mut text = String::from(if sign == NEGATIVE { "-" } else { "" });
    text.push_str(&group(weight.max(0)).unwrap_or(0).to_string());
    for power in (0..weight.max(0)).rev() {
        text.push_str(&format!("{:04}", group(power).unwrap_or(0)));
    }
    if decimals > 0 {
        text.push('.');
        let end = text.len() + decimals;
        let mut power = -1;
        while text.len() < end {
            text.push_str(&format!("{:04}", group(power).unwrap_or(0)));
            power -= 1;
        }
        text.truncate(end);
    }
    Some(text)
}
