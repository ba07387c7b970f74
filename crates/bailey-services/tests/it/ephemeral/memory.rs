//! What only this process's memory shows: how much it holds, and that it gives it back.

use std::time::Duration;

use bailey_protocol::limits;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use crate::support::{START, tenant};

#[tokio::test]
async fn long_keys_and_many_hits_are_bounded_in_bytes() {
    let desk = Desk::in_process();
    for number in 0..limits::EPHEMERAL_KEYS {
        let key = format!("{number}{}", "\u{1F600}".repeat(250));
        desk.call("flag_set", json!({ "key": key })).await;
    }
    let usage = desk.ephemeral.usage();
    assert!(usage.keys < limits::EPHEMERAL_KEYS && usage.keys > 1000, "{usage:?}");
    assert!(usage.bytes <= limits::EPHEMERAL_BYTES, "{usage:?}");
    for _ in 0..limits::EPHEMERAL_HITS {
        desk.call("counter", json!({"key": "a", "window_seconds": 86_400})).await;
    }
    let with_hits = desk.ephemeral.usage();
    assert!(with_hits.keys < usage.keys && with_hits.bytes <= limits::EPHEMERAL_BYTES, "{with_hits:?}");
    desk.counts(86_400, limits::EPHEMERAL_HITS).await;
}

#[tokio::test]
async fn what_has_expired_gives_its_memory_back() {
    let desk = Desk::in_process();
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
            assert!(desk.now() - START.0 < 3_600_000);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), swept).await.expect("nothing was swept");
    let usage = desk.ephemeral.usage();
    assert!(usage.keys == 1 && usage.bytes < 1000, "{usage:?}");
    stopping.cancel();
    sweeper.join_all().await;
}
