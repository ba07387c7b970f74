//! What went wrong, in the words a plugin gets. The server's primary message and code pass; its
//! detail and hint, which quote rows, never do.

use bailey_protocol::{CallError, Tenant, limits};
use bailey_sql::{Refusal, Space};
use tokio_postgres::Error;

use super::bounds::Bounds;
use super::pools::NoLoan;

/// What can go wrong while a plugin's statement is run.
#[derive(Debug)]
pub(super) enum Failure {
    /// Before the database has seen it.
    Refused(Refusal),
    /// In words that are final.
    Call(CallError),
    /// By the database.
    Database(Error),
    /// No connection.
    NoConnection(NoLoan),
    /// The server's, or the plugin's, connections are all in use.
    Busy,
    /// No answer in time.
    Slow,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<NoLoan> for Failure {
    fn from(error: NoLoan) -> Self {
        Self::NoConnection(error)
    }
}

impl Failure {
    /// The database's code, if it was the database.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Database(error) => error.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        }
    }

    /// Whether what we believed of the tables may be outdated: another process may have changed them.
    pub(super) fn may_be_outdated(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.says_missing(),
            // No such table, column or key; a view that was made anew; a plan of before.
            _ => matches!(self.code(), Some("42P01" | "42703" | "42P10" | "0A000" | "42501")),
        }
    }

    /// The error the plugin gets. What is not its doing goes to the operator's log.
    pub(super) fn into_call_error(self, tenant: &Tenant, bounds: Bounds) -> CallError {
        match self {
            Self::Call(error) => error,
            Self::Refused(Refusal::Sql { sqlstate, message }) => {
                CallError::Sql { sqlstate: sqlstate.to_owned(), message }
            }
            Self::Refused(Refusal::Forbidden { what }) => CallError::validation(
                "sql",
                format!("a statement without {what}, which plugins may not use,"),
            ),
            Self::Refused(refusal @ Refusal::SharedOnly { .. }) => {
                CallError::Sql { sqlstate: "0A000".to_owned(), message: refusal.to_string() }
            }
            Self::Slow => {
                tracing::error!(%tenant, "the database of plugins' SQL did not answer in time");
                CallError::Timeout { what: "the database" }
            }
            Self::Busy | Self::NoConnection(NoLoan::Timeout(_)) => busy(),
            Self::NoConnection(NoLoan::Backend(error)) | Self::Database(error) => {
                database(&error, tenant, bounds)
            }
            Self::NoConnection(error) => {
                tracing::error!(%tenant, %error, "no connection to the database of plugins' SQL");
                CallError::Internal
            }
        }
    }
}

/// All connections are at work.
fn busy() -> CallError {
    CallError::Sql {
        sqlstate: "53300".to_owned(),
        message: format!(
            "all connections are busy, {} for the plugin and {} for a server of it; make statements shorter or \
             fewer at once",
            limits::SQL_CONNECTIONS,
            limits::SQL_CONNECTIONS_PER_SERVER
        ),
    }
}

fn database(error: &Error, tenant: &Tenant, bounds: Bounds) -> CallError {
    let Some(told) = error.as_db_error() else {
        // A value that cannot be sent says so itself; anything else is between us and the server.
        if let Some(source) = std::error::Error::source(error)
            && let Some(refused) = source.downcast_ref::<super::parameters::ParameterError>()
        {
            return CallError::validation("params", refused.to_string());
        }
        tracing::error!(%tenant, %error, "the database of plugins' SQL failed");
        return CallError::Internal;
    };
    let code = told.code().code();
    let message = match code {
        "57014" => {
            format!("statement timeout: it may run for {} seconds", bounds.statement_time.as_secs_f32())
        }
        "55P03" => {
            "lock timeout: the rows or the table are in use by another statement; try again".to_owned()
        }
        "53100" if told.message().starts_with("disk quota") => {
            return CallError::SqlDiskQuota { bytes: bounds.disk_bytes };
        }
        // GROUP BY a primary key stands for all columns of a table, but not of a view.
        "42803" => format!("{}; name each column, or ask for \"dedicated\" isolation", told.message()),
        // The driver asks the catalogue what a type of no plugin's is.
        "42501" if told.message().contains(" pg_type") => {
            "a value of the statement is of a type that cannot be sent, as a whole row is; name its columns, or \
             cast it to text"
                .to_owned()
        }
        "53200" => "out of memory: the statement builds values that are too large".to_owned(),
        "57P01" | "57P02" | "57P03" | "53300" => {
            tracing::error!(%tenant, %error, "the database of plugins' SQL turned a plugin away");
            "the database is not available; try again".to_owned()
        }
        _ => without_schemas(told.message(), tenant),
    };
    CallError::Sql { sqlstate: code.to_owned(), message }
}

/// A message without the names of Bailey's schemas: tables are told by the names their author knows.
fn without_schemas(message: &str, tenant: &Tenant) -> String {
    let dedicated = Space::new(0, tenant.plugin.as_str(), Some(tenant.guild.0));
    let shared = Space::new(0, tenant.plugin.as_str(), None);
    [dedicated.schema, shared.schema, shared.rows]
        .iter()
        .fold(message.to_owned(), |message, schema| message.replace(&format!("{schema}."), ""))
}
