//! KV calls a second, against `pgbench` running the very statements on the same server: what is in
//! between is ours.

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::capability::StorageKv;
use bailey_protocol::method::kv::{Increment, KeyOnly, Put};
use bailey_protocol::{CallError, Capability, Clock, Grant, Grants, GuildId, Params, Tenant};
use bailey_services::{Database, DatabaseOptions, Kv};
use bailey_store::Cluster;
use futures_util::future::try_join_all;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::NoTls;

use crate::bench::Bench;
use crate::clock::WallClock;
use crate::pgbench::{self, Script, with_names};
use crate::plugin::BenchError;
use crate::table::{Table, Target};

/// Keys that are used, at random.
const KEYS: u64 = 1000;
/// Rounds taken in turn; the best round of each side counts.
const ROUNDS: usize = 3;
/// Clients at once.
const CLIENTS: [usize; 3] = [1, 8, 32];

/// The calls that are measured.
#[derive(Debug, Clone, Copy)]
enum Call {
    Get,
    Put,
    Increment,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "kv.get",
            Self::Put => "kv.put",
            Self::Increment => "kv.increment",
        }
    }

    /// What stands for each parameter of the statement in pgbench's script. A variable there cannot
    /// be NULL, so the time at which a key expires is written into the text.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Get => &[":plugin", ":guild", ":key", ":now"],
            Self::Put => &[":plugin", ":guild", ":key", ":value", "NULL"],
            Self::Increment => &[":plugin", ":guild", ":key", ":amount", ":now"],
        }
    }

    /// Reading has no target of its own: `ctx.kv.get` from PostgreSQL is the row for it.
    fn target(self, clients: usize) -> Target {
        match self {
            Self::Put | Self::Increment if clients == 8 => Target::AtLeast(0.8),
            _ => Target::None,
        }
    }

    async fn make(self, kv: &Kv, grant: &Grant<StorageKv>, key: u64) -> Result<(), CallError> {
        match self {
            Self::Get => {
                kv.get(grant, &KeyOnly::parse(&params(format!(r#"{{"key":"{key}"}}"#)))?).await.map(drop)
            }
            Self::Put => {
                let put = params(format!(r#"{{"key":"{key}","value":{key}}}"#));
                kv.put(grant, &Put::parse(&put)?).await.map(drop)
            }
            Self::Increment => {
                let increment = params(format!(r#"{{"key":"{key}"}}"#));
                kv.increment(grant, &Increment::parse(&increment)?).await.map(drop)
            }
        }
    }
}

/// Nine rows: three calls, by 1, 8 and 32 clients.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    for call in [Call::Get, Call::Put, Call::Increment] {
        for clients in CLIENTS {
            let row = format!("{}, {clients} clients, calls/s", call.name());
            if bench.wants(&row) {
                let (ours, floor) = compare(bench, call, clients).await?;
                table.row(&row, ours, floor, call.target(clients));
            }
        }
    }
    Ok(())
}

/// The best rounds of both, in calls a second.
async fn compare(bench: &Bench, call: Call, clients: usize) -> Result<(f64, f64), BenchError> {
    let (cluster, seconds) = (bench.cluster().await?, bench.sizes.seconds);
    let database = |options: DatabaseOptions| async move {
        let database = Database::connect(&cluster.urls().plugins, &options).await;
        database.map_err(|error| BenchError::part("database")(error.into()))
    };
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let alone = database(DatabaseOptions { connections: 1, ..DatabaseOptions::default() }).await?;
    let grant = grant()?;
    let kv = Kv::new(alone.clone(), Arc::clone(&clock));
    fill(&kv, &grant).await?;
    let script = script(cluster, &kv, &grant, call).await?;
    alone.close();

    let database = database(DatabaseOptions::default()).await?;
    let kv = Kv::new(database.clone(), clock);
    let (mut ours, mut floor) = (0.0_f64, 0.0_f64);
    for _ in 0..bench.sizes.rounds(ROUNDS) {
        ours = ours.max(calls_a_second(&kv, &grant, call, clients, seconds).await?);
        floor = floor.max(pgbench::run(cluster, &script, clients, seconds).await?);
    }
    database.close();
    Ok((ours, floor))
}

/// Every key once, each holding an integer.
async fn fill(kv: &Kv, grant: &Grant<StorageKv>) -> Result<(), BenchError> {
    let puts = (1..=KEYS).map(|key| Call::Put.make(kv, grant, key));
    try_join_all(puts).await.map(drop).map_err(failed)
}

/// `clients` tasks, each with one call under way at any time.
async fn calls_a_second(
    kv: &Kv,
    grant: &Grant<StorageKv>,
    call: Call,
    clients: usize,
    seconds: u64,
) -> Result<f64, BenchError> {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds);
    for client in 0..clients {
        let (kv, grant) = (kv.clone(), grant.clone());
        tasks.spawn(async move {
            let (mut calls, mut state) = (0_u64, 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(client as u64 + 1));
            while Instant::now() < end {
                state ^= state << 13; // xorshift
                state ^= state >> 7;
                state ^= state << 17;
                call.make(&kv, &grant, state % KEYS + 1).await?;
                calls += 1;
            }
            Ok(calls)
        });
    }
    let calls = tasks.join_all().await.into_iter().sum::<Result<u64, CallError>>().map_err(failed)?;
    Ok(calls as f64 / began.elapsed().as_secs_f64())
}

/// The statement behind a call, as the server saw it last, so that both sides run the same.
async fn script(
    cluster: &Cluster,
    kv: &Kv,
    grant: &Grant<StorageKv>,
    call: Call,
) -> Result<Script, BenchError> {
    const LAST: &str = "
        SELECT query FROM pg_stat_activity
        WHERE usename = current_user AND pid <> pg_backend_pid() AND query LIKE '%kv%'
        ORDER BY query_start DESC LIMIT 1";
    let broken = |error: tokio_postgres::Error| BenchError::part("database")(error.into());
    let (client, connection) = cluster.urls().plugins.connect(NoTls).await.map_err(broken)?;
    let looking = async {
        call.make(kv, grant, 1).await.map_err(failed)?;
        client.query_one(LAST, &[]).await.map_err(broken)
    };
    let row = tokio::select! {
        row = looking => row?,
        ended = connection => return Err(BenchError::Part { what: "database", why: format!("{ended:?}") }),
    };
    Ok(Script {
        before: format!("\\set key random(1, {KEYS})"),
        statement: with_names(row.get("query"), call.names()),
        variables: vec![
            ("plugin", grant.tenant().plugin.as_str().to_owned()),
            ("guild", "1".to_owned()),
            ("value", "1".to_owned()),
            ("amount", "1".to_owned()),
            ("now", WallClock.now().0.to_string()),
        ],
    })
}

fn params(text: String) -> Params {
    let raw = RawValue::from_string(text).ok();
    Params::parse(raw.as_deref()).unwrap_or_default()
}

fn grant() -> Result<Grant<StorageKv>, BenchError> {
    let plugin = "kv_bench".parse().map_err(|_| BenchError::Plugin("kv_bench is no id".to_owned()))?;
    let tenant = Tenant { plugin, guild: GuildId(1) };
    Grants::new(tenant, [Capability::StorageKv].into_iter().collect()).require().map_err(failed)
}

fn failed(error: CallError) -> BenchError {
    BenchError::part("kv")(error.into())
}
