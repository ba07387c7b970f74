//! The tree a tool sees: the folders of the read-only root, what it is shown, `/tmp`, `/proc` and two
//! devices, put together on an empty file system of its own.

use std::{fs, path::Path};

use rustix::mount::MountFlags;

use super::super::{
    Attempt, Failure, Plan, ToolPlan,
    file_system::{
        DEVICES, NO_DEVICES, NO_EXECUTION, NO_PRIVILEGES, READ_ONLY, bind, inside, mount_proc, mount_tmp,
        restrict, separate, swap_root,
    },
};
use crate::{
    error::Layer,
    tool::{Access, Shown},
};

/// Folders of the root that are not taken over: they are mount points, made anew.
const MADE_ANEW: &[&str] = &["dev", "packages", "plugin", "proc", "tmp"];

/// Builds the tree and makes it the root. The caller is in a mount namespace of its own.
pub(super) fn enter_root(plan: &Plan, tool: &ToolPlan) -> Result<(), Failure> {
    separate()?;
    // It grows on an empty folder of the root; only in this namespace.
    let base = inside(&plan.root, "/tmp");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("tmpfs", &base, "tmpfs", flags, c"size=64k,nr_inodes=256,mode=0755")
        .attempt(Layer::FileSystem, || format!("cannot mount an empty tree on {}", base.display()))?;
    take_over(&plan.root, &base)?;
    tool.shown.iter().try_for_each(|shown| show(shown, &base))?;
    make_folder(&inside(&base, "/dev"))?;
    for device in DEVICES {
        let target = inside(&base, "/dev").join(device);
        make_file(&target)?;
        bind(Layer::FileSystem, &Path::new("/dev").join(device), &target)?;
        restrict(Layer::FileSystem, &target, NO_PRIVILEGES | NO_EXECUTION)?;
    }
    for (place, mount) in [("/proc", None), ("/tmp", Some(plan))] {
        let target = inside(&base, place);
        make_folder(&target)?;
        match mount {
            None => mount_proc(&target)?,
            Some(plan) => mount_tmp(plan, &target)?,
        }
    }
    restrict(Layer::FileSystem, &base, READ_ONLY | NO_PRIVILEGES | NO_DEVICES)?;
    swap_root(&base)
}

/// The folders of the read-only root, one by one.
fn take_over(root: &Path, base: &Path) -> Result<(), Failure> {
    let list = || format!("cannot list the root {}", root.display());
    for entry in fs::read_dir(root).attempt(Layer::FileSystem, list)? {
        let name = entry.attempt(Layer::FileSystem, list)?.file_name();
        if MADE_ANEW.iter().any(|made| *made == name) {
            continue;
        }
        let target = base.join(&name);
        make_folder(&target)?;
        bind(Layer::FileSystem, &root.join(&name), &target)?;
        restrict(Layer::FileSystem, &target, READ_ONLY | NO_PRIVILEGES | NO_DEVICES)?;
    }
    Ok(())
}

fn show(shown: &Shown, base: &Path) -> Result<(), Failure> {
    let target = base.join(shown.place.strip_prefix("/").unwrap_or(&shown.place));
    if let Some(parent) = target.parent() {
        make_folder(parent)?;
    }
    if shown.source.is_dir() {
        make_folder(&target)?
    } else {
        make_file(&target)?
    }
    bind(Layer::FileSystem, &shown.source, &target)?;
    let more = match shown.access {
        Access::Read => READ_ONLY | NO_EXECUTION,
        Access::Write => NO_EXECUTION,
        Access::Execute => READ_ONLY,
    };
    restrict(Layer::FileSystem, &target, NO_PRIVILEGES | NO_DEVICES | more)
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).attempt(Layer::FileSystem, || format!("cannot make {}", path.display()))
}

fn make_file(path: &Path) -> Result<(), Failure> {
    fs::write(path, "").attempt(Layer::FileSystem, || format!("cannot make {}", path.display()))
}
