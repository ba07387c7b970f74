//! Random calls of two tenants at random times, on both backends, compared with a model that keeps
//! every hit and thinks nothing of speed.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseResult, TestRunner};
use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::tenant;

const KEYS: &[&str] = &["a", "b", "hits:a"];
const SECONDS: &[u64] = &[1, 2, 3, 5, 60];
const MILLISECONDS: &[u64] = &[1, 400, 500, 999, 1000, 1001, 2500, 60_000];

#[derive(Debug, Clone)]
enum Operation {
    Counter(u64),
    CooldownSet(u64),
    CooldownCheck,
    Dedup(u64),
    FlagSet(u64),
    FlagCheck,
    Pass(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let seconds = || select(SECONDS);
    prop_oneof![
        6 => seconds().prop_map(Operation::Counter),
        1 => seconds().prop_map(Operation::CooldownSet),
        2 => Just(Operation::CooldownCheck),
        3 => seconds().prop_map(Operation::Dedup),
        1 => seconds().prop_map(Operation::FlagSet),
        2 => Just(Operation::FlagCheck),
        5 => select(MILLISECONDS).prop_map(Operation::Pass),
    ]
}

/// What one tenant should hold under one key.
#[derive(Default)]
struct Model {
    hits: Vec<i64>,
    widest: i64,
    cooldown: i64,
    dedup: i64,
    flag: i64,
}

impl Model {
    fn hit(&mut self, now: i64, window: i64) -> usize {
        if self.hits.last().is_none_or(|last| last + self.widest <= now) {
            (self.hits, self.widest) = (Vec::new(), 0);
        }
        self.widest = self.widest.max(window);
        self.hits.retain(|hit| hit + self.widest > now);
        self.hits.push(now);
        self.hits.iter().filter(|hit| *hit + window > now).count()
    }

    /// What the wire must say.
    fn expected(&mut self, now: i64, operation: &Operation) -> Value {
        let until = |seconds: &u64| now + 1000 * seconds.cast_signed();
        match operation {
            Operation::Counter(seconds) => json!({"count": self.hit(now, until(seconds) - now)}),
            Operation::CooldownSet(seconds) => {
                self.cooldown = until(seconds);
                json!({"ok": true})
            }
            Operation::CooldownCheck => {
                let left = (self.cooldown - now).max(0);
                json!({"active": left > 0, "remaining_seconds": (left as f64 / 1000.0).ceil()})
            }
            Operation::Dedup(seconds) => {
                let is_new = self.dedup <= now;
                if is_new {
                    self.dedup = until(seconds);
                }
                json!({ "is_new": is_new })
            }
            Operation::FlagSet(seconds) => {
                self.flag = until(seconds);
                json!({"ok": true})
            }
            Operation::FlagCheck => json!({"active": self.flag > now}),
            Operation::Pass(_) => Value::Null,
        }
    }
}

impl Operation {
    fn call(&self, key: &str) -> (&'static str, Value) {
        match self {
            Self::Counter(window) => ("counter", json!({"key": key, "window_seconds": window})),
            Self::CooldownSet(seconds) => ("cooldown_set", json!({"key": key, "ttl_seconds": seconds})),
            Self::CooldownCheck => ("cooldown_check", json!({ "key": key })),
            Self::Dedup(seconds) => ("dedup", json!({"key": key, "ttl_seconds": seconds})),
            Self::FlagSet(seconds) => ("flag_set", json!({"key": key, "ttl_seconds": seconds})),
            Self::FlagCheck => ("flag_check", json!({ "key": key })),
            Self::Pass(_) => unreachable!("time passes without a call"),
        }
    }
}

async fn play(desk: &Desk, guild: u64, operations: &[(usize, &str, Operation)]) -> TestCaseResult {
    let desks = ["left", "right"].map(|plugin| desk.of(tenant(plugin, guild)));
    let mut models: HashMap<(usize, &str), Model> = HashMap::new();
    for (who, key, operation) in operations {
        if let Operation::Pass(milliseconds) = operation {
            desk.pass(*milliseconds);
            continue;
        }
        let expected = models.entry((*who, key)).or_default().expected(desk.now(), operation);
        let (method, given) = operation.call(key);
        let found: Value = serde_json::from_str(&desks[*who].call(method, given).await).unwrap();
        prop_assert_eq!(found, expected, "{:?} of {} by {}", operation, key, who);
    }
    Ok(())
}

#[test]
fn every_answer_is_the_one_the_model_gives() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let inside = runtime.enter();
    let desks = [Desk::in_process(), Desk::in_redis()];
    drop(inside);
    let operations = proptest::collection::vec((0..2_usize, select(KEYS), operation()), 1..120);
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let mut guild = 0;
    for desk in &desks {
        let cell = std::cell::Cell::new(guild);
        let outcome = TestRunner::new(config.clone()).run(&operations, |operations| {
            cell.set(cell.get() + 1);
            runtime.block_on(play(desk, cell.get(), &operations))
        });
        outcome.unwrap();
        guild = cell.get();
    }
    desks[1].must_have_been_in_redis();
}
