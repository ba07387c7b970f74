//! When a process that ended may start again. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::timings::HostTimings;

/// The record of one session's ends.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    crashes: usize,
    failed_starts: Vec<Instant>,
}

/// What follows from an end nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start again, but not before.
    WaitUntil(Instant),
    /// It does not start; leave it alone until then.
    BrokenUntil(Instant),
}

impl Restarts {
    /// A process ended before it was ready.
    pub(crate) fn start_failed(&mut self, now: Instant, timings: &HostTimings) -> Verdict {
        self.failed_starts.retain(|failed| now.duration_since(*failed) < timings.failed_starts_within);
        self.failed_starts.push(now);
        if self.failed_starts.len() >= timings.failed_starts as usize {
            // The next failure, after the pause, opens the breaker at once again.
            self.failed_starts.remove(0);
            return Verdict::BrokenUntil(now + timings.broken_for);
        }
        self.wait(now, timings)
    }

    /// A process was ready and ended after `lived`.
    pub(crate) fn crashed(&mut self, now: Instant, lived: Duration, timings: &HostTimings) -> Verdict {
        self.failed_starts.clear();
        if lived >= timings.stable_after {
            self.crashes = 0;
        }
        self.wait(now, timings)
    }

    fn wait(&mut self, now: Instant, timings: &HostTimings) -> Verdict {
        let last = timings.back_off.len().saturating_sub(1);
        let wait = timings.back_off.get(self.crashes.min(last)).copied().unwrap_or_default();
        self.crashes = self.crashes.saturating_add(1);
        Verdict::WaitUntil(now + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_of(verdict: Verdict, now: Instant) -> Option<u64> {
        match verdict {
            Verdict::WaitUntil(until) => Some((until - now).as_secs()),
            Verdict::BrokenUntil(_) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_and_a_long_life_clears_them() {
        let (now, timings) = (Instant::now(), HostTimings::default());
        let mut restarts = Restarts::default();
        let short = Duration::from_secs(3);
        let waits: Vec<_> = (0..7).map(|_| wait_of(restarts.crashed(now, short, &timings), now)).collect();
        assert_eq!(waits, [1, 2, 5, 15, 60, 60, 60].map(Some));
        assert_eq!(wait_of(restarts.crashed(now, Duration::from_secs(61), &timings), now), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn three_failed_starts_open_the_breaker_and_a_failed_trial_opens_it_again() {
        let (now, timings) = (Instant::now(), HostTimings::default());
        let mut restarts = Restarts::default();
        assert_eq!(wait_of(restarts.start_failed(now, &timings), now), Some(1));
        assert_eq!(wait_of(restarts.start_failed(now, &timings), now), Some(2));
        assert_eq!(restarts.start_failed(now, &timings), Verdict::BrokenUntil(now + timings.broken_for));
        let trial = now + timings.broken_for;
        assert!(matches!(restarts.start_failed(trial, &timings), Verdict::BrokenUntil(_)));
        restarts.crashed(trial, Duration::ZERO, &timings);
        assert!(matches!(restarts.start_failed(trial, &timings), Verdict::WaitUntil(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_far_apart_do_not_add_up() {
        let (mut now, timings) = (Instant::now(), HostTimings::default());
        let mut restarts = Restarts::default();
        for _ in 0..10 {
            assert!(matches!(restarts.start_failed(now, &timings), Verdict::WaitUntil(_)));
            now += Duration::from_secs(200);
        }
    }
}
