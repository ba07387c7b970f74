//! A line a plugin wrote, whatever it is: it can be read, and whoever waits for an answer can be given
//! one.

#![no_main]

use std::collections::BTreeMap;

use bailey_protocol::frame::{PluginFrame, RequestId, response};
use bailey_protocol::lines::{Found, read, read_cut};
use bailey_protocol::{CallError, Params, limits};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|line: &[u8]| {
    let found = read(line);
    assert!(found.len() <= line.len(), "more findings than bytes");
    for found in &found {
        check(found);
        let shows_something = !matches!(found, Found::Output(text) if text.trim().is_empty());
        assert!(shows_something, "nothing was written, and is shown");
    }
    let cut = read_cut(line);
    assert_eq!(cut.len(), 1, "a line too long is one finding");
    cut.iter().for_each(check);
});

fn check(found: &Found) {
    match found {
        Found::Frame(PluginFrame::Request { id, params, .. }) => {
            check_params(params.as_deref());
            check_answers(id, &CallError::UnknownMethod("x.y".to_owned()));
        }
        Found::Frame(PluginFrame::Notification { params, .. }) => check_params(params.as_deref()),
        Found::Frame(PluginFrame::Response { outcome, .. }) => {
            outcome.iter().for_each(|result| assert!(is_json(result.get()), "a result that is no JSON"));
        }
        Found::Refused { id, method, error } => {
            assert!(method.chars().count() <= 80, "a method's name to be shown is short");
            check_answers(id, error);
        }
        Found::Output(text) => {
            assert!(text.len() <= limits::NOISE_LINE_BYTES, "output is cut");
        }
    }
}

/// Parameters are JSON, no deeper than what reads them can bear, and read or refused.
fn check_params(params: Option<&RawValue>) {
    if let Some(params) = params {
        assert!(is_json(params.get()), "parameters that are no JSON");
        assert!(depth(params.get()) <= limits::JSON_DEPTH, "parameters nested too deep");
        if let Ok(params) = Params::parse(Some(params)) {
            assert!(params.raw("_event_id").is_none(), "the SDK's own keys are taken out");
        }
    }
}

/// Both answers are one line of ASCII that a plugin finds its call by.
fn check_answers(id: &RequestId, error: &CallError) {
    let result = RawValue::NULL;
    for (line, key, other) in
        [(response(id, Ok(result)), "result", "error"), (response(id, Err(error)), "error", "result")]
    {
        assert!(line.is_ascii(), "an answer beyond ASCII");
        assert_eq!(line.find('\n'), Some(line.len() - 1), "an answer of more than one line");
        let answer: BTreeMap<String, &RawValue> =
            serde_json::from_str(&line).expect("an answer is an object");
        assert!(answer.contains_key(key) && !answer.contains_key(other), "either a result or an error");
        assert!(is_same_scalar(answer["id"].get(), id.as_json()), "the answer names another call");
    }
}

/// A number or a text, and the same one; escaped or not.
fn is_same_scalar(one: &str, other: &str) -> bool {
    let scalar =
        |text: &str| text.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
    let text = |text: &str| serde_json::from_str::<String>(text).ok();
    is_json(one) && scalar(one) && (one == other || text(one).is_some_and(|one| Some(one) == text(other)))
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// How deep JSON text nests.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
