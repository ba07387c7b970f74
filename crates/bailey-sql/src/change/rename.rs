//! `ALTER TABLE .. RENAME`.

use pg_query::NodeEnum;
use pg_query::protobuf::{ObjectType, RenameStmt};

use super::facts::Facts;
use super::plan::{Bookkeeping, Plan};
use crate::grammar::{print, quoted};
use crate::refusal::Refusal;
use crate::space::Space;

/// Refuses to rename anything but tables and columns.
pub(super) fn check(rename: &RenameStmt) -> Result<(), Refusal> {
    let of_table = rename.relation_type == i32::from(ObjectType::ObjectTable);
    match ObjectType::try_from(rename.rename_type) {
        Ok(ObjectType::ObjectColumn) if of_table => Ok(()),
        Ok(ObjectType::ObjectTable) => Ok(()),
        _ => Err(Refusal::forbidden("a RENAME of anything but tables and columns")),
    }
}

pub(super) fn plan(rename: &RenameStmt, space: &Space, facts: &Facts) -> Result<Plan, Refusal> {
    let Some(relation) = &rename.relation else { return Err(Refusal::forbidden("RENAME without a table")) };
    let name = relation.relname.as_str();
    let (from, to) = (rename.subname.as_str(), rename.newname.as_str());
    let statement = print(NodeEnum::RenameStmt(Box::new(rename.clone())))?;
    let column = rename.rename_type == i32::from(ObjectType::ObjectColumn);
    let Some(table) = facts.held(name) else {
        if rename.missing_ok {
            return Ok(Plan::default());
        }
        return Err(Refusal::missing_table(name));
    };
    if !column {
        return rename_table(name, to, table.held_by_others, space, facts);
    }
    let applied = Bookkeeping::Applied { table: name.to_owned(), statement: statement.clone() };
    match (table.has(from), table.has(to)) {
        (true, false) => {}
        (false, true) if facts.only_others_asked(&statement) => return Ok(Plan::notes([applied])),
        (true, true) => {
            let message = format!("column \"{to}\" of relation \"{name}\" already exists");
            return Err(Refusal::sql("42701", message));
        }
        (false, _) => return Err(Refusal::sql("42703", format!("column \"{from}\" does not exist"))),
    }
    let mut plan = Plan::default();
    plan.drop_view(space, name);
    plan.owner(format!(
        "ALTER TABLE {}.{} RENAME COLUMN {} TO {}",
        space.rows,
        quoted(name),
        quoted(from),
        quoted(to)
    ));
    let columns: Vec<&str> =
        table.names().into_iter().map(|column| if column == from { to } else { column }).collect();
    plan.create_view(space, name, &columns);
    plan.note(applied);
    Ok(plan)
}

fn rename_table(
    from: &str,
    to: &str,
    held_by_others: bool,
    space: &Space,
    facts: &Facts,
) -> Result<Plan, Refusal> {
    if held_by_others {
        return Err(Refusal::shared(
            format!("ALTER TABLE {from} RENAME TO {to}"),
            "other servers use the table under its name",
        ));
    }
    if facts.tables.contains_key(to) {
        return Err(Refusal::sql("42P07", format!("relation \"{to}\" already exists")));
    }
    let mut plan = Plan::default();
    plan.owner(format!("ALTER TABLE {}.{} RENAME TO {}", space.rows, quoted(from), quoted(to)));
    if space.is_shared() {
        plan.owner(format!("ALTER VIEW {}.{} RENAME TO {}", space.schema, quoted(from), quoted(to)));
    }
    plan.note(Bookkeeping::Rename { from: from.to_owned(), to: to.to_owned() });
    Ok(plan)
}
