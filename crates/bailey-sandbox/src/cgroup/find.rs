//! Finds where control groups can be made on this machine, by making one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{CONTROLLERS, Hierarchy};
use crate::{
    config::CgroupParent,
    error::{Layer, LayerError},
};

/// Name of our folder when we choose it ourselves.
const OWN_FOLDER: &str = "bailey";
/// Where we move ourselves to when our own version 2 group must hold groups instead of processes.
const HOST_FOLDER: &str = "bailey-host";

/// One mounted hierarchy.
struct Mount {
    point: PathBuf,
    version2: bool,
    /// Controllers of a version 1 mount.
    options: Vec<String>,
}

/// Finds the hierarchy to use, version 2 first, or says what is missing.
pub(crate) fn find(parent: &CgroupParent) -> Result<Hierarchy, LayerError> {
    let text = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| missing(format!("cannot read the mounts: {error}")))?;
    let mounts: Vec<Mount> = text.lines().filter_map(parse_mount).collect();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let second = version2(&mounts, &own, parent);
    if let Ok(hierarchy) = second {
        return Ok(hierarchy);
    }
    let first = version1(&mounts, parent);
    match (first, second) {
        (Ok(hierarchy), _) | (_, Ok(hierarchy)) => Ok(hierarchy),
        (Err(first), Err(second)) => Err(missing(format!("version 2: {second}; version 1: {first}"))),
    }
}

fn missing(reason: String) -> LayerError {
    LayerError::new(Layer::CgroupLimits, reason)
}

/// Parses one line of mountinfo; `None` unless it is a control group mount.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let point = PathBuf::from(left.split(' ').nth(4)?);
    let mut right = right.split(' ');
    let kind = right.next()?;
    let options = right.nth(1).unwrap_or("").split(',').map(str::to_owned).collect();
    match kind {
        "cgroup2" => Some(Mount { point, version2: true, options }),
        "cgroup" => Some(Mount { point, version2: false, options }),
        _ => None,
    }
}

fn version2(mounts: &[Mount], own: &str, parent: &CgroupParent) -> Result<Hierarchy, String> {
    let mount = mounts.iter().find(|mount| mount.version2).ok_or("not mounted")?;
    let available = fs::read_to_string(mount.point.join("cgroup.controllers")).unwrap_or_default();
    let lacking: Vec<_> = CONTROLLERS.iter().filter(|name| !has_word(&available, name)).copied().collect();
    if !lacking.is_empty() {
        return Err(format!("controllers {} are not available", lacking.join(", ")));
    }
    match parent {
        CgroupParent::Named(path) => {
            let folder = mount.point.join(path.strip_prefix("/").unwrap_or(path));
            enable(&folder)?;
            usable(&folder)?;
            Ok(Hierarchy::Version2 { parent: folder })
        }
        CgroupParent::Auto => {
            let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
            let own = mount.point.join(path.trim_start_matches('/'));
            below(&own).or_else(|first| below(&mount.point).map_err(|second| format!("{first}; {second}")))
        }
    }
}

/// Makes our folder below a group, enabling the controllers on the way.
fn below(group: &Path) -> Result<Hierarchy, String> {
    if enable(group).is_err() {
        // A group with processes in it cannot hand controllers on. If we are the only one in it, we
        // move into a group beside our plugins.
        let own = std::process::id().to_string();
        let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        if procs.trim() != own {
            return Err(format!("{} holds other processes or is not ours", group.display()));
        }
        let host = group.join(HOST_FOLDER);
        make(&host)?;
        write(&host.join("cgroup.procs"), &own)?;
        enable(group)?;
    }
    let parent = group.join(OWN_FOLDER);
    make(&parent)?;
    enable(&parent)?;
    usable(&parent)?;
    Ok(Hierarchy::Version2 { parent })
}

/// Hands the controllers on to the groups inside.
fn enable(group: &Path) -> Result<(), String> {
    let file = group.join("cgroup.subtree_control");
    let present =
        fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    if CONTROLLERS.iter().all(|name| has_word(&present, name)) {
        return Ok(());
    }
    write(&file, "+memory +pids +cpu")
}

fn version1(mounts: &[Mount], parent: &CgroupParent) -> Result<Hierarchy, String> {
    let folder = |controller: &str| -> Result<PathBuf, String> {
        let mount = mounts
            .iter()
            .find(|mount| !mount.version2 && mount.options.iter().any(|option| option == controller))
            .ok_or_else(|| format!("controller {controller} is not mounted"))?;
        let folder = match parent {
            CgroupParent::Named(path) => mount.point.join(path.strip_prefix("/").unwrap_or(path)),
            CgroupParent::Auto => {
                let folder = mount.point.join(OWN_FOLDER);
                make(&folder)?;
                folder
            }
        };
        usable(&folder)?;
        Ok(folder)
    };
    Ok(Hierarchy::Version1 { memory: folder("memory")?, pids: folder("pids")?, cpu: folder("cpu")? })
}

/// Proves that groups can be made here.
fn usable(parent: &Path) -> Result<(), String> {
    let probe = parent.join(format!("{}-probe", super::owner_mark()));
    make(&probe)?;
    match fs::remove_dir(&probe) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", probe.display()))
        }
        _ => Ok(()),
    }
}

fn make(folder: &Path) -> Result<(), String> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(format!("cannot make group {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write {text:?} to {}: {error}", file.display()))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|candidate| candidate == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_both_versions_are_recognised() {
        let second =
            parse_mount("30 24 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw").unwrap();
        assert!(second.version2);
        assert_eq!(second.point, PathBuf::from("/sys/fs/cgroup/unified"));
        let first = parse_mount("33 24 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct")
            .unwrap();
        assert!(!first.version2 && first.options.contains(&"cpu".to_owned()));
        assert!(parse_mount("22 1 0:21 / /proc rw - proc proc rw").is_none());
        assert!(parse_mount("nonsense").is_none());
    }
}
