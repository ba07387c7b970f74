//! `CREATE INDEX`.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExprKind, IndexElem, IndexStmt, Node, SortByDir, SortByNulls};

use super::facts::Facts;
use super::names::made_up;
use super::plan::{Bookkeeping, Plan, refuse_over_others};
use crate::grammar::{GUILD, node, print, text_of};
use crate::refusal::Refusal;
use crate::space::Space;

/// Refuses what no index of a plugin may be.
pub(super) fn check(create: &IndexStmt) -> Result<(), Refusal> {
    if !create.options.is_empty() || !create.table_space.is_empty() {
        return Err(Refusal::forbidden("an option of storage"));
    }
    if !matches!(create.access_method.as_str(), "" | "btree" | "gin" | "hash" | "brin") {
        return Err(Refusal::forbidden(format!("an index of kind {}", create.access_method)));
    }
    Ok(())
}

pub(super) fn plan(create: &IndexStmt, space: &Space, facts: &Facts) -> Result<Plan, Refusal> {
    let Some(relation) = &create.relation else { return Err(Refusal::forbidden("an index without a table")) };
    let table_name = relation.relname.as_str();
    let table = facts.held(table_name).ok_or_else(|| Refusal::missing_table(table_name))?;
    let mut plain = create.clone();
    plain.if_not_exists = false;
    plain.concurrent = false; // it runs within a transaction
    if plain.idxname.is_empty() {
        plain.idxname = made_up(table_name, create.index_params.iter().map(label), "idx");
    }
    if let Some(relation) = &mut plain.relation {
        relation.schemaname.clear();
    }
    let statement = print(NodeEnum::IndexStmt(Box::new(plain.clone())))?;
    let name = plain.idxname.clone();
    let applied = || Bookkeeping::Applied { table: table_name.to_owned(), statement: statement.clone() };
    if let Some(index) = facts.indexes.get(&name) {
        if create.if_not_exists || create.idxname.is_empty() || facts.only_others_asked(&statement) {
            let known = facts.applied_here.contains(&statement);
            return Ok(if known { Plan::default() } else { Plan::notes([applied()]) });
        }
        let differs = if index.statement == statement {
            String::new()
        } else {
            format!(" with another definition: {}", index.statement)
        };
        return Err(Refusal::sql("42P07", format!("relation \"{name}\" already exists{differs}")));
    }
    if space.is_shared() {
        if create.unique {
            refuse_over_others(table, table_name, "CREATE UNIQUE INDEX")?;
        }
        if !cannot_fail(create) {
            refuse_over_others(table, table_name, "an index on an expression")?;
        }
        if matches!(plain.access_method.as_str(), "" | "btree") {
            let hidden = IndexElem {
                name: GUILD.to_owned(),
                ordering: SortByDir::SortbyDefault.into(),
                nulls_ordering: SortByNulls::SortbyNullsDefault.into(),
                ..IndexElem::default()
            };
            plain.index_params.insert(0, node(NodeEnum::IndexElem(Box::new(hidden))));
        }
    }
    if let Some(relation) = &mut plain.relation {
        relation.schemaname.clone_from(&space.rows);
    }
    let mut plan = Plan::default();
    plan.owner(print(NodeEnum::IndexStmt(Box::new(plain)))?);
    plan.note(Bookkeeping::RegisterIndex {
        index: name,
        table: table_name.to_owned(),
        statement: statement.clone(),
    });
    plan.note(applied());
    Ok(plan)
}

/// What PostgreSQL calls a part of an index when it makes up the index's name.
fn label(element: &Node) -> &str {
    let Some(NodeEnum::IndexElem(element)) = &element.node else { return "expr" };
    if !element.name.is_empty() {
        return &element.name;
    }
    match element.expr.as_ref().and_then(|expression| expression.node.as_ref()) {
        Some(NodeEnum::FuncCall(call)) => call.funcname.last().map_or("expr", text_of),
        _ => "expr",
    }
}

/// Whether building the index cannot fail whatever rows there are: it then tells nothing of them.
fn cannot_fail(create: &IndexStmt) -> bool {
    let parts = create.index_params.iter().all(|element| match &element.node {
        Some(NodeEnum::IndexElem(element)) => element.expr.as_deref().is_none_or(is_total),
        _ => false,
    });
    parts && create.where_clause.as_deref().is_none_or(is_total)
}

/// Whether an expression has a value for every row: columns, constants, comparisons, and functions
/// that take any text.
fn is_total(expression: &Node) -> bool {
    match &expression.node {
        Some(NodeEnum::ColumnRef(_) | NodeEnum::AConst(_)) => true,
        Some(NodeEnum::BoolExpr(inner)) => inner.args.iter().all(is_total),
        Some(NodeEnum::NullTest(inner)) => inner.arg.as_deref().is_some_and(is_total),
        Some(NodeEnum::BooleanTest(inner)) => inner.arg.as_deref().is_some_and(is_total),
        Some(NodeEnum::CoalesceExpr(inner)) => inner.args.iter().all(is_total),
        Some(NodeEnum::FuncCall(call)) => {
            let name = call.funcname.last().map_or("", text_of);
            matches!(name, "lower" | "upper" | "md5" | "btrim" | "ltrim" | "rtrim")
                && call.args.iter().all(is_total)
        }
        Some(NodeEnum::AExpr(inner)) => {
            let compares =
                matches!(inner.name.first().map_or("", text_of), "=" | "<>" | "<" | ">" | "<=" | ">=");
            compares
                && inner.kind == i32::from(AExprKind::AexprOp)
                && [&inner.lexpr, &inner.rexpr].into_iter().all(|side| side.as_deref().is_some_and(is_total))
        }
        _ => false,
    }
}
