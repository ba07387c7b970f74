//! Identifiers. Discord's are 64-bit snowflakes, written as decimal strings on every wire.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct IdError {
    text: String,
    expected: &'static str,
}

macro_rules! snowflake {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Accepts one to twenty decimal digits; zero is no id.
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_snowflake(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            /// Accepts a decimal string or a JSON integer.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(SnowflakeVisitor).map(Self)
            }
        }
    };
}

snowflake!(
    /// A Discord server.
    GuildId
);
snowflake!(
    /// A Discord channel or thread.
    ChannelId
);
snowflake!(
    /// A Discord message.
    MessageId
);
snowflake!(
    /// A Discord user.
    UserId
);
snowflake!(
    /// A Discord role.
    RoleId
);
snowflake!(
    /// A Discord webhook.
    WebhookId
);
snowflake!(
    /// A Discord interaction: one command, click, choice or submitted form.
    InteractionId
);
snowflake!(
    /// A Discord application: the bot's own id in interaction routes.
    ApplicationId
);

fn parse_snowflake(text: &str) -> Result<u64, IdError> {
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse::<u64>().ok())
        .flatten()
        .filter(|id| *id != 0)
        .ok_or_else(|| IdError { text: text.chars().take(40).collect(), expected: "a numeric id" })
}

struct SnowflakeVisitor;

impl serde::de::Visitor<'_> for SnowflakeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a numeric id, as a string or an integer")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
        parse_snowflake(text).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<u64, E> {
        if id == 0 { Err(E::custom("0 is not a numeric id")) } else { Ok(id) }
    }
}

/// A plugin's platform-wide name: 3 to 32 of `a-z`, `0-9` and `_`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PluginId(Arc<str>);

impl PluginId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PluginId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = text.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if starts && rest && (3..=32).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(IdError {
                text: text.chars().take(40).collect(),
                expected: "a plugin id (3 to 32 of a-z, 0-9 and _, starting with a letter)",
            })
        }
    }
}

impl<'de> Deserialize<'de> for PluginId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The name of one event as a plugin sees it. Opaque, never empty; the same at every redelivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Wraps a text we issued. An empty text becomes `"-"`, because an SDK neither acknowledges
    /// nor stamps calls with an empty id.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        if text.is_empty() { Self("-".into()) } else { Self(text) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snowflakes_are_decimal_digits_within_64_bits() {
        for good in ["1", "42", "18446744073709551615"] {
            assert_eq!(good.parse::<GuildId>().unwrap().to_string(), good);
        }
        for bad in ["", "0", "-1", "+1", "1.0", " 1", "1 ", "18446744073709551616", "abc", "１"] {
            assert!(bad.parse::<GuildId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn snowflakes_are_read_from_strings_and_integers_and_written_as_strings() {
        let from_text: ChannelId = serde_json::from_str("\"42\"").unwrap();
        let from_number: ChannelId = serde_json::from_str("42").unwrap();
        assert_eq!(from_text, from_number);
        assert_eq!(serde_json::to_string(&from_text).unwrap(), "\"42\"");
        assert!(serde_json::from_str::<ChannelId>("4.2").is_err());
    }

    #[test]
    fn plugin_ids_follow_the_published_pattern() {
        assert!("abc".parse::<PluginId>().is_ok());
        assert!(format!("a{}", "b".repeat(31)).parse::<PluginId>().is_ok());
        for bad in ["", "ab", "1ab", "Abc", "a-b", "a b", &"a".repeat(33), "_ab", "ab\u{e9}"] {
            assert!(bad.parse::<PluginId>().is_err(), "{bad:?} was accepted");
        }
    }
}
