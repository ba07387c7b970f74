//! `secrets.*`: credentials a plugin keeps with Bailey. All SDK versions since 0.5.3 have these.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::CallError;
use crate::limits;
use crate::params::Params;

/// A secret's name: 1 to 64 of letters, digits, `_`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse(text: &str, field: &str) -> Result<Self, CallError> {
        let fits = (1..=limits::SECRET_NAME_CHARACTERS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let rule = || format!("1 to {} letters, digits, _, - and .", limits::SECRET_NAME_CHARACTERS);
        if fits { Ok(Self(text.to_owned())) } else { Err(CallError::validation(field, rule())) }
    }
}

impl FromStr for SecretName {
    type Err = CallError;

    fn from_str(text: &str) -> Result<Self, CallError> {
        Self::parse(text, "key")
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret's value. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// Checks a value: 1 to 4,096 characters.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it is empty or longer.
    pub fn new(text: String) -> Result<Self, CallError> {
        if text.is_empty() || text.chars().nth(limits::SECRET_VALUE_CHARACTERS).is_some() {
            let rule = format!("a text of 1 to {} characters", limits::SECRET_VALUE_CHARACTERS);
            return Err(CallError::validation("value", rule));
        }
        Ok(Self(text))
    }

    /// The value, for whoever seals or sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(...)")
    }
}

/// Parameters of `secrets.get` and `secrets.del`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretNameOnly {
    /// Which secret.
    pub name: SecretName,
}

impl SecretNameOnly {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad name.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { name: params.required::<String>("key", "a string")?.parse()? })
    }
}

/// Parameters of `secrets.set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSecret {
    /// Which secret.
    pub name: SecretName,
    /// Its value from now on, on this server.
    pub value: SecretValue,
}

impl SetSecret {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad name or value.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let name = SecretNameOnly::parse(params)?.name;
        Ok(Self { name, value: SecretValue::new(params.required("value", "a string")?)? })
    }
}

/// Result of `secrets.get`: `{"value": text or null}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GotSecret {
    /// The value; absent on the server and without a default it is `null`.
    pub value: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_those_of_the_sdks() {
        for name in ["A", "api.key-1_x", &"a".repeat(64)] {
            assert!(name.parse::<SecretName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "schlüssel", "a\n", &"a".repeat(65)] {
            assert!(name.parse::<SecretName>().is_err(), "{name}");
        }
        assert!(SecretValue::new("ü".repeat(4096)).is_ok());
        assert!(SecretValue::new(String::new()).is_err() && SecretValue::new("x".repeat(4097)).is_err());
        assert!(!format!("{:?}", SecretValue::new("hidden".to_owned()).unwrap()).contains("hidden"));
    }
}
