//! What a process is told: who it is, what happens, and answers; and when it is ready for that.

use bailey_protocol::host_message::{self, Lifecycle};
use bailey_protocol::limits;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Life, Phase, too_late};
use crate::broker::Unanswered;
use crate::observation::Observation;
use crate::session::streams::Outgoing;
use crate::session::{AnnounceError, SessionState, lock};
use crate::spawn::Signal;

/// The id of `host.boot`. Host ids are texts, which no plugin id can equal.
const BOOT_ID: &str = "h-boot";

impl Life {
    // --- boot ---------------------------------------------------------------

    /// The first word of the protocol: it has come to life and may be told who it is.
    pub(in crate::session) fn heard(&mut self) {
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
    pub(in crate::session) fn answered(&mut self, id: &str, outcome: Result<(), String>) -> bool {
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
        if self.ping_answered(id) {
            return true;
        }
        if self.telling.answered(id, &outcome) {
            self.flight.open();
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

    pub(super) fn ready(&mut self) {
        let now = Instant::now();
        self.phase = Phase::Ready;
        lock(&self.shared.status).told_of_refusal = false;
        self.ready_at = Some(now);
        self.last_active = now;
        self.place.started(self.memory.as_ref());
        self.turn_over = None;
        let reason = match &self.trial {
            Some(why) => format!("the next event is a trial, because {why}"),
            None => "takes events".to_owned(),
        };
        self.shared.set_state(SessionState::Ready, reason, None);
        self.shared.world.observer.tell(|| Observation::SessionStarted {
            tenant: self.shared.tenant.clone(),
            pid: self.pid,
            took: now.duration_since(self.born),
        });
    }

    /// The event it was tried with went well: everything may be delivered again.
    pub(in crate::session) fn trial_passed(&mut self) {
        if self.trial.take().is_none() {
            return;
        }
        self.flight.set_window(limits::DELIVERY_WINDOW);
        let shared = &self.shared;
        shared.world.plugins.succeeded(&shared.tenant, &self.installation.version);
        if self.phase == Phase::Ready {
            shared.set_state(SessionState::Ready, "takes events", None);
        }
    }

    // --- what it is told ----------------------------------------------------

    pub(super) fn send_events(&mut self) {
        // The first thing a process is given, it is given alone.
        let may_begin = self.flight.is_open() || self.telling.is_empty();
        while self.phase == Phase::Ready
            && self.announcements.is_empty()
            && may_begin
            && self.flight.has_room()
        {
            let Some(mut delivery) = lock(&self.shared.queue).pop() else { return };
            if too_late(&delivery, self.shared.world.clock.now()) {
                self.shared.abandon(delivery, "it is too late to answer the interaction", Unanswered::Busy);
                continue;
            }
            delivery.attempts += 1;
            let attempt = delivery.attempts;
            let (tenant, event) = (self.shared.tenant.clone(), delivery.event.id.clone());
            let kind = delivery.event.kind;
            self.write(host_message::event(&delivery.event, &self.grants, &self.installation.version));
            let due = Instant::now() + self.shared.world.timings.event_deadline;
            self.flight.begin(delivery, due, self.waits.waited());
            lock(&self.shared.status).last_event_at = Some(self.shared.world.clock.now());
            self.shared.world.observer.tell(|| match attempt {
                1 => Observation::EventDelivered { tenant, event, kind },
                attempt => Observation::EventRedelivered { tenant, event, attempt },
            });
        }
    }

    pub(super) fn tell_news(&mut self) {
        while self.phase == Phase::Ready && self.announcements.is_empty() {
            if !self.flight.is_open() && (self.flight.len() > 0 || !self.telling.is_empty()) {
                return;
            }
            let Some(news) = lock(&self.shared.news).pop() else { return };
            let (event, grants) = (news.event.clone(), Arc::clone(&self.grants));
            let id = self.telling.begin(news);
            self.write(host_message::socket(&id, &event, &grants, &self.installation.version));
            self.last_active = Instant::now();
        }
    }

    pub(super) fn announce_next(&mut self) {
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
    pub(in crate::session) fn write(&mut self, line: String) {
        self.send(Outgoing { line, held: None });
    }

    pub(in crate::session) fn send(&mut self, outgoing: Outgoing) {
        let Some(sender) = &self.outgoing else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(outgoing) {
            self.kill("does not read its input: too many lines are waiting to be written".to_owned());
        }
    }

    /// Where calls put their answers; it does not keep the process's input open.
    pub(in crate::session) fn answers(&self) -> Option<mpsc::WeakSender<Outgoing>> {
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
