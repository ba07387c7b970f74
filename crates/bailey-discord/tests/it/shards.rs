//! A bot spread over several connections: each server is told of once and in order, whatever happens to one of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{
    Checkpoint, Directory, DiscordConfig, GatewayState, GatewayStatus, Position, Rest, ShardId, ShardPlan,
    ShardStart, Shards, ShardsStatus, is_on,
};
use bailey_protocol::{ChannelId, Event, EventKind, GuildId};
use bailey_sim::{
    Administer, Change, ClockMode, Control, Identified, Say, SessionView, Sharding, SimConfig, Simulator,
    World,
};
use tokio::sync::{mpsc, watch};

use crate::support::{PATIENCE, Still, config, reached};

/// Discord's rule: so long between two new sessions of a bucket; somewhat less as the simulator sees it.
const WINDOW: Duration = Duration::from_millis(4500);
/// Every shard may begin at once.
const AT_ONCE: Sharding = Sharding { shards: 1, max_concurrency: 16, enforced: true, session_starts: 1000 };
const SERVERS: usize = 9;

/// A simulated Discord with servers on every shard.
struct Scene {
    simulator: Simulator,
    control: Control,
    config: DiscordConfig,
    plan: ShardPlan,
    /// By shard.
    servers: Vec<Vec<GuildId>>,
}

/// One process's gateways. Dropping it is dying.
struct Process {
    shards: Shards,
    status: watch::Receiver<ShardsStatus>,
    directory: Directory,
    events: mpsc::Receiver<Event>,
}

fn world() -> World {
    (2..=SERVERS).fold(World::default_world(), |world, number| {
        world.guild(&format!("Server {number}"), "alice", |guild| {
            let guild = guild.text_channel("general");
            if number % 2 == 0 { guild.text_channel("random") } else { guild }
        })
    })
}

impl Scene {
    async fn set(shards: u32, sharding: Sharding) -> Self {
        let sharding = Sharding { shards, ..sharding };
        let start =
            SimConfig { clock: ClockMode::manual(), world: world(), sharding, ..SimConfig::default() };
        let simulator = Simulator::start(start).await.unwrap();
        let config = config(&simulator);
        let (rest, _) = Rest::connect(&config).await.unwrap();
        let plan = rest.shard_plan(None).await.unwrap();
        assert_eq!(plan.shards.get(), shards);
        let all = world().guilds.into_iter().map(|guild| GuildId(guild.id.0));
        let all: Vec<GuildId> = all.collect();
        let on = |shard| all.iter().copied().filter(|guild| is_on(*guild, shard)).collect::<Vec<_>>();
        let servers: Vec<Vec<GuildId>> = plan.shards().map(on).collect();
        assert!(servers.iter().all(|servers| !servers.is_empty()), "a shard without servers: {servers:?}");
        Self { control: simulator.control(), config, plan, servers, simulator }
    }

    /// Connects everything and waits until all is known.
    async fn process(&self, directory: Directory, starts: Vec<ShardStart>) -> Process {
        let mut process = self.begin(directory, starts, 16);
        let told = |status: &ShardsStatus| status.state() == GatewayState::Ready && status.guilds == SERVERS;
        process.becomes(told).await;
        process
    }

    fn begin(&self, directory: Directory, starts: Vec<ShardStart>, in_transit: usize) -> Process {
        let (sink, events) = mpsc::channel(in_transit);
        let shards = Shards::start(&self.config, &self.plan, sink, Arc::new(Still), &directory, starts);
        Process { status: shards.status(), shards, directory, events }
    }

    fn say(&self, server: GuildId, content: &str) {
        let say = Say { guild: Some(server.to_string()), content: content.to_owned(), ..Say::default() };
        self.control.say(say).unwrap();
    }

    /// Says things on every server, in turns; what is to be heard of each.
    fn say_everywhere(&self, round: &str, times: usize) -> BTreeMap<GuildId, Vec<String>> {
        let mut said: BTreeMap<GuildId, Vec<String>> = BTreeMap::new();
        for number in 0..times {
            for server in self.servers.iter().flatten() {
                let content = format!("{round} {number}");
                self.say(*server, &content);
                said.entry(*server).or_default().push(content);
            }
        }
        said
    }

    /// The sessions that somebody is connected to, by shard.
    fn connected(&self) -> Vec<SessionView> {
        let mut sessions: Vec<SessionView> =
            self.control.sessions().into_iter().filter(|session| session.connected).collect();
        sessions.sort_by_key(|session| session.shard);
        sessions
    }

    fn identified(&self) -> Vec<Identified> {
        self.simulator.identified()
    }
}

impl Process {
    async fn becomes(&mut self, wanted: impl FnMut(&ShardsStatus) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, self.status.wait_for(wanted)).await.is_ok();
        assert!(waited, "the shards are still {:?}", *self.status.borrow());
    }

    async fn shard_becomes(&self, shard: usize, wanted: impl FnMut(&GatewayStatus) -> bool) {
        reached(&mut self.shards.gateways()[shard].status(), wanted).await;
    }

    /// So many messages, by server.
    async fn hear(&mut self, messages: usize) -> BTreeMap<GuildId, Vec<String>> {
        let mut heard: BTreeMap<GuildId, Vec<String>> = BTreeMap::new();
        let all = async {
            for _ in 0..messages {
                let event = self.next().await;
                let content = event.payload["content"].as_str().unwrap().to_owned();
                heard.entry(event.guild).or_default().push(content);
            }
        };
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "heard {heard:?} and no more");
        heard
    }

    /// The next message.
    async fn next(&mut self) -> Event {
        loop {
            let event = self.events.recv().await.expect("the gateways ended");
            if event.kind == EventKind::MessageCreate {
                return event;
            }
        }
    }

    /// Nothing more comes once all shards have taken in what their sessions were told.
    async fn hears_no_more(&mut self, scene: &Scene) {
        for (shard, session) in scene.connected().iter().enumerate() {
            self.shard_becomes(shard, |status| status.processed_sequence >= session.sequence).await;
        }
        while let Ok(event) = self.events.try_recv() {
            assert_ne!(event.kind, EventKind::MessageCreate, "heard once more: {:?}", event.payload);
        }
    }

    async fn checkpoint(&self, shard: usize, with_directory: bool) -> Checkpoint {
        self.shards.gateways()[shard].checkpoints().take(with_directory).await.unwrap()
    }
}

fn count(said: &BTreeMap<GuildId, Vec<String>>) -> usize {
    said.values().map(Vec::len).sum()
}

#[tokio::test]
async fn every_server_is_heard_once_and_in_order() {
    let scene = Scene::set(3, AT_ONCE).await;
    let mut process = scene.process(Directory::new(), Vec::new()).await;
    let said = scene.say_everywhere("round", 20);
    assert_eq!(process.hear(count(&said)).await, said);
    process.hears_no_more(&scene).await;
    for (gateway, servers) in process.shards.gateways().iter().zip(&scene.servers) {
        let status = gateway.status().borrow().clone();
        assert_eq!((status.guilds, status.unparsable), (servers.len(), 0), "{:?}", gateway.shard());
        assert!(status.last_event_at.is_some());
    }
    assert_eq!(process.status.borrow().ready(), 3);
    let shards: Vec<(u64, u64)> = scene.connected().iter().map(|session| session.shard).collect();
    assert_eq!(shards, [(0, 3), (1, 3), (2, 3)]);
}

#[tokio::test]
async fn what_happens_to_one_shard_is_none_of_the_others_business() {
    let scene = Scene::set(2, AT_ONCE).await;
    let mut process = scene.process(Directory::new(), Vec::new()).await;
    let before = scene.connected();
    for round in ["dropped", "closed", "asked to connect again", "invalid, but kept"] {
        match round {
            "dropped" => scene.simulator.drop_shard(0, None),
            "closed" => scene.simulator.drop_shard(0, Some(4000)),
            "asked to connect again" => scene.simulator.reconnect_shard(0),
            _ => scene.simulator.invalidate_shard(0, true),
        };
        let said = scene.say_everywhere(round, 5);
        assert_eq!(process.hear(count(&said)).await, said, "{round}");
        process.becomes(|status| status.state() == GatewayState::Ready).await;
    }
    process.hears_no_more(&scene).await;
    let after = scene.connected();
    assert_eq!(after[1].connection, before[1].connection, "the other was left alone");
    assert_ne!(after[0].connection, before[0].connection);
    let ids = |views: &[SessionView]| views.iter().map(|view| view.session_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before), "resumed, not begun anew");
    assert_eq!(scene.identified().len(), 2);
}

#[tokio::test]
async fn new_sessions_keep_discords_pace_while_others_flow() {
    let scene = Scene::set(2, Sharding { max_concurrency: 1, ..AT_ONCE }).await;
    let mut process = scene.process(Directory::new(), Vec::new()).await;
    // It has to wait for its turn again, and the other does not.
    scene.simulator.invalidate_shard(0, false);
    process.shard_becomes(0, |status| status.state == GatewayState::Connecting).await;
    let other = scene.servers[1][0];
    scene.say(other, "meanwhile");
    let heard = process.hear(1).await;
    assert_eq!(heard, BTreeMap::from([(other, vec!["meanwhile".to_owned()])]));
    assert_eq!(process.status.borrow().states, [GatewayState::Connecting, GatewayState::Ready]);
    process.becomes(|status| status.state() == GatewayState::Ready).await;
    let begun = scene.identified();
    assert!(begun.iter().all(|one| !one.refused), "{begun:?}");
    assert_eq!(begun.iter().map(|one| one.shard).collect::<Vec<_>>(), [(0, 2), (1, 2), (0, 2)]);
    assert!(begun.windows(2).all(|pair| pair[1].at - pair[0].at > WINDOW), "{begun:?}");
}

#[tokio::test]
async fn two_at_once_begin_where_discord_lets_two() {
    let scene = Scene::set(4, Sharding { max_concurrency: 2, ..AT_ONCE }).await;
    let _process = scene.process(Directory::new(), Vec::new()).await;
    let begun = scene.identified();
    assert!(begun.iter().all(|one| !one.refused), "{begun:?}");
    let at = |shard: u64| begun.iter().find(|one| one.shard.0 == shard).unwrap().at;
    // Shards 0 and 2 are of one bucket, 1 and 3 of the other.
    assert!(at(2) - at(0) > WINDOW && at(3) - at(1) > WINDOW, "{begun:?}");
    assert!(at(0).abs_diff(at(1)) < WINDOW && at(2).abs_diff(at(3)) < WINDOW, "never two at once: {begun:?}");
    assert_eq!(begun.len(), 4);
}

#[tokio::test]
async fn a_restart_goes_on_with_every_shard() {
    let scene = Scene::set(3, AT_ONCE).await;
    let mut first = scene.process(Directory::new(), Vec::new()).await;
    let said = scene.say_everywhere("before", 2);
    first.hear(count(&said)).await;
    let directory = first.directory.clone();
    let points = first.shards.shutdown().await;
    let said = scene.say_everywhere("meanwhile", 3);
    let read_again = Directory::new();
    for (shard, servers) in scene.plan.shards().zip(&scene.servers) {
        let part = directory.part(shard);
        assert_eq!(part.guilds(), *servers, "each shard keeps its own servers");
        read_again.restore(&part.to_bytes().unwrap(), shard).unwrap();
    }
    let one = Directory::new();
    one.restore(&directory.to_bytes().unwrap(), ShardId::new(1, 3)).unwrap();
    assert_eq!(one.guilds(), scene.servers[1], "others' servers are left out");
    assert_eq!(read_again.guilds(), directory.guilds());
    let starts = points.into_iter().map(|point| ShardStart { point, position: None });
    let mut next = scene.process(read_again, starts.collect()).await;
    assert_eq!(next.hear(count(&said)).await, said);
    next.hears_no_more(&scene).await;
    assert_eq!((scene.control.sessions().len(), scene.identified().len()), (3, 3), "no session is new");
    assert!(next.shards.gateways().iter().all(|gateway| !gateway.status().borrow().missed));
}

/// Each shard's part of the directory is as old as that shard's own account says, whatever the others have learned.
#[tokio::test]
async fn after_a_crash_each_shard_learns_what_it_missed_itself() {
    let scene = Scene::set(2, AT_ONCE).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |shard: usize| folder.path().join(shard.to_string());
    let position = |shard: usize| Position::open(&file(shard)).ok();
    let starts = || (0..2).map(|shard| ShardStart { point: None, position: position(shard) }).collect();
    let mut first = scene.process(Directory::new(), starts()).await;
    // The account of the one is from before, that of the other from after both servers' channels were renamed.
    let old = first.checkpoint(0, true).await;
    let servers = [scene.servers[0][0], scene.servers[1][0]];
    for server in servers {
        let change = Change::RenameChannel { name: "general".to_owned(), to: "common".to_owned() };
        scene.control.administer(&Administer { guild: Some(server.to_string()), change }).unwrap();
    }
    let said = scene.say_everywhere("told", 1);
    first.hear(count(&said)).await;
    first.hears_no_more(&scene).await;
    let late = first.checkpoint(1, true).await;
    let now = first.checkpoint(0, false).await;
    assert_ne!(now.revision, old.revision);
    let points = [now.point.with_directory_of(&old.point), late.point];
    let directory = Directory::new();
    for (number, kept) in [(0, old.directory), (1, late.directory)] {
        let shard = ShardId::new(number, 2);
        directory.restore(&kept.unwrap().to_bytes().unwrap(), shard).unwrap();
    }
    drop(first);
    let named = |directory: &Directory, name: &str| {
        servers.map(|server| {
            let world = world();
            let guild = world.guilds.iter().find(|guild| guild.id.0 == server.0).unwrap();
            let channel = guild.channels.iter().find(|channel| channel.name == "general").unwrap();
            directory.channel_name(ChannelId(channel.id.0)).as_deref() == Some(name)
        })
    };
    assert_eq!(named(&directory, "common"), [false, true]);
    let said = scene.say_everywhere("meanwhile", 1);
    let starts = points.into_iter().enumerate().map(|(shard, point)| ShardStart {
        point: point.with_position_of(&file(shard)).unwrap(),
        position: position(shard),
    });
    let mut next = scene.process(directory, starts.collect()).await;
    assert_eq!(next.hear(count(&said)).await, said, "what was handed on is not told again");
    next.hears_no_more(&scene).await;
    assert_eq!(named(&next.directory, "common"), [true, true]);
    assert_eq!(scene.identified().len(), 2);
}

#[tokio::test]
async fn a_slow_taker_holds_every_shard_back_and_loses_nothing() {
    let scene = Scene::set(2, AT_ONCE).await;
    let mut process = scene.begin(Directory::new(), Vec::new(), 1);
    process.becomes(|status| status.guilds == SERVERS).await;
    let said = scene.say_everywhere("round", 20);
    for shard in 0..2 {
        process.shard_becomes(shard, |status| status.last_event_at.is_some()).await;
    }
    assert_eq!(process.hear(count(&said)).await, said);
    process.hears_no_more(&scene).await;
}

#[tokio::test]
async fn a_shard_that_is_refused_says_why_and_the_others_go_on() {
    let scene = Scene::set(2, AT_ONCE).await;
    let mut process = scene.process(Directory::new(), Vec::new()).await;
    scene.simulator.drop_shard(0, Some(4004));
    process.becomes(|status| matches!(status.state(), GatewayState::Fatal(_))).await;
    let status = process.status.borrow().clone();
    let [GatewayState::Fatal(reason), GatewayState::Ready] = &status.states[..] else { panic!("{status:?}") };
    assert!(reason.contains("bot token") && reason.contains("4004"), "{reason}");
    let other = scene.servers[1][0];
    scene.say(other, "still there?");
    assert_eq!(process.hear(1).await, BTreeMap::from([(other, vec!["still there?".to_owned()])]));
    let points = process.shards.shutdown().await;
    assert_eq!(points.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn discord_says_how_many_shards_and_sessions_there_may_be() {
    let sharding = Sharding { shards: 5, max_concurrency: 4, enforced: false, session_starts: 3 };
    let start = SimConfig { sharding, ..SimConfig::default() };
    let simulator = Simulator::start(start).await.unwrap();
    let (rest, _) = Rest::connect(&config(&simulator)).await.unwrap();
    let plan = rest.shard_plan(None).await.unwrap();
    assert_eq!((plan.shards.get(), plan.starts.max_concurrency.get()), (5, 4));
    assert!(plan.affords(5).unwrap_err().to_string().contains("hint: "));
    let fewer = rest.shard_plan(std::num::NonZeroU32::new(3)).await.unwrap();
    assert_eq!(fewer.shards.get(), 3);
    assert!(fewer.affords(3).is_ok());
}
