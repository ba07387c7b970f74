//! Everything that is true in the simulated Discord right now, behind one lock, so that all that happens has one
//! order. The methods in this folder change it and tell the gateway sessions and the feed; none of them waits.

pub(crate) mod audit;
pub(crate) mod channels;
pub(crate) mod commands;
pub(crate) mod dispatch_faults;
pub(crate) mod feed;
pub(crate) mod interactions;
pub(crate) mod logins;
pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod model;
pub(crate) mod moderation;
pub(crate) mod permissions;
pub(crate) mod render;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod threads;
pub(crate) mod voice;
pub(crate) mod webhooks;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use indexmap::IndexMap;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, watch};

use crate::cdn;
use crate::clock::{Clock, Snowflake, SnowflakeMaker};
use crate::endpoint::{self, Delivery};
use crate::error::ApiError;
use crate::recording::recorder::Recorder;
use crate::world::World;
use audit::AuditLog;
use commands::CommandBook;
use dispatch_faults::DispatchFaults;
use feed::Feed;
use interactions::Interactions;
use logins::Logins;
use model::{Application, Channel, Guild, Member, Role, User};
use sessions::Sessions;
use webhooks::Webhook;

/// Files kept for download, in bytes; the oldest give way.
const MOST_FILE_BYTES: usize = 64 * 1024 * 1024;

/// The whole simulated Discord.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Arc<Clock>,
    pub(crate) recorder: Arc<Recorder>,
    ids: SnowflakeMaker,
    random: StdRng,
    pub(crate) http_base: String,
    pub(crate) application: Application,
    pub(crate) users: IndexMap<Snowflake, User>,
    pub(crate) guilds: IndexMap<Snowflake, Guild>,
    pub(crate) channels: IndexMap<Snowflake, Channel>,
    pub(crate) commands: CommandBook,
    pub(crate) interactions: Interactions,
    pub(crate) logins: Logins,
    pub(crate) sessions: Sessions,
    pub(crate) dispatch_faults: DispatchFaults,
    pub(crate) feed: Feed,
    nonces: VecDeque<(String, Snowflake, Snowflake)>,
    files: FileStore,
    /// Whether people and servers have pictures.
    pictures: bool,
    pub(crate) audit: AuditLog,
    pub(crate) webhooks: IndexMap<Snowflake, Webhook>,
    /// Signs what is sent to the bot's endpoint.
    pub(crate) key: SigningKey,
    /// Where the bot wants interactions sent, instead of the gateway.
    pub(crate) endpoint: Option<String>,
    pub(crate) deliveries: Option<mpsc::UnboundedSender<Delivery>>,
}

impl State {
    pub(crate) fn new(
        world: &World,
        clock: Arc<Clock>,
        seed: u64,
        http_base: String,
        feed_changed: watch::Sender<u64>,
    ) -> Self {
        let recorder = Recorder::new(Arc::clone(&clock), seed, world.application.id, &http_base);
        recorder.learn("bot", &world.application.token);
        recorder.learn("client", &world.application.client_secret);
        let mut state = Self {
            clock,
            recorder: Arc::new(recorder),
            ids: SnowflakeMaker::default(),
            random: StdRng::seed_from_u64(seed),
            http_base,
            application: Application::from(&world.application),
            users: IndexMap::new(),
            guilds: IndexMap::new(),
            channels: IndexMap::new(),
            commands: CommandBook::default(),
            interactions: Interactions::default(),
            logins: Logins::new(world.application.redirect_uris.clone()),
            sessions: Sessions::default(),
            dispatch_faults: DispatchFaults::default(),
            feed: Feed::new(feed_changed),
            nonces: VecDeque::new(),
            files: FileStore::default(),
            pictures: world.pictures,
            audit: AuditLog::default(),
            webhooks: IndexMap::new(),
            key: endpoint::key(seed),
            endpoint: None,
            deliveries: None,
        };
        state.populate(world);
        state
    }

    fn populate(&mut self, world: &World) {
        let picture = |id| world.pictures.then(|| cdn::hash_of(id));
        let (id, name) = (world.application.id, world.application.name.clone());
        let bot = User { id, name, bot: true, avatar: picture(id) };
        self.users.insert(bot.id, bot);
        for person in &world.people {
            self.users.insert(
                person.id,
                User { id: person.id, name: person.name.clone(), bot: false, avatar: picture(person.id) },
            );
        }
        for seed in &world.guilds {
            let mut roles = vec![Role::everyone(seed.id)];
            for (position, role) in (1..).zip(&seed.roles) {
                roles.push(Role::named(role.id, &role.name, role.permissions, position));
            }
            let mut members = IndexMap::new();
            for (name, held) in &seed.members {
                let Some(id) = self.users.values().find(|user| user.name == *name).map(|user| user.id) else {
                    continue;
                };
                let held =
                    seed.roles.iter().filter(|role| held.contains(&role.name)).map(|role| role.id).collect();
                members.insert(id, Member::new(id, held, seed.id.created_ms()));
            }
            if let Some(permissions) = seed.bot_permissions {
                let position = i64::try_from(roles.len()).unwrap_or(i64::MAX);
                let mut role = Role::named(seed.bot_role, &world.application.name, permissions, position);
                role.bot = Some(world.application.id);
                roles.push(role);
                let bot = Member::new(world.application.id, vec![seed.bot_role], seed.id.created_ms());
                members.insert(bot.user, bot);
            }
            for (position, channel) in (0..).zip(&seed.channels) {
                self.channels.insert(channel.id, Channel::new(channel, seed.id, position));
            }
            let owner = self
                .users
                .values()
                .find(|user| user.name == seed.owner)
                .map_or(world.application.id, |user| user.id);
            let channels = seed.channels.iter().map(|channel| channel.id).collect();
            let (threads, bans, voice) = Default::default();
            let guild = Guild {
                id: seed.id,
                name: seed.name.clone(),
                owner,
                icon: picture(seed.id),
                roles,
                members,
                channels,
                threads,
                bans,
                voice,
            };
            self.guilds.insert(guild.id, guild);
        }
    }

    pub(crate) fn new_id(&mut self) -> Snowflake {
        self.ids.next(self.clock.now_ms())
    }

    /// Lets Discord's clock run ahead of ours by so much, or behind.
    pub(crate) fn set_skew(&mut self, skew_ms: i64) {
        self.clock.set_skew(skew_ms);
        self.ids.clock_was_set();
    }

    /// The hash of a new picture, in a world that has pictures.
    fn picture(&self, id: Snowflake) -> Option<String> {
        self.pictures.then(|| cdn::hash_of(id))
    }

    /// `bytes` random bytes in hexadecimal, from the seed.
    pub(crate) fn random_hex(&mut self, bytes: usize) -> String {
        (0..bytes).map(|_| format!("{:02x}", self.random.next_u32() & 0xff)).collect()
    }

    /// The servers the bot is in.
    pub(crate) fn bot_guilds(&self) -> impl Iterator<Item = &Guild> {
        self.guilds.values().filter(|guild| guild.members.contains_key(&self.application.id))
    }

    /// A guild the bot may see, or Discord's refusal.
    pub(crate) fn guild_for_bot(&self, id: Snowflake) -> Result<&Guild, ApiError> {
        let guild = self.guilds.get(&id).ok_or_else(ApiError::unknown_guild)?;
        if guild.members.contains_key(&self.application.id) {
            Ok(guild)
        } else {
            Err(ApiError::missing_access())
        }
    }

    pub(crate) fn keep_file(&mut self, id: Snowflake, content_type: &str, bytes: bytes::Bytes) {
        self.files.keep(id, content_type, bytes);
    }

    pub(crate) fn file(&self, id: Snowflake) -> Option<(String, bytes::Bytes)> {
        self.files.kept.get(&id).cloned()
    }
}

/// Uploaded files by attachment id.
#[derive(Debug, Default)]
struct FileStore {
    kept: BTreeMap<Snowflake, (String, bytes::Bytes)>,
    total: usize,
}

impl FileStore {
    fn keep(&mut self, id: Snowflake, content_type: &str, bytes: bytes::Bytes) {
        self.total += bytes.len();
        self.kept.insert(id, (content_type.to_owned(), bytes));
        while self.total > MOST_FILE_BYTES {
            let Some((_, (_, oldest))) = self.kept.pop_first() else { break };
            self.total -= oldest.len();
        }
    }
}
