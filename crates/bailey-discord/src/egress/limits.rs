//! Rate limits as learned from Discord's answers: one global, one per route and place. Waiting is
//! done by whoever asks; here is only when a request may go. Time is tokio's, because waits are real.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::Instant;

/// Requests per second Discord allows a bot, interaction endpoints not counted; a little below its
/// 50, because requests do not arrive as evenly as they are sent.
const GLOBAL_PER_SECOND: usize = 48;
/// Buckets remembered; past this, idle ones whose window is over are forgotten.
const MOST_BUCKETS: usize = 4096;
/// Callers that may be in one bucket at once, waiting ones included.
const MOST_CALLERS: usize = 64;
/// The longest wait believed; a larger number in a header is taken for this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// All limits of one bot.
#[derive(Debug, Default)]
pub(super) struct Limits {
    global: Mutex<Global>,
    buckets: Mutex<HashMap<BucketKey, Arc<Bucket>>>,
}

/// Which requests share a limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BucketKey {
    /// The route with its parameters as names.
    pub(super) route: &'static str,
    /// The channel, server or webhook token that has a limit of its own.
    pub(super) place: String,
}

#[derive(Debug, Default)]
struct Global {
    blocked_until: Option<Instant>,
    sent: VecDeque<Instant>,
}

/// One limit. Its requests go one at a time, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Held while a request is under way. Tokio's mutex is first come, first served.
    pub(super) turn: tokio::sync::Mutex<()>,
    window: Mutex<Window>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    /// Requests left until `resets`; `None` while nothing is known.
    remaining: Option<u32>,
    resets: Option<Instant>,
}

impl Limits {
    /// The bucket of a request; `None` when too many callers wait in it already.
    pub(super) fn bucket(&self, key: BucketKey) -> Result<Arc<Bucket>, Duration> {
        let now = Instant::now();
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.wait(now).is_zero());
        }
        let bucket = Arc::clone(buckets.entry(key).or_default());
        // One count is the map's, one is this caller's.
        if Arc::strong_count(&bucket) - 1 > MOST_CALLERS {
            return Err(bucket.wait(now).max(Duration::from_secs(1)));
        }
        Ok(bucket)
    }

    /// Takes one of this second's requests, or says how long until there may be one.
    pub(super) fn take_global(&self) -> Result<(), Duration> {
        let now = Instant::now();
        let mut global = lock(&self.global);
        if let Some(wait) = global.blocked_until.map(|until| until.saturating_duration_since(now))
            && !wait.is_zero()
        {
            return Err(wait);
        }
        while global.sent.front().is_some_and(|sent| now.duration_since(*sent) >= Duration::from_secs(1)) {
            global.sent.pop_front();
        }
        if global.sent.len() >= GLOBAL_PER_SECOND
            && let Some(first) = global.sent.front()
        {
            return Err((*first + Duration::from_secs(1)).saturating_duration_since(now));
        }
        global.sent.push_back(now);
        Ok(())
    }

    /// Holds everything back for a while.
    pub(super) fn block_globally(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST_WAIT);
        let mut global = lock(&self.global);
        global.blocked_until = global.blocked_until.max(Some(until));
    }
}

impl Bucket {
    /// How long until a request may go; zero for at once.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let window = lock(&self.window);
        match (window.remaining, window.resets) {
            (Some(0), Some(resets)) => resets.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }

    /// Counts a request about to be sent, also one whose answer may never be read.
    pub(super) fn spend(&self, now: Instant) {
        let mut window = lock(&self.window);
        if window.resets.is_some_and(|resets| resets <= now) {
            // The new window's size is not known until its first answer.
            *window = Window::default();
        }
        window.remaining = window.remaining.map(|left| left.saturating_sub(1));
    }

    /// Learns from the headers of an answer.
    pub(super) fn learn(&self, headers: &HeaderMap) {
        let remaining = number(headers, "x-ratelimit-remaining");
        let reset_after = number(headers, "x-ratelimit-reset-after");
        let (Some(remaining), Some(reset_after)) = (remaining, reset_after) else { return };
        let mut window = lock(&self.window);
        window.remaining = Some(remaining as u32);
        window.resets = Some(Instant::now() + seconds(reset_after));
    }

    /// Closes the bucket for a while.
    pub(super) fn block(&self, wait: Duration) {
        let mut window = lock(&self.window);
        window.remaining = Some(0);
        window.resets = Some(Instant::now() + wait.min(LONGEST_WAIT));
    }
}

/// A header that holds a number which is not negative.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    let text = headers.get(name)?.to_str().ok()?;
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

/// Seconds as a duration, within what is believed.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(remaining: &'static str, reset_after: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-remaining", HeaderValue::from_static(remaining));
        headers.insert("x-ratelimit-reset-after", HeaderValue::from_static(reset_after));
        headers
    }

    fn key(place: &str) -> BucketKey {
        BucketKey { route: "POST /test/{place}", place: place.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_bucket_waits_for_its_reset_and_a_fresh_one_does_not() {
        let bucket = Bucket::default();
        assert_eq!(bucket.wait(Instant::now()), Duration::ZERO);
        bucket.learn(&headers("1", "2.5"));
        assert_eq!(bucket.wait(Instant::now()), Duration::ZERO);
        bucket.spend(Instant::now());
        assert_eq!(bucket.wait(Instant::now()), Duration::from_millis(2500));
        tokio::time::advance(Duration::from_millis(2500)).await;
        assert_eq!(bucket.wait(Instant::now()), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_global_limit_is_kept_within_any_second() {
        let limits = Limits::default();
        for _ in 0..GLOBAL_PER_SECOND {
            limits.take_global().unwrap();
        }
        assert_eq!(limits.take_global(), Err(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        limits.take_global().unwrap();
        limits.block_globally(Duration::from_secs(5));
        limits.block_globally(Duration::from_secs(2));
        assert_eq!(limits.take_global(), Err(Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_are_forgotten_when_idle_and_callers_are_bounded() {
        let limits = Limits::default();
        for place in 0..(2 * MOST_BUCKETS) {
            limits.bucket(key(&place.to_string())).unwrap();
        }
        assert!(lock(&limits.buckets).len() <= MOST_BUCKETS);
        let held: Vec<_> = (0..MOST_CALLERS).map(|_| limits.bucket(key("same")).unwrap()).collect();
        assert!(limits.bucket(key("same")).is_err());
        drop(held);
        assert!(limits.bucket(key("same")).is_ok());
    }

    #[test]
    fn headers_that_make_no_sense_are_not_believed() {
        for text in ["-1", "NaN", "inf", "x", ""] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_str(text).unwrap());
            assert_eq!(number(&headers, "retry-after"), None, "{text}");
        }
        assert_eq!(seconds(1e300), LONGEST_WAIT);
    }
}
