//! Statements on rows, as the plugin's own role: one round trip where the session already acts for
//! the server that asks.

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::method::sql::{RowObject, Rows};
use bailey_protocol::{CallError, limits};
use bailey_sql::Prepared;
use futures_util::{StreamExt, TryStreamExt, pin_mut};
use serde_json::value::RawValue;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, RowStream, Statement};

use super::failure::Failure;
use super::parameters;
use super::pools::{Connection, Loan};
use super::rows;
use super::tenancy::Tenancy;

/// Time beyond the statement's own after which the server is taken to be away.
const GRACE: Duration = Duration::from_secs(3);

/// A statement on its way to the database.
pub(super) struct Running<'a> {
    pub(super) tenancy: &'a Tenancy,
    pub(super) prepared: Arc<Prepared>,
    pub(super) parameters: &'a [Box<RawValue>],
    pub(super) statement_time: Duration,
    /// Of the space's schema, as the statement was rewritten for.
    pub(super) version: i64,
}

impl Running<'_> {
    /// Runs it; how many rows it changed, or found.
    pub(super) async fn execute(&self, loan: &mut Loan) -> Result<u64, Failure> {
        let statement = self.prepare(loan).await?;
        let connection: &mut Connection = loan;
        let token = self.token(connection);
        let parameters = parameters::all(self.parameters);
        let work = async {
            let client = &connection.client;
            // Both are sent at once, and in this order: the server takes them as they come, and the statement
            // must not meet the rows of whoever used the session before.
            let (told, done) =
                tokio::join!(biased; set(client, &token), client.execute_raw(&statement, &parameters));
            told?;
            Ok::<u64, Failure>(done?)
        };
        let done = within(self.statement_time + GRACE, work).await;
        self.settle(connection, token, &done).await;
        done
    }

    /// Runs it and reads at most `limit` rows.
    pub(super) async fn query(&self, loan: &mut Loan, limit: usize) -> Result<Rows, Failure> {
        let statement = self.prepare(loan).await?;
        let connection: &mut Connection = loan;
        let token = self.token(connection);
        let most = limit as i64 + 1;
        let parameters = parameters::all(self.parameters);
        let mut values: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        if self.prepared.limited {
            values.push(&most);
        }
        let work = async {
            let client = &connection.client;
            // In this order, as above.
            let (told, stream) = tokio::join!(biased; set(client, &token), client.query_raw(&statement, values.iter().copied()));
            told?;
            read(stream?, limit).await
        };
        let done = within(self.statement_time + GRACE, work).await;
        self.settle(connection, token, &done).await;
        done
    }

    async fn prepare(&self, connection: &mut Connection) -> Result<Statement, Failure> {
        let prepared = connection.prepare(&self.prepared.sql, self.parameters, self.version);
        within(self.statement_time + GRACE, async { Ok(prepared.await?) }).await
    }

    /// What to tell the session, if it does not act for this server already.
    fn token(&self, connection: &mut Connection) -> Option<String> {
        if connection.token.as_deref() == Some(&self.tenancy.token) {
            return None;
        }
        connection.token = None; // until it is certain
        Some(format!("SET bailey.token = '{}'", self.tenancy.token))
    }

    async fn settle<T>(&self, connection: &mut Connection, told: Option<String>, done: &Result<T, Failure>) {
        if matches!(done, Err(Failure::Call(_) | Failure::Slow)) {
            // Rows may still be coming: nobody waits for them.
            connection.spoiled = true;
            let _ = connection.client.cancel_token().cancel_query(NoTls).await;
        }
        // An error of the statement comes after the session was told.
        let certain = done.is_ok() || matches!(done, Err(failure) if failure.code().is_some());
        if told.is_some() && certain {
            connection.token = Some(self.tenancy.token.clone());
        }
    }
}

async fn set(client: &tokio_postgres::Client, token: &Option<String>) -> Result<(), Failure> {
    match token {
        Some(token) => Ok(client.batch_execute(token).await?),
        None => Ok(()),
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(time, work).await.unwrap_or(Err(Failure::Slow))
}

/// Reads rows as they come, within the bounds of an answer.
async fn read(stream: RowStream, limit: usize) -> Result<Rows, Failure> {
    pin_mut!(stream);
    let mut result: Vec<RowObject> = Vec::new();
    let (mut bytes, mut truncated) = (0, false);
    while let Some(row) = stream.try_next().await? {
        if result.len() == limit {
            truncated = true;
            break;
        }
        let object = rows::row(&row)
            .map_err(|error| CallError::Sql { sqlstate: "0A000".to_owned(), message: error.to_string() })?;
        bytes += object.size();
        if bytes > limits::SQL_RESULT_BYTES {
            let most = limits::SQL_RESULT_BYTES / (1024 * 1024);
            return Err(CallError::Sql {
                sqlstate: "54000".to_owned(),
                message: format!("the result is larger than {most} MiB; ask for fewer rows or columns"),
            }
            .into());
        }
        result.push(object);
    }
    // What writes must run to its end: an error may still come.
    if truncated {
        while stream.next().await.transpose()?.is_some() {}
    }
    Ok(Rows { rows: result, truncated })
}
