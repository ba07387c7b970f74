//! Makes sense of a line a plugin wrote, whatever it is. Pure: bytes in, findings out.
//!
//! Plugins print into the protocol stream, and Python writes numbers and escapes that JSON does not
//! know. What can be repaired is; a call that cannot is refused by its id, because a caller without
//! an answer waits for half a minute; everything else is the plugin's own output.

mod repair;
mod scan;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::error::CallError;
use crate::frame::{PluginFrame, RequestId};
use crate::limits;

/// How every SDK begins a frame: where to look for one behind a print without a newline.
const FRAME_START: &str = r#"{"jsonrpc":"2.0","#;

/// What was found in a line.
#[derive(Debug)]
pub enum Found {
    /// A message.
    Frame(PluginFrame),
    /// A call that cannot be carried out but must be answered.
    Refused {
        /// Whom to answer.
        id: RequestId,
        /// The method, as far as it could be read.
        method: String,
        /// Why.
        error: CallError,
    },
    /// Text of the plugin's own.
    Output(String),
}

/// Reads one line, without its newline.
pub fn read(line: &[u8]) -> Vec<Found> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_matches(['\r', '\n', ' ', '\t', '\0']);
    if text.is_empty() {
        return Vec::new();
    }
    let text = repair::replace_lone_surrogates(text);
    if text.starts_with('{')
        && let Some(found) = whole_line(&text)
    {
        return vec![found];
    }
    glued(&text)
}

/// Reads the beginning of a line that was longer than a line may be.
pub fn read_cut(beginning: &[u8]) -> Vec<Found> {
    let text = String::from_utf8_lossy(beginning);
    let text = repair::replace_lone_surrogates(&text);
    let start = text.find(FRAME_START).unwrap_or(0);
    let rule = format!("a message of at most {} bytes", limits::LINE_BYTES);
    match refuse(&text[start..], CallError::validation("call", rule)) {
        Some(refused) => vec![refused],
        None => vec![output(&text)],
    }
}

/// The line as exactly one message, or as a call too deep to be carried out.
fn whole_line(text: &str) -> Option<Found> {
    if scan::too_deep(text, limits::JSON_DEPTH) {
        return refuse(text, too_deep());
    }
    parse(text).map(Found::Frame)
}

fn parse(text: &str) -> Option<PluginFrame> {
    if let Ok(frame) = PluginFrame::parse(text) {
        return Some(frame);
    }
    match repair::replace_bare_numbers(text) {
        Cow::Owned(repaired) => PluginFrame::parse(&repaired).ok(),
        Cow::Borrowed(_) => None, // nothing to repair: parsing again would tell the same
    }
}

/// Finds messages in a line that is not one: behind, between and in front of other text.
///
/// The work is bounded: a text made of openings without ends would otherwise be read to its end
/// once for each of them.
fn glued(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut work = text.len().saturating_mul(4).saturating_add(1 << 20);
    let mut rest = text;
    loop {
        let Some(start) = rest.find(FRAME_START).filter(|_| work > 0) else {
            let as_a_whole = found.is_empty().then(|| refuse(rest, malformed())).flatten();
            found.extend(as_a_whole.or_else(|| some_output(rest)));
            return found;
        };
        found.extend(some_output(&rest[..start]));
        rest = &rest[start..];
        let next = rest[1..].find(FRAME_START).map_or(rest.len(), |next| next + 1);
        match first_message(rest) {
            Some((message, length)) => {
                found.push(message);
                work = work.saturating_sub(length);
                rest = &rest[length..];
            }
            None => {
                work = work.saturating_sub(rest.len());
                let broken = &rest[..next];
                found.extend(refuse(broken, malformed()).or_else(|| some_output(broken)));
                rest = &rest[next..];
            }
        }
    }
}

/// The message `text` begins with, and how many bytes of `text` it takes.
fn first_message(text: &str) -> Option<(Found, usize)> {
    let end = scan::end_of_object(text)?;
    let object = &text[..end];
    if scan::too_deep(object, limits::JSON_DEPTH) {
        return refuse(object, too_deep()).map(|refused| (refused, end));
    }
    parse(object).map(|frame| (Found::Frame(frame), end))
}

/// A refusal, if the text names a method and an id.
fn refuse(text: &str, error: CallError) -> Option<Found> {
    let head = scan::head(text);
    let id = RequestId::from_json(head.id?)?;
    let method = head.method?;
    let method = serde_json::from_str::<String>(method).unwrap_or_else(|_| method.to_owned());
    Some(Found::Refused { id, method: method.chars().take(80).collect(), error })
}

fn too_deep() -> CallError {
    CallError::validation("params", format!("a value nested at most {} levels deep", limits::JSON_DEPTH))
}

fn malformed() -> CallError {
    CallError::validation("call", "well-formed JSON")
}

fn some_output(text: &str) -> Option<Found> {
    (!text.trim().is_empty()).then(|| output(text))
}

/// Output is cut to what is kept of a line.
fn output(text: &str) -> Found {
    let mut end = text.len().min(limits::NOISE_LINE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Found::Output(text[..end].to_owned())
}

/// The raw parameters of a frame, for showing.
pub fn params_of(params: Option<&RawValue>) -> &str {
    params.map_or("{}", RawValue::get)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line's findings in short: `req 1 kv.get {..}`, `note m {..}`, `res h-1`, `no 1 m`, `out text`.
    fn shown(line: &[u8]) -> Vec<String> {
        read(line).into_iter().map(in_short).collect()
    }

    fn in_short(found: Found) -> String {
        match found {
            Found::Frame(PluginFrame::Request { id, method, params }) => {
                format!("req {} {method} {}", id.as_json(), params_of(params.as_deref()))
            }
            Found::Frame(PluginFrame::Notification { method, params }) => {
                format!("note {method} {}", params_of(params.as_deref()))
            }
            Found::Frame(PluginFrame::Response { id, .. }) => format!("res {id}"),
            Found::Refused { id, method, .. } => format!("no {} {method}", id.as_json()),
            Found::Output(text) => format!("out {text}"),
        }
    }

    fn check(line: &str, expected: &[&str]) {
        assert_eq!(shown(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn clean_lines_pass_unchanged() {
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"kv.get","params":{"b":1.0,"a":123456789012345678901234567890}}"#,
            &[r#"req 1 kv.get {"b":1.0,"a":123456789012345678901234567890}"#],
        );
        check(r#"{"jsonrpc":"2.0","id":"h-boot","result":null}"#, &["res h-boot"]);
        check("", &[]);
        check("  \r", &[]);
    }

    #[test]
    fn prints_are_output() {
        check("hello", &["out hello"]);
        check("[1, 2]", &["out [1, 2]"]);
        check(r#"{"a": 1}"#, &[r#"out {"a": 1}"#]);
        check("{'python': 'dict'}", &["out {'python': 'dict'}"]);
        check("NaN", &["out NaN"]);
    }

    #[test]
    fn numbers_json_does_not_know_become_null() {
        check(
            r#"{"jsonrpc":"2.0","id":3,"method":"kv.put","params":{"value":[NaN,Infinity,-Infinity,"NaN"]}}"#,
            &[r#"req 3 kv.put {"value":[null,null,null,"NaN"]}"#],
        );
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        check(
            r#"{"jsonrpc":"2.0","id":4,"method":"kv.put","params":{"value":"\ud83d"}}"#,
            &[r#"req 4 kv.put {"value":"\ufffd"}"#],
        );
        check(
            r#"{"jsonrpc":"2.0","id":4,"method":"kv.put","params":{"value":"\uD83D\uDE00 \\ud83d \uDE00"}}"#,
            &[r#"req 4 kv.put {"value":"\uD83D\uDE00 \\ud83d \ufffd"}"#],
        );
    }

    #[test]
    fn text_in_front_of_a_frame_is_split_off() {
        check(
            r#"hello from print{"jsonrpc":"2.0","id":2,"method":"kv.get","params":{"key":"k"}}"#,
            &["out hello from print", r#"req 2 kv.get {"key":"k"}"#],
        );
        check(
            r#"it's "x{"jsonrpc":"2.0","id":2,"method":"kv.put","params":{"v":NaN}}"#,
            &[r#"out it's "x"#, r#"req 2 kv.put {"v":null}"#],
        );
    }

    #[test]
    fn frames_glued_together_are_taken_apart() {
        check(
            r#"a{"jsonrpc":"2.0","id":1,"method":"m"}b{"jsonrpc":"2.0","method":"n","params":{"x":"}"}}{"jsonrpc":"2.0","id":2,"method":"o"}c"#,
            &["out a", "req 1 m {}", "out b", r#"note n {"x":"}"}"#, "req 2 o {}", "out c"],
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m"}{"jsonrpc":"2.0","id":2,"method":"o"}"#,
            &["req 1 m {}", "req 2 o {}"],
        );
    }

    #[test]
    fn a_broken_call_is_refused_by_its_id() {
        check(r#"{"jsonrpc":"2.0","id":7,"method":"kv.put","params":{"a":}}"#, &["no 7 kv.put"]);
        check(r#"{"jsonrpc":"2.0","id":7,"method":"kv.put","params":{"a":"unfin"#, &["no 7 kv.put"]);
        check(r#"{"jsonrpc":"2.0","params":{"a":+1,"id":9},"method":"kv.put","id":7}"#, &["no 7 kv.put"]);
        check(r#"{"jsonrpc":"2.0","id":7,"method":5,"params":{}}"#, &["no 7 5"]);
        check(r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"kv.put"}"#, &["no 7 kv.put"]);
        check(r#"x{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":tru}} tail"#, &["out x", "no 7 m"]);
        check(
            r#"{"jsonrpc":"2.0","id":7,"method":"m","params":[{"jsonrpc":"2.0","id":8,"method":"n"}"#,
            &["no 7 m", "req 8 n {}"],
        );
        check(r#"{"method":"kv.put","id":"a","params":{"a":}}"#, &[r#"no "a" kv.put"#]);
    }

    #[test]
    fn a_broken_message_nobody_waits_for_is_output() {
        check(
            r#"{"jsonrpc":"2.0","method":"plugin.log","params":{"#,
            &[r#"out {"jsonrpc":"2.0","method":"plugin.log","params":{"#],
        );
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion() {
        let deep = |levels: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","id":5,"method":"kv.put","params":{{"v":{}{}}}}}"#,
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        assert!(shown(deep(100).as_bytes())[0].starts_with("req 5"));
        assert_eq!(shown(deep(200).as_bytes()), ["no 5 kv.put"]);
        assert_eq!(shown(deep(1_000_000).as_bytes()), ["no 5 kv.put"]);
        assert_eq!(shown(format!("x{}", deep(200)).as_bytes()), ["out x", "no 5 kv.put"]);
    }

    #[test]
    fn a_line_too_long_is_refused_or_shortened() {
        let cut = br#"{"jsonrpc":"2.0","id":5,"method":"discord.send_message","params":{"files":"AAAA"#;
        let found: Vec<_> = read_cut(cut).into_iter().map(in_short).collect();
        assert_eq!(found, ["no 5 discord.send_message"]);
        let cut = br#"{"jsonrpc":"2.0","id":"\ud83d","method":"m","params":{"files":"AAAA"#;
        let found: Vec<_> = read_cut(cut).into_iter().map(in_short).collect();
        assert_eq!(found, [r#"no "\ufffd" m"#]);
        let text = "é".repeat(limits::NOISE_LINE_BYTES);
        assert!(
            matches!(&read_cut(text.as_bytes())[..], [Found::Output(text)] if text.len() <= limits::NOISE_LINE_BYTES)
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_read_as_well_as_can_be() {
        assert_eq!(
            shown(b"\xff\xfe{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}"),
            ["out \u{fffd}\u{fffd}", "req 1 m {}"]
        );
    }

    #[test]
    fn openings_without_ends_take_bounded_work() {
        let line = r#"{"jsonrpc":"2.0","a":"#.repeat(400_000);
        assert!(!read(line.as_bytes()).is_empty());
        let line = r#"{"jsonrpc":"2.0","a":""#.repeat(400_000);
        assert!(!read(line.as_bytes()).is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&line);
            let _ = read_cut(&line);
        }

        #[test]
        fn arbitrary_pieces_of_json_never_panic(pieces in proptest::collection::vec(
            prop_oneof![
                Just(FRAME_START), Just("\"id\":"), Just("1"), Just(","), Just("\"method\":"), Just("\"m\""),
                Just("{"), Just("}"), Just("["), Just("]"), Just("NaN"), Just("\\ud83d"), Just("\""), Just("\\"),
                Just("-Infinity"), Just("é"), Just("\\u"), Just(":"),
            ], 0..60)) {
            let _ = read(pieces.concat().as_bytes());
        }

        #[test]
        fn a_call_with_a_print_around_it_is_always_found(
            before in "[^{]{0,40}", id in 1_u32..1000, content in "\\PC{0,40}") {
            let params = serde_json::json!({ "content": content });
            let line = format!(r#"{before}{{"jsonrpc":"2.0","id":{id},"method":"m","params":{params}}}"#);
            let line = line.replace(['\n', '\r'], " ");
            let start = format!("req {id} m ");
            prop_assert!(shown(line.as_bytes()).iter().any(|found| found.starts_with(&start)));
        }
    }
}
