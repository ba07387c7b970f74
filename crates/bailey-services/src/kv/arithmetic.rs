//! Adding to a number inside a JSON text without disturbing the rest of the text. Pure.

use bailey_protocol::CallError;
use bailey_protocol::limits::KV_INTEGER_BITS;
use indexmap::IndexMap;
use serde_json::value::RawValue;

/// The outcome of an addition, both as JSON text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// The whole value, to be stored.
    pub(super) value: String,
    /// The number now at the path.
    pub(super) number: String,
}

/// Adds `amount` to the number at `path` in `json`. What is missing or `null` on the way is made:
/// objects along the path, 0 at its end.
pub(super) fn add(json: Option<&str>, path: &[String], amount: i64) -> Result<Sum, CallError> {
    let json = json.filter(|text| *text != "null");
    let Some((name, rest)) = path.split_first() else {
        let number = add_number(json.unwrap_or("0"), amount)?;
        return Ok(Sum { value: number.clone(), number });
    };
    let mut object: IndexMap<String, Box<RawValue>> = match json {
        None => IndexMap::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| CallError::validation("path", format!("an object around `{name}`")))?,
    };
    let inner = add(object.get(name).map(|raw| raw.get()), rest, amount)?;
    let raw = RawValue::from_string(inner.value).map_err(|_| CallError::Internal)?;
    object.insert(name.clone(), raw); // an existing member keeps its place
    let value = serde_json::to_string(&object).map_err(|_| CallError::Internal)?;
    Ok(Sum { value, number: inner.number })
}

// `i128` below is what holds them.
const _: () = assert!(KV_INTEGER_BITS == i128::BITS);

/// Integers stay integers, up to 128 bits; anything written with a point or an exponent is a float.
fn add_number(text: &str, amount: i64) -> Result<String, CallError> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(CallError::validation("value", "a number at the place to increment"));
    }
    if !text.contains(['.', 'e', 'E']) {
        let sum = text.parse::<i128>().ok().and_then(|number| number.checked_add(i128::from(amount)));
        let rule = || format!("a whole number of at most {KV_INTEGER_BITS} bits");
        return sum.map(|sum| sum.to_string()).ok_or_else(|| CallError::validation("value", rule()));
    }
    let sum = text.parse::<f64>().ok().map(|number| number + amount as f64);
    sum.and_then(serde_json::Number::from_f64)
        .map(|sum| sum.to_string())
        .ok_or_else(|| CallError::validation("value", "a finite number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: Option<&str>, path: &str, amount: i64, expected: Result<(&str, &str), &str>) {
        let path: Vec<String> = path.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let found = add(json, &path, amount);
        match expected {
            Ok((value, number)) => {
                let expected = Sum { value: value.to_owned(), number: number.to_owned() };
                assert_eq!(found, Ok(expected), "{json:?} {path:?}");
            }
            Err(words) => {
                let error = found.expect_err("an addition that cannot be").to_string();
                assert!(error.contains(words), "{error}");
            }
        }
    }

    #[test]
    fn whole_values() {
        check(None, "", 5, Ok(("5", "5")));
        check(Some("null"), "", -5, Ok(("-5", "-5")));
        check(Some("41"), "", 1, Ok(("42", "42")));
        check(Some("-0"), "", 0, Ok(("0", "0")));
        check(Some("5.0"), "", 1, Ok(("6.0", "6.0")));
        check(Some("1.5"), "", 2, Ok(("3.5", "3.5")));
        check(Some("1e3"), "", 1, Ok(("1001.0", "1001.0")));
        check(Some("-0.0"), "", 0, Ok(("0.0", "0.0")));
        check(Some("0.1"), "", 0, Ok(("0.1", "0.1")));
        check(Some("9007199254740993"), "", 1, Ok(("9007199254740994", "9007199254740994")));
        check(Some("-1"), "", i64::MIN, Ok(("-9223372036854775809", "-9223372036854775809")));
    }

    #[test]
    fn large_integers_stay_exact_until_they_do_not_fit() {
        check(Some("9223372036854775807"), "", 1, Ok(("9223372036854775808", "9223372036854775808")));
        let largest = i128::MAX.to_string();
        check(Some(&largest), "", 0, Ok((&largest, &largest)));
        check(Some(&largest), "", 1, Err("128 bits"));
        check(Some(&"9".repeat(60)), "", 1, Err("128 bits"));
        check(Some(&i128::MIN.to_string()), "", -1, Err("128 bits"));
    }

    #[test]
    fn floats_end_where_doubles_do() {
        let largest = "1.7976931348623157e308"; // adding to it is lost in rounding, not beyond it
        let shown = "1.7976931348623157e+308";
        check(Some(largest), "", i64::MAX, Ok((shown, shown)));
        check(Some("1.0"), "", i64::MAX, Ok(("9.223372036854776e+18", "9.223372036854776e+18")));
        for beyond in ["1e999", "-1e999", "1.8e308"] {
            check(Some(beyond), "", 1, Err("a finite number"));
            check(Some(&format!(r#"{{"a":{beyond}}}"#)), "a", 1, Err("a finite number"));
        }
    }

    #[test]
    fn what_is_no_number_is_left_alone() {
        for json in ["\"5\"", "true", "[]", "{}", "[5]"] {
            check(Some(json), "", 1, Err("a number"));
        }
        check(Some("{\"a\":\"x\"}"), "a", 1, Err("a number"));
        check(Some("{\"a\":5}"), "a.b", 1, Err("an object around `b`"));
        check(Some("[1,2]"), "a", 1, Err("an object around `a`"));
    }

    #[test]
    fn paths_descend_and_disturb_nothing_else() {
        let json = r#"{"z":1.0,"a":{"y":[1, 2],"n":5,"x":123456789012345678901234567890},"b":"\u0000"}"#;
        let after = r#"{"z":1.0,"a":{"y":[1, 2],"n":8,"x":123456789012345678901234567890},"b":"\u0000"}"#;
        check(Some(json), "a.n", 3, Ok((after, "8")));
        check(None, "a.b.c", 2, Ok((r#"{"a":{"b":{"c":2}}}"#, "2")));
        check(Some(r#"{"a":null}"#), "a.b", 2, Ok((r#"{"a":{"b":2}}"#, "2")));
        check(Some(r#"{"a":{"b":null}}"#), "a.b", 2, Ok((r#"{"a":{"b":2}}"#, "2")));
    }
}
