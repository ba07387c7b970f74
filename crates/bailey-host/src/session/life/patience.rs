//! How long the host waits for a process: for an event it works on, for a sign that it lives at all, and
//! for something to do.

use std::time::Duration;

use bailey_protocol::host_message::{self, Mode};
use bailey_protocol::limits;
use tokio::time::Instant;

use super::{Life, Phase};
use crate::session::{AnnounceError, lock};

/// A request that any SDK answers with an error, as it answers every method it does not know: from the thread that
/// reads, so that an answer says that the process lives although its handlers are busy.
pub(super) struct Ping {
    id: String,
    until: Instant,
    answered: bool,
}

impl Life {
    /// When to look at the events in work again.
    pub(super) fn event_due(&self) -> Option<Instant> {
        let due = self.flight.next_due()?;
        Some(self.ping.as_ref().map_or(due, |ping| ping.until))
    }

    /// The answer to a ping; false if it answers something else.
    pub(super) fn ping_answered(&mut self, id: &str) -> bool {
        let Some(ping) = self.ping.as_mut().filter(|ping| ping.id == id) else { return false };
        ping.answered = true;
        ping.until = Instant::now();
        true
    }

    pub(super) fn patience_ended(&mut self, now: Instant) {
        for late in self.flight.settle_failed(now) {
            self.settled(late, true);
        }
        let timings = self.shared.world.timings.clone();
        // Waiting for us is not its fault.
        self.flight.extend(timings.event_deadline, self.waits.waited(), limits::EVENT_DEADLINE_EXTENSION);
        match self.flight.overdue(now) {
            None => self.ping = None,
            Some(overdue) => {
                let event = &overdue.delivery.event;
                let late = format!(
                    "did not finish event.{} ({}) within {:?}",
                    event.kind, event.id, timings.event_deadline
                );
                let ran = Duration::from_secs(now.duration_since(overdue.since).as_secs());
                match &self.ping {
                    None => return self.ask_for_a_sign(now + timings.ping_patience),
                    Some(ping) if ping.answered => {
                        return self.kill(format!(
                            "{late}: its handler has run for {ran:?} while the process still answers, so it was ended"
                        ));
                    }
                    Some(ping) if ping.until <= now => {
                        return self.kill(format!(
                            "{late}: for {ran:?} by now, and the process does not answer at all, so it was ended"
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        if self.announcing.as_ref().is_some_and(|(_, due)| *due <= now) {
            self.announcing = None;
            let error = AnnounceError::TimedOut(timings.announce_deadline);
            if let Some(announcement) = self.announcements.pop_front() {
                let _ = announcement.reply.send(Err(error));
            }
        }
        if self.idle_until().is_some_and(|until| until <= now) {
            self.unload(&format!("it had nothing to do for {:?}", timings.idle_after.unwrap_or_default()));
        }
    }

    fn ask_for_a_sign(&mut self, until: Instant) {
        self.pings += 1;
        let id = format!("h-ping-{}", self.pings);
        self.write(host_message::ping(&id));
        self.ping = Some(Ping { id, until, answered: false });
    }

    /// Whether it has nothing to do, and may be ended for that: in single mode it may have threads of its own.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Ready
            && self.flight.len() == 0
            && self.announcements.is_empty()
            && self.telling.is_empty()
            && lock(&self.shared.news).is_empty()
            && self.inbox.is_empty()
            && self.waits.unanswered() == 0
            && self.installation.mode != Mode::Single
            && lock(&self.shared.queue).len() == 0
            && !self.shared.world.calls.needs_process(&self.shared.tenant)
    }

    /// When it is ended if it still has nothing to do then.
    pub(super) fn idle_until(&self) -> Option<Instant> {
        let after = self.shared.world.timings.idle_after?;
        Some(self.told_idle? + after)
    }

    /// Tells the gate, which may need the memory, when the process gets or runs out of work.
    pub(super) fn note_activity(&mut self) {
        if self.phase != Phase::Ready {
            return; // one that is on its way out has work no more, whatever it still has to finish
        }
        let idle = self.is_idle();
        if !idle || self.told_idle.is_none() {
            self.last_active = Instant::now();
        }
        let since = idle.then_some(self.last_active);
        if since != self.told_idle {
            self.told_idle = since;
            self.place.idle(since);
        }
    }
}
