//! The way to Discord and back: how fast what happens is taken in, against discord.py on the same frames; what our own
//! layer adds to a request; what a server takes in memory; how long it takes to go on after a restart.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{
    BotToken, Directory, DiscordConfig, Endpoints, Gateway, GatewayState, Rest, SessionStarts, ShardId,
    ShardPlan, Shards,
};
use bailey_protocol::{Event, GuildId, Tenant};
use bailey_sim::{ClockMode, SimConfig, Simulator, World};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::bench::Bench;
use crate::clock::WallClock;
use crate::plugin::BenchError;
use crate::table::{Table, Target, median};

/// The peer.
const PEER: &str = "discord.py==2.7.1";
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Nor does telling of very many servers, on a busy machine.
const MANY_PATIENCE: Duration = Duration::from_secs(600);
/// Servers in the directory whose size is measured, and channels and roles of each.
const SERVERS: u64 = 10_000;
const PARTS: u64 = 20;
/// Servers of a shard, the most Discord allows, and channels and roles of each that is small.
const SERVERS_OF_A_SHARD: u64 = 2_500;
const SMALL_PARTS: u64 = 8;
/// Turns of what is measured in milliseconds.
const TURNS: usize = 9;

const INGEST: &str = "gateway ingest, thousand events a second";
const EGRESS: &str = "discord request, us";
const MEMORY: &str = "a server in the directory, KiB";
const MANY: &str = "a small server of 150,000 on 60 shards, KiB";
const RESUME: &str = "gateway going on after a restart, ms";

pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    if bench.wants(INGEST) {
        let peer = peer(bench.scratch()).await?;
        let messages = bench.sizes.seconds * 10_000;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            ours.push(ingest(messages).await?);
            theirs.push(peer_ingest(&peer, messages / 10).await?);
        }
        table.row(INGEST, median(&mut ours), median(&mut theirs), Target::AtLeast(10.0));
    }
    if bench.wants(EGRESS) {
        let (ours, floor) = egress(bench.sizes.seconds * 300).await?;
        table.row(EGRESS, ours, floor, Target::AtMost(1.5));
    }
    if bench.wants(MEMORY) {
        let (ours, frame) = memory().await?;
        table.row(MEMORY, ours, frame, Target::None);
    }
    if bench.wants(MANY) {
        let (ours, frame) = many(bench.sizes.servers).await?;
        table.row(MANY, ours, frame, Target::None);
    }
    if bench.wants(RESUME) {
        let (resumed, begun) = resume().await?;
        table.row(RESUME, resumed, begun, Target::None);
    }
    Ok(())
}

fn failed<E: std::error::Error + 'static>(part: &'static str) -> impl Fn(E) -> BenchError {
    move |error| BenchError::part(part)(Box::new(error))
}

fn late(part: &'static str) -> impl Fn(tokio::time::error::Elapsed) -> BenchError {
    failed(part)
}

/// A gateway that tells one visitor READY, servers and messages as fast as they are read.
struct Told {
    address: std::net::SocketAddr,
    /// When the first message was sent.
    began: oneshot::Receiver<Instant>,
}

async fn told(servers: u64, messages: u64) -> Result<Told, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (begin, began) = oneshot::channel();
    let listener = listener.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // On a thread of its own, as it is for a visitor in another process. It ends when the visitor leaves.
    std::thread::Builder::new().name("gateway".to_owned()).spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            let Ok((stream, _)) = listener.accept().await else { return };
            // A visitor that has what it wanted leaves in the middle.
            let _ = tell(stream, servers, messages, begin).await;
        });
    })?;
    Ok(Told { address, began })
}

async fn tell(
    stream: TcpStream,
    servers: u64,
    messages: u64,
    begin: oneshot::Sender<Instant>,
) -> Result<(), tungstenite::Error> {
    let url = format!("ws://{}", stream.local_addr()?);
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    let hello = json!({"t": null, "s": null, "op": 10, "d": {"heartbeat_interval": 40_000}});
    socket.send(Message::text(hello.to_string())).await?;
    socket.next().await.transpose()?; // it identifies
    let frame = |event: &str, sequence: u64, data: &Value| {
        Message::text(json!({"op": 0, "t": event, "s": sequence, "d": data}).to_string())
    };
    let unavailable: Vec<Value> =
        (1..=servers).map(|id| json!({"id": id.to_string(), "unavailable": true})).collect();
    let ready = json!({
        "v": 10, "session_id": "s", "resume_gateway_url": url, "guilds": unavailable,
        "user": {"id": "50", "username": "bot", "discriminator": "0", "avatar": null, "bot": true},
        "application": {"id": "50", "flags": 0},
    });
    socket.send(frame("READY", 1, &ready)).await?;
    for id in 1..=servers {
        socket.feed(frame("GUILD_CREATE", id + 1, &server(id, PARTS))).await?;
    }
    socket.flush().await?;
    // Written before, so that what is measured is the reader.
    let all: Vec<Message> =
        (0..messages).map(|number| frame("MESSAGE_CREATE", servers + 2 + number, &message(number))).collect();
    let _ = begin.send(Instant::now());
    for one in all {
        socket.feed(one).await?;
    }
    socket.flush().await?;
    while let Some(frame) = socket.next().await {
        if frame?.is_close() {
            break;
        }
    }
    Ok(())
}

fn server(id: u64, parts: u64) -> Value {
    let part = |number: u64| (id * 1000 + number).to_string();
    let channels: Vec<Value> = (0..parts)
        .map(|number| {
            json!({"id": part(number), "type": 0, "name": format!("channel-{number}"), "position": number,
                   "topic": null, "nsfw": false, "last_message_id": null, "rate_limit_per_user": 0,
                   "permission_overwrites": [{"id": id.to_string(), "type": 0, "allow": "0", "deny": "2048"}]})
        })
        .collect();
    let role = |id: String, name: String, position: u64| {
        json!({"id": id, "name": name, "color": 0, "hoist": false, "position": position, "permissions": "104324673",
               "managed": false, "mentionable": false, "flags": 0})
    };
    let mut roles = vec![role(id.to_string(), "@everyone".to_owned(), 0)];
    roles.extend((1..parts).map(|number| role(part(100 + number), format!("role {number}"), number)));
    let bot = json!({"user": {"id": "50", "username": "bot", "discriminator": "0", "avatar": null, "bot": true},
                     "roles": [part(101)], "joined_at": "2024-01-01T00:00:00+00:00", "deaf": false, "mute": false, "flags": 0});
    json!({
        "id": id.to_string(), "name": format!("Server {id}"), "owner_id": "7", "member_count": 100, "large": false,
        "joined_at": "2024-01-01T00:00:00+00:00", "channels": channels, "roles": roles, "members": [bot], "threads": [],
        "emojis": [], "stickers": [], "features": [], "voice_states": [], "presences": [], "stage_instances": [],
        "guild_scheduled_events": [], "soundboard_sounds": [], "unavailable": false, "icon": null, "splash": null,
        "afk_channel_id": null, "afk_timeout": 300, "verification_level": 0, "default_message_notifications": 0,
        "explicit_content_filter": 0, "mfa_level": 0, "system_channel_id": null, "system_channel_flags": 0,
        "premium_tier": 0, "preferred_locale": "en-US", "nsfw_level": 0, "premium_progress_bar_enabled": false,
    })
}

fn message(number: u64) -> Value {
    json!({
        "id": (1_000_000 + number).to_string(), "channel_id": "1000", "guild_id": "1", "type": 0, "tts": false,
        "content": format!("message number {number}, about as long as people's messages are"),
        "timestamp": "2026-01-01T00:00:00.000000+00:00", "edited_timestamp": null, "mention_everyone": false,
        "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "flags": 0,
        "components": [], "nonce": null,
        "author": {"id": "8", "username": "alice", "global_name": "Alice", "discriminator": "0", "avatar": null,
                   "public_flags": 0},
        "member": {"roles": ["1101"], "nick": null, "joined_at": "2024-01-01T00:00:00+00:00", "deaf": false,
                   "mute": false, "flags": 0},
    })
}

fn config(address: std::net::SocketAddr) -> DiscordConfig {
    DiscordConfig::new(BotToken::new("bench"), Endpoints::simulator(address))
}

/// Thousands of events a second that reach whoever takes them.
async fn ingest(messages: u64) -> Result<f64, BenchError> {
    let told = told(1, messages).await?;
    let (sink, mut events) = mpsc::channel::<Event>(256);
    let gateway = Gateway::start(&config(told.address), sink, Arc::new(WallClock), Directory::new());
    let counting = async {
        for _ in 0..messages {
            events.recv().await?;
        }
        Some(())
    };
    timeout(PATIENCE, counting).await.map_err(late("gateway"))?;
    let began = told.began.await.map_err(failed("gateway"))?;
    let took = began.elapsed();
    drop(gateway);
    Ok(messages as f64 / took.as_secs_f64() / 1000.0)
}

/// A Python with the peer in it.
async fn peer(scratch: &Path) -> Result<PathBuf, BenchError> {
    let home = scratch.join("peer");
    run(command("python3").args(["-m", "venv"]).arg(&home)).await?;
    let python = home.join("bin/python");
    run(command(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER]))
        .await?;
    Ok(python)
}

#[expect(clippy::disallowed_methods, reason = "a bench starts its peer")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

async fn run(command: &mut Command) -> Result<(), BenchError> {
    let status = command.status().await?;
    if status.success() {
        Ok(())
    } else {
        Err(BenchError::Plugin(format!("{command:?} ended with {status}")))
    }
}

async fn peer_ingest(python: &Path, messages: u64) -> Result<f64, BenchError> {
    let simulator = simulator().await?; // for its requests
    let told = told(1, messages).await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/discord_py.py");
    let mut bot = command(python)
        .arg(script)
        .args([simulator.http_base(), format!("ws://{}", told.address), simulator.bot_token()])
        .arg(messages.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = bot.stdout.take().ok_or_else(|| BenchError::Plugin("the peer has no output".to_owned()))?;
    let mut lines = BufReader::new(stdout).lines();
    timeout(PATIENCE, lines.next_line()).await.map_err(late("peer"))??;
    let took = told.began.await.map_err(failed("peer"))?.elapsed();
    Ok(messages as f64 / took.as_secs_f64() / 1000.0)
}

async fn simulator() -> Result<Simulator, BenchError> {
    let config = SimConfig { clock: ClockMode::Real, world: World::default_world(), ..SimConfig::default() };
    Simulator::start(config).await.map_err(failed("simulator"))
}

/// Microseconds of a request through our layer, and of the same one without; in turns.
async fn egress(requests: u64) -> Result<(f64, f64), BenchError> {
    let simulator = simulator().await?;
    let token = simulator.bot_token();
    let config = DiscordConfig::new(BotToken::new(&token), Endpoints::simulator(simulator.address()));
    let (rest, _) = Rest::connect(&config).await.map_err(failed("REST"))?;
    let world = World::default_world();
    let tenant = Tenant {
        plugin: "bench".parse().map_err(|_| BenchError::Plugin("no id".to_owned()))?,
        guild: GuildId(world.guilds[0].id.0),
    };
    let asker = rest.for_tenant(&tenant);
    let plain = reqwest::Client::builder().no_proxy().build().map_err(failed("REST"))?;
    let url = format!("{}/api/v10/guilds/{}/roles", simulator.http_base(), tenant.guild);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for number in 0..requests {
        // The simulated Discord takes fifty a second.
        if number % 20 == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let began = Instant::now();
        asker.roles().await.map_err(failed("REST"))?;
        ours.push(began.elapsed().as_secs_f64() * 1e6);
        let began = Instant::now();
        let request = plain.get(&url).header("authorization", format!("Bot {token}"));
        let answer = request.send().await.map_err(failed("REST"))?;
        let _roles: Vec<Value> = answer.json().await.map_err(failed("REST"))?;
        floor.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok((median(&mut ours), median(&mut floor)))
}

/// KiB a server takes in the directory, and in the frame that tells of it.
async fn memory() -> Result<(f64, f64), BenchError> {
    let told = told(SERVERS, 0).await?;
    let before = resident()?;
    let directory = Directory::new();
    let (sink, _events) = mpsc::channel(1);
    let gateway = Gateway::start(&config(told.address), sink, Arc::new(WallClock), directory.clone());
    let mut status = gateway.status();
    let all = status.wait_for(|status| status.guilds as u64 == SERVERS);
    timeout(PATIENCE, all).await.map_err(late("gateway"))?.map_err(failed("gateway"))?;
    let ours = (resident()? - before) / SERVERS as f64;
    Ok((ours, server(1, PARTS).to_string().len() as f64 / 1024.0))
}

/// KiB a small server takes when there are very many, connections and all, and in the frame that tells of it.
async fn many(servers: u64) -> Result<(f64, f64), BenchError> {
    let count = u32::try_from(servers.div_ceil(SERVERS_OF_A_SHARD)).unwrap_or(u32::MAX);
    let shards = NonZeroU32::new(count).ok_or_else(|| BenchError::Plugin("no servers".to_owned()))?;
    let address = told_shards(servers).await?;
    // All may begin at once: how long they take is not what is measured.
    let at_once = u16::try_from(count).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MAX);
    let starts =
        SessionStarts { total: count, remaining: count, reset_after: PATIENCE, max_concurrency: at_once };
    let before = resident()?;
    let directory = Directory::new();
    let (sink, _events) = mpsc::channel(1);
    let plan = ShardPlan { shards, starts };
    let shards = Shards::start(&config(address), &plan, sink, Arc::new(WallClock), &directory, Vec::new());
    let mut status = shards.status();
    let all = status.wait_for(|status| status.guilds as u64 == servers);
    timeout(MANY_PATIENCE, all).await.map_err(late("gateway"))?.map_err(failed("gateway"))?;
    let ours = (resident()? - before) / servers as f64;
    Ok((ours, server(1 << 22, SMALL_PARTS).to_string().len() as f64 / 1024.0))
}

/// A gateway on a thread of its own that tells each shard of its servers.
async fn told_shards(servers: u64) -> Result<std::net::SocketAddr, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("gateway".to_owned()).spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            let mut visitors = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                visitors.spawn(tell_shard(stream, servers));
            }
        });
    })?;
    Ok(address)
}

async fn tell_shard(stream: TcpStream, servers: u64) -> Result<(), tungstenite::Error> {
    let url = format!("ws://{}", stream.local_addr()?);
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    let hello = json!({"t": null, "s": null, "op": 10, "d": {"heartbeat_interval": 40_000}});
    socket.send(Message::text(hello.to_string())).await?;
    let Some(identify) = socket.next().await.transpose()? else { return Ok(()) };
    let identify: Value = serde_json::from_slice(&identify.into_data()).unwrap_or_default();
    let part = |index: usize| identify["d"]["shard"][index].as_u64().unwrap_or_default();
    let (shard, shards) = (part(0), part(1).max(1));
    let frame = |event: &str, sequence: u64, data: &Value| {
        Message::text(json!({"op": 0, "t": event, "s": sequence, "d": data}).to_string())
    };
    let ids: Vec<u64> =
        (1..=servers).filter(|number| number % shards == shard).map(|number| number << 22).collect();
    let unavailable: Vec<Value> =
        ids.iter().map(|id| json!({"id": id.to_string(), "unavailable": true})).collect();
    let ready = json!({
        "v": 10, "session_id": format!("s{shard}"), "resume_gateway_url": url, "guilds": unavailable,
        "user": {"id": "50", "username": "bot", "discriminator": "0", "avatar": null, "bot": true},
        "application": {"id": "50", "flags": 0}, "shard": [shard, shards],
    });
    socket.send(frame("READY", 1, &ready)).await?;
    for (sequence, id) in (2..).zip(ids) {
        socket.send(frame("GUILD_CREATE", sequence, &server(id, SMALL_PARTS))).await?;
    }
    // Heartbeats are answered, so that the connection stays.
    while let Some(heard) = socket.next().await {
        if heard?.is_close() {
            break;
        }
        socket.send(Message::text(r#"{"op":11}"#)).await?;
    }
    Ok(())
}

/// KiB of this process in memory.
fn resident() -> Result<f64, BenchError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(|_| BenchError::Plugin("no VmRSS".to_owned()))
}

/// Milliseconds until a gateway that goes on is ready, and until one that begins anew is; in turns.
async fn resume() -> Result<(f64, f64), BenchError> {
    let simulator = simulator().await?;
    let config =
        DiscordConfig::new(BotToken::new(&simulator.bot_token()), Endpoints::simulator(simulator.address()));
    let (mut resumed, mut begun) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let directory = Directory::new();
        let (sink, _events) = mpsc::channel(64);
        let began = Instant::now();
        let gateway = Gateway::start(&config, sink, Arc::new(WallClock), directory.clone());
        ready(&gateway).await?;
        begun.push(began.elapsed().as_secs_f64() * 1000.0);
        let bytes = directory.to_bytes()?;
        let point = gateway.shutdown().await;
        let (sink, _events) = mpsc::channel(64);
        let began = Instant::now();
        let directory = Directory::new();
        directory.restore(&bytes, ShardId::ONE)?;
        let gateway = Gateway::resume(&config, sink, Arc::new(WallClock), directory, point, None);
        ready(&gateway).await?;
        resumed.push(began.elapsed().as_secs_f64() * 1000.0);
        drop(gateway);
    }
    Ok((median(&mut resumed), median(&mut begun)))
}

async fn ready(gateway: &Gateway) -> Result<(), BenchError> {
    let mut status = gateway.status();
    let ready = status.wait_for(|status| status.state == GatewayState::Ready && status.guilds > 0);
    timeout(PATIENCE, ready).await.map_err(late("gateway"))?.map_err(failed("gateway"))?;
    Ok(())
}
