//! Reads the outline of a text that may not be JSON: brackets, strings, and the names at the top.
//! Never recursive, never backwards.

/// Whether brackets nest more than `levels` deep anywhere.
pub(super) fn too_deep(text: &str, levels: usize) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_string => _ = bytes.next(),
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > levels {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Where the object `text` begins with ends, if its brackets close.
pub(super) fn end_of_object(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' if in_string => _ = bytes.next(),
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// What the first object of a text says at its top level, as JSON text.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<&'a str>,
}

/// Finds the first `id` and `method` of the object `text` begins with, as far as it can be read.
pub(super) fn head(text: &str) -> Head<'_> {
    let bytes = text.as_bytes();
    let mut head = Head::default();
    let mut depth = 0_usize;
    let mut at = 0;
    let mut last_string: Option<&str> = None; // at the top level, a name if a colon follows
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = end_of_string(bytes, at);
                if depth == 1 {
                    last_string = text.get(at..end);
                }
                at = end;
                continue;
            }
            b':' if depth == 1 => {
                let value = scalar(text, at + 1);
                match last_string.take() {
                    Some("\"id\"") if head.id.is_none() => head.id = value,
                    Some("\"method\"") if head.method.is_none() => head.method = value,
                    _ => {}
                }
                if head.id.is_some() && head.method.is_some() {
                    return head;
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return head;
                }
            }
            _ => {}
        }
        at += 1;
    }
    head
}

/// One past the closing quote of the string that opens at `start`; the end of the text if none.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The number or string after a colon, if it is one and ends.
fn scalar(text: &str, from: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    let start = from + bytes.get(from..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let end = if bytes[start] == b'"' {
        let end = end_of_string(bytes, start);
        if end - start < 2 || bytes[end - 1] != b'"' {
            return None;
        }
        end
    } else {
        let length = bytes[start..].iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
        start + length
    };
    text.get(start..end).map(str::trim_end).filter(|value| !value.is_empty() && *value != "null")
}
