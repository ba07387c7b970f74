//! The two clocks: the machine's, and one that a scenario moves.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bailey_protocol::{Clock, Timestamp};
use tokio::sync::watch;

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the machine's time enters")]
    fn now(&self) -> Timestamp {
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub(crate) struct ManualClock {
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    pub(crate) fn starting_at(start: Timestamp) -> Self {
        Self { now: watch::Sender::new(start) }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = *now + by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            // The clock is gone only when everything is: then nobody waits for this any more.
            if now.wait_for(|now| *now >= deadline).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_far_enough() {
        let clock = ManualClock::starting_at(Timestamp(1000));
        let mut sleeper = clock.sleep_until(Timestamp(3000));
        clock.advance(Duration::from_millis(1999));
        assert!(futures_util::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_millis(1));
        assert!(futures_util::poll!(&mut sleeper).is_ready());
    }
}
