//! Which parameters stand where PostgreSQL finds no type for them: `to_jsonb($1)` and its like take a
//! value of any type. Whoever prepares the statement then names the type of the value it has.

use std::collections::BTreeSet;

use pg_query::ParserOptions;

use crate::tree::{Below, Tree};

/// Functions that take arguments of any type. Names other than PostgreSQL's do no harm here.
const FUNCTIONS: &[&str] = &[
    "array_agg",
    "array_fill",
    "array_length",
    "array_ndims",
    "array_to_json",
    "array_to_string",
    "array_upper",
    "cardinality",
    "concat",
    "concat_ws",
    "count",
    "format",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "num_nonnulls",
    "num_nulls",
    "row_to_json",
    "to_json",
    "to_jsonb",
    "unnest",
];

/// The numbers of parameters that are arguments of a function that takes any type. None for a text
/// that is not SQL.
pub fn untyped(sql: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    if let Ok(parsed) = pg_query::parse(sql, ParserOptions::DEFAULT)
        && let Ok(tree) = Tree::of(&parsed.protobuf)
    {
        tree.walk(&mut |tree| {
            let called = tree.field("funcname").items().last().map_or("", Tree::text);
            if FUNCTIONS.contains(&called) {
                let parameters = tree.field("args").items().iter().filter(|argument| argument.is("ParamRef"));
                found.extend(
                    parameters
                        .filter_map(|parameter| usize::try_from(parameter.field("number").number()).ok()),
                );
            }
            Below::Visit
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_functions_for_any_type_are_found_wherever_they_stand() {
        for (sql, numbers) in [
            ("SELECT to_jsonb($1)", vec![1]),
            ("SELECT TO_JSONB($1), lower($2), $3", vec![1]),
            ("SELECT to_jsonb($1::int), to_jsonb($2 || 'a')", vec![]),
            ("UPDATE t SET d = jsonb_set(d, '{a}', to_jsonb($1)) WHERE id = $2", vec![1]),
            (
                "INSERT INTO t VALUES ($1, jsonb_build_object('a', $2, 'b', jsonb_build_array($3, $3)))",
                vec![2, 3],
            ),
            (
                "WITH a AS (SELECT concat($4, x) FROM t) SELECT 1 FROM a ORDER BY count($2) FILTER (WHERE format('%s', $1) = '')",
                vec![1, 2, 4],
            ),
            ("SELECT * FROM unnest($1) AS x", vec![1]),
            ("not sql", vec![]),
        ] {
            assert_eq!(untyped(sql).into_iter().collect::<Vec<_>>(), numbers, "{sql}");
        }
    }
}
