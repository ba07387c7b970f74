//! Where each connection to Discord's gateway stands.

use bailey_protocol::{ApplicationId, Timestamp};
use serde_json::Value;

use crate::{Store, StoreError};

/// Which connection: one of a bot's shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewaySessionKey {
    /// The bot's application.
    pub application: ApplicationId,
    /// Which shard, from 0.
    pub shard: u32,
    /// Of how many.
    pub shards: u32,
}

/// Where a connection stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySessionRecord {
    /// When that was written down, by the database's clock.
    pub saved_at: Timestamp,
    /// How long ago that is, in seconds.
    pub age_seconds: i64,
    /// The gateway's own account of it.
    pub point: Value,
    /// What was known of the servers.
    pub directory: Vec<u8>,
}

/// A place that nobody can go on from any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgottenGatewaySession {
    /// Which connection's.
    pub key: GatewaySessionKey,
    /// When it was written down.
    pub saved_at: Timestamp,
}

impl Store {
    /// Writes down where a connection stands; without a directory, the one written down before stays.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn save_gateway_session(
        &self,
        key: GatewaySessionKey,
        point: &Value,
        directory: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        const WHOLE: &str = "
            INSERT INTO gateway_sessions (application, shard, shards, saved_at, point, directory)
            VALUES ($1, $2, $3, clock_timestamp(), $4, $5)
            ON CONFLICT (application, shard, shards) DO UPDATE
                SET saved_at = excluded.saved_at, point = excluded.point, directory = excluded.directory";
        const POINT: &str = "
            UPDATE gateway_sessions SET saved_at = clock_timestamp(), point = $4
            WHERE application = $1 AND shard = $2 AND shards = $3";
        let (application, shard, shards) = columns(key);
        let client = self.client().await?;
        match directory {
            Some(directory) => {
                client.execute(WHOLE, &[&application, &shard, &shards, point, &directory]).await
            }
            None => client.execute(POINT, &[&application, &shard, &shards, point]).await,
        }
        .map(drop)
        .map_err(StoreError::statement("write down where the gateway stands".to_owned()))
    }

    /// Where a connection stood.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn gateway_session(
        &self,
        key: GatewaySessionKey,
    ) -> Result<Option<GatewaySessionRecord>, StoreError> {
        const SQL: &str = "
            SELECT (extract(epoch FROM saved_at) * 1000)::bigint AS saved_at,
                   extract(epoch FROM clock_timestamp() - saved_at)::bigint AS age, point, directory
            FROM gateway_sessions WHERE application = $1 AND shard = $2 AND shards = $3";
        let (application, shard, shards) = columns(key);
        let client = self.client().await?;
        let row = client
            .query_opt(SQL, &[&application, &shard, &shards])
            .await
            .map_err(StoreError::statement("read where the gateway stood".to_owned()))?;
        Ok(row.map(|row| GatewaySessionRecord {
            saved_at: Timestamp(row.get("saved_at")),
            age_seconds: row.get("age"),
            point: row.get("point"),
            directory: row.get("directory"),
        }))
    }

    /// Forgets where the connections of a bot stood that was spread over another number of shards.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn forget_other_gateway_sessions(
        &self,
        application: ApplicationId,
        shards: u32,
    ) -> Result<Vec<ForgottenGatewaySession>, StoreError> {
        const SQL: &str = "
            DELETE FROM gateway_sessions WHERE application = $1 AND shards <> $2
            RETURNING shard, shards, (extract(epoch FROM saved_at) * 1000)::bigint AS saved_at";
        let (stored, _, number) = columns(GatewaySessionKey { application, shard: 0, shards });
        let client = self.client().await?;
        let rows = client.query(SQL, &[&stored, &number]).await;
        let rows = rows.map_err(StoreError::statement("forget where another number of shards stood"))?;
        let forgotten = |row: &tokio_postgres::Row| ForgottenGatewaySession {
            key: GatewaySessionKey {
                application,
                shard: row.get::<_, i32>("shard").cast_unsigned(),
                shards: row.get::<_, i32>("shards").cast_unsigned(),
            },
            saved_at: Timestamp(row.get("saved_at")),
        };
        Ok(rows.iter().map(forgotten).collect())
    }
}

fn columns(key: GatewaySessionKey) -> (i64, i32, i32) {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    (key.application.0.cast_signed(), number(key.shard), number(key.shards))
}
