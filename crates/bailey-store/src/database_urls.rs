//! Where the two databases are: the platform's and the plugins'.

use tokio_postgres::Config;

/// How to reach both databases. In the private cluster they are two databases with a role each;
/// on a server of the operator's they are two schemas of one database.
#[derive(Clone)]
pub struct DatabaseUrls {
    /// The platform's records: plugins, versions, installations.
    pub platform: Config,
    /// What plugins store.
    pub plugins: Config,
}

/// Why a PostgreSQL URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the PostgreSQL URL cannot be read; expected postgresql://user:password@host/database")]
pub struct DatabaseUrlError(#[source] tokio_postgres::Error);

impl DatabaseUrls {
    /// Both from one URL of a PostgreSQL 15 or later that somebody else runs.
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
        Ok(Self { platform: config.clone(), plugins: config })
    }
}

impl std::fmt::Debug for DatabaseUrls {
    /// Without passwords: `Config` hides them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseUrls")
            .field("platform", &self.platform)
            .field("plugins", &self.plugins)
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
