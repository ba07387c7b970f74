//! Landlock: which files may be read, written and executed, whatever the mounts allow.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, make_bitflags,
};

use super::{Failure, Plan};
use crate::error::Layer;

/// The rules are written for this version; an older kernel applies those it knows.
pub(super) const WRITTEN_FOR: ABI = ABI::V7;
/// The same as a number.
pub(crate) const NEWEST: u32 = WRITTEN_FOR as u32;

/// Applies the rules to this process and all it becomes.
pub(super) fn restrict(plan: &Plan) -> Result<(), Failure> {
    judge(apply(plan))
}

/// Whether the kernel took the rules.
pub(super) fn judge(applied: Result<RestrictionStatus, RulesetError>) -> Result<(), Failure> {
    let status =
        applied.map_err(|error| Failure::new(Layer::Landlock, format!("cannot apply the rules: {error}")))?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(Failure::new(Layer::Landlock, "this kernel has no landlock, or it is switched off"));
    }
    Ok(())
}

fn apply(plan: &Plan) -> Result<RestrictionStatus, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let device = make_bitflags!(AccessFs::{ReadFile | WriteFile});
    let execute: BitFlags<AccessFs> = AccessFs::Execute.into();
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WRITTEN_FOR))?
        .handle_access(AccessNet::from_all(WRITTEN_FOR))?
        .scope(Scope::from_all(WRITTEN_FOR))?
        .create()?;
    let ruleset = allow(ruleset, "/", read)?;
    let ruleset = allow(ruleset, "/tmp", scratch())?;
    let ruleset = allow(ruleset, "/dev/null", device)?;
    plan.executables
        .iter()
        .try_fold(ruleset, |ruleset, path| allow(ruleset, path, execute | AccessFs::ReadFile))?
        .restrict_self()
}

/// Files, folders and links in `/tmp`; no devices, no sockets, nothing executable.
pub(super) fn scratch() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{
        ReadFile | ReadDir | WriteFile | Truncate | Refer | MakeReg | MakeDir | MakeSym | MakeFifo | RemoveFile | RemoveDir
    })
}

pub(super) fn allow(
    ruleset: RulesetCreated,
    path: impl AsRef<std::path::Path>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(descriptor) => ruleset.add_rule(PathBeneath::new(descriptor, access)),
        // A path that is not there needs no rule: without one, everything about it is denied.
        Err(_) => Ok(ruleset),
    }
}
