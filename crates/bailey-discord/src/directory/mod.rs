//! Which channels and roles belong to which server, and what the bot may do there, kept from what the
//! gateway tells. It is the boundary between tenants for actions: a channel that is not here belongs to
//! nobody. It decides nothing, and is bounded by the servers the bot is in.

mod keep;
mod permission;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bailey_protocol::{ChannelId, GuildId, RoleId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use permission::EVERYTHING;
pub use permission::{Overwrite, OverwriteTarget, Permission, Permissions, Role};

/// Threads remembered per server; past this, those made first are forgotten.
const MOST_THREADS: usize = 20_000;
/// Overwrites remembered per channel; Discord has no more.
const MOST_OVERWRITES: usize = 1000;

/// What is known of the bot's servers; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    known: Arc<RwLock<Known>>,
    /// Grows with each change made through this one and its clones.
    revision: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Known {
    guilds: HashMap<GuildId, GuildRecord>,
    channels: HashMap<ChannelId, Channel>,
    own_user: Option<UserId>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct GuildRecord {
    name: String,
    member_count: u64,
    owner: Option<UserId>,
    own: Option<OwnMember>,
    roles: HashMap<RoleId, Role>,
    channels: HashSet<ChannelId>,
    threads: BTreeSet<ChannelId>,
    voice: HashMap<UserId, VoiceState>,
}

/// Where somebody is in voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceState {
    /// In which channel.
    pub channel: ChannelId,
    /// Whether they show their screen.
    pub self_stream: bool,
}

/// A server the bot is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guild {
    /// Its name.
    pub name: String,
    /// How many members it has, bots included.
    pub member_count: u64,
}

/// The bot as a member of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnMember {
    /// Its roles without the one everybody has.
    pub(crate) roles: Vec<RoleId>,
    /// Until when it may only read.
    pub(crate) timed_out_until: Option<Timestamp>,
}

/// A channel or thread the bot can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The server it belongs to.
    pub guild: GuildId,
    /// Its name without `#`.
    pub name: Arc<str>,
    /// Discord's number for its kind: 0 text, 2 voice, 4 category, 11 thread, ...
    pub kind: u8,
    /// The category of a channel, the channel of a thread.
    pub parent: Option<ChannelId>,
    /// What it adds to or takes from roles and members. Threads have none of their own.
    pub overwrites: Arc<[Overwrite]>,
}

impl Channel {
    /// Whether it is a thread, whose channel says who may do what.
    pub fn is_thread(&self) -> bool {
        (10..=12).contains(&self.kind)
    }
}

impl Directory {
    /// An empty one, to be filled by a gateway.
    pub fn new() -> Self {
        Self::default()
    }

    /// The server a channel or thread belongs to.
    pub fn guild_of(&self, channel: ChannelId) -> Option<GuildId> {
        self.read(|known| known.channels.get(&channel).map(|channel| channel.guild))
    }

    /// A channel's name without `#`.
    pub fn channel_name(&self, channel: ChannelId) -> Option<Arc<str>> {
        self.read(|known| known.channels.get(&channel).map(|channel| Arc::clone(&channel.name)))
    }

    /// What is known of a channel.
    pub fn channel(&self, channel: ChannelId) -> Option<Channel> {
        self.read(|known| known.channels.get(&channel).cloned())
    }

    /// What is known of a server.
    pub fn guild(&self, guild: GuildId) -> Option<Guild> {
        self.read(|known| {
            let record = known.guilds.get(&guild)?;
            Some(Guild { name: record.name.clone(), member_count: record.member_count })
        })
    }

    /// The servers the bot is in, ascending.
    pub fn guilds(&self) -> Vec<GuildId> {
        let mut guilds: Vec<GuildId> = self.read(|known| known.guilds.keys().copied().collect());
        guilds.sort_unstable();
        guilds
    }

    /// How many servers the bot is in.
    pub fn guild_count(&self) -> usize {
        self.read(|known| known.guilds.len())
    }

    /// The permission bits a member has on a server by their roles. What single channels add or take
    /// away is not counted. Zero for a server that is not known.
    pub fn permissions(&self, guild: GuildId, user: UserId, roles: &[RoleId]) -> u64 {
        self.read(|known| known.guilds.get(&guild).map_or(0, |record| record.permissions(guild, user, roles)))
    }

    /// What the bot may do server-wide. `None` while too little is known to say.
    pub fn own_permissions(&self, guild: GuildId, now: Timestamp) -> Option<Permissions> {
        self.read(|known| {
            let (record, own, user) = known.own_member(guild)?;
            Some(Permissions(own.limited(record.permissions(guild, user, &own.roles), now)))
        })
    }

    /// What the bot may do in a channel; in a thread, what it may do in the thread's channel. `None`
    /// while too little is known to say.
    pub fn own_permissions_in(&self, channel: ChannelId, now: Timestamp) -> Option<Permissions> {
        self.read(|known| {
            let mut place = known.channels.get(&channel)?;
            if place.is_thread() {
                place = known.channels.get(&place.parent?)?;
            }
            let (record, own, user) = known.own_member(place.guild)?;
            let base = record.permissions(place.guild, user, &own.roles);
            let everyone = RoleId(place.guild.0);
            let bits = permission::in_channel(base, everyone, user, &own.roles, &place.overwrites);
            Some(Permissions(own.limited(bits, now)))
        })
    }

    /// What is known of a role of this server.
    pub fn role(&self, guild: GuildId, role: RoleId) -> Option<Role> {
        self.read(|known| known.guilds.get(&guild)?.roles.get(&role).cloned())
    }

    /// Whether the bot's highest role stands above all of these; a server's owner is above its roles.
    /// `None` while too little is known to say.
    pub fn outranks(&self, guild: GuildId, roles: &[RoleId]) -> Option<bool> {
        self.read(|known| {
            let (record, own, user) = known.own_member(guild)?;
            if record.owner == Some(user) {
                return Some(true);
            }
            let highest = |roles: &[RoleId]| {
                roles.iter().filter_map(|id| Some(permission::rank(*id, record.roles.get(id)?))).max()
            };
            Some(match (highest(&own.roles), highest(roles)) {
                (Some(own), Some(theirs)) => own > theirs,
                (Some(_), None) => true,
                (None, _) => false,
            })
        })
    }

    /// Where somebody is in voice on this server.
    pub fn voice(&self, guild: GuildId, user: UserId) -> Option<VoiceState> {
        self.read(|known| known.guilds.get(&guild)?.voice.get(&user).copied())
    }

    /// Who owns a server.
    pub fn owner(&self, guild: GuildId) -> Option<UserId> {
        self.read(|known| known.guilds.get(&guild)?.owner)
    }

    /// The bot's own user.
    pub fn own_user(&self) -> Option<UserId> {
        self.read(|known| known.own_user)
    }

    pub(crate) fn put_own_user(&self, user: UserId) {
        self.write(|known| known.own_user = Some(user));
    }

    /// Remembers the bot's own roles on a known server.
    pub(crate) fn put_own_member(&self, guild: GuildId, own: OwnMember) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.own = Some(own);
            }
        });
    }

    pub(crate) fn put_guild(&self, guild: GuildId, name: String, member_count: u64, owner: Option<UserId>) {
        self.write(|known| {
            known.forget(guild);
            let record = GuildRecord { name, member_count, owner, ..GuildRecord::default() };
            known.guilds.insert(guild, record);
        });
    }

    pub(crate) fn rename_guild(&self, guild: GuildId, name: String, owner: Option<UserId>) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.name = name;
                record.owner = owner.or(record.owner);
            }
        });
    }

    pub(crate) fn remove_guild(&self, guild: GuildId) {
        self.write(|known| known.forget(guild));
    }

    /// Counts members in (`1`) or out (`-1`).
    pub(crate) fn count_members(&self, guild: GuildId, by: i64) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.member_count = record.member_count.saturating_add_signed(by);
            }
        });
    }

    /// Remembers where somebody is in voice on a known server, or that they left.
    pub(crate) fn put_voice(&self, guild: GuildId, user: UserId, state: Option<VoiceState>) {
        self.write(|known| {
            let Some(record) = known.guilds.get_mut(&guild) else { return };
            match state {
                Some(state) => record.voice.insert(user, state),
                None => record.voice.remove(&user),
            };
        });
    }

    pub(crate) fn put_role(&self, guild: GuildId, id: RoleId, role: Role) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.roles.insert(id, role);
            }
        });
    }

    pub(crate) fn remove_role(&self, guild: GuildId, role: RoleId) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.roles.remove(&role);
                if let Some(own) = &mut record.own {
                    own.roles.retain(|held| *held != role);
                }
            }
        });
    }

    /// Remembers a channel of a known server; one of an unknown server is left out.
    pub(crate) fn put_channel(&self, id: ChannelId, mut channel: Channel) {
        if channel.overwrites.len() > MOST_OVERWRITES {
            channel.overwrites = channel.overwrites[..MOST_OVERWRITES].into();
        }
        self.write(|known| {
            let Some(record) = known.guilds.get_mut(&channel.guild) else { return };
            let thread = channel.is_thread();
            known.channels.insert(id, channel);
            if !thread {
                record.channels.insert(id);
                return;
            }
            record.threads.insert(id);
            if record.threads.len() > MOST_THREADS
                && let Some(oldest) = record.threads.pop_first()
            {
                known.channels.remove(&oldest);
            }
        });
    }

    pub(crate) fn remove_channel(&self, id: ChannelId) {
        self.write(|known| {
            let Some(channel) = known.channels.remove(&id) else { return };
            if let Some(record) = known.guilds.get_mut(&channel.guild) {
                record.channels.remove(&id);
                record.threads.remove(&id);
            }
        });
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        self.revision.fetch_add(1, Ordering::Relaxed);
    }
}

impl Known {
    fn own_member(&self, guild: GuildId) -> Option<(&GuildRecord, &OwnMember, UserId)> {
        let record = self.guilds.get(&guild)?;
        Some((record, record.own.as_ref()?, self.own_user?))
    }

    fn forget(&mut self, guild: GuildId) {
        let Some(record) = self.guilds.remove(&guild) else { return };
        for channel in record.channels.iter().chain(&record.threads) {
            self.channels.remove(channel);
        }
    }
}

impl GuildRecord {
    /// What roles and ownership allow.
    fn permissions(&self, guild: GuildId, user: UserId, roles: &[RoleId]) -> u64 {
        if self.owner == Some(user) {
            return EVERYTHING;
        }
        let bits = |role: &RoleId| self.roles.get(role).map_or(0, |role| role.permissions);
        permission::of_roles(bits(&RoleId(guild.0)), roles.iter().map(bits))
    }
}

impl OwnMember {
    fn limited(&self, bits: u64, now: Timestamp) -> u64 {
        let timed_out = self.timed_out_until.is_some_and(|end| end > now);
        if timed_out { permission::timed_out(bits) } else { bits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: GuildId = GuildId(1);

    fn directory() -> Directory {
        let directory = Directory::new();
        directory.put_guild(HOME, "Home".to_owned(), 3, Some(UserId(7)));
        directory
    }

    fn channel(guild: GuildId, kind: u8) -> Channel {
        Channel { guild, name: "general".into(), kind, parent: None, overwrites: Arc::from([]) }
    }

    #[test]
    fn channels_go_with_their_server() {
        let directory = directory();
        directory.put_channel(ChannelId(10), channel(HOME, 0));
        directory.put_channel(ChannelId(11), channel(HOME, 11));
        assert_eq!(directory.guild_of(ChannelId(10)), Some(HOME));
        assert_eq!(directory.channel_name(ChannelId(11)).as_deref(), Some("general"));
        directory.remove_guild(HOME);
        assert_eq!(directory.guild_of(ChannelId(10)), None);
        assert_eq!(directory.guild_of(ChannelId(11)), None);
        assert_eq!(directory.guild_count(), 0);
    }

    #[test]
    fn channels_of_unknown_servers_belong_to_nobody() {
        let directory = directory();
        directory.put_channel(ChannelId(10), channel(GuildId(2), 0));
        assert_eq!(directory.guild_of(ChannelId(10)), None);
    }

    #[test]
    fn threads_are_bounded_and_the_oldest_give_way() {
        let directory = directory();
        for id in 1..=(MOST_THREADS as u64 + 5) {
            directory.put_channel(ChannelId(100 + id), channel(HOME, 11));
        }
        assert_eq!(directory.guild_of(ChannelId(105)), None);
        assert_eq!(directory.guild_of(ChannelId(106)), Some(HOME));
        assert_eq!(directory.read(|known| known.channels.len()), MOST_THREADS);
    }

    #[test]
    fn permissions_come_from_roles_and_ownership() {
        let directory = directory();
        directory.put_role(HOME, RoleId(1), role(0b1, 0));
        directory.put_role(HOME, RoleId(5), role(0b10000, 1));
        directory.put_role(HOME, RoleId(6), role(Permission::Administrator.bit(), 2));
        assert_eq!(directory.permissions(HOME, UserId(8), &[]), 0b1);
        assert_eq!(directory.permissions(HOME, UserId(8), &[RoleId(5)]), 0b10001);
        assert_eq!(directory.permissions(HOME, UserId(8), &[RoleId(6)]), EVERYTHING);
        assert_eq!(directory.permissions(HOME, UserId(7), &[]), EVERYTHING);
        assert_eq!(directory.permissions(GuildId(9), UserId(7), &[]), 0);
    }

    fn role(permissions: u64, position: i64) -> Role {
        Role { permissions, position, ..Role::default() }
    }

    /// The bot is user 50 with the role 5, which sees and writes.
    fn with_bot(until: Option<Timestamp>) -> Directory {
        let directory = directory();
        let seeing = Permission::ViewChannel.bit() | Permission::SendMessages.bit();
        directory.put_role(HOME, RoleId(1), role(0, 0));
        directory.put_role(HOME, RoleId(5), role(seeing, 3));
        directory.put_own_user(UserId(50));
        directory.put_own_member(HOME, OwnMember { roles: vec![RoleId(5)], timed_out_until: until });
        directory
    }

    #[test]
    fn threads_are_as_open_as_their_channel() {
        let directory = with_bot(None);
        let deny = Permission::SendMessages.bit();
        let target = OverwriteTarget::Role(RoleId(5));
        let overwrites = Arc::from([Overwrite { target, allow: 0, deny }]);
        directory.put_channel(ChannelId(10), Channel { overwrites, ..channel(HOME, 0) });
        directory.put_channel(ChannelId(11), Channel { parent: Some(ChannelId(10)), ..channel(HOME, 11) });
        directory.put_channel(ChannelId(12), Channel { parent: Some(ChannelId(99)), ..channel(HOME, 11) });
        for place in [10, 11] {
            let held = directory.own_permissions_in(ChannelId(place), Timestamp(0)).unwrap();
            assert_eq!(held, Permissions(Permission::ViewChannel.bit()));
        }
        assert_eq!(directory.own_permissions_in(ChannelId(12), Timestamp(0)), None);
        assert!(directory.own_permissions(HOME, Timestamp(0)).unwrap().contains(Permission::SendMessages));
    }

    #[test]
    fn a_timeout_counts_until_it_ends() {
        let directory = with_bot(Some(Timestamp(1000)));
        let may_write =
            |now| directory.own_permissions(HOME, Timestamp(now)).unwrap().contains(Permission::SendMessages);
        assert!(!may_write(999));
        assert!(may_write(1000));
    }

    #[test]
    fn ranks_decide_by_the_highest_role() {
        let directory = with_bot(None);
        directory.put_role(HOME, RoleId(6), role(0, 2));
        directory.put_role(HOME, RoleId(7), role(0, 4));
        assert_eq!(directory.outranks(HOME, &[]), Some(true));
        assert_eq!(directory.outranks(HOME, &[RoleId(6)]), Some(true));
        assert_eq!(directory.outranks(HOME, &[RoleId(6), RoleId(7)]), Some(false));
        assert_eq!(directory.outranks(HOME, &[RoleId(5)]), Some(false));
        directory.remove_role(HOME, RoleId(5));
        assert_eq!(directory.outranks(HOME, &[RoleId(6)]), Some(false));
    }

    #[test]
    fn nothing_is_said_of_the_bot_before_it_is_known() {
        let directory = directory();
        assert_eq!(directory.own_permissions(HOME, Timestamp(0)), None);
        assert_eq!(directory.outranks(HOME, &[]), None);
    }
}
