//! Why a call was refused, worded so that every SDK version raises the right exception.
//!
//! Old SDKs (up to 0.7.0) choose the exception from words in the message, newer ones from `code`
//! first. The templates below satisfy both at once; foreign text that enters a message passes
//! through [`sanitise`], or a column named `capability` would look like a missing permission.

use std::time::Duration;

use serde::Serialize;

use crate::capability::Capability;
use crate::limits::{ERROR_DETAIL_CHARACTERS, KV_KEYS, KV_VALUE_BYTES};

/// A refusal or failure of one call, as a closed set of conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The method needs a capability the server did not grant.
    CapabilityDenied(Capability),
    /// An argument is missing or wrong, or the call does not fit the state it meets.
    Validation {
        /// What is wrong: a parameter's name, or `call`.
        field: String,
        /// What it must be: completes the sentence "... is required".
        rule: String,
    },
    /// A limit per time was reached.
    RateLimited {
        /// What is limited, for example `discord.send_message`.
        scope: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The tenant holds as many keys as it may.
    KvKeyQuota,
    /// A value is larger than one key may hold.
    KvValueQuota,
    /// Discord refused or failed.
    Discord {
        /// HTTP status.
        status: u16,
        /// Discord's error code, 0 if it gave none.
        code: u64,
        /// Discord's words.
        message: String,
    },
    /// The bot lacks a permission on the server.
    BotMissingPermission {
        /// Lower-case name, for example `manage_roles`.
        permission: String,
    },
    /// No such method.
    UnknownMethod(String),
    /// The answer did not come in time.
    Timeout {
        /// What was being waited for.
        what: &'static str,
    },
    /// Something on Bailey's side failed. The cause is in the operator's log, not in the answer.
    Internal,
}

/// The `error` object of a response.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorObject {
    /// Never empty: old SDKs crash on a missing message.
    pub message: String,
    /// Always a string: integers are ignored by every SDK.
    pub code: &'static str,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// The missing Discord permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

impl CallError {
    /// A wrong argument: reads `invalid <field>: <rule> is required`.
    pub fn validation(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Validation { field: field.into(), rule: rule.into() }
    }

    /// The error as the plugin receives it.
    pub fn to_object(&self) -> ErrorObject {
        let mut retry_after = None;
        let mut permission_field = None;
        let (code, message) = match self {
            Self::CapabilityDenied(capability) => (
                "CAPABILITY_DENIED",
                format!("capability {capability} required: add it to capabilities_required in manifest.json"),
            ),
            Self::Validation { field, rule } => {
                ("VALIDATION_ERROR", format!("invalid {}: {} is required", sanitise(field), sanitise(rule)))
            }
            Self::RateLimited { scope, retry_after: wait } => {
                let seconds = whole_seconds(*wait);
                retry_after = Some(seconds as f64);
                let remaining = remaining_per_minute(seconds);
                (
                    "RATE_LIMITED",
                    format!(
                        "rate limit exceeded for {}: remaining={remaining}/min (retry in {seconds}s)",
                        sanitise(scope)
                    ),
                )
            }
            Self::KvKeyQuota => {
                ("KV_QUOTA_EXCEEDED", format!("kv quota reached: at most {KV_KEYS} keys per server"))
            }
            Self::KvValueQuota => {
                ("KV_QUOTA_EXCEEDED", format!("kv quota: value is larger than {KV_VALUE_BYTES} bytes"))
            }
            Self::Discord { status, code, message } => {
                let mut text = format!("Discord API error {status} - {}", sanitise(message));
                if *code != 0 {
                    text.push_str(&format!(" (code {code})"));
                }
                ("DISCORD_API_ERROR", text)
            }
            Self::BotMissingPermission { permission } => {
                permission_field = Some(permission.clone());
                ("BOT_MISSING_PERMISSION", format!("bot lacks {} permission", sanitise(permission)))
            }
            Self::UnknownMethod(method) => {
                ("METHOD_NOT_FOUND", format!("unknown method: {}", sanitise(method)))
            }
            Self::Timeout { what } => ("TIMEOUT", format!("no answer in time from {what}; try again later")),
            Self::Internal => ("INTERNAL", "internal error".to_owned()),
        };
        ErrorObject { message, code, retry_after, permission: permission_field }
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_object().message)
    }
}

impl std::error::Error for CallError {}

fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

/// The number from which SDKs before 0.7.1 compute the wait: `60 / remaining`, rounded down. Two
/// decimals, rounded down, give back every whole second from 1 to 60; longer waits read as 60.
fn remaining_per_minute(seconds: u64) -> String {
    if seconds > 60 {
        return "0".to_owned();
    }
    let hundredths = 6000 / seconds;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Words by which SDKs choose an exception, and what to write instead.
const TELLING_WORDS: &[(&str, &str)] = &[
    ("capability", "capa-bility"),
    ("rate limit", "rate-limit"),
    ("quota exceeded", "quota-exceeded"),
    ("kv quota", "kv-quota"),
    ("discord api error", "discord-api error"),
    ("bot lacks", "bot-lacks"),
    ("missing permission", "missing-permission"),
    ("lacks permission", "lacks-permission"),
    ("required", "needed"),
    ("retry in", "retry after"),
    ("remaining=", "remaining "),
];

/// Foreign text made safe for a message: no word an SDK would act on, no control characters, cut
/// to 300 characters.
pub fn sanitise(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(ERROR_DETAIL_CHARACTERS)
        .collect();
    for (word, instead) in TELLING_WORDS {
        clean = replace_ignoring_case(&clean, word, instead);
    }
    clean
}

/// Replaces each occurrence of `word` (ASCII, lower case) whatever the case of the text.
fn replace_ignoring_case(text: &str, word: &str, instead: &str) -> String {
    let lower = text.to_ascii_lowercase(); // same byte offsets as `text`
    let mut result = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(found) = lower[from..].find(word) {
        result.push_str(&text[from..from + found]);
        result.push_str(instead);
        from += found + word.len();
    }
    result.push_str(&text[from..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(error: CallError) -> String {
        error.to_object().message
    }

    #[test]
    fn wording_is_the_one_every_sdk_version_was_checked_with() {
        assert_eq!(
            message(CallError::CapabilityDenied(Capability::StorageKv)),
            "capability storage:kv required: add it to capabilities_required in manifest.json"
        );
        assert_eq!(
            message(CallError::validation("channel_id", "a numeric id")),
            "invalid channel_id: a numeric id is required"
        );
        assert_eq!(
            message(CallError::Discord { status: 404, code: 10003, message: "Unknown Channel".into() }),
            "Discord API error 404 - Unknown Channel (code 10003)"
        );
        assert_eq!(message(CallError::KvKeyQuota), "kv quota reached: at most 10000 keys per server");
    }

    #[test]
    fn every_wait_up_to_a_minute_survives_the_arithmetic_of_old_sdks() {
        for seconds in 1..=60_u64 {
            let error =
                CallError::RateLimited { scope: "x".into(), retry_after: Duration::from_secs(seconds) };
            let object = error.to_object();
            let shown = object.message.split("remaining=").nth(1).unwrap().split('/').next().unwrap();
            let remaining: f64 = shown.parse().unwrap();
            let understood = if remaining <= 0.0 { 60 } else { 1.max((60.0 / remaining.max(1.0)) as u64) };
            assert_eq!(understood, seconds, "{}", object.message);
            assert_eq!(object.retry_after, Some(seconds as f64));
        }
        let long = CallError::RateLimited { scope: "x".into(), retry_after: Duration::from_secs(3600) };
        assert!(message(long).contains("remaining=0/min (retry in 3600s)"));
    }

    #[test]
    fn foreign_text_cannot_choose_the_exception() {
        let dirty = "column \"Capability\" Required: Rate Limit, KV Quota exceeded, remaining=3\nretry in 5s";
        let clean = sanitise(dirty).to_lowercase();
        for (word, _) in TELLING_WORDS {
            assert!(!clean.contains(word), "{word} survived in {clean}");
        }
        assert!(!clean.contains('\n'));
        assert!(sanitise("relation \"x\" does not exist").contains("does not exist"));
        assert!(sanitise(&"é".repeat(1000)).chars().count() <= ERROR_DETAIL_CHARACTERS);
    }
}
