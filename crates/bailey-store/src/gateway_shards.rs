//! How each host's connections to Discord are doing, as the host last said.

use std::time::Duration;

use bailey_protocol::Timestamp;

use crate::{HostId, Store, StoreError};

/// What a host says of one of its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardReport {
    /// Which shard, from 0.
    pub shard: u32,
    /// Of how many.
    pub shards: u32,
    /// How it is doing, in one word.
    pub state: String,
    /// Why, if that asks for a reason.
    pub reason: Option<String>,
    /// Servers on this shard.
    pub guilds: u64,
    /// How long Discord took to answer the last heartbeat, to the microsecond.
    pub latency: Option<Duration>,
    /// When something was last heard.
    pub last_event_at: Option<Timestamp>,
}

/// A connection as its host last described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRecord {
    /// Whose.
    pub host: HostId,
    /// What the host says.
    pub report: ShardReport,
}

impl Store {
    /// Takes over what a host says of connections. Of a host that is not known, nothing.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn publish_shards(&self, host: &HostId, changed: &[ShardReport]) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO gateway_shards (host, shard, shards, state, reason, guilds, latency, last_event_at)
            SELECT hosts.id, shard, shards, state, reason, guilds, latency,
                   to_timestamp(last_event_at / 1000.0)
            FROM hosts, unnest($2::integer[], $3::integer[], $4::text[], $5::text[], $6::bigint[],
                               $7::bigint[], $8::bigint[])
                        AS changed (shard, shards, state, reason, guilds, latency, last_event_at)
            WHERE hosts.id = $1
            ON CONFLICT (host, shard) DO UPDATE
                SET shards = excluded.shards, state = excluded.state, reason = excluded.reason,
                    guilds = excluded.guilds, latency = excluded.latency,
                    last_event_at = excluded.last_event_at";
        let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let shard: Vec<i32> = changed.iter().map(|report| number(report.shard)).collect();
        let shards: Vec<i32> = changed.iter().map(|report| number(report.shards)).collect();
        let states: Vec<&str> = changed.iter().map(|report| report.state.as_str()).collect();
        let reasons: Vec<Option<&str>> = changed.iter().map(|report| report.reason.as_deref()).collect();
        let guilds: Vec<i64> =
            changed.iter().map(|report| i64::try_from(report.guilds).unwrap_or(i64::MAX)).collect();
        let micros = |latency: Duration| i64::try_from(latency.as_micros()).unwrap_or(i64::MAX);
        let latencies: Vec<Option<i64>> = changed.iter().map(|report| report.latency.map(micros)).collect();
        let heard: Vec<Option<i64>> =
            changed.iter().map(|report| report.last_event_at.map(|at| at.0)).collect();
        let client = self.client().await?;
        client
            .execute(SQL, &[&host.as_str(), &shard, &shards, &states, &reasons, &guilds, &latencies, &heard])
            .await
            .map(drop)
            .map_err(StoreError::statement("publish how the connections to Discord are doing"))
    }

    /// The connections of every host that is shown, by host and shard.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn shards(&self) -> Result<Vec<ShardRecord>, StoreError> {
        const SQL: &str = "
            SELECT host, shard, shards, state, reason, guilds, latency,
                   (extract(epoch FROM last_event_at) * 1000)::bigint AS last_event_at
            FROM gateway_shards ORDER BY host, shard";
        let client = self.client().await?;
        let rows = client.query(SQL, &[]).await;
        let rows = rows.map_err(StoreError::statement("list the connections to Discord"))?;
        let record = |row: &tokio_postgres::Row| ShardRecord {
            host: HostId::stored(row.get("host")),
            report: ShardReport {
                shard: row.get::<_, i32>("shard").cast_unsigned(),
                shards: row.get::<_, i32>("shards").cast_unsigned(),
                state: row.get("state"),
                reason: row.get("reason"),
                guilds: row.get::<_, i64>("guilds").cast_unsigned(),
                latency: row
                    .get::<_, Option<i64>>("latency")
                    .map(|micros| Duration::from_micros(micros.cast_unsigned())),
                last_event_at: row.get::<_, Option<i64>>("last_event_at").map(Timestamp),
            },
        };
        Ok(rows.iter().map(record).collect())
    }
}
