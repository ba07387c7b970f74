//! One line between host and plugin: a JSON-RPC 2.0 object.
//!
//! This module reads a clean line and writes one. Making sense of a line that is not clean (stray
//! prints, `NaN`) is [`crate::lines`].

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{CallError, ErrorObject};

/// A line a plugin wrote.
#[derive(Debug, Clone)]
pub enum PluginFrame {
    /// A call: wants exactly one answer.
    Request {
        /// Echoed in the answer.
        id: RequestId,
        /// The method, for example `kv.get`.
        method: String,
        /// Raw parameters.
        params: Option<Box<RawValue>>,
    },
    /// A message that wants no answer.
    Notification {
        /// The method, for example `event.ack`.
        method: String,
        /// Raw parameters.
        params: Option<Box<RawValue>>,
    },
    /// The plugin's answer to one of our requests.
    Response {
        /// The id we gave the request, as text.
        id: String,
        /// The result, or the error's message.
        outcome: Result<Box<RawValue>, String>,
    },
}

/// The id of a plugin's request, kept as the JSON the plugin wrote: `1` must not become `"1"`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Box<RawValue>);

impl RequestId {
    /// The id as JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Reads an id from JSON text; numbers and strings are ids.
    pub fn from_json(text: &str) -> Option<Self> {
        let first = text.bytes().next()?;
        let scalar = first == b'"' || first == b'-' || first.is_ascii_digit();
        scalar.then(|| RawValue::from_string(text.to_owned()).ok()).flatten().map(Self)
    }
}

/// Why a line is no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not JSON, or JSON we cannot hold (too deep, bad escapes, `NaN`).
    #[error("not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON without a method or an id we know what to do with.
    #[error("a JSON object that is no message")]
    NoMessage,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<ErrorMessage>,
}

#[derive(Deserialize)]
struct ErrorMessage {
    #[serde(default)]
    message: Option<String>,
}

impl PluginFrame {
    /// Reads one clean line.
    ///
    /// # Errors
    /// [`FrameError`] when the line is no JSON object or no message.
    pub fn parse(line: &str) -> Result<Self, FrameError> {
        if !line.trim_start().starts_with('{') {
            return Err(FrameError::NoMessage);
        }
        let envelope: Envelope<'_> = serde_json::from_str(line)?;
        let id = envelope.id.and_then(|raw| RequestId::from_json(raw.get()));
        let params = envelope.params.map(ToOwned::to_owned);
        match (envelope.method, id) {
            (Some(method), Some(id)) => Ok(Self::Request { id, method, params }),
            (Some(method), None) => Ok(Self::Notification { method, params }),
            (None, Some(id)) => {
                let id =
                    serde_json::from_str::<String>(id.as_json()).unwrap_or_else(|_| id.as_json().to_owned());
                let outcome = match envelope.error {
                    Some(error) => Err(error.message.unwrap_or_else(|| "unknown error".to_owned())),
                    None => Ok(envelope.result.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned)),
                };
                Ok(Self::Response { id, outcome })
            }
            (None, None) => Err(FrameError::NoMessage),
        }
    }
}

/// A line the host writes.
#[derive(Debug, Serialize)]
pub struct HostFrame<'a, B: Serialize> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(flatten)]
    body: B,
}

#[derive(Serialize)]
struct Call<'a, P: Serialize> {
    method: &'a str,
    params: P,
}

#[derive(Serialize)]
struct Success<R: Serialize> {
    result: R,
}

#[derive(Serialize)]
struct Failure {
    error: ErrorObject,
}

/// A message to the plugin that wants no answer, as a line with its newline.
pub fn notification(method: &str, params: impl Serialize) -> String {
    line(None, Call { method, params })
}

/// A request to the plugin. `id` must be a text that can never equal a plugin's own integer ids:
/// the SDK looks an incoming id up among its own calls first.
pub fn request(id: &str, method: &str, params: impl Serialize) -> String {
    let id = serde_json::value::to_raw_value(id).unwrap_or_else(|_| RawValue::NULL.to_owned());
    line(Some(&id), Call { method, params })
}

/// The answer to a call. Success has no `error` key at all: its presence alone makes SDKs raise.
pub fn response(id: &RequestId, outcome: Result<&RawValue, &CallError>) -> String {
    match outcome {
        Ok(result) => line(Some(&id.0), Success { result }),
        Err(error) => line(Some(&id.0), Failure { error: error.to_object() }),
    }
}

fn line(id: Option<&RawValue>, body: impl Serialize) -> String {
    let frame = HostFrame { jsonrpc: "2.0", id, body };
    // Serialising our own shapes cannot fail: string keys, no non-finite numbers.
    let text = serde_json::to_string(&frame).unwrap_or_else(|_| "{}".to_owned());
    let mut line = escape_to_one_ascii_line(&text);
    line.push('\n');
    line
}

/// JSON text as pure ASCII on one line: right under any locale of the child. Outside ASCII, JSON
/// text holds only string content; a raw newline can only be white space.
fn escape_to_one_ascii_line(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii() && byte != b'\n' && byte != b'\r') {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    let mut units = [0_u16; 2];
    for character in text.chars() {
        match character {
            '\n' | '\r' => escaped.push(' '),
            _ if character.is_ascii() => escaped.push(character),
            _ => {
                for unit in character.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RequestId {
        RequestId::from_json(text).unwrap()
    }

    #[test]
    fn lines_are_told_apart_by_method_and_id() {
        let request =
            PluginFrame::parse(r#"{"jsonrpc":"2.0","id":1,"method":"kv.get","params":{"key":"a"}}"#);
        assert!(matches!(request, Ok(PluginFrame::Request { id, .. }) if id.as_json() == "1"));
        let notification = PluginFrame::parse(r#"{"id":null,"method":"event.ack"}"#);
        assert!(matches!(notification, Ok(PluginFrame::Notification { .. })));
        let response = PluginFrame::parse(r#"{"id":"h-boot","result":null}"#);
        assert!(matches!(response, Ok(PluginFrame::Response { id, outcome: Ok(_) }) if id == "h-boot"));
        let failure = PluginFrame::parse(r#"{"id":"h-2","error":{"message":"unknown method: x"}}"#);
        assert!(
            matches!(failure, Ok(PluginFrame::Response { outcome: Err(text), .. }) if text.contains("unknown"))
        );
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        for line in ["", "hello", "[1]", "3", "{}", r#"{"id":[1]}"#, r#"{"id":{}}"#] {
            assert!(PluginFrame::parse(line).is_err(), "{line} was accepted");
        }
    }

    #[test]
    fn an_unhashable_id_is_no_request() {
        let frame = PluginFrame::parse(r#"{"id":[1],"method":"kv.get"}"#).unwrap();
        assert!(matches!(frame, PluginFrame::Notification { .. }));
    }

    #[test]
    fn success_has_no_error_key_and_echoes_the_integer() {
        let result = RawValue::from_string("{\"value\":null}".into()).unwrap();
        assert_eq!(
            response(&id("7"), Ok(&result)),
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"value\":null}}\n"
        );
    }

    #[test]
    fn errors_carry_message_and_code() {
        let line = response(&id("7"), Err(&CallError::validation("key", "a string")));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["error"]["code"], "VALIDATION_ERROR");
        assert!(value.get("result").is_none());
    }

    #[test]
    fn lines_are_ascii_and_one_line() {
        let result = RawValue::from_string("{\"a\":\n\"é😀\"}".into()).unwrap();
        let line = response(&id("1"), Ok(&result));
        assert!(line.is_ascii());
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["result"]["a"], "é😀");
    }
}
