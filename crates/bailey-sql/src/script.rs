//! A plugin's text, parsed and checked: one statement or several.

use pg_query::NodeEnum;

use crate::change::Change;
use crate::check;
use crate::data::Data;
use crate::refusal::Refusal;
use crate::space::Space;
use crate::tree::Tree;

/// What one text holds.
#[derive(Debug, Clone)]
pub struct Script {
    /// In their order; never empty.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// Reads or writes rows.
    Data(Data),
    /// Makes, changes or drops tables and indexes.
    Change(Change),
}

/// Parses and checks a text whose placeholders are numbered.
///
/// # Errors
/// [`Refusal`] for what PostgreSQL cannot read, and for what no plugin may say.
pub fn analyse(text: &str, space: &Space) -> Result<Script, Refusal> {
    let parsed = pg_query::parse(text, pg_query::ParserOptions::default()).map_err(unreadable)?;
    let statements: Vec<Statement> = parsed
        .protobuf
        .stmts
        .into_iter()
        .filter_map(|raw| raw.stmt.and_then(|statement| statement.node))
        .map(|statement| classify(statement, space))
        .collect::<Result<_, _>>()?;
    if statements.is_empty() {
        return Err(Refusal::sql("42601", "the SQL text holds no statement"));
    }
    Ok(Script { statements })
}

fn classify(statement: NodeEnum, space: &Space) -> Result<Statement, Refusal> {
    let tree = Tree::of(&statement).map_err(|error| Refusal::forbidden(error.to_string()))?;
    check::check(&tree, &space.schema)?;
    Ok(match statement {
        NodeEnum::SelectStmt(_)
        | NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_) => Statement::Data(Data::new(statement, &tree)),
        statement => Statement::Change(Change::read(statement)?),
    })
}

/// The parser's words for what it cannot read.
fn unreadable(error: pg_query::Error) -> Refusal {
    match error {
        pg_query::Error::Parse(message) => {
            let message = message.trim_start_matches("Invalid statement: ");
            if message.starts_with("stack depth")
                || message.starts_with("memory exhausted")
                || message.contains("nested too deeply")
            {
                return too_deep();
            }
            Refusal::sql("42601", message)
        }
        // The parser's answer is read to a depth of 100 structs.
        pg_query::Error::Decode(_) => too_deep(),
        pg_query::Error::Conversion(_) => Refusal::sql("22021", "a text with a NUL character"),
        error => Refusal::sql("42601", error.to_string()),
    }
}

fn too_deep() -> Refusal {
    Refusal::sql(
        "54001",
        "the statement is nested too deeply: some 45 operators or 20 subqueries within each other are the most",
    )
}
