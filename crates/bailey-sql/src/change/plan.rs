//! What has to be done for a change, in order. Carried out by the host in one transaction.

use super::facts::TableFacts;
use crate::grammar::{GUILD, quoted};
use crate::refusal::Refusal;
use crate::space::Space;

/// What has to be done for a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In their order.
    pub steps: Vec<Step>,
    /// Whether the database's schema changes, which is limited by the hour.
    pub counts: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A statement, as the role that owns the tables.
    Owner(String),
    /// A statement on rows, as the plugin's role for the server that asks.
    Tenant(String),
    /// Make a table beside, compare it with the one that is there, take it away.
    Compare {
        /// Makes the table [`Step::BESIDE`].
        create: String,
        /// The table that is there.
        table: String,
    },
    /// A note.
    Note(Bookkeeping),
}

impl Step {
    /// The name of the table made to compare.
    pub const BESIDE: &'static str = "__beside";
}

/// What the host remembers of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bookkeeping {
    /// A new table.
    Register {
        /// Its name.
        table: String,
        /// Its number.
        number: i32,
        /// The statement that made it.
        statement: String,
    },
    /// The server has the table from now on.
    Hold(String),
    /// The server does not have the table any longer.
    Release(String),
    /// The table is gone for all.
    Forget(String),
    /// The table has another name.
    Rename {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
    },
    /// The server's counters of the table with this number begin anew.
    ResetCounters(i32),
    /// The server asked for this.
    Applied {
        /// Of which table.
        table: String,
        /// The statement, as printed.
        statement: String,
    },
    /// The server took this back.
    Unapplied(String),
    /// A new index.
    RegisterIndex {
        /// Its name.
        index: String,
        /// Its table.
        table: String,
        /// The statement that made it.
        statement: String,
    },
    /// The index is gone for all.
    ForgetIndex(String),
}

impl Plan {
    /// Nothing to do but notes.
    pub(super) fn notes(notes: impl IntoIterator<Item = Bookkeeping>) -> Self {
        Self { steps: notes.into_iter().map(Step::Note).collect(), counts: false }
    }

    pub(super) fn owner(&mut self, sql: impl Into<String>) {
        self.steps.push(Step::Owner(sql.into()));
        self.counts = true;
    }

    pub(super) fn note(&mut self, note: Bookkeeping) {
        self.steps.push(Step::Note(note));
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.steps.extend(other.steps);
        self.counts |= other.counts;
    }

    /// The rules every new table lives under.
    pub(super) fn govern(&mut self, space: &Space, table: &str) {
        let name = format!("{}.{}", space.rows, quoted(table));
        if space.is_shared() {
            self.owner(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"));
            self.owner(format!(
                "CREATE POLICY server ON {name} USING ({GUILD} = (SELECT bailey_sql.guild())) \
                 WITH CHECK ({GUILD} = (SELECT bailey_sql.guild()))"
            ));
            // Deleting and reading everything goes through the view.
            self.owner(format!("GRANT SELECT, INSERT, UPDATE ON {name} TO {}", space.role));
        } else {
            self.owner(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {}", space.role));
            self.owner(format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {} TO {}", space.rows, space.role));
        }
        for (event, transitions) in [
            ("insert", "NEW TABLE AS added"),
            ("update", "OLD TABLE AS removed NEW TABLE AS added"),
            ("delete", "OLD TABLE AS removed"),
        ] {
            self.owner(format!(
                "CREATE TRIGGER __measure_{event} AFTER {event} ON {name} REFERENCING {transitions} \
                 FOR EACH STATEMENT EXECUTE FUNCTION bailey_sql.measure_{event}('{}')",
                space.id
            ));
        }
    }

    /// Takes the view away, so that the table beneath can change.
    pub(super) fn drop_view(&mut self, space: &Space, table: &str) {
        if space.is_shared() {
            self.owner(format!("DROP VIEW IF EXISTS {}.{}", space.schema, quoted(table)));
        }
    }

    /// Makes the view through which a plugin sees the table.
    pub(super) fn create_view(&mut self, space: &Space, table: &str, columns: &[&str]) {
        if !space.is_shared() {
            return;
        }
        let columns = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
        let (schema, rows, name) = (&space.schema, &space.rows, quoted(table));
        self.owner(format!("CREATE VIEW {schema}.{name} AS SELECT {columns} FROM {rows}.{name}"));
        self.owner(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.{name} TO {}", space.role));
    }
}

/// Refuses what would look at, or change, rows of other servers.
pub(super) fn refuse_over_others(table: &TableFacts, name: &str, what: &str) -> Result<(), Refusal> {
    if table.rows_of_others {
        return Err(Refusal::shared(
            format!("{what} on the table {name}"),
            "it would look at rows of other servers, or decide over them",
        ));
    }
    Ok(())
}
