//! Turns what Python writes and JSON does not know into JSON.

use std::borrow::Cow;

/// Replaces each escape of half a surrogate pair by `\ufffd`. Outside a string there are no
/// escapes, so the text need not be JSON as a whole.
pub(super) fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut lone = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        match surrogate(bytes, at) {
            Some(Half::High) if surrogate(bytes, at + 6) == Some(Half::Low) => at += 12,
            Some(_) => {
                lone.push(at);
                at += 6;
            }
            None => at += 2, // the escaped character is no start of another escape
        }
        if at >= bytes.len() {
            break;
        }
    }
    if lone.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut repaired = String::with_capacity(text.len());
    let mut from = 0;
    for start in lone {
        repaired.push_str(&text[from..start]);
        repaired.push_str("\\ufffd");
        from = start + 6;
    }
    repaired.push_str(&text[from..]);
    Cow::Owned(repaired)
}

#[derive(PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Whether an escape of half a pair begins at `at`.
fn surrogate(bytes: &[u8], at: usize) -> Option<Half> {
    let escape = bytes.get(at..at + 6)?;
    let hexadecimal = escape[2..].iter().all(u8::is_ascii_hexdigit);
    if !escape.starts_with(b"\\u") || !hexadecimal || !escape[2].eq_ignore_ascii_case(&b'd') {
        return None;
    }
    match escape[3].to_ascii_lowercase() {
        b'8'..=b'9' | b'a'..=b'b' => Some(Half::High),
        b'c'..=b'f' => Some(Half::Low),
        _ => None,
    }
}

/// Replaces `NaN`, `Infinity` and `-Infinity` outside strings by `null`.
pub(super) fn replace_bare_numbers(text: &str) -> Cow<'_, str> {
    const BARE: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    if !BARE.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut repaired = String::with_capacity(text.len());
    let mut from = 0;
    let mut at = 0;
    let mut in_string = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                if let Some(word) = BARE.iter().find(|word| bytes[at..].starts_with(word.as_bytes())) {
                    repaired.push_str(&text[from..at]);
                    repaired.push_str("null");
                    at += word.len();
                    from = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    repaired.push_str(&text[from..]);
    Cow::Owned(repaired)
}
