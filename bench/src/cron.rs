//! A minute in which 100,000 schedules of plugins on servers are looked at, and one in which all of them are due: whose
//! turn it is, in memory, and making them this host's own, in PostgreSQL.

use std::hint::black_box;

use bailey_host::cron::{Due, Timetable};
use bailey_protocol::schedule::Missed;
use bailey_protocol::{CronSpec, GuildId, PluginId, Schedule, Tenant, Timestamp};
use bailey_store::{CronKey, Store};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use crate::bench::Bench;
use crate::plugin::BenchError;
use crate::table::{Table, Target, median};

/// Schedules of each plugin on each server: as many as one may have.
const EACH: usize = 5;
/// Of so many plugins, each with times of its own.
const PLUGINS: usize = 40;
/// So many are claimed with one statement, as the host does.
const TOGETHER: usize = 500;
/// Times each is measured.
const ROUNDS: usize = 7;
/// 2026-01-01 at 9: all of them are due.
const NINE: Timestamp = Timestamp(1_767_258_000_000);
const MINUTE: i64 = 60_000;

/// The schema of these rows alone.
const SCHEMA: &str = "bench_cron";

const QUIET: &str = "cron, a minute with nobody due, ms";
const BUSY: &str = "cron, a minute with everybody due, ms";
const CHANGED: &str = "cron, a minute after a change, ms";
const CLAIM: &str = "cron, claiming everybody, ms";

/// Four rows.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let (in_memory, claims) = ([QUIET, BUSY, CHANGED].map(|row| bench.wants(row)), bench.wants(CLAIM));
    if !claims && !in_memory.contains(&true) {
        return Ok(());
    }
    let everybody = everybody(bench.sizes.schedules)?;
    let mut timetable = Timetable::default();
    for (tenant, schedules) in &everybody {
        timetable.set(tenant.clone(), schedules.clone());
    }
    if in_memory.contains(&true) {
        look(bench, table, &mut timetable, &everybody);
    }
    if claims {
        claim(bench, table, timetable.due(NINE)).await?;
    }
    Ok(())
}

/// Who has which schedules: of each plugin at nine, and at other times than the others'.
fn everybody(schedules: usize) -> Result<Vec<(Tenant, Vec<Schedule>)>, BenchError> {
    let tenants = (schedules / EACH).max(1);
    let tenant = |number: usize| {
        let plugin: PluginId = format!("bench_{}", number % PLUGINS)
            .parse()
            .map_err(|_| BenchError::Plugin("an id".to_owned()))?;
        let of = |index: usize| {
            let spec: CronSpec = format!("0,{} 9,{} * * *", 5 + number % PLUGINS, 10 + index)
                .parse()
                .map_err(|_| BenchError::Plugin("a schedule".to_owned()))?;
            Ok(Schedule { name: format!("schedule_{index}"), spec, missed: Missed::Skip })
        };
        let schedules = (0..EACH).map(of).collect::<Result<Vec<Schedule>, BenchError>>()?;
        Ok((Tenant { plugin, guild: GuildId(1_191_168_914_235_588_608 + number as u64) }, schedules))
    };
    (0..tenants).map(tenant).collect()
}

fn milliseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed().as_secs_f64() * 1e3
}

/// Asks each schedule by itself.
fn ask_each(everybody: &[(Tenant, Vec<Schedule>)], minute: Timestamp) -> Vec<Due> {
    let mut found = Vec::new();
    for (tenant, schedules) in everybody {
        for schedule in schedules.iter().filter(|schedule| schedule.spec.is_due(minute)) {
            found.push(Due { tenant: tenant.clone(), name: schedule.name.as_str().into() });
        }
    }
    found
}

/// Who is due, against asking each schedule by itself, and against copying the list of who is.
fn look(bench: &Bench, table: &mut Table, timetable: &mut Timetable, everybody: &[(Tenant, Vec<Schedule>)]) {
    let nobody = Timestamp(NINE.0 + MINUTE);
    let (mut quiet, mut alone, mut busy, mut copied, mut changed) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.sizes.rounds(ROUNDS) {
        let all = timetable.due(NINE);
        quiet.push(milliseconds(|| timetable.due(nobody)));
        alone.push(milliseconds(|| ask_each(everybody, nobody)));
        busy.push(milliseconds(|| timetable.due(NINE)));
        copied.push(milliseconds(|| all.clone()));
        if let Some((tenant, schedules)) = everybody.first() {
            timetable.set(tenant.clone(), Vec::new());
            timetable.set(tenant.clone(), schedules.clone());
        }
        changed.push(milliseconds(|| timetable.due(nobody)));
    }
    let (alone, copied) = (median(&mut alone), median(&mut copied));
    table.row(QUIET, median(&mut quiet), alone, Target::AtMost(0.10));
    table.row(BUSY, median(&mut busy), copied, Target::AtMost(1.50));
    table.row(CHANGED, median(&mut changed), alone, Target::None);
}

/// Claims a minute of everybody, of whom all were claimed before, against as many statements that insert as many rows
/// into an equal table that is empty.
async fn claim(bench: &Bench, table: &mut Table, due: Vec<Due>) -> Result<(), BenchError> {
    let failed = |error: tokio_postgres::Error| BenchError::part("cron database")(error.into());
    let broken = |error: bailey_store::StoreError| BenchError::part("cron records")(error.into());
    let mut config = bench.cluster().await?.urls().platform;
    let store = Store::connect_in(&config, SCHEMA).await.map_err(broken)?;
    config.options(format!("-c search_path={SCHEMA}"));
    let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    install(&client, &due).await.map_err(failed)?;
    client.batch_execute("CREATE TABLE plain (LIKE cron_told INCLUDING ALL)").await.map_err(failed)?;
    let insert = client.prepare(INSERT).await.map_err(failed)?;

    let key = |due: Due| CronKey { tenant: due.tenant, schedule: due.name.as_ref().to_owned() };
    let keys: Vec<CronKey> = due.into_iter().map(key).collect();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // The first time, which makes the rows, is not measured: it comes once in the life of a schedule.
    for round in 0..=bench.sizes.rounds(ROUNDS) {
        let minute = Timestamp(NINE.0 + MINUTE * round as i64);
        let (begun, mut claimed) = (Instant::now(), 0);
        for some in keys.chunks(TOGETHER) {
            claimed += store.claim_cron(minute, some).await.map_err(broken)?.len();
        }
        let took = begun.elapsed().as_secs_f64() * 1e3;
        if claimed != keys.len() {
            return Err(BenchError::Plugin(format!("{claimed} of {} schedules were claimed", keys.len())));
        }
        client.batch_execute("TRUNCATE plain").await.map_err(failed)?;
        let begun = Instant::now();
        for some in keys.chunks(TOGETHER) {
            let (plugins, guilds, names) = columns(some);
            client.execute(&insert, &[&plugins, &guilds, &names, &minute.0]).await.map_err(failed)?;
        }
        if round > 0 {
            ours.push(took);
            floor.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    store.close();
    client.batch_execute(&format!("DROP SCHEMA {SCHEMA} CASCADE")).await.map_err(failed)?;
    table.row(CLAIM, median(&mut ours), median(&mut floor), Target::AtMost(3.00));
    Ok(())
}

const INSERT: &str = "
    INSERT INTO plain (plugin, guild, schedule, minute, told_at)
    SELECT plugin, guild, schedule, $4::bigint, $4::bigint
    FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (plugin, guild, schedule)";

fn columns(keys: &[CronKey]) -> (Vec<&str>, Vec<i64>, Vec<&str>) {
    let plugins = keys.iter().map(|key| key.tenant.plugin.as_str()).collect();
    let guilds = keys.iter().map(|key| key.tenant.guild.0.cast_signed()).collect();
    (plugins, guilds, keys.iter().map(|key| key.schedule.as_str()).collect())
}

/// Records that the plugins are on their servers.
async fn install(client: &Client, due: &[Due]) -> Result<(), tokio_postgres::Error> {
    let plugins: Vec<&str> = due.iter().map(|due| due.tenant.plugin.as_str()).collect();
    let guilds: Vec<i64> = due.iter().map(|due| due.tenant.guild.0.cast_signed()).collect();
    client
        .execute(
            "INSERT INTO plugins (id, created_at) SELECT DISTINCT unnest($1::text[]), now()",
            &[&plugins],
        )
        .await?;
    let versions = "INSERT INTO plugin_versions (plugin, version, package_hash, manifest, created_at)
        SELECT id, '1.0.0', 'none', '{}', now() FROM plugins";
    client.execute(versions, &[]).await?;
    let installations = "
        INSERT INTO installations (plugin, guild, version, capabilities, enabled, created_at, updated_at)
        SELECT DISTINCT plugin, guild, '1.0.0', '{}'::text[], true, now(), now()
        FROM unnest($1::text[], $2::bigint[]) AS new (plugin, guild)";
    client.execute(installations, &[&plugins, &guilds]).await?;
    client.batch_execute("ANALYZE installations").await
}
