//! Reading: members, roles, channels, the server, messages. The shapes are flat, as the SDKs read them.

use serde::Serialize;

use super::clamped;
use crate::error::CallError;
use crate::id::{ChannelId, GuildId, MessageId, RoleId, UserId};
use crate::limits;
use crate::params::Params;

/// Parameters of `discord.get_member`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetMember {
    /// Whom.
    pub user: UserId,
}

impl GetMember {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { user: params.id("user_id")? })
    }
}

/// Parameters of `discord.list_members`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListMembers {
    /// At most so many, 1 to 100.
    pub limit: u64,
    /// Only those with this role.
    pub role: Option<RoleId>,
    /// Only those with a higher id.
    pub after: Option<UserId>,
}

impl ListMembers {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let most = limits::LIST_MEMBERS;
        Ok(Self {
            limit: clamped(params, "limit", most, 1, most)?,
            role: params.optional_id("role_id")?,
            after: params.optional_id("after")?,
        })
    }
}

/// Parameters of `discord.search_members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchMembers {
    /// How names and nicknames begin.
    pub query: String,
    /// At most so many, 1 to 25.
    pub limit: u64,
}

impl SearchMembers {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for an empty query or a bad number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let query = super::cut(&params.text_or_empty("query")?, 100);
        if query.is_empty() {
            return Err(CallError::validation("query", "the beginning of a name"));
        }
        Ok(Self {
            query,
            limit: clamped(params, "limit", limits::SEARCH_MEMBERS, 1, limits::SEARCH_MEMBERS)?,
        })
    }
}

/// Parameters of `discord.get_messages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetMessages {
    /// Where.
    pub channel: ChannelId,
    /// At most so many, 1 to 50.
    pub limit: u64,
    /// Only older ones than this.
    pub before: Option<MessageId>,
    /// Only newer ones than this; ignored beside `before`, as Discord takes one of them.
    pub after: Option<MessageId>,
}

impl GetMessages {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self {
            channel: params.id("channel_id")?,
            limit: clamped(params, "limit", limits::GET_MESSAGES, 1, limits::GET_MESSAGES)?,
            before: params.optional_id("before")?,
            after: params.optional_id("after")?,
        })
    }
}

macro_rules! results {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $what:ty },)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct $name {
            /// What was asked for.
            pub $field: $what,
        }
    )*};
}

results! {
    /// Result of `discord.get_member`.
    MemberResult { member: Member },
    /// Result of `discord.list_members` (ascending by user id) and `discord.search_members`.
    MembersResult { members: Vec<Member> },
    /// Result of `discord.list_roles`.
    RolesResult { roles: Vec<Role> },
    /// Result of `discord.get_channel`.
    ChannelResult { channel: Channel },
    /// Result of `discord.list_channels`.
    ChannelsResult { channels: Vec<Channel> },
    /// Result of `discord.get_guild`.
    GuildResult { guild: Guild },
    /// Result of `discord.get_messages`, newest first.
    MessagesResult { messages: Vec<Message> },
}

/// A member of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// Unique name.
    pub username: String,
    /// The name shown: the nickname, the chosen name or the unique one.
    pub display_name: String,
    /// The name on this server.
    pub nick: Option<String>,
    /// The hash of the picture, that of this server first.
    pub avatar: Option<String>,
    /// Without the role everybody has.
    pub roles: Vec<RoleId>,
    /// ISO 8601.
    pub joined_at: Option<String>,
    /// Whether a program.
    pub bot: bool,
}

/// A role of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// Red, green and blue in one number; 0 is none.
    pub color: u64,
    /// Higher stands above lower.
    pub position: i64,
    /// Whether an integration owns it.
    pub managed: bool,
    /// Whether everybody may ping it.
    pub mentionable: bool,
    /// Discord's bits as a decimal text.
    pub permissions: String,
}

/// A channel of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its name.
    pub name: String,
    /// Discord's number for its kind.
    pub r#type: u8,
    /// What it is about.
    pub topic: Option<String>,
    /// The category of a channel, the channel of a thread.
    pub parent_id: Option<ChannelId>,
    /// Lower is shown above higher.
    pub position: i64,
    /// Whether for adults only.
    pub nsfw: bool,
}

/// The server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guild {
    /// Its id.
    pub id: GuildId,
    /// Its name.
    pub name: String,
    /// The hash of its picture.
    pub icon: Option<String>,
    /// About how many members it has.
    pub member_count: u64,
    /// 0 to 3.
    pub premium_tier: u8,
    /// Discord's names of what it has.
    pub features: Vec<String>,
    /// Who owns it.
    pub owner_id: UserId,
    /// What it says of itself.
    pub description: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it is.
    pub channel_id: ChannelId,
    /// Who wrote it.
    pub author_id: UserId,
    /// The unique name of who wrote it.
    pub author_username: String,
    /// Whether a program wrote it.
    pub author_bot: bool,
    /// Its text.
    pub content: String,
    /// When, ISO 8601.
    pub timestamp: String,
    /// When it was last changed.
    pub edited_timestamp: Option<String>,
    /// How many files it has.
    pub attachments: usize,
    /// How many embeds it has.
    pub embeds: usize,
    /// Whether it is pinned.
    pub pinned: bool,
}
