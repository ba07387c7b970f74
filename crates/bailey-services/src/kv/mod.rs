//! `kv.*`: what a plugin keeps under keys on one server. Rows of PostgreSQL, values as the JSON text
//! the plugin wrote.
//!
//! Expired keys are absent everywhere; their rows go with the sweep, or when the room is needed.
//! Every statement takes the row of `kv` first and the row of `kv_usage` last, so that they do not
//! wait for each other in a circle.

mod arithmetic;
mod increment;
mod listing;
mod recount;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::capability::StorageKv;
use bailey_protocol::method::Done;
use bailey_protocol::method::kv::{GetMany, Got, KeyOnly, Put, PutMany, Value, Values};
use bailey_protocol::{CallError, Clock, Grant, Tenant};
use deadpool_postgres::Object;
use indexmap::IndexMap;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

pub use self::recount::Recount;
use crate::database::{Database, Failure, stored_guild};

/// Times a statement is tried that the server gave up in favour of another.
const ATTEMPTS: u32 = 4;
/// The rule that holds the number of keys.
const QUOTA: &str = "kv_quota";

/// The key-value service. A cheap clone.
#[derive(Clone)]
pub struct Kv {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Kv {
    /// The service on a database, with times from `clock`.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// `kv.get`: the value of a key, if there is one.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn get(&self, grant: &Grant<StorageKv>, params: &KeyOnly) -> Result<Got, CallError> {
        const SQL: &str = "
            SELECT value FROM kv
            WHERE plugin = $1 AND guild = $2 AND key = $3 AND (expires_at IS NULL OR expires_at > $4)";
        let tenant = grant.tenant();
        let work = async {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(SQL).await?;
            let (plugin, guild, key) = (tenant.plugin.as_str(), stored_guild(tenant), params.key.as_str());
            let row = client.query_opt(&statement, &[&plugin, &guild, &key, &self.now()]).await?;
            let value = row.map(|row| Ok::<_, Failure>(Value::new(raw(&row, "value")?)?)).transpose()?;
            Ok(Got(value))
        };
        self.database.bounded("kv.get", tenant, work).await
    }

    /// `kv.put`: writes a key. Without a time to live the key stays, also when it had one before.
    ///
    /// # Errors
    /// [`CallError::KvKeyQuota`] for a new key when the tenant holds as many as it may.
    pub async fn put(&self, grant: &Grant<StorageKv>, params: &Put) -> Result<Done, CallError> {
        const SQL: &str = "
            WITH written AS (
                INSERT INTO kv (plugin, guild, key, value, expires_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (plugin, guild, key) DO UPDATE
                    SET value = excluded.value, expires_at = excluded.expires_at
                RETURNING xmax = 0 AS is_new)
            INSERT INTO kv_usage (plugin, guild, keys)
            SELECT $1::text, $2::bigint, 1 FROM written WHERE is_new
            ON CONFLICT (plugin, guild) DO UPDATE SET keys = kv_usage.keys + 1";
        let tenant = grant.tenant();
        let (plugin, guild, key) = (tenant.plugin.as_str(), stored_guild(tenant), params.key.as_str());
        let expires_at = params.time_to_live.map(|time| self.after(time));
        let value = params.value.as_json();
        let parameters: [&(dyn ToSql + Sync); 5] = [&plugin, &guild, &key, &value, &expires_at];
        let work = self.write(tenant, SQL, &parameters);
        self.database.bounded("kv.put", tenant, work).await.map(|_| Done::OK)
    }

    /// `kv.del`: removes a key; one that is not there is fine.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn delete(&self, grant: &Grant<StorageKv>, params: &KeyOnly) -> Result<Done, CallError> {
        const SQL: &str = "
            WITH gone AS (
                DELETE FROM kv WHERE plugin = $1 AND guild = $2 AND key = $3 RETURNING 1)
            UPDATE kv_usage SET keys = keys - 1
            WHERE plugin = $1 AND guild = $2 AND EXISTS (SELECT FROM gone)";
        let tenant = grant.tenant();
        let (plugin, guild, key) = (tenant.plugin.as_str(), stored_guild(tenant), params.key.as_str());
        let parameters: [&(dyn ToSql + Sync); 3] = [&plugin, &guild, &key];
        let work = self.write(tenant, SQL, &parameters);
        self.database.bounded("kv.del", tenant, work).await.map(|_| Done::OK)
    }

    /// `kv.mget`: the values of several keys, in the order asked; missing keys are left out.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn get_many(&self, grant: &Grant<StorageKv>, params: &GetMany) -> Result<Values, CallError> {
        const SQL: &str = "
            SELECT key, value FROM kv
            WHERE plugin = $1 AND guild = $2 AND key = ANY ($3) AND (expires_at IS NULL OR expires_at > $4)";
        let tenant = grant.tenant();
        let work = async {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(SQL).await?;
            let keys: Vec<&str> = params.keys.iter().map(|key| key.as_str()).collect();
            let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
            let rows = client.query(&statement, &[&plugin, &guild, &keys, &self.now()]).await?;
            let mut found = values(&rows)?;
            let ordered = keys.into_iter().filter_map(|key| found.swap_remove_entry(key)).collect();
            Ok(Values { values: ordered })
        };
        self.database.bounded("kv.mget", tenant, work).await
    }

    /// `kv.mput`: writes several keys, all or none, without times to live.
    ///
    /// # Errors
    /// [`CallError::KvKeyQuota`] when the new ones among them are more than the tenant may hold.
    pub async fn put_many(&self, grant: &Grant<StorageKv>, params: &PutMany) -> Result<Done, CallError> {
        // Sorted, so that two of these take their rows in the same order.
        const SQL: &str = r#"
            WITH written AS (
                INSERT INTO kv (plugin, guild, key, value, expires_at)
                SELECT $1::text, $2::bigint, entry.key, entry.value, NULL
                FROM unnest($3::text[], $4::text[]) AS entry (key, value)
                ORDER BY entry.key COLLATE "C"
                ON CONFLICT (plugin, guild, key) DO UPDATE SET value = excluded.value, expires_at = NULL
                RETURNING xmax = 0 AS is_new)
            INSERT INTO kv_usage (plugin, guild, keys)
            SELECT $1::text, $2::bigint, count(*) FROM written WHERE is_new HAVING count(*) > 0
            ON CONFLICT (plugin, guild) DO UPDATE SET keys = kv_usage.keys + excluded.keys"#;
        let tenant = grant.tenant();
        let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
        let keys: Vec<&str> = params.entries.keys().map(|key| key.as_str()).collect();
        let values: Vec<&str> = params.entries.values().map(|value| value.as_json()).collect();
        let parameters: [&(dyn ToSql + Sync); 4] = [&plugin, &guild, &keys, &values];
        let work = self.write(tenant, SQL, &parameters);
        self.database.bounded("kv.mput", tenant, work).await.map(|_| Done::OK)
    }

    /// Runs a statement that may add keys. When there is no room, the tenant's expired keys are
    /// cleared away and it is tried once more.
    async fn write(
        &self,
        tenant: &Tenant,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(sql).await?;
        let mut swept = false;
        let mut attempt = 1;
        loop {
            let failure = match client.query(&statement, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(error) => Failure::from(error),
            };
            if failure.breaks(QUOTA) && !swept {
                self.make_room(&client, tenant).await?;
                swept = true;
            } else if failure.breaks(QUOTA) {
                return Err(CallError::KvKeyQuota.into());
            } else if failure.is_passing() && attempt < ATTEMPTS {
                attempt += 1;
            } else {
                return Err(failure);
            }
        }
    }

    async fn make_room(&self, client: &Object, tenant: &Tenant) -> Result<(), Failure> {
        let removed = sweep::sweep_tenant(client, tenant, self.now()).await?;
        tracing::debug!(%tenant, removed, "swept expired keys to make room");
        Ok(())
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn after(&self, time: Duration) -> i64 {
        (self.clock.now() + time).0
    }
}

/// A column that holds JSON text.
fn raw(row: &Row, column: &str) -> Result<Box<RawValue>, Failure> {
    let text: String = row.get(column);
    RawValue::from_string(text).map_err(|error| Failure::Unreadable(format!("kv.{column}: {error}")))
}

/// Rows of `key` and `value`, in their order.
fn values(rows: &[Row]) -> Result<IndexMap<String, Box<RawValue>>, Failure> {
    rows.iter().map(|row| Ok((row.get("key"), raw(row, "value")?))).collect()
}
