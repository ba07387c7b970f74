//! The file system the process sees: a read-only root, the plugin's folders, `/tmp`, `/proc` and
//! two devices. Nothing of the host's tree remains reachable afterwards.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::{Attempt, Failure, Identity, Plan, system};
use crate::{
    error::Layer,
    spec::{PACKAGES_MOUNT, PLUGIN_MOUNT},
};

/// Host devices that appear in `/dev`.
pub(super) const DEVICES: &[&str] = &["null", "urandom"];

pub(super) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub(super) const NO_PRIVILEGES: u64 = libc::MOUNT_ATTR_NOSUID;
pub(super) const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
pub(super) const NO_EXECUTION: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Builds the tree and makes it the root. The caller is in a mount namespace of its own.
pub(super) fn enter_root(plan: &Plan) -> Result<(), Failure> {
    separate()?;
    let root = plan.root.as_path();
    bind(Layer::FileSystem, root, root)?;
    bind_folder(&plan.plugin_dir, &inside(root, PLUGIN_MOUNT), NO_EXECUTION)?;
    if let Some(packages) = &plan.packages_dir {
        // Executable, because compiled extension modules are mapped from here.
        bind_folder(packages, &inside(root, PACKAGES_MOUNT), 0)?;
    }
    for device in DEVICES {
        let target = inside(root, "/dev").join(device);
        bind(Layer::FileSystem, &Path::new("/dev").join(device), &target)?;
        restrict(Layer::FileSystem, &target, NO_PRIVILEGES | NO_EXECUTION)?;
    }
    mount_proc(&inside(root, "/proc"))?;
    mount_tmp(plan, &inside(root, "/tmp"))?;
    restrict(Layer::FileSystem, root, READ_ONLY | NO_PRIVILEGES | NO_DEVICES)?;
    swap_root(root)
}

/// Before anything is mounted: nothing of what follows may travel back to the host.
pub(super) fn separate() -> Result<(), Failure> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .attempt(Layer::FileSystem, || "cannot separate the mounts from the host's".to_owned())
}

pub(super) fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

pub(super) fn bind(layer: Layer, source: &Path, target: &Path) -> Result<(), Failure> {
    rustix::mount::mount_bind(source, target)
        .attempt(layer, || format!("cannot show {} as {}", source.display(), target.display()))
}

pub(super) fn restrict(layer: Layer, target: &Path, attributes: u64) -> Result<(), Failure> {
    system::restrict_mount(target, attributes)
        .attempt(layer, || format!("cannot restrict {}", target.display()))
}

fn bind_folder(source: &Path, target: &Path, more: u64) -> Result<(), Failure> {
    bind(Layer::FileSystem, source, target)?;
    restrict(Layer::FileSystem, target, READ_ONLY | NO_PRIVILEGES | NO_DEVICES | more)
}

/// Only the process's own folder, nothing of the system: no `/proc/sys`, no other process.
pub(super) fn mount_proc(target: &Path) -> Result<(), Failure> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    rustix::mount::mount("proc", target, "proc", flags, c"subset=pid,hidepid=2")
        .attempt(Layer::Proc, || format!("cannot mount proc on {}", target.display()))
}

pub(super) fn mount_tmp(plan: &Plan, target: &Path) -> Result<(), Failure> {
    let (uid, gid) = match plan.identity {
        Identity::Own(uid) => (uid, uid),
        Identity::Namespace { uid, gid } => (uid, gid),
    };
    let options = format!(
        "size={},nr_inodes={},mode=0700,uid={uid},gid={gid}",
        plan.limits.tmp_bytes,
        plan.limits.tmp_inodes.saturating_add(1), // the folder /tmp itself is one
    );
    let options = system::c_string(options.as_ref()).attempt(Layer::Tmp, || "options of /tmp".to_owned())?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("tmpfs", target, "tmpfs", flags, options.as_c_str())
        .attempt(Layer::Tmp, || format!("cannot mount a temporary file system on {}", target.display()))
}

pub(super) fn swap_root(root: &Path) -> Result<(), Failure> {
    let layer = Layer::FileSystem;
    rustix::process::chdir(root).attempt(layer, || format!("cannot enter {}", root.display()))?;
    // Old and new root on one place: the old one lies on top and is taken away, so there is no
    // moment and no folder in which the host's tree can be seen.
    rustix::process::pivot_root(".", ".")
        .attempt(layer, || "cannot make the new root the root".to_owned())?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)
        .attempt(layer, || "cannot take the old root away".to_owned())?;
    rustix::process::chdir("/").attempt(layer, || "cannot enter the new root".to_owned())
}
