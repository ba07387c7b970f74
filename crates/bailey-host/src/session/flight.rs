//! Events a process was given and has not acknowledged: the window, deadlines, and which
//! interaction a call belongs to. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bailey_protocol::{EventId, InteractionId};
use tokio::time::Instant;

use super::queue::Delivery;
use crate::broker::CurrentInteraction;

/// Interactions remembered after their acknowledgement, because handlers may finish late.
const REMEMBERED: usize = 256;

/// One event in work.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) delivery: Delivery,
    /// When it was sent.
    pub(crate) since: Instant,
    /// When to lose patience.
    pub(crate) due: Instant,
    /// How long the process had waited for slow answers of ours when it was sent.
    pub(crate) waited: Duration,
    /// The plugin said a handler raised; its acknowledgement is still to come.
    pub(crate) failed: bool,
}

/// The events in work in one process.
#[derive(Debug)]
pub(crate) struct Flight {
    in_work: Vec<InFlight>,
    window: usize,
    first_settled: bool,
    delivered: VecDeque<(EventId, InteractionId)>,
}

impl Flight {
    /// A fresh process: one event alone first, then `window` at a time.
    pub(crate) fn new(window: usize) -> Self {
        Self { in_work: Vec::new(), window, first_settled: false, delivered: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.in_work.len()
    }

    /// The window from now on.
    pub(crate) fn set_window(&mut self, window: usize) {
        self.window = window;
    }

    /// When the oldest was sent.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.in_work.iter().map(|known| known.since).min()
    }

    /// Whether more than one thing at a time may be given: the first was done with.
    pub(crate) fn is_open(&self) -> bool {
        self.first_settled
    }

    /// The first thing was done with, and it was no event.
    pub(crate) fn open(&mut self) {
        self.first_settled = true;
    }

    /// Whether another event may be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.in_work.len() < if self.first_settled { self.window } else { 1 }
    }

    /// Counts an event as sent.
    pub(crate) fn begin(&mut self, delivery: Delivery, due: Instant, waited: Duration) {
        if let Some(interaction) = &delivery.event.interaction {
            if self.delivered.len() == REMEMBERED {
                self.delivered.pop_front();
            }
            self.delivered.push_back((delivery.event.id.clone(), interaction.id));
        }
        let since = Instant::now();
        self.in_work.push(InFlight { delivery, since, due, waited, failed: false });
    }

    /// Settles an event, if it is in work here.
    pub(crate) fn ack(&mut self, id: &str) -> Option<InFlight> {
        let position = self.in_work.iter().position(|known| known.delivery.event.id.as_str() == id)?;
        self.first_settled = true;
        Some(self.in_work.remove(position))
    }

    /// Notes that a handler raised; the acknowledgement is expected by `due`.
    pub(crate) fn fail(&mut self, id: &str, due: Instant) -> Option<&InFlight> {
        let known = self.in_work.iter_mut().find(|known| known.delivery.event.id.as_str() == id)?;
        known.failed = true;
        known.due = known.due.min(due);
        Some(known)
    }

    /// When patience ends for the first of them.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.in_work.iter().map(|known| known.due).min()
    }

    /// Takes out the failed ones whose acknowledgement did not come by `now`.
    pub(crate) fn settle_failed(&mut self, now: Instant) -> Vec<InFlight> {
        let late: Vec<_> = self.in_work.extract_if(.., |known| known.failed && known.due <= now).collect();
        self.first_settled |= !late.is_empty();
        late
    }

    /// Gives those in work the time that the process, in all, has `waited` for us, up to `most`.
    pub(crate) fn extend(&mut self, patience: Duration, waited: Duration, most: Duration) {
        for known in self.in_work.iter_mut().filter(|known| !known.failed) {
            known.due = known.since + patience + waited.saturating_sub(known.waited).min(most);
        }
    }

    /// The first event whose time is over at `now`.
    pub(crate) fn overdue(&self, now: Instant) -> Option<&InFlight> {
        self.in_work.iter().find(|known| !known.failed && known.due <= now)
    }

    /// Interactions this process was given and that are not in work any more, the latest ones.
    pub(crate) fn past_interactions(&self) -> Vec<InteractionId> {
        let in_work = |id: &EventId| self.in_work.iter().any(|known| known.delivery.event.id == *id);
        self.delivered.iter().filter(|(id, _)| !in_work(id)).map(|(_, interaction)| *interaction).collect()
    }

    /// Where to note that the plugin answered an interaction that is in work.
    pub(crate) fn answered_mark(&self, interaction: InteractionId) -> Option<Arc<AtomicBool>> {
        let is_it = |known: &&InFlight| {
            known.delivery.event.interaction.as_ref().is_some_and(|own| own.id == interaction)
        };
        self.in_work.iter().find(is_it).map(|known| Arc::clone(&known.delivery.answered))
    }

    /// The interaction a call belongs to: that of the event it names, if this process was given
    /// it; else the only one in work, if there is exactly one.
    pub(crate) fn current_interaction(&self, event: Option<&str>) -> Option<CurrentInteraction> {
        let named = event.and_then(|event| self.delivered.iter().find(|(id, _)| id.as_str() == event));
        if let Some((_, id)) = named {
            return Some(CurrentInteraction { id: *id, certain: true });
        }
        let mut in_work = self.in_work.iter().filter_map(|known| known.delivery.event.interaction.as_ref());
        match (in_work.next(), in_work.next()) {
            (Some(only), None) => Some(CurrentInteraction { id: only.id, certain: false }),
            _ => None,
        }
    }

    /// Everything not acknowledged, in the order it was sent.
    pub(crate) fn take_all(&mut self) -> Vec<Delivery> {
        self.in_work.drain(..).map(|known| known.delivery).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quiet::Quiet;
    use crate::testing::{command, message};

    fn begin(flight: &mut Flight, event: bailey_protocol::Event, due: Instant) {
        flight.begin(Delivery::new(event, Quiet::default().hold()), due, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_event_is_alone_and_then_the_window_opens() {
        let mut flight = Flight::new(3);
        let due = Instant::now();
        begin(&mut flight, message(1, "e1"), due);
        assert!(!flight.has_room());
        assert!(flight.ack("other").is_none() && !flight.has_room());
        assert!(flight.ack("e1").is_some());
        for id in ["e2", "e3", "e4"] {
            assert!(flight.has_room());
            begin(&mut flight, message(1, id), due);
        }
        assert!(!flight.has_room());
        assert!(flight.ack("e3").is_some() && flight.has_room());
        assert!(flight.ack("e3").is_none(), "acknowledged twice");
        let left: Vec<_> =
            flight.take_all().into_iter().map(|delivery| delivery.event.id.to_string()).collect();
        assert_eq!(left, ["e2", "e4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_a_failed_event_is_settled_without_its_ack() {
        let mut flight = Flight::new(3);
        let now = Instant::now();
        begin(&mut flight, message(1, "e1"), now + Duration::from_secs(60));
        assert!(flight.fail("e1", now + Duration::from_secs(2)).is_some());
        assert_eq!(flight.next_due(), Some(now + Duration::from_secs(2)));
        let later = now + Duration::from_secs(2);
        assert!(flight.overdue(later).is_none());
        assert_eq!(flight.settle_failed(later).len(), 1);
        begin(&mut flight, message(1, "e2"), now + Duration::from_secs(60));
        assert!(flight.overdue(now + Duration::from_secs(60)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_belongs_to_the_event_it_names_or_to_the_only_interaction() {
        let due = Instant::now();
        let mut flight = Flight::new(5);
        let check = |flight: &Flight, event, expected: Option<(u64, bool)>| {
            let found = flight.current_interaction(event).map(|current| (current.id.0, current.certain));
            assert_eq!(found, expected);
        };
        check(&flight, Some("i1"), None);
        begin(&mut flight, command(1, "i1", 300, Some("slow")), due);
        begin(&mut flight, message(1, "m1"), due);
        check(&flight, None, Some((300, false)));
        check(&flight, Some("m1"), Some((300, false)));
        begin(&mut flight, command(1, "i2", 400, None), due);
        check(&flight, None, None);
        check(&flight, Some("i2"), Some((400, true)));
        flight.ack("i1");
        check(&flight, None, Some((400, false)));
        check(&flight, Some("i1"), Some((300, true)));
    }
}
