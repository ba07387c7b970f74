//! What a minute costs when plugins have a hundred thousand schedules: finding out who is due in memory, and making
//! that this host's own in the database, against writing as many rows of the same shape.

use std::time::Duration;

use bailey_host::cron::Table as Schedules;
use bailey_protocol::schedule::Missed;
use bailey_protocol::{GuildId, Schedule, Tenant, Timestamp};
use bailey_store::{CronKey, Install, Republish, Store};
use tokio::time::Instant;

use crate::bench::Bench;
use crate::plugin::BenchError;
use crate::table::{Table, Target, median};

/// Servers, each with the same plugin of five schedules: 100,000 pairs.
const SERVERS: u64 = 20_000;
/// Of those, due in the minute that is claimed.
const SPECS: [&str; 5] = ["0 9 * * *", "*/5 * * * *", "17 * * * *", "30 2 * * 1", "0 0 1 * *"];
/// What is claimed together, as the host does it.
const TOGETHER: usize = 500;
const ROUNDS: usize = 5;
/// 2026-01-01 09:00 UTC: the first two are due.
const NINE: Timestamp = Timestamp(1_767_258_000_000);
const ROW_PASS: &str = "a minute of 100,000 schedules in memory, ms";
const ROW_CLAIM: &str = "claiming 500 due schedules, ms";

/// Two rows.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    if bench.wants(ROW_PASS) {
        pass(bench, table)?;
    }
    if bench.wants(ROW_CLAIM) {
        claim(bench, table).await?;
    }
    Ok(())
}

fn tenant(server: u64) -> Result<Tenant, BenchError> {
    let failed = |_| BenchError::part("cron")("a plugin's id".into());
    Ok(Tenant { plugin: "bench".parse().map_err(failed)?, guild: GuildId(server) })
}

/// The floor is what nobody can do without: giving out the names of those who are due.
fn pass(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let failed = |_| BenchError::part("cron")("a schedule".into());
    let schedules: Vec<Schedule> = SPECS
        .iter()
        .enumerate()
        .map(|(number, spec)| {
            Ok(Schedule {
                name: format!("s{number}"),
                spec: spec.parse().map_err(failed)?,
                missed: Missed::Skip,
            })
        })
        .collect::<Result<_, BenchError>>()?;
    let mut all = Schedules::default();
    for server in 0..SERVERS {
        all.set(tenant(server)?, schedules.clone());
    }
    let due = all.due(NINE);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..bench.sizes.rounds(ROUNDS) {
        floor.push(milliseconds(|| due.clone().len()));
        ours.push(milliseconds(|| all.due(NINE).len()));
    }
    table.row(ROW_PASS, median(&mut ours), median(&mut floor), Target::AtMost(3.0));
    // A minute in which nobody is due, which most are.
    let mut idle = Vec::new();
    for minute in 1..4 {
        idle.push(milliseconds(|| all.due(NINE + Duration::from_secs(60 * minute)).len()));
    }
    table.row("  a minute in which nobody is due", median(&mut idle), median(&mut floor), Target::None);
    Ok(())
}

fn milliseconds(work: impl FnOnce() -> usize) -> f64 {
    let began = Instant::now();
    std::hint::black_box(work());
    began.elapsed().as_secs_f64() * 1e3
}

async fn claim(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let urls = bench.cluster().await?.urls();
    let failed = |error: bailey_store::StoreError| BenchError::part("cron")(error.into());
    let store = Store::connect_in(&urls.platform, "bench_cron").await.map_err(failed)?;
    let plugin = tenant(0)?.plugin;
    let manifest = serde_json::json!({});
    store.record_version(&plugin, "1", "aa", &manifest, Republish::Replace, NINE).await.map_err(failed)?;
    let mut keys = Vec::new();
    for server in 0..TOGETHER as u64 {
        let tenant = tenant(server)?;
        let install = Install {
            tenant: tenant.clone(),
            version: "1".to_owned(),
            capabilities: Default::default(),
            domains: Vec::new(),
            enabled: true,
        };
        store.install(&install, NINE).await.map_err(failed)?;
        keys.push(CronKey { tenant, schedule: "s0".to_owned() });
    }
    let broken = |error: tokio_postgres::Error| BenchError::part("database")(error.into());
    let (client, connection) = urls.platform.connect(tokio_postgres::NoTls).await.map_err(broken)?;
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS bench_cron.floor (plugin text COLLATE \"C\", guild bigint, schedule text COLLATE \"C\", \
             minute bigint, PRIMARY KEY (plugin, guild, schedule, minute))",
        )
        .await
        .map_err(broken)?;
    const FLOOR: &str =
        "INSERT INTO bench_cron.floor SELECT w.*, $4 FROM unnest($1::text[], $2::bigint[], $3::text[]) AS w";
    let statement = client.prepare(FLOOR).await.map_err(broken)?;
    let plugins = vec!["bench"; TOGETHER];
    let guilds: Vec<i64> = (0..TOGETHER as i64).collect();
    let names = vec!["s0"; TOGETHER];
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 1..=10 * bench.sizes.rounds(ROUNDS) as i64 {
        let minute = Timestamp(NINE.0 + round * 60_000);
        let began = Instant::now();
        client.execute(&statement, &[&plugins, &guilds, &names, &round]).await.map_err(broken)?;
        floor.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        let claimed = store.claim_cron(minute, &keys).await.map_err(failed)?;
        ours.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(claimed.len(), TOGETHER);
    }
    client.batch_execute("DROP TABLE bench_cron.floor").await.map_err(broken)?;
    store.close();
    table.row(ROW_CLAIM, median(&mut ours), median(&mut floor), Target::AtMost(3.0));
    Ok(())
}
