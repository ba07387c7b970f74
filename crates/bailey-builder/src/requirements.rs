//! `requirements.txt`: names and versions, nothing else.
//!
//! The file comes from strangers, and its format can fetch from anywhere, read any file and build
//! any source. So lines are not searched for what is bad but must match what is good, and only
//! the matched text reaches uv.

use std::sync::LazyLock;

use regex::Regex;

use crate::error::BuildError;
use crate::limits;

/// The distributions that hold an SDK, normalised.
pub(crate) const SDK_NAMES: [&str; 2] = ["mmo-maid-sdk", "yourbot-sdk"];

/// name [extras] versions ; marker
static REQUIREMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
    let extras = format!(r"\[\s*{name}(?:\s*,\s*{name})*\s*\]");
    let version = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+";
    let versions = format!(r"{version}(?:\s*,\s*{version})*\s*,?");
    let marker = r#"[A-Za-z0-9_\s.,'"<>=!~()+*-]+"#;
    Regex::new(&format!(
        r"^(?<name>{name})\s*(?:{extras})?\s*(?:{versions}|\(\s*{versions}\s*\))?\s*(?:;{marker})?$"
    ))
    .ok()
});

static EXACT_SDK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?<name>[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9])\s*==\s*[0-9][A-Za-z0-9.+!_-]*$").ok()
});

/// Checked requirement lines, in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirements {
    lines: Vec<String>,
}

impl Requirements {
    /// Checks a file and settles the SDK: the override if there is one, else what the file names,
    /// else the default.
    pub(crate) fn settle(
        text: &str,
        default_sdk: &str,
        sdk_override: Option<&str>,
    ) -> Result<Self, BuildError> {
        let mut named = parse(text)?;
        let sdk = match sdk_override {
            Some(sdk) => {
                named.retain(|(name, _)| !SDK_NAMES.contains(&name.as_str()));
                Some(exact_sdk(sdk)?)
            }
            None if named.iter().any(|(name, _)| SDK_NAMES.contains(&name.as_str())) => None,
            None => Some(exact_sdk(default_sdk)?),
        };
        let lines = named.into_iter().map(|(_, line)| line).chain(sdk).collect();
        Ok(Self { lines })
    }

    /// The file uv reads.
    pub(crate) fn to_text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

/// An exact version of an SDK, as a requirement.
pub(crate) fn exact_sdk(text: &str) -> Result<String, BuildError> {
    let text = text.trim();
    EXACT_SDK
        .as_ref()
        .and_then(|exact| exact.captures(text))
        .filter(|found| {
            found.name("name").is_some_and(|name| SDK_NAMES.contains(&normalised(name.as_str()).as_str()))
        })
        .map(|_| text.to_owned())
        .ok_or_else(|| BuildError::Sdk(shown(text)))
}

/// Each requirement with its normalised name.
fn parse(text: &str) -> Result<Vec<(String, String)>, BuildError> {
    if text.len() > limits::REQUIREMENTS_BYTES {
        return Err(BuildError::Requirements(format!("more than {} bytes", limits::REQUIREMENTS_BYTES)));
    }
    let mut named = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        let name = name_of(line).map_err(|why| BuildError::Requirement {
            line: index + 1,
            text: shown(line),
            why,
        })?;
        named.push((normalised(&name), line.to_owned()));
        if named.len() > limits::REQUIREMENTS {
            return Err(BuildError::Requirements(format!("more than {} requirements", limits::REQUIREMENTS)));
        }
    }
    Ok(named)
}

fn name_of(line: &str) -> Result<String, &'static str> {
    if line.len() > limits::REQUIREMENT_BYTES {
        return Err("is too long.");
    }
    let found = REQUIREMENT.as_ref().and_then(|requirement| requirement.captures(line));
    if let Some(name) = found.as_ref().and_then(|found| found.name("name")) {
        // `./library` and `wheel.whl` also begin like names.
        let lower = name.as_str().to_ascii_lowercase();
        let archive =
            [".whl", ".zip", ".gz", ".tgz", ".bz2", ".xz"].iter().any(|suffix| lower.ends_with(suffix));
        return if archive {
            Err("is a file, and only the package index is used.")
        } else {
            Ok(name.as_str().to_owned())
        };
    }
    Err(if line.starts_with('-') {
        "is an option, and options are not allowed."
    } else if line.contains("://") || line.contains('@') || line.starts_with("file:") {
        "is an address, and only the package index is used."
    } else if line.contains(['/', '\\']) || line.starts_with(['.', '~']) {
        "is a path, and only the package index is used."
    } else {
        "is not a requirement."
    })
}

/// A `#` begins a comment at the start of a line or after a blank.
fn without_comment(line: &str) -> &str {
    let start = line.char_indices().find(|(at, character)| {
        *character == '#' && line[..*at].chars().next_back().is_none_or(char::is_whitespace)
    });
    start.map_or(line, |(at, _)| &line[..at])
}

/// A name as the package index compares it: lower case, runs of `-`, `_` and `.` as one `-`.
pub(crate) fn normalised(name: &str) -> String {
    name.split(['-', '_', '.'])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
        .to_ascii_lowercase()
}

/// The beginning of a text of strangers, with nothing in it that could move a cursor.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "yourbot-sdk==0.10.1";

    fn settled(text: &str, sdk: Option<&str>) -> String {
        Requirements::settle(text, DEFAULT, sdk).unwrap().to_text()
    }

    #[test]
    fn a_plugin_without_an_sdk_gets_the_default_one() {
        assert_eq!(settled("", None), "yourbot-sdk==0.10.1\n");
        assert_eq!(settled("# nothing\n\nidna>=3 # names\n", None), "idna>=3\nyourbot-sdk==0.10.1\n");
        assert_eq!(settled("yourbot-sdk-extras\n", None), "yourbot-sdk-extras\nyourbot-sdk==0.10.1\n");
    }

    #[test]
    fn an_sdk_is_recognised_in_every_spelling() {
        for text in [
            "mmo-maid-sdk>=0.5",
            "MMO_Maid.SDK",
            "yourbot_sdk",
            "YourBot--SDK[dev] ~= 0.9",
            "\u{feff}yourbot.sdk",
        ] {
            assert_eq!(settled(text, None), format!("{}\n", text.trim_start_matches('\u{feff}')));
        }
    }

    #[test]
    fn an_override_takes_the_place_of_every_sdk_named() {
        assert_eq!(
            settled("mmo-maid-sdk>=0.6\nidna\nyourbot-sdk\n", Some("mmo-maid-sdk==0.5.2")),
            "idna\nmmo-maid-sdk==0.5.2\n"
        );
        for bad in ["yourbot-sdk", "yourbot-sdk>=1", "idna==3", "0.5.2", "yourbot-sdk==1; x", "-r x==1"] {
            assert!(matches!(Requirements::settle("", DEFAULT, Some(bad)), Err(BuildError::Sdk(_))), "{bad}");
        }
    }

    #[test]
    fn ordinary_requirements_pass() {
        for good in [
            "requests",
            "requests==2.31.0",
            "a>=1,<2",
            "a >= 1 , != 1.5.*",
            "a[b,c]~=1.4",
            "a (>=1.0)",
            "a===1.0+local",
            "a; python_version < '3.12'",
            "a>=1 ; sys_platform == \"linux\" and (os_name == 'posix')",
            "ruamel.yaml",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn whatever_could_fetch_or_read_elsewhere_is_refused_with_its_line() {
        for (bad, word) in [
            ("-r other.txt", "option"),
            ("--index-url https://evil.example/simple", "option"),
            ("-e .", "option"),
            ("requests --hash=sha256:00", "not a requirement"),
            ("https://evil.example/a.whl", "address"),
            ("a @ https://evil.example/a.whl", "address"),
            ("a@file:///etc/passwd", "address"),
            ("git+https://evil.example/a", "address"),
            ("git+ssh://git@evil.example/a", "address"),
            ("file:///etc/passwd", "address"),
            ("file:a", "address"),
            ("./a", "path"),
            ("../a", "path"),
            ("/etc/passwd", "path"),
            ("a/b", "path"),
            ("~/a", "path"),
            (".", "path"),
            ("a-1.0-py3-none-any.whl", "file"),
            ("a.tar.gz", "file"),
            ("${HOME}", "not a requirement"),
            ("a==${VERSION}", "not a requirement"),
            ("a \\", "path"),
            ("a b", "not a requirement"),
            ("a==1\u{2028}-r x", "not a requirement"),
        ] {
            match parse(&format!("idna\n\n{bad}\n")) {
                Err(error @ BuildError::Requirement { line: 3, .. }) => {
                    assert!(error.to_string().contains(word), "{bad}: {error}");
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn sizes_are_limited() {
        assert!(parse(&"a\n".repeat(limits::REQUIREMENTS)).is_ok());
        assert!(parse(&"a\n".repeat(limits::REQUIREMENTS + 1)).is_err());
        assert!(parse(&" ".repeat(limits::REQUIREMENTS_BYTES + 1)).is_err());
        assert!(parse(&"a".repeat(limits::REQUIREMENT_BYTES + 1)).is_err());
    }
}
