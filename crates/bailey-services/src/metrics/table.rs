//! The tables `metric_series`, `metric_minute` and `metric_hour`: statements and the reading of rows.
//! Minutes are split by day and hours by week, so that a query reads few partitions and old numbers go
//! by dropping whole ones.

use bailey_protocol::method::metrics::{Metric, Period};
use bailey_protocol::{Tenant, Timestamp};
use deadpool_postgres::Object;

use super::bucket::Bucket;
use super::pending::{Point, SeriesKey};
use crate::database::{Failure, stored_guild};
use crate::partitions::{DAY, Partitioned, WEEK};

/// Rows removed by one statement.
pub(super) const CLEAR_BATCH: u64 = 5000;

const STORAGE: &str = "WITH (fillfactor = 70)"; // room to add up in place

/// The two tables split by time.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) minutes: Partitioned,
    pub(super) hours: Partitioned,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            minutes: Partitioned::new("metric_minute", DAY, STORAGE),
            hours: Partitioned::new("metric_hour", WEEK, STORAGE),
        }
    }
}

/// The stored series of a tenant, and the last day each was used.
pub(super) async fn series(client: &Object, tenant: &Tenant) -> Result<Vec<(SeriesKey, i64)>, Failure> {
    const SQL: &str = "SELECT metric, tags, used_at FROM metric_series WHERE plugin = $1 AND guild = $2";
    let statement = client.prepare_cached(SQL).await?;
    let rows = client.query(&statement, &[&tenant.plugin.as_str(), &stored_guild(tenant)]).await?;
    let read = |row: &tokio_postgres::Row| {
        (SeriesKey { metric: row.get("metric"), tags: row.get("tags") }, row.get("used_at"))
    };
    Ok(rows.iter().map(read).collect())
}

/// Makes the series of points that have none, and marks the others as used on `day`.
pub(super) async fn mark(
    client: &Object,
    tenant: &Tenant,
    points: &[Point],
    day: i64,
) -> Result<(), Failure> {
    const SQL: &str = "
        INSERT INTO metric_series (plugin, guild, metric, tags, used_at)
        SELECT DISTINCT $1::text, $2::bigint, given.metric, given.tags, $5::bigint
        FROM unnest($3::text[], $4::text[]) AS given (metric, tags)
        ORDER BY 3, 4
        ON CONFLICT (plugin, guild, metric, md5(tags)) DO UPDATE
            SET used_at = greatest(metric_series.used_at, excluded.used_at)";
    let unmarked = || points.iter().filter(|point| point.unmarked);
    let metrics: Vec<&str> = unmarked().map(|point| point.key.metric.as_str()).collect();
    let tags: Vec<&str> = unmarked().map(|point| point.key.tags.as_str()).collect();
    if metrics.is_empty() {
        return Ok(());
    }
    let statement = client.prepare_cached(SQL).await?;
    let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
    client.execute(&statement, &[&plugin, &guild, &metrics, &tags, &day]).await?;
    Ok(())
}

/// Adds points to their minutes and hours, all or none. Their series must be there; partitions are
/// made as needed, also when another host has just dropped them.
pub(super) async fn add(
    client: &Object,
    tables: &Tables,
    tenant: &Tenant,
    points: &[Point],
) -> Result<(), Failure> {
    let mut again = true;
    loop {
        tables.minutes.ensure(client, points.iter().map(|point| point.minute)).await?;
        tables.hours.ensure(client, points.iter().map(|point| point.minute)).await?;
        match add_to_partitions(client, tenant, points).await {
            // Both forget what they knew: the failure does not say whose partition it was.
            Err(failure)
                if again && tables.minutes.was_dropped(&failure) | tables.hours.was_dropped(&failure) =>
            {
                again = false;
            }
            outcome => return outcome,
        }
    }
}

async fn add_to_partitions(client: &Object, tenant: &Tenant, points: &[Point]) -> Result<(), Failure> {
    const SQL: &str = "
        WITH given AS MATERIALIZED (
            SELECT series.id, given.at, given.count, given.sum, given.min, given.max
            FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[],
                        $7::float8[], $8::float8[], $9::float8[])
                AS given (metric, tags, at, count, sum, min, max)
            JOIN metric_series AS series
                ON series.plugin = $1 AND series.guild = $2 AND series.metric = given.metric
                AND md5(series.tags) = md5(given.tags)),
        minutes AS (
            INSERT INTO metric_minute AS kept (series, at, count, sum, min, max)
            SELECT id, at, count, sum, min, max FROM given ORDER BY id, at
            ON CONFLICT (series, at) DO UPDATE SET
                count = kept.count + excluded.count, sum = kept.sum + excluded.sum,
                min = least(kept.min, excluded.min), max = greatest(kept.max, excluded.max)),
        hours AS (
            INSERT INTO metric_hour AS kept (series, at, count, sum, min, max)
            SELECT id, at - at % 3600000 AS hour, sum(count)::bigint, sum(sum), min(min), max(max)
            FROM given GROUP BY id, hour ORDER BY id, hour
            ON CONFLICT (series, at) DO UPDATE SET
                count = kept.count + excluded.count, sum = kept.sum + excluded.sum,
                min = least(kept.min, excluded.min), max = greatest(kept.max, excluded.max))
        SELECT count(*) AS found FROM given";
    let metrics: Vec<&str> = points.iter().map(|point| point.key.metric.as_str()).collect();
    let tags: Vec<&str> = points.iter().map(|point| point.key.tags.as_str()).collect();
    let minutes: Vec<i64> = points.iter().map(|point| point.minute).collect();
    let counts: Vec<i64> = points.iter().map(|point| point.bucket.count).collect();
    let sums: Vec<f64> = points.iter().map(|point| point.bucket.sum).collect();
    let least: Vec<f64> = points.iter().map(|point| point.bucket.least).collect();
    let greatest: Vec<f64> = points.iter().map(|point| point.bucket.greatest).collect();
    let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
    let statement = client.prepare_cached(SQL).await?;
    client
        .query_one(
            &statement,
            &[&plugin, &guild, &metrics, &tags, &minutes, &counts, &sums, &least, &greatest],
        )
        .await?;
    Ok(())
}

/// One bucket of one group, read back.
pub(super) struct Found {
    /// The value of the tag asked for; `None` without one.
    pub(super) group: Option<String>,
    /// Which bucket, counted from the beginning of the period.
    pub(super) place: usize,
    pub(super) bucket: Bucket,
}

/// The buckets of a metric in a period that begins at `from`, by the values of a tag if one is
/// given.
pub(super) async fn buckets(
    client: &Object,
    tenant: &Tenant,
    metric: &Metric,
    period: Period,
    from: i64,
    group_by: Option<&str>,
) -> Result<Vec<Found>, Failure> {
    const MINUTES: &str = buckets_of!("metric_minute");
    const HOURS: &str = buckets_of!("metric_hour");
    let sql = if period == Period::Hour { MINUTES } else { HOURS };
    let statement = client.prepare_cached(sql).await?;
    let width = width(period);
    let until = from + width * period.buckets() as i64;
    let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
    let rows = client
        .query(&statement, &[&plugin, &guild, &metric.as_str(), &group_by, &from, &until, &width])
        .await?;
    let read = |row: &tokio_postgres::Row| {
        let place: i64 = row.get("place");
        let place = usize::try_from(place).map_err(|_| Failure::Unreadable(format!("place {place}")))?;
        let bucket = Bucket {
            count: row.get("count"),
            sum: row.get("sum"),
            least: row.get("min"),
            greatest: row.get("max"),
        };
        Ok(Found { group: row.get("name"), place, bucket })
    };
    rows.iter().map(read).collect()
}

/// The statement of [`buckets`] on one of the two tables.
macro_rules! buckets_of {
    ($table:literal) => {
        concat!(
            "WITH chosen AS MATERIALIZED (
                SELECT id, tags::json ->> $4::text AS name FROM metric_series
                WHERE plugin = $1 AND guild = $2 AND metric = $3)
            SELECT chosen.name, (kept.at - $5::bigint) / $7::bigint AS place,
                sum(kept.count)::bigint AS count, sum(kept.sum) AS sum,
                min(kept.min) AS min, max(kept.max) AS max
            FROM chosen JOIN ",
            $table,
            " AS kept ON kept.series = chosen.id
            WHERE kept.at >= $5::bigint AND kept.at < $6::bigint
            GROUP BY 1, 2"
        )
    };
}
use buckets_of;

/// The width of a period's buckets in milliseconds.
pub(super) fn width(period: Period) -> i64 {
    i64::try_from(period.bucket().as_millis()).unwrap_or(i64::MAX)
}

/// Removes some series last used before `before`; says how many.
pub(super) async fn clear_series(client: &Object, before: Timestamp) -> Result<u64, Failure> {
    // Addressed by place, so that no join is planned by statistics that are out of date.
    const SQL: &str = "
        DELETE FROM metric_series
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM metric_series WHERE used_at < $1 LIMIT $2
                                FOR UPDATE SKIP LOCKED))";
    let statement = client.prepare_cached(SQL).await?;
    Ok(client.execute(&statement, &[&before.0, &CLEAR_BATCH.cast_signed()]).await?)
}
