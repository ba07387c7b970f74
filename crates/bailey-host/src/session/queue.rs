//! Events waiting for a plugin: bounded, oldest dropped first, interactions last. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bailey_protocol::Event;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::dead_letters::Settled;
use crate::quiet::Busy;

/// One event for one session, until it is settled.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Event,
    /// How often it was written to a process.
    pub(crate) attempts: u32,
    /// Whether the plugin answered it, if it is an interaction; set by the call that did.
    pub(crate) answered: Arc<AtomicBool>,
    /// Who waits to hear what became of it, if it had been put aside before.
    pub(crate) tell: Option<oneshot::Sender<Settled>>,
    /// When it began to wait.
    pub(crate) since: Instant,
    /// Keeps the host un-quiet until the delivery is settled.
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) busy: Busy,
}

impl Delivery {
    pub(crate) fn new(event: Event, busy: Busy) -> Self {
        Self { event, attempts: 0, answered: Arc::default(), tell: None, since: Instant::now(), busy }
    }

    pub(crate) fn answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    /// Tells who waits what became of it. Dropped untold, it was lost with its installation or its host.
    pub(crate) fn settle(&mut self, settled: Settled) {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(settled); // whoever asked may have lost interest
        }
    }
}

/// The queue of one session.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: VecDeque<Delivery>,
    capacity: usize,
    dropped: u64,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { waiting: VecDeque::new(), capacity: capacity.max(1), dropped: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Deliveries dropped so far because the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds a new delivery at the end; if that is one too many, hands back the one to drop: the
    /// oldest that is no interaction, else the oldest.
    pub(crate) fn push(&mut self, delivery: Delivery) -> Option<Delivery> {
        self.waiting.push_back(delivery);
        if self.waiting.len() <= self.capacity {
            return None;
        }
        self.dropped += 1;
        let oldest = self.waiting.iter().position(|waiting| waiting.event.interaction.is_none()).unwrap_or(0);
        self.waiting.remove(oldest)
    }

    /// Puts deliveries back at the front, in their order. They may exceed the capacity by a window.
    pub(crate) fn put_back(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries.into_iter().rev() {
            self.waiting.push_front(delivery);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        self.waiting.pop_front()
    }

    /// Takes out those that are wanted, in their order.
    pub(crate) fn take(&mut self, wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let (taken, left) = self.waiting.drain(..).partition(|delivery| wanted(delivery));
        self.waiting = left;
        Vec::from_iter::<VecDeque<Delivery>>(taken)
    }

    /// Whether a person waits for one of them.
    pub(crate) fn has_interaction(&self) -> bool {
        self.waiting.iter().any(|delivery| delivery.event.interaction.is_some())
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self) -> Vec<Delivery> {
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quiet::Quiet;
    use crate::testing::{command, message};

    fn delivery(event: Event) -> Delivery {
        Delivery::new(event, Quiet::default().hold())
    }

    fn ids(queue: &mut Queue) -> Vec<String> {
        queue.clear().into_iter().map(|delivery| delivery.event.id.to_string()).collect()
    }

    #[test]
    fn a_full_queue_drops_the_oldest_that_is_no_interaction() {
        let mut queue = Queue::new(3);
        assert!(queue.push(delivery(command(1, "i1", 1, None))).is_none());
        assert!(queue.push(delivery(message(1, "m1"))).is_none());
        assert!(queue.push(delivery(message(1, "m2"))).is_none());
        assert_eq!(queue.push(delivery(message(1, "m3"))).unwrap().event.id.as_str(), "m1");
        assert_eq!(queue.dropped(), 1);
        assert_eq!(ids(&mut queue), ["i1", "m2", "m3"]);
    }

    #[test]
    fn with_interactions_only_the_oldest_goes() {
        let mut queue = Queue::new(1);
        queue.push(delivery(command(1, "i1", 1, None)));
        assert_eq!(queue.push(delivery(command(1, "i2", 2, None))).unwrap().event.id.as_str(), "i1");
    }

    #[test]
    fn what_is_put_back_comes_first_and_in_order() {
        let mut queue = Queue::new(10);
        queue.push(delivery(message(1, "m3")));
        queue.put_back(vec![delivery(message(1, "m1")), delivery(message(1, "m2"))]);
        assert_eq!(ids(&mut queue), ["m1", "m2", "m3"]);
    }
}
