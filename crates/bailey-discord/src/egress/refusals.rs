//! Counts the answers that Discord holds against a bot: 10,000 of 401, 403 and 429 within ten
//! minutes, and it bans the whole address. Long before that, requests are refused here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Discord's window.
const WINDOW: Duration = Duration::from_secs(600);
/// What is allowed per window: half of Discord's limit, because other processes may share the address.
const MOST_PER_WINDOW: u64 = 5_000;

/// Answers since the start that Discord holds against a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    /// 401: the token is not accepted.
    pub unauthorized: u64,
    /// 403: the bot may not do what it tried.
    pub forbidden: u64,
    /// 429: a rate limit was reached. Those of limits shared with other bots do not count.
    pub rate_limited: u64,
}

#[derive(Debug, Default)]
pub(super) struct RefusalCounter {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    total: Refusals,
    window: Option<(Instant, u64)>,
}

impl RefusalCounter {
    /// Counts an answer with this status, if it is one that counts.
    pub(super) fn count(&self, status: u16) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match status {
            401 => state.total.unauthorized += 1,
            403 => state.total.forbidden += 1,
            429 => state.total.rate_limited += 1,
            _ => return,
        }
        let now = Instant::now();
        let (began, counted) =
            state.window.filter(|(began, _)| now.duration_since(*began) < WINDOW).unwrap_or((now, 0));
        state.window = Some((began, counted + 1));
    }

    pub(super) fn total(&self) -> Refusals {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// How long to send nothing at all, if so many were refused that a ban is near.
    pub(super) fn pause(&self) -> Option<Duration> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, counted) = state.window?;
        let left = (began + WINDOW).saturating_duration_since(Instant::now());
        (counted >= MOST_PER_WINDOW && !left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn too_many_refusals_pause_everything_until_the_window_ends() {
        let counter = RefusalCounter::default();
        for _ in 1..MOST_PER_WINDOW {
            counter.count(403);
        }
        counter.count(404);
        assert_eq!(counter.pause(), None);
        tokio::time::advance(Duration::from_secs(60)).await;
        counter.count(429);
        assert_eq!(counter.pause(), Some(Duration::from_secs(540)));
        tokio::time::advance(Duration::from_secs(540)).await;
        assert_eq!(counter.pause(), None);
        counter.count(401);
        let expected = Refusals { unauthorized: 1, forbidden: MOST_PER_WINDOW - 1, rate_limited: 1 };
        assert_eq!(counter.total(), expected);
    }
}
