//! `kv.increment`: which numbers stay exact, what is made on the way, what is refused.

use bailey_protocol::method::kv::Increment;
use bailey_protocol::{CallError, limits};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Shelf;
use crate::support::params;

#[tokio::test]
async fn increments_count_from_nothing_and_keep_types() {
    let shelf = Shelf::new().await;
    assert_eq!(shelf.increment(json!({"key": "n", "amount": 5})).await.unwrap(), r#"{"value":5}"#);
    assert_eq!(shelf.increment(json!({"key": "n", "amount": -7})).await.unwrap(), r#"{"value":-2}"#);
    assert_eq!(shelf.increment(json!({"key": "o", "path": "a.b"})).await.unwrap(), r#"{"value":1}"#);
    assert_eq!(shelf.get("o").await, r#"{"value":{"a":{"b":1}}}"#);
    shelf.put(json!({"key": "f", "value": 1.5})).await.unwrap();
    assert_eq!(shelf.increment(json!({"key": "f"})).await.unwrap(), r#"{"value":2.5}"#);
    shelf.put(json!({"key": "null", "value": null})).await.unwrap();
    assert_eq!(shelf.increment(json!({"key": "null"})).await.unwrap(), r#"{"value":1}"#);
    shelf.put(json!({"key": "large", "value": i64::MAX})).await.unwrap();
    assert_eq!(shelf.increment(json!({"key": "large"})).await.unwrap(), r#"{"value":9223372036854775808}"#);
    let text = json!({"key": "text", "value": "5"});
    shelf.put(text).await.unwrap();
    let refused = shelf.increment(json!({"key": "text"})).await.unwrap_err();
    assert!(matches!(refused, CallError::Validation { .. }), "{refused:?}");
    assert_eq!(shelf.get("text").await, r#"{"value":"5"}"#);
}

#[tokio::test]
async fn integers_stay_exact_far_beyond_what_a_machine_adds() {
    let shelf = Shelf::new().await;
    let nines = "9".repeat(37);
    let largest = i128::MAX.to_string();
    for (before, amount, after) in [
        ("9007199254740993", 1, "9007199254740994"), // beyond 2^53, where doubles skip
        ("9223372036854775807", i64::MAX, "18446744073709551614"), // beyond 64 bits
        ("-9223372036854775808", -1, "-9223372036854775809"),
        ("9223372036854775808", -1, "9223372036854775807"), // and back
        (&nines, 1, &format!("1{}", "0".repeat(37))),       // the last that one statement adds to
        (&format!("1{}", "0".repeat(37)), -1, &nines),
        (&largest, -1, &(i128::MAX - 1).to_string()),
        ("0", i64::MIN, "-9223372036854775808"),
        ("-0", 0, "0"),
    ] {
        for (path, value) in [("", before.to_owned()), ("a.b", format!(r#"{{"a":{{"b":{before}}}}}"#))] {
            shelf.put_text("n", &value).await;
            let found = shelf.increment(json!({"key": "n", "path": path, "amount": amount})).await.unwrap();
            assert_eq!(found, format!(r#"{{"value":{after}}}"#), "{before} + {amount} at {path:?}");
            assert_eq!(shelf.get("n").await, format!(r#"{{"value":{}}}"#, value.replace(before, after)));
        }
    }
}

#[tokio::test]
async fn a_sum_that_is_no_number_is_refused_and_nothing_changes() {
    let shelf = Shelf::new().await;
    let (largest, beyond) = (i128::MAX.to_string(), "7".repeat(60));
    for (before, words) in [
        (largest.as_str(), "a whole number of at most 128 bits"),
        (&beyond, "a whole number of at most 128 bits"),
        ("1e400", "a finite number"),
        ("-1e400", "a finite number"),
        ("\"5\"", "a number"),
        ("[5]", "a number"),
        ("true", "a number"),
    ] {
        shelf.put_text("n", before).await;
        shelf.put_text("tree", &format!(r#"{{"a":{before}}}"#)).await;
        for increment in [json!({"key": "n"}), json!({"key": "tree", "path": "a"})] {
            let refused = shelf.increment(increment).await.unwrap_err().to_string();
            assert!(refused.contains(words), "{before}: {refused}");
        }
        assert_eq!(shelf.get("n").await, format!(r#"{{"value":{before}}}"#));
        assert_eq!(shelf.get("tree").await, format!(r#"{{"value":{{"a":{before}}}}}"#));
    }
}

#[tokio::test]
async fn parents_are_made_on_the_way_and_nothing_beside_it_moves() {
    let shelf = Shelf::new().await;
    shelf.put_text("t", r#"{"z":[1, 2],"a":null,"big":123456789012345678901234567890,"f":1.0}"#).await;
    assert_eq!(
        shelf.increment(json!({"key": "t", "path": "a.b.c", "amount": -2})).await.unwrap(),
        r#"{"value":-2}"#
    );
    assert_eq!(shelf.increment(json!({"key": "t", "path": "new.n"})).await.unwrap(), r#"{"value":1}"#);
    assert_eq!(shelf.increment(json!({"key": "t", "path": "f"})).await.unwrap(), r#"{"value":2.0}"#);
    let now = r#"{"z":[1, 2],"a":{"b":{"c":-2}},"big":123456789012345678901234567890,"f":2.0,"new":{"n":1}}"#;
    assert_eq!(shelf.get("t").await, format!(r#"{{"value":{now}}}"#));
    for path in ["z.a", "big.a", "a..b", ".a", "a."] {
        assert!(shelf.increment(json!({"key": "t", "path": path})).await.is_err(), "{path}");
    }
    assert_eq!(shelf.get("t").await, format!(r#"{{"value":{now}}}"#));
}

#[tokio::test]
async fn an_increment_may_not_outgrow_its_value() {
    let shelf = Shelf::new().await;
    let room = limits::KV_VALUE_BYTES - r#"{"x":""}"#.len();
    shelf.put(json!({"key": "a", "value": {"x": "y".repeat(room)}})).await.unwrap();
    let refused = shelf.increment(json!({"key": "a", "path": "n"})).await.unwrap_err();
    assert_eq!(refused, CallError::KvValueQuota);
    let over = shelf.put(json!({"key": "b", "value": {"x": "y".repeat(room + 1)}})).await.unwrap_err();
    assert_eq!(over, CallError::KvValueQuota);
}

async fn hundred_increments(value: Value) -> (Vec<i64>, String) {
    let shelf = Shelf::new().await;
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (kv, grant) = (shelf.kv.clone(), shelf.grant.clone());
        let increment = Increment::parse(&params(value.clone())).unwrap();
        tasks
            .spawn(async move { kv.increment(&grant, &increment).await.unwrap().value.get().parse::<i64>() });
    }
    let mut seen: Vec<i64> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
    seen.sort_unstable();
    (seen, shelf.get("n").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_increments_at_once_lose_none() {
    let every: Vec<i64> = (1..=100).collect();
    assert_eq!(hundred_increments(json!({"key": "n"})).await, (every.clone(), r#"{"value":100}"#.to_owned()));
    let (seen, value) = hundred_increments(json!({"key": "n", "path": "a.b"})).await;
    assert_eq!((seen, value.as_str()), (every, r#"{"value":{"a":{"b":100}}}"#));
}
