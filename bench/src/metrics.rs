//! A chart over 90 days, from what is kept added up, against the same answer from every single point.
//!
//! Both lie in the same database, in weekly partitions and in the order in which points arrive, and both
//! must give the same numbers.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::metrics::{Aggregate, Metric, Period, Query};
use bailey_protocol::{Clock, GuildId, Tenant, Timestamp};
use bailey_services::{Database, DatabaseOptions, Metrics};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use crate::bench::Bench;
use crate::plugin::BenchError;
use crate::table::{Table, Target, median};

/// Servers, metrics on each, and values of the tag: 1,000 series.
const GUILDS: i64 = 50;
const METRICS: i64 = 2;
const COLOURS: i64 = 10;
const SERIES: i64 = GUILDS * METRICS * COLOURS;
const DAY: i64 = 24 * 3600 * 1000;
const WEEK: i64 = 7 * DAY;
/// The present: the last moment of a day, so that every point is in the period.
const NOW: i64 = 1_767_225_600_000 - 1;
const FIRST: i64 = NOW + 1 - 90 * DAY;
/// Times each is asked.
const ROUNDS: usize = 15;

const ROW: &str = "metrics.query of 90 days, ms";

/// A clock that stands still.
struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp(NOW)
    }

    fn sleep_until(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// One row: both asked the same question in turn.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    if !bench.wants(ROW) {
        return Ok(());
    }
    let failed = |error: tokio_postgres::Error| BenchError::part("metrics database")(error.into());
    let options = DatabaseOptions { patience: Duration::from_secs(60), ..DatabaseOptions::default() };
    let mut config = bench.cluster().await?.urls().plugins;
    let database = Database::connect(&config, &options)
        .await
        .map_err(|error| BenchError::part("metrics database")(error.into()))?;
    config.options(format!("-c search_path={}", options.schema));
    let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    fill(&client, bench.sizes.points).await.map_err(failed)?;

    let metrics = Metrics::new(database.clone(), Arc::new(StandingClock));
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..bench.sizes.rounds(ROUNDS) {
        let begun = Instant::now();
        let added_up = from_sums(&metrics).await?;
        ours.push(begun.elapsed().as_secs_f64() * 1000.0);
        let begun = Instant::now();
        let raw = from_points(&client).await.map_err(failed)?;
        floor.push(begun.elapsed().as_secs_f64() * 1000.0);
        if added_up != raw {
            return Err(BenchError::Plugin("the two charts differ".to_owned()));
        }
    }
    metrics.shut_down().await;
    database.close();
    client.batch_execute("DROP TABLE raw; TRUNCATE metric_hour, metric_series").await.map_err(failed)?;
    table.row(ROW, median(&mut ours), median(&mut floor), Target::None);
    Ok(())
}

/// The points in the order of their time, all series in turn; then their hours.
async fn fill(client: &Client, points: i64) -> Result<(), tokio_postgres::Error> {
    let weeks = (FIRST / WEEK..=NOW / WEEK).map(|week| (week, week * WEEK, (week + 1) * WEEK));
    let raw: String = weeks
        .clone()
        .map(|(week, lower, upper)| {
            format!(
                "CREATE UNLOGGED TABLE raw_{week} PARTITION OF raw FOR VALUES FROM ({lower}) TO ({upper});"
            )
        })
        .collect();
    let hours: String = weeks
        .map(|(_, lower, upper)| {
            format!(
                "SELECT bailey_make_partition('metric_hour', {lower}, {upper}, 'WITH (fillfactor = 70)');"
            )
        })
        .collect();
    client
        .batch_execute(&format!(
            "CREATE TABLE raw (series bigint NOT NULL, at bigint NOT NULL, value double precision NOT NULL)
                 PARTITION BY RANGE (at);
             {raw} {hours}
             INSERT INTO metric_series (plugin, guild, metric, tags, used_at)
             SELECT 'bench', 1 + n / {METRICS} / {COLOURS}, 'm' || n / {COLOURS} % {METRICS},
                 json_build_object('colour', 'c' || n % {COLOURS})::text, {NOW}
             FROM generate_series(0, {SERIES} - 1) AS n;
             INSERT INTO raw
             SELECT 1 + n % {SERIES}, {FIRST} + (n::float8 / {points} * {DAY} * 90)::bigint, n % 7
             FROM generate_series(0, {points}::bigint - 1) AS n;
             CREATE INDEX ON raw (series, at);
             INSERT INTO metric_hour
             SELECT series, at - at % 3600000 AS hour, count(*), sum(value), min(value), max(value)
             FROM raw GROUP BY series, hour ORDER BY hour, series;"
        ))
        .await?;
    // Outside the transaction of the batch above.
    for table in ["raw", "metric_hour", "metric_series"] {
        client.batch_execute(&format!("VACUUM ANALYZE {table}")).await?;
    }
    Ok(())
}

/// Sums by colour and day.
type Answer = BTreeMap<(String, i64), f64>;

async fn from_sums(metrics: &Metrics) -> Result<Answer, BenchError> {
    let failed = |error: bailey_protocol::CallError| BenchError::part("metrics query")(error.into());
    let plugin = "bench".parse().map_err(|_| BenchError::Plugin("the plugin's id".to_owned()))?;
    let query = Query {
        metric: Metric::new("m0".to_owned()).map_err(failed)?,
        period: Period::Quarter,
        aggregate: Aggregate::Sum,
        group_by: Some("colour".to_owned()),
    };
    let chart = metrics.query(&Tenant { plugin, guild: GuildId(7) }, &query).await.map_err(failed)?;
    let numbers = chart.series.into_iter().flat_map(|series| {
        let name = series.name;
        series.data.into_iter().zip(0..).map(move |(number, day)| ((name.clone(), day), number.0))
    });
    Ok(numbers.filter(|(_, number)| *number != 0.0).collect())
}

async fn from_points(client: &Client) -> Result<Answer, tokio_postgres::Error> {
    const SQL: &str = "
        WITH chosen AS MATERIALIZED (
            SELECT id, tags::json ->> $3::text AS name FROM metric_series
            WHERE plugin = 'bench' AND guild = $1 AND metric = $2)
        SELECT chosen.name, (raw.at - $4::bigint) / 86400000 AS day, sum(raw.value) AS sum
        FROM chosen JOIN raw ON raw.series = chosen.id
        WHERE raw.at >= $4::bigint AND raw.at < $5::bigint
        GROUP BY 1, 2";
    let rows = client.query(SQL, &[&7_i64, &"m0", &"colour", &FIRST, &(NOW + 1)]).await?;
    let numbers = rows.iter().map(|row| ((row.get("name"), row.get("day")), row.get::<_, f64>("sum")));
    Ok(numbers.filter(|(_, number)| *number != 0.0).collect())
}
