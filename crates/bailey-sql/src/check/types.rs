//! The types and operators plugins may use.

use crate::refusal::Refusal;
use crate::tree::Tree;

/// Types by the names the grammar gives them, sorted.
const TYPES: &[&str] = &[
    "bigint",
    "bigserial",
    "bool",
    "boolean",
    "bpchar",
    "bytea",
    "date",
    "decimal",
    "float4",
    "float8",
    "int",
    "int2",
    "int4",
    "int8",
    "integer",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "numeric",
    "real",
    "serial",
    "serial2",
    "serial4",
    "serial8",
    "smallint",
    "smallserial",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsquery",
    "tsvector",
    "uuid",
    "varchar",
];

/// Operators of those types.
pub(super) const OPERATORS: &[&str] = &[
    "!", "!!", "!~", "!~*", "!~~", "!~~*", "#", "#-", "#>", "#>>", "%", "&", "&&", "*", "+", "-", "->",
    "->>", "/", "<", "<->", "<<", "<=", "<>", "<@", "=", ">", ">=", ">>", "?", "?&", "?|", "@", "@>", "@?",
    "@@", "^", "^@", "|", "|/", "||", "||/", "~", "~*", "~~", "~~*",
];

/// Refuses a type that is not listed.
pub(super) fn check(tree: &Tree) -> Result<(), Refusal> {
    let name = match tree.field("names").items() {
        [name] => name.text(),
        [schema, name] if schema.text() == "pg_catalog" => name.text(),
        _ => return Err(Refusal::forbidden("a type named with a schema")),
    };
    if tree.field("setof").is_something() || tree.field("pct_type").is_something() {
        return Err(Refusal::forbidden("SETOF and %TYPE"));
    }
    // The name comes as written and the grammar's own spelling of a type may hide another: of two
    // types called char the one in quotes is not listed.
    if TYPES.binary_search(&name).is_err() {
        return Err(Refusal::forbidden(format!("the type {name}")));
    }
    // The grammar takes any expression here, PostgreSQL itself constants and names, the listed types numbers.
    let modifiers = tree.field("typmods").items();
    if name.contains("serial") && !modifiers.is_empty() {
        return Err(Refusal::forbidden(format!("{name} with a length")));
    }
    if !modifiers.iter().all(is_number) {
        return Err(Refusal::forbidden(format!("the type {name} with a length that is not a number")));
    }
    Ok(())
}

fn is_number(modifier: &Tree) -> bool {
    modifier.is("AConst") && modifier.field("val").is("Integer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(TYPES.is_sorted());
    }
}
