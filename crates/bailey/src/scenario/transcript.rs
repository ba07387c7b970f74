//! The transcript: one JSON object a line for everything that was done, seen, called and logged.

use bailey_outbound::fixtures::{Seen, SeenFrame};
use serde::Serialize;
use serde_json::Value;

/// One line of a transcript.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    /// The line of the script that was being played; 0 before the first.
    pub(crate) step: usize,
    /// What happened.
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// What can happen. The `kind` field tells them apart.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The step as written.
    Step { source: Value },
    /// A message appeared or changed.
    Message(Message),
    /// A message is gone.
    Deleted { channel: String, message_id: String },
    /// The bot is shown thinking.
    Thinking { person: String, only_for: Option<String> },
    /// A form opened in front of a person.
    Modal { person: String, title: String, custom_id: String, fields: Vec<Value> },
    /// What a person may choose from while typing an option, by name.
    Suggestions { person: String, choices: Vec<String> },
    /// A reaction was left or taken back.
    Reaction { by: String, bot: bool, emoji: String, message_id: String, removed: bool },
    /// "This interaction failed".
    InteractionFailed { person: String, reason: String },
    /// Somebody joined or left.
    Member { person: String, server: String, joined: bool },
    /// The bot changed something about the server or its people, as the audit log tells.
    Audited {
        server: String,
        action: String,
        target: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Any other thing people saw, as the simulator tells it.
    Seen { what: Value },
    /// The plugin called a method.
    Call {
        plugin: String,
        server: String,
        method: String,
        params: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<CallFailure>,
    },
    /// The plugin asked another server, as far as it was let.
    Request(Seen),
    /// The plugin sent another server a frame.
    Frame(SeenFrame),
    /// The plugin logged a line, or wrote one to its output.
    Log { plugin: String, server: String, level: String, message: String, tags: Vec<String>, extra: Value },
    /// Something went wrong with the plugin.
    Problem { plugin: String, server: String, message: String },
    /// A process started, ended or was told something: the life of a plugin.
    Life { plugin: String, server: String, what: String },
    /// An expectation was checked.
    Expectation {
        held: bool,
        expected: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<String>,
    },
    /// A step could not be played.
    StepFailed { reason: String },
    /// The end.
    Result { steps: usize, expectations: usize, failures: usize, passed: bool },
}

/// A refused call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CallFailure {
    /// For example `VALIDATION_ERROR`.
    pub(crate) code: String,
    /// As the plugin read it.
    pub(crate) message: String,
}

/// A message with its full text.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Message {
    /// Its id.
    pub(crate) message_id: String,
    /// Who wrote it.
    pub(crate) author: String,
    /// Whether that is a bot.
    pub(crate) bot: bool,
    /// The server's id.
    pub(crate) server: String,
    /// The channel's name.
    pub(crate) channel: String,
    /// The whole text.
    pub(crate) content: String,
    /// Embeds in Discord's shape.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) embeds: Vec<Value>,
    /// Components in Discord's shape.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) components: Vec<Value>,
    /// Names of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<String>,
    /// Names of the people it pings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pings: Vec<String>,
    /// The one person who sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_for: Option<String>,
    /// Whether it is a change of an earlier message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) edited: bool,
}

impl Entry {
    /// Whether people saw it and the bot did it.
    pub(crate) fn is_shown_by_the_bot(&self) -> bool {
        match self {
            Self::Message(message) => message.bot,
            Self::Reaction { bot, .. } => *bot,
            Self::Thinking { .. } | Self::Modal { .. } | Self::Audited { .. } => true,
            _ => false,
        }
    }

    /// The title of a form that opened.
    pub(crate) fn modal_title(&self) -> Option<&str> {
        if let Self::Modal { title, .. } = self { Some(title) } else { None }
    }

    /// What is suggested, one name a line.
    pub(crate) fn suggested(&self) -> Option<String> {
        if let Self::Suggestions { choices, .. } = self { Some(choices.join("\n")) } else { None }
    }

    /// What another server was asked, as text: method and address, headers, an empty line, the body.
    pub(crate) fn requested(&self) -> Option<String> {
        let Self::Request(Seen { method, url, headers, body }) = self else { return None };
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        Some(format!("{method} {url}\n{headers}\n{body}"))
    }

    /// The frame another server was sent.
    pub(crate) fn framed(&self) -> Option<&str> {
        if let Self::Frame(SeenFrame { text, .. }) = self { Some(text) } else { None }
    }

    /// The emoji the bot left.
    pub(crate) fn bots_reaction(&self) -> Option<&str> {
        if let Self::Reaction { emoji, bot: true, removed: false, .. } = self { Some(emoji) } else { None }
    }

    /// What was done to the server, as one line: `kicked bob (plugin demo: spam)`.
    pub(crate) fn audited(&self) -> Option<String> {
        let Self::Audited { action, target, reason, .. } = self else { return None };
        let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("{action} {target}{reason}"))
    }

    /// The text of a log line.
    pub(crate) fn logged(&self) -> Option<&str> {
        if let Self::Log { message, .. } = self { Some(message) } else { None }
    }

    /// The sentence of a problem.
    pub(crate) fn problem(&self) -> Option<&str> {
        if let Self::Problem { message, .. } = self { Some(message) } else { None }
    }
}
