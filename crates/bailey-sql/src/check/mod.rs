//! What plugins may say: an allow-list of statements, constructs, functions, types and names,
//! applied to everything in the parse tree. What is not listed is refused, with the reason.
//!
//! This is the first of two walls. The second is the database: roles that own nothing, functions
//! and catalogues taken from everybody, policies keyed on a token. Neither relies on the other.

mod constructs;
mod functions;
mod types;

pub(crate) use functions::FUNCTIONS;

use pg_query::protobuf::{AExprKind, CoercionForm, SqlValueFunctionOp};

use crate::refusal::Refusal;
use crate::tree::{Below, Tree};

/// The functions plugins may call, by name: also what the database leaves to them.
pub fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().copied()
}

/// Checks one statement; `schema` is the only one it may name.
pub(crate) fn check(statement: &Tree, schema: &str) -> Result<(), Refusal> {
    let mut outcome = Ok(());
    statement.walk(&mut |tree| {
        if outcome.is_err() {
            return Below::Skip;
        }
        match look(tree, schema) {
            Ok(below) => below,
            Err(refusal) => {
                outcome = Err(refusal);
                Below::Skip
            }
        }
    });
    outcome
}

/// One place of the tree.
fn look(tree: &Tree, schema: &str) -> Result<Below, Refusal> {
    let Tree::Struct(name, fields) = tree else {
        if let Tree::Text(text) = tree {
            identifier(text)?;
        }
        return Ok(Below::Visit);
    };
    constructs::check(name)?;
    match *name {
        "AConst" => return Ok(Below::Skip), // a value, not a name
        "TypeName" => {
            types::check(tree)?;
            // Its name and its modifiers are checked, its bounds are numbers.
            return Ok(Below::Skip);
        }
        "FuncCall" => function(tree)?,
        "AExpr" => operator(tree)?,
        "ParamRef" => parameter(tree)?,
        "RangeVar" => relation(tree, schema)?,
        "ColumnRef" => column(tree)?,
        "SqlValueFunction" => value_function(tree)?,
        "SubLink" => plain_operator(tree.field("oper_name"))?,
        "SortBy" => refuse_if(tree.field("use_op").is_something(), "ORDER BY .. USING")?,
        "SelectStmt" => refuse_if(tree.field("into_clause").is_something(), "SELECT .. INTO")?,
        "IndexElem" => {
            refuse_if(tree.field("opclass").is_something(), "an operator class")?;
            refuse_if(tree.field("opclassopts").is_something(), "options of an operator class")?;
        }
        "CollateClause" => collation(tree)?,
        _ => {}
    }
    if matches!(*name, "FuncCall" | "AExpr" | "SubLink" | "CollateClause") {
        // Their names are checked; arguments are looked at below.
        for (field, value) in fields {
            if !matches!(*field, "funcname" | "name" | "oper_name" | "collname") {
                check(value, schema)?;
            }
        }
        return Ok(Below::Skip);
    }
    Ok(Below::Visit)
}

fn refuse_if(there: bool, what: &str) -> Result<(), Refusal> {
    if there { Err(Refusal::forbidden(what)) } else { Ok(()) }
}

/// Names that begin like ours or like PostgreSQL's own belong to no plugin.
fn identifier(name: &str) -> Result<(), Refusal> {
    let lower = name.to_lowercase();
    if lower.starts_with("pg_") || lower.starts_with("__") || lower.starts_with("bailey") {
        return Err(Refusal::forbidden(format!("the name \"{name}\": names beginning pg_, __ or bailey")));
    }
    Ok(())
}

fn function(tree: &Tree) -> Result<(), Refusal> {
    let names = tree.field("funcname").items();
    let name = match names {
        [name] => name.text(),
        // The grammar spells EXTRACT, TRIM, AT TIME ZONE and their like this way. Written so by an author
        // it would go past the guarded functions of the same names.
        [schema, name] if schema.text() == "pg_catalog" && is_syntax(tree) => {
            functions::check_syntax(name.text(), tree.field("args").items())?;
            name.text()
        }
        // LIKE .. ESCAPE and SIMILAR TO are spelled as plain calls, of functions nothing guards.
        [schema, name]
            if schema.text() == "pg_catalog"
                && matches!(name.text(), "like_escape" | "similar_to_escape") =>
        {
            name.text()
        }
        _ => return Err(Refusal::forbidden("a function named with a schema")),
    };
    if FUNCTIONS.binary_search(&name).is_err() {
        let advice = functions::instead(name);
        return Err(Refusal::forbidden(format!("the function {name}(){advice}")));
    }
    if let Some(position) = functions::length_argument(name) {
        let arguments = tree.field("args").items();
        let length = arguments.get(position).map(|argument| argument.field("val"));
        let bounded = length.is_some_and(|length| {
            length.is("Integer") && (0..=functions::LONGEST).contains(&length.field("ival").number())
        });
        if !bounded {
            return Err(Refusal::forbidden(format!(
                "the function {name}() without a length written as a number up to {}",
                functions::LONGEST
            )));
        }
    }
    Ok(())
}

/// Whether a call is not written as one.
fn is_syntax(call: &Tree) -> bool {
    call.field("funcformat").number() == i64::from(i32::from(CoercionForm::CoerceSqlSyntax))
}

fn operator(tree: &Tree) -> Result<(), Refusal> {
    let kind = AExprKind::try_from(i32::try_from(tree.field("kind").number()).unwrap_or(0));
    match kind {
        Ok(
            AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym,
        ) => Ok(()),
        _ => plain_operator(tree.field("name")),
    }
}

/// An operator without a schema, of those PostgreSQL has for the types plugins may use.
fn plain_operator(names: &Tree) -> Result<(), Refusal> {
    match names.items() {
        [] => Ok(()),
        [name] if types::OPERATORS.contains(&name.text()) => Ok(()),
        [name] => Err(Refusal::forbidden(format!("the operator {}", name.text()))),
        _ => Err(Refusal::forbidden("an operator named with a schema")),
    }
}

/// The parser takes `$0` for a parameter; it prints it as `?`, which nothing can read.
fn parameter(tree: &Tree) -> Result<(), Refusal> {
    let number = tree.field("number").number();
    if number < 1 { Err(Refusal::sql("42P02", format!("there is no parameter ${number}"))) } else { Ok(()) }
}

fn relation(tree: &Tree, schema: &str) -> Result<(), Refusal> {
    let named = tree.field("schemaname").text();
    if tree.field("catalogname").is_something() || (!named.is_empty() && named != schema) {
        return Err(Refusal::forbidden(format!(
            "the schema \"{named}\": a plugin's tables are named without one"
        )));
    }
    let persistence = tree.field("relpersistence").text();
    refuse_if(!matches!(persistence, "" | "p"), "a temporary or unlogged table")
}

fn column(tree: &Tree) -> Result<(), Refusal> {
    let fields = tree.field("fields").items();
    if fields.len() > 2 {
        return Err(Refusal::forbidden("a column named with a schema"));
    }
    for field in fields {
        if matches!(field.text(), "ctid" | "xmin" | "cmin" | "cmax" | "tableoid") {
            return Err(Refusal::forbidden(format!("the system column {}", field.text())));
        }
    }
    Ok(())
}

/// Dates and times only: `CURRENT_USER` and its like are none of a plugin's business.
fn value_function(tree: &Tree) -> Result<(), Refusal> {
    use SqlValueFunctionOp::{
        SvfopCurrentDate, SvfopCurrentTime, SvfopCurrentTimeN, SvfopCurrentTimestamp, SvfopCurrentTimestampN,
        SvfopLocaltime, SvfopLocaltimeN, SvfopLocaltimestamp, SvfopLocaltimestampN,
    };
    let operation = SqlValueFunctionOp::try_from(i32::try_from(tree.field("op").number()).unwrap_or(0));
    match operation {
        Ok(
            SvfopCurrentDate
            | SvfopCurrentTime
            | SvfopCurrentTimeN
            | SvfopCurrentTimestamp
            | SvfopCurrentTimestampN
            | SvfopLocaltime
            | SvfopLocaltimeN
            | SvfopLocaltimestamp
            | SvfopLocaltimestampN,
        ) => Ok(()),
        _ => Err(Refusal::forbidden("the names of roles, schemas and databases")),
    }
}

fn collation(tree: &Tree) -> Result<(), Refusal> {
    match tree.field("collname").items() {
        [name] if matches!(name.text(), "C" | "POSIX" | "default") => Ok(()),
        _ => Err(Refusal::forbidden("a collation other than \"C\"")),
    }
}
