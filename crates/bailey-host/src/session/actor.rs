//! Decides when a session has a process: on demand, not too soon after a crash, not at all for a
//! while when it does not start, and never again after it was stopped.

use std::collections::VecDeque;
use std::sync::Arc;

use bailey_protocol::limits;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::life::{self, End, EndKind};
use super::queue::Delivery;
use super::restarts::{Restarts, Verdict};
use super::{AnnounceError, Announcement, Command, Reply, SessionState, Shared, lock};
use crate::installation::Installation;
use crate::observation::Observation;

/// Runs a session until it is stopped or its handle is gone.
pub(super) async fn run(
    shared: Arc<Shared>,
    installation: Arc<Installation>,
    commands: mpsc::Receiver<Command>,
) {
    let actor = Actor {
        shared,
        installation,
        commands,
        restarts: Restarts::default(),
        not_before: None,
        announcements: VecDeque::new(),
    };
    actor.run().await;
}

struct Actor {
    shared: Arc<Shared>,
    installation: Arc<Installation>,
    commands: mpsc::Receiver<Command>,
    restarts: Restarts,
    not_before: Option<Instant>,
    announcements: VecDeque<Announcement>,
}

impl Actor {
    async fn run(mut self) {
        let stopped = loop {
            if let Some(stopped) = self.wait_for_work().await {
                break stopped;
            }
            let end = self.live().await;
            if let Some(command) = self.settle(end)
                && let Some(stopped) = self.obey(command)
            {
                break stopped;
            }
        };
        self.shared.set_state(SessionState::Cold, None);
        drop(lock(&self.shared.queue).clear()); // the installation is gone, or the host ends
        drop(self.announcements);
        let _ = stopped.send(()); // whoever asked may have lost interest
    }

    /// Waits until there is something to do and it may be done; `Some` when asked to stop.
    async fn wait_for_work(&mut self) -> Option<Reply<()>> {
        let shared = Arc::clone(&self.shared);
        loop {
            let wanted = !self.announcements.is_empty() || lock(&shared.queue).len() > 0;
            let now = Instant::now();
            if wanted && self.not_before.is_none_or(|time| time <= now) {
                return None;
            }
            let command = tokio::select! {
                command = self.commands.recv() => Some(command.unwrap_or_else(|| Command::Stop(oneshot::channel().0))),
                () = shared.wake.notified(), if !wanted => None,
                () = tokio::time::sleep_until(self.not_before.unwrap_or(now)), if wanted => None,
            };
            if let Some(stopped) = command.and_then(|command| self.obey(command)) {
                return Some(stopped);
            }
        }
    }

    /// Carries out a command while there is no process; `Some` when it is to stop.
    fn obey(&mut self, command: Command) -> Option<Reply<()>> {
        match command {
            Command::Stop(reply) => return Some(reply),
            Command::Replace(installation, reply) => {
                lock(&self.shared.status).version.clone_from(&installation.version);
                self.installation = installation;
                self.restarts = Restarts::default();
                self.not_before = None;
                self.shared.unhandled.forget();
                self.shared.set_state(SessionState::Cold, None);
                let _ = reply.send(()); // whoever asked may have lost interest
            }
            Command::Announce(announcement) => {
                let state = lock(&self.shared.status).state.clone();
                match state {
                    SessionState::Broken { reason }
                        if self.not_before.is_some_and(|time| time > Instant::now()) =>
                    {
                        let _ = announcement.reply.send(Err(AnnounceError::NotRunning(reason)));
                    }
                    _ => self.announcements.push_back(announcement),
                }
            }
        }
        None
    }

    /// One process, from start to end.
    async fn live(&mut self) -> End {
        self.shared.set_state(SessionState::Starting, None);
        self.not_before = None;
        let announcements = std::mem::take(&mut self.announcements);
        let end = life::run(&self.shared, &self.installation, &mut self.commands, announcements).await;
        let mut status = lock(&self.shared.status);
        status.pid = None;
        status.in_flight = 0;
        end
    }

    /// Draws the consequences of an end; hands on the command that caused it.
    fn settle(&mut self, end: End) -> Option<Command> {
        let (now, timings) = (Instant::now(), self.shared.world.timings.clone());
        let reason = match &end.kind {
            EndKind::Asked => "it was asked to".to_owned(),
            EndKind::FailedStart(reason) | EndKind::Crashed { reason, .. } => reason.clone(),
        };
        self.shared.world.observer.tell(|| Observation::SessionEnded {
            tenant: self.shared.tenant.clone(),
            reason: reason.clone(),
        });
        self.put_back(end.unacknowledged);
        let verdict = match end.kind {
            EndKind::Asked => {
                self.shared.set_state(SessionState::Cold, None);
                self.announcements.extend(end.unanswered); // for the next process, if there is one
                return end.follow;
            }
            EndKind::FailedStart(_) => self.restarts.start_failed(now, &timings),
            EndKind::Crashed { lived, .. } => self.restarts.crashed(now, lived, &timings),
        };
        let sentence = self.sentence(&reason, verdict, now);
        match verdict {
            Verdict::WaitUntil(until) => {
                self.not_before = Some(until);
                self.shared.set_state(SessionState::Backoff { reason }, Some(until));
            }
            Verdict::BrokenUntil(until) => {
                self.not_before = Some(until);
                self.shared.set_state(SessionState::Broken { reason: reason.clone() }, Some(until));
                let waiting = lock(&self.shared.queue).clear();
                for delivery in waiting {
                    self.shared.bury(delivery, format!("the plugin does not start: {reason}"));
                }
            }
        }
        for announcement in end.unanswered {
            let _ = announcement.reply.send(Err(AnnounceError::NotRunning(sentence.clone())));
        }
        self.shared.problem(sentence);
        end.follow
    }

    fn sentence(&self, reason: &str, verdict: Verdict, now: Instant) -> String {
        let plugin = &self.shared.tenant.plugin;
        match verdict {
            Verdict::WaitUntil(until) => {
                let wait = until.duration_since(now).as_secs_f64();
                format!("plugin `{plugin}` {reason}. It may start again in {wait:.0} s")
            }
            Verdict::BrokenUntil(until) => {
                let wait = until.duration_since(now).as_secs_f64();
                let starts = match self.shared.world.timings.failed_starts {
                    0 | 1 => String::new(),
                    starts => format!("{starts} starts in a row failed: "),
                };
                format!("plugin `{plugin}` {reason}. {starts}the next try is not before {wait:.0} s from now")
            }
        }
    }

    /// Unacknowledged events go to the next process, unless it is too late or too often.
    fn put_back(&self, unacknowledged: Vec<Delivery>) {
        let mut again = Vec::new();
        for delivery in unacknowledged {
            if delivery.attempts >= limits::DELIVERY_ATTEMPTS {
                let reason = format!("it was delivered {} times and never acknowledged", delivery.attempts);
                self.shared.bury(delivery, reason);
            } else if life::too_late(&delivery, self.shared.world.clock.now()) {
                self.shared.bury(delivery, "it is too late to answer the interaction".to_owned());
            } else {
                again.push(delivery);
            }
        }
        lock(&self.shared.queue).put_back(again);
    }
}
