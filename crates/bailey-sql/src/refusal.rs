//! Why a statement does not run.

/// Why a statement does not run, before PostgreSQL has seen it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No plugin may say this.
    #[error("{what} cannot be used in a plugin's SQL")]
    Forbidden {
        /// The construct, function, type or name.
        what: String,
    },
    /// It cannot be done while servers share a table; with a schema for each server it can.
    #[error(
        "{what} is not possible while servers share the table: {reason}; \
         ask for \"sql\": {{\"isolation\": \"dedicated\"}} in manifest.json"
    )]
    SharedOnly {
        /// What was asked.
        what: String,
        /// Why not.
        reason: String,
    },
    /// What PostgreSQL itself would say, in its words.
    #[error("{message}")]
    Sql {
        /// Its code.
        sqlstate: &'static str,
        /// Its primary message.
        message: String,
    },
}

impl Refusal {
    pub(crate) fn forbidden(what: impl Into<String>) -> Self {
        Self::Forbidden { what: what.into() }
    }

    pub(crate) fn shared(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::SharedOnly { what: what.into(), reason: reason.into() }
    }

    pub(crate) fn sql(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::Sql { sqlstate, message: message.into() }
    }

    /// The table is not there, in PostgreSQL's words: plugins look for them.
    pub fn missing_table(name: &str) -> Self {
        Self::sql("42P01", format!("relation \"{name}\" does not exist"))
    }

    /// The column is not there.
    pub(crate) fn no_such_column(table: &str, name: &str) -> Self {
        Self::sql("42703", format!("column \"{name}\" of relation \"{table}\" does not exist"))
    }

    /// Whether it says that something is missing: somebody else may have made it meanwhile.
    pub fn says_missing(&self) -> bool {
        matches!(self, Self::Sql { sqlstate: "42P01" | "42703" | "42704", .. })
    }
}
