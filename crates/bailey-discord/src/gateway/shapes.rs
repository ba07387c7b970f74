//! The parts of dispatches from which the directory and the memory of recent members learn.

use std::collections::HashSet;

use bailey_protocol::{ChannelId, GuildId, MessageId, RoleId, UserId};
use serde::Deserialize;

use crate::directory::{Channel, Directory, Overwrite, OverwriteTarget, OwnMember, VoiceState};
use crate::normalise::wire::Role;
use crate::recent::{Recent, RecentMember};

#[derive(Deserialize)]
pub(super) struct Identified<T> {
    pub(super) id: T,
}

#[derive(Deserialize)]
pub(super) struct Ready {
    pub(super) session_id: String,
    pub(super) resume_gateway_url: String,
    #[serde(default)]
    pub(super) user: Option<Identified<UserId>>,
    #[serde(default)]
    pub(super) guilds: HashSet<ReadyGuild>,
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
pub(super) struct ReadyGuild {
    pub(super) id: GuildId,
}

/// Whatever may say which server it is about.
#[derive(Deserialize)]
pub(super) struct MaybeInGuild {
    #[serde(default)]
    pub(super) guild_id: Option<GuildId>,
}

#[derive(Deserialize)]
pub(super) struct UnavailableGuild {
    pub(super) id: GuildId,
    #[serde(default)]
    pub(super) unavailable: bool,
}

#[derive(Deserialize)]
pub(super) struct GuildUpdate {
    pub(super) id: GuildId,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) owner_id: Option<UserId>,
}

#[derive(Deserialize)]
pub(super) struct GuildCreate<'a> {
    pub(super) id: GuildId,
    #[serde(default)]
    pub(super) unavailable: bool,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) member_count: u64,
    #[serde(default)]
    pub(super) owner_id: Option<UserId>,
    #[serde(default)]
    pub(super) channels: Vec<WireChannel>,
    #[serde(default)]
    pub(super) threads: Vec<WireChannel>,
    #[serde(borrow, default)]
    pub(super) roles: Vec<Role<'a>>,
    #[serde(default)]
    pub(super) voice_states: Vec<WireVoice>,
    /// Among them always the bot itself.
    #[serde(default)]
    pub(super) members: Vec<WireMember>,
}

impl GuildCreate<'_> {
    pub(super) fn keep(self, directory: &Directory, recent: &mut Recent) {
        directory.put_guild(self.id, self.name, self.member_count, self.owner_id);
        for role in &self.roles {
            directory.put_role(self.id, role.id, role.known());
        }
        for channel in self.channels.into_iter().chain(self.threads) {
            channel.keep(directory, Some(self.id));
        }
        for state in &self.voice_states {
            directory.put_voice(self.id, state.user_id, state.known());
        }
        let own = directory.own_user();
        for member in self.members {
            recent.put_member(self.id, member.user.id, member.recent());
            if Some(member.user.id) == own {
                directory.put_own_member(self.id, member.known());
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct WireChannel {
    pub(super) id: ChannelId,
    #[serde(default)]
    pub(super) guild_id: Option<GuildId>,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) r#type: u8,
    #[serde(default)]
    pub(super) parent_id: Option<ChannelId>,
    #[serde(default)]
    pub(super) permission_overwrites: Vec<WireOverwrite>,
}

/// Discord's number of an overwrite for a member.
const FOR_MEMBER: u8 = 1;

#[derive(Deserialize)]
pub(super) struct WireOverwrite {
    pub(super) id: RoleId,
    pub(super) r#type: u8,
    #[serde(default)]
    pub(super) allow: String,
    #[serde(default)]
    pub(super) deny: String,
}

impl WireOverwrite {
    pub(super) fn known(&self) -> Overwrite {
        let target = match self.r#type {
            FOR_MEMBER => OverwriteTarget::Member(UserId(self.id.0)),
            _ => OverwriteTarget::Role(self.id),
        };
        Overwrite { target, allow: bits(&self.allow), deny: bits(&self.deny) }
    }
}

/// Permission bits are decimal texts.
pub(super) fn bits(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

impl WireChannel {
    /// Inside a server's own object Discord leaves the server's id out.
    pub(super) fn keep(self, directory: &Directory, inside: Option<GuildId>) {
        let Some(guild) = inside.or(self.guild_id) else { return };
        let name = self.name.unwrap_or_default().into();
        let overwrites = self.permission_overwrites.iter().map(WireOverwrite::known).collect();
        let channel = Channel { guild, name, kind: self.r#type, parent: self.parent_id, overwrites };
        directory.put_channel(self.id, channel);
    }
}

#[derive(Deserialize)]
pub(super) struct ThreadListSync {
    pub(super) guild_id: GuildId,
    #[serde(default)]
    pub(super) threads: Vec<WireChannel>,
}

#[derive(Deserialize)]
pub(super) struct WireVoice {
    /// Left out inside a server's own object.
    #[serde(default)]
    pub(super) guild_id: Option<GuildId>,
    #[serde(default)]
    pub(super) channel_id: Option<ChannelId>,
    pub(super) user_id: UserId,
    #[serde(default)]
    pub(super) self_stream: bool,
}

impl WireVoice {
    pub(super) fn known(&self) -> Option<VoiceState> {
        Some(VoiceState { channel: self.channel_id?, self_stream: self.self_stream })
    }
}

#[derive(Deserialize)]
pub(super) struct OfUser {
    pub(super) guild_id: GuildId,
    pub(super) user: Identified<UserId>,
}

#[derive(Deserialize)]
pub(super) struct AboutMessages {
    #[serde(default)]
    pub(super) id: Option<MessageId>,
    #[serde(default)]
    pub(super) ids: Vec<MessageId>,
}

#[derive(Deserialize)]
pub(super) struct WireMember {
    pub(super) user: Identified<UserId>,
    #[serde(default)]
    pub(super) nick: Option<String>,
    #[serde(default)]
    pub(super) roles: Vec<RoleId>,
    #[serde(default)]
    pub(super) communication_disabled_until: Option<String>,
}

impl WireMember {
    pub(super) fn recent(&self) -> RecentMember {
        RecentMember { nick: self.nick.as_deref().map(Into::into), roles: self.roles.as_slice().into() }
    }

    pub(super) fn known(self) -> OwnMember {
        let timed_out_until = self.communication_disabled_until.and_then(|text| text.parse().ok());
        OwnMember { roles: self.roles, timed_out_until }
    }
}

#[derive(Deserialize)]
pub(super) struct MemberUpdate {
    pub(super) guild_id: GuildId,
    #[serde(flatten)]
    pub(super) member: WireMember,
}

#[derive(Deserialize)]
pub(super) struct RoleChange<'a> {
    pub(super) guild_id: GuildId,
    #[serde(borrow)]
    pub(super) role: Role<'a>,
}

#[derive(Deserialize)]
pub(super) struct RoleDeletion {
    pub(super) guild_id: GuildId,
    pub(super) role_id: RoleId,
}

pub(super) fn in_guild(data: &str) -> Result<GuildId, serde_json::Error> {
    #[derive(Deserialize)]
    struct InGuild {
        guild_id: GuildId,
    }
    Ok(serde_json::from_str::<InGuild>(data)?.guild_id)
}
