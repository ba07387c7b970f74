//! Every `discord.*` method in four situations: it works and leaves its trace on the server; the plugin
//! lacks the capability; what it names belongs to another server; the bot lacks the permission. A method
//! without its row fails.

use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{
    BotToken, Directory, DiscordConfig, Endpoints, Gateway, GatewayState, Permission, Rest,
};
use bailey_host::{Answer, Caller, Calls};
use bailey_protocol::{
    CallError, Capability, ChannelId, Clock, Event, Grants, GuildId, Method, Params, Tenant,
};
use bailey_services::audit::{AuditEntry, AuditQuery};
use bailey_services::{Audit, Database, DatabaseOptions, Services, ServicesOptions, Sql};
use bailey_sim::world::permission;
use bailey_sim::{ClockMode, Control, Say, Sight, SimConfig, Simulator, World};
use bailey_store::testing::{shared_cluster, unique_schema};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::HandClock;

/// How long anything that should happen may take.
const SOON: Duration = Duration::from_secs(20);

/// What to know of one method.
struct Row {
    /// What a plugin must hold.
    capability: Capability,
    /// What the bot must hold; `None` when everybody may.
    permission: Option<Permission>,
    /// Parameters with which it works.
    works: Parameters,
    /// What people see of it then, in order.
    seen: &'static [&'static str],
    /// What becomes of things of another server.
    foreign: Foreign,
}

/// What becomes of things of another server.
enum Foreign {
    /// The parameter of this name is refused, and Discord is not told to do anything.
    Refused(&'static str, Parameters),
    /// Discord itself says that there is none here.
    Unknown(Parameters),
    /// Each is refused on its own, by this rule.
    Each(Parameters),
    /// It works, and on this server only.
    Here(Parameters),
    /// The method names nothing; what it returns is of this server.
    NamesNothing,
}

const WHY: &str = "because";

/// A row's parts in their order.
type Parts = (Capability, Option<Permission>, Parameters, &'static [&'static str], Foreign);
/// Parameters of a call, made for the stage.
type Parameters = fn(&Stage) -> Value;

fn row(method: Method) -> Row {
    use Capability as C;
    use Foreign::{Each, Here, NamesNothing, Refused, Unknown};
    let (capability, permission, works, seen, foreign): Parts = match method {
        Method::DiscordSendMessage => (
            C::DiscordSendMessage,
            Some(Permission::SendMessages),
            |on| json!({"channel_id": on.general, "content": "hello"}),
            &["posted hello"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "content": "hello"})),
        ),
        Method::DiscordEditMessage => (
            C::DiscordEditMessage,
            Some(Permission::ViewChannel),
            |on| json!({"channel_id": on.general, "message_id": on.own, "content": "better"}),
            &["edited better"],
            Refused(
                "channel_id",
                |on| json!({"channel_id": on.far, "message_id": on.far_message, "content": "better"}),
            ),
        ),
        Method::DiscordDeleteMessage => (
            C::DiscordDeleteMessage,
            Some(Permission::ManageMessages),
            |on| json!({"channel_id": on.general, "message_id": on.alices}),
            &["deleted a message in general (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "message_id": on.far_message})),
        ),
        Method::DiscordBulkDeleteMessages => (
            C::DiscordDeleteMessage,
            Some(Permission::ManageMessages),
            |on| json!({"channel_id": on.general, "message_ids": [on.own, on.alices]}),
            &["deleted messages in general (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "message_ids": [on.far_message, 5]})),
        ),
        Method::DiscordAddReaction => (
            C::DiscordAddReaction,
            Some(Permission::AddReactions),
            |on| json!({"channel_id": on.general, "message_id": on.alices, "emoji": "👍"}),
            &["reacted 👍"],
            Refused(
                "channel_id",
                |on| json!({"channel_id": on.far, "message_id": on.far_message, "emoji": "👍"}),
            ),
        ),
        Method::DiscordPinMessage => (
            C::DiscordSendMessage,
            Some(Permission::PinMessages),
            |on| json!({"channel_id": on.general, "message_id": on.own}),
            &["pinned a message in general (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "message_id": on.far_message})),
        ),
        Method::DiscordUnpinMessage => (
            C::DiscordSendMessage,
            Some(Permission::PinMessages),
            |on| json!({"channel_id": on.general, "message_id": on.pinned}),
            &["unpinned a message in general (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "message_id": on.far_message})),
        ),
        Method::DiscordGetMember => (
            C::DiscordRead,
            None,
            |on| json!({"user_id": on.carol}),
            &[],
            Unknown(|on| json!({"user_id": on.dave})),
        ),
        Method::DiscordListMembers => (
            C::DiscordRead,
            None,
            |_| json!({}),
            &[],
            Refused("role_id", |on| json!({"role_id": on.far_role})),
        ),
        Method::DiscordSearchMembers => (C::DiscordRead, None, |_| json!({"query": "a"}), &[], NamesNothing),
        Method::DiscordListRoles | Method::DiscordListChannels | Method::DiscordGetGuild => {
            (C::DiscordRead, None, |_| json!({}), &[], NamesNothing)
        }
        Method::DiscordGetChannel => (
            C::DiscordRead,
            Some(Permission::ViewChannel),
            |on| json!({"channel_id": on.general}),
            &[],
            Refused("channel_id", |on| json!({"channel_id": on.far})),
        ),
        Method::DiscordGetMessages => (
            C::DiscordRead,
            Some(Permission::ReadMessageHistory),
            |on| json!({"channel_id": on.general}),
            &[],
            Refused("channel_id", |on| json!({"channel_id": on.far})),
        ),
        Method::DiscordCreateChannel => (
            C::DiscordManageChannels,
            Some(Permission::ManageChannels),
            |_| json!({"name": "news", "topic": "what is new"}),
            &["created the channel news (plugin demo)"],
            Refused("category_id", |on| json!({"name": "news", "category_id": on.far})),
        ),
        Method::DiscordEditChannel => (
            C::DiscordManageChannels,
            Some(Permission::ManageChannels),
            |on| json!({"channel_id": on.general, "name": "common"}),
            &["changed the channel common (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "name": "common"})),
        ),
        Method::DiscordDeleteChannel => (
            C::DiscordManageChannels,
            Some(Permission::ManageChannels),
            |on| json!({"channel_id": on.general}),
            &["deleted the channel general (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far})),
        ),
        Method::DiscordSetChannelPermissions => (
            C::DiscordManageChannels,
            Some(Permission::ManageRoles),
            |on| json!({"channel_id": on.general, "target_id": on.moderator, "allow": "2048"}),
            &["set permissions in general (plugin demo)"],
            Refused(
                "target_id",
                |on| json!({"channel_id": on.general, "target_id": on.far_role, "allow": "2048"}),
            ),
        ),
        Method::DiscordDeleteChannelPermission => (
            C::DiscordManageChannels,
            Some(Permission::ManageRoles),
            |on| json!({"channel_id": on.random, "target_id": on.moderator}),
            &["removed permissions in random (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "target_id": on.far_role})),
        ),
        Method::DiscordCreateThread => (
            C::DiscordManageChannels,
            Some(Permission::CreatePrivateThreads),
            |on| json!({"channel_id": on.general, "name": "aside", "thread_type": 12}),
            &["began the thread aside (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "name": "aside"})),
        ),
        Method::DiscordEditThread => (
            C::DiscordManageChannels,
            Some(Permission::ManageThreads),
            |on| json!({"thread_id": on.thread, "locked": true}),
            &["changed the thread talk (plugin demo)"],
            Refused("thread_id", |on| json!({"thread_id": on.far_thread, "archived": true})),
        ),
        Method::DiscordTimeoutMember => (
            C::DiscordModerateMembers,
            Some(Permission::ModerateMembers),
            |on| json!({"user_id": on.carol, "duration_seconds": 60, "reason": WHY}),
            &["changed the member carol (plugin demo: because)"],
            Refused("user_id", |on| json!({"user_id": on.dave, "duration_seconds": 60})),
        ),
        Method::DiscordTimeoutBulk => (
            C::DiscordModerateMembers,
            Some(Permission::ModerateMembers),
            |on| json!({"user_ids": [on.carol], "duration_seconds": 60, "reason": WHY}),
            &["changed the member carol (plugin demo: because)"],
            Each(|on| json!({"user_ids": [on.dave], "duration_seconds": 60})),
        ),
        Method::DiscordSetNickname => (
            C::DiscordModerateMembers,
            Some(Permission::ManageNicknames),
            |on| json!({"user_id": on.carol, "nickname": "Caro"}),
            &["changed the member carol (plugin demo)"],
            Refused("user_id", |on| json!({"user_id": on.dave, "nickname": "Caro"})),
        ),
        Method::DiscordKickMember => (
            C::DiscordKickMembers,
            Some(Permission::KickMembers),
            |on| json!({"user_id": on.carol, "reason": WHY}),
            &["kicked carol (plugin demo: because)"],
            Refused("user_id", |on| json!({"user_id": on.dave})),
        ),
        Method::DiscordKickBulk => (
            C::DiscordKickMembers,
            Some(Permission::KickMembers),
            |on| json!({"user_ids": [on.carol, on.bob], "reason": WHY}),
            &["kicked carol (plugin demo: because)", "kicked bob (plugin demo: because)"],
            Each(|on| json!({"user_ids": [on.dave]})),
        ),
        Method::DiscordBanMember => (
            C::DiscordBanMembers,
            Some(Permission::BanMembers),
            |on| json!({"user_id": on.carol, "reason": WHY}),
            &["banned carol (plugin demo: because)"],
            // Somebody who is not here can be kept from coming.
            Here(|on| json!({"user_id": on.dave})),
        ),
        Method::DiscordUnbanMember => (
            C::DiscordBanMembers,
            Some(Permission::BanMembers),
            |on| json!({"user_id": on.eve, "reason": WHY}),
            &["unbanned eve (plugin demo: because)"],
            // Banned elsewhere is not banned here.
            Unknown(|on| json!({"user_id": on.frank})),
        ),
        Method::DiscordAddRole => (
            C::DiscordManageRoles,
            Some(Permission::ManageRoles),
            |on| json!({"user_id": on.carol, "role_id": on.moderator, "reason": WHY}),
            &["changed the roles of carol (plugin demo: because)"],
            Refused("role_id", |on| json!({"user_id": on.carol, "role_id": on.far_role})),
        ),
        Method::DiscordRemoveRole => (
            C::DiscordManageRoles,
            Some(Permission::ManageRoles),
            |on| json!({"user_id": on.bob, "role_id": on.moderator, "reason": WHY}),
            &["changed the roles of bob (plugin demo: because)"],
            Refused("user_id", |on| json!({"user_id": on.dave, "role_id": on.moderator})),
        ),
        Method::DiscordAddRoleBulk => (
            C::DiscordManageRoles,
            Some(Permission::ManageRoles),
            |on| json!({"user_ids": [on.carol], "role_id": on.moderator, "reason": WHY}),
            &["changed the roles of carol (plugin demo: because)"],
            Each(|on| json!({"user_ids": [on.dave], "role_id": on.moderator})),
        ),
        Method::DiscordRemoveRoleBulk => (
            C::DiscordManageRoles,
            Some(Permission::ManageRoles),
            |on| json!({"user_ids": [on.bob], "role_id": on.moderator, "reason": WHY}),
            &["changed the roles of bob (plugin demo: because)"],
            Refused("role_id", |on| json!({"user_ids": [on.bob], "role_id": on.far_role})),
        ),
        Method::DiscordCreateWebhook => (
            C::DiscordManageWebhooks,
            Some(Permission::ManageWebhooks),
            |on| json!({"channel_id": on.general, "name": "news"}),
            &["created the webhook news (plugin demo)"],
            Refused("channel_id", |on| json!({"channel_id": on.far, "name": "news"})),
        ),
        Method::DiscordExecuteWebhook => (
            C::DiscordManageWebhooks,
            Some(Permission::ManageWebhooks),
            |on| json!({"webhook_id": on.webhook.0, "webhook_token": on.webhook.1, "content": "hooked"}),
            &["posted hooked"],
            Refused(
                "webhook_id",
                |on| json!({"webhook_id": on.far_webhook.0, "webhook_token": on.far_webhook.1, "content": "hooked"}),
            ),
        ),
        Method::DiscordDeleteWebhook => (
            C::DiscordManageWebhooks,
            Some(Permission::ManageWebhooks),
            |on| json!({"webhook_id": on.webhook.0}),
            &["deleted the webhook hook (plugin demo)"],
            Refused("webhook_id", |on| json!({"webhook_id": on.far_webhook.0})),
        ),
        other => panic!("{other} is a method without a row here"),
    };
    Row { capability, permission, works, seen, foreign }
}

fn methods() -> impl Iterator<Item = Method> {
    Method::ALL.iter().copied().filter(|method| method.as_str().starts_with("discord."))
}

/// Two servers with one bot, and what a plugin on the first could name.
struct Stage {
    services: Services,
    control: Control,
    directory: Directory,
    clock: Arc<dyn Clock>,
    home: GuildId,
    elsewhere: GuildId,
    general: u64,
    random: u64,
    far: u64,
    moderator: u64,
    far_role: u64,
    bob: u64,
    carol: u64,
    /// On the other server only.
    dave: u64,
    /// Banned from the first server.
    eve: u64,
    /// Banned from the other server.
    frank: u64,
    own: u64,
    alices: u64,
    pinned: u64,
    thread: u64,
    webhook: (u64, String),
    far_message: u64,
    far_thread: u64,
    far_webhook: (u64, String),
    _events: mpsc::Receiver<Event>,
    gateway: Gateway,
    _simulator: Simulator,
}

impl Stage {
    /// The bot's role on the first server holds `held`; everything is made there beforehand that `held`
    /// allows, and everything on the other server.
    async fn set(database: &Database, held: u64) -> Self {
        let mut world = World::empty();
        for name in ["alice", "bob", "carol", "dave", "eve", "frank"] {
            world = world.person(name);
        }
        let world = world
            .guild("Home", "alice", |guild| {
                let guild = guild.text_channel("general").text_channel("random");
                let guild = guild.role("Moderator", permission::DEFAULT);
                guild.member("bob", &["Moderator"]).member("carol", &[]).bot(Some(held))
            })
            .guild("Elsewhere", "dave", |guild| guild.text_channel("far").role("Stranger", 0));
        let people: Vec<u64> = world.people.iter().map(|person| person.id.0).collect();
        let guilds: Vec<GuildId> = world.guilds.iter().map(|guild| GuildId(guild.id.0)).collect();
        let channel = |guild: usize, at: usize| world.guilds[guild].channels[at].id.0;
        let (general, random, far) = (channel(0, 0), channel(0, 1), channel(1, 0));
        let (moderator, far_role) = (world.guilds[0].roles[0].id.0, world.guilds[1].roles[0].id.0);
        let clock: Arc<dyn Clock> = Arc::new(HandClock::default());
        let config = SimConfig { clock: ClockMode::Manual { start_ms: 0 }, world, ..SimConfig::default() };
        let simulator = Simulator::start(config).await.unwrap();
        let endpoints = Endpoints::simulator(simulator.address());
        let discord = DiscordConfig::new(BotToken::new(&simulator.bot_token()), endpoints);
        let (rest, _) = Rest::connect(&discord).await.unwrap();
        let directory = Directory::new();
        let (sink, events) = mpsc::channel(1024);
        let gateway = Gateway::start(&discord, sink, Arc::clone(&clock), directory.clone());
        let mut status = gateway.status();
        let ready = status.wait_for(|status| status.state == GatewayState::Ready && status.guilds == 2);
        tokio::time::timeout(SOON, ready).await.unwrap().unwrap();
        let options = ServicesOptions::without_network().unwrap();
        let (sql, all) = (Sql::unavailable(), Arc::clone(&clock));
        let services = Services::new(database.clone(), sql, rest, directory.clone(), all, options);
        let none = (5, "none".to_owned());
        let mut stage = Self {
            services,
            control: simulator.control(),
            directory,
            clock,
            home: guilds[0],
            elsewhere: guilds[1],
            general,
            random,
            far,
            moderator,
            far_role,
            bob: people[1],
            carol: people[2],
            dave: people[3],
            eve: people[4],
            frank: people[5],
            own: 5,
            alices: 5,
            pinned: 5,
            thread: 5,
            webhook: none.clone(),
            far_message: 5,
            far_thread: 5,
            far_webhook: none,
            _events: events,
            gateway,
            _simulator: simulator,
        };
        stage.fill().await;
        stage
    }

    async fn fill(&mut self) {
        let (home, elsewhere) = (self.home, self.elsewhere);
        let say = Say { content: "by alice".to_owned(), ..Say::default() };
        self.alices = self.control.say(say).unwrap().message_id.unwrap().0;
        let id = |answer: &Answer, pointer: &str| {
            let result: Value = answer.as_ref().ok().map(|raw| serde_json::from_str(raw.get()).unwrap())?;
            result.pointer(pointer)?.as_str()?.parse::<u64>().ok()
        };
        let text = |answer: &Answer, pointer: &str| {
            let result: Value = serde_json::from_str(answer.as_ref().ok()?.get()).unwrap();
            result.pointer(pointer)?.as_str().map(str::to_owned)
        };
        let post = json!({"channel_id": self.general, "content": "by the bot"});
        for place in [&mut self.own, &mut self.pinned] {
            let sent = call(&self.services, home, Method::DiscordSendMessage, &post).await;
            *place = id(&sent, "/message_id").unwrap_or(5);
        }
        let pin = json!({"channel_id": self.general, "message_id": self.pinned});
        let _ = call(&self.services, home, Method::DiscordPinMessage, &pin).await;
        let overwrite = json!({"channel_id": self.random, "target_id": self.moderator, "deny": "2048"});
        let _ = call(&self.services, home, Method::DiscordSetChannelPermissions, &overwrite).await;
        let _ = call(&self.services, home, Method::DiscordBanMember, &json!({"user_id": self.eve})).await;
        let ban = json!({"user_id": self.frank});
        call(&self.services, elsewhere, Method::DiscordBanMember, &ban).await.unwrap();
        let far = json!({"channel_id": self.far, "content": "far away"});
        let sent = call(&self.services, elsewhere, Method::DiscordSendMessage, &far).await;
        self.far_message = id(&sent, "/message_id").unwrap();
        for (guild, channel) in [(home, self.general), (elsewhere, self.far)] {
            let thread = json!({"channel_id": channel, "name": "talk"});
            let made = call(&self.services, guild, Method::DiscordCreateThread, &thread).await;
            let thread = id(&made, "/thread/id").unwrap_or(5);
            let hook = json!({"channel_id": channel, "name": "hook"});
            let made = call(&self.services, guild, Method::DiscordCreateWebhook, &hook).await;
            let webhook = (
                id(&made, "/webhook/id").unwrap_or(5),
                text(&made, "/webhook/token").unwrap_or("none".to_owned()),
            );
            if guild == home {
                (self.thread, self.webhook) = (thread, webhook);
            } else {
                (self.far_thread, self.far_webhook) = (thread, webhook);
            }
        }
        // The threads are known once their dispatches have been read.
        let known = |channel: u64| channel == 5 || self.directory.channel(ChannelId(channel)).is_some();
        self.until(|| known(self.thread) && known(self.far_thread)).await;
    }

    /// Waits until what the gateway told makes this true.
    async fn until(&self, mut holds: impl FnMut() -> bool) {
        let mut status = self.gateway.status();
        tokio::time::timeout(SOON, status.wait_for(|_| holds())).await.unwrap().unwrap();
    }

    /// Takes a permission everybody has away from everybody in `#general`.
    async fn withhold(&self, missing: Permission) {
        let everyone =
            json!({"channel_id": self.general, "target_id": self.home.0, "deny": missing.bit().to_string()});
        call(&self.services, self.home, Method::DiscordSetChannelPermissions, &everyone).await.unwrap();
        let general = ChannelId(self.general);
        let held = || self.directory.own_permissions_in(general, self.clock.now());
        self.until(|| held().is_some_and(|held| !held.contains(missing))).await;
    }

    /// What the audit has of a method, newest first.
    async fn noted(&self, database: &Database, method: Method) -> Vec<AuditEntry> {
        self.services.audit.flush().await;
        let query =
            AuditQuery { method: Some(method.as_str().to_owned()), limit: 100, ..AuditQuery::default() };
        Audit::find(database, &query).await.unwrap()
    }

    fn mark(&self) -> u64 {
        self.control.observed_since(0).last().map_or(0, |seen| seen.index)
    }

    fn seen_since(&self, mark: u64) -> Vec<String> {
        self.control.observed_since(mark).iter().filter_map(|seen| words(&seen.what)).collect()
    }
}

fn words(sight: &Sight) -> Option<String> {
    match sight {
        Sight::Audited { action, target, reason: Some(reason), .. } => {
            Some(format!("{action} {target} ({reason})"))
        }
        Sight::Audited { action, target, reason: None, .. } => Some(format!("{action} {target}")),
        Sight::MessagePosted { message } => Some(format!("posted {}", message.content)),
        Sight::MessageEdited { message } => Some(format!("edited {}", message.content)),
        Sight::ReactionAdded { emoji, .. } => Some(format!("reacted {emoji}")),
        Sight::MessageDeleted { .. } | Sight::MemberLeft { .. } => None, // told by the audit log too
        other => Some(format!("{other:?}")),
    }
}

async fn call(services: &Services, guild: GuildId, method: Method, params: &Value) -> Answer {
    call_with(services, guild, Capability::ALL, method, params).await
}

async fn call_with(
    services: &Services,
    guild: GuildId,
    held: &[Capability],
    method: Method,
    params: &Value,
) -> Answer {
    let tenant = Tenant { plugin: "demo".parse().unwrap(), guild };
    let grants = Arc::new(Grants::new(tenant, held.iter().copied().collect()));
    let raw = RawValue::from_string(params.to_string()).unwrap();
    let params = Params::parse(Some(&raw)).unwrap();
    services.call(Caller { grants, interaction: None }, method, params).await
}

async fn database() -> Database {
    let options = DatabaseOptions { schema: unique_schema(), ..DatabaseOptions::default() };
    Database::connect(&shared_cluster().await.urls().plugins, &options).await.unwrap()
}

/// The error a call ended in.
fn refused(answer: Answer, method: Method) -> CallError {
    match answer {
        Ok(result) => panic!("{method} worked: {result}"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn every_method_works_and_leaves_its_trace() {
    let database = database().await;
    let mut different = Vec::new();
    for method in methods() {
        let row = row(method);
        let stage = Stage::set(&database, permission::BOT).await;
        let mark = stage.mark();
        let answer = call(&stage.services, stage.home, method, &(row.works)(&stage)).await;
        assert!(answer.is_ok(), "{method}: {answer:?}");
        let noted = stage.noted(&database, method).await;
        match noted.first() {
            // What changes nothing is not in the audit.
            None => assert!(row.seen.is_empty(), "{method} is not in the audit"),
            Some(entry) => assert_eq!(entry.error, None, "{method}"),
        }
        let seen = stage.seen_since(mark);
        if seen != row.seen {
            different.push((method, seen, row.seen));
        }
    }
    assert!(different.is_empty(), "method, what people saw, what they should have seen: {different:#?}");
}

#[tokio::test]
async fn no_method_works_without_its_capability() {
    let database = database().await;
    let stage = Stage::set(&database, permission::BOT).await;
    let mark = stage.mark();
    for method in methods() {
        let row = row(method);
        let pins = matches!(method, Method::DiscordPinMessage | Method::DiscordUnpinMessage);
        let others: Vec<Capability> = Capability::ALL
            .iter()
            .copied()
            .filter(|one| *one != row.capability && !(pins && *one == Capability::DiscordEditMessage))
            .collect();
        // Its parameters are not even read: an outsider learns no rules.
        for params in [(row.works)(&stage), json!({})] {
            let answer = call_with(&stage.services, stage.home, &others, method, &params).await;
            assert_eq!(refused(answer, method), CallError::CapabilityDenied(row.capability), "{method}");
        }
    }
    assert!(stage.seen_since(mark).is_empty());
}

#[tokio::test]
async fn no_method_reaches_another_server() {
    let database = database().await;
    for method in methods() {
        let row = row(method);
        let stage = Stage::set(&database, permission::BOT).await;
        let (mark, asked) = (stage.mark(), stage.control.requests().len());
        let ask = async |params: Value| call(&stage.services, stage.home, method, &params).await;
        match row.foreign {
            Foreign::Refused(field, params) => {
                let error = refused(ask(params(&stage)).await, method);
                let CallError::Validation { field: named, .. } = &error else {
                    panic!("{method}: {error:?}")
                };
                assert_eq!(named, field, "{method}");
            }
            Foreign::Unknown(params) => {
                let error = refused(ask(params(&stage)).await, method);
                assert!(matches!(error, CallError::Discord { status: 404, .. }), "{method}: {error:?}");
            }
            Foreign::Each(params) => {
                let result: Value = serde_json::from_str(ask(params(&stage)).await.unwrap().get()).unwrap();
                assert_eq!((&result["success"], &result["failed"]), (&json!(0), &json!(1)), "{method}");
            }
            Foreign::Here(params) => {
                ask(params(&stage)).await.unwrap();
                let here = |seen: &bailey_sim::Observed| match &seen.what {
                    Sight::Audited { guild, .. } => guild == "Home",
                    _ => false,
                };
                assert!(stage.control.observed_since(mark).iter().all(here), "{method}");
                continue;
            }
            Foreign::NamesNothing => {
                let result = ask((row.works)(&stage)).await.unwrap();
                for id in [stage.far, stage.far_role, stage.elsewhere.0, stage.dave] {
                    assert!(!result.get().contains(&id.to_string()), "{method}: {result}");
                }
            }
        }
        assert!(stage.seen_since(mark).is_empty(), "{method}");
        let written = stage.control.requests().split_off(asked);
        let written: Vec<_> = written.iter().filter(|request| request.method != "GET").collect();
        let unban = method == Method::DiscordUnbanMember; // only Discord knows who is banned
        assert!(written.is_empty() || unban, "{method}: {written:?}");
    }
}

#[tokio::test]
async fn what_the_bot_may_not_names_the_permission() {
    let database = database().await;
    for method in methods() {
        let row = row(method);
        let Some(missing) = row.permission else {
            // Nothing is needed: it works for a bot that was given nothing.
            let stage = Stage::set(&database, 0).await;
            call(&stage.services, stage.home, method, &(row.works)(&stage)).await.unwrap();
            continue;
        };
        let stage = Stage::set(&database, permission::BOT & !missing.bit()).await;
        if permission::DEFAULT & missing.bit() != 0 {
            stage.withhold(missing).await;
        }
        let (mark, asked) = (stage.mark(), stage.control.requests().len());
        let answer = call(&stage.services, stage.home, method, &(row.works)(&stage)).await;
        let lacks = CallError::BotMissingPermission { permission: missing.as_str().to_owned() };
        assert_eq!(refused(answer, method), lacks, "{method}");
        if !row.seen.is_empty() {
            let (code, words) = stage.noted(&database, method).await.remove(0).error.unwrap();
            assert_eq!(code, "BOT_MISSING_PERMISSION", "{method}");
            assert!(words.contains(missing.as_str()), "{method}: {words}");
        }
        assert!(stage.seen_since(mark).is_empty(), "{method}");
        // What is known beforehand is not asked. The first reaction, other people's messages and threads
        // begun by others are known to Discord only.
        let asks = [
            Method::DiscordAddReaction,
            Method::DiscordDeleteMessage,
            Method::DiscordEditThread,
            Method::DiscordExecuteWebhook,
            Method::DiscordDeleteWebhook,
        ];
        let requests = stage.control.requests().split_off(asked);
        assert!(asks.contains(&method) || requests.is_empty(), "{method}: {requests:?}");
    }
}
