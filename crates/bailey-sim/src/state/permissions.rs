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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use indexmap::IndexMap;
    use proptest::prelude::*;
    use twilight_model::channel::ChannelType;
    use twilight_model::channel::permission_overwrite::{PermissionOverwrite, PermissionOverwriteType};
    use twilight_model::guild::Permissions;
    use twilight_model::id::Id;
    use twilight_util::permission_calculator::PermissionCalculator;

    use super::super::model::{Overwrite, Role};
    use super::*;
    use crate::world::{ChannelKind, WorldChannel};

    const GUILD: Snowflake = Snowflake(1);
    const SOMEBODY: Snowflake = Snowflake(50);

    /// Few administrators: they end every question.
    fn bits() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..20_u8).prop_map(|(bits, chance)| {
            let known = bits & Permissions::all().bits();
            if chance == 0 { known } else { known & !permission::ADMINISTRATOR }
        })
    }

    /// At most one for each role and member, as Discord keeps them.
    fn overwrites() -> impl Strategy<Value = Vec<Overwrite>> {
        let one = (prop_oneof![1..6_u64, 49..52_u64], bits(), bits());
        proptest::collection::vec(one, 0..6).prop_map(|all| {
            let by_target: BTreeMap<u64, (u64, u64)> =
                all.into_iter().map(|(target, allow, deny)| (target, (allow, deny & !allow))).collect();
            let overwrite = |(target, (allow, deny))| Overwrite {
                target: Snowflake(target),
                of_member: target > 40,
                allow,
                deny,
            };
            by_target.into_iter().map(overwrite).collect()
        })
    }

    fn guild(everyone: u64, roles: &BTreeMap<u64, u64>) -> Guild {
        let mut all = vec![Role::named(GUILD, "@everyone", everyone, 0)];
        all.extend((1..).zip(roles).map(|(at, (id, bits))| Role::named(Snowflake(*id), "", *bits, at)));
        let held = roles.keys().map(|id| Snowflake(*id)).collect();
        Guild {
            id: GUILD,
            name: String::new(),
            owner: Snowflake(99),
            icon: None,
            roles: all,
            members: IndexMap::from([(SOMEBODY, Member::new(SOMEBODY, held, 0))]),
            channels: Vec::new(),
            threads: Vec::new(),
            bans: IndexMap::new(),
            voice: IndexMap::new(),
        }
    }

    fn theirs(everyone: u64, roles: &BTreeMap<u64, u64>, overwrites: &[Overwrite]) -> (u64, u64) {
        let roles: Vec<_> =
            roles.iter().map(|(id, bits)| (Id::new(*id), Permissions::from_bits_truncate(*bits))).collect();
        let overwrites: Vec<_> = overwrites
            .iter()
            .map(|one| PermissionOverwrite {
                allow: Permissions::from_bits_truncate(one.allow),
                deny: Permissions::from_bits_truncate(one.deny),
                id: Id::new(one.target.0),
                kind: if one.of_member {
                    PermissionOverwriteType::Member
                } else {
                    PermissionOverwriteType::Role
                },
            })
            .collect();
        let everyone = Permissions::from_bits_truncate(everyone);
        let calculator = PermissionCalculator::new(Id::new(GUILD.0), Id::new(SOMEBODY.0), everyone, &roles);
        // A category: of other kinds the calculator takes away what it thinks has no place there.
        (calculator.root().bits(), calculator.in_channel(ChannelType::GuildCategory, &overwrites).bits())
    }

    proptest! {
        #[test]
        fn they_are_what_another_calculator_says(
            everyone in bits(),
            roles in proptest::collection::btree_map(2..6_u64, bits(), 0..4),
            overwrites in overwrites(),
        ) {
            let guild = guild(everyone, &roles);
            let (root, there) = theirs(everyone, &roles, &overwrites);
            let known = Permissions::all().bits();
            let base = guild.permissions(SOMEBODY);
            prop_assert_eq!(base & known, root);
            let seed = WorldChannel { id: Snowflake(7), name: String::new(), kind: ChannelKind::Text };
            let channel = Channel { overwrites, ..Channel::new(&seed, GUILD, 0) };
            let here = guild.permissions_in(&channel, false, SOMEBODY, 0);
            prop_assert_eq!(here & permission::VIEW_CHANNEL, there & permission::VIEW_CHANNEL);
            if here & permission::VIEW_CHANNEL != 0 {
                // Theirs leaves out what only counts server-wide, and keeps what needs writing where nobody writes.
                let server_wide = [1, 2, 3, 5, 7, 19, 26, 27, 30].iter().fold(0_u64, |all, bit| all | 1 << bit);
                let compared = if base == permission::ALL { known } else { known & !server_wide };
                let unsure = if here & permission::SEND_MESSAGES == 0 { NEEDS_WRITING } else { 0 };
                prop_assert_eq!(here & compared & !unsure, there & compared & !unsure);
                prop_assert_eq!(here & unsure, 0);
            }
        }
    }
}
