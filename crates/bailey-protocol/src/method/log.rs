//! `plugin.log`: a line a plugin writes for its author. Never refused, only cut to size.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::limits;
use crate::params::Params;

/// How serious a line is; also where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For the author alone.
    Debug,
    /// What happened.
    Info,
    /// Something odd.
    Warning,
    /// Something failed.
    Error,
    /// Text the process printed into the protocol stream.
    Stdout,
    /// Text the process wrote to standard error.
    Stderr,
}

impl LogLevel {
    /// Every level.
    pub const ALL: [Self; 6] =
        [Self::Debug, Self::Info, Self::Stdout, Self::Warning, Self::Stderr, Self::Error];

    /// The level of a name in tables and transcripts.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// Whether a line of this level is at least as serious as `least`. What is printed to standard
    /// output counts as information; what is written to standard error, where tracebacks go, as a warning.
    pub fn is_at_least(self, least: Self) -> bool {
        self.weight() >= least.weight()
    }

    /// Whether the process printed it beside the protocol.
    pub fn is_printed(self) -> bool {
        matches!(self, Self::Stdout | Self::Stderr)
    }

    fn weight(self) -> u8 {
        match self {
            Self::Debug => 0,
            Self::Info | Self::Stdout => 1,
            Self::Warning | Self::Stderr => 2,
            Self::Error => 3,
        }
    }

    /// The name in tables and transcripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    fn from_plugin(text: &str) -> Self {
        match text {
            "debug" => Self::Debug,
            "warning" | "warn" => Self::Warning,
            "error" => Self::Error,
            _ => Self::Info,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// How serious.
    pub level: LogLevel,
    /// The text, at most 4000 characters.
    pub message: String,
    /// At most 10 tags.
    pub tags: Vec<String>,
    /// At most 20 extra values of at most 500 characters.
    pub extra: IndexMap<String, String>,
}

impl LogLine {
    /// A line without tags.
    pub fn plain(level: LogLevel, message: &str) -> Self {
        Self {
            level,
            message: cut(message, limits::LOG_MESSAGE_CHARACTERS),
            tags: Vec::new(),
            extra: IndexMap::new(),
        }
    }

    /// Every text in it that a plugin wrote, but for the names of its extra values.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        std::iter::once(&mut self.message).chain(&mut self.tags).chain(self.extra.values_mut())
    }

    /// Reads the parameters, cutting what is too long and skipping what is misshapen.
    pub fn parse(params: &Params) -> Self {
        let level = params.optional_text("level").ok().flatten().unwrap_or_default();
        let message = text_of(params.raw("message"));
        let tags: Vec<Box<RawValue>> = params.optional("tags", "a list").ok().flatten().unwrap_or_default();
        let extra: IndexMap<String, Box<RawValue>> =
            params.optional("extra", "an object").ok().flatten().unwrap_or_default();
        Self {
            level: LogLevel::from_plugin(&level),
            message: cut(&message, limits::LOG_MESSAGE_CHARACTERS),
            tags: tags
                .iter()
                .take(limits::LOG_TAGS)
                .map(|tag| cut(&text_of(Some(tag)), limits::LOG_EXTRA_CHARACTERS))
                .collect(),
            extra: extra
                .iter()
                .take(limits::LOG_EXTRA_KEYS)
                .map(|(name, value)| {
                    (
                        cut(name, limits::LOG_EXTRA_CHARACTERS),
                        cut(&text_of(Some(value)), limits::LOG_EXTRA_CHARACTERS),
                    )
                })
                .collect(),
        }
    }
}

/// A string's content, or the JSON text of anything else.
fn text_of(raw: Option<&RawValue>) -> String {
    let Some(raw) = raw else { return String::new() };
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

/// At most `most` characters, NUL (which PostgreSQL cannot hold) replaced.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).map(|character| if character == '\0' { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_never_refused() {
        let text = format!(
            r#"{{"level":"warn","message":"{}","tags":["a",5],"extra":{{"k":7,"n":"a\u0000b"}}}}"#,
            "x".repeat(5000)
        );
        let raw = RawValue::from_string(text).unwrap();
        let line = LogLine::parse(&Params::parse(Some(&raw)).unwrap());
        assert_eq!(line.level, LogLevel::Warning);
        assert_eq!(line.message.len(), 4000);
        assert_eq!(line.tags, ["a", "5"]);
        assert_eq!(line.extra["k"], "7");
        assert_eq!(line.extra["n"], "a\u{fffd}b");
    }

    #[test]
    fn a_misshapen_line_is_still_a_line() {
        let raw = RawValue::from_string(r#"{"level":3,"message":{"a":1},"tags":"x"}"#.into()).unwrap();
        let line = LogLine::parse(&Params::parse(Some(&raw)).unwrap());
        assert_eq!((line.level, line.message.as_str()), (LogLevel::Info, r#"{"a":1}"#));
    }
}
