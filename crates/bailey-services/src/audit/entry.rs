//! One thing a plugin did, or tried to.

use std::time::Duration;

use bailey_protocol::{CallError, InteractionId, Method, Params, Tenant, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Fields of calls that name something on Discord.
const TARGETS: &[&str] = &[
    "channel_id",
    "thread_id",
    "category_id",
    "message_id",
    "message_ids",
    "user_id",
    "user_ids",
    "role_id",
    "target_id",
    "webhook_id",
    "interaction_id",
];
/// Bytes of a field, enough for a hundred ids; longer ones name nothing.
const TARGET_BYTES: usize = 2400;
/// Characters of what an error says.
const DETAIL_CHARACTERS: usize = 300;
/// Bytes of a result that is looked through for what was made.
const RESULT_BYTES: usize = 16 * 1024;

/// One thing a plugin did on Discord, or tried to.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Which plugin, on which server.
    pub tenant: Tenant,
    /// When it asked.
    pub at: Timestamp,
    /// What: `discord.ban_member`.
    pub method: String,
    /// The ids the call named, by field, and what came of it: `made`, the id of a new message, channel, thread or
    /// webhook; `failed`, how many of many.
    pub targets: Map<String, Value>,
    /// The interaction it was handling, as far as is known.
    pub interaction: Option<InteractionId>,
    /// The code of the error it got, and its words; `None` when it was done.
    pub error: Option<(String, String)>,
    /// How long that took, waiting for limits included.
    pub took: Duration,
}

impl AuditEntry {
    /// The entry of a call that is made now; `None` for one that changes nothing on Discord.
    pub fn begin(
        tenant: &Tenant,
        at: Timestamp,
        method: Method,
        params: &Params,
        interaction: Option<InteractionId>,
    ) -> Option<Self> {
        if !changes_discord(method) {
            return None;
        }
        let mut targets = Map::new();
        for field in TARGETS {
            if let Some(raw) = params.raw(field).filter(|raw| holds_ids(raw.get()))
                && let Ok(value) = serde_json::from_str(raw.get())
            {
                targets.insert((*field).to_owned(), value);
            }
        }
        Some(Self {
            tenant: tenant.clone(),
            at,
            method: method.as_str().to_owned(),
            targets,
            interaction,
            error: None,
            took: Duration::ZERO,
        })
    }

    /// The entry once the call has ended.
    #[must_use]
    pub fn end(mut self, answer: &Result<Box<RawValue>, CallError>, took: Duration) -> Self {
        self.took = took;
        match answer {
            Ok(result) => self.learn(result.get()),
            Err(error) => {
                let object = error.to_object();
                let words = object.message.chars().take(DETAIL_CHARACTERS).collect();
                self.error = Some((object.code.to_owned(), words));
            }
        }
        self
    }

    /// What the result says of what was made, or not done.
    fn learn(&mut self, result: &str) {
        #[derive(Deserialize)]
        struct Made {
            id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Result {
            message_id: Option<String>,
            id: Option<String>,
            thread: Option<Made>,
            webhook: Option<Made>,
            failed: Option<u64>,
        }
        if result.len() > RESULT_BYTES {
            return;
        }
        let Ok(result) = serde_json::from_str::<Result>(result) else { return };
        let nested = |made: Option<Made>| made.and_then(|made| made.id);
        let made = result.message_id.or(result.id).or(nested(result.thread)).or(nested(result.webhook));
        if let Some(made) = made.filter(|made| !self.targets.values().any(|named| named == made.as_str())) {
            self.targets.insert("made".to_owned(), made.into());
        }
        if let Some(failed) = result.failed.filter(|failed| *failed > 0) {
            self.targets.insert("failed".to_owned(), failed.into());
        }
    }
}

/// Whether a call changes something on Discord, or shows something to people.
fn changes_discord(method: Method) -> bool {
    let name = method.as_str();
    let reads = ["discord.get_", "discord.list_", "discord.search_"];
    (name.starts_with("discord.") && !reads.iter().any(|read| name.starts_with(read)))
        || name.starts_with("interaction.")
}

/// Whether a value is an id or a list of ids, and nothing else: what is said must not get in here.
fn holds_ids(raw: &str) -> bool {
    raw.len() <= TARGET_BYTES && raw.chars().all(|one| one.is_ascii_digit() || "[]\", \n".contains(one))
}

#[cfg(test)]
mod tests {
    use bailey_protocol::GuildId;
    use serde_json::json;

    use super::*;

    fn begin(method: Method, params: &Value) -> Option<AuditEntry> {
        let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(1) };
        let raw = RawValue::from_string(params.to_string()).unwrap();
        AuditEntry::begin(&tenant, Timestamp(5), method, &Params::parse(Some(&raw)).unwrap(), None)
    }

    fn done(entry: AuditEntry, result: &Value) -> AuditEntry {
        entry.end(&Ok(RawValue::from_string(result.to_string()).unwrap()), Duration::from_millis(7))
    }

    #[test]
    fn ids_are_kept_and_nothing_that_was_said() {
        let params = json!({
            "channel_id": 7, "message_ids": ["1", 2], "content": "secret words", "user_id": "secret words",
            "webhook_token": "secret", "role_id": null, "embeds": [{"title": "secret"}],
        });
        let entry = begin(Method::DiscordSendMessage, &params).unwrap();
        assert_eq!(Value::Object(entry.targets.clone()), json!({"channel_id": 7, "message_ids": ["1", 2]}));
        assert!(!format!("{entry:?}").contains("secret"));
        let sent = done(entry, &json!({"ok": true, "message_id": "9", "channel_id": "7"}));
        assert_eq!(sent.targets["made"], "9");
        let long = json!({"message_ids": vec!["1".repeat(20); 200]});
        assert!(begin(Method::DiscordBulkDeleteMessages, &long).unwrap().targets.is_empty());
    }

    #[test]
    fn what_changes_nothing_is_no_entry() {
        let wanted = |method: Method| begin(method, &json!({})).is_some();
        assert!(!wanted(Method::DiscordGetMessages) && !wanted(Method::DiscordSearchMembers));
        assert!(!wanted(Method::KvPut) && !wanted(Method::PluginLog));
        assert!(wanted(Method::DiscordKickBulk) && wanted(Method::InteractionRespond));
        let made = Method::ALL.iter().filter(|method| wanted(**method)).count();
        assert_eq!(made, 36 - 8 + 4, "every discord method but eight that read, and four answers");
    }

    #[test]
    fn what_came_of_it_is_said_in_short() {
        let entry = || begin(Method::DiscordKickBulk, &json!({"user_ids": ["1", "2"]})).unwrap();
        assert_eq!(done(entry(), &json!({"success": 1, "failed": 1, "errors": []})).targets["failed"], 1);
        let long = CallError::validation("channel_id", "x".repeat(5000));
        let (code, words) = entry().end(&Err(long), Duration::ZERO).error.unwrap();
        assert_eq!((code.as_str(), words.chars().count()), ("VALIDATION_ERROR", DETAIL_CHARACTERS));
    }
}
