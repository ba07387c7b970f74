//! `kv.increment` and `kv.decr`. A plain integer is added to by one statement; anything else is read,
//! changed and written back under the row's lock.

use bailey_protocol::capability::StorageKv;
use bailey_protocol::method::kv::{Counted, Increment, Value};
use bailey_protocol::{CallError, Grant, Tenant};
use serde_json::value::RawValue;

use super::{ATTEMPTS, Kv, QUOTA, arithmetic};
use crate::database::{Failure, stored_guild};

impl Kv {
    /// Adds to a number and returns it; atomic, whoever else does so at the same time. A key that is
    /// not there counts as 0; one that is keeps its time to live.
    ///
    /// # Errors
    /// [`CallError::Validation`] when there is something else than a number, [`CallError::KvKeyQuota`]
    /// and [`CallError::KvValueQuota`] when the result does not fit.
    pub async fn increment(
        &self,
        grant: &Grant<StorageKv>,
        params: &Increment,
    ) -> Result<Counted, CallError> {
        let tenant = grant.tenant();
        let work = async {
            let counted =
                if params.path.is_empty() { self.add_to_integer(tenant, params).await? } else { None };
            let number = match counted {
                Some(number) => number,
                None => self.add_inside(tenant, params).await?,
            };
            let value = RawValue::from_string(number)
                .map_err(|error| Failure::Unreadable(format!("kv.increment: {error}")))?;
            Ok(Counted { value })
        };
        self.database.bounded("kv.increment", tenant, work).await
    }

    /// One statement, when the value is an integer or there is none. `None`: it is something else, or has
    /// so many digits that the sum may be larger than an integer here can be.
    async fn add_to_integer(&self, tenant: &Tenant, params: &Increment) -> Result<Option<String>, Failure> {
        const SQL: &str = "
            WITH written AS (
                INSERT INTO kv (plugin, guild, key, value, expires_at)
                VALUES ($1, $2, $3, ($4::bigint)::text, NULL)
                ON CONFLICT (plugin, guild, key) DO UPDATE SET
                    value = CASE WHEN kv.expires_at <= $5 THEN excluded.value
                                 ELSE (kv.value::numeric + $4::bigint)::text END,
                    expires_at = CASE WHEN kv.expires_at <= $5 THEN NULL ELSE kv.expires_at END
                WHERE kv.expires_at <= $5 OR kv.value ~ '^-?[0-9]{1,37}$'
                RETURNING value, xmax = 0 AS is_new),
            counted AS (
                INSERT INTO kv_usage (plugin, guild, keys)
                SELECT $1::text, $2::bigint, 1 FROM written WHERE is_new
                ON CONFLICT (plugin, guild) DO UPDATE SET keys = kv_usage.keys + 1)
            SELECT value FROM written";
        let (plugin, guild, key) = (tenant.plugin.as_str(), stored_guild(tenant), params.key.as_str());
        let rows = self.write(tenant, SQL, &[&plugin, &guild, &key, &params.amount, &self.now()]).await?;
        Ok(rows.first().map(|row| row.get("value")))
    }

    /// Reads, adds and writes back. Tried again when another call made the key in between.
    async fn add_inside(&self, tenant: &Tenant, params: &Increment) -> Result<String, Failure> {
        let mut swept = false;
        for _ in 0..ATTEMPTS {
            let failure = match self.try_add_inside(tenant, params).await {
                Ok(Some(number)) => return Ok(number),
                Ok(None) => continue,
                Err(failure) => failure,
            };
            if failure.breaks(QUOTA) && !swept {
                let client = self.database.client().await?;
                self.make_room(&client, tenant).await?;
                swept = true;
            } else if failure.breaks(QUOTA) {
                return Err(CallError::KvKeyQuota.into());
            } else if !failure.is_passing() {
                return Err(failure);
            }
        }
        tracing::warn!(%tenant, "an increment was overtaken {ATTEMPTS} times");
        Err(Failure::Slow)
    }

    /// `None`: the key was not there when looked for, and there when written.
    async fn try_add_inside(&self, tenant: &Tenant, params: &Increment) -> Result<Option<String>, Failure> {
        const READ: &str = "
            SELECT value, (expires_at <= $4) IS TRUE AS expired FROM kv
            WHERE plugin = $1 AND guild = $2 AND key = $3
            FOR UPDATE";
        const CHANGE: &str = "
            UPDATE kv SET value = $4, expires_at = CASE WHEN $5 THEN NULL ELSE expires_at END
            WHERE plugin = $1 AND guild = $2 AND key = $3";
        const MAKE: &str = "
            WITH written AS (
                INSERT INTO kv (plugin, guild, key, value, expires_at) VALUES ($1, $2, $3, $4, NULL)
                ON CONFLICT (plugin, guild, key) DO NOTHING
                RETURNING 1),
            counted AS (
                INSERT INTO kv_usage (plugin, guild, keys) SELECT $1::text, $2::bigint, 1 FROM written
                ON CONFLICT (plugin, guild) DO UPDATE SET keys = kv_usage.keys + 1)
            SELECT FROM written";
        let (plugin, guild, key) = (tenant.plugin.as_str(), stored_guild(tenant), params.key.as_str());
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let read = transaction.prepare_cached(READ).await?;
        let row = transaction.query_opt(&read, &[&plugin, &guild, &key, &self.now()]).await?;

        let expired = row.as_ref().is_some_and(|row| row.get("expired"));
        let json: Option<String> = row.as_ref().filter(|_| !expired).map(|row| row.get("value"));
        let sum = arithmetic::add(json.as_deref(), &params.path, params.amount)?;
        let value = RawValue::from_string(sum.value)
            .map_err(|error| Failure::Unreadable(format!("kv.increment: {error}")))?;
        let value = Value::new(value)?; // still within 64 KB?

        if row.is_some() {
            let change = transaction.prepare_cached(CHANGE).await?;
            transaction.execute(&change, &[&plugin, &guild, &key, &value.as_json(), &expired]).await?;
        } else {
            let make = transaction.prepare_cached(MAKE).await?;
            let made = transaction.query_opt(&make, &[&plugin, &guild, &key, &value.as_json()]).await?;
            if made.is_none() {
                return Ok(None);
            }
        }
        transaction.commit().await?;
        Ok(Some(sum.number))
    }
}
