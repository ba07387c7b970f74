//! Reading a server, from Discord's nested shapes to the flat ones plugins know.

use bailey_protocol::method::discord::{Channel, GetMessages, Guild, ListMembers, Member, Message, Role};
use bailey_protocol::{ChannelId, GuildId, MessageId, RoleId, UserId};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::asker::{Ask, Asker};
use crate::error::DiscordError;

/// Members Discord gives at once.
const PAGE: u64 = 1000;
/// Pages looked through for members with a role; behind them a list ends early.
const MOST_PAGES: usize = 20;

#[derive(Deserialize)]
struct WireUser {
    id: UserId,
    username: String,
    #[serde(default)]
    global_name: Option<String>,
    #[serde(default)]
    avatar: Option<String>,
    #[serde(default)]
    bot: bool,
}

#[derive(Deserialize)]
struct WireMember {
    user: WireUser,
    #[serde(default)]
    nick: Option<String>,
    #[serde(default)]
    avatar: Option<String>,
    #[serde(default)]
    roles: Vec<RoleId>,
    #[serde(default)]
    joined_at: Option<String>,
}

impl From<WireMember> for Member {
    fn from(wire: WireMember) -> Self {
        let user = wire.user;
        let shown = wire.nick.as_ref().or(user.global_name.as_ref()).unwrap_or(&user.username);
        Self {
            user_id: user.id,
            display_name: shown.clone(),
            username: user.username,
            nick: wire.nick,
            avatar: wire.avatar.or(user.avatar),
            roles: wire.roles,
            joined_at: wire.joined_at,
            bot: user.bot,
        }
    }
}

#[derive(Deserialize)]
struct WireRole {
    id: RoleId,
    name: String,
    #[serde(default)]
    color: u64,
    #[serde(default)]
    position: i64,
    #[serde(default)]
    managed: bool,
    #[serde(default)]
    mentionable: bool,
    permissions: String,
}

#[derive(Deserialize)]
struct WireChannel {
    id: ChannelId,
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(default)]
    name: Option<String>,
    r#type: u8,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    parent_id: Option<ChannelId>,
    #[serde(default)]
    position: i64,
    #[serde(default)]
    nsfw: bool,
}

impl From<WireChannel> for Channel {
    fn from(wire: WireChannel) -> Self {
        Self {
            id: wire.id,
            name: wire.name.unwrap_or_default(),
            r#type: wire.r#type,
            topic: wire.topic,
            parent_id: wire.parent_id,
            position: wire.position,
            nsfw: wire.nsfw,
        }
    }
}

#[derive(Deserialize)]
struct WireGuild {
    id: GuildId,
    name: String,
    #[serde(default)]
    icon: Option<String>,
    #[serde(default)]
    approximate_member_count: u64,
    #[serde(default)]
    premium_tier: u8,
    #[serde(default)]
    features: Vec<String>,
    owner_id: UserId,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct WireMessage {
    id: MessageId,
    channel_id: ChannelId,
    author: WireUser,
    #[serde(default)]
    content: String,
    timestamp: String,
    #[serde(default)]
    edited_timestamp: Option<String>,
    #[serde(default)]
    attachments: Vec<IgnoredAny>,
    #[serde(default)]
    embeds: Vec<IgnoredAny>,
    #[serde(default)]
    pinned: bool,
}

impl From<WireMessage> for Message {
    fn from(wire: WireMessage) -> Self {
        Self {
            id: wire.id,
            channel_id: wire.channel_id,
            author_id: wire.author.id,
            author_username: wire.author.username,
            author_bot: wire.author.bot,
            content: wire.content,
            timestamp: wire.timestamp,
            edited_timestamp: wire.edited_timestamp,
            attachments: wire.attachments.len(),
            embeds: wire.embeds.len(),
            pinned: wire.pinned,
        }
    }
}

impl Asker<'_> {
    /// A member of the server.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 10007 for somebody who is none.
    pub async fn member(&self, user: UserId) -> Result<Member, DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}/members/{user}");
        let ask = Ask::get("GET /guilds/{guild}/members/{user}", guild.0, path);
        Ok(self.ask::<WireMember>(ask).await?.into())
    }

    /// Members ascending by id. With a role, pages are looked through until there are enough.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with 403 for a bot that may not list members.
    pub async fn members(&self, list: &ListMembers) -> Result<Vec<Member>, DiscordError> {
        let guild = self.guild();
        let wanted = usize::try_from(list.limit).unwrap_or(usize::MAX);
        let page = if list.role.is_some() { PAGE } else { list.limit };
        let mut after = list.after.map_or(0, |user| user.0);
        let mut found: Vec<Member> = Vec::new();
        for _ in 0..MOST_PAGES {
            let path = format!("guilds/{guild}/members?limit={page}&after={after}");
            let members: Vec<WireMember> =
                self.ask(Ask::get("GET /guilds/{guild}/members", guild.0, path)).await?;
            let full = members.len() as u64 == page;
            after = members.iter().map(|member| member.user.id.0).max().unwrap_or(after);
            let fits = |member: &WireMember| list.role.is_none_or(|role| member.roles.contains(&role));
            found.extend(members.into_iter().filter(fits).map(Member::from));
            if !full || found.len() >= wanted {
                break;
            }
        }
        found.sort_by_key(|member| member.user_id);
        found.truncate(wanted);
        Ok(found)
    }

    /// Members whose name or nickname begins so.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn search_members(&self, query: &str, limit: u64) -> Result<Vec<Member>, DiscordError> {
        let guild = self.guild();
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let path = format!("guilds/{guild}/members/search?query={query}&limit={limit}");
        let ask = Ask::get("GET /guilds/{guild}/members/search", guild.0, path);
        Ok(self.ask::<Vec<WireMember>>(ask).await?.into_iter().map(Member::from).collect())
    }

    /// The server's roles.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn roles(&self) -> Result<Vec<Role>, DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}/roles");
        let roles: Vec<WireRole> = self.ask(Ask::get("GET /guilds/{guild}/roles", guild.0, path)).await?;
        let flat = |wire: WireRole| Role {
            id: wire.id,
            name: wire.name,
            color: wire.color,
            position: wire.position,
            managed: wire.managed,
            mentionable: wire.mentionable,
            permissions: wire.permissions,
        };
        Ok(roles.into_iter().map(flat).collect())
    }

    /// The server's channels, without threads.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn channels(&self) -> Result<Vec<Channel>, DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}/channels");
        let ask = Ask::get("GET /guilds/{guild}/channels", guild.0, path);
        Ok(self.ask::<Vec<WireChannel>>(ask).await?.into_iter().map(Channel::from).collect())
    }

    /// A channel or thread; `None` when it belongs to another server.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn channel(&self, channel: ChannelId) -> Result<Option<Channel>, DiscordError> {
        let path = format!("channels/{channel}");
        let wire: WireChannel = self.ask(Ask::get("GET /channels/{channel}", channel.0, path)).await?;
        let here = wire.guild_id == Some(self.guild());
        Ok(here.then(|| wire.into()))
    }

    /// The server.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn this_guild(&self) -> Result<Guild, DiscordError> {
        let guild = self.guild();
        let path = format!("guilds/{guild}?with_counts=true");
        let wire: WireGuild = self.ask(Ask::get("GET /guilds/{guild}", guild.0, path)).await?;
        Ok(Guild {
            id: wire.id,
            name: wire.name,
            icon: wire.icon,
            member_count: wire.approximate_member_count,
            premium_tier: wire.premium_tier,
            features: wire.features,
            owner_id: wire.owner_id,
            description: wire.description,
        })
    }

    /// Messages of a channel, newest first.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn messages(&self, get: &GetMessages) -> Result<Vec<Message>, DiscordError> {
        let (channel, limit) = (get.channel, get.limit);
        let mut path = format!("channels/{channel}/messages?limit={limit}");
        if let Some(before) = get.before {
            path.push_str(&format!("&before={before}"));
        } else if let Some(after) = get.after {
            path.push_str(&format!("&after={after}"));
        }
        let ask = Ask::get("GET /channels/{channel}/messages", channel.0, path);
        let mut messages: Vec<Message> =
            self.ask::<Vec<WireMessage>>(ask).await?.into_iter().map(Message::from).collect();
        messages.sort_by_key(|message| std::cmp::Reverse(message.id));
        Ok(messages)
    }
}
