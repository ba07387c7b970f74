//! The shelves of all tenants in a Redis that several hosts share.
//!
//! Each call is one script, so it is one atomic step for all hosts, and takes the time from the
//! server's clock: the hosts' own may differ. `shelf.lua` says what is stored.

mod link;
mod server;

use std::time::Duration;

use bailey_protocol::Tenant;
use bailey_protocol::limits::{EPHEMERAL_BYTES, EPHEMERAL_HITS, EPHEMERAL_KEYS};
use bailey_protocol::method::ephemeral::Key;
use redis::{FromRedisValue, Script};

use super::backend::{Answer, Away, Backend, Kind, Slot};
use super::memory::CLEARED_BY_A_CALL;
use super::shelf::KEY_BYTES;

use link::Link;
pub use server::{RedisServer, RedisUrlError};

/// What a hit costs in a list of Redis: a number of 64 bits and its place.
const HIT_BYTES: usize = 10;

/// See the module.
pub(super) struct Redis {
    link: Link,
    hit: Script,
    set: Script,
    set_new: Script,
    remaining: Script,
}

impl Redis {
    /// Begins to connect; `returned` is called when there is a connection and each time there is
    /// one again. Needs a runtime.
    pub(super) fn start(server: RedisServer, returned: impl Fn() + Send + 'static) -> Self {
        Self {
            link: Link::start(server, script(include_str!("set.lua")), returned),
            hit: script(include_str!("hit.lua")),
            set: script(include_str!("set.lua")),
            set_new: script(include_str!("set_new.lua")),
            remaining: script(include_str!("remaining.lua")),
        }
    }

    /// Why it is away, if it is.
    pub(super) fn trouble(&self) -> Option<String> {
        self.link.trouble()
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        tenant: &Tenant,
        slot: &str,
        time: Option<Duration>,
    ) -> Result<T, Away> {
        let mut call = script.key(shelf(tenant));
        call.arg(slot);
        if let Some(time) = time {
            call.arg(time.as_secs() * 1000);
        }
        self.link.ask(async |connection| call.invoke_async(connection).await).await
    }
}

impl Backend for Redis {
    fn hit<'a>(&'a self, tenant: &'a Tenant, key: &'a Key, window: Duration) -> Answer<'a, usize> {
        Box::pin(async move { self.run(&self.hit, tenant, &name(Kind::Counter, key), Some(window)).await })
    }

    fn set<'a>(&'a self, tenant: &'a Tenant, slot: Slot, time_to_live: Duration) -> Answer<'a, ()> {
        Box::pin(
            async move { self.run(&self.set, tenant, &name(slot.kind, &slot.key), Some(time_to_live)).await },
        )
    }

    fn set_new<'a>(&'a self, tenant: &'a Tenant, slot: Slot, time_to_live: Duration) -> Answer<'a, bool> {
        Box::pin(async move {
            self.run(&self.set_new, tenant, &name(slot.kind, &slot.key), Some(time_to_live)).await
        })
    }

    fn remaining<'a>(&'a self, tenant: &'a Tenant, slot: Slot) -> Answer<'a, Duration> {
        Box::pin(async move {
            let left = self.run(&self.remaining, tenant, &name(slot.kind, &slot.key), None).await?;
            Ok(Duration::from_millis(left))
        })
    }
}

/// A script with the limits and the words all of them use.
fn script(body: &str) -> Script {
    let shelf = include_str!("shelf.lua");
    Script::new(&format!(
        "local MOST_KEYS, MOST_BYTES, MOST_HITS = {EPHEMERAL_KEYS}, {EPHEMERAL_BYTES}, {EPHEMERAL_HITS}\n\
         local KEY_BYTES, HIT_BYTES, CLEARED_BY_A_CALL = {KEY_BYTES}, {HIT_BYTES}, {CLEARED_BY_A_CALL}\n\
         {shelf}\n{body}"
    ))
}

/// Where a tenant's shelf is. A plugin's id has no braces, so nobody's name reads as another's.
fn shelf(tenant: &Tenant) -> String {
    format!("bailey:ephemeral:{{{}:{}}}", tenant.plugin, tenant.guild.0)
}

/// A slot as the scripts name it.
fn name(kind: Kind, key: &Key) -> String {
    let kind = match kind {
        Kind::Counter => 'c',
        Kind::Cooldown => 'w',
        Kind::Dedup => 'd',
        Kind::Flag => 'f',
    };
    format!("{kind}{}", key.as_str())
}
