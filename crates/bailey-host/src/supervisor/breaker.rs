//! The circuit breaker of one plugin on one server: when deliveries stop, and when one is tried
//! again. Pure: it is told what happened and when.
//!
//! Closed, it counts. Open, nothing is delivered until a time. After that it is half-open: one event
//! is tried; if that goes well the breaker closes, if not it opens for twice as long.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::timings::BreakerLimits;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// When handled, and whether a handler raised; the latest last.
    outcomes: VecDeque<(Instant, bool)>,
    crashes: VecDeque<Instant>,
    failed_starts: VecDeque<Instant>,
    opened: Option<Opened>,
    /// Openings since the breaker was last closed by a success.
    openings: u32,
}

/// Why and how long deliveries are stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// When one event may be tried.
    pub(crate) until: Instant,
    /// A clause: `10 of its last 20 events failed`.
    pub(crate) why: String,
}

/// What may be delivered at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Everything.
    Free,
    /// One event, on trial, for the reason given.
    Trial(String),
    /// Nothing yet.
    Closed(Opened),
}

impl Breaker {
    /// What may be delivered at `now`.
    pub(crate) fn passage(&self, now: Instant) -> Passage {
        match &self.opened {
            None => Passage::Free,
            Some(opened) if opened.until <= now => Passage::Trial(opened.why.clone()),
            Some(opened) => Passage::Closed(opened.clone()),
        }
    }

    /// An event was handled; `failed` if a handler raised. Answers how that opened the breaker, if it did.
    pub(crate) fn handled(&mut self, now: Instant, failed: bool, limits: &BreakerLimits) -> Option<Opened> {
        match &self.opened {
            // Handled while the process is being ended: that is no trial.
            Some(opened) if opened.until > now => return None,
            Some(_) if failed => {
                return Some(self.open(now, "the event it was tried with failed".to_owned(), limits));
            }
            Some(_) => {
                *self = Self::default();
                return None;
            }
            None => {}
        }
        if self.outcomes.len() == limits.outcomes.max(1) {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, failed));
        let recent = self.outcomes.iter().filter(|(at, _)| now.duration_since(*at) <= limits.within);
        let failures = recent.filter(|(_, failed)| *failed).count();
        (failed && failures >= limits.failures).then(|| {
            let why = format!("{failures} of its last {} events failed", self.outcomes.len());
            self.open(now, why, limits)
        })
    }

    /// A process that was ready has crashed.
    pub(crate) fn crashed(&mut self, now: Instant, limits: &BreakerLimits) -> Option<Opened> {
        self.failed_starts.clear(); // it did start
        let crashes = remember(&mut self.crashes, now, limits.crashes, limits.crashes_within);
        if self.opened.is_some() {
            return Some(self.open(now, "it crashed again when it was tried".to_owned(), limits));
        }
        (crashes >= limits.crashes).then(|| {
            let why = format!("it crashed {crashes} times within {:?}", limits.crashes_within);
            self.open(now, why, limits)
        })
    }

    /// A process ended before it was ready.
    pub(crate) fn start_failed(&mut self, now: Instant, limits: &BreakerLimits) -> Option<Opened> {
        let failed = remember(&mut self.failed_starts, now, limits.failed_starts, limits.crashes_within);
        if self.opened.is_some() {
            return Some(self.open(now, "it did not start when it was tried again".to_owned(), limits));
        }
        (failed >= limits.failed_starts).then(|| {
            let why = match failed {
                1 => "it does not start".to_owned(),
                failed => format!("{failed} starts in a row failed"),
            };
            self.open(now, why, limits)
        })
    }

    fn open(&mut self, now: Instant, why: String, limits: &BreakerLimits) -> Opened {
        let opened = Opened { until: now + open_for(self.openings, limits), why };
        self.openings = self.openings.saturating_add(1);
        self.outcomes.clear();
        self.opened = Some(opened.clone());
        opened
    }
}

/// How long a breaker stays open that was opened `before` times already: 60 s, 120 s, 240 s, ...
pub(super) fn open_for(before: u32, limits: &BreakerLimits) -> Duration {
    limits.open_for.saturating_mul(2_u32.saturating_pow(before.min(16))).min(limits.open_for_most)
}

/// Adds a moment to those remembered, which stay within a number and an age; answers how many there are.
fn remember(moments: &mut VecDeque<Instant>, now: Instant, most: usize, within: Duration) -> usize {
    moments.push_back(now);
    while moments.len() > most.max(1) {
        moments.pop_front();
    }
    moments.retain(|at| now.duration_since(*at) <= within);
    moments.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens, at which second.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Succeeds,
        Fails,
        Crashes,
        FailsToStart,
    }
    use Step::{Crashes, Fails, FailsToStart, Succeeds};

    /// Plays the steps and says at which the breaker opened, and for how many seconds.
    fn openings(steps: impl IntoIterator<Item = (u64, Step)>) -> Vec<(usize, u64)> {
        let (begun, limits) = (Instant::now(), BreakerLimits::default());
        let mut breaker = Breaker::default();
        let mut opened = Vec::new();
        for (number, (second, step)) in steps.into_iter().enumerate() {
            let now = begun + Duration::from_secs(second);
            let verdict = match step {
                Succeeds => breaker.handled(now, false, &limits),
                Fails => breaker.handled(now, true, &limits),
                Crashes => breaker.crashed(now, &limits),
                FailsToStart => breaker.start_failed(now, &limits),
            };
            opened.extend(verdict.map(|verdict| (number + 1, (verdict.until - now).as_secs())));
        }
        opened
    }

    #[tokio::test(start_paused = true)]
    async fn the_table() {
        let every = |second: u64, step| (0..10).map(move |number| (number * second, step));
        // Ten failures within a minute open it at the tenth.
        assert_eq!(openings(every(1, Fails)), [(10, 60)]);
        // Spread over more than a minute they do not.
        assert_eq!(openings(every(7, Fails)), []);
        // Half of the last twenty is enough, less is not.
        let mixed = |fails: u64| (0..20).map(move |n| (n, if n % 2 < fails { Fails } else { Succeeds }));
        assert_eq!(openings(mixed(1)), [(19, 60)]);
        assert_eq!(openings((0..60).map(|n| (n / 2, if n % 3 == 0 { Fails } else { Succeeds }))), []);
        // Three crashes in five minutes.
        assert_eq!(openings([(0, Crashes), (100, Crashes), (299, Crashes)]), [(3, 60)]);
        assert_eq!(openings([(0, Crashes), (100, Crashes), (301, Crashes)]), []);
        // Three failed starts; a start that worked in between begins anew.
        assert_eq!(openings([(0, FailsToStart), (1, FailsToStart), (3, FailsToStart)]), [(3, 60)]);
        assert_eq!(
            openings([(0, FailsToStart), (1, FailsToStart), (2, Crashes), (3, FailsToStart)]),
            [],
            "it did start"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_trial_doubles_the_wait_and_a_good_one_closes() {
        let mut steps: Vec<(u64, Step)> = (0..3).map(|n| (n, Crashes)).collect();
        for (second, step) in [(70, Fails), (200, Crashes), (500, FailsToStart), (1000, Fails), (2000, Fails)]
        {
            steps.push((second, step));
        }
        assert_eq!(openings(steps.clone()), [(3, 60), (4, 120), (5, 240), (6, 480), (7, 900), (8, 900)]);
        steps.push((3000, Succeeds));
        steps.extend((0..10).map(|n| (3001 + n, Fails)));
        assert_eq!(openings(steps).last(), Some(&(19, 60)), "after a success it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn the_passage_goes_from_free_to_closed_to_trial_to_free() {
        let (now, limits) = (Instant::now(), BreakerLimits::default());
        let mut breaker = Breaker::default();
        assert_eq!(breaker.passage(now), Passage::Free);
        (0..3).for_each(|_| drop(breaker.crashed(now, &limits)));
        assert!(matches!(breaker.passage(now + Duration::from_secs(59)), Passage::Closed(_)));
        let why = "it crashed 3 times within 300s".to_owned();
        let trial = now + Duration::from_secs(60);
        assert_eq!(breaker.passage(trial), Passage::Trial(why));
        assert_eq!(breaker.handled(trial, false, &limits), None);
        assert_eq!(breaker.passage(trial), Passage::Free);
    }
}
