//! One process from its first byte to its last: boot, events, calls, shutdown.
//!
//! A single loop owns all of it; only writing to the process, its standard error and the calls run
//! beside it, so nothing a plugin does or leaves undone can block the loop.

mod ending;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::host_message::{self, Lifecycle, Mode};
use bailey_protocol::{Timestamp, limits};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::flight::Flight;
use super::frames_in::Inbox;
use super::noise::{Noise, read_stderr};
use super::queue::Delivery;
use super::slots::Slots;
use super::streams::{Lines, Outgoing, WriterEnd, write_lines};
use super::{AnnounceError, Announcement, Command, SessionState, Shared, lock};
use crate::bucket::Bucket;
use crate::installation::Installation;
use crate::observation::Observation;
use crate::spawn::{Ended, RunningProcess, Signal, SpawnRequest};

/// Lines that may wait to be written: an answer for every call in flight, the window of events, and
/// a few of the host's own. More can only pile up if the plugin does not read.
const OUTGOING: usize = limits::CALLS_IN_FLIGHT + limits::DELIVERY_WINDOW + 32;
/// The id of `host.boot`. Host ids are texts, which no plugin id can equal.
const BOOT_ID: &str = "h-boot";

/// How a process ended and what it leaves.
pub(super) struct End {
    pub(super) kind: EndKind,
    pub(super) unacknowledged: Vec<Delivery>,
    pub(super) unanswered: Vec<Announcement>,
    /// The command that ended it, or that came meanwhile.
    pub(super) follow: Option<Command>,
}

/// Why a process ended; texts are clauses after "plugin `x`".
pub(super) enum EndKind {
    Asked,
    FailedStart(String),
    Crashed { reason: String, lived: Duration },
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
}

/// Runs one process. `commands` is read until one comes that ends the process.
pub(super) async fn run(
    shared: &Arc<Shared>,
    installation: &Arc<Installation>,
    commands: &mut mpsc::Receiver<Command>,
    announcements: VecDeque<Announcement>,
) -> End {
    let timings = &shared.world.timings;
    let request = SpawnRequest {
        tenant: shared.tenant.clone(),
        code: installation.code.clone(),
        environment: environment(installation.mode),
    };
    let failed = match timeout(timings.boot_deadline, (shared.world.spawner)(request)).await {
        Ok(Ok(process)) => {
            let (life, pipes) = Life::new(shared, installation, process, announcements);
            return life.run(pipes, commands).await;
        }
        Ok(Err(failure)) => format!("could not be started: {failure}"),
        Err(_elapsed) => format!("could not be started within {:?}", timings.boot_deadline),
    };
    End {
        kind: EndKind::FailedStart(failed),
        unacknowledged: Vec::new(),
        unanswered: announcements.into(),
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
        announcements: VecDeque<Announcement>,
    ) -> (Self, Pipes) {
        let world = &shared.world;
        let (outgoing, receiver) = mpsc::channel(OUTGOING);
        let noise = Arc::new(Noise::new(Arc::clone(shared), installation.version.clone()));
        let pipes = Pipes {
            lines: Lines::new(process.stdout, limits::LINE_BYTES),
            exit: process.exit,
            writer: world.tasks.spawn(write_lines(receiver, process.stdin, world.timings.write_stall)),
            stderr: world.tasks.spawn(read_stderr(process.stderr, Arc::clone(&noise))),
        };
        lock(&shared.status).pid = (process.pid != 0).then_some(process.pid);
        let life = Self {
            shared: Arc::clone(shared),
            installation: Arc::clone(installation),
            grants: Arc::new(installation.grants.clone()),
            flight: Flight::new(limits::DELIVERY_WINDOW),
            inbox: Inbox::new(
                Bucket::new(world.rates.calls_per_second, world.rates.call_burst),
                Bucket::new(world.rates.chatter_bytes_per_second, world.rates.chatter_burst),
            ),
            slots: Slots::new(limits::CALLS_IN_FLIGHT),
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
            lock(&shared.status).in_flight = self.flight.len();
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
                () = shared.wake.notified(), if self.phase == Phase::Ready && self.flight.has_room() => {}
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
        }
        if matches!(self.phase, Phase::Draining { .. }) && self.flight.len() == 0 {
            self.close();
        }
    }

    // --- boot ---------------------------------------------------------------

    /// The first word of the protocol: it has come to life and may be told who it is.
    pub(super) fn heard(&mut self) {
        if self.phase != Phase::Silent {
            return;
        }
        self.spoke = true;
        (self.signal)(Signal::Started);
        self.write(host_message::boot(
            BOOT_ID,
            self.installation.mode,
            &self.grants,
            &self.installation.version,
        ));
        self.phase = Phase::Booting { resend: Instant::now() + self.shared.world.timings.boot_answer };
    }

    /// The answer to one of the host's own requests; false if it is none we know.
    pub(super) fn answered(&mut self, id: &str, outcome: Result<(), String>) -> bool {
        if id == BOOT_ID {
            match (self.phase, outcome) {
                (Phase::Booting { .. } | Phase::Settling { .. }, Ok(())) => {
                    self.boot_answered = true;
                    self.ready();
                }
                (Phase::Booting { .. } | Phase::Settling { .. }, Err(error)) => {
                    self.kill(format!("refused to start: it answered host.boot with {error:?}"));
                }
                _ => {}
            }
            return true;
        }
        if self.announcing.as_ref().is_some_and(|(own, _)| own == id) {
            self.announcing = None;
            if let Some(announcement) = self.announcements.pop_front() {
                let _ = announcement.reply.send(outcome.map_err(AnnounceError::Refused));
            }
            return true;
        }
        id.starts_with("h-") // an answer that came too late
    }

    fn ready(&mut self) {
        let now = Instant::now();
        self.phase = Phase::Ready;
        self.ready_at = Some(now);
        self.shared.set_state(SessionState::Ready, None);
        self.shared.world.observer.tell(|| Observation::SessionStarted {
            tenant: self.shared.tenant.clone(),
            pid: self.pid,
            took: now.duration_since(self.born),
        });
    }

    // --- what it is told ----------------------------------------------------

    fn send_events(&mut self) {
        while self.phase == Phase::Ready && self.announcements.is_empty() && self.flight.has_room() {
            let Some(mut delivery) = lock(&self.shared.queue).pop() else { return };
            if too_late(&delivery, self.shared.world.clock.now()) {
                self.shared.bury(delivery, "it is too late to answer the interaction".to_owned());
                continue;
            }
            delivery.attempts += 1;
            let attempt = delivery.attempts;
            let (tenant, event) = (self.shared.tenant.clone(), delivery.event.id.clone());
            let kind = delivery.event.kind;
            self.write(host_message::event(&delivery.event, &self.grants, &self.installation.version));
            self.flight.begin(delivery, Instant::now() + self.shared.world.timings.event_deadline);
            self.shared.world.observer.tell(|| match attempt {
                1 => Observation::EventDelivered { tenant, event, kind },
                attempt => Observation::EventRedelivered { tenant, event, attempt },
            });
        }
    }

    fn announce_next(&mut self) {
        // Events in work end first: handlers of both would run side by side otherwise.
        if self.announcing.is_some() || self.flight.len() > 0 {
            return;
        }
        let Some(lifecycle) = self.announcements.front().map(|next| next.lifecycle) else { return };
        self.announced += 1;
        let id = format!("h-{}-{}", name(lifecycle), self.announced);
        self.write(host_message::lifecycle(&id, lifecycle, &self.grants));
        self.announcing = Some((id, Instant::now() + self.shared.world.timings.announce_deadline));
    }

    /// Hands a line to the writer. It has room unless the plugin does not read.
    pub(super) fn write(&mut self, line: String) {
        self.send(Outgoing { line, held: None });
    }

    pub(super) fn send(&mut self, outgoing: Outgoing) {
        let Some(sender) = &self.outgoing else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(outgoing) {
            self.kill("does not read its input: too many lines are waiting to be written".to_owned());
        }
    }

    /// Where calls put their answers; it does not keep the process's input open.
    pub(super) fn answers(&self) -> Option<mpsc::WeakSender<Outgoing>> {
        self.outgoing.as_ref().map(mpsc::Sender::downgrade)
    }
}

fn name(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Install => "install",
        Lifecycle::Enable => "enable",
        Lifecycle::Disable => "disable",
        Lifecycle::Uninstall => "uninstall",
    }
}
