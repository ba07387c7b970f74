//! Listens to Discord's gateway and hands on what happened, in order and without loss.
//!
//! Connecting, resuming and heartbeats are twilight's; reading frames is [`intake`]'s; [`listener`] is
//! the loop between them, one for each shard; [`shards`] is all of a bot's together.

mod buckets;
mod intake;
mod listener;
mod point;
mod shapes;
mod shards;
mod status;

use std::sync::Arc;

use bailey_protocol::{Clock, Event};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use twilight_gateway::{ConfigBuilder, Session, Shard, ShardId};

use crate::config::{DiscordConfig, install_tls_provider};
use crate::directory::Directory;
use buckets::Buckets;
use intake::Intake;
use listener::Listener;
pub use point::{Checkpoint, Position, ResumePoint};
pub use shards::{ShardStart, Shards};
use status::Overview;
pub use status::{GatewayState, GatewayStatus, ShardsStatus};

/// One connection to the gateway, that of one shard, kept up until it is shut down or dropped.
#[derive(Debug)]
pub struct Gateway {
    shard: ShardId,
    status: watch::Receiver<GatewayStatus>,
    stop: CancellationToken,
    tasks: TaskTracker,
    left_at: oneshot::Receiver<Option<ResumePoint>>,
    checkpoints: Checkpoints,
}

/// Asks a gateway where it stands. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct Checkpoints(mpsc::Sender<CheckpointRequest>);

impl Checkpoints {
    /// Where the gateway stands now, with a copy of what it knows of its servers if that is wanted. `None` while there is
    /// no session, and after its end.
    pub async fn take(&self, with_directory: bool) -> Option<Checkpoint> {
        let (answer, answered) = oneshot::channel();
        self.0.send((with_directory, answer)).await.ok()?;
        answered.await.ok().flatten()
    }
}

/// Asks for a checkpoint, with a copy of the directory or without.
type CheckpointRequest = (bool, oneshot::Sender<Option<Checkpoint>>);

/// What a gateway shares with the others of its bot.
struct Company {
    sink: mpsc::Sender<Event>,
    clock: Arc<dyn Clock>,
    directory: Directory,
    overview: Overview,
    /// It waits for this before it connects.
    turn: Option<CancellationToken>,
    /// Cancelled once somebody else may connect.
    begun: CancellationToken,
}

impl Gateway {
    /// Connects the one shard of a bot in the background and hands events to `sink`. It ends when it is shut down, when
    /// nobody takes events any more, or when Discord refuses it for good.
    pub fn start(
        config: &DiscordConfig,
        sink: mpsc::Sender<Event>,
        clock: Arc<dyn Clock>,
        directory: Directory,
    ) -> Self {
        Self::resume(config, sink, clock, directory, None, None)
    }

    /// Goes on where an earlier gateway left off: what happened in between is handed on first. The
    /// `directory` must be the one the earlier gateway filled, because Discord does not repeat it.
    /// When the session is gone by then, or without a point, a new one is begun. How far it is, it
    /// writes into `position`.
    pub fn resume(
        config: &DiscordConfig,
        sink: mpsc::Sender<Event>,
        clock: Arc<dyn Clock>,
        directory: Directory,
        point: Option<ResumePoint>,
        position: Option<Position>,
    ) -> Self {
        let (overview, _) = Overview::of(1, directory.guild_count());
        let company =
            Company { sink, clock, directory, overview, turn: None, begun: CancellationToken::new() };
        Self::connect(
            ShardId::ONE,
            connection(config).queue(Buckets::usual()),
            company,
            ShardStart { point, position },
        )
    }

    fn connect(
        shard: ShardId,
        mut builder: ConfigBuilder<Buckets>,
        company: Company,
        start: ShardStart,
    ) -> Self {
        let ShardStart { point, mut position } = start;
        let Company { sink, clock, directory, overview, turn, begun } = company;
        if let Some(point) = &point {
            builder = builder.session(Session::new(point.sequence(), point.session.clone()));
            if let Some(position) = &mut position {
                position.note(&point.session, point.handed_on);
            }
            if let Some(url) = &point.url {
                builder = builder.resume_url(url.clone());
            }
        }
        let processed_sequence = point.as_ref().map_or(0, ResumePoint::sequence);
        let resume_url = point.as_ref().and_then(|point| point.url.clone());
        let intake = Intake::new(&directory, shard, point);
        let guilds = intake.guild_count();
        let (status, status_receiver) =
            watch::channel(GatewayStatus { guilds, processed_sequence, ..GatewayStatus::default() });
        let (leave, left_at) = oneshot::channel();
        let (checkpoints, requests) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let listener = Listener {
            shard: Shard::with_config(shard, builder.build()),
            intake,
            resume_url,
            waiting: Default::default(),
            position,
            requests,
            handed_on: 0,
            settled: (0, processed_sequence),
            guild_changes: 0,
            last_event_at: None,
            turn,
            begun: Some(begun.drop_guard()),
            directory,
            clock,
            status,
            overview,
        };
        tasks.spawn(listener.run(sink, stop.clone(), leave));
        tasks.close();
        Self { shard, status: status_receiver, stop, tasks, left_at, checkpoints: Checkpoints(checkpoints) }
    }

    /// Which of the bot's shards it is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// How it is doing, now and from now on. The channel closes when the gateway has ended.
    pub fn status(&self) -> watch::Receiver<GatewayStatus> {
        self.status.clone()
    }

    /// Asks it where it stands.
    pub fn checkpoints(&self) -> Checkpoints {
        self.checkpoints.clone()
    }

    /// Disconnects so that the session can be resumed for a while, and says where. Takes at most a
    /// few seconds. `None` when there is no session.
    pub async fn shutdown(mut self) -> Option<ResumePoint> {
        self.stop.cancel();
        self.tasks.wait().await;
        self.left_at.try_recv().ok().flatten()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What all connections of a bot begin with.
fn connection(config: &DiscordConfig) -> ConfigBuilder {
    install_tls_provider();
    let builder = ConfigBuilder::new(config.token.reveal().to_owned(), config.intents);
    match config.endpoints.gateway() {
        Some(url) => builder.proxy_url(url.to_owned()),
        None => builder,
    }
}
