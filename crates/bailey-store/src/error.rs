//! Why the platform's records could not be read or written.

use bailey_protocol::Tenant;

/// A failure of the platform's database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached at start.
    #[error(
        "could not connect to the platform's database; hint: is PostgreSQL running, and is the URL right?"
    )]
    Connect(#[source] tokio_postgres::Error),
    /// The connection broke while the tables were brought up to date; starting again continues.
    #[error(
        "the platform's database closed the connection while its tables were brought up to date; hint: start again"
    )]
    ConnectionLost(#[source] Option<tokio_postgres::Error>),
    /// The schema could not be made; the URL's role may lack `CREATE`.
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
    #[error("could not bring the platform's tables up to date")]
    Migrate(#[source] Box<refinery::Error>),
    /// No connection was free in time, or none could be opened.
    #[error("no connection to the platform's database")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// The pool could not be made.
    #[error("could not set up the connections to the platform's database")]
    Build(#[from] deadpool_postgres::BuildError),
    /// A statement failed.
    #[error("could not {what}")]
    Statement {
        /// The attempt, for example `record version 1.0.0 of demo`.
        what: String,
        /// The server's reason.
        source: tokio_postgres::Error,
    },
    /// The version exists with other content; versions never change once recorded.
    #[error(
        "version {version} of plugin {plugin} is already recorded with other content; hint: raise the version number"
    )]
    VersionExists {
        /// The plugin.
        plugin: String,
        /// The version.
        version: String,
    },
    /// The installation names a version that was never recorded.
    #[error("cannot install {tenant}: version {version} is not recorded; hint: record it first")]
    UnknownVersion {
        /// Which plugin, where.
        tenant: Tenant,
        /// The version.
        version: String,
    },
    /// A row holds what this version of Bailey cannot read.
    #[error("the record of {what} cannot be read; hint: was the database written by a newer Bailey?")]
    Unreadable {
        /// Whose record.
        what: String,
    },
}

impl StoreError {
    /// For `map_err` on a statement.
    pub(crate) fn statement(what: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let what = what.into();
        move |source| Self::Statement { what, source }
    }
}
