//! Landlock for a tool: read everywhere, write only where it was given a folder, execute only what it
//! was shown to execute, connect to one port.

use landlock::{
    Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};

use super::super::{
    Failure, Plan, ToolPlan,
    land::{WRITTEN_FOR, allow, judge, scratch},
};
use crate::tool::Access;

/// Applies the rules to this process and all it becomes or starts.
pub(in super::super) fn restrict(plan: &Plan, tool: &ToolPlan) -> Result<(), Failure> {
    judge(apply(plan, tool))
}

fn apply(plan: &Plan, tool: &ToolPlan) -> Result<RestrictionStatus, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let device = make_bitflags!(AccessFs::{ReadFile | WriteFile});
    let execute: BitFlags<AccessFs> = AccessFs::Execute.into();
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WRITTEN_FOR))?
        .handle_access(AccessNet::from_all(WRITTEN_FOR))?
        .scope(Scope::from_all(WRITTEN_FOR))?
        .create()?;
    ruleset = allow(ruleset, "/", read)?;
    ruleset = allow(ruleset, "/tmp", scratch())?;
    ruleset = allow(ruleset, "/dev/null", device)?;
    for shown in tool.shown.iter().filter(|shown| shown.access == Access::Write) {
        ruleset = allow(ruleset, &shown.place, scratch())?;
    }
    for path in &plan.executables {
        ruleset = allow(ruleset, path, execute | AccessFs::ReadFile)?;
    }
    if let Some(port) = tool.port {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    ruleset.restrict_self()
}
