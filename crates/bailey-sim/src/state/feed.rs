//! What people saw, in order: the feed a driver reads to know how a plugin behaved.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::Snowflake;

/// Items kept; older ones are dropped (their indexes are never used again).
const MOST_ITEMS: usize = 4096;

/// One thing people saw. `index` starts at 1 and grows by one with each item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Position in the feed.
    pub index: u64,
    /// When, in simulated Unix milliseconds.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: Sight,
}

/// The kinds of thing people can see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sight {
    /// A message appeared.
    MessagePosted {
        /// As it reads now.
        message: SeenMessage,
    },
    /// A message changed.
    MessageEdited {
        /// As it reads after the change.
        message: SeenMessage,
    },
    /// A message is gone.
    MessageDeleted {
        /// Which.
        message_id: Snowflake,
        /// Where it was.
        channel_id: Snowflake,
        /// That channel's name.
        channel: String,
    },
    /// "The bot is thinking…": an interaction was acknowledged with an answer to follow.
    Thinking {
        /// The acknowledged interaction.
        interaction_id: Snowflake,
        /// Who asked.
        person: String,
        /// Where.
        channel: String,
        /// Whether only that person sees it.
        ephemeral: bool,
    },
    /// A component's use was acknowledged without a visible change.
    Acknowledged {
        /// The acknowledged interaction.
        interaction_id: Snowflake,
        /// Who used it.
        person: String,
    },
    /// A form opened in front of one person.
    ModalOpened {
        /// The interaction it answers.
        interaction_id: Snowflake,
        /// Who sees it.
        person: String,
        /// The form's id.
        custom_id: String,
        /// Its heading.
        title: String,
        /// Its fields in order.
        fields: Vec<SeenField>,
    },
    /// Suggestions for a half-typed option.
    Choices {
        /// The interaction they answer.
        interaction_id: Snowflake,
        /// Who is typing.
        person: String,
        /// `{name, value}` each.
        choices: Vec<Value>,
    },
    /// The bot changed something about a server or its people, as its audit log tells.
    Audited {
        /// On which server.
        guild: String,
        /// What, in words: `banned`, `created the channel`.
        action: String,
        /// Whom or what it concerns, by name.
        target: String,
        /// The reason given, if any.
        reason: Option<String>,
    },
    /// A reaction was left.
    ReactionAdded {
        /// On which message.
        message_id: Snowflake,
        /// By whom.
        person: String,
        /// Whether that is the bot.
        bot: bool,
        /// The emoji.
        emoji: String,
    },
    /// A reaction was taken back.
    ReactionRemoved {
        /// On which message.
        message_id: Snowflake,
        /// By whom.
        person: String,
        /// Whether that is the bot.
        bot: bool,
        /// The emoji.
        emoji: String,
    },
    /// "This interaction failed": nobody answered in time.
    InteractionFailed {
        /// Which.
        interaction_id: Snowflake,
        /// Who sees the failure.
        person: String,
        /// What happened, in words.
        reason: String,
    },
    /// Somebody joined a server.
    MemberJoined {
        /// Which server.
        guild: String,
        /// Who.
        person: String,
    },
    /// Somebody left a server.
    MemberLeft {
        /// Which server.
        guild: String,
        /// Who.
        person: String,
    },
}

/// A message as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenMessage {
    /// Message id.
    pub id: Snowflake,
    /// Guild id.
    pub guild_id: Snowflake,
    /// Channel id.
    pub channel_id: Snowflake,
    /// Channel name.
    pub channel: String,
    /// Author's user id.
    pub author_id: Snowflake,
    /// Author's name.
    pub author: String,
    /// Whether a bot wrote it.
    pub bot: bool,
    /// Full text.
    pub content: String,
    /// Discord embed objects.
    pub embeds: Vec<Value>,
    /// Discord component objects.
    pub components: Vec<Value>,
    /// Attached files.
    pub files: Vec<SeenFile>,
    /// Discord message flags.
    pub flags: u64,
    /// The message it replies to.
    pub reply_to: Option<Snowflake>,
    /// The only person who sees it, if it is ephemeral.
    pub ephemeral_to: Option<String>,
    /// The interaction it answers.
    pub interaction_id: Option<Snowflake>,
    /// `allowed_mentions` exactly as the sender gave it.
    pub allowed_mentions: Option<Value>,
    /// Names of the people it pings.
    pub pings: Vec<String>,
}

/// An attached file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFile {
    /// File name.
    pub name: String,
    /// Bytes.
    pub size: usize,
}

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenField {
    /// The field's id, the key for its value when submitting.
    pub custom_id: String,
    /// Discord component type: 4 text input, 3 and 5–8 selects.
    pub component_type: u64,
    /// Its label, if it has one.
    pub label: String,
    /// Whether it must be filled.
    pub required: bool,
    /// Text that is already in it.
    pub value: Option<String>,
}

/// The feed: a bounded list and a signal that it grew.
#[derive(Debug)]
pub(crate) struct Feed {
    items: VecDeque<Observed>,
    last: u64,
    changed: watch::Sender<u64>,
}

impl Feed {
    pub(crate) fn new(changed: watch::Sender<u64>) -> Self {
        Self { items: VecDeque::new(), last: 0, changed }
    }

    pub(crate) fn push(&mut self, at_ms: u64, what: Sight) {
        self.last += 1;
        if self.items.len() == MOST_ITEMS {
            self.items.pop_front();
        }
        self.items.push_back(Observed { index: self.last, at_ms, what });
        self.changed.send_replace(self.last);
    }

    /// Items whose index is greater than `index`.
    pub(crate) fn since(&self, index: u64) -> Vec<Observed> {
        self.items.iter().filter(|item| item.index > index).cloned().collect()
    }
}
