//! The pool of connections and the tables' versions.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Client, Config, NoTls};

use crate::StoreError;

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// The schema the records live in.
const SCHEMA: &str = "bailey_platform";
/// Connections kept at most.
const CONNECTIONS: usize = 8;
/// Time a caller waits for a connection, and a statement for its end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The platform's records. A cheap clone.
///
/// What it confirms has reached the disk: `synchronous_commit` stays on here.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

impl Store {
    /// Connects and brings the tables up to date. Safe to do from several processes at once.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be reached or its tables not be brought up to date.
    pub async fn connect(config: &Config) -> Result<Self, StoreError> {
        Self::connect_in(config, SCHEMA).await
    }

    /// As [`Store::connect`], in a schema of another name: `a-z`, `0-9` and `_`.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn connect_in(config: &Config, schema: &str) -> Result<Self, StoreError> {
        migrate(config, schema).await?;
        let statement_timeout = PATIENCE.as_millis();
        let options = format!("-c search_path={schema} -c statement_timeout={statement_timeout}");
        let manager = Manager::from_config(
            with_options(config, &options),
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .timeouts(deadpool_postgres::Timeouts::wait_millis(PATIENCE.as_millis() as u64))
            .create_timeout(Some(PATIENCE))
            .recycle_timeout(Some(PATIENCE))
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self { pool })
    }

    /// Closes every connection; whoever asks for one from now on is refused.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Whether the database answers: what a readiness probe asks.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute("SELECT 1", &[]).await.map(drop).map_err(StoreError::statement("reach the database"))
    }

    pub(crate) async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }
}

fn with_options(config: &Config, options: &str) -> Config {
    let mut config = config.clone();
    let given = config.get_options().unwrap_or_default();
    config.options(format!("{given} {options}").trim());
    config
}

/// Brings the tables up to date on a connection of its own. Two processes starting together take
/// turns; the second finds nothing left to do.
async fn migrate(config: &Config, schema: &str) -> Result<(), StoreError> {
    let config = with_options(config, &format!("-c search_path={schema} -c lock_timeout=60s"));
    let (mut client, connection) = config.connect(NoTls).await.map_err(StoreError::Connect)?;
    tokio::select! {
        done = migrate_on(&mut client, schema) => done,
        ended = connection => Err(StoreError::ConnectionLost(ended.err())),
    }
}

async fn migrate_on(client: &mut Client, schema: &str) -> Result<(), StoreError> {
    let lock = format!("bailey migrations of {schema}");
    client
        .execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&lock])
        .await
        .map_err(StoreError::statement("wait for another process to bring the tables up to date"))?;
    let made = client
        .query_opt("SELECT FROM pg_namespace WHERE nspname = $1", &[&schema])
        .await
        .map_err(StoreError::statement("look for the schema"))?;
    if made.is_none() {
        let create = format!("CREATE SCHEMA {schema}");
        client
            .batch_execute(&create)
            .await
            .map_err(|source| StoreError::Schema { schema: schema.to_owned(), source })?;
    }
    let report = migrations::migrations::runner()
        .set_migration_table_name("bailey_store_migrations")
        .run_async(client)
        .await
        .map_err(|error| StoreError::Migrate(Box::new(error)))?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, schema, "brought the platform's tables up to date");
    }
    Ok(())
}
