//! Listens to Discord's gateway and hands on what happened, in order and without loss.
//!
//! Connecting, resuming and heartbeats are twilight's; reading frames is [`intake`]'s. What is here
//! is the loop between them. When whoever takes the events is slow, a bounded number of dispatches
//! waits here while heartbeats go on; past that the connection is not read any more.

mod intake;
mod point;
mod shapes;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::{Clock, Event};
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use twilight_gateway::error::{ReceiveMessageError, ReceiveMessageErrorType};
use twilight_gateway::{CloseFrame, ConfigBuilder, Message, Session, Shard, ShardState};

use crate::config::{DiscordConfig, install_tls_provider};
use crate::directory::Directory;
use intake::{Intake, Taken};
pub use point::{Checkpoint, Position, ResumePoint};

/// Dispatches that wait for a slow taker before the connection is not read any more.
const MOST_WAITING: usize = 1024;
/// How long to wait for Discord's goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// One connection to the gateway, kept up until it is shut down or dropped.
#[derive(Debug)]
pub struct Gateway {
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
    /// Where the gateway stands now, with a copy of the directory if that is wanted. `None` while there is no session,
    /// and after its end.
    pub async fn take(&self, with_directory: bool) -> Option<Checkpoint> {
        let (answer, answered) = oneshot::channel();
        self.0.send((with_directory, answer)).await.ok()?;
        answered.await.ok().flatten()
    }
}

/// Asks for a checkpoint, with a copy of the directory or without.
type CheckpointRequest = (bool, oneshot::Sender<Option<Checkpoint>>);

/// How a gateway is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GatewayStatus {
    /// Whether it is connected.
    pub state: GatewayState,
    /// Servers the bot is in, as far as told.
    pub guilds: usize,
    /// Sequence number of the last dispatch of the session that was dealt with: its events, if it
    /// made any, were handed on. Begins anew with each new session.
    pub processed_sequence: u64,
    /// Events handed on, since the start; those of everything up to `processed_sequence`.
    pub events: u64,
    /// Frames that could not be read, since the start. They are left out and logged.
    pub unparsable: u64,
    /// Dispatches left out because they happened in private conversations, since the start.
    pub direct_messages: u64,
    /// Discord did not keep the session that was to go on: what happened in between was not heard.
    pub missed: bool,
}

/// Whether a gateway is connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GatewayState {
    /// Not yet, or not any more; it keeps trying.
    #[default]
    Connecting,
    /// Connected, and told of everything new.
    Ready,
    /// Connected again, being told of what was missed.
    Resuming,
    /// Ended for good: why, and what to change.
    Fatal(String),
}

impl Gateway {
    /// Connects in the background and hands events to `sink`. It ends when it is shut down, when
    /// nobody takes events any more, or when Discord refuses it for good.
    pub fn start(
        config: &DiscordConfig,
        sink: mpsc::Sender<Event>,
        clock: Arc<dyn Clock>,
        directory: Directory,
    ) -> Self {
        Self::start_at(config, sink, clock, directory, None, None)
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
        Self::start_at(config, sink, clock, directory, point, position)
    }

    fn start_at(
        config: &DiscordConfig,
        sink: mpsc::Sender<Event>,
        clock: Arc<dyn Clock>,
        directory: Directory,
        point: Option<ResumePoint>,
        position: Option<Position>,
    ) -> Self {
        install_tls_provider();
        let mut builder = ConfigBuilder::new(config.token.reveal().to_owned(), config.intents);
        if let Some(url) = config.endpoints.gateway() {
            builder = builder.proxy_url(url.to_owned());
        }
        if let Some(point) = &point {
            builder = builder.session(Session::new(point.sequence(), point.session.clone()));
            if let Some(url) = &point.url {
                builder = builder.resume_url(url.clone());
            }
        }
        let mut status = GatewayStatus { guilds: directory.guild_count(), ..GatewayStatus::default() };
        status.processed_sequence = point.as_ref().map_or(0, ResumePoint::sequence);
        let (status, status_receiver) = watch::channel(status);
        let (leave, left_at) = oneshot::channel();
        let (checkpoints, requests) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let listener = Listener {
            shard: Shard::with_config(config.shard, builder.build()),
            resume_url: point.as_ref().and_then(|point| point.url.clone()),
            intake: Intake::new(directory.clone(), point),
            waiting: VecDeque::new(),
            position,
            requests,
            handed_on: 0,
            directory,
            clock,
            status,
        };
        tasks.spawn(listener.run(sink, stop.clone(), leave));
        tasks.close();
        Self { status: status_receiver, stop, tasks, left_at, checkpoints: Checkpoints(checkpoints) }
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

/// The loop's state.
struct Listener {
    shard: Shard,
    intake: Intake,
    resume_url: Option<String>,
    waiting: VecDeque<Taken>,
    position: Option<Position>,
    requests: mpsc::Receiver<CheckpointRequest>,
    /// Events taken out of `waiting` so far.
    handed_on: u64,
    directory: Directory,
    clock: Arc<dyn Clock>,
    status: watch::Sender<GatewayStatus>,
}

impl Listener {
    async fn run(
        mut self,
        sink: mpsc::Sender<Event>,
        stop: CancellationToken,
        leave: oneshot::Sender<Option<ResumePoint>>,
    ) {
        let mut refusal = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((with_directory, answer)) = self.requests.recv() => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.checkpoint(with_directory));
                }
                permit = sink.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(event) = self.next_event() {
                            permit.send(event);
                        }
                        self.settle();
                    }
                    Err(_) => break tracing::debug!("nobody takes events any more; leaving the gateway"),
                },
                item = self.shard.next(), if self.waiting.len() < MOST_WAITING => match item {
                    Some(Ok(Message::Text(frame))) => self.take(&frame),
                    Some(Ok(Message::Close(frame))) => {
                        refusal = frame.as_ref().and_then(|frame| refused(frame.code));
                        self.closed(frame.as_ref());
                    }
                    Some(Err(error)) => self.failed(&error),
                    None => {
                        let reason = refusal.unwrap_or_else(|| "Discord closed the gateway for good".to_owned());
                        tracing::error!(reason, "the gateway has ended: {reason}");
                        self.status.send_modify(|status| status.state = GatewayState::Fatal(reason));
                        return self.hand_on_rest(&sink, &stop).await;
                    }
                },
            }
            self.note_state();
        }
        self.say_goodbye().await;
        // Receivers are gone when the gateway was dropped; then nobody wants to know.
        let _ = leave.send(self.left_at());
    }

    fn take(&mut self, frame: &str) {
        match self.intake.take(frame, self.clock.now()) {
            Ok(Some(taken)) => {
                let (unreadable, direct) = (u64::from(!taken.readable), u64::from(taken.direct_message));
                let anew = taken.anew;
                self.waiting.push_back(taken);
                self.status.send_if_modified(|status| {
                    status.unparsable += unreadable;
                    status.direct_messages += direct;
                    status.missed |= anew;
                    unreadable + direct > 0 || anew
                });
                self.settle();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, bytes = frame.len(), "a frame from Discord is no frame and is left out");
                self.status.send_modify(|status| status.unparsable += 1);
            }
        }
    }

    /// After the end, what was taken in before it.
    async fn hand_on_rest(&mut self, sink: &mpsc::Sender<Event>, stop: &CancellationToken) {
        while let Some(event) = self.next_event() {
            tokio::select! {
                () = stop.cancelled() => return,
                sent = sink.send(event) => if sent.is_err() { return },
            }
            self.settle();
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        let taken = self.waiting.front_mut()?;
        if taken.events.is_empty() {
            return None;
        }
        self.handed_on += 1;
        if let (Some(position), Some((session, _))) = (&mut self.position, self.intake.session()) {
            position.note(session, taken.sequence);
        }
        Some(taken.events.remove(0))
    }

    /// Counts dispatches whose events have all been handed on as processed.
    fn settle(&mut self) {
        let mut reached = None;
        while self.waiting.front().is_some_and(|taken| taken.events.is_empty()) {
            reached = self.waiting.pop_front().map(|taken| taken.sequence);
        }
        if let Some(sequence) = reached {
            let guilds = self.directory.guild_count();
            let handed_on = self.handed_on;
            self.status.send_modify(|status| {
                status.processed_sequence = sequence;
                status.events = handed_on;
                status.guilds = guilds;
            });
        }
    }

    fn closed(&self, frame: Option<&CloseFrame<'static>>) {
        let code = frame.map(|frame| frame.code);
        let reason = frame.map(|frame| &*frame.reason).unwrap_or_default();
        tracing::info!(code, reason, "the gateway connection was closed");
    }

    fn failed(&self, error: &ReceiveMessageError) {
        match error.kind() {
            ReceiveMessageErrorType::Deserializing { event } => {
                tracing::warn!(%error, bytes = event.len(), "a frame from Discord is no frame and is left out");
                self.status.send_modify(|status| status.unparsable += 1);
            }
            _ => {
                let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, cause, "the gateway could not be reached or understood; trying again");
            }
        }
    }

    fn note_state(&self) {
        let state = match self.shard.state() {
            ShardState::Active => GatewayState::Ready,
            ShardState::Resuming => GatewayState::Resuming,
            _ => GatewayState::Connecting,
        };
        self.status.send_if_modified(|status| {
            let changed = status.state != state;
            status.state = state;
            changed
        });
    }

    /// Closes with a code that keeps the session.
    async fn say_goodbye(&mut self) {
        if !self.shard.state().is_identified() {
            return;
        }
        self.shard.close(CloseFrame::RESUME);
        let closing = async {
            while let Some(item) = self.shard.next().await {
                if !matches!(item, Ok(Message::Text(_))) {
                    break;
                }
            }
        };
        if tokio::time::timeout(GOODBYE, closing).await.is_err() {
            tracing::debug!("Discord did not say goodbye in time");
        }
    }

    fn checkpoint(&self, with_directory: bool) -> Option<Checkpoint> {
        let point = self.left_at()?;
        let (revision, directory) = match with_directory {
            true => {
                let (revision, copy) = self.directory.copy();
                (revision, Some(copy))
            }
            false => (self.directory.revision(), None),
        };
        Some(Checkpoint { point, revision, directory })
    }

    /// The first dispatch not handed on is the first that a resumed session repeats.
    fn left_at(&self) -> Option<ResumePoint> {
        let handed_on = self.status.borrow().processed_sequence;
        let (session, url) = self.intake.session()?;
        let url = url.map(str::to_owned).or_else(|| self.resume_url.clone());
        let learned = self.intake.learned();
        Some(ResumePoint { session: session.to_owned(), url, handed_on, learned })
    }
}

/// What to change when Discord refuses a gateway for good.
fn refused(code: u16) -> Option<String> {
    let reason = match code {
        4004 => {
            "Discord does not accept the bot token (4004); copy it again from the Bot page of the developer portal"
        }
        4010 => "the shard number is not within the number of shards (4010); correct the shard settings",
        4011 => "the bot is in too many servers for one connection (4011); run it with more shards",
        4012 => "Discord no longer offers this version of its gateway (4012); update Bailey",
        4013 => "the configured intents are not ones Discord knows (4013); correct the intents",
        4014 => {
            "the bot may not use all configured intents (4014); switch on Server Members and Message Content \
             on the Bot page of the developer portal, or configure fewer intents"
        }
        _ => return None,
    };
    Some(reason.to_owned())
}
