//! How the simulated Discord wants a bot sharded, and what it does to shards that begin too fast; orders to the
//! connection of one shard.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::Simulator;
use crate::shared::lock;
use crate::state::sessions::{SessionView, Signal};

/// Each bucket of shards lets one identify in this time.
const IDENTIFY_WINDOW: Duration = Duration::from_secs(5);
/// What the way from the client may take from that.
const IDENTIFY_SLACK: Duration = Duration::from_millis(500);
/// Attempts to identify that are remembered.
const MOST_REMEMBERED: usize = 1000;

/// What `GET /gateway/bot` says of shards, and whether identifying faster is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharding {
    /// Shards that are recommended.
    pub shards: u32,
    /// Buckets of shards (id modulo this); each lets one identify in five seconds.
    pub max_concurrency: u16,
    /// Whether who identifies faster is told that the session is invalid (op 9), as Discord does.
    pub enforced: bool,
    /// Sessions a bot may begin in a day. That is only said, not enforced.
    pub session_starts: u64,
}

impl Default for Sharding {
    /// One shard, one bucket, nobody refused, a thousand sessions a day.
    fn default() -> Self {
        Self { shards: 1, max_concurrency: 1, enforced: false, session_starts: 1000 }
    }
}

/// An attempt to identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identified {
    /// Shard id and number of shards.
    pub shard: (u64, u64),
    /// When, since the simulator started.
    pub at: Duration,
    /// Whether it came too early and was refused.
    pub refused: bool,
}

/// Who identified when.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) sharding: Sharding,
    started: Instant,
    last: HashMap<u64, Instant>,
    attempts: Vec<Identified>,
}

impl Pace {
    pub(crate) fn new(sharding: Sharding) -> Self {
        Self { sharding, started: Instant::now(), last: HashMap::new(), attempts: Vec::new() }
    }

    /// Whether a shard may identify now.
    pub(crate) fn allows(&mut self, shard: (u64, u64)) -> bool {
        let now = Instant::now();
        let bucket = shard.0 % u64::from(self.sharding.max_concurrency.max(1));
        let early = self.last.get(&bucket).is_some_and(|last| now - *last + IDENTIFY_SLACK < IDENTIFY_WINDOW);
        let refused = self.sharding.enforced && early;
        if !refused {
            self.last.insert(bucket, now);
        }
        if self.attempts.len() < MOST_REMEMBERED {
            self.attempts.push(Identified { shard, at: now - self.started, refused });
        }
        !refused
    }
}

impl Simulator {
    /// The attempts to identify, in order; the first thousand.
    pub fn identified(&self) -> Vec<Identified> {
        lock(&self.shared.pace).attempts.clone()
    }

    /// Asks a shard to connect again (op 7).
    pub fn reconnect_shard(&self, shard: u64) -> Vec<SessionView> {
        self.signal_shard(shard, Signal::Reconnect)
    }

    /// Tells a shard that its session is invalid (op 9).
    pub fn invalidate_shard(&self, shard: u64, resumable: bool) -> Vec<SessionView> {
        self.signal_shard(shard, Signal::InvalidSession(resumable))
    }

    /// Closes a shard's connection with this code, or cuts the line without a word (`None`).
    pub fn drop_shard(&self, shard: u64, code: Option<u16>) -> Vec<SessionView> {
        self.signal_shard(shard, Signal::Close(code))
    }

    fn signal_shard(&self, shard: u64, signal: Signal) -> Vec<SessionView> {
        let mut state = self.shared.state();
        let sessions = state.sessions.by_id.values_mut();
        let connected = sessions.filter(|session| session.connection.is_some() && session.shard.0 == shard);
        connected.for_each(|session| session.signal(signal));
        state.session_views()
    }
}
