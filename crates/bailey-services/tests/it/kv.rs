//! `kv.*` call by call: results as the wire carries them, limits, concurrency, failures.

mod numbers;

use std::time::Duration;

use bailey_protocol::capability::StorageKv;
use bailey_protocol::method::kv::{GetMany, Increment, KeyOnly, List, ListValues, Put, PutMany};
use bailey_protocol::{CallError, Clock, Grant, Params, limits};
use bailey_services::{DatabaseOptions, Kv};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{ManualClock, Scratch, grant, params, tenant, wire};

/// The service and one tenant's right to it.
struct Shelf {
    kv: Kv,
    grant: Grant<StorageKv>,
    clock: ManualClock,
    scratch: Scratch,
}

impl Shelf {
    async fn new() -> Self {
        Self::in_scratch(Scratch::new().await)
    }

    fn in_scratch(scratch: Scratch) -> Self {
        let grant = grant(&tenant("demo", 9001));
        Self { kv: scratch.kv(), grant, clock: scratch.clock.clone(), scratch }
    }

    async fn get(&self, key: &str) -> String {
        let get = KeyOnly::parse(&params(json!({ "key": key }))).unwrap();
        wire(self.kv.get(&self.grant, &get).await.unwrap())
    }

    async fn put(&self, value: Value) -> Result<(), CallError> {
        self.kv.put(&self.grant, &Put::parse(&params(value))?).await.map(drop)
    }

    /// Puts a value as this very JSON text.
    async fn put_text(&self, key: &str, json: &str) {
        let raw = RawValue::from_string(format!(r#"{{"key":"{key}","value":{json}}}"#)).unwrap();
        let put = Put::parse(&Params::parse(Some(&raw)).unwrap()).unwrap();
        assert_eq!(wire(self.kv.put(&self.grant, &put).await.unwrap()), r#"{"ok":true}"#);
    }

    async fn put_many(&self, entries: Value) -> Result<(), CallError> {
        let put = PutMany::parse(&params(json!({ "entries": entries })))?;
        self.kv.put_many(&self.grant, &put).await.map(drop)
    }

    async fn increment(&self, value: Value) -> Result<String, CallError> {
        self.kv.increment(&self.grant, &Increment::parse(&params(value))?).await.map(wire)
    }

    async fn list(&self, value: Value) -> String {
        wire(self.kv.list(&self.grant, &List::parse(&params(value)).unwrap()).await.unwrap())
    }

    async fn count(&self) -> u64 {
        let counted: Value = serde_json::from_str(&self.list(json!({"count_only": true})).await).unwrap();
        counted["count"].as_u64().unwrap()
    }

    /// Fills the shelf up to `keys` keys, the fast way but by the same rules.
    async fn fill(&self, keys: u64, expires_at: Option<i64>) {
        let door = self.scratch.side_door().await;
        let (plugin, guild) = ("demo", 9001_i64);
        let insert = "INSERT INTO kv (plugin, guild, key, value, expires_at)
                      SELECT $1, $2, 'fill' || n, '0', $4 FROM generate_series(1, $3::bigint) AS n";
        door.execute(insert, &[&plugin, &guild, &keys.cast_signed(), &expires_at]).await.unwrap();
        let count = "INSERT INTO kv_usage (plugin, guild, keys) VALUES ($1, $2, $3)";
        door.execute(count, &[&plugin, &guild, &keys.cast_signed()]).await.unwrap();
    }
}

#[tokio::test]
async fn values_come_back_as_they_were_written() {
    let shelf = Shelf::new().await;
    for (key, json) in [
        ("order", r#"{"z":1,"a":{"y":2,"b":3}}"#),
        ("float", "5.0"),
        ("integer", "123456789012345678901234567890123456789012345678901234567890"),
        ("text", r#""\u0000 and \ud83d\ude00""#),
        ("list", "[1, 2,3]"),
    ] {
        shelf.put_text(key, json).await;
        assert_eq!(shelf.get(key).await, format!(r#"{{"value":{json}}}"#));
    }
    assert_eq!(shelf.get("missing").await, r#"{"value":null}"#);
    shelf.put(json!({"key": "nothing", "value": null})).await.unwrap();
    assert_eq!(shelf.get("nothing").await, r#"{"value":{"value_json":null}}"#);
}

#[tokio::test]
async fn a_deleted_key_is_gone_and_deleting_it_again_is_fine() {
    let shelf = Shelf::new().await;
    shelf.put(json!({"key": "a", "value": 1})).await.unwrap();
    let delete = KeyOnly::parse(&params(json!({"key": "a"}))).unwrap();
    for _ in 0..2 {
        assert_eq!(wire(shelf.kv.delete(&shelf.grant, &delete).await.unwrap()), r#"{"ok":true}"#);
        assert_eq!(shelf.get("a").await, r#"{"value":null}"#);
    }
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let shelf = Shelf::new().await;
    shelf.put(json!({"key": "a", "value": "mine"})).await.unwrap();
    for other in [tenant("demo", 9002), tenant("other", 9001)] {
        let grant = grant::<StorageKv>(&other);
        let get = KeyOnly::parse(&params(json!({"key": "a"}))).unwrap();
        assert_eq!(wire(shelf.kv.get(&grant, &get).await.unwrap()), r#"{"value":null}"#);
        shelf.kv.delete(&grant, &get).await.unwrap();
        let list = List::parse(&params(json!({}))).unwrap();
        assert_eq!(wire(shelf.kv.list(&grant, &list).await.unwrap()), r#"{"keys":[]}"#);
    }
    assert_eq!(shelf.get("a").await, r#"{"value":"mine"}"#);
}

#[tokio::test]
async fn expired_keys_are_absent_everywhere() {
    let shelf = Shelf::new().await;
    shelf.put(json!({"key": "a", "value": 1, "ttl_seconds": 10})).await.unwrap();
    shelf.put(json!({"key": "b", "value": 2})).await.unwrap();
    shelf.clock.advance(Duration::from_millis(9_999));
    assert_eq!(shelf.get("a").await, r#"{"value":1}"#);
    shelf.clock.advance(Duration::from_millis(1));
    assert_eq!(shelf.get("a").await, r#"{"value":null}"#);
    assert_eq!(shelf.list(json!({})).await, r#"{"keys":["b"]}"#);
    assert_eq!(shelf.count().await, 1);
    let many = GetMany::parse(&params(json!({"keys": ["b", "a"]}))).unwrap();
    assert_eq!(wire(shelf.kv.get_many(&shelf.grant, &many).await.unwrap()), r#"{"values":{"b":2}}"#);
    let values = ListValues::parse(&params(json!({}))).unwrap();
    assert_eq!(wire(shelf.kv.list_values(&shelf.grant, &values).await.unwrap()), r#"{"values":{"b":2}}"#);
    assert_eq!(shelf.increment(json!({"key": "a"})).await.unwrap(), r#"{"value":1}"#); // begins anew
    shelf.clock.advance(Duration::from_secs(3600));
    assert_eq!(shelf.get("a").await, r#"{"value":1}"#); // and without the old time limit
}

#[tokio::test]
async fn a_write_clears_the_time_limit_and_an_increment_keeps_it() {
    let shelf = Shelf::new().await;
    for key in ["put", "mput", "add", "path"] {
        let value = if key == "path" { json!({"n": 1}) } else { json!(1) };
        shelf.put(json!({"key": key, "value": value, "ttl_seconds": 10})).await.unwrap();
    }
    shelf.put(json!({"key": "put", "value": 2})).await.unwrap();
    shelf.put_many(json!({"mput": 2})).await.unwrap();
    assert_eq!(shelf.increment(json!({"key": "add"})).await.unwrap(), r#"{"value":2}"#);
    assert_eq!(shelf.increment(json!({"key": "path", "path": "n"})).await.unwrap(), r#"{"value":2}"#);
    shelf.clock.advance(Duration::from_secs(10));
    assert_eq!(shelf.list(json!({})).await, r#"{"keys":["mput","put"]}"#);
}

#[tokio::test]
async fn listings_follow_code_points_and_take_a_prefix_at_its_word() {
    let shelf = Shelf::new().await;
    shelf
        .put_many(json!({"b": 0, "a%": 1, "a_": 2, "ab": 3, "aB": 4, "a": 5, "é": 6, "\u{10ffff}z": 7, "a\\": 8, "😀": 9}))
        .await
        .unwrap();
    let all = r#"{"keys":["a","a%","aB","a\\","a_","ab","b","é","😀","􏿿z"]}"#;
    assert_eq!(shelf.list(json!({})).await, all);
    assert_eq!(shelf.list(json!({"prefix": "a%"})).await, r#"{"keys":["a%"]}"#);
    assert_eq!(shelf.list(json!({"prefix": "a_"})).await, r#"{"keys":["a_"]}"#);
    assert_eq!(shelf.list(json!({"prefix": "\u{10ffff}"})).await, r#"{"keys":["􏿿z"]}"#);
    assert_eq!(shelf.list(json!({"prefix": "a", "limit": 2})).await, r#"{"keys":["a","a%"]}"#);
    assert_eq!(
        shelf.list(json!({"prefix": "a", "start_after": "a%", "limit": 2})).await,
        r#"{"keys":["aB","a\\"]}"#
    );
    assert_eq!(shelf.list(json!({"prefix": "a", "start_after": "zzz"})).await, r#"{"keys":[]}"#);
    assert_eq!(shelf.list(json!({"prefix": "a", "count_only": true, "limit": 0})).await, r#"{"count":6}"#);
    let values = ListValues::parse(&params(json!({"prefix": "a", "limit": 3}))).unwrap();
    let found = wire(shelf.kv.list_values(&shelf.grant, &values).await.unwrap());
    assert_eq!(found, r#"{"values":{"a":5,"a%":1,"aB":4}}"#);
    let many = GetMany::parse(&params(json!({"keys": ["é", "none", "a", "é"]}))).unwrap();
    assert_eq!(wire(shelf.kv.get_many(&shelf.grant, &many).await.unwrap()), r#"{"values":{"é":6,"a":5}}"#);
}

#[tokio::test]
async fn a_thousand_keys_a_page_and_every_key_once() {
    let shelf = Shelf::new().await;
    shelf.fill(2_345, None).await;
    let mut all: Vec<String> = Vec::new();
    let mut pages = Vec::new();
    loop {
        let cursor = all.last().cloned().unwrap_or_default();
        let page = shelf.list(json!({"prefix": "fill", "limit": 5000, "start_after": cursor})).await;
        let mut page: std::collections::BTreeMap<String, Vec<String>> = serde_json::from_str(&page).unwrap();
        let keys = page.remove("keys").unwrap();
        if keys.is_empty() {
            break;
        }
        pages.push(keys.len());
        all.extend(keys);
    }
    assert_eq!(pages, [1000, 1000, 345]);
    assert!(all.is_sorted_by(|one, other| one < other), "not ascending, or twice the same");
    assert_eq!(shelf.list(json!({"prefix": "fill", "limit": 1})).await, r#"{"keys":["fill1"]}"#);
    assert_eq!(shelf.count().await, 2_345);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_holds_to_the_key_under_concurrent_writes() {
    let shelf = Shelf::new().await;
    shelf.fill(u64::from(limits::KV_KEYS) - 10, None).await;
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let (kv, grant) = (shelf.kv.clone(), shelf.grant.clone());
        let put = Put::parse(&params(json!({"key": format!("new{number}"), "value": 1}))).unwrap();
        tasks.spawn(async move { kv.put(&grant, &put).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert!(outcomes.iter().flat_map(|outcome| outcome.as_ref().err()).all(|e| *e == CallError::KvKeyQuota));
    assert_eq!(shelf.count().await, u64::from(limits::KV_KEYS));

    // What is there can still be written, added to and removed; nothing new comes in by any way.
    shelf.put(json!({"key": "fill1", "value": "changed"})).await.unwrap();
    shelf.increment(json!({"key": "fill2"})).await.unwrap();
    for path in ["", "a.b"] {
        let refused = shelf.increment(json!({"key": "one_more", "path": path})).await.unwrap_err();
        assert_eq!(refused, CallError::KvKeyQuota);
    }
    let delete = KeyOnly::parse(&params(json!({"key": "fill3"}))).unwrap();
    shelf.kv.delete(&shelf.grant, &delete).await.unwrap();
    assert_eq!(shelf.put_many(json!({"fill4": 1, "x": 1, "y": 1})).await, Err(CallError::KvKeyQuota));
    assert_eq!(shelf.get("fill4").await, r#"{"value":0}"#); // all or none
    shelf.put_many(json!({"fill4": 1, "x": 1})).await.unwrap();
    assert_eq!(shelf.count().await, u64::from(limits::KV_KEYS));
    // Another tenant has a quota of its own.
    let put = Put::parse(&params(json!({"key": "a", "value": 1}))).unwrap();
    shelf.kv.put(&grant(&tenant("demo", 9002)), &put).await.unwrap();
}

#[tokio::test]
async fn expired_keys_make_room_when_it_is_needed() {
    for (number, value) in
        [json!({"key": "a", "value": 1}), json!({"key": "a"}), json!({"key": "a", "path": "b"})]
            .into_iter()
            .enumerate()
    {
        let shelf = Shelf::new().await;
        let soon = (shelf.clock.now() + Duration::from_secs(5)).0;
        shelf.fill(limits::KV_KEYS.into(), Some(soon)).await;
        if number == 0 {
            assert_eq!(shelf.put(value.clone()).await, Err(CallError::KvKeyQuota));
        } else {
            assert_eq!(shelf.increment(value.clone()).await, Err(CallError::KvKeyQuota));
        }
        shelf.clock.advance(Duration::from_secs(5));
        if number == 0 {
            shelf.put(value).await.unwrap();
        } else {
            shelf.increment(value).await.unwrap();
        }
        assert_eq!(shelf.count().await, 1);
    }
}

#[tokio::test]
async fn the_sweeper_removes_what_expired_and_keeps_count() {
    let shelf = Shelf::new().await;
    let soon = (shelf.clock.now() + Duration::from_secs(5)).0;
    shelf.fill(2500, Some(soon)).await; // more than two batches
    shelf.put(json!({"key": "stays", "value": 1})).await.unwrap();
    let cancelled = CancellationToken::new();
    let sweeper = shelf.kv.run_sweeper(cancelled.clone());
    let watch = async {
        let door = shelf.scratch.side_door().await;
        shelf.clock.advance(Duration::from_secs(60));
        loop {
            let row =
                door.query_one("SELECT count(*), (SELECT keys FROM kv_usage) FROM kv", &[]).await.unwrap();
            if row.get::<_, i64>(0) == 1 {
                assert_eq!(row.get::<_, i64>(1), 1);
                break;
            }
        }
        cancelled.cancel();
    };
    tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(sweeper, watch) }).await.unwrap();
}

#[tokio::test]
async fn a_database_that_hangs_gives_an_answer_in_time() {
    let options = DatabaseOptions {
        connections: 1,
        patience: Duration::from_millis(300),
        ..DatabaseOptions::default()
    };
    let shelf = Shelf::in_scratch(Scratch::with(options).await);
    shelf.put(json!({"key": "a", "value": 1})).await.unwrap();
    let mut door = shelf.scratch.side_door().await;
    let lock = door.transaction().await.unwrap();
    lock.execute("SELECT FROM kv FOR UPDATE", &[]).await.unwrap();
    // The first waits for the row, the second for the only connection.
    let (first, second) =
        tokio::join!(shelf.put(json!({"key": "a", "value": 2})), shelf.increment(json!({"key": "a"})),);
    assert_eq!(first, Err(CallError::Timeout { what: "the database" }));
    assert_eq!(second, Err(CallError::Timeout { what: "the database" }));
    lock.rollback().await.unwrap();
    shelf.put(json!({"key": "a", "value": 3})).await.unwrap();
    assert_eq!(shelf.get("a").await, r#"{"value":3}"#);
}

#[tokio::test]
async fn a_broken_table_is_our_fault_and_says_nothing_to_the_plugin() {
    let shelf = Shelf::new().await;
    shelf.scratch.side_door().await.batch_execute("DROP TABLE kv").await.unwrap();
    let refused = shelf.put(json!({"key": "a", "value": 1})).await.unwrap_err();
    assert_eq!(refused, CallError::Internal);
}
