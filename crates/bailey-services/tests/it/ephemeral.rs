//! `ephemeral.*` on a clock moved by hand: results as the wire carries them, edges of time, tenants,
//! concurrency, bounds.

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::ephemeral::{Check, Count, Remember};
use bailey_protocol::{Clock, Tenant, limits};
use bailey_services::Ephemeral;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{ManualClock, params, tenant, wire};

/// The service as one tenant sees it.
#[derive(Clone)]
struct Desk {
    ephemeral: Ephemeral,
    tenant: Tenant,
    clock: ManualClock,
}

impl Desk {
    fn new() -> Self {
        let clock = ManualClock::new();
        Self { ephemeral: Ephemeral::new(Arc::new(clock.clone())), tenant: tenant("demo", 9001), clock }
    }

    /// The same service, seen by another tenant.
    fn of(&self, tenant: Tenant) -> Self {
        Self { tenant, ..self.clone() }
    }

    /// A call as a plugin makes it, and what the plugin reads.
    async fn call(&self, method: &str, given: Value) -> String {
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

    async fn check(&self, method: &str, given: Value, expected: Value) {
        let found: Value = serde_json::from_str(&self.call(method, given.clone()).await).unwrap();
        assert_eq!(found, expected, "{method} {given}");
    }

    async fn counts(&self, window: u64, expected: usize) {
        self.check("counter", json!({"key": "a", "window_seconds": window}), json!({"count": expected}))
            .await;
    }

    fn pass(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
    }
}

#[tokio::test]
async fn a_counter_counts_the_trailing_window_exactly() {
    let desk = Desk::new();
    desk.counts(60, 1).await; // at 0
    desk.pass(30_000);
    desk.counts(60, 2).await; // at 30 s
    desk.pass(29_999);
    desk.counts(60, 3).await; // at 59.999 s: the first is still within
    desk.pass(1);
    desk.counts(60, 3).await; // at 60 s: it has just left
    desk.pass(30_000);
    desk.counts(60, 3).await; // at 90 s: so has the second; 59.999, 60 and 90 are left
    desk.pass(60_000);
    desk.counts(60, 1).await;
}

#[tokio::test]
async fn a_counter_can_be_read_with_several_windows() {
    let desk = Desk::new();
    desk.counts(3600, 1).await;
    desk.pass(600_000);
    desk.counts(60, 1).await;
    desk.counts(3600, 3).await;
    desk.pass(59_999);
    desk.counts(60, 3).await;
    desk.pass(1);
    desk.counts(60, 2).await;
    desk.counts(3600, 6).await;
}

#[tokio::test]
async fn a_cooldown_lasts_its_time_and_starts_anew() {
    let desk = Desk::new();
    let over = json!({"active": false, "remaining_seconds": 0.0});
    let key = json!({"key": "a"});
    desk.check("cooldown_check", key.clone(), over.clone()).await;
    desk.check("cooldown_set", json!({"key": "a", "ttl_seconds": 90}), json!({"ok": true})).await;
    desk.check("cooldown_check", key.clone(), json!({"active": true, "remaining_seconds": 90.0})).await;
    desk.pass(89_500);
    desk.check("cooldown_check", key.clone(), json!({"active": true, "remaining_seconds": 1.0})).await;
    desk.check("cooldown_set", json!({"key": "a", "ttl_seconds": 5}), json!({"ok": true})).await;
    desk.pass(4_999);
    desk.check("cooldown_check", key.clone(), json!({"active": true, "remaining_seconds": 1.0})).await;
    desk.pass(1);
    desk.check("cooldown_check", key.clone(), over).await;
    desk.call("cooldown_set", key.clone()).await; // a minute, as the SDKs have it
    desk.check("cooldown_check", key, json!({"active": true, "remaining_seconds": 60.0})).await;
}

#[tokio::test]
async fn a_repeat_is_remembered_no_longer_for_being_repeated() {
    let desk = Desk::new();
    let seen = json!({"key": "a", "ttl_seconds": 10});
    desk.check("dedup", seen.clone(), json!({"is_new": true})).await;
    desk.pass(9_999);
    desk.check("dedup", seen.clone(), json!({"is_new": false})).await;
    desk.pass(1);
    desk.check("dedup", seen.clone(), json!({"is_new": true})).await;
    desk.check("dedup", seen, json!({"is_new": false})).await;
}

#[tokio::test]
async fn a_flag_is_set_for_a_time() {
    let desk = Desk::new();
    let key = json!({"key": "a"});
    desk.check("flag_check", key.clone(), json!({"active": false})).await;
    desk.check("flag_set", json!({"key": "a", "ttl_seconds": 10}), json!({"ok": true})).await;
    desk.pass(9_000);
    desk.call("flag_set", json!({"key": "a", "ttl_seconds": 2})).await;
    desk.pass(1_999);
    desk.check("flag_check", key.clone(), json!({"active": true})).await;
    desk.pass(1);
    desk.check("flag_check", key, json!({"active": false})).await;
}

#[tokio::test]
async fn times_out_of_range_are_brought_within() {
    let desk = Desk::new();
    desk.call("flag_set", json!({"key": "a", "ttl_seconds": 0})).await;
    desk.pass(999);
    desk.check("flag_check", json!({"key": "a"}), json!({"active": true})).await;
    desk.pass(1);
    desk.check("flag_check", json!({"key": "a"}), json!({"active": false})).await;
    desk.call("cooldown_set", json!({"key": "a", "ttl_seconds": i64::MAX})).await;
    let day = json!({"active": true, "remaining_seconds": 86_400.0});
    desk.check("cooldown_check", json!({"key": "a"}), day).await;
}

#[tokio::test]
async fn the_four_kinds_do_not_share_keys() {
    let desk = Desk::new();
    let key = json!({"key": "x"});
    desk.call("flag_set", key.clone()).await;
    desk.check("cooldown_check", key.clone(), json!({"active": false, "remaining_seconds": 0.0})).await;
    desk.check("dedup", key.clone(), json!({"is_new": true})).await;
    desk.check("counter", key.clone(), json!({"count": 1})).await;
    desk.check("flag_check", key.clone(), json!({"active": true})).await;
    let other = json!({"key": "y"});
    desk.call("cooldown_set", other.clone()).await;
    desk.call("dedup", other.clone()).await;
    desk.call("counter", other.clone()).await;
    desk.check("flag_check", other, json!({"active": false})).await;
}

#[tokio::test]
async fn tenants_never_meet() {
    let desk = Desk::new();
    let key = json!({"key": "x"});
    for method in ["flag_set", "cooldown_set", "dedup", "counter"] {
        desk.call(method, key.clone()).await;
    }
    // So many that some of them surely lie behind the same lock.
    let servers = (9002..9066).map(|guild| tenant("demo", guild));
    let plugins = (0..64).map(|number| tenant(&format!("other{number}"), 9001));
    for other in servers.chain(plugins) {
        let other = desk.of(other);
        other.check("flag_check", key.clone(), json!({"active": false})).await;
        other.check("cooldown_check", key.clone(), json!({"active": false, "remaining_seconds": 0.0})).await;
        other.check("dedup", key.clone(), json!({"is_new": true})).await;
        other.check("counter", key.clone(), json!({"count": 1})).await;
    }
    desk.check("counter", key, json!({"count": 2})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_at_once_count_as_one_after_the_other() {
    let desk = Desk::new();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let desk = desk.clone();
        tasks.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..20 {
                told.push(desk.call("counter", json!({"key": "a"})).await);
            }
            (told, desk.call("dedup", json!({"key": "a"})).await)
        });
    }
    let (told, sightings): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    let mut told: Vec<String> = told.into_iter().flatten().collect();
    told.sort();
    let mut expected: Vec<String> = (1..=2000).map(|count| format!("{{\"count\":{count}}}")).collect();
    expected.sort();
    assert_eq!(told, expected, "every number is told exactly once");
    assert_eq!(sightings.iter().filter(|sighting| sighting.contains("true")).count(), 1);
}

#[tokio::test]
async fn a_counter_stops_at_its_most_and_goes_on_when_hits_leave() {
    let desk = Desk::new();
    for count in 1..=limits::EPHEMERAL_HITS {
        desk.counts(60, count).await;
    }
    desk.pass(1_000);
    for _ in 0..3 {
        desk.counts(60, limits::EPHEMERAL_HITS).await;
    }
    desk.pass(59_000); // those of the beginning leave, the last three stay
    desk.counts(60, 4).await;
}

#[tokio::test]
async fn the_soonest_to_expire_makes_room_for_a_new_key() {
    let desk = Desk::new();
    for number in 0..limits::EPHEMERAL_KEYS {
        let seconds = if number == 77 { 100 } else { 3600 };
        desk.call("flag_set", json!({"key": format!("k{number}"), "ttl_seconds": seconds})).await;
    }
    desk.call("flag_set", json!({"key": "k5"})).await; // known already: nobody has to go
    desk.check("flag_check", json!({"key": "k77"}), json!({"active": true})).await;
    desk.call("cooldown_set", json!({"key": "new", "ttl_seconds": 1})).await;
    let new = json!({"active": true, "remaining_seconds": 1.0});
    desk.check("cooldown_check", json!({"key": "new"}), new).await;
    desk.check("flag_check", json!({"key": "k77"}), json!({"active": false})).await;
    desk.check("flag_check", json!({"key": "k5"}), json!({"active": true})).await;
    assert_eq!(desk.ephemeral.usage().keys, limits::EPHEMERAL_KEYS);
    desk.of(tenant("other", 9001)).call("flag_set", json!({"key": "k"})).await;
    assert_eq!(desk.ephemeral.usage().keys, limits::EPHEMERAL_KEYS + 1, "each tenant has its own room");
}

#[tokio::test]
async fn long_keys_and_many_hits_are_bounded_in_bytes() {
    let desk = Desk::new();
    for number in 0..limits::EPHEMERAL_KEYS {
        let key = format!("{number}{}", "\u{1F600}".repeat(250));
        desk.call("flag_set", json!({ "key": key })).await;
    }
    let usage = desk.ephemeral.usage();
    assert!(usage.keys < limits::EPHEMERAL_KEYS && usage.keys > 1000, "{usage:?}");
    assert!(usage.bytes <= limits::EPHEMERAL_BYTES, "{usage:?}");
    let count = Count::parse(&params(json!({"key": "a", "window_seconds": 86_400}))).unwrap();
    for _ in 0..limits::EPHEMERAL_HITS {
        desk.ephemeral.counter(&desk.tenant, &count).await.unwrap();
    }
    let with_hits = desk.ephemeral.usage();
    assert!(with_hits.keys < usage.keys && with_hits.bytes <= limits::EPHEMERAL_BYTES, "{with_hits:?}");
    desk.counts(86_400, limits::EPHEMERAL_HITS).await;
}

#[tokio::test]
async fn what_has_expired_is_absent_before_it_is_swept() {
    let desk = Desk::new();
    for number in 0..1000 {
        desk.call("flag_set", json!({"key": number.to_string(), "ttl_seconds": 10})).await;
        desk.call("dedup", json!({"key": number.to_string(), "ttl_seconds": 10})).await;
    }
    desk.pass(10_000);
    // The last to be cleared away, should calls clear in order.
    desk.check("flag_check", json!({"key": "999"}), json!({"active": false})).await;
    desk.check("dedup", json!({"key": "999"}), json!({"is_new": true})).await;
    assert!(desk.ephemeral.usage().keys > 1000, "nothing was left to be absent");
}

#[tokio::test]
async fn what_has_expired_gives_its_memory_back() {
    let desk = Desk::new();
    for number in 0..5000 {
        desk.call("dedup", json!({"key": number.to_string(), "ttl_seconds": 60})).await;
        desk.call("counter", json!({"key": number.to_string(), "window_seconds": 30})).await;
    }
    desk.of(tenant("other", 1)).call("flag_set", json!({"key": "stays", "ttl_seconds": 3600})).await;
    assert_eq!(desk.ephemeral.usage().keys, 10_001);
    let stopping = CancellationToken::new();
    let mut sweeper = JoinSet::new();
    let (service, cancelled) = (desk.ephemeral.clone(), stopping.clone());
    sweeper.spawn(async move { service.run_sweeper(cancelled).await });
    let swept = async {
        // The sweeper must be waiting before time moves, or it waits for a minute more.
        while desk.ephemeral.usage().tenants != 1 {
            desk.pass(60_000);
            tokio::task::yield_now().await;
            assert!(desk.clock.now().since(crate::support::START) < Duration::from_secs(3600));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), swept).await.expect("nothing was swept");
    let usage = desk.ephemeral.usage();
    assert!(usage.keys == 1 && usage.bytes < 1000, "{usage:?}");
    stopping.cancel();
    sweeper.join_all().await;
}
