//! Hands out one user id per living process and takes it back.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

/// The free and taken ids of one host.
#[derive(Debug, Clone)]
pub(crate) struct Identities {
    range: Range<u32>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    taken: BTreeSet<u32>,
    next: u32,
}

/// One id, given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: u32,
    state: Arc<Mutex<State>>,
}

impl Identities {
    /// Starts at a place that depends on `spread` (the host's pid), so that two hosts on one machine
    /// seldom use the same ids at the same time.
    pub(crate) fn new(range: Range<u32>, spread: u32) -> Self {
        let length = range.end.saturating_sub(range.start).max(1);
        let next = range.start + spread.wrapping_mul(61) % length;
        Self { range, state: Arc::new(Mutex::new(State { taken: BTreeSet::new(), next })) }
    }

    /// How many ids there are.
    pub(crate) fn count(&self) -> u32 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// An id nobody has, the least recently tried first, or `None` when all are taken.
    pub(crate) fn take(&self) -> Option<Lease> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in self.range.clone() {
            let id = state.next;
            state.next = if id + 1 >= self.range.end { self.range.start } else { id + 1 };
            if state.taken.insert(id) {
                return Some(Lease { id, state: Arc::clone(&self.state) });
            }
        }
        None
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).taken.remove(&self.id);
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
