//! Random operations of two tenants, compared with a model in memory after each. `kv_concurrent` has
//! many do this at once.

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
pub(crate) enum Operation {
    Put { key: &'static str, value: &'static str, ttl: Option<u64> },
    PutMany(Vec<(&'static str, &'static str)>),
    Delete(&'static str),
    Increment { key: &'static str, path: &'static str, amount: i64 },
    Get(&'static str),
    GetMany(Vec<&'static str>),
    List { prefix: &'static str, limit: u32, start_after: Option<&'static str> },
    Count(&'static str),
    ListValues { prefix: &'static str, limit: u32 },
    Sweep,
}

/// What a client does by itself.
pub(crate) fn operation() -> impl Strategy<Value = Operation> {
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
        1 => Just(Operation::Sweep),
    ]
}

/// What one tenant should hold: values, and when they go.
#[derive(Debug, Default)]
pub(crate) struct Model(BTreeMap<String, (Value, Option<i64>)>);

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

/// One who calls, and what its calls should find: it has every key that begins with `prefix` to itself.
pub(crate) struct Client {
    pub(crate) kv: Kv,
    pub(crate) clock: ManualClock,
    pub(crate) grant: Grant<StorageKv>,
    pub(crate) prefix: String,
    pub(crate) model: Model,
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

impl Client {
    fn own(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// How many keys there should be now.
    pub(crate) fn keys(&mut self) -> usize {
        self.model.forget_expired(self.clock.now().0);
        self.model.0.len()
    }

    /// Does one thing and compares the answer with the model's.
    pub(crate) async fn step(&mut self, operation: &Operation) -> TestCaseResult {
        let now = self.clock.now().0;
        self.model.forget_expired(now);
        match operation {
            Operation::Put { key, value, ttl } => {
                let key = self.own(key);
                let put = json!({"key": key, "value": parsed(value), "ttl_seconds": ttl});
                self.kv.put(&self.grant, &Put::parse(&params(put)).unwrap()).await.unwrap();
                let expires_at = ttl.map(|ttl| now + 1000 * ttl.cast_signed());
                self.model.0.insert(key, (parsed(value), expires_at));
            }
            Operation::PutMany(entries) => {
                let map: Map<String, Value> =
                    entries.iter().map(|(key, value)| (self.own(key), parsed(value))).collect();
                let put = PutMany::parse(&params(json!({ "entries": map }))).unwrap();
                self.kv.put_many(&self.grant, &put).await.unwrap();
                self.model.0.extend(map.into_iter().map(|(key, value)| (key, (value, None))));
            }
            Operation::Delete(key) => {
                let key = self.own(key);
                let delete = KeyOnly::parse(&params(json!({ "key": key }))).unwrap();
                self.kv.delete(&self.grant, &delete).await.unwrap();
                self.model.0.remove(&key);
            }
            Operation::Increment { key, path, amount } => {
                let key = self.own(key);
                let increment = json!({"key": key, "path": path, "amount": amount});
                let increment = Increment::parse(&params(increment)).unwrap();
                let found = self.kv.increment(&self.grant, &increment).await;
                let expected = self.model.increment(&key, path, *amount);
                prop_assert_eq!(found.ok().map(answer), expected.map(|number| json!({ "value": number })));
            }
            Operation::Get(key) => {
                let key = self.own(key);
                let get = KeyOnly::parse(&params(json!({ "key": key }))).unwrap();
                let expected = match self.model.0.get(&key) {
                    Some((Value::Null, _)) => json!({"value_json": null}),
                    Some((value, _)) => value.clone(),
                    None => Value::Null,
                };
                let found = self.kv.get(&self.grant, &get).await.unwrap();
                prop_assert_eq!(answer(found), json!({ "value": expected }));
            }
            Operation::GetMany(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| self.own(key)).collect();
                let get = GetMany::parse(&params(json!({ "keys": keys }))).unwrap();
                let entries = self.model.0.iter();
                let expected = object(
                    entries.filter_map(|(key, (value, _))| keys.contains(key).then_some((key, value))),
                );
                prop_assert_eq!(answer(self.kv.get_many(&self.grant, &get).await.unwrap()), expected);
            }
            Operation::List { prefix, limit, start_after } => {
                let (prefix, cursor) = (self.own(prefix), start_after.map(|cursor| self.own(cursor)));
                let list = json!({"prefix": prefix, "limit": limit, "start_after": cursor});
                let found = self.kv.list(&self.grant, &List::parse(&params(list)).unwrap()).await.unwrap();
                let keys = self.model.under(&prefix).map(|(key, _)| key);
                let keys: Vec<&String> = keys
                    .filter(|key| cursor.as_ref().is_none_or(|cursor| *key > cursor))
                    .take(*limit as usize)
                    .collect();
                prop_assert_eq!(answer(found), json!({ "keys": keys }));
            }
            Operation::Count(prefix) => {
                let prefix = self.own(prefix);
                let count = List::parse(&params(json!({"prefix": prefix, "count_only": true}))).unwrap();
                let found = answer(self.kv.list(&self.grant, &count).await.unwrap());
                prop_assert_eq!(found, json!({"count": self.model.under(&prefix).count()}));
            }
            Operation::ListValues { prefix, limit } => {
                let prefix = self.own(prefix);
                let list = ListValues::parse(&params(json!({"prefix": prefix, "limit": limit}))).unwrap();
                let found = self.kv.list_values(&self.grant, &list).await.unwrap();
                let expected = object(self.model.under(&prefix).take(*limit as usize));
                // The order matters, and only the text shows it.
                prop_assert_eq!(answer(found).to_string(), expected.to_string());
            }
            Operation::Sweep => {
                self.kv.sweep().await.unwrap();
            }
        }
        Ok(())
    }
}

/// Tenants whose counter does not say how many rows they have.
pub(crate) async fn miscounted(door: &tokio_postgres::Client) -> i64 {
    const SQL: &str = "
        SELECT count(*) FROM kv_usage
        FULL JOIN (SELECT plugin, guild, count(*) AS rows FROM kv GROUP BY plugin, guild) AS there
            USING (plugin, guild)
        WHERE coalesce(keys, -1) <> coalesce(rows, 0)";
    door.query_one(SQL, &[]).await.unwrap().get(0)
}

#[test]
fn every_answer_is_the_one_the_model_gives() {
    static CASES: AtomicU64 = AtomicU64::new(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let scratch = runtime.block_on(Scratch::new());
    let door = runtime.block_on(scratch.side_door());
    // Who does it, the time that passes before, what.
    let time = prop_oneof![4 => Just(0_u64), 1 => 1..20_u64];
    let operations = proptest::collection::vec((0..2_usize, time, operation()), 1..60);
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&operations, |operations| {
        runtime.block_on(async {
            let guild = CASES.fetch_add(1, Ordering::Relaxed);
            let mut two = ["left", "right"].map(|plugin| Client {
                kv: scratch.kv(),
                clock: scratch.clock.clone(),
                grant: grant(&tenant(plugin, guild)),
                prefix: String::new(),
                model: Model::default(),
            });
            for (who, seconds, operation) in &operations {
                scratch.clock.advance(Duration::from_secs(*seconds));
                two[*who].step(operation).await?;
            }
            prop_assert_eq!(miscounted(&door).await, 0, "kv_usage does not say how many rows there are");
            Ok(())
        })
    });
    outcome.unwrap();
}
