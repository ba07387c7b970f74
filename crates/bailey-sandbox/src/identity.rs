//! Hands out one user id per living process and takes it back.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// The ids that living processes of this host have, whichever sandbox started them.
static TAKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A range of ids to hand out.
#[derive(Debug)]
pub(crate) struct Identities {
    range: Range<u32>,
    next: Mutex<u32>,
}

/// One id, given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: u32,
}

impl Identities {
    /// Starts at a place that depends on `spread` (the host's pid), so that two hosts on one machine
    /// seldom use the same ids at the same time.
    pub(crate) fn new(range: Range<u32>, spread: u32) -> Self {
        let length = range.end.saturating_sub(range.start).max(1);
        let next = range.start + spread.wrapping_mul(61) % length;
        Self { range, next: Mutex::new(next) }
    }

    /// How many ids there are.
    pub(crate) fn count(&self) -> u32 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// An id nobody has, the least recently tried first, or `None` when all are taken.
    pub(crate) fn take(&self) -> Option<Lease> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in self.range.clone() {
            let id = *next;
            *next = if id + 1 >= self.range.end { self.range.start } else { id + 1 };
            if taken.insert(id) {
                return Some(Lease { id });
            }
        }
        None
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_living_process_has_its_own_id_and_gives_it_back() {
        let identities = Identities::new(10..13, 7);
        let leases: Vec<_> = (0..3).map(|_| identities.take().unwrap()).collect();
        let ids: BTreeSet<_> = leases.iter().map(|lease| lease.id).collect();
        assert_eq!(ids, BTreeSet::from([10, 11, 12]));
        assert!(identities.take().is_none());
        drop(leases);
        assert!(identities.take().is_some());
    }
}
