//! The service as one tenant sees it, on either backend, with a clock moved by hand.

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::ephemeral::{Check, Count, Remember};
use bailey_protocol::{Clock, Tenant};
use bailey_services::ephemeral::{Keeping, Usage};
use bailey_services::{Ephemeral, RedisServer};
use bailey_testkit::Redis;
use serde_json::{Value, json};

use crate::support::{ManualClock, START, params, tenant, wire};

/// See the module.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) ephemeral: Ephemeral,
    tenant: Tenant,
    clock: ManualClock,
    redis: Option<Arc<Redis>>,
}

impl Desk {
    pub(super) fn in_process() -> Self {
        let clock = ManualClock::new();
        let ephemeral = Ephemeral::in_process(Arc::new(clock.clone()));
        Self { ephemeral, tenant: tenant("demo", 9001), clock, redis: None }
    }

    /// On a server of its own. The service's clock stands still: only the server's counts.
    pub(super) fn in_redis() -> Self {
        let redis = Redis::start_with_hand_clock(START.0);
        let server = RedisServer::parse(&redis.url()).unwrap();
        let ephemeral = Ephemeral::in_redis(server, Arc::new(ManualClock::new()));
        let clock = ManualClock::new();
        Self { ephemeral, tenant: tenant("demo", 9001), clock, redis: Some(Arc::new(redis)) }
    }

    /// As one host of several on a server that keeps its own time.
    pub(super) fn sharing(redis: &Redis) -> Self {
        Self::at(&redis.url())
    }

    /// The same, by a URL.
    pub(super) fn at(url: &str) -> Self {
        let server = RedisServer::parse(url).unwrap();
        let clock = ManualClock::new();
        let ephemeral = Ephemeral::in_redis(server, Arc::new(clock.clone()));
        Self { ephemeral, tenant: tenant("demo", 9001), clock, redis: None }
    }

    /// The server of its own.
    pub(super) fn redis(&self) -> &Redis {
        self.redis.as_ref().unwrap()
    }

    /// Fails the test if anything was answered from this process's memory.
    pub(super) fn must_have_been_in_redis(&self) {
        assert_eq!((self.ephemeral.keeping(), self.ephemeral.usage()), (Keeping::Redis, Usage::default()));
    }

    /// The same service, seen by another tenant.
    pub(super) fn of(&self, tenant: Tenant) -> Self {
        Self { tenant, ..self.clone() }
    }

    /// A call as a plugin makes it, and what the plugin reads.
    pub(super) async fn call(&self, method: &str, given: Value) -> String {
        let (service, tenant, given) = (&self.ephemeral, &self.tenant, params(given));
        match method {
            "counter" => wire(service.counter(tenant, &Count::parse(&given).unwrap()).await.unwrap()),
            "cooldown_set" => {
                let remember = Remember::parse_cooldown(&given).unwrap();
                wire(service.cooldown_set(tenant, &remember).await.unwrap())
            }
            "cooldown_check" => {
                wire(service.cooldown_check(tenant, &Check::parse(&given).unwrap()).await.unwrap())
            }
            "dedup" => wire(service.dedup(tenant, &Remember::parse(&given).unwrap()).await.unwrap()),
            "flag_set" => wire(service.flag_set(tenant, &Remember::parse(&given).unwrap()).await.unwrap()),
            "flag_check" => wire(service.flag_check(tenant, &Check::parse(&given).unwrap()).await.unwrap()),
            _ => panic!("no method is called {method}"),
        }
    }

    pub(super) async fn check(&self, method: &str, given: Value, expected: Value) {
        let found: Value = serde_json::from_str(&self.call(method, given.clone()).await).unwrap();
        assert_eq!(found, expected, "{method} {given}");
    }

    pub(super) async fn counts(&self, window: u64, expected: usize) {
        self.check("counter", json!({"key": "a", "window_seconds": window}), json!({"count": expected}))
            .await;
    }

    /// The first of the flags named by `key` that is set; all after it must be.
    pub(super) async fn first_set(&self, key: impl Fn(usize) -> String) -> usize {
        for number in 0.. {
            let answer = self.call("flag_check", json!({ "key": key(number) })).await;
            if answer.contains("true") {
                return number;
            }
        }
        unreachable!("counting ends when a flag is found, or the test's time does")
    }

    pub(super) fn pass(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
        self.tell_redis();
    }

    pub(super) fn set_back(&self, milliseconds: u64) {
        self.clock.set_back(Duration::from_millis(milliseconds));
        self.tell_redis();
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn tell_redis(&self) {
        if let Some(redis) = &self.redis {
            redis.set_clock(self.clock.now().0);
        }
    }
}
