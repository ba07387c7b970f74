//! One process from its first byte to its last: boot, events, calls, shutdown.
//!
//! A single loop owns all of it; only writing to the process, its standard error and the calls run
//! beside it, so nothing a plugin does or leaves undone can block the loop.

mod ending;
mod patience;
mod telling;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::host_message::Mode;
use bailey_protocol::{InteractionId, Timestamp, limits};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::flight::Flight;
use super::frames_in::Inbox;
use super::frames_out::Telling;
use super::noise::{Noise, read_stderr};
use super::queue::Delivery;
use super::slots::Slots;
use super::streams::{Lines, Outgoing, WriterEnd, write_lines};
use super::waits::Waits;
use super::{Announcement, Command, Shared, lock};
use crate::broker::Unanswered;
use crate::bucket::Bucket;
use crate::installation::Installation;
use crate::spawn::{Ended, MemoryProbe, RunningProcess, Signal, SpawnRequest};
use crate::supervisor::Place;

/// Lines that may wait to be written: an answer for every call in flight, the window of events, and
/// a few of the host's own. More can only pile up if the plugin does not read.
const OUTGOING: usize = limits::CALLS_IN_FLIGHT + limits::DELIVERY_WINDOW + 32;

/// How a process ended and what it leaves.
pub(super) struct End {
    pub(super) kind: EndKind,
    /// Interactions it was given and was done with: it will not answer them any more.
    pub(super) abandoned: Vec<InteractionId>,
    pub(super) unacknowledged: Vec<Delivery>,
    pub(super) unanswered: Vec<Announcement>,
    /// The command that ended it, or that came meanwhile.
    pub(super) follow: Option<Command>,
}

/// Why a process ended; texts are clauses after "plugin `x`".
pub(super) enum EndKind {
    Asked,
    /// It had nothing to do.
    Unloaded(String),
    /// Its events failed too often.
    Tripped(String),
    FailedStart(String),
    Crashed {
        reason: String,
        lived: Duration,
    },
}

impl EndKind {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Asked => "it was asked to",
            Self::Unloaded(reason) | Self::Tripped(reason) | Self::FailedStart(reason) => reason,
            Self::Crashed { reason, .. } => reason,
        }
    }

    /// What those are told whom it has not answered.
    pub(super) fn unanswered(&self) -> Unanswered {
        match self {
            Self::Asked | Self::Unloaded(_) => Unanswered::Stopped,
            Self::Tripped(_) => Unanswered::Failed,
            Self::FailedStart(_) | Self::Crashed { .. } => Unanswered::Died,
        }
    }
}

/// What a process is started with.
pub(super) struct Start {
    pub(super) announcements: VecDeque<Announcement>,
    /// It is given one event, which decides whether it gets more: why.
    pub(super) trial: Option<String>,
    pub(super) place: Place,
}

/// Whether a delivery is an interaction nobody can answer any more.
pub(super) fn too_late(delivery: &Delivery, now: Timestamp) -> bool {
    let window = match (delivery.attempts, delivery.answered()) {
        (0, _) | (_, true) => limits::INTERACTION_TOKEN,
        (_, false) => limits::INTERACTION_FIRST_ANSWER,
    };
    delivery.event.interaction.is_some() && now.since(delivery.event.received_at) > window
}

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has not said a word of the protocol.
    Silent,
    /// `host.boot` was sent as a request.
    Booting { resend: Instant },
    /// `host.boot` was sent again, as a notification.
    Settling { ready: Instant },
    /// It takes events.
    Ready,
    /// It finishes what it has.
    Draining { until: Instant },
    /// It was asked to end, in one way after the other.
    Ending { step: Step, until: Instant },
    /// It has ended; its last output is read.
    Gone { until: Instant },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    StdinClosed,
    Terminated,
    Killed,
}

pub(super) struct Life {
    pub(super) shared: Arc<Shared>,
    pub(super) installation: Arc<Installation>,
    pub(super) grants: Arc<bailey_protocol::Grants>,
    pub(super) flight: Flight,
    telling: Telling,
    pub(super) inbox: Inbox,
    pub(super) slots: Slots,
    pub(super) noise: Arc<Noise>,
    outgoing: Option<mpsc::Sender<Outgoing>>,
    signal: Box<dyn Fn(Signal) + Send + Sync>,
    pid: u32,
    phase: Phase,
    born: Instant,
    ready_at: Option<Instant>,
    /// Whether handlers are known to be registered, so that "no handler" can be believed.
    pub(super) boot_answered: bool,
    /// Whether it ever said a word of the protocol.
    spoke: bool,
    /// Why the host killed it.
    killed: Option<String>,
    asked: bool,
    ended: Option<Ended>,
    /// One of its pipes is closed: how long it may live on, and which.
    orphaned: Option<(Instant, &'static str)>,
    announcements: VecDeque<Announcement>,
    announcing: Option<(String, Instant)>,
    announced: u64,
    follow: Option<Command>,
    place: Place,
    /// When others may start although this one has not.
    turn_over: Option<Instant>,
    memory: Option<MemoryProbe>,
    trial: Option<String>,
    /// Why it is being ended although nobody asked and nothing went wrong with the process.
    dismissed: Option<EndKind>,
    pub(super) waits: Waits,
    /// What it was asked to find out whether it answers at all.
    ping: Option<patience::Ping>,
    pings: u64,
    /// When it last had something to do.
    pub(super) last_active: Instant,
    /// Since when it has nothing to do, as far as the gate was told.
    told_idle: Option<Instant>,
}

/// Runs one process. `commands` is read until one comes that ends the process.
pub(super) async fn run(
    shared: &Arc<Shared>,
    installation: &Arc<Installation>,
    commands: &mut mpsc::Receiver<Command>,
    mut start: Start,
) -> End {
    let timings = &shared.world.timings;
    let request = SpawnRequest {
        tenant: shared.tenant.clone(),
        code: installation.code.clone(),
        environment: environment(installation.mode),
    };
    let mut spawning = Box::pin(timeout(timings.boot_deadline, (shared.world.spawner)(request)));
    let turn_over = Instant::now() + shared.world.rates.room.turn;
    let spawned = loop {
        tokio::select! {
            spawned = &mut spawning => break spawned,
            () = sleep_until(turn_over), if Instant::now() < turn_over => start.place.turn_over(),
            command = commands.recv() => match command {
                Some(Command::Announce(announcement)) => start.announcements.push_back(announcement),
                // Whatever was started is ended by not being looked at.
                command => return End {
                    kind: EndKind::Asked,
                    abandoned: Vec::new(),
                    unacknowledged: Vec::new(),
                    unanswered: start.announcements.into(),
                    follow: Some(command.unwrap_or_else(|| Command::Stop(oneshot::channel().0))),
                },
            },
        }
    };
    let failed = match spawned {
        Ok(Ok(process)) => {
            let (life, pipes) = Life::new(shared, installation, process, start);
            return life.run(pipes, commands).await;
        }
        Ok(Err(failure)) => format!("could not be started: {failure}"),
        Err(_elapsed) => format!("could not be started within {:?}", timings.boot_deadline),
    };
    End {
        kind: EndKind::FailedStart(failed),
        abandoned: Vec::new(),
        unacknowledged: Vec::new(),
        unanswered: start.announcements.into(),
        follow: None,
    }
}

/// In single mode one shared context serves all events, which is only right one event at a time.
fn environment(mode: Mode) -> Vec<(String, String)> {
    let threads = ["YOURBOT_SDK_DISPATCH_THREADS", "MMO_SDK_DISPATCH_THREADS"];
    match mode {
        Mode::Pool => Vec::new(),
        Mode::Single => threads.map(|name| (name.to_owned(), "1".to_owned())).to_vec(),
    }
}

/// What the loop waits on beside the life itself.
struct Pipes {
    lines: Lines<Box<dyn tokio::io::AsyncRead + Send + Unpin>>,
    exit: futures_util::future::BoxFuture<'static, Ended>,
    writer: JoinHandle<WriterEnd>,
    stderr: JoinHandle<()>,
}

impl Life {
    fn new(
        shared: &Arc<Shared>,
        installation: &Arc<Installation>,
        process: RunningProcess,
        start: Start,
    ) -> (Self, Pipes) {
        let world = &shared.world;
        let Start { announcements, trial, place } = start;
        let (outgoing, receiver) = mpsc::channel(OUTGOING);
        let noise = Arc::new(Noise::new(Arc::clone(shared), installation.version.clone()));
        let pipes = Pipes {
            lines: Lines::new(process.stdout, limits::LINE_BYTES),
            exit: process.exit,
            writer: world.tasks.spawn(write_lines(receiver, process.stdin, world.timings.write_stall)),
            stderr: world.tasks.spawn(read_stderr(process.stderr, Arc::clone(&noise))),
        };
        {
            let mut status = lock(&shared.status);
            status.pid = (process.pid != 0).then_some(process.pid);
            status.started_at = Some(world.clock.now());
            status.memory.clone_from(&process.memory);
        }
        let life = Self {
            shared: Arc::clone(shared),
            installation: Arc::clone(installation),
            grants: Arc::new(installation.grants.clone()),
            flight: Flight::new(if trial.is_some() { 1 } else { limits::DELIVERY_WINDOW }),
            telling: Telling::default(),
            inbox: Inbox::new(
                Bucket::new(world.rates.calls_per_second, world.rates.call_burst),
                Bucket::new(world.rates.chatter_bytes_per_second, world.rates.chatter_burst),
            ),
            slots: Slots::new(limits::CALLS_IN_FLIGHT, world.plugins.calls(&shared.tenant.plugin)),
            noise,
            outgoing: Some(outgoing),
            signal: process.signal,
            pid: process.pid,
            phase: Phase::Silent,
            born: Instant::now(),
            ready_at: None,
            boot_answered: false,
            spoke: false,
            killed: None,
            asked: false,
            ended: None,
            orphaned: None,
            announcements,
            announcing: None,
            announced: 0,
            follow: None,
            place,
            turn_over: Some(Instant::now() + world.rates.room.turn),
            memory: process.memory,
            trial,
            dismissed: None,
            waits: Waits::default(),
            ping: None,
            pings: 0,
            last_active: Instant::now(),
            told_idle: None,
        };
        (life, pipes)
    }

    async fn run(mut self, pipes: Pipes, commands: &mut mpsc::Receiver<Command>) -> End {
        let Pipes { mut lines, mut exit, mut writer, stderr } = pipes;
        let (mut output_ended, mut writer_ended) = (false, false);
        let shared = Arc::clone(&self.shared);
        let slots = self.slots.clone();
        loop {
            self.work_off();
            self.move_on();
            self.note_activity();
            {
                let mut status = lock(&shared.status);
                status.in_flight = self.flight.len();
                status.oldest_unacknowledged = self.flight.oldest();
            }
            if matches!(self.phase, Phase::Gone { until } if output_ended && self.inbox.is_empty() || until <= Instant::now())
            {
                break;
            }
            let slot_for = self.inbox.wants_slot();
            let reading = !output_ended && self.inbox.is_empty() && self.inbox.resumes_at.is_none();
            let resume = self.inbox.resumes_at;
            let deadline = self.next_deadline();
            let now = Instant::now();
            tokio::select! {
                line = lines.next(), if reading => match line {
                    Ok(Some(line)) => self.inbox.take_line(line),
                    // A pipe that cannot be read any more counts as closed.
                    Ok(None) | Err(_) => {
                        output_ended = true;
                        self.orphan("closed its output");
                    }
                },
                slot = slots.take(slot_for.unwrap_or(0)), if slot_for.is_some() => self.inbox.slot = slot,
                () = sleep_until(resume.unwrap_or(now)), if resume.is_some() => self.inbox.resumes_at = None,
                ended = &mut exit, if self.ended.is_none() => self.exited(ended),
                end = &mut writer, if !writer_ended => {
                    writer_ended = true;
                    self.outgoing = None;
                    match end {
                        Ok(WriterEnd::Stalled) => self.kill(self.stall()),
                        Ok(WriterEnd::Closed) => {}
                        Ok(WriterEnd::Broken) | Err(_) => self.orphan("closed its input"),
                    }
                }
                () = shared.wake.notified(), if self.phase == Phase::Ready => {}
                () = self.place.evicted(), if self.told_idle.is_some() => self.unload("others need its memory"),
                command = commands.recv(), if self.takes_commands() => match command {
                    Some(command) => self.obey(command),
                    None => self.obey(Command::Stop(tokio::sync::oneshot::channel().0)),
                },
                () = sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => self.deadline_passed(),
            }
        }
        drop(exit); // whatever is left of it is killed
        let _ = timeout(shared.world.timings.last_words, stderr).await; // it may still be held open by a grandchild
        self.noise.finish();
        self.end()
    }

    /// Advances what needs no event to advance.
    fn move_on(&mut self) {
        if self.phase == Phase::Ready {
            self.announce_next();
            self.send_events();
            self.tell_news();
        }
        if matches!(self.phase, Phase::Draining { .. }) && self.flight.len() == 0 && self.telling.is_empty() {
            self.close();
        }
    }
}
