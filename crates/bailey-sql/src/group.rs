//! `GROUP BY` a primary key. PostgreSQL lets the key of a table stand for all of its columns, but not
//! the key of a view. So the columns that are meant are named: each depends on the key, and the groups
//! stay what they are.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, SelectStmt};

use crate::data::Catalogue;
use crate::grammar::{column_reference, texts_of};
use crate::refusal::Refusal;
use crate::tree::{Below, Tree};

/// Functions that take the rows of a group together: what is in their arguments need not be grouped by.
const AGGREGATES: &[&str] = &[
    "any_value",
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "max",
    "min",
    "string_agg",
    "sum",
];

/// A table of a `FROM`, under the name it goes by there.
struct Source<'a> {
    known_as: String,
    columns: &'a [String],
    key: &'a [String],
}

/// Names the columns that keys stand for, in a query and the queries it is made of.
pub(crate) fn name_columns(select: &mut SelectStmt, catalogue: &Catalogue) -> Result<(), Refusal> {
    for part in [&mut select.larg, &mut select.rarg].into_iter().flatten() {
        name_columns(part, catalogue)?;
    }
    for source in &mut select.from_clause {
        inner_queries(source, catalogue)?;
    }
    if select.group_clause.is_empty() {
        return Ok(());
    }
    let mut sources = Vec::new();
    select.from_clause.iter().for_each(|source| tables(source, catalogue, &mut sources));
    let grouped: Vec<Vec<String>> = select.group_clause.iter().filter_map(names_of).collect();
    let meant: Vec<(usize, String)> =
        used(select)?.iter().flat_map(|names| meant_by(names, &sources)).collect();
    let is_grouped = |source: usize, column: &str| {
        grouped.iter().any(|names| meant_by(names, &sources).contains(&(source, column.to_owned())))
    };
    let mut added: Vec<(usize, String)> = Vec::new();
    for (source, column) in meant {
        let Source { key, .. } = &sources[source];
        let by_key = !key.is_empty() && key.iter().all(|part| is_grouped(source, part));
        let item = (source, column);
        if by_key && !is_grouped(source, &item.1) && !added.contains(&item) {
            added.push(item);
        }
    }
    let references =
        added.iter().map(|(source, column)| column_reference(Some(&sources[*source].known_as), column));
    select.group_clause.extend(references);
    Ok(())
}

/// Queries in the place of a table.
fn inner_queries(source: &mut Node, catalogue: &Catalogue) -> Result<(), Refusal> {
    match &mut source.node {
        Some(NodeEnum::RangeSubselect(inner)) => {
            if let Some(NodeEnum::SelectStmt(select)) =
                inner.subquery.as_mut().and_then(|query| query.node.as_mut())
            {
                name_columns(select, catalogue)?;
            }
        }
        Some(NodeEnum::JoinExpr(join)) => {
            for side in [&mut join.larg, &mut join.rarg].into_iter().flatten() {
                inner_queries(side, catalogue)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn tables<'a>(source: &Node, catalogue: &'a Catalogue, found: &mut Vec<Source<'a>>) {
    match &source.node {
        Some(NodeEnum::RangeVar(table)) => {
            if let Some(columns) = catalogue.tables.get(&table.relname) {
                let known_as = table.alias.as_ref().map_or(&table.relname, |alias| &alias.aliasname).clone();
                let key = catalogue.keys.get(&table.relname).map_or(&[][..], Vec::as_slice);
                found.push(Source { known_as, columns, key });
            }
        }
        Some(NodeEnum::JoinExpr(join)) => {
            [&join.larg, &join.rarg].into_iter().flatten().for_each(|side| tables(side, catalogue, found));
        }
        _ => {}
    }
}

/// The names of a column reference.
fn names_of(item: &Node) -> Option<Vec<String>> {
    match &item.node {
        Some(NodeEnum::ColumnRef(reference)) => Some(texts_of(&reference.fields)),
        _ => None,
    }
}

/// Every column reference outside of aggregates; a star is an empty name.
fn used(select: &SelectStmt) -> Result<Vec<Vec<String>>, Refusal> {
    let parts = [&select.target_list, &select.sort_clause, &select.distinct_clause];
    let nodes = parts.into_iter().flatten().chain(select.having_clause.as_deref());
    let mut found = Vec::new();
    for part in nodes {
        let tree = Tree::of(part).map_err(|error| Refusal::forbidden(error.to_string()))?;
        tree.walk(&mut |tree| match tree {
            Tree::Struct("ColumnRef", _) => {
                found.push(tree.field("fields").items().iter().map(|name| name.text().to_owned()).collect());
                Below::Skip
            }
            Tree::Struct("FuncCall", _) => {
                let name = tree.field("funcname").items().last().map_or("", Tree::text);
                if AGGREGATES.contains(&name) { Below::Skip } else { Below::Visit }
            }
            Tree::Struct("SubLink", _) => Below::Skip,
            _ => Below::Visit,
        });
    }
    Ok(found)
}

/// The columns names mean: one of a table, or for a star all of it. None where two tables could be meant.
fn meant_by(names: &[String], sources: &[Source<'_>]) -> Vec<(usize, String)> {
    let all = |source: usize| sources[source].columns.iter().map(move |column| (source, column.clone()));
    let known_as = |name: &str| sources.iter().position(|source| source.known_as == name);
    match names {
        [star] if star.is_empty() => (0..sources.len()).flat_map(all).collect(),
        [table, star] if star.is_empty() => known_as(table).into_iter().flat_map(all).collect(),
        [table, column] => known_as(table).map(|source| (source, column.clone())).into_iter().collect(),
        [column] => {
            let having: Vec<usize> =
                (0..sources.len()).filter(|source| sources[*source].columns.contains(column)).collect();
            match having.as_slice() {
                [source] => vec![(*source, column.clone())],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}
