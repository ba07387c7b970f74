//! Which channels belong to which server, kept from what the gateway tells. It is the boundary
//! between tenants for sends: a channel that is not here belongs to nobody. It decides nothing, and
//! is bounded by the servers the bot is in.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use bailey_protocol::{ChannelId, GuildId, RoleId, UserId};

/// Threads remembered per server; past this, those made first are forgotten.
const MOST_THREADS: usize = 20_000;
/// The permission that includes all others.
const ADMINISTRATOR: u64 = 1 << 3;
/// Every permission Discord defines today.
const EVERYTHING: u64 = (1 << 53) - 1;

/// What is known of the bot's servers; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    known: Arc<RwLock<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    guilds: HashMap<GuildId, GuildRecord>,
    channels: HashMap<ChannelId, Channel>,
}

#[derive(Debug, Default)]
struct GuildRecord {
    name: String,
    member_count: u64,
    owner: Option<UserId>,
    roles: HashMap<RoleId, u64>,
    channels: HashSet<ChannelId>,
    threads: BTreeSet<ChannelId>,
}

/// A server the bot is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guild {
    /// Its name.
    pub name: String,
    /// How many members it has, bots included.
    pub member_count: u64,
}

/// A channel or thread the bot can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The server it belongs to.
    pub guild: GuildId,
    /// Its name without `#`.
    pub name: Arc<str>,
    /// Discord's number for its kind: 0 text, 2 voice, 4 category, 11 thread, ...
    pub kind: u8,
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
        self.read(|known| {
            let Some(record) = known.guilds.get(&guild) else { return 0 };
            let bits = |role: &RoleId| record.roles.get(role).copied().unwrap_or(0);
            let own = roles.iter().fold(bits(&RoleId(guild.0)), |all, role| all | bits(role));
            if record.owner == Some(user) || own & ADMINISTRATOR != 0 { EVERYTHING } else { own }
        })
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

    /// Forgets the servers that are not among these: the bot was removed while it was away.
    pub(crate) fn keep_only(&self, guilds: &HashSet<GuildId>) {
        for gone in self.guilds().into_iter().filter(|guild| !guilds.contains(guild)) {
            self.remove_guild(gone);
        }
    }

    /// Counts members in (`1`) or out (`-1`).
    pub(crate) fn count_members(&self, guild: GuildId, by: i64) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.member_count = record.member_count.saturating_add_signed(by);
            }
        });
    }

    pub(crate) fn put_role(&self, guild: GuildId, role: RoleId, permissions: u64) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.roles.insert(role, permissions);
            }
        });
    }

    pub(crate) fn remove_role(&self, guild: GuildId, role: RoleId) {
        self.write(|known| {
            if let Some(record) = known.guilds.get_mut(&guild) {
                record.roles.remove(&role);
            }
        });
    }

    /// Remembers a channel of a known server; one of an unknown server is left out.
    pub(crate) fn put_channel(&self, id: ChannelId, channel: Channel) {
        self.write(|known| {
            let Some(record) = known.guilds.get_mut(&channel.guild) else { return };
            let thread = is_thread(channel.kind);
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
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Known {
    fn forget(&mut self, guild: GuildId) {
        let Some(record) = self.guilds.remove(&guild) else { return };
        for channel in record.channels.iter().chain(&record.threads) {
            self.channels.remove(channel);
        }
    }
}

fn is_thread(kind: u8) -> bool {
    (10..=12).contains(&kind)
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
        Channel { guild, name: "general".into(), kind }
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
        directory.put_role(HOME, RoleId(1), 0b1);
        directory.put_role(HOME, RoleId(5), 0b10000);
        directory.put_role(HOME, RoleId(6), ADMINISTRATOR);
        assert_eq!(directory.permissions(HOME, UserId(8), &[]), 0b1);
        assert_eq!(directory.permissions(HOME, UserId(8), &[RoleId(5)]), 0b10001);
        assert_eq!(directory.permissions(HOME, UserId(8), &[RoleId(6)]), EVERYTHING);
        assert_eq!(directory.permissions(HOME, UserId(7), &[]), EVERYTHING);
        assert_eq!(directory.permissions(GuildId(9), UserId(7), &[]), 0);
    }
}
