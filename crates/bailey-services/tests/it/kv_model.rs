//! Random operations of two tenants, compared with a model in memory after each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailey_protocol::capability::StorageKv;
use bailey_protocol::method::kv::{GetMany, Increment, KeyOnly, List, ListValues, Put, PutMany};
use bailey_protocol::{Clock, Grant};
use bailey_services::Kv;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseResult, TestRunner};
use serde_json::{Map, Value, json};

use crate::support::{ManualClock, Scratch, grant, params, tenant};

/// Keys chosen to be each other's prefixes and to hold what `LIKE` would trip over.
const KEYS: &[&str] = &["a", "ab", "a%", "a_b", "b", "é", "\u{10ffff}", "ab\u{10ffff}"];
const PREFIXES: &[&str] = &["", "a", "ab", "a%", "é", "\u{10ffff}", "zzz"];
const VALUES: &[&str] =
    &["5", "-1", "1.5", "null", "\"x\"", "[1]", r#"{"n":1,"m":{"k":2}}"#, r#"{"m":null}"#];
const PATHS: &[&str] = &["", "n", "m.k", "m.k.j"];

#[derive(Debug, Clone)]
enum Operation {
    Put { key: &'static str, value: &'static str, ttl: Option<u64> },
    PutMany(Vec<(&'static str, &'static str)>),
    Delete(&'static str),
    Increment { key: &'static str, path: &'static str, amount: i64 },
    Get(&'static str),
    GetMany(Vec<&'static str>),
    List { prefix: &'static str, limit: u32, start_after: Option<&'static str> },
    Count(&'static str),
    ListValues { prefix: &'static str, limit: u32 },
    Advance(u64),
    Sweep,
}

fn operation() -> impl Strategy<Value = Operation> {
    let (key, value, prefix) = (select(KEYS), select(VALUES), select(PREFIXES));
    prop_oneof![
        4 => (key.clone(), value.clone(), proptest::option::of(1..30_u64))
            .prop_map(|(key, value, ttl)| Operation::Put { key, value, ttl }),
        1 => proptest::collection::vec((key.clone(), value), 0..4).prop_map(Operation::PutMany),
        2 => key.clone().prop_map(Operation::Delete),
        4 => (key.clone(), select(PATHS), -3..4_i64)
            .prop_map(|(key, path, amount)| Operation::Increment { key, path, amount }),
        2 => key.clone().prop_map(Operation::Get),
        1 => proptest::collection::vec(key.clone(), 0..4).prop_map(Operation::GetMany),
        2 => (prefix.clone(), 1..6_u32, proptest::option::of(key))
            .prop_map(|(prefix, limit, start_after)| Operation::List { prefix, limit, start_after }),
        1 => prefix.clone().prop_map(Operation::Count),
        1 => (prefix, 1..6_u32).prop_map(|(prefix, limit)| Operation::ListValues { prefix, limit }),
        2 => (1..20_u64).prop_map(Operation::Advance),
        1 => Just(Operation::Sweep),
    ]
}

/// What one tenant should hold: values, and when they go.
#[derive(Default)]
struct Model(BTreeMap<String, (Value, Option<i64>)>);

impl Model {
    fn forget_expired(&mut self, now: i64) {
        self.0.retain(|_, (_, expires_at)| expires_at.is_none_or(|at| at > now));
    }

    fn under(&self, prefix: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().filter(move |(key, _)| key.starts_with(prefix)).map(|(key, (value, _))| (key, value))
    }

    /// The number now at the path, or `None` when that cannot be.
    fn increment(&mut self, key: &str, path: &str, amount: i64) -> Option<Value> {
        let (mut value, expires_at) = self.0.get(key).cloned().unwrap_or((Value::Null, None));
        let mut place = &mut value;
        for name in path.split('.').filter(|name| !name.is_empty()) {
            if place.is_null() {
                *place = json!({});
            }
            place = place.as_object_mut()?.entry(name).or_insert(Value::Null);
        }
        let sum = match &*place {
            Value::Null => json!(amount),
            Value::Number(number) if number.is_i64() => json!(number.as_i64()? + amount),
            Value::Number(number) => json!(number.as_f64()? + amount as f64),
            _ => return None,
        };
        *place = sum.clone();
        self.0.insert(key.to_owned(), (value, expires_at));
        Some(sum)
    }
}

struct Run {
    kv: Kv,
    clock: ManualClock,
    tenants: [(Grant<StorageKv>, Model); 2],
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn object<'a>(entries: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Value {
    let map: Map<String, Value> =
        entries.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    json!({ "values": map })
}

fn answer(result: impl serde::Serialize) -> Value {
    serde_json::to_value(result).unwrap()
}

impl Run {
    async fn step(&mut self, who: usize, operation: &Operation) -> TestCaseResult {
        let now = self.clock.now().0;
        self.tenants.iter_mut().for_each(|(_, model)| model.forget_expired(now));
        let kv = &self.kv;
        let (grant, model) = &mut self.tenants[who];
        match operation {
            Operation::Put { key, value, ttl } => {
                let put = json!({"key": key, "value": parsed(value), "ttl_seconds": ttl});
                let put = Put::parse(&params(put)).unwrap();
                kv.put(grant, &put).await.unwrap();
                let expires_at = ttl.map(|ttl| now + 1000 * ttl.cast_signed());
                model.0.insert((*key).to_owned(), (parsed(value), expires_at));
            }
            Operation::PutMany(entries) => {
                let map: Map<String, Value> =
                    entries.iter().map(|(key, value)| ((*key).to_owned(), parsed(value))).collect();
                let put = PutMany::parse(&params(json!({ "entries": map }))).unwrap();
                kv.put_many(grant, &put).await.unwrap();
                model.0.extend(map.into_iter().map(|(key, value)| (key, (value, None))));
            }
            Operation::Delete(key) => {
                kv.delete(grant, &KeyOnly::parse(&params(json!({ "key": key }))).unwrap()).await.unwrap();
                model.0.remove(*key);
            }
            Operation::Increment { key, path, amount } => {
                let increment = json!({"key": key, "path": path, "amount": amount});
                let found = kv.increment(grant, &Increment::parse(&params(increment)).unwrap()).await;
                let expected = model.increment(key, path, *amount);
                prop_assert_eq!(found.ok().map(answer), expected.map(|number| json!({ "value": number })));
            }
            Operation::Get(key) => {
                let get = KeyOnly::parse(&params(json!({ "key": key }))).unwrap();
                let expected = match model.0.get(*key) {
                    Some((Value::Null, _)) => json!({"value_json": null}),
                    Some((value, _)) => value.clone(),
                    None => Value::Null,
                };
                prop_assert_eq!(answer(kv.get(grant, &get).await.unwrap()), json!({ "value": expected }));
            }
            Operation::GetMany(keys) => {
                let get = GetMany::parse(&params(json!({ "keys": keys }))).unwrap();
                let expected =
                    object(model.0.iter().filter_map(|(key, (value, _))| {
                        keys.contains(&key.as_str()).then_some((key, value))
                    }));
                prop_assert_eq!(answer(kv.get_many(grant, &get).await.unwrap()), expected);
            }
            Operation::List { prefix, limit, start_after } => {
                let list = json!({"prefix": prefix, "limit": limit, "start_after": start_after});
                let found = kv.list(grant, &List::parse(&params(list)).unwrap()).await.unwrap();
                let keys: Vec<&String> = model
                    .under(prefix)
                    .map(|(key, _)| key)
                    .filter(|key| start_after.is_none_or(|cursor| key.as_str() > cursor))
                    .take(*limit as usize)
                    .collect();
                prop_assert_eq!(answer(found), json!({ "keys": keys }));
            }
            Operation::Count(prefix) => {
                let count = List::parse(&params(json!({"prefix": prefix, "count_only": true}))).unwrap();
                let found = answer(kv.list(grant, &count).await.unwrap());
                prop_assert_eq!(found, json!({"count": model.under(prefix).count()}));
            }
            Operation::ListValues { prefix, limit } => {
                let list = json!({"prefix": prefix, "limit": limit});
                let found = kv.list_values(grant, &ListValues::parse(&params(list)).unwrap()).await.unwrap();
                let expected = object(model.under(prefix).take(*limit as usize));
                // The order matters, and only the text shows it.
                prop_assert_eq!(answer(found).to_string(), expected.to_string());
            }
            Operation::Advance(seconds) => self.clock.advance(Duration::from_secs(*seconds)),
            Operation::Sweep => {
                kv.sweep().await.unwrap();
            }
        }
        Ok(())
    }
}

#[test]
fn every_answer_is_the_one_the_model_gives() {
    static CASES: AtomicU64 = AtomicU64::new(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let scratch = runtime.block_on(Scratch::new());
    let door = runtime.block_on(scratch.side_door());
    let operations = proptest::collection::vec((0..2_usize, operation()), 1..60);
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&operations, |operations| {
        runtime.block_on(async {
            let guild = CASES.fetch_add(1, Ordering::Relaxed);
            let two = ["left", "right"].map(|plugin| (grant(&tenant(plugin, guild)), Model::default()));
            let mut run = Run { kv: scratch.kv(), clock: scratch.clock.clone(), tenants: two };
            for (who, operation) in &operations {
                run.step(*who, operation).await?;
            }
            let differing = "
                SELECT count(*) FROM kv_usage
                WHERE keys <> (SELECT count(*) FROM kv
                               WHERE kv.plugin = kv_usage.plugin AND kv.guild = kv_usage.guild)";
            let miscounted: i64 = door.query_one(differing, &[]).await.unwrap().get(0);
            prop_assert_eq!(miscounted, 0, "kv_usage does not say how many rows there are");
            Ok(())
        })
    });
    outcome.unwrap();
}
