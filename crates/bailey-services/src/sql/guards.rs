//! Functions that cannot be cancelled, kept from values too large for them.
//!
//! While some functions of PostgreSQL work they do not look whether their statement was cancelled:
//! neither `statement_timeout` nor `pg_terminate_backend` ends them, and to kill the process takes all
//! other connections with it. Where their time grows with the product of two sizes, as in
//! `rpad('a', 3000000, 'a') LIKE '%' || rpad('a', 30000, 'a') || 'b%'`, one statement of a plugin could
//! hold a processor for minutes or days.
//!
//! So a schema of the host has functions and operators of the same names and arguments, which look at
//! the sizes first. A session whose search path names that schema *before* `pg_catalog`, both written
//! out, finds them first; the statement needs no rewriting. Two spellings need it, because the parser
//! writes `pg_catalog` before their names: `position(a IN b)` is `strpos(b, a)`, and `trim(..)` is a
//! plain call of `btrim`, `ltrim` or `rtrim`.
//!
//! The price: an index does not serve a guarded operator (`LIKE`, and `@>` of arrays and JSON).

use bailey_protocol::limits::SQL_WORK;

const GUARDS: &str = include_str!("guards.sql");

/// The statements that make the guards in `schema`: empty, written as it stands in SQL. Whoever is to
/// use them needs `USAGE` on it.
pub fn statements(schema: &str) -> String {
    GUARDS.replace("{schema}", schema).replace("{work}", &SQL_WORK.to_string())
}
