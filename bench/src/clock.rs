//! The machine's time, for the parts that ask for a clock.

use std::time::Duration;

use bailey_protocol::{Clock, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// The machine's time; nothing here waits by it.
pub(crate) struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "a program of its own, and the edge")]
    fn now(&self) -> Timestamp {
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        tokio::time::sleep(deadline.since(self.now()).max(Duration::from_millis(1))).boxed()
    }
}
