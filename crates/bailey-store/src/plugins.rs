//! Plugins and their versions.

use bailey_protocol::{PluginId, Timestamp};
use serde_json::Value;

use crate::{Store, StoreError};

/// One recorded version of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRecord {
    /// Our number for it.
    pub id: i64,
    /// The plugin.
    pub plugin: PluginId,
    /// The version as the manifest says it.
    pub version: String,
    /// The package's content hash, in lower-case hexadecimal.
    pub package_hash: String,
    /// The manifest, keys in the author's order.
    pub manifest: Value,
    /// When it was first recorded.
    pub created_at: Timestamp,
}

/// What to do when a version number comes again with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Republish {
    /// Refuse: what was published under a number stays.
    Refuse,
    /// Replace: an author is working on it and nobody else has it.
    Replace,
}

impl Store {
    /// Records a version, and its plugin if it is the first. The same content again changes nothing.
    /// Returns our number for the version.
    ///
    /// # Errors
    /// [`StoreError::VersionExists`] when the number is taken by other content and `republish`
    /// refuses; otherwise a failure of the database.
    pub async fn record_version(
        &self,
        plugin: &PluginId,
        version: &str,
        package_hash: &str,
        manifest: &Value,
        republish: Republish,
        at: Timestamp,
    ) -> Result<i64, StoreError> {
        const PLUGIN: &str = "
            INSERT INTO plugins (id, created_at)
            VALUES ($1, to_timestamp($2::bigint / 1000.0))
            ON CONFLICT (id) DO NOTHING";
        const VERSION: &str = "
            INSERT INTO plugin_versions (plugin, version, package_hash, manifest, created_at)
            VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0))
            ON CONFLICT (plugin, version) DO UPDATE
                SET package_hash = excluded.package_hash, manifest = excluded.manifest
                WHERE $6 OR plugin_versions.package_hash = excluded.package_hash
            RETURNING id";
        let what = || StoreError::statement(format!("record version {version} of {plugin}"));
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(what())?;
        transaction.execute(PLUGIN, &[&plugin.as_str(), &at.0]).await.map_err(what())?;
        let replace = republish == Republish::Replace;
        let row = transaction
            .query_opt(VERSION, &[&plugin.as_str(), &version, &package_hash, manifest, &at.0, &replace])
            .await
            .map_err(what())?;
        let Some(row) = row else {
            return Err(StoreError::VersionExists {
                plugin: plugin.to_string(),
                version: version.to_owned(),
            });
        };
        transaction.commit().await.map_err(what())?;
        Ok(row.get("id"))
    }

    /// One version, if it is recorded.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn version(
        &self,
        plugin: &PluginId,
        version: &str,
    ) -> Result<Option<VersionRecord>, StoreError> {
        const SQL: &str = "
            SELECT id, package_hash, manifest, (extract(epoch FROM created_at) * 1000)::bigint AS created_at
            FROM plugin_versions
            WHERE plugin = $1 AND version = $2";
        let client = self.client().await?;
        let row = client
            .query_opt(SQL, &[&plugin.as_str(), &version])
            .await
            .map_err(StoreError::statement(format!("read version {version} of {plugin}")))?;
        Ok(row.map(|row| VersionRecord {
            id: row.get("id"),
            plugin: plugin.clone(),
            version: version.to_owned(),
            package_hash: row.get("package_hash"),
            manifest: row.get("manifest"),
            created_at: Timestamp(row.get("created_at")),
        }))
    }
}
