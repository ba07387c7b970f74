//! From the SQL a plugin wrote to the SQL PostgreSQL runs: placeholders, the check of what may be
//! said, the rewriting that keeps servers apart. Pure: text in, text out; no connection, no clock.
//!
//! ```text
//! text ──analyse──► Script ──► Data::prepare ──────► a statement for the plugin's own role
//!        (parse,            └─► Change::plan(Facts) ─► steps for the role that owns the tables
//!         check)
//! ```
//!
//! It never decides who is asking: the space and the facts come in as arguments. Start at
//! [`analyse`], then [`Space`].

mod change;
mod check;
mod data;
mod grammar;
mod group;
pub mod placeholders;
mod refusal;
mod script;
mod space;
mod tree;
pub mod untyped;

pub use change::{
    Bookkeeping, Change, ColumnFacts, ConstraintFacts, ConstraintKind, Facts, IndexFacts, Plan, Step,
    TableFacts,
};
pub use check::functions;
pub use data::{Catalogue, Data, Prepared};
pub use refusal::Refusal;
pub use script::{Script, Statement, analyse};
pub use space::{Isolation, Space};
