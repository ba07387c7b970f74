//! The parameters of one call, read leniently and refused precisely.
//!
//! Values stay raw JSON text until a method asks for one, so that nothing a plugin stores passes
//! through a number type that cannot hold it. `null` counts as absent unless a method says otherwise.

use std::str::FromStr;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::CallError;

/// A call's parameters by name, in the order the plugin wrote them.
#[derive(Debug, Clone, Default)]
pub struct Params {
    values: IndexMap<String, Box<RawValue>>,
    /// The event the SDK says it was handling (0.8.3 and later). A hint, never a tenant.
    pub event_id: Option<String>,
    /// The server the SDK says it was handling (0.8.3 and later). A hint, never a tenant.
    pub server_id: Option<String>,
}

impl Params {
    /// Reads a JSON object. Absent, `null` and `[]` are an empty set of parameters. The SDK's two
    /// correlation keys are taken out.
    ///
    /// # Errors
    /// [`CallError::Validation`] when the text is anything else.
    pub fn parse(text: Option<&RawValue>) -> Result<Self, CallError> {
        let Some(text) = text.map(RawValue::get).filter(|text| !matches!(*text, "null" | "[]")) else {
            return Ok(Self::default());
        };
        let values: IndexMap<String, Box<RawValue>> = serde_json::from_str(text)
            .map_err(|_| CallError::validation("params", "an object of named parameters"))?;
        let mut params = Self { values, event_id: None, server_id: None };
        params.event_id = params.take_hint("_event_id");
        params.server_id = params.take_hint("_pool_discord_srv_id");
        Ok(params)
    }

    fn take_hint(&mut self, name: &str) -> Option<String> {
        let raw = self.values.shift_remove(name)?;
        serde_json::from_str::<String>(raw.get()).ok().filter(|text| !text.is_empty())
    }

    /// The raw text of a parameter that is present and not `null`.
    pub fn raw(&self, name: &str) -> Option<&RawValue> {
        self.values.get(name).map(AsRef::as_ref).filter(|raw| raw.get() != "null")
    }

    /// The raw text of a parameter, `null` included.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it is absent.
    pub fn raw_or_null(&self, name: &str) -> Result<&RawValue, CallError> {
        self.values.get(name).map(AsRef::as_ref).ok_or_else(|| CallError::validation(name, "a value"))
    }

    /// A parameter as type `T`, if present.
    ///
    /// # Errors
    /// [`CallError::Validation`] saying `rule` when it is there but of another shape.
    pub fn optional<'a, T: Deserialize<'a>>(
        &'a self,
        name: &str,
        rule: &str,
    ) -> Result<Option<T>, CallError> {
        self.raw(name)
            .map(|raw| serde_json::from_str(raw.get()).map_err(|_| CallError::validation(name, rule)))
            .transpose()
    }

    /// A parameter as type `T`.
    ///
    /// # Errors
    /// [`CallError::Validation`] saying `rule` when it is absent or of another shape.
    pub fn required<'a, T: Deserialize<'a>>(&'a self, name: &str, rule: &str) -> Result<T, CallError> {
        self.optional(name, rule)?.ok_or_else(|| CallError::validation(name, rule))
    }

    /// A text, if present.
    ///
    /// # Errors
    /// As [`Params::optional`].
    pub fn optional_text(&self, name: &str) -> Result<Option<String>, CallError> {
        self.optional(name, "a string")
    }

    /// A text; absent reads as empty.
    ///
    /// # Errors
    /// As [`Params::optional`].
    pub fn text_or_empty(&self, name: &str) -> Result<String, CallError> {
        Ok(self.optional_text(name)?.unwrap_or_default())
    }

    /// A Discord id, as a string or an integer.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it is absent or no id.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, CallError> {
        self.optional_id(name)?.ok_or_else(|| CallError::validation(name, "a numeric id"))
    }

    /// A Discord id, if present and not empty.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it is there and no id.
    pub fn optional_id<T: FromStr>(&self, name: &str) -> Result<Option<T>, CallError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| CallError::validation(name, "a numeric id"))
    }

    /// A whole number; `5.0` and `"5"` count, as Python plugins pass both.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it is there and no whole number of 64 bits.
    pub fn integer_or(&self, name: &str, default: i64) -> Result<i64, CallError> {
        let Some(raw) = self.raw(name) else { return Ok(default) };
        let text = raw.get().trim_matches('"');
        if let Ok(number) = text.parse::<i64>() {
            return Ok(number);
        }
        match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
                Ok(number as i64)
            }
            _ => Err(CallError::validation(name, "a whole number")),
        }
    }

    /// A truth value; absent reads as `false`, a number as whether it differs from zero.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it is neither.
    pub fn flag(&self, name: &str) -> Result<bool, CallError> {
        match self.raw(name).map(RawValue::get) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(CallError::validation(name, "true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChannelId;

    fn params(text: &str) -> Params {
        Params::parse(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap()
    }

    #[test]
    fn correlation_keys_are_hints_and_no_parameters() {
        let params = params(r#"{"key":"a","_event_id":"e1","_pool_discord_srv_id":"9"}"#);
        assert_eq!(params.event_id.as_deref(), Some("e1"));
        assert_eq!(params.server_id.as_deref(), Some("9"));
        assert!(params.raw("_event_id").is_none());
    }

    #[test]
    fn values_keep_their_text() {
        let params = params(r#"{"value":{"b":1.0,"a":123456789012345678901234567890}}"#);
        assert_eq!(params.raw("value").unwrap().get(), r#"{"b":1.0,"a":123456789012345678901234567890}"#);
    }

    #[test]
    fn ids_and_numbers_are_read_in_the_spellings_plugins_use() {
        let params = params(r#"{"a":"42","b":42,"c":"x","n":"5","m":5.0,"h":5.5,"z":null}"#);
        assert_eq!(params.id::<ChannelId>("a").unwrap(), ChannelId(42));
        assert_eq!(params.id::<ChannelId>("b").unwrap(), ChannelId(42));
        assert!(params.id::<ChannelId>("c").is_err());
        assert!(params.id::<ChannelId>("z").is_err());
        assert_eq!(params.integer_or("n", 0).unwrap(), 5);
        assert_eq!(params.integer_or("m", 0).unwrap(), 5);
        assert!(params.integer_or("h", 0).is_err());
        assert_eq!(params.integer_or("z", 7).unwrap(), 7);
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for text in ["[1]", "3", "\"x\""] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            assert!(Params::parse(Some(&raw)).is_err(), "{text} was accepted");
        }
        assert!(Params::parse(None).is_ok());
    }
}
