//! What one tenant holds: keys with the time they expire, counters with their hits. Bounded; pure,
//! told the time.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use bailey_protocol::{Timestamp, limits};

use super::backend::Slot;

/// What a key costs besides its text and hits: its places in the table and in the order of expiry,
/// each with the slack such containers keep. Rounded up.
pub(super) const KEY_BYTES: usize = 256;

/// What is kept there.
#[derive(Debug)]
struct Entry {
    /// From this instant on it is absent.
    expires_at: Timestamp,
    /// A counter's hits, oldest first; empty for the other kinds.
    hits: VecDeque<Timestamp>,
    /// A counter's widest window so far.
    widest: Duration,
}

impl Entry {
    fn bytes(&self, slot: &Slot) -> usize {
        KEY_BYTES + slot.key.as_str().len() + self.hits.capacity() * size_of::<Timestamp>()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: HashMap<Slot, Entry>,
    /// The same slots, the soonest to expire first.
    by_expiry: BTreeSet<(Timestamp, Slot)>,
    bytes: usize,
}

impl Shelf {
    /// Keeps a key until `expires_at`, whatever was there.
    pub(super) fn set(&mut self, slot: Slot, expires_at: Timestamp) {
        self.put(slot, Entry { expires_at, hits: VecDeque::new(), widest: Duration::ZERO });
    }

    /// When a key expires, if it is there.
    pub(super) fn expiry(&self, slot: &Slot, now: Timestamp) -> Option<Timestamp> {
        self.entries.get(slot).map(|entry| entry.expires_at).filter(|expires_at| *expires_at > now)
    }

    /// Adds a hit to a counter; how many there are within the window, this one included.
    pub(super) fn hit(&mut self, slot: Slot, window: Duration, now: Timestamp) -> usize {
        let (mut hits, widest) = self
            .remove(&slot)
            .filter(|entry| entry.expires_at > now)
            .map_or_else(Default::default, |entry| (entry.hits, entry.widest));
        let widest = widest.max(window);
        // A machine's clock may be set back; the hits stay in order, as if it had stood still.
        let now = hits.back().map_or(now, |last| now.max(*last));
        let kept_from = hits.partition_point(|hit| *hit + widest <= now);
        hits.drain(..kept_from);
        if hits.len() >= limits::EPHEMERAL_HITS {
            hits.pop_front();
        }
        if hits.len() < hits.capacity() / 4 {
            hits.shrink_to(hits.len() * 2);
        }
        hits.push_back(now);
        let count = hits.len() - hits.partition_point(|hit| *hit + window <= now);
        self.put(slot, Entry { expires_at: now + widest, hits, widest });
        count
    }

    /// Forgets what has expired, at most so many, and says how many.
    pub(super) fn forget_expired(&mut self, now: Timestamp, most: usize) -> usize {
        let mut forgotten = 0;
        while forgotten < most && self.by_expiry.first().is_some_and(|(expires_at, _)| *expires_at <= now) {
            self.forget_soonest(None);
            forgotten += 1;
        }
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        forgotten
    }

    /// Forgets the soonest to expire, other than `keep`. False when there is none.
    pub(super) fn forget_soonest(&mut self, keep: Option<&Slot>) -> bool {
        let soonest = self.by_expiry.iter().map(|(_, slot)| slot).find(|slot| Some(*slot) != keep).cloned();
        soonest.is_some_and(|slot| self.remove(&slot).is_some())
    }

    /// How many keys there are, expired ones included.
    pub(super) fn keys(&self) -> usize {
        self.entries.len()
    }

    /// What they cost.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts an entry in its place; others make room for it, it itself stays.
    fn put(&mut self, slot: Slot, entry: Entry) {
        self.remove(&slot);
        self.bytes += entry.bytes(&slot);
        self.by_expiry.insert((entry.expires_at, slot.clone()));
        self.entries.insert(slot.clone(), entry);
        while (self.entries.len() > limits::EPHEMERAL_KEYS || self.bytes > limits::EPHEMERAL_BYTES)
            && self.forget_soonest(Some(&slot))
        {}
    }

    fn remove(&mut self, slot: &Slot) -> Option<Entry> {
        let (slot, entry) = self.entries.remove_entry(slot)?;
        self.bytes -= entry.bytes(&slot);
        self.by_expiry.remove(&(entry.expires_at, slot));
        Some(entry)
    }
}
