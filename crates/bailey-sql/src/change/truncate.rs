//! `TRUNCATE`: of the rows of the server that asks.

use pg_query::NodeEnum;
use pg_query::protobuf::{DropBehavior, TruncateStmt};

use super::facts::Facts;
use super::plan::{Bookkeeping, Plan, Step};
use crate::grammar::quoted;
use crate::refusal::Refusal;
use crate::space::Space;

pub(super) fn plan(truncate: &TruncateStmt, space: &Space, facts: &Facts) -> Result<Plan, Refusal> {
    if truncate.behavior == i32::from(DropBehavior::DropCascade) {
        return Err(Refusal::forbidden("TRUNCATE .. CASCADE (name each table)"));
    }
    if truncate.restart_seqs && !space.is_shared() {
        return Err(Refusal::forbidden("TRUNCATE .. RESTART IDENTITY (in the dedicated mode)"));
    }
    let mut plan = Plan::default();
    for relation in &truncate.relations {
        let Some(NodeEnum::RangeVar(relation)) = &relation.node else { continue };
        let name = &relation.relname;
        let table = facts.held(name).ok_or_else(|| Refusal::missing_table(name))?;
        plan.steps.push(Step::Tenant(format!("DELETE FROM {}", quoted(name))));
        if truncate.restart_seqs {
            plan.note(Bookkeeping::ResetCounters(table.number));
        }
    }
    Ok(plan)
}
