//! Reads Discord's answers: at most so many bytes, and its errors in its own words.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::limits::{number, seconds};
use crate::error::DiscordError;

/// Bytes read of an answer at most.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Fields named in an error at most.
const MOST_FIELDS: usize = 5;
/// Wait after a 429 that does not say how long.
const UNSAID_WAIT: Duration = Duration::from_secs(1);

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

pub(super) async fn read(mut response: reqwest::Response) -> Result<Answer, ReadError> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadError::Broken)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(ReadError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

/// Why an answer could not be read to its end.
#[derive(Debug)]
pub(super) enum ReadError {
    Broken(reqwest::Error),
    TooLarge,
}

impl ReadError {
    pub(super) fn too_large() -> DiscordError {
        DiscordError::Malformed(format!("it is larger than {MOST_BYTES} bytes"))
    }
}

#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Value,
}

/// Discord's refusal, with the fields it complains about.
pub(super) fn refusal(answer: &Answer) -> DiscordError {
    let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut message =
        if body.message.is_empty() { "no reason given".to_owned() } else { body.message.clone() };
    let mut fields = Vec::new();
    collect_fields(&body.errors, String::new(), &mut fields);
    if !fields.is_empty() {
        message = format!("{}: {}", message.trim_end_matches([':', '.']), fields.join("; "));
    }
    DiscordError::Refused { status: answer.status, code: body.code, message }
}

/// `{"embeds": {"0": {"title": {"_errors": [{"message": "..."}]}}}}` as `embeds.0.title: ...`.
fn collect_fields(errors: &Value, path: String, found: &mut Vec<String>) {
    let Some(object) = errors.as_object() else { return };
    for (name, inside) in object {
        if found.len() >= MOST_FIELDS {
            return;
        }
        if name == "_errors" {
            let first = inside.get(0).and_then(|error| error.get("message")).and_then(Value::as_str);
            let text = first.unwrap_or("is not accepted");
            found.push(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") });
        } else {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            collect_fields(inside, path, found);
        }
    }
}

/// What a 429 says.
#[derive(Debug, PartialEq)]
pub(super) struct TooMany {
    /// How long to wait.
    pub(super) wait: Duration,
    /// Whether everything must wait, not only this bucket.
    pub(super) global: bool,
    /// Whether the limit is one shared with other bots, which is not held against us.
    pub(super) shared: bool,
}

pub(super) fn too_many(answer: &Answer) -> TooMany {
    #[derive(Deserialize, Default)]
    struct Body {
        #[serde(default)]
        retry_after: Option<f64>,
        #[serde(default)]
        global: bool,
    }
    let parsed = serde_json::from_slice::<Body>(&answer.body).ok();
    // An answer without Discord's body comes from the edge in front of it, and concerns the address.
    let from_edge = parsed.is_none();
    let body = parsed.unwrap_or_default();
    let headers = &answer.headers;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scope = header("x-ratelimit-scope");
    let told = body.retry_after.filter(|wait| wait.is_finite() && *wait >= 0.0);
    let wait = told.or_else(|| number(headers, "retry-after"));
    TooMany {
        wait: wait.map_or(UNSAID_WAIT, seconds),
        global: from_edge || body.global || scope == Some("global") || header("x-ratelimit-global").is_some(),
        shared: scope == Some("shared"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (reqwest::header::HeaderName::from_static(name), reqwest::header::HeaderValue::from_static(value))
        });
        Answer { status, headers: headers.collect(), body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn refusals_name_the_fields() {
        let body = json!({"code": 50035, "message": "Invalid Form Body", "errors": {
            "content": {"_errors": [{"code": "X", "message": "Must be 2000 or fewer in length."}]},
            "embeds": {"0": {"title": {"_errors": [{"message": "Too long."}]}}}}});
        let DiscordError::Refused { status, code, message } = refusal(&answer(400, &body.to_string(), &[]))
        else {
            panic!("not a refusal");
        };
        assert_eq!((status, code), (400, 50035));
        assert_eq!(
            message,
            "Invalid Form Body: content: Must be 2000 or fewer in length.; embeds.0.title: Too long."
        );
    }

    #[test]
    fn a_refusal_without_a_body_is_still_one() {
        let DiscordError::Refused { message, .. } = refusal(&answer(404, "<html>", &[])) else {
            panic!("not a refusal");
        };
        assert_eq!(message, "no reason given");
    }

    #[test]
    fn a_429_is_understood_however_it_is_said() {
        let cases = [
            (r#"{"retry_after": 1.5, "global": false}"#, vec![("retry-after", "2")], 1500, false, false),
            (r#"{"retry_after": 0.2, "global": true}"#, vec![], 200, true, false),
            (
                r#"{"message": "x"}"#,
                vec![("retry-after", "3"), ("x-ratelimit-scope", "shared")],
                3000,
                false,
                true,
            ),
            ("<html>banned</html>", vec![("retry-after", "60")], 60_000, true, false),
            (r#"{"retry_after": -4}"#, vec![], 1000, false, false),
        ];
        for (body, headers, milliseconds, global, shared) in cases {
            let expected = TooMany { wait: Duration::from_millis(milliseconds), global, shared };
            assert_eq!(too_many(&answer(429, body, &headers)), expected, "{body}");
        }
    }
}
