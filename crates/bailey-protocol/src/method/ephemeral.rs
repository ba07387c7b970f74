//! `ephemeral.*`: short-lived state for rate limits, cooldowns, duplicates and flags. Parameters
//! checked on arrival, results as the SDKs read them. All SDK versions since 0.5.2 have these.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::error::CallError;
use crate::limits;
use crate::params::Params;

/// A key: 1 to 256 characters, no NUL. A cheap clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks a key.
    ///
    /// # Errors
    /// [`CallError::Validation`] naming the rule that was broken.
    pub fn new(text: &str) -> Result<Self, CallError> {
        if text.is_empty() {
            Err(CallError::validation("key", "a non-empty string"))
        } else if text.contains('\0') {
            Err(CallError::validation("key", "a string without NUL characters"))
        } else if text.chars().nth(limits::EPHEMERAL_KEY_CHARACTERS).is_some() {
            let rule = format!("a string of at most {} characters", limits::EPHEMERAL_KEY_CHARACTERS);
            Err(CallError::validation("key", rule))
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(params: &Params) -> Result<Self, CallError> {
        Self::new(&params.required::<String>("key", "a string")?)
    }
}

/// A time in whole seconds; one outside 1 to 86,400 reads as the nearest that is not, as the SDKs'
/// documentation promises.
fn seconds(params: &Params, name: &str, default: i64) -> Result<Duration, CallError> {
    let asked = u64::try_from(params.integer_or(name, default)?).unwrap_or(0);
    Ok(Duration::from_secs(asked.clamp(1, limits::EPHEMERAL_SECONDS)))
}

/// Parameters of `ephemeral.counter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Which counter.
    pub key: Key,
    /// How far back hits count.
    pub window: Duration,
}

impl Count {
    /// Reads the parameters. Without `window_seconds` it is a minute.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad key or a time that is no whole number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { key: Key::parse(params)?, window: seconds(params, "window_seconds", 60)? })
    }
}

/// Parameters of `ephemeral.cooldown_set`, `ephemeral.dedup` and `ephemeral.flag_set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remember {
    /// Which cooldown, event or flag.
    pub key: Key,
    /// For how long.
    pub time_to_live: Duration,
}

impl Remember {
    /// Reads the parameters of `ephemeral.cooldown_set`. Without `ttl_seconds` it is a minute.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad key or a time that is no whole number.
    pub fn parse_cooldown(params: &Params) -> Result<Self, CallError> {
        Self::parse_or(params, 60)
    }

    /// Reads the parameters of `ephemeral.dedup` and `ephemeral.flag_set`. Without `ttl_seconds` it
    /// is an hour.
    ///
    /// # Errors
    /// As [`Remember::parse_cooldown`].
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Self::parse_or(params, 3600)
    }

    fn parse_or(params: &Params, default: i64) -> Result<Self, CallError> {
        Ok(Self { key: Key::parse(params)?, time_to_live: seconds(params, "ttl_seconds", default)? })
    }
}

/// Parameters of `ephemeral.cooldown_check` and `ephemeral.flag_check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which cooldown or flag.
    pub key: Key,
}

impl Check {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad key.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { key: Key::parse(params)? })
    }
}

/// Result of `ephemeral.counter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Hits within the window, this one included; never more than [`limits::EPHEMERAL_HITS`].
    pub count: usize,
}

/// Result of `ephemeral.cooldown_check`, which the SDKs hand to the plugin whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cooldown {
    /// Whether it lasts.
    pub active: bool,
    /// Seconds it lasts still, a float as documented; 0 when it does not.
    pub remaining_seconds: f64,
}

impl Cooldown {
    /// A cooldown that lasts `remaining` still; zero means it is over. Rounded up to whole seconds:
    /// plugins cut the number with `int()`, and "wait 0 seconds" would be no answer.
    pub fn lasting(remaining: Duration) -> Self {
        Self { active: !remaining.is_zero(), remaining_seconds: remaining.as_secs_f64().ceil() }
    }
}

/// Result of `ephemeral.dedup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// Whether this is the first time.
    pub is_new: bool,
}

/// Result of `ephemeral.flag_check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// Whether it is set.
    pub active: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap()
    }

    #[test]
    fn keys_follow_the_rules() {
        for (key, good) in [
            (serde_json::json!("a"), true),
            (serde_json::json!("é".repeat(256)), true),
            (serde_json::json!("é".repeat(257)), false),
            (serde_json::json!(""), false),
            (serde_json::json!("a\0b"), false),
            (serde_json::json!(5), false),
            (serde_json::json!(null), false),
        ] {
            let params = params(&serde_json::json!({ "key": key }).to_string());
            let all = [
                Count::parse(&params).map(|count| count.key),
                Remember::parse(&params).map(|remember| remember.key),
                Remember::parse_cooldown(&params).map(|remember| remember.key),
                Check::parse(&params).map(|check| check.key),
            ];
            for parsed in all {
                assert_eq!(
                    parsed.map(|parsed| parsed.as_str().to_owned()).ok().as_deref(),
                    good.then(|| key.as_str().unwrap())
                );
            }
        }
    }

    #[test]
    fn times_are_brought_into_range() {
        for (given, seconds) in [
            ("0", 1),
            ("-5", 1),
            ("1", 1),
            ("5.0", 5),
            ("86400", 86_400),
            ("86401", 86_400),
            ("9e15", 86_400),
        ] {
            let window =
                Count::parse(&params(&format!(r#"{{"key":"a","window_seconds":{given}}}"#))).unwrap();
            assert_eq!(window.window.as_secs(), seconds, "{given}");
            let remember =
                Remember::parse(&params(&format!(r#"{{"key":"a","ttl_seconds":{given}}}"#))).unwrap();
            assert_eq!(remember.time_to_live.as_secs(), seconds, "{given}");
        }
        assert!(Count::parse(&params(r#"{"key":"a","window_seconds":"soon"}"#)).is_err());
        assert!(Remember::parse(&params(r#"{"key":"a","ttl_seconds":[]}"#)).is_err());
    }

    #[test]
    fn times_have_the_defaults_of_the_sdks() {
        let params = params(r#"{"key":"a"}"#);
        assert_eq!(Count::parse(&params).unwrap().window.as_secs(), 60);
        assert_eq!(Remember::parse_cooldown(&params).unwrap().time_to_live.as_secs(), 60);
        assert_eq!(Remember::parse(&params).unwrap().time_to_live.as_secs(), 3600);
    }

    #[test]
    fn a_cooldown_never_claims_to_last_zero_seconds() {
        let wire = |milliseconds| {
            serde_json::to_string(&Cooldown::lasting(Duration::from_millis(milliseconds))).unwrap()
        };
        assert_eq!(wire(0), r#"{"active":false,"remaining_seconds":0.0}"#);
        assert_eq!(wire(1), r#"{"active":true,"remaining_seconds":1.0}"#);
        assert_eq!(wire(60_000), r#"{"active":true,"remaining_seconds":60.0}"#);
    }
}
