//! `kv.*`: parameters checked on arrival, results as the SDKs read them.
//!
//! Values are raw JSON text end to end: key order, `5` against `5.0` and integers of any size stay
//! as the plugin wrote them.

use std::fmt;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::error::CallError;
use crate::limits;
use crate::params::Params;

/// A key: not empty, no NUL, at most 512 bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key(String);

impl Key {
    /// Checks a key.
    ///
    /// # Errors
    /// [`CallError::Validation`] naming the rule that was broken.
    pub fn new(text: String) -> Result<Self, CallError> {
        if text.is_empty() {
            Err(CallError::validation("key", "a non-empty string"))
        } else if text.contains('\0') {
            Err(CallError::validation("key", "a string without NUL characters"))
        } else if text.len() > limits::KV_KEY_BYTES {
            Err(CallError::validation("key", format!("a string of at most {} bytes", limits::KV_KEY_BYTES)))
        } else {
            Ok(Self(text))
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value: any JSON of at most 65,536 bytes, as the text the plugin wrote.
#[derive(Debug, Clone)]
pub struct Value(Box<RawValue>);

impl Value {
    /// Checks a value's size.
    ///
    /// # Errors
    /// [`CallError::KvValueQuota`] when it is too large.
    pub fn new(raw: Box<RawValue>) -> Result<Self, CallError> {
        if raw.get().len() > limits::KV_VALUE_BYTES { Err(CallError::KvValueQuota) } else { Ok(Self(raw)) }
    }

    /// The value as JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

fn key(params: &Params) -> Result<Key, CallError> {
    Key::new(params.required("key", "a string")?)
}

/// Parameters of `kv.get` and `kv.del`.
#[derive(Debug, Clone)]
pub struct KeyOnly {
    /// Which key.
    pub key: Key,
}

impl KeyOnly {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad key.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { key: key(params)? })
    }
}

/// Parameters of `kv.put`.
#[derive(Debug, Clone)]
pub struct Put {
    /// Which key.
    pub key: Key,
    /// What to keep; `null` is a value.
    pub value: Value,
    /// How long to keep it; `None` forever, also when the key had a limit before.
    pub time_to_live: Option<Duration>,
}

impl Put {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError`] for a bad key, a value too large or a bad time.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let seconds = params.integer_or("ttl_seconds", 0)?;
        let seconds = u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds <= limits::KV_TTL_SECONDS)
            .ok_or_else(|| {
                CallError::validation(
                    "ttl_seconds",
                    format!("a number of seconds from 1 to {}", limits::KV_TTL_SECONDS),
                )
            })?;
        Ok(Self {
            key: key(params)?,
            value: Value::new(params.raw_or_null("value")?.to_owned())?,
            time_to_live: (seconds > 0).then(|| Duration::from_secs(seconds)),
        })
    }
}

/// Parameters of `kv.increment` and `kv.decr` (whose amount arrives negated).
#[derive(Debug, Clone)]
pub struct Increment {
    /// Which key.
    pub key: Key,
    /// Where in the value, outermost first; empty means the value itself is the number.
    pub path: Vec<String>,
    /// What to add.
    pub amount: i64,
}

impl Increment {
    /// Reads the parameters of `kv.increment`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad key, path or amount.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let path = params.text_or_empty("path")?;
        let path: Vec<String> =
            if path.is_empty() { Vec::new() } else { path.split('.').map(str::to_owned).collect() };
        if path.len() > limits::KV_PATH_DEPTH || path.iter().any(String::is_empty) {
            let rule = format!("names joined by single dots, at most {} of them,", limits::KV_PATH_DEPTH);
            return Err(CallError::validation("path", rule));
        }
        Ok(Self { key: key(params)?, path, amount: params.integer_or("amount", 1)? })
    }

    /// Reads the parameters of `kv.decr`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad key or amount.
    pub fn parse_decrement(params: &Params) -> Result<Self, CallError> {
        let amount = params
            .integer_or("amount", 1)?
            .checked_neg()
            .ok_or_else(|| CallError::validation("amount", "a whole number of 64 bits"))?;
        Ok(Self { key: key(params)?, path: Vec::new(), amount })
    }
}

/// Parameters of `kv.list`.
#[derive(Debug, Clone)]
pub enum List {
    /// The keys themselves, ascending.
    Keys {
        /// How they begin; empty for all.
        prefix: String,
        /// How many, 1 to 1000.
        limit: u32,
        /// The key after which to go on; itself not included.
        start_after: Option<String>,
    },
    /// How many there are.
    Count {
        /// How they begin; empty for all.
        prefix: String,
    },
}

impl List {
    /// Reads the parameters. A limit above 1000 reads as 1000: old SDKs send it unclamped.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad prefix, limit or cursor.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let prefix = listing_text(params, "prefix")?;
        if params.flag("count_only")? {
            return Ok(Self::Count { prefix });
        }
        let limit = listing_limit(params, limits::KV_LIST_KEYS)?;
        let start_after = Some(listing_text(params, "start_after")?).filter(|text| !text.is_empty());
        Ok(Self::Keys { prefix, limit, start_after })
    }
}

/// Parameters of `kv.list_values`.
#[derive(Debug, Clone)]
pub struct ListValues {
    /// How the keys begin; empty for all.
    pub prefix: String,
    /// How many, 1 to 100.
    pub limit: u32,
}

impl ListValues {
    /// Reads the parameters. A limit above 100 reads as 100.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad prefix or limit.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self {
            prefix: listing_text(params, "prefix")?,
            limit: listing_limit(params, limits::KV_LIST_VALUES)?,
        })
    }
}

fn listing_text(params: &Params, name: &str) -> Result<String, CallError> {
    let text = params.text_or_empty(name)?;
    if text.contains('\0') || text.len() > limits::KV_KEY_BYTES {
        let rule = format!("a string without NUL characters of at most {} bytes", limits::KV_KEY_BYTES);
        return Err(CallError::validation(name, rule));
    }
    Ok(text)
}

fn listing_limit(params: &Params, most: u32) -> Result<u32, CallError> {
    let limit = params.integer_or("limit", i64::from(limits::KV_LIST_DEFAULT))?;
    if limit < 1 {
        return Err(CallError::validation("limit", format!("a number from 1 to {most}")));
    }
    Ok(u32::try_from(limit).map_or(most, |limit| limit.min(most)))
}

/// Parameters of `kv.mget`.
#[derive(Debug, Clone)]
pub struct GetMany {
    /// Which keys, at most 50; repeats count once.
    pub keys: Vec<Key>,
}

impl GetMany {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad key or more than 50.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let keys: Vec<String> = params.required("keys", "a list of strings")?;
        if keys.len() > limits::KV_MGET_KEYS {
            let rule = format!("a list of at most {} keys", limits::KV_MGET_KEYS);
            return Err(CallError::validation("keys", rule));
        }
        Ok(Self { keys: keys.into_iter().map(Key::new).collect::<Result<_, _>>()? })
    }
}

/// Parameters of `kv.mput`.
#[derive(Debug, Clone)]
pub struct PutMany {
    /// Keys and values, at most 25; written all or not at all, without a time limit.
    pub entries: IndexMap<Key, Value>,
}

impl PutMany {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError`] for a bad key, a value too large or more than 25 entries.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let raw: IndexMap<String, Box<RawValue>> =
            params.required("entries", "an object of keys and values")?;
        if raw.len() > limits::KV_MPUT_ENTRIES {
            let rule = format!("an object of at most {} keys", limits::KV_MPUT_ENTRIES);
            return Err(CallError::validation("entries", rule));
        }
        let entries = raw
            .into_iter()
            .map(|(key, value)| Ok((Key::new(key)?, Value::new(value)?)))
            .collect::<Result<_, CallError>>()?;
        Ok(Self { entries })
    }
}

/// Result of `kv.get`.
///
/// The SDKs return `value.value_json` when the value is an object with that key, and take `null`
/// for a missing key. So a stored `null` and a stored object with a `value_json` key of its own are
/// wrapped once.
#[derive(Debug, Clone)]
pub struct Got(pub Option<Value>);

impl Serialize for Got {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wrapped<'a> {
            value_json: &'a RawValue,
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match &self.0 {
            None => map.serialize_entry("value", &())?,
            Some(Value(raw)) if needs_wrapping(raw.get()) => {
                map.serialize_entry("value", &Wrapped { value_json: raw })?;
            }
            Some(Value(raw)) => map.serialize_entry("value", raw)?,
        }
        map.end()
    }
}

fn needs_wrapping(json: &str) -> bool {
    if json == "null" {
        return true;
    }
    if !json.starts_with('{') {
        return false;
    }
    // Keys may be written with escapes, so the text is not searched but read.
    serde_json::from_str::<IndexMap<String, &RawValue>>(json)
        .is_ok_and(|object| object.contains_key("value_json"))
}

/// Result of `kv.increment` and `kv.decr`: the number now at the path, as JSON text.
#[derive(Debug, Clone, Serialize)]
pub struct Counted {
    /// The number.
    pub value: Box<RawValue>,
}

/// Result of `kv.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Listed {
    /// The keys, ascending by code point.
    Keys {
        /// The keys.
        keys: Vec<String>,
    },
    /// How many there are.
    Count {
        /// The number.
        count: u64,
    },
}

/// Result of `kv.mget` and `kv.list_values`: raw values, missing keys left out.
#[derive(Debug, Clone, Serialize)]
pub struct Values {
    /// Values by key.
    pub values: IndexMap<String, Box<RawValue>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap()
    }

    fn got(text: Option<&str>) -> String {
        let value = text.map(|text| Value(RawValue::from_string(text.to_owned()).unwrap()));
        serde_json::to_string(&Got(value)).unwrap()
    }

    #[test]
    fn keys_follow_the_rules() {
        for (text, good) in [
            (r#"{"key":"a"}"#, true),
            (r#"{"key":""}"#, false),
            (r#"{"key":"a\u0000b"}"#, false),
            (r#"{"key":5}"#, false),
            ("{}", false),
        ] {
            assert_eq!(KeyOnly::parse(&params(text)).is_ok(), good, "{text}");
        }
        assert!(Key::new("x".repeat(512)).is_ok());
        assert!(Key::new("x".repeat(513)).is_err());
    }

    #[test]
    fn a_stored_null_and_a_stored_wrapper_come_back_as_they_were() {
        assert_eq!(got(None), r#"{"value":null}"#);
        assert_eq!(got(Some("null")), r#"{"value":{"value_json":null}}"#);
        assert_eq!(got(Some(r#"{"value_json":1}"#)), r#"{"value":{"value_json":{"value_json":1}}}"#);
        assert_eq!(
            got(Some(r#"{"value\u005fjson":1}"#)),
            r#"{"value":{"value_json":{"value\u005fjson":1}}}"#
        );
        assert_eq!(got(Some("5")), r#"{"value":5}"#);
    }

    #[test]
    fn sizes_and_counts_are_bounded() {
        let large = format!("{{\"key\":\"a\",\"value\":\"{}\"}}", "x".repeat(limits::KV_VALUE_BYTES));
        assert_eq!(Put::parse(&params(&large)).unwrap_err(), CallError::KvValueQuota);
        let keys: Vec<String> = (0..51).map(|number| number.to_string()).collect();
        let many = format!("{{\"keys\":{}}}", serde_json::to_string(&keys).unwrap());
        assert!(GetMany::parse(&params(&many)).is_err());
        assert!(Put::parse(&params(r#"{"key":"a","value":1,"ttl_seconds":-1}"#)).is_err());
        assert!(Put::parse(&params(r#"{"key":"a"}"#)).is_err());
        assert!(Put::parse(&params(r#"{"key":"a","value":null}"#)).is_ok());
    }

    #[test]
    fn a_count_ignores_its_limit_and_a_listing_clamps_it() {
        assert!(matches!(
            List::parse(&params(r#"{"prefix":"a","limit":0,"count_only":true}"#)),
            Ok(List::Count { .. })
        ));
        assert!(matches!(List::parse(&params(r#"{"limit":5000}"#)), Ok(List::Keys { limit: 1000, .. })));
        assert!(List::parse(&params(r#"{"limit":0}"#)).is_err());
    }

    #[test]
    fn increments_name_a_path_or_none() {
        let increment = Increment::parse(&params(r#"{"key":"a","path":"b.c","amount":"3"}"#)).unwrap();
        assert_eq!((increment.path.len(), increment.amount), (2, 3));
        assert!(Increment::parse(&params(r#"{"key":"a","path":"b..c"}"#)).is_err());
        assert_eq!(Increment::parse_decrement(&params(r#"{"key":"a"}"#)).unwrap().amount, -1);
        let lowest = r#"{"key":"a","amount":-9223372036854775808}"#;
        assert!(Increment::parse_decrement(&params(lowest)).is_err());
    }
}
