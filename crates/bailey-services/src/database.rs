//! The plugins' database: connections with a deadline on everything, and failures put in the words
//! a plugin gets. What is stored is the services' business.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use bailey_protocol::{CallError, Tenant};
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts, Transaction,
};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// What an answer to a plugin must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The server's memory: a crash of the database's machine may take back the last second of
    /// writes, and never leaves half of one. Several times faster.
    Relaxed,
    /// The disk.
    Full,
}

/// How to use the plugins' database.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// The schema the tables live in: `a-z`, `0-9` and `_`.
    pub schema: String,
    /// Connections at most.
    pub connections: usize,
    /// What a confirmed write must have reached.
    pub durability: Durability,
    /// Time to wait for a connection, and again for a statement.
    pub patience: Duration,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            schema: "bailey_plugins".to_owned(),
            connections: 16,
            durability: Durability::Relaxed,
            patience: Duration::from_secs(5),
        }
    }
}

/// Why the plugins' database could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It could not be reached.
    #[error("could not connect to the plugins' database; hint: is PostgreSQL running, and is the URL right?")]
    Connect(#[source] tokio_postgres::Error),
    /// The schema could not be made.
    #[error(
        "could not make the schema {schema}; hint: the role needs CREATE on the database, or an owner makes the schema for it"
    )]
    Schema {
        /// Its name.
        schema: String,
        /// The server's reason.
        source: tokio_postgres::Error,
    },
    /// The tables could not be brought up to date.
    #[error("could not bring the plugins' tables up to date")]
    Migrate(#[source] Box<refinery::Error>),
    /// The connection broke while the tables were brought up to date.
    #[error(
        "the plugins' database closed the connection while its tables were brought up to date; hint: start again"
    )]
    ConnectionLost(#[source] Option<tokio_postgres::Error>),
    /// The pool could not be made.
    #[error("could not set up the connections to the plugins' database")]
    Build(#[from] deadpool_postgres::BuildError),
}

/// The plugins' database. A cheap clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    patience: Duration,
}

impl Database {
    /// Connects and brings the tables up to date. Safe to do from several processes at once.
    ///
    /// # Errors
    /// [`DatabaseError`] when the database cannot be reached or its tables not be brought up to date.
    pub async fn connect(config: &Config, options: &DatabaseOptions) -> Result<Self, DatabaseError> {
        migrate(config, &options.schema).await?;
        let synchronous_commit = match options.durability {
            Durability::Relaxed => "off",
            Durability::Full => "on",
        };
        let settings = format!(
            "-c search_path={} -c synchronous_commit={synchronous_commit} -c statement_timeout={}",
            options.schema,
            options.patience.as_millis()
        );
        let manager = Manager::from_config(
            with_settings(config, &settings),
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let patience = Some(options.patience);
        let pool = Pool::builder(manager)
            .max_size(options.connections)
            .timeouts(Timeouts { wait: patience, create: patience, recycle: patience })
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self { pool, patience: options.patience })
    }

    /// Closes every connection; whoever asks for one from now on is refused.
    pub fn close(&self) {
        self.pool.close();
    }

    pub(crate) async fn client(&self) -> Result<Object, Failure> {
        Ok(self.pool.get().await?)
    }

    /// Gives `work` a deadline and puts its failure in the words a plugin gets; the cause goes to
    /// the operator's log.
    pub(crate) async fn bounded<T>(
        &self,
        what: &'static str,
        tenant: &(dyn Display + Sync),
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, CallError> {
        // The server keeps its own time; this is for a server that no longer answers at all.
        let outcome = match tokio::time::timeout(self.patience * 3, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Slow),
        };
        outcome.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Slow => {
                tracing::error!(what, %tenant, "the plugins' database did not answer in time");
                CallError::Timeout { what: "the database" }
            }
            Failure::Statement(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(what, %tenant, error, "a statement on the plugins' database failed");
                CallError::Internal
            }
            Failure::Pool(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(what, %tenant, error, "no connection to the plugins' database");
                CallError::Internal
            }
            Failure::Unreadable(what_row) => {
                tracing::error!(what, %tenant, row = what_row, "a stored row cannot be read");
                CallError::Internal
            }
        })
    }
}

/// What can go wrong inside a service's work on the database.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The plugin asked for something it cannot have.
    Refused(CallError),
    /// No connection, or no answer, in time.
    Slow,
    /// No connection for another reason.
    Pool(PoolError),
    /// The server refused or broke.
    Statement(tokio_postgres::Error),
    /// The row holds what no service wrote.
    Unreadable(String),
}

impl Failure {
    /// Whether the same work may succeed when done again: the server picked us as a victim.
    pub(crate) fn is_passing(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        matches!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE))
    }

    /// Whether a rule of the table named `constraint` was broken.
    pub(crate) fn breaks(&self, constraint: &str) -> bool {
        let Self::Statement(error) = self else { return false };
        error.as_db_error().is_some_and(|error| error.constraint() == Some(constraint))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE) => Self::Slow,
            _ => Self::Statement(error),
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(_) => Self::Slow,
            PoolError::Backend(error) => error.into(),
            error => Self::Pool(error),
        }
    }
}

/// A transaction that has reached the disk when it is committed, whatever the other tables are content with.
pub(crate) async fn durable(client: &mut Object) -> Result<Transaction<'_>, Failure> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = on").await?;
    Ok(transaction)
}

fn with_settings(config: &Config, settings: &str) -> Config {
    let mut config = config.clone();
    let given = config.get_options().unwrap_or_default();
    config.options(format!("{given} {settings}").trim());
    config
}

/// Brings the tables in `schema` up to date on a connection of its own. Two processes starting
/// together take turns; the second finds nothing left to do.
///
/// # Errors
/// [`DatabaseError`] when that fails.
pub async fn migrate(config: &Config, schema: &str) -> Result<(), DatabaseError> {
    let config = with_settings(config, &format!("-c search_path={schema} -c lock_timeout=60s"));
    let (mut client, connection) = config.connect(NoTls).await.map_err(DatabaseError::Connect)?;
    tokio::select! {
        done = migrate_on(&mut client, schema) => done,
        ended = connection => Err(DatabaseError::ConnectionLost(ended.err())),
    }
}

async fn migrate_on(client: &mut Client, schema: &str) -> Result<(), DatabaseError> {
    let lost = |error| DatabaseError::ConnectionLost(Some(error));
    let lock = format!("bailey migrations of {schema}");
    client.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&lock]).await.map_err(lost)?;
    let made =
        client.query_opt("SELECT FROM pg_namespace WHERE nspname = $1", &[&schema]).await.map_err(lost)?;
    if made.is_none() {
        let create = format!("CREATE SCHEMA {schema}");
        let created = client.batch_execute(&create).await;
        created.map_err(|source| DatabaseError::Schema { schema: schema.to_owned(), source })?;
    }
    let report = migrations::migrations::runner()
        .set_migration_table_name("bailey_services_migrations")
        .run_async(client)
        .await
        .map_err(|error| DatabaseError::Migrate(Box::new(error)))?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, schema, "brought the plugins' tables up to date");
    }
    Ok(())
}

/// PostgreSQL has no unsigned integers; the bits are the same.
pub(crate) fn stored_guild(tenant: &Tenant) -> i64 {
    tenant.guild.0.cast_signed()
}
