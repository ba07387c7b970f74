//! The nightly recount: counters broken on purpose, writers at work, several hosts.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bailey_protocol::method::kv::{Increment, KeyOnly, Put, PutMany};
use bailey_protocol::{CallError, limits};
use bailey_services::Kv;
use bailey_services::kv::Recount;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

use crate::kv_model::miscounted;
use crate::support::{Scratch, grant, params, tenant};

/// Puts, counts up, writes together and deletes keys nobody else writes, until told to stop.
async fn write(kv: Kv, guild: u64, writer: usize, stop: Arc<AtomicBool>) {
    let grant = grant(&tenant("demo", guild));
    for round in 0.. {
        let key = |name: &str| format!("{writer}:{name}:{}", round % 50);
        let put = Put::parse(&params(json!({"key": key("put"), "value": round}))).unwrap();
        kv.put(&grant, &put).await.unwrap();
        let increment = Increment::parse(&params(json!({"key": key("add"), "path": "n"}))).unwrap();
        kv.increment(&grant, &increment).await.unwrap();
        let entries = json!({"entries": {key("one"): 1, key("two"): 2, key("put"): 3}});
        kv.put_many(&grant, &PutMany::parse(&params(entries)).unwrap()).await.unwrap();
        if stop.load(Ordering::Relaxed) {
            return; // with keys left over
        }
        for name in ["put", "add", "one", "two"] {
            let delete = KeyOnly::parse(&params(json!({"key": key(name)}))).unwrap();
            kv.delete(&grant, &delete).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_counters_are_put_right_while_writers_are_at_work() {
    const TENANTS: u64 = 3;
    let scratch = Scratch::new().await;
    let door = scratch.side_door().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..9 {
        writers.spawn(write(scratch.kv(), 1 + writer as u64 % TENANTS, writer, Arc::clone(&stop)));
    }
    let mut corrected = 0;
    for round in 0..60_i64 {
        let broken = match round % 3 {
            0 => "UPDATE kv_usage SET keys = keys + 7",
            1 => "UPDATE kv_usage SET keys = keys - 7 WHERE guild = 1",
            _ => "DELETE FROM kv_usage WHERE guild = 2",
        };
        door.batch_execute(broken).await.unwrap();
        corrected += scratch.recount_now().await.corrected;
        // The corrections and the writers got along, or there would be something to correct again.
        assert_eq!(scratch.recount_now().await.corrected, 0, "in round {round}");
    }
    stop.store(true, Ordering::Relaxed);
    writers.join_all().await;
    assert_eq!(miscounted(&door).await, 0);
    assert!(corrected >= 60, "only {corrected} corrections");
    assert_eq!(scratch.recount_now().await, Recount { tenants: TENANTS, corrected: 0 });
}

#[tokio::test]
async fn a_correction_is_told_with_both_numbers() {
    let scratch = Scratch::new().await;
    let door = scratch.side_door().await;
    let put = Put::parse(&params(json!({"key": "a", "value": 1}))).unwrap();
    for guild in [7, 8] {
        scratch.kv().put(&grant(&tenant("demo", guild)), &put).await.unwrap();
    }
    // Whether a line is wanted is remembered for all tests of this binary, and those beside this one want
    // none; so what was not heard is asked for again.
    let mut told = String::new();
    for _ in 0..20 {
        door.batch_execute("UPDATE kv_usage SET keys = 5000 WHERE guild = 7").await.unwrap();
        let (mut screen, writer) = std::io::pipe().unwrap();
        let log = tracing_subscriber::fmt().with_writer(Arc::new(writer)).with_ansi(false).finish();
        let recount = scratch.recount_now().with_subscriber(log).await;
        assert_eq!(recount, Recount { tenants: 2, corrected: 1 });
        told.clear();
        screen.read_to_string(&mut told).unwrap();
        if told.contains("WARN") && told.contains("tenants=") {
            break;
        }
    }
    assert!(
        told.contains("WARN") && told.contains("corrected the number of keys of demo@7 in kv from 5000 to 1"),
        "{told}"
    );
    assert!(told.contains("recounted the keys in kv tenants=2 corrected=1"), "{told}");
    assert!(!told.contains("demo@8"), "{told}");
}

#[tokio::test]
async fn a_counter_too_high_costs_keys_only_until_the_recount() {
    let scratch = Scratch::new().await;
    let door = scratch.side_door().await;
    let (kv, grant) = (scratch.kv(), grant(&tenant("demo", 7)));
    let put = |key: &str| Put::parse(&params(json!({"key": key, "value": 1}))).unwrap();
    kv.put(&grant, &put("a")).await.unwrap();
    door.batch_execute("UPDATE kv_usage SET keys = 10000").await.unwrap();
    assert_eq!(kv.put(&grant, &put("b")).await, Err(CallError::KvKeyQuota));
    scratch.recount_now().await;
    kv.put(&grant, &put("b")).await.unwrap();
    assert_eq!(miscounted(&door).await, 0);
}

#[tokio::test]
async fn a_tenant_that_got_too_many_keys_keeps_them_and_gets_no_more() {
    let scratch = Scratch::new().await;
    let door = scratch.side_door().await;
    let (kv, grant) = (scratch.kv(), grant(&tenant("demo", 7)));
    let rows = i64::from(limits::KV_KEYS) + 50;
    let fill = "INSERT INTO kv (plugin, guild, key, value)
                SELECT 'demo', 7, 'fill' || n, '0' FROM generate_series(1, $1::bigint) AS n";
    door.execute(fill, &[&rows]).await.unwrap();
    assert_eq!(scratch.recount_now().await, Recount { tenants: 1, corrected: 1 });
    let put = Put::parse(&params(json!({"key": "new", "value": 1}))).unwrap();
    assert_eq!(kv.put(&grant, &put).await, Err(CallError::KvKeyQuota));
    let there: i64 = door.query_one("SELECT count(*) FROM kv", &[]).await.unwrap().get(0);
    assert_eq!(there, rows);
    assert_eq!(scratch.recount_now().await.corrected, 0); // not found wrong every night
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_one_recounts_each_night() {
    let scratch = Scratch::new().await;
    for guild in 1..40 {
        let put = Put::parse(&params(json!({"key": "a", "value": 1}))).unwrap();
        scratch.kv().put(&grant(&tenant("demo", guild)), &put).await.unwrap();
    }
    for _night in 0..3 {
        let mut hosts = JoinSet::new();
        for _ in 0..5 {
            let kv = scratch.kv();
            hosts.spawn(async move { kv.recount().await.unwrap() });
        }
        let mut done: Vec<Recount> = hosts.join_all().await.into_iter().flatten().collect();
        assert_eq!(done.pop(), Some(Recount { tenants: 39, corrected: 0 }));
        assert_eq!(done, []);
        assert_eq!(scratch.kv().recount().await.unwrap(), None);
        scratch.clock.advance(Duration::from_secs(24 * 3600));
    }
}

#[tokio::test]
async fn while_another_host_counts_nobody_waits_and_when_it_died_the_next_takes_over() {
    let scratch = Scratch::new().await;
    let other = scratch.side_door().await;
    other.batch_execute("BEGIN; SELECT FROM kv_recount FOR UPDATE").await.unwrap();
    assert_eq!(scratch.kv().recount().await.unwrap(), None);
    drop(other); // its connection closes, as it does when a host dies
    let patience = Duration::from_secs(30);
    let taken_over = async { while scratch.kv().recount().await.unwrap().is_none() {} };
    tokio::time::timeout(patience, taken_over).await.unwrap();
}

#[tokio::test]
async fn the_sweeper_recounts_when_the_night_has_come() {
    let scratch = Scratch::new().await;
    let door = scratch.side_door().await;
    let kv = scratch.kv();
    kv.recount().await.unwrap(); // last night's
    let put = Put::parse(&params(json!({"key": "a", "value": 1}))).unwrap();
    kv.put(&grant(&tenant("demo", 7)), &put).await.unwrap();
    door.batch_execute("UPDATE kv_usage SET keys = 5").await.unwrap();
    let cancelled = CancellationToken::new();
    let watch = async {
        scratch.clock.advance(Duration::from_secs(3 * 3600)); // the clock began at midnight
        while miscounted(&door).await != 0 {}
        cancelled.cancel();
    };
    let both = async { tokio::join!(kv.run_sweeper(cancelled.clone()), watch) };
    tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
}
