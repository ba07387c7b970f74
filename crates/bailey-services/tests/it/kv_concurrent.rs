//! Many clients of two tenants at once, with the sweep and the recount running among them.
//!
//! Each client has a prefix to itself, so that each of its answers can be compared with a model as
//! if it were alone; and all of a tenant's clients share a few keys on which they do what comes out the
//! same in whatever order: adding to numbers, and writing several keys that must never be seen apart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailey_protocol::Grant;
use bailey_protocol::capability::StorageKv;
use bailey_protocol::method::kv::{GetMany, Increment, KeyOnly, List, PutMany};
use bailey_services::Kv;
use futures_util::future::{join_all, try_join_all};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::kv_model::{Client, Model, Operation, miscounted, operation};
use crate::support::{ManualClock, Scratch, grant, params, tenant, wire};

/// Clients of each of the two tenants.
const CLIENTS: usize = 3;
/// Where all clients of a tenant add: a number, and a number deep inside a value.
const SHARED: [(&str, &str); 3] = [("shared:n", ""), ("shared:tree", "a.b"), ("shared:tree", "c")];
/// What they write together, always with one value.
const PAIR: [&str; 2] = ["shared:first", "shared:second"];

#[derive(Debug, Clone)]
enum Step {
    /// Something with one's own keys.
    Own(Operation),
    /// Adds to a shared number.
    Add { which: usize, amount: i64 },
    /// Writes the shared pair.
    PutPair(u32),
    /// Looks at the shared pair.
    LookAtPair,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => operation().prop_map(Step::Own),
        3 => (select(vec![0_usize, 1, 2]), -5..10_i64).prop_map(|(which, amount)| Step::Add { which, amount }),
        1 => any::<u32>().prop_map(Step::PutPair),
        1 => Just(Step::LookAtPair),
    ]
}

/// What one client does until the clock moves.
type Turn = Vec<Step>;

/// Does a turn; says what it added to each shared number.
async fn play(client: &mut Client, turn: &Turn) -> Result<[i64; SHARED.len()], TestCaseError> {
    let mut added = [0; SHARED.len()];
    for step in turn {
        match step {
            Step::Own(operation) => client.step(operation).await?,
            Step::Add { which, amount } => {
                let (key, path) = SHARED[*which];
                let increment = json!({"key": key, "path": path, "amount": amount});
                let increment = Increment::parse(&params(increment)).unwrap();
                client.kv.increment(&client.grant, &increment).await.unwrap();
                added[*which] += amount;
            }
            Step::PutPair(value) => {
                let entries = json!({"entries": {PAIR[0]: value, PAIR[1]: value}});
                client.kv.put_many(&client.grant, &PutMany::parse(&params(entries)).unwrap()).await.unwrap();
            }
            Step::LookAtPair => {
                let get = GetMany::parse(&params(json!({ "keys": PAIR }))).unwrap();
                let found =
                    serde_json::to_value(client.kv.get_many(&client.grant, &get).await.unwrap()).unwrap();
                let [first, second] = PAIR.map(|key| &found["values"][key]);
                prop_assert_eq!(first, second, "one of two keys written together was seen without the other");
            }
        }
    }
    Ok(added)
}

async fn number(kv: &Kv, grant: &Grant<StorageKv>, (key, path): (&str, &str)) -> i64 {
    let get = KeyOnly::parse(&params(json!({ "key": key }))).unwrap();
    let mut found: Value = serde_json::from_str(&wire(kv.get(grant, &get).await.unwrap())).unwrap();
    let mut place = &mut found["value"];
    for name in path.split('.').filter(|name| !name.is_empty()) {
        place = &mut place[name];
    }
    place.as_i64().unwrap_or(0)
}

async fn count(kv: &Kv, grant: &Grant<StorageKv>) -> usize {
    let list = List::parse(&params(json!({"count_only": true}))).unwrap();
    let found: Value = serde_json::from_str(&wire(kv.list(grant, &list).await.unwrap())).unwrap();
    found["count"].as_u64().unwrap() as usize
}

/// Two tenants' clients.
fn clients(kv: &Kv, clock: &ManualClock, guild: u64) -> Vec<Client> {
    (0..2 * CLIENTS)
        .map(|number| Client {
            kv: kv.clone(),
            clock: clock.clone(),
            grant: grant(&tenant("demo", 2 * guild + (number % 2) as u64)),
            prefix: format!("client {number}:"),
            model: Model::default(),
        })
        .collect()
}

#[test]
fn clients_at_once_each_see_what_they_would_see_alone() {
    static CASES: AtomicU64 = AtomicU64::new(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let scratch = runtime.block_on(Scratch::new());
    let door = runtime.block_on(scratch.side_door());
    // Rounds of a turn for each client; time passes between them.
    let turn = proptest::collection::vec(step(), 0..15);
    let round = (0..20_u64, proptest::collection::vec(turn, 2 * CLIENTS));
    let rounds = proptest::collection::vec(round, 1..5);
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        max_shrink_iters: 20, // what depends on timing does not shrink
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&rounds, |rounds| {
        runtime.block_on(async {
            let guild = CASES.fetch_add(1, Ordering::Relaxed);
            let kv = scratch.kv();
            let mut clients = clients(&kv, &scratch.clock, guild);
            let mut sums = [[0; SHARED.len()]; 2];
            for (seconds, turns) in &rounds {
                scratch.clock.advance(Duration::from_secs(*seconds));
                let playing = clients.iter_mut().zip(turns).map(|(client, turn)| play(client, turn));
                let housekeeping = async {
                    kv.sweep().await.unwrap();
                    scratch.recount_now().await
                };
                let (added, recount) = tokio::join!(try_join_all(playing), housekeeping);
                prop_assert_eq!(recount.corrected, 0, "the recount corrected what was right");
                for (who, added) in added?.iter().enumerate() {
                    added.iter().enumerate().for_each(|(which, amount)| sums[who % 2][which] += amount);
                }
            }
            for (side, sums) in sums.iter().enumerate() {
                let grant = clients[side].grant.clone();
                let found = join_all(SHARED.map(|place| number(&kv, &grant, place))).await;
                prop_assert_eq!(&found[..], &sums[..], "an addition was lost or counted twice");
                // Their own keys, and the shared ones, which some clients may never have written.
                let own: usize = clients.iter_mut().skip(side).step_by(2).map(Client::keys).sum();
                let shared = List::parse(&params(json!({"prefix": "shared:"}))).unwrap();
                let shared = wire(kv.list(&grant, &shared).await.unwrap()).matches("shared:").count();
                prop_assert_eq!(count(&kv, &grant).await, own + shared);
            }
            prop_assert_eq!(miscounted(&door).await, 0, "kv_usage does not say how many rows there are");
            Ok(())
        })
    });
    outcome.unwrap();
}
