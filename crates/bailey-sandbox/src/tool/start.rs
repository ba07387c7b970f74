//! From what a tool asks for to a plan for the launcher. Blocking.

use std::{net::TcpListener, os::fd::OwnedFd};

use super::{Access, Shown, ToolSpec};
use crate::{
    error::SpawnError,
    janitor::Remains,
    launcher::{Identity, Plan, ToolPlan},
    spec::ProcessSpec,
    start::{Started, Workshop, group, launch},
};

pub(super) fn start(
    workshop: &Workshop,
    uid: u32,
    spec: &ToolSpec,
) -> Result<(Started, Option<TcpListener>), SpawnError> {
    // The checks of words and numbers are the same as for a plugin.
    let like_a_plugin = ProcessSpec {
        arguments: spec.arguments.clone(),
        environment: spec.environment.clone(),
        limits: spec.limits.clone(),
        ..ProcessSpec::python_plugin(&spec.label, "/", None)
    };
    let label = like_a_plugin.safe_label();
    like_a_plugin.check().map_err(|reason| SpawnError::Invalid { label: label.clone(), reason })?;
    let shown = spec.shown.iter().map(|shown| real(&label, shown)).collect::<Result<Vec<_>, _>>()?;

    let identity = Identity::of_ordinary_user().unwrap_or(Identity::Own(uid));
    let mut remains = Remains::new(&label);
    let group = group(workshop, &label, &spec.limits)?;
    let cgroup_files = group.join_files();
    remains.group = Some(group);

    let root = &workshop.config.root;
    let executable = shown.iter().filter(|shown| shown.access == Access::Execute);
    let plan = Plan {
        identity,
        cgroup_files,
        root: root.path().to_owned(),
        interpreter: spec.program.clone(),
        executables: root.executables().iter().chain(executable.map(|shown| &shown.place)).cloned().collect(),
        arguments: spec.arguments.clone(),
        environment: spec.environment.clone(),
        tool: Some(ToolPlan { shown, folder: spec.folder.clone(), port: spec.port }),
        plugin_dir: "/".into(),
        packages_dir: None,
        limits: spec.limits.clone(),
        survey: false,
    };
    let mut listener: Option<OwnedFd> = None;
    let started = launch(workshop, &plan, remains, &mut listener)?;
    Ok((started, listener.map(TcpListener::from)))
}

/// With links followed on the host's side, or why the thing cannot be shown.
fn real(label: &str, shown: &Shown) -> Result<Shown, SpawnError> {
    let failed = |source| SpawnError::Folder { label: label.to_owned(), path: shown.source.clone(), source };
    let source = std::fs::canonicalize(&shown.source).map_err(failed)?;
    Ok(Shown { source, ..shown.clone() })
}
