//! A token bucket, on the runtime's clock so that tests can pause it.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket: `rate` tokens a second, at most `burst` saved up.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: f64, burst: f64) -> Self {
        Self { rate: rate.max(f64::MIN_POSITIVE), burst, tokens: burst, at: Instant::now() }
    }

    /// Takes `tokens` if they are there; else says how long until they are.
    pub(crate) fn take(&mut self, tokens: f64) -> Result<(), Duration> {
        self.refill();
        if self.tokens >= tokens {
            self.tokens -= tokens;
            return Ok(());
        }
        Err(seconds((tokens - self.tokens) / self.rate))
    }

    /// Takes `tokens` in any case; says how long to wait until none is owed.
    pub(crate) fn spend(&mut self, tokens: f64) -> Option<Duration> {
        self.refill();
        self.tokens -= tokens;
        (self.tokens < 0.0).then(|| seconds(-self.tokens / self.rate))
    }

    fn refill(&mut self) {
        let now = Instant::now();
        self.tokens = (self.tokens + now.duration_since(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = now;
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.min(3600.0)).unwrap_or(Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokens_run_out_and_come_back() {
        let mut bucket = Bucket::new(10.0, 2.0);
        assert!(bucket.take(1.0).is_ok() && bucket.take(1.0).is_ok());
        let wait = bucket.take(1.0).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        tokio::time::advance(wait).await;
        assert!(bucket.take(1.0).is_ok());
        assert_eq!(bucket.spend(5.0), Some(Duration::from_millis(500)));
    }
}
