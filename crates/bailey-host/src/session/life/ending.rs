//! How a process comes to its end: asked, out of patience, or on its own.

use std::sync::Arc;

use bailey_protocol::host_message;
use tokio::time::Instant;

use super::{End, EndKind, Life, Phase, Step};
use crate::session::{Command, SessionState};
use crate::spawn::{Ended, Signal};

impl Life {
    pub(super) fn takes_commands(&self) -> bool {
        self.follow.is_none() && self.ended.is_none() && self.announcements.len() < 8
    }

    pub(super) fn obey(&mut self, command: Command) {
        if let Command::Announce(announcement) = command {
            self.announcements.push_back(announcement);
            return;
        }
        self.follow = Some(command);
        if self.killed.is_some() {
            return; // it is ending anyway
        }
        self.asked = true;
        match self.phase {
            Phase::Ready => self.drain("it was asked to end"),
            Phase::Draining { .. } | Phase::Ending { .. } | Phase::Gone { .. } => {}
            _ => {
                self.shared.set_state(SessionState::Draining, "it was asked to end", None);
                self.end_by(Signal::Kill); // it was never told anything it could finish
            }
        }
    }

    /// Ends a process that is fine and has nothing to do; not one that just got something.
    pub(super) fn unload(&mut self, why: &str) {
        if self.is_idle() && self.killed.is_none() {
            self.dismissed = Some(EndKind::Unloaded(format!("was unloaded: {why}")));
            self.drain(&format!("unloading: {why}"));
        }
    }

    /// Stops deliveries to a plugin whose events fail.
    pub(in crate::session) fn trip(&mut self, why: String) {
        if self.phase == Phase::Ready {
            self.drain(&why);
            self.dismissed = Some(EndKind::Tripped(format!("is not given events any more: {why}")));
        }
    }

    /// Lets it finish what it has.
    fn drain(&mut self, why: &str) {
        let until = Instant::now() + self.shared.world.timings.shutdown_grace;
        self.shared.set_state(SessionState::Draining, why, Some(until));
        self.phase = Phase::Draining { until };
    }

    /// `host.shutdown`, once, and end of input: that is what ends an SDK's read loop.
    pub(super) fn close(&mut self) {
        self.write(host_message::shutdown());
        self.outgoing = None;
        let until = Instant::now() + self.shared.world.timings.shutdown_grace;
        self.phase = Phase::Ending { step: Step::StdinClosed, until };
    }

    fn end_by(&mut self, signal: Signal) {
        (self.signal)(signal);
        self.outgoing = None;
        let step = if signal == Signal::Kill { Step::Killed } else { Step::Terminated };
        self.phase = Phase::Ending { step, until: Instant::now() + self.shared.world.timings.kill_grace };
    }

    /// Ends a process that cannot go on, and says why.
    pub(super) fn kill(&mut self, reason: String) {
        if self.ended.is_none() && self.killed.is_none() {
            self.killed = Some(reason);
            self.end_by(Signal::Kill);
        }
    }

    pub(super) fn stall(&self) -> String {
        let patience = self.shared.world.timings.write_stall;
        format!("stopped reading its input for {patience:?}, so it was ended")
    }

    /// A pipe closed: normal at the end of a process, which then must come soon.
    pub(super) fn orphan(&mut self, what: &'static str) {
        if self.orphaned.is_none() {
            self.orphaned = Some((Instant::now() + self.shared.world.timings.kill_grace, what));
        }
    }

    pub(super) fn exited(&mut self, ended: Ended) {
        self.ended = Some(ended);
        self.outgoing = None;
        self.phase = Phase::Gone { until: Instant::now() + self.shared.world.timings.last_words };
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let boot = self.born + self.shared.world.timings.boot_deadline;
        let own = match self.phase {
            Phase::Silent => Some(boot),
            Phase::Booting { resend } => Some(resend.min(boot)),
            Phase::Settling { ready } => Some(ready),
            Phase::Ready => {
                let announcing = self.announcing.as_ref().map(|(_, due)| *due);
                announcing.into_iter().chain(self.event_due()).chain(self.idle_until()).min()
            }
            Phase::Draining { until } | Phase::Ending { until, .. } | Phase::Gone { until } => Some(until),
        };
        let orphaned = self.orphaned.map(|(due, _)| due).filter(|_| self.is_serving());
        own.into_iter().chain(orphaned).chain(self.turn_over).min()
    }

    fn is_serving(&self) -> bool {
        !matches!(self.phase, Phase::Ending { .. } | Phase::Gone { .. })
    }

    pub(super) fn deadline_passed(&mut self) {
        let now = Instant::now();
        if let Some((due, what)) = self.orphaned
            && due <= now
            && self.is_serving()
        {
            return self.kill(format!("{what} without ending, so it was ended"));
        }
        if self.turn_over.is_some_and(|over| over <= now) {
            self.turn_over = None;
            self.place.turn_over();
        }
        let timings = &self.shared.world.timings;
        let boot_over = self.born + timings.boot_deadline <= now;
        match self.phase {
            Phase::Silent if boot_over => self.kill(format!(
                "did not call plugin.run() within {:?}: look for a loop or a wait before it",
                timings.boot_deadline
            )),
            Phase::Booting { .. } if boot_over => {
                self.kill(format!("was not ready within {:?}", timings.boot_deadline));
            }
            Phase::Booting { resend } if resend <= now => {
                self.phase = Phase::Settling { ready: now + timings.boot_settle };
                let installation = Arc::clone(&self.installation);
                self.write(host_message::boot_notification(
                    installation.mode,
                    &self.grants,
                    &installation.version,
                ));
            }
            Phase::Settling { ready } if ready <= now => self.ready(),
            Phase::Ready => self.patience_ended(now),
            Phase::Draining { until } if until <= now => self.close(),
            Phase::Ending { step: Step::StdinClosed, until } if until <= now => {
                self.end_by(Signal::Terminate)
            }
            Phase::Ending { step: Step::Terminated, until } if until <= now => self.end_by(Signal::Kill),
            Phase::Ending { step: Step::Killed, until } if until <= now => {
                tracing::error!(tenant = %self.shared.tenant, pid = self.pid, "the process of {} does not end", self.shared.tenant);
                self.exited(Ended { code: None, description: "it could not be killed".to_owned() });
            }
            _ => {}
        }
    }

    pub(super) fn end(mut self) -> End {
        let abandoned = self.flight.past_interactions();
        let unacknowledged = self.flight.take_all();
        let (was_silent, never_ready) = (!self.spoke, self.ready_at.is_none());
        let description = self.ended.as_ref().map_or("it vanished", |ended| ended.description.as_str());
        let code = self.ended.as_ref().and_then(|ended| ended.code);
        let words = self.noise.last_words();
        let words = if words.is_empty() { words } else { format!(". Its last words: {words}") };
        let reason = match self.killed.take() {
            Some(reason) => reason,
            None if was_silent && code == Some(0) => {
                format!("ended at once: its __main__.py ended without calling plugin.run(){words}")
            }
            None if never_ready => format!("ended before it was ready: {description}{words}"),
            None => format!("ended unexpectedly: {description}{words}"),
        };
        let kind = match (self.asked, self.dismissed, self.ready_at) {
            (true, _, _) => EndKind::Asked,
            (false, Some(dismissed), _) => dismissed,
            (false, None, None) => EndKind::FailedStart(reason),
            (false, None, Some(ready)) => EndKind::Crashed { reason, lived: ready.elapsed() },
        };
        End { kind, abandoned, unacknowledged, unanswered: self.announcements.into(), follow: self.follow }
    }
}
