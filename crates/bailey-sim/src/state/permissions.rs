//! Who may do what where, by the rules Discord documents: roles, then what a channel adds and takes, then time-outs;
//! and who stands above whom.

use super::State;
use super::model::{Channel, Guild, Member};
use crate::clock::Snowflake;
use crate::error::ApiError;
use crate::world::permission;

/// What somebody who is timed out keeps.
const TIMED_OUT: u64 = permission::VIEW_CHANNEL | permission::READ_MESSAGE_HISTORY;
/// What nobody has who may not write.
const NEEDS_WRITING: u64 = permission::MENTION_EVERYONE
    | permission::SEND_TTS_MESSAGES
    | permission::ATTACH_FILES
    | permission::EMBED_LINKS;

impl Guild {
    /// Where a member's highest role stands: the owner above all, strangers below all.
    fn rank(&self, user: Snowflake) -> i64 {
        if user == self.owner {
            return i64::MAX;
        }
        let Some(member) = self.members.get(&user) else { return -1 };
        let held = self.roles.iter().filter(|role| member.roles.contains(&role.id));
        held.map(|role| role.position).max().unwrap_or(0)
    }

    /// Whether one person may act on the other.
    pub(crate) fn outranks(&self, actor: Snowflake, target: Snowflake) -> bool {
        target != self.owner && (actor == self.owner || self.rank(actor) > self.rank(target))
    }

    /// Whether somebody may give, take or change a role.
    pub(crate) fn is_above_role(&self, actor: Snowflake, role: Snowflake) -> bool {
        let position =
            self.roles.iter().find(|known| known.id == role).map_or(i64::MAX, |role| role.position);
        self.rank(actor) > position
    }

    /// What a member may do in a channel, whose overwrites are those of `of` (its parent, for a thread).
    pub(crate) fn permissions_in(&self, of: &Channel, is_thread: bool, user: Snowflake, now_ms: u64) -> u64 {
        let Some(member) = self.members.get(&user) else { return 0 };
        let base = self.permissions(user);
        if base & permission::ADMINISTRATOR != 0 {
            return base;
        }
        let mut held = with_overwrites(base, self.id, member, of);
        if held & permission::VIEW_CHANNEL == 0 {
            return 0;
        }
        let writes = if is_thread { permission::SEND_MESSAGES_IN_THREADS } else { permission::SEND_MESSAGES };
        if held & writes == 0 {
            held &= !NEEDS_WRITING;
        }
        if member.timed_out_until_ms.is_some_and(|until| until > now_ms) { held & TIMED_OUT } else { held }
    }
}

/// Everyone's overwrite, then those of the roles together, then the member's own; what is allowed wins within each.
fn with_overwrites(base: u64, everyone: Snowflake, member: &Member, channel: &Channel) -> u64 {
    let mut held = base;
    let of_roles = || channel.overwrites.iter().filter(|one| !one.of_member);
    if let Some(one) = of_roles().find(|one| one.target == everyone) {
        held = held & !one.deny | one.allow;
    }
    let (allow, deny) = of_roles()
        .filter(|one| one.target != everyone && member.roles.contains(&one.target))
        .fold((0, 0), |(allow, deny), one| (allow | one.allow, deny | one.deny));
    held = held & !deny | allow;
    let own = channel.overwrites.iter().find(|one| one.of_member && one.target == member.user);
    own.map_or(held, |one| held & !one.deny | one.allow)
}

impl State {
    /// What somebody may do in a channel or thread.
    pub(crate) fn permissions_in(&self, channel: &Channel, user: Snowflake) -> u64 {
        let Some(guild) = self.guilds.get(&channel.guild) else { return 0 };
        let is_thread = channel.kind.is_thread();
        let of = match channel.parent {
            Some(parent) if is_thread => self.channels.get(&parent).unwrap_or(channel),
            _ => channel,
        };
        let held = guild.permissions_in(of, is_thread, user, self.clock.now_ms());
        let hidden = channel.kind == crate::world::ChannelKind::PrivateThread
            && held & permission::MANAGE_THREADS == 0
            && channel.thread.as_ref().is_some_and(|thread| thread.owner != user);
        if hidden { 0 } else { held }
    }

    /// The same by a channel's id; nothing for a channel that is not there.
    pub(crate) fn permissions_at(&self, channel: Snowflake, user: Snowflake) -> u64 {
        self.channels.get(&channel).map_or(0, |channel| self.permissions_in(channel, user))
    }

    /// A channel the bot may see, or Discord's refusal.
    pub(crate) fn channel_for_bot(&self, id: Snowflake) -> Result<&Channel, ApiError> {
        let channel = self.channels.get(&id).ok_or_else(ApiError::unknown_channel)?;
        if self.permissions_in(channel, self.application.id) & permission::VIEW_CHANNEL == 0 {
            return Err(ApiError::missing_access());
        }
        Ok(channel)
    }

    /// Refuses when the bot lacks `needed` in a channel.
    pub(crate) fn require(&self, channel: Snowflake, needed: u64) -> Result<(), ApiError> {
        let held = self.permissions_in(self.channel_for_bot(channel)?, self.application.id);
        if held & needed == needed { Ok(()) } else { Err(ApiError::missing_permissions()) }
    }

    /// The permission that writing in a channel takes.
    pub(crate) fn writing(&self, channel: Snowflake) -> u64 {
        match self.channels.get(&channel) {
            Some(channel) if channel.kind.is_thread() => permission::SEND_MESSAGES_IN_THREADS,
            _ => permission::SEND_MESSAGES,
        }
    }

    /// A server the bot is in and may do `needed` on.
    pub(crate) fn require_in_guild(&self, guild: Snowflake, needed: u64) -> Result<&Guild, ApiError> {
        let guild = self.guild_for_bot(guild)?;
        let held = guild.permissions(self.application.id);
        if held & needed == needed { Ok(guild) } else { Err(ApiError::missing_permissions()) }
    }
}
