//! What is there when a schema is to be changed: read by the host under a lock, told to the plan.

use std::collections::{HashMap, HashSet};

/// A space, as one server meets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Every table, also those this server has not asked for yet.
    pub tables: HashMap<String, TableFacts>,
    /// Every index that was made by a statement of its own.
    pub indexes: HashMap<String, IndexFacts>,
    /// Changes this server has asked for, as printed statements.
    pub applied_here: HashSet<String>,
    /// Changes any server has asked for.
    pub applied_anywhere: HashSet<String>,
    /// Changes another server has asked for.
    pub applied_elsewhere: HashSet<String>,
    /// The number the next table gets.
    pub next_table: i32,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// Its number; never used again.
    pub number: i32,
    /// Its columns in order, hidden ones left out.
    pub columns: Vec<ColumnFacts>,
    /// Its keys and rules.
    pub constraints: Vec<ConstraintFacts>,
    /// The statement that made it, as printed.
    pub statement: String,
    /// Whether this server has it.
    pub held: bool,
    /// Whether another server has it.
    pub held_by_others: bool,
    /// Whether another server has rows in it.
    pub rows_of_others: bool,
    /// Columns that were taken out of sight.
    pub hidden: u32,
}

/// One column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
}

/// One key or rule of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintFacts {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ConstraintKind,
    /// The columns it is about, hidden ones left out, in order.
    pub columns: Vec<String>,
    /// The table it leads to.
    pub references: Option<String>,
}

/// What a constraint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// `PRIMARY KEY`
    Primary,
    /// `UNIQUE`
    Unique,
    /// `REFERENCES`
    Foreign,
    /// `CHECK`
    Check,
}

/// One index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexFacts {
    /// Its table.
    pub table: String,
    /// The statement that made it, as printed.
    pub statement: String,
    /// The columns it depends on.
    pub columns: Vec<String>,
}

impl Facts {
    /// A table this server has.
    pub(super) fn held(&self, name: &str) -> Option<&TableFacts> {
        self.tables.get(name).filter(|table| table.held)
    }

    /// Whether another server asked for exactly this and this one has not.
    pub(super) fn only_others_asked(&self, statement: &str) -> bool {
        !self.applied_here.contains(statement) && self.applied_anywhere.contains(statement)
    }
}

impl TableFacts {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known.name == column)
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// The columns of the primary key.
    pub(super) fn primary_key(&self) -> Option<&[String]> {
        let key = self.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::Primary)?;
        Some(&key.columns)
    }
}
