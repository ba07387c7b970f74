//! `ephemeral.*`: rate limits, cooldowns, duplicates and flags of a plugin on one server. Kept within
//! bounds, and lost when what keeps it ends; what must last belongs into `kv`.
//!
//! Kept in a Redis that hosts share when there is one, else in this process's memory; also there
//! while Redis is away, so that no call ever fails for it. The four kinds do not see each other's
//! keys, and a tenant sees only its own. Every call is one atomic step, so calls at the same time
//! count as if they came one after the other. Time is the service's clock in this process, and the
//! server's own in Redis: hosts must agree on it.

mod backend;
mod memory;
mod redis;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::Done;
use bailey_protocol::method::ephemeral::{Check, Cooldown, Count, Counted, Flag, Key, Remember, Sighting};
use bailey_protocol::{CallError, Clock, Tenant};
use tokio_util::sync::CancellationToken;

use crate::rounds::Rounds;
use backend::{Answer, Away, Backend, Kind, Slot};
use memory::Memory;
use redis::Redis;

pub use redis::{RedisServer, RedisUrlError};

/// Time between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What this process holds right now, over all tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tenants that hold anything.
    pub tenants: usize,
    /// Their keys, expired ones included until they are swept.
    pub keys: usize,
    /// Bytes these take, as counted against the limits.
    pub bytes: usize,
}

/// Where short-lived state is kept right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// In this process, because no Redis was named.
    Process,
    /// In Redis.
    Redis,
    /// In this process, alone, because Redis is away.
    ProcessInstead {
        /// What is wrong, for the operator.
        reason: String,
    },
}

/// The service of short-lived state. A cheap clone.
#[derive(Clone)]
pub struct Ephemeral {
    memory: Arc<Memory>,
    redis: Option<Arc<Redis>>,
    clock: Arc<dyn Clock>,
}

impl Ephemeral {
    /// An empty one in this process, with times from `clock`.
    pub fn in_process(clock: Arc<dyn Clock>) -> Self {
        Self { memory: Arc::new(Memory::new(Arc::clone(&clock))), redis: None, clock }
    }

    /// One in Redis, with times from that server; in this process while it is away, from the first
    /// moment if need be. It comes back by itself, and leaves what this process then held. Needs a
    /// runtime, for the task that watches the connection.
    pub fn in_redis(server: RedisServer, clock: Arc<dyn Clock>) -> Self {
        let here = Self::in_process(clock);
        let memory = Arc::clone(&here.memory);
        let redis = Redis::start(server, move || memory.clear());
        Self { redis: Some(Arc::new(redis)), ..here }
    }

    /// Where it is kept right now.
    pub fn keeping(&self) -> Keeping {
        match &self.redis {
            None => Keeping::Process,
            Some(redis) => match redis.trouble() {
                None => Keeping::Redis,
                Some(reason) => Keeping::ProcessInstead { reason },
            },
        }
    }

    /// `ephemeral.counter`: adds a hit and says how many there were within the window, this one
    /// included. A hit leaves the window once exactly that time has passed.
    ///
    /// Hits are kept for the widest window the key was ever counted with, so a key may be counted
    /// with several; and no more than [`EPHEMERAL_HITS`](bailey_protocol::limits::EPHEMERAL_HITS) of
    /// them, the newest, which is then the answer however many there were.
    ///
    /// # Errors
    /// [`CallError`] when the state cannot be reached; in this process's memory it always can.
    pub async fn counter(&self, tenant: &Tenant, params: &Count) -> Result<Counted, CallError> {
        let count = self.ask(|backend| backend.hit(tenant, &params.key, params.window)).await?;
        Ok(Counted { count })
    }

    /// `ephemeral.cooldown_set`: starts a cooldown, anew if it lasts already.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn cooldown_set(&self, tenant: &Tenant, params: &Remember) -> Result<Done, CallError> {
        self.set(tenant, Kind::Cooldown, params).await
    }

    /// `ephemeral.cooldown_check`: whether a cooldown lasts and for how long still.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn cooldown_check(&self, tenant: &Tenant, params: &Check) -> Result<Cooldown, CallError> {
        Ok(Cooldown::lasting(self.remaining(tenant, Kind::Cooldown, &params.key).await?))
    }

    /// `ephemeral.dedup`: whether the key is seen for the first time. Seeing it again does not make
    /// it remembered for longer.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn dedup(&self, tenant: &Tenant, params: &Remember) -> Result<Sighting, CallError> {
        let slot = slot(Kind::Dedup, &params.key);
        let is_new = self.ask(|backend| backend.set_new(tenant, slot.clone(), params.time_to_live)).await?;
        Ok(Sighting { is_new })
    }

    /// `ephemeral.flag_set`: sets a flag, for the time given from now on.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn flag_set(&self, tenant: &Tenant, params: &Remember) -> Result<Done, CallError> {
        self.set(tenant, Kind::Flag, params).await
    }

    /// `ephemeral.flag_check`: whether a flag is set.
    ///
    /// # Errors
    /// As [`Ephemeral::counter`].
    pub async fn flag_check(&self, tenant: &Tenant, params: &Check) -> Result<Flag, CallError> {
        Ok(Flag { active: !self.remaining(tenant, Kind::Flag, &params.key).await?.is_zero() })
    }

    /// Sweeps this process's memory once a minute, by the service's clock, until cancelled. What has
    /// expired is absent before that too; this only gives its memory back.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        let mut rounds = Rounds::later(SWEEP_INTERVAL, &*self.clock, &cancelled);
        while rounds.next().await {
            self.sweep();
        }
    }

    /// Forgets everything in this process's memory that has expired.
    pub fn sweep(&self) {
        self.memory.sweep();
    }

    /// How much this process holds right now.
    pub fn usage(&self) -> Usage {
        self.memory.usage()
    }

    async fn set(&self, tenant: &Tenant, kind: Kind, params: &Remember) -> Result<Done, CallError> {
        let slot = slot(kind, &params.key);
        self.ask(|backend| backend.set(tenant, slot.clone(), params.time_to_live)).await?;
        Ok(Done::OK)
    }

    /// How long a key lasts still; zero when it is not there.
    async fn remaining(&self, tenant: &Tenant, kind: Kind, key: &Key) -> Result<Duration, CallError> {
        let slot = slot(kind, key);
        self.ask(|backend| backend.remaining(tenant, slot.clone())).await
    }

    /// Asks Redis, if there is one, and this process's memory when Redis is away.
    async fn ask<'a, T>(
        &'a self,
        question: impl Fn(&'a dyn Backend) -> Answer<'a, T>,
    ) -> Result<T, CallError> {
        if let Some(redis) = &self.redis
            && let Ok(answer) = question(&**redis).await
        {
            return Ok(answer);
        }
        question(&*self.memory).await.map_err(|Away| CallError::Internal)
    }
}

fn slot(kind: Kind, key: &Key) -> Slot {
    Slot { kind, key: key.clone() }
}
