//! Which plugin is on which server, and what it may do there.

use bailey_protocol::{Capability, CapabilitySet, GuildId, Tenant, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::{Store, StoreError};

/// What a server's admin decided about a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Which plugin, where.
    pub tenant: Tenant,
    /// A recorded version.
    pub version: String,
    /// What it may do.
    pub capabilities: CapabilitySet,
    /// The internet hosts it may reach, as the manifest names them.
    pub domains: Vec<String>,
    /// Whether it is switched on.
    pub enabled: bool,
}

/// A stored installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationRecord {
    /// Which plugin, where.
    pub tenant: Tenant,
    /// The version in use.
    pub version: String,
    /// That version's package, by content hash.
    pub package_hash: String,
    /// What it may do. Names this Bailey does not know grant nothing.
    pub capabilities: CapabilitySet,
    /// The internet hosts it may reach, as the manifest names them.
    pub domains: Vec<String>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it was first installed.
    pub created_at: Timestamp,
    /// When version, capabilities, hosts or switch last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// Installs a plugin on a server, or changes an installation.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`] for a version never recorded; otherwise a failure of the database.
    pub async fn install(&self, install: &Install, at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO installations
                (plugin, guild, version, capabilities, enabled, created_at, updated_at, domains)
            VALUES ($1, $2, $3, $4, $5, to_timestamp($6::bigint / 1000.0), to_timestamp($6::bigint / 1000.0), $7)
            ON CONFLICT (plugin, guild) DO UPDATE
                SET version = excluded.version, capabilities = excluded.capabilities, domains = excluded.domains,
                    enabled = excluded.enabled, updated_at = excluded.updated_at";
        let Install { tenant, version, capabilities, domains, enabled } = install;
        let client = self.client().await?;
        let capabilities = capabilities.names();
        client
            .execute(
                SQL,
                &[
                    &tenant.plugin.as_str(),
                    &stored(tenant.guild),
                    version,
                    &capabilities,
                    enabled,
                    &at.0,
                    domains,
                ],
            )
            .await
            .map(drop)
            .map_err(|source| {
                if source.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) {
                    StoreError::UnknownVersion { tenant: tenant.clone(), version: version.clone() }
                } else {
                    StoreError::Statement { what: format!("install {tenant}"), source }
                }
            })
    }

    /// Removes an installation; says whether there was one.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn uninstall(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM installations WHERE plugin = $1 AND guild = $2";
        let client = self.client().await?;
        let removed = client
            .execute(SQL, &[&tenant.plugin.as_str(), &stored(tenant.guild)])
            .await
            .map_err(StoreError::statement(format!("uninstall {tenant}")))?;
        Ok(removed > 0)
    }

    /// Every installation, by plugin and server: what a host has to run.
    ///
    /// # Errors
    /// A failure of the database, or a row that cannot be read.
    pub async fn installations(&self) -> Result<Vec<InstallationRecord>, StoreError> {
        const SQL: &str = "
            SELECT plugin, guild, version, package_hash, capabilities, domains, enabled,
                   (extract(epoch FROM installations.created_at) * 1000)::bigint AS created_at,
                   (extract(epoch FROM installations.updated_at) * 1000)::bigint AS updated_at
            FROM installations JOIN plugin_versions USING (plugin, version)
            ORDER BY plugin, guild";
        let client = self.client().await?;
        let rows = client.query(SQL, &[]).await.map_err(StoreError::statement("list the installations"))?;
        rows.iter().map(record).collect()
    }

    /// One installation, if the plugin is on the server.
    ///
    /// # Errors
    /// A failure of the database, or a row that cannot be read.
    pub async fn installation(&self, tenant: &Tenant) -> Result<Option<InstallationRecord>, StoreError> {
        const SQL: &str = "
            SELECT plugin, guild, version, package_hash, capabilities, domains, enabled,
                   (extract(epoch FROM installations.created_at) * 1000)::bigint AS created_at,
                   (extract(epoch FROM installations.updated_at) * 1000)::bigint AS updated_at
            FROM installations JOIN plugin_versions USING (plugin, version)
            WHERE plugin = $1 AND guild = $2";
        let client = self.client().await?;
        let row = client
            .query_opt(SQL, &[&tenant.plugin.as_str(), &stored(tenant.guild)])
            .await
            .map_err(StoreError::statement(format!("read the installation {tenant}")))?;
        row.as_ref().map(record).transpose()
    }
}

fn record(row: &Row) -> Result<InstallationRecord, StoreError> {
    let (plugin, guild): (String, i64) = (row.get("plugin"), row.get("guild"));
    let plugin = plugin.parse().map_err(|_| StoreError::Unreadable { what: format!("plugin {plugin:?}") })?;
    let names: Vec<String> = row.get("capabilities");
    Ok(InstallationRecord {
        tenant: Tenant { plugin, guild: GuildId(guild.cast_unsigned()) },
        version: row.get("version"),
        package_hash: row.get("package_hash"),
        capabilities: names.iter().filter_map(|name| name.parse::<Capability>().ok()).collect(),
        domains: row.get("domains"),
        enabled: row.get("enabled"),
        created_at: Timestamp(row.get("created_at")),
        updated_at: Timestamp(row.get("updated_at")),
    })
}

/// PostgreSQL has no unsigned integers; the bits are the same.
pub(crate) fn stored(guild: GuildId) -> i64 {
    guild.0.cast_signed()
}
