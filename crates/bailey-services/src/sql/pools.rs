//! Connections as plugins' roles. Each role logs in for itself, so what one plugin says never runs
//! on a connection of another; few roles have connections at any time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, Pool, PoolError, RecycleError, Timeouts};
use serde_json::value::RawValue;
use tokio::task::AbortHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

use bailey_protocol::{Clock, Timestamp, limits};
use bailey_sql::Space;

use super::parameters::declared_types;

/// Prepared statements kept on one connection, and bytes of their texts; then all are forgotten.
const STATEMENTS: usize = 200;
const STATEMENT_BYTES: usize = 512 * 1024;
/// Time after which a connection nobody uses is closed.
const IDLE: Duration = Duration::from_secs(60);

/// A connection as the role of one space.
pub(super) struct Connection {
    pub(super) client: Client,
    driver: AbortHandle,
    /// The token the session holds; `None` while that is not certain.
    pub(super) token: Option<String>,
    statements: HashMap<String, Statement>,
    /// Of the space's schema, when the statements were prepared.
    version: i64,
    /// Bytes of the statements' texts.
    bytes: usize,
    /// A statement did not end in time: nobody waits for it, and nobody uses the connection again.
    pub(super) spoiled: bool,
}

impl Connection {
    /// The statement, prepared once for each version of the schema.
    pub(super) async fn prepare(
        &mut self,
        sql: &str,
        values: &[Box<RawValue>],
        version: i64,
    ) -> Result<Statement, Error> {
        if self.version != version {
            self.forget();
            self.version = version;
        }
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = prepare(&self.client, sql, values).await?;
        if self.statements.len() >= STATEMENTS || self.bytes + sql.len() > STATEMENT_BYTES {
            self.forget();
        }
        self.bytes += sql.len();
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Forgets what was prepared: the tables have changed.
    pub(super) fn forget(&mut self) {
        self.statements.clear();
        self.bytes = 0;
    }
}

/// Prepares a statement. Parameters whose type the server cannot tell get the type of their value.
pub(super) async fn prepare(
    client: &Client,
    sql: &str,
    values: &[Box<RawValue>],
) -> Result<Statement, Error> {
    let mut types = Vec::new();
    loop {
        let error = match client.prepare_typed(sql, &types).await {
            Ok(statement) => return Ok(statement),
            Err(error) => error,
        };
        types.resize(values.len(), Type::UNKNOWN);
        let better = error.as_db_error().and_then(|told| declared_types(told, sql, &types, values));
        types = better.ok_or(error)?;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Opens connections as one role.
pub(super) struct Opener {
    config: Config,
}

impl managed::Manager for Opener {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection, Error> {
        let (client, connection) = self.config.connect(NoTls).await?;
        #[expect(clippy::disallowed_methods, reason = "ends with the connection, which aborts it")]
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a plugin's connection to the database ended");
            }
        });
        Ok(Connection {
            client,
            driver: driver.abort_handle(),
            token: None,
            statements: HashMap::new(),
            version: 0,
            bytes: 0,
            spoiled: false,
        })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> managed::RecycleResult<Error> {
        if connection.client.is_closed() || connection.spoiled {
            return Err(RecycleError::message("closed"));
        }
        Ok(())
    }
}

/// A connection on loan.
pub(super) type Loan = Object<Opener>;
/// Why there is none.
pub(super) type NoLoan = PoolError<Error>;

/// The connections of all roles.
pub(super) struct Pools {
    config: Config,
    roles: Mutex<HashMap<String, (Pool<Opener>, Timestamp)>>,
}

impl Pools {
    /// None yet. `config` is the host's; role and password are replaced.
    pub(super) fn new(config: Config) -> Self {
        Self { config, roles: Mutex::default() }
    }

    /// A connection as the role of a space.
    pub(super) async fn loan(
        &self,
        space: &Space,
        password: &str,
        clock: &dyn Clock,
    ) -> Result<Loan, NoLoan> {
        let pool = self.pool(space, password, clock.now())?;
        pool.get().await
    }

    fn pool(&self, space: &Space, password: &str, now: Timestamp) -> Result<Pool<Opener>, NoLoan> {
        let mut roles = self.lock();
        if let Some((pool, used_at)) = roles.get_mut(&space.role) {
            *used_at = now;
            return Ok(pool.clone());
        }
        let size =
            if space.is_shared() { limits::SQL_CONNECTIONS } else { limits::SQL_CONNECTIONS_PER_SERVER };
        let mut in_all: usize = roles.values().map(|(pool, _)| pool.status().max_size).sum();
        while in_all + size > limits::SQL_CONNECTIONS_IN_ALL {
            let longest_unused = roles.iter().min_by_key(|(_, (_, used_at))| *used_at);
            let Some(role) = longest_unused.map(|(role, _)| role.clone()) else { break };
            if let Some((pool, _)) = roles.remove(&role) {
                in_all -= pool.status().max_size;
                pool.close(); // what is on loan is closed when it comes back
            }
        }
        let mut config = self.config.clone();
        config.user(&space.role).password(password);
        let patience = Some(limits::SQL_CONNECTION_PATIENCE);
        let pool = Pool::builder(Opener { config })
            .max_size(size)
            .timeouts(Timeouts { wait: patience, create: patience, recycle: patience })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| PoolError::NoRuntimeSpecified)?; // the one thing building can fail for
        roles.insert(space.role.clone(), (pool.clone(), now));
        Ok(pool)
    }

    /// Closes connections nobody used for a while.
    pub(super) fn close_idle(&self) {
        for (pool, _) in self.lock().values() {
            pool.retain(|_, metrics| metrics.last_used() < IDLE);
        }
    }

    /// Closes all.
    pub(super) fn close(&self) {
        for (_, (pool, _)) in self.lock().drain() {
            pool.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Pool<Opener>, Timestamp)>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
