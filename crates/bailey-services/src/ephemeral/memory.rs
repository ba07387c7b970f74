//! The shelves of all tenants in this process's memory, behind a few locks.
//!
//! Our own map because the ready-made bounded caches read the machine's clock themselves: with them
//! a scenario that moves time by hand would see nothing expire, and none of them counts hits.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_protocol::method::ephemeral::Key;
use bailey_protocol::{Clock, Tenant, Timestamp, limits};

use super::Usage;
use super::backend::{Answer, Backend, Kind, Slot};
use super::shelf::Shelf;

/// Locks, so that tenants seldom wait for each other; each has its part of the memory.
const PARTS: usize = 8;
/// Expired keys one call clears away on its tenant's shelf.
pub(super) const CLEARED_BY_A_CALL: usize = 16;
/// Expired keys cleared away before a lock is let go.
const CLEARED_AT_ONCE: usize = 1000;

/// See the module.
pub(super) struct Memory {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
    clock: Arc<dyn Clock>,
}

impl Memory {
    /// An empty one, with times from `clock`.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let part = |_| Mutex::new(Part::new(limits::EPHEMERAL_TOTAL_BYTES / PARTS));
        Self { parts: std::array::from_fn(part), hasher: RandomState::new(), clock }
    }

    /// Does something on a tenant's shelf while nobody else can.
    fn with<T>(&self, tenant: &Tenant, work: impl FnOnce(&mut Shelf, Timestamp) -> T) -> T {
        let number = self.hasher.hash_one(tenant) as usize % PARTS;
        let now = self.clock.now();
        lock(&self.parts[number]).with(tenant, now, |shelf| work(shelf, now))
    }

    /// Forgets everything that has expired.
    pub(super) fn sweep(&self) {
        let now = self.clock.now();
        for part in &self.parts {
            while lock(part).forget_expired(now, CLEARED_AT_ONCE) >= CLEARED_AT_ONCE {}
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for part in &self.parts {
            let mut part = lock(part);
            *part = Part::new(part.most_bytes);
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.parts.iter().fold(Usage::default(), |usage, part| {
            let part = lock(part);
            Usage {
                tenants: usage.tenants + part.shelves.len(),
                keys: usage.keys + part.shelves.values().map(Shelf::keys).sum::<usize>(),
                bytes: usage.bytes + part.bytes,
            }
        })
    }
}

impl Backend for Memory {
    fn hit<'a>(&'a self, tenant: &'a Tenant, key: &'a Key, window: Duration) -> Answer<'a, usize> {
        let slot = Slot { kind: Kind::Counter, key: key.clone() };
        Box::pin(async move { Ok(self.with(tenant, |shelf, now| shelf.hit(slot, window, now))) })
    }

    fn set<'a>(&'a self, tenant: &'a Tenant, slot: Slot, time_to_live: Duration) -> Answer<'a, ()> {
        Box::pin(async move {
            self.with(tenant, |shelf, now| shelf.set(slot, now + time_to_live));
            Ok(())
        })
    }

    fn set_new<'a>(&'a self, tenant: &'a Tenant, slot: Slot, time_to_live: Duration) -> Answer<'a, bool> {
        Box::pin(async move {
            Ok(self.with(tenant, |shelf, now| {
                let is_new = shelf.expiry(&slot, now).is_none();
                if is_new {
                    shelf.set(slot, now + time_to_live);
                }
                is_new
            }))
        })
    }

    fn remaining<'a>(&'a self, tenant: &'a Tenant, slot: Slot) -> Answer<'a, Duration> {
        Box::pin(async move {
            let left = self.with(tenant, |shelf, now| shelf.expiry(&slot, now).map(|at| at.since(now)));
            Ok(left.unwrap_or_default())
        })
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The shelves behind one lock.
struct Part {
    shelves: HashMap<Tenant, Shelf>,
    /// What they cost together.
    bytes: usize,
    most_bytes: usize,
}

impl Part {
    fn new(most_bytes: usize) -> Self {
        Self { shelves: HashMap::new(), bytes: 0, most_bytes }
    }

    fn with<T>(&mut self, tenant: &Tenant, now: Timestamp, work: impl FnOnce(&mut Shelf) -> T) -> T {
        let shelf = self.shelves.entry(tenant.clone()).or_default();
        let before = shelf.bytes();
        shelf.forget_expired(now, CLEARED_BY_A_CALL);
        let answer = work(shelf);
        self.bytes = self.bytes - before + shelf.bytes();
        if shelf.keys() == 0 {
            self.shelves.remove(tenant);
        }
        while self.bytes > self.most_bytes && self.relieve() {}
        answer
    }

    /// Takes a quarter from whoever holds most: a tenant that holds little keeps it. False when
    /// there is nothing to take.
    fn relieve(&mut self) -> bool {
        let Some((tenant, largest)) = self.shelves.iter_mut().max_by_key(|(_, shelf)| shelf.bytes()) else {
            return false;
        };
        let before = largest.bytes();
        while largest.bytes() > before - before / 4 && largest.forget_soonest(None) {}
        self.bytes = self.bytes - before + largest.bytes();
        tracing::debug!(%tenant, "short-lived keys were forgotten early: all tenants together hold too many");
        largest.bytes() < before
    }

    /// Forgets what has expired, at most so many, and says how many.
    fn forget_expired(&mut self, now: Timestamp, most: usize) -> usize {
        let mut forgotten = 0;
        for shelf in self.shelves.values_mut() {
            let before = shelf.bytes();
            forgotten += shelf.forget_expired(now, most - forgotten);
            self.bytes = self.bytes - before + shelf.bytes();
        }
        self.shelves.retain(|_, shelf| shelf.keys() > 0);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use bailey_protocol::GuildId;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn tenant(guild: u64) -> Tenant {
        Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(guild) }
    }

    fn slot(number: u32) -> Slot {
        Slot { kind: Kind::Flag, key: Key::new(&number.to_string()).unwrap() }
    }

    fn set(part: &mut Part, guild: u64, number: u32) {
        let expires_at = NOW + Duration::from_secs(60 + u64::from(number));
        part.with(&tenant(guild), NOW, |shelf| shelf.set(slot(number), expires_at));
    }

    fn holds(part: &mut Part, guild: u64, number: u32) -> bool {
        part.with(&tenant(guild), NOW, |shelf| shelf.expiry(&slot(number), NOW).is_some())
    }

    #[test]
    fn under_pressure_those_who_hold_most_forget_and_the_others_nothing() {
        let mut part = Part::new(100_000);
        for number in 0..5 {
            set(&mut part, 1, number);
        }
        for number in 0..5000 {
            set(&mut part, 2, number);
            assert!(part.bytes <= 100_000, "{} bytes", part.bytes);
        }
        assert!((0..5).all(|number| holds(&mut part, 1, number)), "the small one lost something");
        assert!(holds(&mut part, 2, 4999) && !holds(&mut part, 2, 0), "the soonest to expire goes first");
        let counted: usize = part.shelves.values().map(Shelf::bytes).sum();
        assert_eq!(part.bytes, counted);
    }

    #[test]
    fn a_part_swept_in_steps_ends_up_empty() {
        let mut part = Part::new(10_000_000);
        for number in 0..2500 {
            set(&mut part, u64::from(number % 3), number);
        }
        let later = NOW + Duration::from_secs(10_000);
        let mut steps = Vec::new();
        while part.bytes > 0 {
            steps.push(part.forget_expired(later, CLEARED_AT_ONCE));
        }
        assert_eq!((steps, part.shelves.len()), (vec![1000, 1000, 500], 0));
    }
}
