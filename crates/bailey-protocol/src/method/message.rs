//! What a message is made of: shared by `discord.*` and `interaction.*`.
//!
//! Embeds and components pass through in Discord's own shapes. Who may be mentioned is decided
//! here, because the answer must be the same on every path to Discord.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::CallError;
use crate::limits;
use crate::params::Params;

/// The parts of a message; what is `None` was not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessageParts {
    /// The text, at most 2000 characters.
    pub content: Option<String>,
    /// At most 10 embeds in Discord's shape.
    pub embeds: Option<Vec<Value>>,
    /// At most 5 rows of components in Discord's shape.
    pub components: Option<Vec<Value>>,
    /// Who may be pinged. Nobody unless the plugin says so, and never everyone.
    pub allowed_mentions: AllowedMentions,
}

impl MessageParts {
    /// Reads `content`, `embeds`, `components` and `allowed_mentions`.
    ///
    /// # Errors
    /// [`CallError::Validation`] naming the part that is misshapen or too large.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let content = params.optional_text("content")?;
        if content.as_ref().is_some_and(|text| text.chars().count() > limits::MESSAGE_CHARACTERS) {
            let rule = format!("a text of at most {} characters", limits::MESSAGE_CHARACTERS);
            return Err(CallError::validation("content", rule));
        }
        let embeds = list(params, "embeds", limits::MESSAGE_EMBEDS)?;
        let components = list(params, "components", limits::MESSAGE_ACTION_ROWS)?;
        let mut parts =
            Self { content, embeds, components, allowed_mentions: AllowedMentions::parse(params)? };
        parts.components.iter_mut().flatten().for_each(split_custom_emoji);
        Ok(parts)
    }

    /// Whether Discord would find nothing to show.
    pub fn is_empty(&self) -> bool {
        self.content.as_deref().unwrap_or_default().is_empty()
            && self.embeds.as_ref().is_none_or(Vec::is_empty)
            && self.components.as_ref().is_none_or(Vec::is_empty)
    }
}

fn list(params: &Params, name: &str, most: usize) -> Result<Option<Vec<Value>>, CallError> {
    let rule = format!("a list of at most {most} objects");
    let items: Option<Vec<Map<String, Value>>> = params.optional(name, &rule)?;
    match items {
        Some(items) if items.len() > most => Err(CallError::validation(name, rule)),
        items => Ok(items.map(|items| items.into_iter().map(Value::Object).collect())),
    }
}

/// Turns an emoji written as `name:id` or `<:name:id>` into Discord's `{name, id}`, at any depth.
fn split_custom_emoji(component: &mut Value) {
    match component {
        Value::Object(object) => {
            if let Some(Value::Object(emoji)) = object.get_mut("emoji") {
                split_emoji(emoji);
            }
            object.values_mut().for_each(split_custom_emoji);
        }
        Value::Array(items) => items.iter_mut().for_each(split_custom_emoji),
        _ => {}
    }
}

fn split_emoji(emoji: &mut Map<String, Value>) {
    if emoji.contains_key("id") {
        return;
    }
    let Some(text) = emoji.get("name").and_then(Value::as_str) else { return };
    let inner = text.trim_start_matches('<').trim_end_matches('>');
    let animated = inner.starts_with("a:");
    let inner = if animated { &inner[2..] } else { inner.trim_start_matches(':') };
    let Some((name, id)) = inner.split_once(':') else { return };
    if name.is_empty() || id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return;
    }
    let (name, id) = (name.to_owned(), id.to_owned());
    emoji.insert("name".to_owned(), name.into());
    emoji.insert("id".to_owned(), id.into());
    if animated {
        emoji.insert("animated".to_owned(), true.into());
    }
}

/// Who a message may ping, as Discord takes it. The default pings nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AllowedMentions {
    parse: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replied_user: bool,
}

impl AllowedMentions {
    /// Reads `allowed_mentions`; `everyone` is dropped without a word, as the SDKs document.
    fn parse(params: &Params) -> Result<Self, CallError> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Wire {
            parse: Vec<String>,
            users: Vec<Value>,
            roles: Vec<Value>,
            replied_user: bool,
        }
        let wire: Option<Wire> =
            params.optional("allowed_mentions", "an object with parse, users, roles or replied_user")?;
        let wire = wire.unwrap_or_default();
        let kinds = ["users", "roles"];
        Ok(Self {
            parse: kinds.into_iter().filter(|kind| wire.parse.iter().any(|given| given == kind)).collect(),
            users: ids(&wire.users),
            roles: ids(&wire.roles),
            replied_user: wire.replied_user,
        })
    }
}

/// At most the 100 ids Discord takes.
fn ids(values: &[Value]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    values.iter().filter_map(text).take(100).collect()
}

/// A file to send with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without any path.
    pub filename: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl File {
    /// Reads `files`: the first three count, 8 MB together.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a misshapen file or too many bytes.
    pub fn parse_all(params: &Params) -> Result<Vec<Self>, CallError> {
        #[derive(Deserialize)]
        struct Wire {
            filename: String,
            data_b64: String,
        }
        let wire: Vec<Wire> =
            params.optional("files", "a list of objects with filename and data_b64")?.unwrap_or_default();
        let mut total = 0;
        wire.into_iter()
            .take(limits::MESSAGE_FILES)
            .map(|file| {
                let data = STANDARD
                    .decode(file.data_b64.as_bytes())
                    .map_err(|_| CallError::validation("files", "base64 in data_b64"))?;
                total += data.len();
                if total > limits::MESSAGE_FILE_BYTES {
                    let rule = format!("a total of at most {} bytes", limits::MESSAGE_FILE_BYTES);
                    return Err(CallError::validation("files", rule));
                }
                let name = file.filename.rsplit(['/', '\\']).next().unwrap_or_default();
                let name: String =
                    name.chars().filter(|character| !character.is_control()).take(100).collect();
                let filename = if name.is_empty() { "file".to_owned() } else { name };
                Ok(Self { filename, data })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn params(value: Value) -> Params {
        Params::parse(Some(&to_raw_value(&value).unwrap())).unwrap()
    }

    #[test]
    fn nobody_is_pinged_by_default_and_everyone_never() {
        let parts = MessageParts::parse(&params(json!({"content": "@everyone"}))).unwrap();
        assert_eq!(serde_json::to_value(&parts.allowed_mentions).unwrap(), json!({"parse": []}));
        let asked = json!({"allowed_mentions": {"parse": ["everyone", "users"], "roles": ["5", 6]}});
        let parts = MessageParts::parse(&params(asked)).unwrap();
        assert_eq!(
            serde_json::to_value(&parts.allowed_mentions).unwrap(),
            json!({"parse": ["users"], "roles": ["5", "6"]})
        );
    }

    #[test]
    fn sizes_are_checked() {
        assert!(MessageParts::parse(&params(json!({"content": "x".repeat(2001)}))).is_err());
        assert!(MessageParts::parse(&params(json!({"content": "é".repeat(2000)}))).is_ok());
        assert!(MessageParts::parse(&params(json!({"embeds": vec![json!({}); 11]}))).is_err());
        assert!(MessageParts::parse(&params(json!({"embeds": [1]}))).is_err());
        assert!(MessageParts::parse(&params(json!({"components": vec![json!({}); 6]}))).is_err());
    }

    #[test]
    fn emptiness_is_seen_through_empty_lists() {
        assert!(MessageParts::parse(&params(json!({"content": "", "embeds": []}))).unwrap().is_empty());
        assert!(!MessageParts::parse(&params(json!({"content": "x"}))).unwrap().is_empty());
    }

    #[test]
    fn custom_emoji_are_split_wherever_they_stand() {
        let rows = json!({"components": [{"type": 1, "components": [
            {"type": 2, "emoji": {"name": "<a:wave:12>"}},
            {"type": 2, "emoji": {"name": "ok:34"}},
            {"type": 2, "emoji": {"name": "👍"}}]}]});
        let parts = MessageParts::parse(&params(rows)).unwrap();
        let row = &parts.components.unwrap()[0]["components"];
        assert_eq!(row[0]["emoji"], json!({"name": "wave", "id": "12", "animated": true}));
        assert_eq!(row[1]["emoji"], json!({"name": "ok", "id": "34"}));
        assert_eq!(row[2]["emoji"], json!({"name": "👍"}));
    }

    #[test]
    fn files_lose_their_paths_and_are_bounded() {
        let files = json!({"files": [{"filename": "../../etc/x.txt", "data_b64": "aGk="}]});
        assert_eq!(
            File::parse_all(&params(files)).unwrap(),
            [File { filename: "x.txt".into(), data: b"hi".to_vec() }]
        );
        let large = STANDARD.encode(vec![0_u8; limits::MESSAGE_FILE_BYTES + 1]);
        let files = json!({"files": [{"filename": "x", "data_b64": large}]});
        assert!(File::parse_all(&params(files)).is_err());
    }
}
