//! How fast shards may begin new sessions: Discord sorts them into buckets by their number, and each bucket lets one
//! begin in five seconds. twilight's queue keeps that time; one for all buckets would keep them in step, so that the
//! first shard there is makes all others wait.

use std::sync::Arc;

use tokio::sync::oneshot;
use twilight_gateway::ShardId;
use twilight_gateway::queue::{InMemoryQueue, Queue};

use crate::shard::SessionStarts;

/// The lines in which shards wait for leave to begin a session. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Buckets(Arc<[InMemoryQueue]>);

impl Buckets {
    /// What Discord allows, dealt out: first to the shards that are about to begin, then evenly.
    pub(super) fn new(starts: &SessionStarts, beginning: impl Iterator<Item = ShardId>) -> Self {
        let shares = shares(starts, beginning);
        let total = starts.total / u32::from(starts.max_concurrency.get());
        let queues = shares.into_iter().map(|share| {
            // When a share is used up, its bucket waits for the reset.
            InMemoryQueue::new(1, share, starts.reset_after, total.max(share).max(1))
        });
        Self(queues.collect())
    }

    /// For one shard, by Discord's usual limits.
    pub(super) fn usual() -> Self {
        Self(Arc::from([InMemoryQueue::default()]))
    }
}

/// How many sessions each bucket may begin; together no more than Discord allows.
fn shares(starts: &SessionStarts, beginning: impl Iterator<Item = ShardId>) -> Vec<u32> {
    let buckets = starts.max_concurrency.get();
    let mut shares = vec![0; usize::from(buckets)];
    let mut left = starts.remaining;
    for shard in beginning {
        if let Some(rest) = left.checked_sub(1) {
            left = rest;
            shares[bucket(shard.number(), buckets.into())] += 1;
        }
    }
    shares.iter_mut().for_each(|share| *share += left / u32::from(buckets));
    shares
}

fn bucket(shard: u32, buckets: usize) -> usize {
    usize::try_from(shard).unwrap_or_default() % buckets
}

impl Queue for Buckets {
    fn enqueue(&self, shard: u32) -> oneshot::Receiver<()> {
        self.0[bucket(shard, self.0.len())].enqueue(shard)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_is_about_to_begin_comes_first() {
        let deal = |remaining, max_concurrency, beginning: std::ops::Range<u32>| {
            let max_concurrency = NonZeroU16::new(max_concurrency).unwrap();
            let starts =
                SessionStarts { total: 1000, remaining, reset_after: Duration::ZERO, max_concurrency };
            shares(&starts, beginning.map(|number| ShardId::new(number, 100)))
        };
        assert_eq!(deal(1000, 1, 0..60), [1000]);
        assert_eq!(deal(3, 2, 0..3), [2, 1]);
        assert_eq!(deal(3, 4, 0..3), [1, 1, 1, 0]);
        assert_eq!(deal(100, 16, 0..60).iter().sum::<u32>(), 60 + 40 / 16 * 16);
        assert_eq!(deal(2, 4, 1..60), [0, 1, 1, 0]);
    }
}
