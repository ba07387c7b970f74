//! What the bot does to members: nicknames, time-outs, roles, kicks, bans.

use serde_json::json;

use super::State;
use super::audit::Action;
use super::model::{Guild, Member, intent};
use super::sessions::Dispatch;
use crate::clock::Snowflake;
use crate::error::ApiError;
use crate::world::permission;

/// A member as somebody wants them; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub(crate) struct MemberDraft {
    pub(crate) nick: Option<Option<String>>,
    pub(crate) timed_out_until_ms: Option<Option<u64>>,
    pub(crate) roles: Option<Vec<Snowflake>>,
}

impl State {
    /// A member the bot stands above, on a server where it may do `needed`; or Discord's refusal.
    fn member_below(
        &self,
        guild: Snowflake,
        user: Snowflake,
        needed: u64,
    ) -> Result<(&Guild, &Member), ApiError> {
        let guild = self.require_in_guild(guild, needed)?;
        if !self.users.contains_key(&user) {
            return Err(ApiError::unknown_user());
        }
        let member = guild.members.get(&user).ok_or_else(ApiError::unknown_member)?;
        if user != self.application.id && !guild.outranks(self.application.id, user) {
            return Err(ApiError::missing_permissions());
        }
        Ok((guild, member))
    }

    /// Changes a member; each field takes its own permission.
    pub(crate) fn edit_member(
        &mut self,
        guild: Snowflake,
        user: Snowflake,
        draft: MemberDraft,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        let own = user == self.application.id;
        let mut needed = 0;
        if draft.nick.is_some() {
            needed |= if own { permission::CHANGE_NICKNAME } else { permission::MANAGE_NICKNAMES };
        }
        if draft.timed_out_until_ms.is_some() {
            needed |= permission::MODERATE_MEMBERS;
        }
        if draft.roles.is_some() {
            needed |= permission::MANAGE_ROLES;
        }
        let (known, member) = self.member_below(guild, user, needed)?;
        let protected = known.permissions(user) & permission::ADMINISTRATOR != 0;
        if draft.timed_out_until_ms.is_some_and(|until| until.is_some()) && (protected || own) {
            return Err(ApiError::missing_permissions());
        }
        if let Some(roles) = &draft.roles {
            let changed = roles.iter().filter(|role| !member.roles.contains(role));
            for role in changed.chain(member.roles.iter().filter(|role| !roles.contains(role))) {
                self.may_give(known, *role)?;
            }
        }
        let of_roles = draft.roles.is_some();
        self.change_member(guild, user, |member| {
            if let Some(nick) = draft.nick {
                member.nick = nick.filter(|nick| !nick.is_empty());
            }
            if let Some(until) = draft.timed_out_until_ms {
                member.timed_out_until_ms = until;
            }
            if let Some(roles) = draft.roles {
                member.roles = roles;
            }
        });
        let action = if of_roles { Action::RolesUpdated } else { Action::MemberUpdated };
        self.note(guild, action, user, self.name_of(user), reason);
        Ok(())
    }

    fn may_give(&self, guild: &Guild, role: Snowflake) -> Result<(), ApiError> {
        let known = guild.roles.iter().find(|known| known.id == role).ok_or_else(ApiError::unknown_role)?;
        if known.bot.is_some() || role == guild.id {
            return Err(ApiError::managed_role());
        }
        if guild.is_above_role(self.application.id, role) {
            Ok(())
        } else {
            Err(ApiError::missing_permissions())
        }
    }

    /// Gives a member a role or takes it; doing it twice is doing it once.
    pub(crate) fn set_role(
        &mut self,
        guild: Snowflake,
        user: Snowflake,
        role: Snowflake,
        held: bool,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        let known = self.require_in_guild(guild, permission::MANAGE_ROLES)?;
        let member = known.members.get(&user).ok_or_else(ApiError::unknown_member)?;
        self.may_give(known, role)?;
        if member.roles.contains(&role) == held {
            return Ok(());
        }
        self.change_member(guild, user, |member| {
            member.roles.retain(|known| *known != role);
            if held {
                member.roles.push(role);
            }
        });
        self.note(guild, Action::RolesUpdated, user, self.name_of(user), reason);
        Ok(())
    }

    /// Takes a member off a server.
    pub(crate) fn kick(
        &mut self,
        guild: Snowflake,
        user: Snowflake,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        self.member_below(guild, user, permission::KICK_MEMBERS)?;
        self.leave(guild, user);
        self.note(guild, Action::Kicked, user, self.name_of(user), reason);
        Ok(())
    }

    /// Keeps somebody off a server, member or not, and deletes what they wrote in the last `delete_seconds`.
    pub(crate) fn ban(
        &mut self,
        guild: Snowflake,
        user: Snowflake,
        delete_seconds: u64,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        let known = self.require_in_guild(guild, permission::BAN_MEMBERS)?;
        if !self.users.contains_key(&user) {
            return Err(ApiError::unknown_user());
        }
        if user == self.application.id
            || known.members.contains_key(&user) && !known.outranks(self.application.id, user)
        {
            return Err(ApiError::missing_permissions());
        }
        self.leave(guild, user);
        if let Some(guild) = self.guilds.get_mut(&guild) {
            guild.bans.insert(user, reason.clone());
        }
        self.tell_ban("GUILD_BAN_ADD", guild, user);
        self.delete_recent(guild, user, delete_seconds);
        self.note(guild, Action::Banned, user, self.name_of(user), reason);
        Ok(())
    }

    /// Lets somebody come again.
    pub(crate) fn unban(
        &mut self,
        guild: Snowflake,
        user: Snowflake,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        self.require_in_guild(guild, permission::BAN_MEMBERS)?;
        let known = self.guilds.get_mut(&guild).ok_or_else(ApiError::unknown_guild)?;
        if known.bans.shift_remove(&user).is_none() {
            return Err(ApiError::unknown_ban());
        }
        self.tell_ban("GUILD_BAN_REMOVE", guild, user);
        self.note(guild, Action::Unbanned, user, self.name_of(user), reason);
        Ok(())
    }

    fn delete_recent(&mut self, guild: Snowflake, user: Snowflake, seconds: u64) {
        let since = self.clock.now_ms().saturating_sub(seconds.saturating_mul(1000));
        let recent = |channel: &super::model::Channel| -> Vec<Snowflake> {
            let own = channel.messages.values().filter(|message| message.author == user);
            own.map(|message| message.id).filter(|id| seconds > 0 && id.created_ms() >= since).collect()
        };
        let of_guild = self.channels.values().filter(|channel| channel.guild == guild);
        let found: Vec<(Snowflake, Vec<Snowflake>)> = of_guild
            .map(|channel| (channel.id, recent(channel)))
            .filter(|(_, ids)| !ids.is_empty())
            .collect();
        for (channel, ids) in found {
            self.forget_messages(channel, guild, &ids);
        }
    }

    fn tell_ban(&mut self, event: &'static str, guild: Snowflake, user: Snowflake) {
        let data = json!({"guild_id": guild, "user": self.render_user(user)});
        let intents = intent::GUILD_MODERATION;
        self.dispatch(&Dispatch { event, guild: Some(guild), intents, data, strip: false });
    }

    /// Changes a member and tells who listens to members.
    pub(crate) fn change_member(
        &mut self,
        guild: Snowflake,
        user: Snowflake,
        change: impl FnOnce(&mut Member),
    ) {
        let Some(member) = self.guilds.get_mut(&guild).and_then(|guild| guild.members.get_mut(&user)) else {
            return;
        };
        change(member);
        let Some(member) = self.guilds.get(&guild).and_then(|guild| guild.members.get(&user)) else { return };
        let mut data = self.render_member(member);
        if let Some(map) = data.as_object_mut() {
            map.insert("guild_id".to_owned(), json!(guild));
        }
        // The bot hears of itself without being allowed to hear of members.
        let intents = if user == self.application.id { intent::GUILDS } else { intent::GUILD_MEMBERS };
        self.dispatch(&Dispatch {
            event: "GUILD_MEMBER_UPDATE",
            guild: Some(guild),
            intents,
            data,
            strip: false,
        });
    }
}
