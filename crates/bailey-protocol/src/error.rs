//! Why a call was refused, worded so that every SDK version raises the right exception.
//!
//! Old SDKs (up to 0.7.0) choose the exception from words in the message, newer ones from `code`
//! first. The templates below satisfy both at once; foreign text that enters a message passes
//! through [`sanitise`], or a column named `capability` would look like a missing permission.

use std::time::Duration;

use serde::Serialize;

use crate::capability::Capability;
use crate::limits::{ERROR_DETAIL_CHARACTERS, KV_KEYS, KV_VALUE_BYTES, METRIC_SERIES, METRIC_TAG_SETS};

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
    /// A statement of `sql.*` failed in the database. `RpcError` (a `RuntimeError`) in the SDKs.
    Sql {
        /// The five characters of PostgreSQL's error code, for example `42P01`.
        sqlstate: String,
        /// The server's primary message. Never its detail or hint: they quote rows.
        message: String,
    },
    /// The tenant's tables hold as much as they may. An SQL error like any failing write, with
    /// PostgreSQL's code for a full disk: the words of a quota would raise `RateLimitError`, and
    /// waiting does not help; those of the KV quota would send the author to the wrong service.
    SqlDiskQuota {
        /// Bytes they may hold.
        bytes: u64,
    },
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
    /// A request to another server was not sent, or there was no answer. A plain `RpcError` in the SDKs.
    Proxy(String),
    /// A connection is not there or not open. A plain `RpcError` in the SDKs.
    Socket {
        /// What the plugin calls it.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The plugin may not reach a host on this server. A plain `RpcError` in the SDKs.
    HostNotAllowed {
        /// Which.
        host: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A secret is there but not for this use. A plain `RpcError` in the SDKs.
    Secret {
        /// Its name.
        name: String,
        /// Why not, and what to do.
        reason: String,
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

    /// A value whose tags would be one set more than a metric may have on one server.
    pub fn too_many_tag_sets(metric: &str) -> Self {
        let rule = format!(
            "one of the {METRIC_TAG_SETS} sets of tags {metric} already has on this server (tags take few values: no ids, no texts)"
        );
        Self::validation("tags", rule)
    }

    /// A value that would begin one series more than a tenant may have.
    pub fn too_many_series() -> Self {
        let rule = format!(
            "one of the {METRIC_SERIES} combinations of metric and tags this server already has (use fewer metrics or tags)"
        );
        Self::validation("tags", rule)
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
            Self::KvKeyQuota => (
                "KV_QUOTA_EXCEEDED",
                format!(
                    "kv quota reached: at most {KV_KEYS} keys per server; \
                     delete some, or give keys a ttl_seconds"
                ),
            ),
            Self::KvValueQuota => (
                "KV_QUOTA_EXCEEDED",
                format!("kv quota: value is larger than {KV_VALUE_BYTES} bytes; split it over several keys"),
            ),
            Self::Sql { sqlstate, message } => ("SQL_ERROR", sql_failure(sqlstate, message)),
            Self::SqlDiskQuota { bytes } => {
                let megabytes = bytes / (1024 * 1024);
                let message = format!(
                    "the tables of this plugin on this server have reached {megabytes} MiB, the most they may \
                     hold; delete rows or drop tables and indexes to make room"
                );
                ("SQL_ERROR", sql_failure("53100", &message))
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
            Self::Proxy(reason) => ("PROXY_ERROR", format!("proxy request failed: {}", sanitise(reason))),
            Self::Socket { name, reason } => {
                ("WEBSOCKET_ERROR", format!("websocket {}: {}", sanitise(name), sanitise(reason)))
            }
            Self::HostNotAllowed { host, reason } => {
                ("HOST_NOT_ALLOWED", format!("host {} is not allowed: {}", sanitise(host), sanitise(reason)))
            }
            Self::Secret { name, reason } => {
                ("SECRET_ERROR", format!("secret {} cannot be used: {}", sanitise(name), sanitise(reason)))
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

fn sql_failure(sqlstate: &str, message: &str) -> String {
    format!("SQL execution failed: {} (SQLSTATE {})", sanitise(message), sanitise(sqlstate))
}

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
        .map(|character| match character {
            '\u{212a}' => 'K', // the Kelvin sign: Python's `lower()` makes it a plain `k`
            control if control.is_control() => ' ',
            character => character,
        })
        .take(ERROR_DETAIL_CHARACTERS)
        .collect();
    for (word, instead) in TELLING_WORDS {
        clean = replace_ignoring_case(&clean, word, instead);
    }
    match clean.char_indices().nth(ERROR_DETAIL_CHARACTERS) {
        Some((end, _)) => clean[..end].to_owned(),
        None => clean,
    }
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
        assert_eq!(
            message(CallError::KvKeyQuota),
            "kv quota reached: at most 10000 keys per server; delete some, or give keys a ttl_seconds"
        );
        assert_eq!(
            message(CallError::KvValueQuota),
            "kv quota: value is larger than 65536 bytes; split it over several keys"
        );
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
        assert!(sanitise(&"capability".repeat(100)).chars().count() <= ERROR_DETAIL_CHARACTERS);
    }

    /// The exception the SDKs without a known code choose, old and new tests in one.
    fn exception(message: &str) -> &'static str {
        let lower = message.to_lowercase();
        let holds = |word: &str| lower.contains(word);
        if holds("capability") {
            "CapabilityError"
        } else if holds("kv quota") {
            "KvQuotaError"
        } else if holds("quota exceeded") || holds("rate limit") || holds("retry in ") {
            "RateLimitError"
        } else if holds("discord api error") {
            "DiscordApiError"
        } else if ["bot lacks", "missing permission", "lacks permission"].into_iter().any(holds) {
            "SdkPermissionError"
        } else if holds("required") && (holds("must be") || holds("invalid")) {
            "ValidationError"
        } else {
            "RuntimeError"
        }
    }

    #[test]
    fn a_failed_statement_is_a_runtime_error_whatever_the_database_says() {
        let failed = |message: &str| {
            message_of_sql(&CallError::Sql { sqlstate: "42P01".into(), message: message.into() })
        };
        assert_eq!(
            failed("relation \"scores\" does not exist"),
            "SQL execution failed: relation \"scores\" does not exist (SQLSTATE 42P01)"
        );
        for (word, _) in TELLING_WORDS {
            let kelvin = word.replace('k', "\u{212a}");
            let spread = word.replace(' ', "\n");
            for word in [(*word).to_owned(), word.to_uppercase(), kelvin, spread] {
                let said = failed(&format!("column \"{word}\" must be an invalid {word} 5s does not exist"));
                assert_eq!(exception(&said), "RuntimeError", "{said}");
                assert!(said.contains("does not exist"));
            }
        }
        let long = failed(&"capability ".repeat(1000));
        assert!(long.chars().count() <= ERROR_DETAIL_CHARACTERS + 50, "{long}");
        assert!(long.ends_with(" (SQLSTATE 42P01)"), "{long}");
    }

    #[test]
    fn a_full_disk_is_an_sql_error_that_says_what_to_do() {
        let said = message_of_sql(&CallError::SqlDiskQuota { bytes: crate::limits::SQL_DISK_BYTES });
        assert_eq!(exception(&said), "RuntimeError");
        assert_eq!(
            said,
            "SQL execution failed: the tables of this plugin on this server have reached 64 MiB, the most \
             they may hold; delete rows or drop tables and indexes to make room (SQLSTATE 53100)"
        );
    }

    fn message_of_sql(error: &CallError) -> String {
        let object = error.to_object();
        assert_eq!((object.code, object.retry_after, object.permission), ("SQL_ERROR", None, None));
        object.message
    }
}
