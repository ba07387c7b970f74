//! Who is asking: a plugin on a server, with its schemas, its role and its token. Made on first use.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bailey_protocol::method::sql::SqlIsolation;
use bailey_protocol::{Tenant, Timestamp, limits};
use bailey_sql::{Catalogue, Space};
use deadpool_postgres::Object;
use rand::Rng;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::Client;

use super::bounds::Bounds;
use super::failure::Failure;

/// Time after which what we believe of the tables is read again: another process may change them.
const BELIEVED: Duration = Duration::from_secs(30);

/// Held by whoever makes or changes roles, until the transaction ends: they change rows that all share.
const ROLES_LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('roles of plugins', 0))";

/// A plugin on a server, as the database knows it.
pub(super) struct Tenancy {
    pub(super) tenant: Tenant,
    pub(super) space: Space,
    pub(super) password: String,
    /// The server's id as it is stored.
    pub(super) guild: i64,
    /// Proves to the database who is asking.
    pub(super) token: String,
    /// Connections the server may use at once.
    turns: Semaphore,
    view: Mutex<Option<Arc<View>>>,
    /// Hashes of texts that were found to change nothing, at this version of the space.
    unchanging: Mutex<(i64, HashSet<u64>)>,
    hasher: RandomState,
}

/// The tables as one server has them.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Of the space.
    pub(super) version: i64,
    pub(super) catalogue: Catalogue,
    read_at: Timestamp,
}

impl Tenancy {
    /// Looks the tenant up, and makes its schemas, roles and token where they are not there.
    pub(super) async fn open(
        client: &mut Object,
        tenant: &Tenant,
        isolation: SqlIsolation,
        bounds: Bounds,
        rng: &Mutex<dyn Rng + Send>,
    ) -> Result<Self, Failure> {
        const FIND: &str = "
            SELECT space.id, space.guild IS NOT NULL AS dedicated, space.password, space.bounds, tenant.token
            FROM bailey_host.plugins AS plugin
            JOIN bailey_host.spaces AS space
                ON space.plugin = plugin.plugin
               AND space.guild IS NOT DISTINCT FROM CASE WHEN plugin.dedicated THEN $2::bigint END
            JOIN bailey_host.tenants AS tenant ON tenant.space = space.id AND tenant.guild = $2
            WHERE plugin.plugin = $1";
        let (plugin, guild) = (tenant.plugin.as_str(), crate::database::stored_guild(tenant));
        let row = match client.query_opt(FIND, &[&plugin, &guild]).await? {
            Some(row) => row,
            None => {
                let secrets = (secret(rng), secret(rng));
                let transaction = client.transaction().await?;
                make(transaction.client(), tenant, isolation, &secrets).await?;
                transaction.commit().await?;
                client.query_one(FIND, &[&plugin, &guild]).await?
            }
        };
        let dedicated: bool = row.get("dedicated");
        let space = Space::new(row.get("id"), plugin, dedicated.then_some(tenant.guild.0));
        if row.get::<_, Option<String>>("bounds") != Some(bounds.in_words()) {
            bound(client, &space, bounds).await?;
        }
        Ok(Self {
            tenant: tenant.clone(),
            space,
            password: row.get("password"),
            guild,
            token: row.get("token"),
            turns: Semaphore::new(limits::SQL_CONNECTIONS_PER_SERVER),
            view: Mutex::default(),
            unchanging: Mutex::default(),
            hasher: RandomState::new(),
        })
    }

    /// Waits until the server uses fewer connections than it may: one server of a plugin does not take
    /// all of them from the others.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let turn = tokio::time::timeout(limits::SQL_CONNECTION_PATIENCE, self.turns.acquire()).await;
        match turn {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Failure::Busy),
        }
    }

    /// The tables as they were read last, if that was not long ago.
    pub(super) fn believed(&self, now: Timestamp) -> Option<Arc<View>> {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        (now.since(view.read_at) < BELIEVED && view.read_at <= now).then_some(view)
    }

    /// Reads the tables this server has.
    pub(super) async fn read(&self, client: &Client, now: Timestamp) -> Result<Arc<View>, Failure> {
        const SQL: &str = "
            SELECT space.version, holding.name, attribute.attname,
                   attribute.attnum = ANY (key.conkey) AS in_key
            FROM bailey_host.spaces AS space
            LEFT JOIN bailey_host.holdings AS holding ON holding.space = space.id AND holding.guild = $2
            LEFT JOIN pg_class AS relation
                ON relation.relname = holding.name
               AND relation.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $3)
            LEFT JOIN pg_attribute AS attribute
                ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
               AND attribute.attname NOT LIKE '\\_\\_%'
            LEFT JOIN pg_constraint AS key ON key.conrelid = relation.oid AND key.contype = 'p'
            WHERE space.id = $1
            ORDER BY holding.name, attribute.attnum";
        let rows = client.query(SQL, &[&self.space.id, &self.guild, &self.space.rows]).await?;
        let mut view = View { version: 0, catalogue: Catalogue::default(), read_at: now };
        for row in &rows {
            view.version = row.get("version");
            let Some(table) = row.get::<_, Option<String>>("name") else { continue };
            let column: Option<String> = row.get("attname");
            if row.get::<_, Option<bool>>("in_key") == Some(true) {
                view.catalogue.keys.entry(table.clone()).or_default().extend(column.clone());
            }
            view.catalogue.tables.entry(table).or_default().extend(column);
        }
        let view = Arc::new(view);
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&view));
        Ok(view)
    }

    /// What we believe may be wrong.
    pub(super) fn doubt(&self) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a text is known to change nothing: plugins say what they need at each start.
    pub(super) fn is_unchanging(&self, version: i64, text: &str) -> bool {
        let unchanging = self.unchanging.lock().unwrap_or_else(PoisonError::into_inner);
        unchanging.0 == version && unchanging.1.contains(&self.hasher.hash_one(text))
    }

    /// Notes that a text changes nothing at this version.
    pub(super) fn note_unchanging(&self, version: i64, text: &str) {
        let mut unchanging = self.unchanging.lock().unwrap_or_else(PoisonError::into_inner);
        if unchanging.0 != version || unchanging.1.len() >= 500 {
            *unchanging = (version, HashSet::new());
        }
        unchanging.1.insert(self.hasher.hash_one(text));
    }
}

/// 256 random bits.
fn secret(rng: &Mutex<dyn Rng + Send>) -> String {
    let mut bytes = [0_u8; 32];
    rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes what is missing for a tenant, one at a time: roles change rows that all of them share.
async fn make(
    client: &Client,
    tenant: &Tenant,
    isolation: SqlIsolation,
    (password, token): &(String, String),
) -> Result<(), Failure> {
    let (plugin, guild) = (tenant.plugin.as_str(), crate::database::stored_guild(tenant));
    client.batch_execute(ROLES_LOCK).await?;
    let dedicated = isolation == SqlIsolation::Dedicated;
    client
        .execute(
            "INSERT INTO bailey_host.plugins (plugin, dedicated) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&plugin, &dedicated],
        )
        .await?;
    let row =
        client.query_one("SELECT dedicated FROM bailey_host.plugins WHERE plugin = $1", &[&plugin]).await?;
    let decided: bool = row.get("dedicated");
    if decided != dedicated {
        tracing::warn!(
            %tenant,
            "the manifest asks for another isolation of SQL than the plugin's tables were made with; \
             the tables stay as they are"
        );
    }
    let of = decided.then_some(guild);
    let found = client
        .query_opt(
            "SELECT id FROM bailey_host.spaces WHERE plugin = $1 AND guild IS NOT DISTINCT FROM $2",
            &[&plugin, &of],
        )
        .await?;
    let named = Space::new(0, plugin, decided.then_some(tenant.guild.0));
    let id: i32 = match found {
        Some(row) => row.get("id"),
        None => {
            make_roles(client, &named, password).await?;
            let row = client
                .query_one(
                    "INSERT INTO bailey_host.spaces (plugin, guild, role, password)
                     VALUES ($1, $2, $3::text::name, $4) RETURNING id",
                    &[&plugin, &of, &named.role, password],
                )
                .await?;
            row.get("id")
        }
    };
    client
        .execute(
            "INSERT INTO bailey_host.tenants (token, space, guild, role)
             VALUES ($1, $2, $3, $4::text::name) ON CONFLICT DO NOTHING",
            &[token, &id, &guild, &named.role],
        )
        .await?;
    Ok(())
}

/// Gives a space the bounds in force, which an operator may have changed. Servers of a plugin that come
/// at once take turns, as they do for roles; whoever comes second finds nothing left to do.
async fn bound(client: &mut Object, space: &Space, bounds: Bounds) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(ROLES_LOCK).await?;
    let noted = "UPDATE bailey_host.spaces SET bounds = $2, disk_bytes = $3 WHERE id = $1 AND bounds IS DISTINCT FROM $2";
    let disk_bytes = bounds.disk_bytes.cast_signed();
    if transaction.execute(noted, &[&space.id, &bounds.in_words(), &disk_bytes]).await? > 0 {
        let role = &space.role;
        let script: String = bounds
            .settings()
            .map(|(name, value)| format!("ALTER ROLE {role} SET {name} = {value};"))
            .collect();
        transaction.batch_execute(&script).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The names are made of a plugin's id and a server's, both checked: no character of them needs quotes.
async fn make_roles(client: &Client, space: &Space, password: &str) -> Result<(), Failure> {
    let Space { schema, rows, role, owner, .. } = space;
    let connections = limits::SQL_CONNECTIONS * 4; // of several hosts
    let row = client.query_one("SELECT quote_ident(current_database())", &[]).await?;
    let database: String = row.get(0);
    let mut script = format!(
        "CREATE ROLE {owner} NOLOGIN NOINHERIT;
         CREATE ROLE {role} LOGIN NOINHERIT CONNECTION LIMIT {connections} PASSWORD '{password}';
         GRANT {owner}, {role} TO bailey_sql;
         GRANT CONNECT ON DATABASE {database} TO {role};
         ALTER ROLE {role} SET search_path = {schema}, bailey_sql, pg_catalog;
         CREATE SCHEMA {schema} AUTHORIZATION {owner};
         GRANT USAGE ON SCHEMA {schema} TO {role};"
    );
    if rows != schema {
        script.push_str(&format!(
            "CREATE SCHEMA {rows} AUTHORIZATION {owner}; GRANT USAGE ON SCHEMA {rows} TO {role};"
        ));
    }
    client.batch_execute(&script).await?;
    Ok(())
}
