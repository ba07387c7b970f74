//! `DROP TABLE` and `DROP INDEX`: of the server that asks. The table itself goes with the last server
//! that has it, the index with the last that asked for it.

use pg_query::NodeEnum;
use pg_query::protobuf::{DropBehavior, DropStmt, Node, ObjectType};

use super::facts::{ConstraintKind, Facts};
use super::plan::{Bookkeeping, Plan, Step};
use crate::grammar::{quoted, texts_of};
use crate::refusal::Refusal;
use crate::space::Space;

/// Refuses to drop anything but tables and indexes.
pub(super) fn check(drop: &DropStmt) -> Result<(), Refusal> {
    match ObjectType::try_from(drop.remove_type) {
        Ok(ObjectType::ObjectTable | ObjectType::ObjectIndex) => Ok(()),
        Ok(other) => {
            let what = other.as_str_name().trim_start_matches("OBJECT_").replace('_', " ");
            Err(Refusal::forbidden(format!("DROP {what}")))
        }
        Err(_) => Err(Refusal::forbidden("DROP")),
    }
}

pub(super) fn plan(drop: &DropStmt, space: &Space, facts: &Facts) -> Result<Plan, Refusal> {
    let cascade = drop.behavior == i32::from(DropBehavior::DropCascade);
    let names: Vec<String> =
        drop.objects.iter().map(|object| named(object, space)).collect::<Result<_, _>>()?;
    let mut plan = Plan::default();
    for name in &names {
        let dropped = if drop.remove_type == i32::from(ObjectType::ObjectTable) {
            table(name, &names, cascade, space, facts)?
        } else {
            index(name, space, facts)?
        };
        match dropped {
            Some(steps) => plan.extend(steps),
            None if drop.missing_ok => {}
            None if drop.remove_type == i32::from(ObjectType::ObjectTable) => {
                return Err(Refusal::sql("42P01", format!("table \"{name}\" does not exist")));
            }
            None => return Err(Refusal::sql("42704", format!("index \"{name}\" does not exist"))),
        }
    }
    Ok(plan)
}

/// The name, without the plugin's own schema.
fn named(object: &Node, space: &Space) -> Result<String, Refusal> {
    let Some(NodeEnum::List(list)) = &object.node else { return Err(Refusal::forbidden("DROP of this")) };
    match texts_of(&list.items).as_slice() {
        [name] => Ok(name.clone()),
        [schema, name] if *schema == space.schema => Ok(name.clone()),
        _ => Err(Refusal::forbidden("DROP in another schema")),
    }
}

fn table(
    name: &str,
    all: &[String],
    cascade: bool,
    space: &Space,
    facts: &Facts,
) -> Result<Option<Plan>, Refusal> {
    let Some(table) = facts.held(name) else { return Ok(None) };
    let referring = facts.tables.iter().find(|(other, facts)| {
        !all.contains(other)
            && facts.held
            && facts.constraints.iter().any(|constraint| {
                constraint.kind == ConstraintKind::Foreign && constraint.references.as_deref() == Some(name)
            })
    });
    if let Some((other, _)) = referring {
        if !cascade {
            let message =
                format!("cannot drop table {name} because other objects depend on it: table {other}");
            return Err(Refusal::sql("2BP01", message));
        }
        if table.held_by_others {
            return Err(Refusal::shared(
                "DROP TABLE .. CASCADE of a table others refer to",
                "the references belong to all servers",
            ));
        }
    }
    let mut plan = Plan::default();
    if table.held_by_others {
        plan.steps.push(Step::Tenant(format!("DELETE FROM {}", quoted(name))));
    } else {
        plan.drop_view(space, name);
        let cascade = if cascade { " CASCADE" } else { "" };
        // Of a table nobody has any longer, references from tables nobody has go too.
        let forgotten = facts.tables.iter().any(|(_, other)| !other.held && !other.held_by_others);
        let cascade = if forgotten { " CASCADE" } else { cascade };
        plan.owner(format!("DROP TABLE {}.{}{cascade}", space.rows, quoted(name)));
        plan.note(Bookkeeping::Forget(name.to_owned()));
    }
    plan.note(Bookkeeping::Release(name.to_owned()));
    plan.note(Bookkeeping::ResetCounters(table.number));
    Ok(Some(plan))
}

fn index(name: &str, space: &Space, facts: &Facts) -> Result<Option<Plan>, Refusal> {
    let Some(index) = facts.indexes.get(name) else { return Ok(None) };
    if facts.held(&index.table).is_none() || !facts.applied_here.contains(&index.statement) {
        return Ok(None); // made by others only
    }
    let mut plan = Plan::default();
    if !facts.applied_elsewhere.contains(&index.statement) {
        plan.owner(format!("DROP INDEX {}.{}", space.rows, quoted(name)));
        plan.note(Bookkeeping::ForgetIndex(name.to_owned()));
    }
    plan.note(Bookkeeping::Unapplied(index.statement.clone()));
    Ok(Some(plan))
}
