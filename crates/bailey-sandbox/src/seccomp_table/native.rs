//! The table as filters of this process, for the native sandbox.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::{ALLOWED, ALLOWED_HERE, Call, Execution, When, Width, allowed_when};

/// Both filters, ready to be installed.
pub(crate) struct Filters {
    no_clone3: BpfProgram,
    allow_list: BpfProgram,
}

impl Filters {
    /// Installs both on this thread. After the second, only the table's calls are left.
    pub(crate) fn install(&self) -> Result<(), seccompiler::Error> {
        seccompiler::apply_filter(&self.no_clone3)?;
        seccompiler::apply_filter(&self.allow_list)
    }
}

/// Compiles the table for this architecture.
///
/// Two filters, because one filter has one answer for what it refuses: `clone3` must look as if the
/// kernel did not have it (its flags are behind a pointer that a filter cannot read), and all else
/// is `EPERM`. A call of a foreign architecture kills the process.
pub(crate) fn compile(execution: Execution) -> Result<Filters, seccompiler::BackendError> {
    compile_with(execution, &[], Vec::new())
}

/// The same with further calls, and with further alternatives for calls of the table.
pub(super) fn compile_with(
    execution: Execution,
    more: &[Call],
    more_when: Vec<(Call, Vec<When>)>,
) -> Result<Filters, seccompiler::BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let no_clone3 = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
        architecture,
    )?;
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).chain(more).map(|call| (call.number, Vec::new())).collect();
    for (call, conditions) in allowed_when(execution).into_iter().chain(more_when) {
        let alternatives = rules.entry(call.number).or_default();
        if !conditions.is_empty() {
            let conditions = conditions.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
            alternatives.push(SeccompRule::new(conditions)?);
        }
    }
    let allow_list = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
        architecture,
    )?;
    Ok(Filters { no_clone3: no_clone3.try_into()?, allow_list: allow_list.try_into()? })
}

fn condition(when: &When) -> Result<SeccompCondition, seccompiler::BackendError> {
    let length = match when.width {
        Width::Half => SeccompCmpArgLen::Dword,
        Width::Whole => SeccompCmpArgLen::Qword,
    };
    SeccompCondition::new(when.argument, length, SeccompCmpOp::MaskedEq(when.mask), when.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compiles() {
        compile(Execution::OfDescriptor(257)).unwrap();
    }
}
