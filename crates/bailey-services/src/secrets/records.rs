//! Secrets as rows: written by plugins and operators, listed, sealed anew.

use bailey_protocol::method::secrets::{SecretName, SecretValue};
use bailey_protocol::{CallError, GuildId, PluginId, Timestamp, limits};

use super::{Sealed, Secrets};
use crate::database::{Failure, durable};

/// Rows that are sealed anew at once.
const BATCH: i64 = 200;

/// Whose a secret is: a plugin's on one server, or its default on all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretScope {
    /// The plugin.
    pub plugin: PluginId,
    /// The server; `None` is the default on all.
    pub guild: Option<GuildId>,
}

impl std::fmt::Display for SecretScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.guild {
            Some(guild) => write!(f, "{} on server {guild}", self.plugin),
            None => write!(f, "{} on every server", self.plugin),
        }
    }
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Whose.
    pub scope: SecretScope,
    /// Its name.
    pub name: String,
    /// The host it is bound to.
    pub host: Option<String>,
    /// The key it is sealed with.
    pub key: i32,
    /// When it was set.
    pub set_at: Timestamp,
}

/// What a secret is sealed for: put into another row, it does not open.
pub(super) fn purpose(scope: &SecretScope, name: &str, host: Option<&str>) -> String {
    let guild = scope.guild.map(|guild| guild.to_string()).unwrap_or_default();
    format!("secret\n{}\n{guild}\n{name}\n{}", scope.plugin, host.unwrap_or_default())
}

fn stored(guild: Option<GuildId>) -> Option<i64> {
    guild.map(|guild| guild.0.cast_signed())
}

impl Secrets {
    /// Sets a secret for whoever runs Bailey, bound to `host` or to none.
    ///
    /// # Errors
    /// [`CallError`] when there are too many, or the database fails.
    pub async fn put(
        &self,
        scope: &SecretScope,
        name: &SecretName,
        host: Option<&str>,
        value: &SecretValue,
    ) -> Result<(), CallError> {
        self.database.bounded("setting a secret", scope, self.write(scope, name, host, value.reveal())).await
    }

    pub(super) async fn write(
        &self,
        scope: &SecretScope,
        name: &SecretName,
        host: Option<&str>,
        value: &str,
    ) -> Result<(), Failure> {
        const COUNT: &str =
            "SELECT count(*) FROM secrets WHERE plugin = $1 AND guild IS NOT DISTINCT FROM $2 AND name <> $3";
        const SQL: &str = "
            INSERT INTO secrets (plugin, guild, name, host, key, sealed, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (plugin, guild, name) DO UPDATE
                SET host = excluded.host, key = excluded.key, sealed = excluded.sealed, set_at = excluded.set_at";
        let mut client = self.database.client().await?;
        let (plugin, guild, text) = (scope.plugin.as_str(), stored(scope.guild), name.as_str());
        let transaction = durable(&mut client).await?;
        let others: i64 = transaction.query_one(COUNT, &[&plugin, &guild, &text]).await?.get(0);
        if others >= i64::from(limits::SECRETS) {
            let rule = format!("one of the {} secrets there are already (delete one first)", limits::SECRETS);
            return Err(CallError::validation("key", rule).into());
        }
        let Sealed { key, bytes } = self.keys.seal(&purpose(scope, text, host), value);
        let now = self.clock.now().0;
        transaction.execute(SQL, &[&plugin, &guild, &text, &host, &key, &bytes, &now]).await?;
        Ok(transaction.commit().await?)
    }

    /// Removes a secret. Whether there was one.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn remove(&self, scope: &SecretScope, name: &SecretName) -> Result<bool, CallError> {
        const SQL: &str =
            "DELETE FROM secrets WHERE plugin = $1 AND guild IS NOT DISTINCT FROM $2 AND name = $3";
        let work = async {
            let mut client = self.database.client().await?;
            let (plugin, guild, text) = (scope.plugin.as_str(), stored(scope.guild), name.as_str());
            let transaction = durable(&mut client).await?;
            let removed = transaction.execute(SQL, &[&plugin, &guild, &text]).await?;
            transaction.commit().await?;
            Ok(removed > 0)
        };
        self.database.bounded("removing a secret", scope, work).await
    }

    /// Every secret, of one plugin or all, without its value.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn list(&self, plugin: Option<&PluginId>) -> Result<Vec<SecretRecord>, CallError> {
        const SQL: &str = "
            SELECT plugin, guild, name, host, key, set_at FROM secrets
            WHERE $1::text IS NULL OR plugin = $1 ORDER BY plugin, guild NULLS FIRST, name";
        let work = async {
            let client = self.database.client().await?;
            let rows = client.query(SQL, &[&plugin.map(PluginId::as_str)]).await?;
            let record = |row: &tokio_postgres::Row| {
                let plugin: String = row.get("plugin");
                Ok(SecretRecord {
                    scope: SecretScope {
                        plugin: plugin
                            .parse()
                            .map_err(|_| Failure::Unreadable(format!("plugin {plugin}")))?,
                        guild: row.get::<_, Option<i64>>("guild").map(|guild| GuildId(guild.cast_unsigned())),
                    },
                    name: row.get("name"),
                    host: row.get("host"),
                    key: row.get("key"),
                    set_at: Timestamp(row.get("set_at")),
                })
            };
            rows.iter().map(record).collect::<Result<Vec<_>, Failure>>()
        };
        self.database.bounded("listing secrets", &"every plugin", work).await
    }

    /// Adds a key, seals every secret with it, and forgets the older keys. A Bailey that runs meanwhile reads the
    /// key file again by itself. Returns how many were sealed anew.
    ///
    /// # Errors
    /// A sentence. Then some are sealed with the new key and some with the old, both keys are kept, and it can be
    /// done again.
    pub async fn rotate(&self) -> Result<u64, String> {
        self.keys.add().map_err(|error| error.to_string())?;
        let mut sealed = 0;
        loop {
            let done = self.database.bounded("sealing secrets anew", &"every plugin", self.seal_anew()).await;
            match done.map_err(|error| error.to_string())? {
                0 => break,
                rows => sealed += rows,
            }
        }
        self.keys.forget_others().map_err(|error| error.to_string())?;
        Ok(sealed)
    }

    /// Seals some of those that are not sealed with the key in use.
    async fn seal_anew(&self) -> Result<u64, Failure> {
        const SOME: &str = "
            SELECT plugin, guild, name, host, key, sealed FROM secrets WHERE key <> $1 LIMIT $2 FOR UPDATE";
        const SQL: &str = "
            UPDATE secrets SET key = $4, sealed = $5
            WHERE plugin = $1 AND guild IS NOT DISTINCT FROM $2 AND name = $3";
        let mut client = self.database.client().await?;
        let transaction = durable(&mut client).await?;
        let current = self.keys.current();
        let rows = transaction.query(SOME, &[&current, &BATCH]).await?;
        for row in &rows {
            let (plugin, guild): (String, Option<i64>) = (row.get("plugin"), row.get("guild"));
            let (name, host): (String, Option<String>) = (row.get("name"), row.get("host"));
            let scope = SecretScope {
                plugin: plugin.parse().map_err(|_| Failure::Unreadable(format!("plugin {plugin}")))?,
                guild: guild.map(|guild| GuildId(guild.cast_unsigned())),
            };
            let purpose = purpose(&scope, &name, host.as_deref());
            let sealed = Sealed { key: row.get("key"), bytes: row.get("sealed") };
            let value = self
                .keys
                .open_sealed(&purpose, &sealed)
                .map_err(|error| Failure::Unreadable(format!("secret {name} of {scope}: {error}")))?;
            let Sealed { key, bytes } = self.keys.seal(&purpose, &value);
            transaction.execute(SQL, &[&plugin, &guild, &name, &key, &bytes]).await?;
        }
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }
}
