//! How long a process that ended without being asked stays away. Pure. When it stays away for good is decided by
//! the breakers.

use std::time::Duration;

use crate::timings::HostTimings;

/// The record of one session's ends.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    in_a_row: usize,
}

impl Restarts {
    /// A process ended after it was ready for `lived`, or before it was. Answers how long to wait.
    pub(crate) fn ended(&mut self, lived: Option<Duration>, timings: &HostTimings) -> Duration {
        if lived.is_some_and(|lived| lived >= timings.stable_after) {
            self.in_a_row = 0;
        }
        let last = timings.back_off.len().saturating_sub(1);
        let wait = timings.back_off.get(self.in_a_row.min(last)).copied().unwrap_or_default();
        self.in_a_row = self.in_a_row.saturating_add(1);
        wait
    }

    /// Ends since the last process that lived long.
    pub(crate) fn in_a_row(&self) -> usize {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_a_long_life_clears_them() {
        let timings = HostTimings::default();
        let mut restarts = Restarts::default();
        let short = Some(Duration::from_secs(3));
        let lives = [short, None, short, None, short, short, short, Some(Duration::from_secs(60)), short];
        let waits: Vec<_> = lives.map(|lived| restarts.ended(lived, &timings).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 5, 15, 60, 60, 60, 1, 2]);
        assert_eq!(restarts.in_a_row(), 2);
    }
}
