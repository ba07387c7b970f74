//! Statements that read and write rows.
//!
//! In shared mode almost nothing is rewritten: names lead to views, and the views to the rows of
//! the server that asks. `INSERT .. ON CONFLICT` alone must name the table itself, because unique
//! keys begin with the hidden column there.

use std::collections::{HashMap, HashSet};

use pg_query::protobuf::{IndexElem, InsertStmt, Node, SelectStmt};
use pg_query::{NodeEnum, protobuf};

use crate::grammar::{
    GUILD, bigint_parameter, cast, column_reference, least, move_to, node, print, star, target, target_column,
};
use crate::group;
use crate::refusal::Refusal;
use crate::space::Space;
use crate::tree::{Below, Tree};

/// The tables a plugin has on a server, with their columns in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Columns by table.
    pub tables: HashMap<String, Vec<String>>,
    /// Columns of the primary key by table, where there is one.
    pub keys: HashMap<String, Vec<String>>,
}

/// A statement that reads or writes rows, checked.
#[derive(Debug, Clone)]
pub struct Data {
    statement: NodeEnum,
    tables: HashSet<String>,
}

/// A statement as PostgreSQL runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The text.
    pub sql: String,
    /// Whether it takes one parameter more, the number of rows wanted at most.
    pub limited: bool,
}

impl Data {
    /// `tree` is of the same statement.
    pub(crate) fn new(statement: NodeEnum, tree: &Tree) -> Self {
        let (mut named, mut defined) = (HashSet::new(), HashSet::new());
        tree.walk(&mut |tree| {
            match tree {
                Tree::Struct("RangeVar", _) => {
                    named.insert(tree.field("relname").text().to_owned());
                }
                Tree::Struct("CommonTableExpr", _) => {
                    defined.insert(tree.field("ctename").text().to_owned());
                }
                _ => {}
            }
            Below::Visit
        });
        let tables = named.difference(&defined).cloned().collect();
        Self { statement, tables }
    }

    /// The tables it names.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(String::as_str)
    }

    /// The statement for a server that has the tables in `catalogue`. With `limit_parameter` a
    /// `SELECT` takes the most rows wanted as the parameter of that number.
    ///
    /// # Errors
    /// [`Refusal`] for a table the server does not have, and for the little shared tables cannot do.
    pub fn prepare(
        &self,
        space: &Space,
        catalogue: &Catalogue,
        limit_parameter: Option<i32>,
    ) -> Result<Prepared, Refusal> {
        let mut missing: Vec<&String> =
            self.tables.iter().filter(|table| !catalogue.tables.contains_key(*table)).collect();
        missing.sort();
        if let Some(table) = missing.first() {
            return Err(Refusal::missing_table(table));
        }
        let mut statement = self.statement.clone();
        if space.is_shared() {
            share(&mut statement, space, catalogue)?;
        }
        let limited = match (&mut statement, limit_parameter) {
            (NodeEnum::SelectStmt(select), Some(parameter)) => limit(select, parameter),
            _ => false,
        };
        Ok(Prepared { sql: print(statement)?, limited })
    }
}

/// Adds the limit; false where it would change what the statement means.
fn limit(select: &mut SelectStmt, parameter: i32) -> bool {
    if select.limit_option == i32::from(protobuf::LimitOption::WithTies) {
        return false;
    }
    let most = bigint_parameter(parameter);
    let given = select.limit_count.take();
    select.limit_count = Some(Box::new(match given {
        Some(given) => least(cast(*given, "int8"), most),
        None => most,
    }));
    select.limit_option = protobuf::LimitOption::Count.into();
    true
}

/// Data is written at the top or in a `WITH` of the top, nowhere else.
fn share(statement: &mut NodeEnum, space: &Space, catalogue: &Catalogue) -> Result<(), Refusal> {
    let with = match statement {
        NodeEnum::SelectStmt(select) => {
            group::name_columns(select, catalogue)?;
            &mut select.with_clause
        }
        NodeEnum::InsertStmt(insert) => {
            if let Some(NodeEnum::SelectStmt(select)) =
                insert.select_stmt.as_mut().and_then(|source| source.node.as_mut())
            {
                group::name_columns(select, catalogue)?;
            }
            insert_into_shared(insert, space, catalogue)?;
            &mut insert.with_clause
        }
        NodeEnum::UpdateStmt(update) => &mut update.with_clause,
        NodeEnum::DeleteStmt(delete) => &mut delete.with_clause,
        _ => return Ok(()),
    };
    for part in with.iter_mut().flat_map(|with| &mut with.ctes) {
        if let Some(NodeEnum::CommonTableExpr(part)) = &mut part.node
            && let Some(query) = part.ctequery.as_mut().and_then(|query| query.node.as_mut())
        {
            share(query, space, catalogue)?;
        }
    }
    Ok(())
}

fn insert_into_shared(insert: &mut InsertStmt, space: &Space, catalogue: &Catalogue) -> Result<(), Refusal> {
    if insert.on_conflict_clause.is_none() {
        return Ok(());
    }
    let Some(relation) = insert.relation.as_mut() else { return Ok(()) };
    let Some(columns) = catalogue.tables.get(&relation.relname) else {
        return Err(Refusal::missing_table(&relation.relname));
    };
    move_to(relation, &space.rows);
    let known_as = relation.alias.as_ref().map_or_else(String::new, |alias| alias.aliasname.clone());
    if insert.cols.is_empty() {
        let count = values_in(insert.select_stmt.as_deref()).unwrap_or(columns.len());
        insert.cols = columns.iter().take(count).map(|column| target_column(column)).collect();
    }
    if let Some(clause) = &mut insert.on_conflict_clause {
        let described = Tree::of(clause).map_err(|error| Refusal::forbidden(error.to_string()))?;
        refuse_whole_rows(&described, &[known_as.as_str(), "excluded"], columns)?;
        if let Some(infer) = &mut clause.infer
            && infer.conname.is_empty()
            && !infer.index_elems.is_empty()
        {
            let hidden = IndexElem {
                name: GUILD.to_owned(),
                ordering: protobuf::SortByDir::SortbyDefault.into(),
                nulls_ordering: protobuf::SortByNulls::SortbyNullsDefault.into(),
                ..IndexElem::default()
            };
            infer.index_elems.insert(0, node(NodeEnum::IndexElem(Box::new(hidden))));
        }
    }
    if let Some(returning) = &mut insert.returning_clause {
        returning.exprs = expanded(&returning.exprs, columns);
        let described = Tree::of(returning).map_err(|error| Refusal::forbidden(error.to_string()))?;
        refuse_whole_rows(&described, &[known_as.as_str()], columns)?;
    }
    Ok(())
}

/// How many values each row of the source has, where the text shows it.
fn values_in(source: Option<&Node>) -> Option<usize> {
    let Some(NodeEnum::SelectStmt(select)) = source.and_then(|source| source.node.as_ref()) else {
        return None;
    };
    if let Some(NodeEnum::List(row)) = select.values_lists.first().and_then(|row| row.node.as_ref()) {
        return Some(row.items.len());
    }
    let has_star = select.target_list.iter().any(|item| match &item.node {
        Some(NodeEnum::ResTarget(target)) => target.val.as_deref().is_some_and(|value| star(value).is_some()),
        _ => false,
    });
    (!has_star && !select.target_list.is_empty()).then_some(select.target_list.len())
}

/// `*` and `t.*` as the columns a plugin knows.
fn expanded(items: &[Node], columns: &[String]) -> Vec<Node> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let value = match &item.node {
            Some(NodeEnum::ResTarget(target)) => target.val.as_deref(),
            _ => None,
        };
        match value.and_then(star) {
            Some(qualifier) => {
                all.extend(columns.iter().map(|column| target(column_reference(qualifier, column))));
            }
            None => all.push(item.clone()),
        }
    }
    all
}

/// A whole row of the table would show the hidden column.
fn refuse_whole_rows(tree: &Tree, names: &[&str], columns: &[String]) -> Result<(), Refusal> {
    let whole = tree.any(|tree| {
        tree.is("ColumnRef")
            && match tree.field("fields").items() {
                [name] => {
                    let name = name.text();
                    names.contains(&name) && !columns.iter().any(|column| column == name)
                }
                [_, star] => star.is("AStar"),
                _ => false,
            }
    });
    if whole {
        return Err(Refusal::shared(
            "a whole row (t.* or t) within INSERT .. ON CONFLICT",
            "it would show a column that is not the plugin's, so name the columns",
        ));
    }
    Ok(())
}
