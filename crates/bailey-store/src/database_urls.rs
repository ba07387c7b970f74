//! Where the databases are: the platform's, what plugins store, the tables plugins make.

use tokio_postgres::Config;

/// How to reach the databases. In the private cluster each is a database with a role of its own; on
/// a server of the operator's the first two are schemas of one database.
#[derive(Clone)]
pub struct DatabaseUrls {
    /// The platform's records: plugins, versions, installations.
    pub platform: Config,
    /// What plugins store.
    pub plugins: Config,
    /// The tables plugins make themselves, in a database that holds nothing else.
    pub sql: Option<Config>,
}

/// Why a PostgreSQL URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the PostgreSQL URL cannot be read; expected postgresql://user:password@host/database")]
pub struct DatabaseUrlError(#[source] tokio_postgres::Error);

impl DatabaseUrls {
    /// The first two from one URL of a PostgreSQL 15 or later that somebody else runs.
    ///
    /// The URL's role needs `CONNECT` and `CREATE` on the database: on first start Bailey makes the
    /// schemas `bailey_platform` and `bailey_plugins` there and from then on works only inside them.
    /// Where `CREATE` cannot be given, make both schemas yourself, owned by the role. The connection
    /// must be direct or through a pooler in session mode: Bailey sets options at connect time and
    /// takes advisory locks.
    ///
    /// # Errors
    /// [`DatabaseUrlError`] when the text is no PostgreSQL URL.
    pub fn external(url: &str) -> Result<Self, DatabaseUrlError> {
        let config: Config = url.parse().map_err(DatabaseUrlError)?;
        Ok(Self { platform: config.clone(), plugins: config, sql: None })
    }

    /// With the database of plugins' own tables. The URL's role must be called `bailey_sql`, own the
    /// database and have `CREATEROLE`.
    ///
    /// # Errors
    /// [`DatabaseUrlError`] when the text is no PostgreSQL URL.
    pub fn with_sql(self, url: &str) -> Result<Self, DatabaseUrlError> {
        Ok(Self { sql: Some(url.parse().map_err(DatabaseUrlError)?), ..self })
    }
}

impl std::fmt::Debug for DatabaseUrls {
    /// Without passwords: `Config` hides them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseUrls")
            .field("platform", &self.platform)
            .field("plugins", &self.plugins)
            .field("sql", &self.sql)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_serves_both_and_shows_no_password() {
        let urls = DatabaseUrls::external("postgresql://bailey:hunter2@db.example/bailey").unwrap();
        assert_eq!(urls.platform.get_dbname(), urls.plugins.get_dbname());
        assert!(!format!("{urls:?}").contains("hunter2"));
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        let error = DatabaseUrls::external("mysql://bailey:hunter2@db/x").unwrap_err();
        assert!(error.to_string().contains("postgresql://"));
        assert!(!error.to_string().contains("hunter2"));
    }
}
