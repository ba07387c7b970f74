//! Finds secrets in texts and blots them out.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use bailey_protocol::limits;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// What stands where a secret was.
const BLOT: &str = "[secret]";

/// The secrets one plugin has used on one server, in the spellings they travel in.
#[derive(Debug)]
pub(super) struct Blotter {
    finder: AhoCorasick,
    spellings: Vec<Vec<u8>>,
}

impl Blotter {
    /// For these values; those that are too short to be told from other text are left out. `None` if none is left.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut spellings: Vec<Vec<u8>> = values.into_iter().flat_map(spellings).collect();
        spellings.sort();
        spellings.dedup();
        if spellings.is_empty() {
            return None;
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&spellings).ok()?;
        Some(Self { finder, spellings })
    }

    /// The text without them.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.finder.is_match(text) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(self.finder.replace_all(text, &vec![BLOT; self.spellings.len()]))
    }

    /// The bytes without them. `cut` says that the end was cut off, where half of one may stand.
    pub(super) fn bytes(&self, bytes: Vec<u8>, cut: bool) -> Vec<u8> {
        let mut clean = match self.finder.is_match(&bytes) {
            true => self.finder.replace_all_bytes(&bytes, &vec![BLOT; self.spellings.len()]),
            false => bytes,
        };
        if cut {
            let begun = self.spellings.iter().filter_map(|spelling| begun_at_the_end(&clean, spelling)).max();
            clean.truncate(clean.len() - begun.unwrap_or(0));
        }
        clean
    }
}

/// The longest beginning of `spelling` the bytes end with.
fn begun_at_the_end(bytes: &[u8], spelling: &[u8]) -> Option<usize> {
    (1..spelling.len()).rev().find(|length| bytes.ends_with(&spelling[..*length]))
}

/// A value as such, in base64, in an address, and inside JSON.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    if value.chars().count() < limits::SECRET_BLOTTED_CHARACTERS {
        return Vec::new();
    }
    let json = serde_json::Value::from(value).to_string();
    let mut all = vec![
        value.to_owned(),
        STANDARD.encode(value),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string(),
        json[1..json.len() - 1].to_owned(),
    ];
    // The password alone is as secret as the pair.
    if let Some((_, password)) =
        value.split_once(':').filter(|(_, rest)| rest.chars().count() >= limits::SECRET_BLOTTED_CHARACTERS)
    {
        all.push(password.to_owned());
    }
    all.into_iter().map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_blotted_out_in_every_spelling() {
        let blotter = Blotter::new(["user:pass word", "tok\"en1", "short"]).unwrap();
        for text in [
            "a user:pass word b",
            "dXNlcjpwYXNzIHdvcmQ=",
            "user%3Apass%20word",
            "it is pass word",
            r#"{"a":"tok\"en1"}"#,
            "tok\"en1tok\"en1",
        ] {
            let clean = blotter.text(text);
            assert!(clean.contains(BLOT) && !clean.contains("pass") && !clean.contains("en1"), "{clean}");
        }
        assert_eq!(blotter.text("short is left"), "short is left");
        assert!(Blotter::new(["short"]).is_none());
    }

    #[test]
    fn half_a_secret_at_a_cut_is_cut_off_too() {
        let blotter = Blotter::new(["hidden-value"]).unwrap();
        assert_eq!(blotter.bytes(b"text hidden-va".to_vec(), true), b"text ");
        assert_eq!(blotter.bytes(b"text hidden-va".to_vec(), false), b"text hidden-va");
        assert_eq!(blotter.bytes(b"\xff hidden-value \xff".to_vec(), true), b"\xff [secret] \xff");
    }
}
