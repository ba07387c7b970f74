//! From the bytes of `manifest.json` to a JSON object, or the line and column of what is wrong.

use serde_json::{Map, Value};

use super::{PATH, kind};
use crate::finding::{Code, Finding, Findings};
use crate::limits;

pub(super) fn document(bytes: &[u8], findings: &mut Findings) -> Result<Map<String, Value>, Finding> {
    if bytes.len() > limits::MANIFEST_BYTES {
        let message = format!("`{PATH}` has more than {} bytes.", limits::MANIFEST_BYTES);
        return Err(Finding::error(Code::TooLarge, message).at(PATH));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Finding::error(Code::ManifestEncoding, format!("`{PATH}` is not UTF-8 text."))
            .at(PATH)
            .position(line, 0)
            .hint("save the file as UTF-8")
    })?;
    let without_mark = text.trim_start_matches('\u{feff}');
    if without_mark.len() != text.len() {
        let message = format!("`{PATH}` begins with a byte order mark; other tools refuse it.");
        findings.push(
            Finding::warning(Code::ManifestEncoding, message)
                .at(PATH)
                .hint("save the file as UTF-8 without BOM"),
        );
    }
    let value: Value = serde_json::from_str(without_mark).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let words = error.to_string();
        let why = words.split(" at line ").next().unwrap_or(&words);
        Finding::error(Code::ManifestInvalidJson, format!("`{PATH}` is not valid JSON: {why}."))
            .at(PATH)
            .position(line, column)
            .hint("look at that place for a missing or extra comma, quote or bracket")
    })?;
    match value {
        Value::Object(document) => Ok(document),
        other => {
            let message = format!("The top level of `{PATH}` must be an object, not {}.", kind(&other));
            Err(Finding::error(Code::ManifestNotObject, message)
                .at(PATH)
                .hint("put everything between { and }"))
        }
    }
}
