//! What happened on a server, in the words plugins know.
//!
//! An [`Event`] is made once, from a gateway frame, and delivered to many plugins. The payload is
//! what a plugin sees; what it must not see (an interaction's token) travels beside it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::id::{ApplicationId, ChannelId, EventId, GuildId, InteractionId, MessageId, UserId};
use crate::time::Timestamp;

macro_rules! event_kinds {
    ($($variant:ident = $text:literal,)*) => {
        /// A type of event a plugin can register for: `event.<name>` on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name plugins register for.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The method of its notification.
            pub fn method(self) -> &'static str {
                match self { $(Self::$variant => concat!("event.", $text),)* }
            }
        }

        impl FromStr for EventKind {
            type Err = UnknownEventKind;
            fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(UnknownEventKind(text.to_owned())) }
            }
        }
    };
}

event_kinds! {
    MessageCreate = "message_create",
    MessageEdit = "message_edit",
    MessageDelete = "message_delete",
    MemberJoin = "member_join",
    MemberLeave = "member_leave",
    MemberUpdate = "member_update",
    ReactionAdd = "reaction_add",
    ReactionRemove = "reaction_remove",
    VoiceStateUpdate = "voice_state_update",
    InteractionCreate = "interaction_create",
    ChannelCreate = "channel_create",
    ChannelDelete = "channel_delete",
    ChannelUpdate = "channel_update",
    RoleCreate = "role_create",
    RoleDelete = "role_delete",
    RoleUpdate = "role_update",
    Cron = "cron",
}

/// A text that names no kind of event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event type {0:?}")]
pub struct UnknownEventKind(pub String);

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl EventKind {
    /// Whether the payload carries a message's text, which is blanked for a plugin that may not
    /// read it.
    pub fn carries_message_content(self) -> bool {
        matches!(self, Self::MessageCreate | Self::MessageEdit | Self::MessageDelete)
    }
}

/// One thing that happened on one server.
#[derive(Debug, Clone)]
pub struct Event {
    /// Unique per thing that happened; the same for every plugin told of it and at redelivery.
    pub id: EventId,
    /// What kind of thing.
    pub kind: EventKind,
    /// Where.
    pub guild: GuildId,
    /// What a plugin sees, all aliases included, message text unredacted.
    pub payload: Arc<Map<String, Value>>,
    /// Present exactly for [`EventKind::InteractionCreate`].
    pub interaction: Option<Interaction>,
    /// When Bailey learned of it.
    pub received_at: Timestamp,
}

impl Event {
    /// The payload for a plugin, with the message text blanked unless it may read it.
    pub fn payload_for(&self, may_read_content: bool) -> Arc<Map<String, Value>> {
        if may_read_content || !self.kind.carries_message_content() || !self.payload.contains_key("content") {
            return Arc::clone(&self.payload);
        }
        let mut payload = (*self.payload).clone();
        payload.insert("content".to_owned(), Value::String(String::new()));
        Arc::new(payload)
    }
}

/// What answering an interaction takes. Never part of a payload.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// The interaction.
    pub id: InteractionId,
    /// The application it was sent to.
    pub application: ApplicationId,
    /// Discord's token for answering it: a credential for 15 minutes.
    pub token: InteractionToken,
    /// What the person did.
    pub kind: InteractionKind,
    /// The command's name, for [`InteractionKind::Command`] and [`InteractionKind::Autocomplete`].
    pub command: Option<String>,
    /// The component's or form's id, for the other kinds.
    pub custom_id: Option<String>,
    /// The message the component sits on, for [`InteractionKind::Component`].
    pub message: Option<ComponentMessage>,
    /// Who did it, as Discord says.
    pub invoker: Invoker,
}

/// The person behind an interaction, in Discord's words and not a plugin's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Invoker {
    /// Who.
    pub user: Option<UserId>,
    /// What they may do in the channel, as the bits Discord computed.
    pub permissions: u64,
}

impl Invoker {
    /// Discord's bit for everything.
    const ADMINISTRATOR: u64 = 1 << 3;
    /// Discord's bit for changing the server.
    const MANAGE_GUILD: u64 = 1 << 5;

    /// Whether they may change the server: Administrator, or Manage Server.
    pub fn manages_server(self) -> bool {
        self.permissions & (Self::ADMINISTRATOR | Self::MANAGE_GUILD) != 0
    }
}

/// The message a button or a menu sits on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentMessage {
    /// The channel or thread it is in.
    pub channel: ChannelId,
    /// The message.
    pub message: MessageId,
    /// Whether only one person sees it. Such a message is not in the channel as far as the bot's
    /// own token goes: it can be changed only by the first answer to the component.
    pub ephemeral: bool,
}

/// What kind of thing a person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractionKind {
    /// Ran a command (Discord's type 2).
    Command,
    /// Clicked a button or chose from a menu (3).
    Component,
    /// Is typing a command's option and is to be offered suggestions (4). The host answers; no plugin is told.
    Autocomplete,
    /// Submitted a form (5).
    ModalSubmit,
}

/// A credential; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct InteractionToken(Arc<str>);

impl InteractionToken {
    /// Wraps the text Discord sent.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for a request to Discord.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InteractionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InteractionToken(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_text_is_blank_for_those_who_may_not_read_it() {
        let mut payload = Map::new();
        payload.insert("content".into(), "secret".into());
        payload.insert("channel_id".into(), "42".into());
        let event = Event {
            id: EventId::new("e1"),
            kind: EventKind::MessageCreate,
            guild: GuildId(1),
            payload: Arc::new(payload),
            interaction: None,
            received_at: Timestamp(0),
        };
        assert_eq!(event.payload_for(false)["content"], "");
        assert_eq!(event.payload_for(false)["channel_id"], "42");
        assert_eq!(event.payload_for(true)["content"], "secret");
    }

    #[test]
    fn tokens_do_not_reach_logs() {
        assert!(!format!("{:?}", InteractionToken::new("abc")).contains("abc"));
    }
}
