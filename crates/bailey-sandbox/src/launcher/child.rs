//! The child's way from a fresh process to Python inside all walls, in the only order that works:
//! what needs privileges first, then giving them up, then the filters that forbid the rest.

use std::{
    convert::Infallible,
    ffi::{CString, OsString},
    fs::File,
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    thread::UnshareFlags,
};

use super::{Attempt, Failure, Identity, Plan, file_system, land, privileges, system, tool};
use crate::{
    error::Layer,
    seccomp_table::{self, Execution},
    spec::PLUGIN_MOUNT,
};

/// Puts up the walls and executes the program. Returns only on failure.
pub(super) fn become_process(plan: &Plan, control: &UnixStream) -> Result<Infallible, Failure> {
    let filters = match &plan.tool {
        None => seccomp_table::compile(Execution::OfDescriptor(exec_descriptor(plan))),
        Some(_) => seccomp_table::compile_tool(exec_descriptor(plan)),
    };
    let filters = filters
        .map_err(|error| Failure::new(Layer::Seccomp, format!("cannot compile the filter: {error}")))?;
    let arguments = program_arguments(plan)?;
    let environment = program_environment(plan)?;

    join_cgroups(plan)?; // before the cgroup namespace, whose root is then our own group
    enter_namespaces()?;
    match &plan.tool {
        None => file_system::enter_root(plan)?,
        Some(tool) => tool::enter(plan, tool, control)?,
    }
    // By place only: the file itself cannot be read, see `root`.
    let interpreter = rustix::fs::open(&plan.interpreter, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map(File::from)
        .attempt(Layer::Program, || format!("cannot open {}", plan.interpreter.display()))?;
    hold_program(interpreter, exec_descriptor(plan))?;
    privileges::limit_resources(&plan.limits)?;

    privileges::clear_bounding_set()?;
    if let Identity::Own(uid) = plan.identity {
        privileges::become_user(uid)?;
    }
    privileges::drop_capabilities()?;
    privileges::forbid_new_privileges()?;
    let folder = plan.tool.as_ref().map_or(Path::new(PLUGIN_MOUNT), |tool| &tool.folder);
    rustix::process::chdir(folder).attempt(Layer::FileSystem, || match &plan.tool {
        None => format!("the plugin folder {} cannot be entered", plan.plugin_dir.display()),
        Some(_) => format!("the folder {} cannot be entered", folder.display()),
    })?;
    rustix::process::setsid().attempt(Layer::Namespaces, || "cannot start a session".to_owned())?;
    system::die_with_parent()?;
    if system::hung_up(control.as_raw_fd()) {
        return Err(Failure::new(Layer::ParentDeath, "the host ended during the start"));
    }
    system::close_all_on_exec()?;

    match &plan.tool {
        None => land::restrict(plan)?,
        Some(tool) => tool::restrict(plan, tool)?,
    }
    filters
        .install()
        .map_err(|error| Failure::new(Layer::Seccomp, format!("cannot install the filter: {error}")))?;
    let error = match &plan.tool {
        None => system::execute_descriptor(exec_descriptor(plan), &arguments, &environment),
        // By name: it may be a script, whose interpreter must be able to find it.
        Some(_) => system::execute(&plan.interpreter, &arguments, &environment),
    };
    Err::<Infallible, _>(error)
        .attempt(Layer::Program, || format!("cannot execute {}", plan.interpreter.display()))
}

/// The one descriptor that may be executed. Its number is above the process's own limit, so once
/// it is closed by the execution nothing can ever be opened there again: the filter that allows
/// executing only this number thereby forbids every later execution.
pub(super) fn exec_descriptor(plan: &Plan) -> i32 {
    i32::try_from(plan.limits.open_files).unwrap_or(i32::MAX - 1) + 1
}

pub(super) fn hold_program(program: File, number: i32) -> Result<(), Failure> {
    let needed = u64::try_from(number).unwrap_or(u64::MAX).saturating_add(1);
    system::allow_descriptors(needed)
        .attempt(Layer::ResourceLimits, || format!("cannot have {needed} open files"))?;
    system::move_descriptor(program, number)
        .attempt(Layer::Program, || "cannot hold the interpreter open".to_owned())
}

pub(super) fn join_cgroups(plan: &Plan) -> Result<(), Failure> {
    for file in &plan.cgroup_files {
        std::fs::write(file, "0")
            .attempt(Layer::CgroupLimits, || format!("cannot join {}", file.display()))?;
    }
    Ok(())
}

pub(super) fn enter_namespaces() -> Result<(), Failure> {
    let spaces = UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    // SAFETY: none of these flags shares or unshares memory or descriptors of other threads; this
    // process has one thread.
    unsafe { rustix::thread::unshare_unsafe(spaces) }.attempt(Layer::Namespaces, || {
        "cannot make mount, network, ipc, host name and cgroup namespaces".to_owned()
    })?;
    rustix::system::sethostname(b"plugin")
        .attempt(Layer::Namespaces, || "cannot set the host name".to_owned())
}

pub(super) fn program_arguments(plan: &Plan) -> Result<Vec<CString>, Failure> {
    std::iter::once(plan.interpreter.as_os_str())
        .chain(plan.arguments.iter().map(OsString::as_os_str))
        .map(|word| system::c_string(word).attempt(Layer::Program, || format!("argument {}", word.display())))
        .collect()
}

pub(super) fn program_environment(plan: &Plan) -> Result<Vec<CString>, Failure> {
    plan.environment
        .iter()
        .map(|(name, value)| {
            CString::new(format!("{name}={value}")).map_err(|_| {
                Failure::new(Layer::Program, format!("environment variable {name} has a zero byte"))
            })
        })
        .collect()
}
