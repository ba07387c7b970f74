//! `sql.*`: tables a plugin makes itself, its own on each server.
//!
//! What a plugin writes is checked and rewritten by `bailey-sql`, then run by PostgreSQL under a
//! role of the plugin's that owns nothing and may call only what computes. Which rows it meets is
//! decided there, by a token the session holds and the plugin never sees. Start at [`Sql`]; statements on
//! rows are run in `run.rs`, changes of the schema in `change.rs`.

mod bounds;
mod budget;
mod change;
mod facts;
mod failure;
pub mod guards;
pub mod parameters;
mod pools;
mod recount;
pub mod rows;
mod run;
mod setup;
mod tenancy;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bailey_protocol::capability::StorageSql;
use bailey_protocol::method::sql::{Affected, Execute, OneRow, Query, Rows, SqlIsolation};
use bailey_protocol::{CallError, Clock, Grant, PluginId, Tenant};
use bailey_sql::{Data, Prepared, Refusal, Script, Space, Statement};
use deadpool_postgres::Pool;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rand::Rng;
use serde_json::value::RawValue;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use bounds::Bounds;
use budget::Budget;
use failure::Failure;
use pools::Pools;
use run::Running;
pub use setup::{SqlError, SqlOptions, hardening};
use tenancy::{Tenancy, View};

use crate::rounds::Rounds;

/// Texts whose rewriting is remembered, about, and bytes they may take.
const REMEMBERED: usize = 4096;
const REMEMBERED_BYTES: u64 = 64 * 1024 * 1024;
/// Time between two looks for connections nobody uses.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Said where there is no service.
const NO_DATABASE: &str =
    "this Bailey has no database for plugins' tables; its operator can give it one with --sql-database-url";
/// Bytes of a text that is parsed where it is met: a fraction of a millisecond.
const SHORT_TEXT: usize = 4096;
/// Attempts at a statement when somebody else may have changed the tables meanwhile.
const ATTEMPTS: u32 = 2;

/// The service of plugins' own tables. A cheap clone.
#[derive(Clone)]
pub struct Sql(Option<Arc<Inner>>);

struct Inner {
    host: Pool,
    pools: Pools,
    clock: Arc<dyn Clock>,
    rng: Arc<Mutex<dyn Rng + Send>>,
    isolation: Mutex<HashMap<PluginId, SqlIsolation>>,
    tenancies: Mutex<HashMap<Tenant, Arc<OnceCell<Arc<Tenancy>>>>>,
    remembered: Cache<Key, Arc<Known>, Weight>,
    /// Changes of schemas at the same time: they leave connections of the host's to everybody else.
    changes: Semaphore,
    budget: Budget,
    bounds: Bounds,
}

/// A text of a space, at a version of its schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    space: i32,
    version: i64,
    limited: Option<i32>,
    text: String,
}

/// A statement on rows, ready to run for any server of the space that has its tables.
struct Known {
    tables: Vec<String>,
    prepared: Arc<Prepared>,
}

/// Bytes of what is remembered of a text.
#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Known>> for Weight {
    fn weight(&self, key: &Key, known: &Arc<Known>) -> u64 {
        (key.text.len() + known.prepared.sql.len() + 512) as u64
    }
}

/// What a text turned out to be.
enum Work {
    /// One statement on rows.
    Rows(Arc<Prepared>),
    /// Anything else.
    Script(Script),
}

impl Sql {
    /// No service: there is no database for it. Calls are told so.
    pub fn unavailable() -> Self {
        Self(None)
    }

    /// Chooses how the servers of a plugin are kept apart, from now on and until its first statement;
    /// afterwards its tables stay as they are.
    pub fn isolate(&self, plugin: &PluginId, isolation: SqlIsolation) {
        if let Some(inner) = &self.0 {
            let mut chosen = inner.isolation.lock().unwrap_or_else(PoisonError::into_inner);
            chosen.insert(plugin.clone(), isolation);
        }
    }

    /// `sql.execute`: runs a statement, or several as one transaction; how many rows the last one
    /// changed, or found.
    ///
    /// # Errors
    /// [`CallError::Validation`] for what plugins may not say; [`CallError::Sql`] for what the
    /// database refuses; [`CallError::RateLimited`] past the changes of the schema in an hour.
    pub async fn execute(&self, grant: &Grant<StorageSql>, params: &Execute) -> Result<Affected, CallError> {
        let tenant = grant.tenant();
        let inner = self.inner()?;
        let rowcount = inner.execute(tenant, params).await;
        rowcount.map(|rowcount| Affected { rowcount }).map_err(|failure| inner.told(failure, tenant))
    }

    /// `sql.query`: runs one statement and returns its rows, at most as many as asked for.
    ///
    /// # Errors
    /// As [`Sql::execute`], and [`CallError::Sql`] for a result of more than 8 MiB.
    pub async fn query(&self, grant: &Grant<StorageSql>, params: &Query) -> Result<Rows, CallError> {
        let tenant = grant.tenant();
        let inner = self.inner()?;
        let rows = inner.query(tenant, params).await;
        rows.map_err(|failure| inner.told(failure, tenant))
    }

    /// `sql.query_one`: the first row, if there is one.
    ///
    /// # Errors
    /// As [`Sql::query`].
    pub async fn query_one(&self, grant: &Grant<StorageSql>, params: &Query) -> Result<OneRow, CallError> {
        let rows = self.query(grant, params).await?;
        Ok(OneRow { row: rows.rows.into_iter().next() })
    }

    /// Whether plugins' tables can be reached, and why not.
    ///
    /// # Errors
    /// What stands in the way, in words for an operator.
    pub async fn ping(&self) -> Result<(), String> {
        let Some(inner) = &self.0 else { return Err(NO_DATABASE.to_owned()) };
        let client = inner.host.get().await.map_err(|error| error.to_string())?;
        client.batch_execute("SELECT 1").await.map_err(|error| error.to_string())
    }

    /// Closes connections nobody uses, and counts anew once a night, until cancelled. Never fails: what
    /// could not be counted waits for the next night.
    pub async fn run_sweeper(&self, cancelled: CancellationToken) {
        let Some(inner) = &self.0 else { return };
        let mut rounds = Rounds::later(SWEEP_INTERVAL, &*inner.clock, &cancelled);
        while rounds.next().await {
            inner.pools.close_idle();
            cancelled.run_until_cancelled(self.recount()).await;
        }
    }

    /// Counts anew what the rows of everybody take, if tonight's count is due and no other host does it.
    /// How many counts were wrong.
    pub async fn recount(&self) -> u64 {
        let Some(inner) = &self.0 else { return 0 };
        match recount::run_if_due(&inner.host, inner.clock.now()).await {
            Ok(wrong) => wrong,
            Err(failure) => {
                tracing::error!(?failure, "could not count anew what plugins' rows take");
                0
            }
        }
    }

    /// Closes every connection; calls are refused from now on.
    pub fn close(&self) {
        if let Some(inner) = &self.0 {
            inner.pools.close();
            inner.host.close();
        }
    }

    fn inner(&self) -> Result<&Inner, CallError> {
        self.0
            .as_deref()
            .ok_or_else(|| CallError::Sql { sqlstate: "08001".to_owned(), message: NO_DATABASE.to_owned() })
    }
}

impl Inner {
    fn told(&self, failure: Failure, tenant: &Tenant) -> CallError {
        failure.into_call_error(tenant, self.bounds)
    }

    async fn execute(&self, tenant: &Tenant, params: &Execute) -> Result<u64, Failure> {
        let Execute { sql, parameters } = params;
        let tenancy = self.tenancy(tenant).await?;
        let mut attempt = 1;
        loop {
            let done = self.execute_once(&tenancy, sql, parameters).await;
            match done {
                Err(failure) if failure.may_be_outdated() && attempt < ATTEMPTS => {
                    attempt += 1;
                    if !self.was_outdated(&tenancy).await? {
                        return Err(failure);
                    }
                }
                done => return done,
            }
        }
    }

    async fn execute_once(
        &self,
        tenancy: &Tenancy,
        sql: &str,
        parameters: &[Box<RawValue>],
    ) -> Result<u64, Failure> {
        let text = numbered(sql, parameters)?;
        let view = self.view(tenancy).await?;
        if tenancy.is_unchanging(view.version, &text) {
            return Ok(0);
        }
        match self.understand(tenancy, &view, &text, None).await? {
            Work::Rows(prepared) => {
                let _turn = tenancy.turn().await?;
                let mut loan = self.pools.loan(&tenancy.space, &tenancy.password, &*self.clock).await?;
                let done = self.running(tenancy, &view, prepared, parameters).execute(&mut loan).await;
                self.forget_outdated(&mut loan, &done);
                done
            }
            Work::Script(script) => self.script(tenancy, &view, &text, &script, parameters).await,
        }
    }

    async fn query(&self, tenant: &Tenant, params: &Query) -> Result<Rows, Failure> {
        let tenancy = self.tenancy(tenant).await?;
        let mut attempt = 1;
        loop {
            match self.query_once(&tenancy, params).await {
                Err(failure) if failure.may_be_outdated() && attempt < ATTEMPTS => {
                    attempt += 1;
                    if !self.was_outdated(&tenancy).await? {
                        return Err(failure);
                    }
                }
                done => return done,
            }
        }
    }

    async fn query_once(&self, tenancy: &Tenancy, params: &Query) -> Result<Rows, Failure> {
        let Query { sql, parameters, limit } = params;
        let text = numbered(sql, parameters)?;
        let view = self.view(tenancy).await?;
        let limited = i32::try_from(parameters.len() + 1).ok();
        match self.understand(tenancy, &view, &text, limited).await? {
            Work::Rows(prepared) => {
                let _turn = tenancy.turn().await?;
                let mut loan = self.pools.loan(&tenancy.space, &tenancy.password, &*self.clock).await?;
                let done = self.running(tenancy, &view, prepared, parameters).query(&mut loan, *limit).await;
                self.forget_outdated(&mut loan, &done);
                done
            }
            Work::Script(script) if script.statements.len() == 1 => {
                self.script(tenancy, &view, &text, &script, parameters).await?;
                Ok(Rows { rows: Vec::new(), truncated: false })
            }
            Work::Script(_) => {
                Err(CallError::validation("sql", "one statement (several go through sql.execute)").into())
            }
        }
    }

    /// Runs what changes the schema, or is several statements.
    async fn script(
        &self,
        tenancy: &Tenancy,
        view: &View,
        text: &str,
        script: &Script,
        parameters: &[Box<RawValue>],
    ) -> Result<u64, Failure> {
        if script.statements.len() > 1 && !parameters.is_empty() {
            return Err(CallError::validation("params", "no value (several statements take none)").into());
        }
        let _turn = self.changes.acquire().await;
        let mut client = self.host.get().await?;
        let allowed = || self.budget.spend(&tenancy.tenant, self.clock.now());
        let outcome = change::run(&mut client, tenancy, script, parameters, self.bounds, allowed).await;
        drop(client);
        self.doubt(tenancy);
        let outcome = outcome?;
        if outcome.unchanging && !outcome.changed {
            tenancy.note_unchanging(view.version, text);
        }
        Ok(outcome.rowcount)
    }

    /// Who is asking; made on the first call.
    async fn tenancy(&self, tenant: &Tenant) -> Result<Arc<Tenancy>, Failure> {
        let cell = {
            let mut tenancies = self.tenancies.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tenancies.entry(tenant.clone()).or_default())
        };
        let open = async || {
            let isolation = {
                let chosen = self.isolation.lock().unwrap_or_else(PoisonError::into_inner);
                chosen.get(&tenant.plugin).copied().unwrap_or_default()
            };
            let _turn = self.changes.acquire().await;
            let mut client = self.host.get().await?;
            let tenancy = Tenancy::open(&mut client, tenant, isolation, self.bounds, &*self.rng).await?;
            Ok::<_, Failure>(Arc::new(tenancy))
        };
        cell.get_or_try_init(open).await.cloned()
    }

    /// The tables as the server has them.
    async fn view(&self, tenancy: &Tenancy) -> Result<Arc<View>, Failure> {
        let now = self.clock.now();
        match tenancy.believed(now) {
            Some(view) => Ok(view),
            None => tenancy.read(&*self.host.get().await?, now).await,
        }
    }

    fn running<'a>(
        &self,
        tenancy: &'a Tenancy,
        view: &View,
        prepared: Arc<Prepared>,
        parameters: &'a [Box<RawValue>],
    ) -> Running<'a> {
        let statement_time = self.bounds.statement_time;
        Running { tenancy, prepared, parameters, statement_time, version: view.version }
    }

    /// After a change nobody in the space believes what they read before.
    fn doubt(&self, changed: &Tenancy) {
        let tenancies = self.tenancies.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tenancies.values().filter_map(|cell| cell.get());
        known.filter(|tenancy| tenancy.space.id == changed.space.id).for_each(|tenancy| tenancy.doubt());
    }

    /// Reads the tables again; whether they are others than we believed.
    async fn was_outdated(&self, tenancy: &Tenancy) -> Result<bool, Failure> {
        let now = self.clock.now();
        let believed = tenancy.believed(now);
        let read = tenancy.read(&*self.host.get().await?, now).await?;
        Ok(believed
            .is_none_or(|believed| believed.version != read.version || believed.catalogue != read.catalogue))
    }

    /// After a change by somebody else a connection's prepared statements may not run any longer.
    fn forget_outdated<T>(&self, connection: &mut pools::Connection, done: &Result<T, Failure>) {
        if matches!(done, Err(failure) if failure.may_be_outdated()) {
            connection.forget();
        }
    }

    /// What a text is, checked and rewritten; remembered for all servers of the space.
    async fn understand(
        &self,
        tenancy: &Tenancy,
        view: &View,
        text: &str,
        limited: Option<i32>,
    ) -> Result<Work, Failure> {
        let space = &tenancy.space;
        let key = Key { space: space.id, version: view.version, limited, text: text.to_owned() };
        if let Some(known) = self.remembered.get(&key) {
            let missing = known.tables.iter().find(|table| !view.catalogue.tables.contains_key(*table));
            return match missing {
                Some(table) => Err(Refusal::missing_table(table).into()),
                None => Ok(Work::Rows(Arc::clone(&known.prepared))),
            };
        }
        let mut script = analyse(text, space).await?;
        if let [Statement::Data(data)] = script.statements.as_mut_slice() {
            return self.remember(data, key, tenancy, view, limited);
        }
        Ok(Work::Script(script))
    }

    fn remember(
        &self,
        data: &Data,
        key: Key,
        tenancy: &Tenancy,
        view: &View,
        limited: Option<i32>,
    ) -> Result<Work, Failure> {
        let prepared = Arc::new(data.prepare(&tenancy.space, &view.catalogue, limited)?);
        let tables = data.tables().map(str::to_owned).collect();
        self.remembered.insert(key, Arc::new(Known { tables, prepared: Arc::clone(&prepared) }));
        Ok(Work::Rows(prepared))
    }
}

/// Parses and checks a text; a long one takes its time where nobody waits for it.
async fn analyse(text: &str, space: &Space) -> Result<Script, Failure> {
    if text.len() <= SHORT_TEXT {
        return Ok(bailey_sql::analyse(text, space)?);
    }
    let (text, space) = (text.to_owned(), space.clone());
    let analysing = tokio::task::spawn_blocking(move || bailey_sql::analyse(&text, &space));
    Ok(analysing.await.map_err(|_| CallError::Internal)??)
}

/// The text with its placeholders numbered.
fn numbered<'a>(sql: &'a str, parameters: &[Box<RawValue>]) -> Result<std::borrow::Cow<'a, str>, CallError> {
    bailey_sql::placeholders::number(sql, parameters.len())
        .map_err(|error| CallError::validation(error.field(), error.to_string()))
}
