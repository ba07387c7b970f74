//! The loop of one gateway. When whoever takes the events is slow, a bounded number of dispatches waits here while
//! heartbeats go on; past that the connection is not read any more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::{Clock, Event, Timestamp};
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use twilight_gateway::error::{ReceiveMessageError, ReceiveMessageErrorType};
use twilight_gateway::{CloseFrame, Message, Shard, ShardState};

use super::CheckpointRequest;
use super::buckets::Buckets;
use super::intake::{Intake, Taken};
use super::point::{Checkpoint, Position, ResumePoint};
use super::status::{GatewayState, GatewayStatus, Overview};
use crate::directory::Directory;

/// Dispatches that wait for a slow taker before the connection is not read any more.
const MOST_WAITING: usize = 1024;
/// How long to wait for Discord's goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// The loop's state.
pub(super) struct Listener {
    pub(super) shard: Shard<Buckets>,
    pub(super) intake: Intake,
    pub(super) resume_url: Option<String>,
    pub(super) waiting: VecDeque<Taken>,
    pub(super) position: Option<Position>,
    pub(super) requests: mpsc::Receiver<CheckpointRequest>,
    /// Events taken out of `waiting` so far.
    pub(super) handed_on: u64,
    /// Up to where everything was handed on: in the how-manieth session, and its dispatch.
    pub(super) settled: (u64, u64),
    /// Comings and goings of servers that were told of so far.
    pub(super) guild_changes: u64,
    /// When the last dispatch came.
    pub(super) last_event_at: Option<Timestamp>,
    /// It does not connect before this is cancelled.
    pub(super) turn: Option<CancellationToken>,
    /// Lets the next one connect, once this one waits for leave to begin its session, or has failed to get there.
    pub(super) begun: Option<DropGuard>,
    pub(super) directory: Directory,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) status: watch::Sender<GatewayStatus>,
    pub(super) overview: Overview,
}

impl Listener {
    pub(super) async fn run(
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
                () = has_come(self.turn.as_ref()), if self.turn.is_some() => self.turn = None,
                item = self.shard.next(), if self.turn.is_none() && self.waiting.len() < MOST_WAITING => {
                    // The first is Discord's hello, by which this one stands in line for its session, or a failure.
                    self.begun = None;
                    match item {
                        Some(Ok(Message::Text(frame))) => self.take(&frame),
                        Some(Ok(Message::Close(frame))) => {
                            refusal = frame.as_ref().and_then(|frame| refused(frame.code));
                            self.closed(frame.as_ref());
                        }
                        Some(Err(error)) => self.failed(&error),
                        None => {
                            let unknown = || "Discord closed the gateway for good".to_owned();
                            self.ended(refusal.unwrap_or_else(unknown));
                            return self.hand_on_rest(&sink, &stop).await;
                        }
                    }
                }
            }
            self.note_state();
        }
        self.say_goodbye().await;
        // Receivers are gone when the gateway was dropped; then nobody wants to know.
        let _ = leave.send(self.left_at());
    }

    fn take(&mut self, frame: &str) {
        let now = self.clock.now();
        match self.intake.take(frame, now) {
            Ok(Some(taken)) => {
                self.last_event_at = Some(now);
                let (unreadable, direct) = (u64::from(!taken.readable), u64::from(taken.direct_message));
                let anew = taken.anew;
                if taken.begins {
                    // Nothing of it was handed on, and that is known after a crash too.
                    self.note_position(taken.sequence);
                }
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
        let (event, session, sequence) = (taken.events.remove(0), taken.session, taken.sequence);
        // What is left of a session that was lost has numbers that mean nothing in the next.
        if session == self.intake.sessions() {
            self.note_position(sequence);
        }
        Some(event)
    }

    /// Writes down how far dispatches of the session were handed on.
    fn note_position(&mut self, sequence: u64) {
        if let (Some(position), Some((session, _))) = (&mut self.position, self.intake.session()) {
            position.note(session, sequence);
        }
    }

    /// Counts dispatches whose events have all been handed on as processed.
    fn settle(&mut self) {
        let mut reached = None;
        while self.waiting.front().is_some_and(|taken| taken.events.is_empty()) {
            reached = self.waiting.pop_front().map(|taken| (taken.session, taken.sequence));
        }
        if let Some((session, sequence)) = reached {
            self.settled = (session, sequence);
            let (guilds, handed_on, last_event_at) =
                (self.intake.guild_count(), self.handed_on, self.last_event_at);
            self.status.send_modify(|status| {
                status.processed_sequence = sequence;
                status.events = handed_on;
                status.last_event_at = last_event_at;
                status.guilds = guilds;
            });
            let changes = self.intake.guild_changes();
            if std::mem::replace(&mut self.guild_changes, changes) != changes {
                self.overview.note_guilds(self.directory.guild_count());
            }
        }
    }

    /// Discord lets it in no more.
    fn ended(&self, reason: String) {
        let shard = self.shard.id().number();
        let state = GatewayState::Fatal(reason.clone());
        // What is wrong is wrong for all shards; it is said once.
        if self.overview.note_state(shard, &state) {
            tracing::error!(reason, shard, "the gateway has ended: {reason}");
        }
        self.status.send_modify(|status| status.state = state);
    }

    fn closed(&self, frame: Option<&CloseFrame<'static>>) {
        let code = frame.map(|frame| frame.code);
        let reason = frame.map(|frame| &*frame.reason).unwrap_or_default();
        let shard = self.shard.id().number();
        tracing::info!(code, reason, shard, "the gateway connection was closed");
    }

    fn failed(&self, error: &ReceiveMessageError) {
        let shard = self.shard.id().number();
        match error.kind() {
            ReceiveMessageErrorType::Deserializing { event } => {
                tracing::warn!(%error, bytes = event.len(), "a frame from Discord is no frame and is left out");
                self.status.send_modify(|status| status.unparsable += 1);
            }
            _ => {
                let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, cause, shard, "the gateway could not be reached or understood; trying again");
            }
        }
    }

    fn note_state(&self) {
        let state = match self.shard.state() {
            ShardState::Active => GatewayState::Ready,
            ShardState::Resuming => GatewayState::Resuming,
            _ => GatewayState::Connecting,
        };
        let latency = self.shard.latency().recent().first().copied();
        let mut other = false;
        self.status.send_if_modified(|status| {
            let changed = status.state != state || status.latency != latency;
            other = status.state != state;
            if changed {
                status.state = state.clone();
                status.latency = latency;
            }
            changed
        });
        if other {
            self.overview.note_state(self.shard.id().number(), &state);
        }
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
        let directory = match with_directory {
            true => Some(self.directory.part(self.shard.id())),
            false => None,
        };
        let revision = self.intake.revision();
        Some(Checkpoint { point, revision, directory })
    }

    /// The first dispatch not handed on is the first that a resumed session repeats.
    fn left_at(&self) -> Option<ResumePoint> {
        let handed_on = match self.settled {
            (session, sequence) if session == self.intake.sessions() => {
                sequence.max(self.intake.told_before())
            }
            _ => self.intake.told_before(),
        };
        let (session, url) = self.intake.session()?;
        let url = url.map(str::to_owned).or_else(|| self.resume_url.clone());
        let learned = self.intake.learned();
        Some(ResumePoint { session: session.to_owned(), url, handed_on, learned })
    }
}

async fn has_come(turn: Option<&CancellationToken>) {
    if let Some(turn) = turn {
        turn.cancelled().await;
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
