//! The database of plugins' tables: what it must be before a plugin's statement runs there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailey_protocol::{Clock, limits};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use quick_cache::sync::Cache;
use rand::Rng;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Config, NoTls};

use super::bounds::Bounds;
use super::budget::Budget;
use super::pools::Pools;
use super::{Inner, REMEMBERED, REMEMBERED_BYTES, Sql, Weight};

mod migrations {
    refinery::embed_migrations!("migrations_sql");
}

/// How plugins' tables are kept.
#[derive(Debug, Clone)]
pub struct SqlOptions {
    /// Connections of the host's own, for changes of the schema.
    pub connections: usize,
    /// Bytes the rows of a plugin on a server may take.
    pub disk_bytes: u64,
    /// Changes of the schema a plugin on a server may make in an hour.
    pub changes_per_hour: u32,
    /// Time a statement may run.
    pub statement_time: Duration,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            disk_bytes: limits::SQL_DISK_BYTES,
            changes_per_hour: limits::SQL_SCHEMA_CHANGES_PER_HOUR,
            statement_time: limits::SQL_STATEMENT_TIME,
        }
    }
}

/// Why the database of plugins' tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// It could not be reached.
    #[error(
        "could not connect to the database of plugins' tables; hint: is PostgreSQL running, and is the URL right?"
    )]
    Connect(#[source] tokio_postgres::Error),
    /// A question about it was not answered.
    #[error("could not look at the database of plugins' tables")]
    Look(#[source] tokio_postgres::Error),
    /// The role is not the one the database's rules name.
    #[error(
        "the database of plugins' tables must be entered as the role bailey_sql, not {role}, and that role must be no superuser"
    )]
    Role {
        /// The role the URL names.
        role: String,
    },
    /// Something is open that plugins must not reach.
    #[error(
        "the database of plugins' tables is not closed to plugins: {what}; hint: let a superuser run the \
         script that `bailey sql-hardening` prints in that database, once and after each upgrade of the server"
    )]
    NotHardened {
        /// What is open.
        what: String,
    },
    /// The tables could not be brought up to date.
    #[error("could not bring Bailey's own tables in the database of plugins' tables up to date")]
    Migrate(#[source] Box<refinery::Error>),
    /// The connection broke meanwhile.
    #[error("the database of plugins' tables closed the connection; hint: start again")]
    ConnectionLost(#[source] Option<tokio_postgres::Error>),
    /// The pool could not be made.
    #[error("could not set up the connections to the database of plugins' tables")]
    Build(#[from] deadpool_postgres::BuildError),
}

/// The script that closes the database to plugins, for a superuser to run in it. The role
/// `bailey_sql` must be there. Running it again is safe.
pub fn hardening() -> String {
    // The server's own to_regclass would tell of all tables; plugins get one of Bailey's. Dedicated tables
    // count with sequences, which have owners of their own; the guards look at sizes.
    let functions: Vec<&str> = bailey_sql::functions()
        .filter(|name| *name != "to_regclass")
        .chain(["nextval", "pg_column_size"])
        .collect();
    include_str!("harden.sql").replace("{functions}", &format!("{{{}}}", functions.join(",")))
}

impl Sql {
    /// The service on a database that is closed to plugins, with times from `clock` and secrets
    /// from `rng`.
    ///
    /// # Errors
    /// [`SqlError`] when the database cannot be used, and when it is not closed: plugins' statements then
    /// do not run at all.
    pub async fn connect(
        config: &Config,
        options: &SqlOptions,
        clock: Arc<dyn Clock>,
        rng: impl Rng + Send + 'static,
    ) -> Result<Self, SqlError> {
        let (mut client, connection) = config.connect(NoTls).await.map_err(SqlError::Connect)?;
        tokio::select! {
            ready = prepare(&mut client) => ready?,
            ended = connection => return Err(SqlError::ConnectionLost(ended.err())),
        }
        let patience = Some(limits::SQL_CONNECTION_PATIENCE);
        let mut host_config = config.clone();
        let given = config.get_options().unwrap_or_default();
        // What the host confirms of a schema has reached the disk.
        host_config.options(format!("{given} -c search_path=pg_catalog").trim());
        let manager = Manager::from_config(
            host_config,
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let host = Pool::builder(manager)
            .max_size(options.connections)
            .timeouts(Timeouts { wait: patience, create: patience, recycle: patience })
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self(Some(Arc::new(Inner {
            host,
            pools: Pools::new(config.clone()),
            clock,
            rng: Arc::new(Mutex::new(rng)),
            isolation: Mutex::default(),
            tenancies: Mutex::default(),
            remembered: Cache::with_weighter(REMEMBERED, REMEMBERED_BYTES, Weight),
            changes: Semaphore::new((options.connections / 2).max(1)),
            budget: Budget::new(options.changes_per_hour),
            bounds: Bounds { statement_time: options.statement_time, disk_bytes: options.disk_bytes },
        }))))
    }
}

async fn prepare(client: &mut Client) -> Result<(), SqlError> {
    look(client).await?;
    let lock = "SELECT pg_advisory_lock(hashtextextended('bailey migrations of bailey_sql', 0))";
    client.batch_execute(lock).await.map_err(SqlError::Look)?;
    let report = migrations::migrations::runner()
        .set_migration_table_name("public.bailey_sql_migrations")
        .run_async(client)
        .await
        .map_err(|error| SqlError::Migrate(Box::new(error)))?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, "brought the database of plugins' tables up to date");
    }
    guard(client).await.map_err(SqlError::Look)?;
    Ok(())
}

/// Makes the guards, once: expressions of plugins' tables may lead to them.
async fn guard(client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let made = "SELECT to_regprocedure('bailey_sql.within_reach(text, numeric)') IS NOT NULL";
    if client.query_one(made, &[]).await?.get(0) {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(&super::guards::statements("bailey_sql")).await?;
    transaction.commit().await
}

/// Refuses a database in which a role without rights of its own could do more than compute.
async fn look(client: &Client) -> Result<(), SqlError> {
    const SQL: &str = "
        SELECT current_user::text AS role,
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
               ARRAY(SELECT DISTINCT proname::text FROM pg_proc
                     WHERE proname IN ('set_config', 'current_setting', 'query_to_xml', 'pg_sleep', 'lo_create',
                                       'pg_advisory_lock', 'ts_stat', 'pg_read_file', 'to_regclass', 'version')
                       AND pronamespace = 'pg_catalog'::regnamespace
                       AND has_function_privilege('public', oid, 'EXECUTE')) AS functions,
               ARRAY(SELECT relation.oid::regclass::text FROM pg_class AS relation
                     WHERE relation.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                       AND relation.relkind IN ('r', 'v')
                       AND has_table_privilege('public', relation.oid, 'SELECT') LIMIT 3) AS relations,
               has_database_privilege('public', current_database(), 'TEMP') AS temporary,
               has_schema_privilege('public', 'public', 'CREATE') AS creation,
               has_language_privilege('public', 'plpgsql', 'USAGE') AS language";
    let row = client.query_one(SQL, &[]).await.map_err(SqlError::Look)?;
    let role: String = row.get("role");
    if role != "bailey_sql" || row.get("superuser") {
        return Err(SqlError::Role { role });
    }
    let (functions, relations): (Vec<String>, Vec<String>) = (row.get("functions"), row.get("relations"));
    let what = if !functions.is_empty() {
        format!("anybody may call {}", functions.join(", "))
    } else if !relations.is_empty() {
        format!("anybody may read {}", relations.join(", "))
    } else if row.get("temporary") {
        "anybody may make temporary tables".to_owned()
    } else if row.get("creation") {
        "anybody may make tables in the schema public".to_owned()
    } else if row.get("language") {
        "anybody may use the language plpgsql".to_owned()
    } else {
        return Ok(());
    };
    Err(SqlError::NotHardened { what })
}
