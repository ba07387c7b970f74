//! A survey instead of a start: every wall is tried, and one that cannot be put up does not keep the
//! others from being tried, unless they would then be put up around the host itself.

use std::{io::Write, os::unix::net::UnixStream};

use rustix::fs::{Mode, OFlags};

use super::{Attempt, Failure, Identity, Plan, Report, child, file_system, land, privileges, report, system};
use crate::{
    error::Layer,
    seccomp_table::{self, Execution},
};

/// Tries all walls and says how each fares. The last is the program, which says it by running.
pub(super) fn run(plan: &Plan, control: &mut UnixStream) -> Result<(), Failure> {
    let own_users = matches!(plan.identity, Identity::Namespace { .. });
    let pipe = system::pipe()?;
    match system::fork_into_pid_namespace(own_users) {
        Ok(0) => {
            drop(pipe.1);
            system::wait_for_byte(pipe.0);
            try_walls(plan, control, true);
            std::process::exit(0);
        }
        Ok(process) => {
            report(control, &Report::Child(process));
            if let Identity::Namespace { uid, gid } = plan.identity {
                tell(control, Layer::UserNamespace, system::map_identity(process, uid, gid));
            }
            let mut release = pipe.1;
            release.write_all(b"g").attempt(Layer::Launcher, || "cannot release the child".to_owned())
        }
        // The others are tried in this very process, which ends afterwards.
        Err(failure) => {
            tell(control, failure.layer, Err(failure));
            try_walls(plan, control, false);
            Ok(())
        }
    }
}

/// Says how it went with one wall; whether it is up.
fn tell(control: &mut UnixStream, layer: Layer, result: Result<(), Failure>) -> bool {
    match result {
        Ok(()) => report(control, &Report::Stands(layer)),
        Err(failure) => {
            report(control, &Report::Failed(failure.layer, failure.errno, failure.message));
            return false;
        }
    }
    true
}

/// `apart` says whether this process is in a pid namespace of its own, made for this.
fn try_walls(plan: &Plan, control: &mut UnixStream, apart: bool) {
    if !plan.cgroup_files.is_empty() {
        tell(control, Layer::CgroupLimits, child::join_cgroups(plan));
    }
    // Mounts are changed only where the host cannot see it.
    let apart = apart && tell(control, Layer::Namespaces, child::enter_namespaces());
    let rooted = apart && tell(control, Layer::FileSystem, file_system::enter_root(plan));
    if rooted {
        tell(control, Layer::Proc, Ok(()));
        tell(control, Layer::Tmp, Ok(()));
    }
    let held = if rooted { tell_failure(control, hold_interpreter(plan)) } else { false };
    tell(control, Layer::ResourceLimits, privileges::limit_resources(&plan.limits));
    let bounded = privileges::clear_bounding_set();
    if let Identity::Own(uid) = plan.identity {
        tell(control, Layer::Identity, privileges::become_user(uid));
    }
    tell(control, Layer::Capabilities, bounded.and_then(|()| privileges::drop_capabilities()));
    tell(control, Layer::NoNewPrivileges, privileges::forbid_new_privileges());
    tell(control, Layer::ParentDeath, system::die_with_parent());
    let closing = system::close_all_on_exec();
    tell(control, Layer::Landlock, land::restrict(plan));
    let filters = seccomp_table::compile(Execution::OfDescriptor(child::exec_descriptor(plan)))
        .map_err(|error| Failure::new(Layer::Seccomp, format!("cannot compile the filter: {error}")))
        .and_then(|filters| {
            filters
                .install()
                .map_err(|error| Failure::new(Layer::Seccomp, format!("cannot install the filter: {error}")))
        });
    let filtered = tell(control, Layer::Seccomp, filters);
    if held && filtered && tell_failure(control, closing) {
        tell_failure(control, execute(plan));
    }
}

/// Says only what went wrong.
fn tell_failure(control: &mut UnixStream, result: Result<(), Failure>) -> bool {
    match result {
        Ok(()) => true,
        Err(failure) => tell(control, failure.layer, Err(failure)),
    }
}

fn hold_interpreter(plan: &Plan) -> Result<(), Failure> {
    let interpreter = rustix::fs::open(&plan.interpreter, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .attempt(Layer::Program, || format!("cannot open {}", plan.interpreter.display()))?;
    child::hold_program(interpreter.into(), child::exec_descriptor(plan))
}

/// Executes the program; returns only if that fails. The control socket closes by it.
fn execute(plan: &Plan) -> Result<(), Failure> {
    let (arguments, environment) = (child::program_arguments(plan)?, child::program_environment(plan)?);
    let error = system::execute_descriptor(child::exec_descriptor(plan), &arguments, &environment);
    Err::<(), _>(error).attempt(Layer::Program, || format!("cannot execute {}", plan.interpreter.display()))
}
