//! Statements that make, change and drop tables and indexes.
//!
//! A plugin's servers share its tables, and each runs the same statements at its own time. So the
//! first server's statement changes the schema, the same statement of the others succeeds without
//! a change, and none may find out or lose what belongs to another: a statement that PostgreSQL
//! would decide by looking at all rows is refused while others have any.

mod alter;
mod create_index;
mod create_table;
mod drop;
mod facts;
mod names;
mod plan;
mod rename;
mod truncate;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableStmt, CreateStmt, DropStmt, IndexStmt, RenameStmt, TruncateStmt};

pub use facts::{ColumnFacts, ConstraintFacts, ConstraintKind, Facts, IndexFacts, TableFacts};
pub use plan::{Bookkeeping, Plan, Step};

use crate::refusal::Refusal;
use crate::space::Space;

/// A statement that changes the schema, or empties tables; checked.
#[derive(Debug, Clone)]
pub struct Change(Kind);

#[derive(Debug, Clone)]
enum Kind {
    CreateTable(CreateStmt),
    CreateIndex(IndexStmt),
    Alter(AlterTableStmt),
    Rename(RenameStmt),
    Drop(DropStmt),
    Truncate(TruncateStmt),
}

impl Change {
    pub(crate) fn read(statement: NodeEnum) -> Result<Self, Refusal> {
        Ok(Self(match statement {
            NodeEnum::CreateStmt(create) => {
                create_table::check(&create)?;
                Kind::CreateTable(create)
            }
            NodeEnum::IndexStmt(create) => {
                create_index::check(&create)?;
                Kind::CreateIndex(*create)
            }
            NodeEnum::AlterTableStmt(alter) => {
                alter::check(&alter)?;
                Kind::Alter(alter)
            }
            NodeEnum::RenameStmt(rename) => {
                rename::check(&rename)?;
                Kind::Rename(*rename)
            }
            NodeEnum::DropStmt(drop) => {
                drop::check(&drop)?;
                Kind::Drop(drop)
            }
            NodeEnum::TruncateStmt(truncate) => Kind::Truncate(truncate),
            _ => return Err(Refusal::forbidden("a statement of this kind")),
        }))
    }

    /// What has to be done in `space`, given what is there.
    ///
    /// # Errors
    /// [`Refusal`]: what PostgreSQL would say, or what shared tables cannot do.
    pub fn plan(&self, space: &Space, facts: &Facts) -> Result<Plan, Refusal> {
        match &self.0 {
            Kind::CreateTable(create) => create_table::plan(create, space, facts),
            Kind::CreateIndex(create) => create_index::plan(create, space, facts),
            Kind::Alter(alter) => alter::plan(alter, space, facts),
            Kind::Rename(rename) => rename::plan(rename, space, facts),
            Kind::Drop(drop) => drop::plan(drop, space, facts),
            Kind::Truncate(truncate) => truncate::plan(truncate, space, facts),
        }
    }
}
