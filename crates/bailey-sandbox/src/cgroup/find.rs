//! Finds where control groups can be made on this machine, by making one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{CONTROLLERS, Hierarchy, MemoryFiles, files::shares};
use crate::{
    config::CgroupParent,
    error::{Layer, LayerError},
    limits::ALL_CPU_WEIGHT,
};

/// Name of our folder when we choose it ourselves.
const OWN_FOLDER: &str = "bailey";
/// Where we move ourselves to when our own version 2 group must hold groups instead of processes.
const HOST_FOLDER: &str = "bailey-host";

/// One mounted hierarchy.
struct Mount {
    /// The group that is seen at the point; not `/` in some containers.
    root: PathBuf,
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
    let mut left = left.split(' ').skip(3).map(PathBuf::from);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let kind = right.next()?;
    let options = right.nth(1).unwrap_or("").split(',').map(str::to_owned).collect();
    match kind {
        "cgroup2" => Some(Mount { root, point, version2: true, options }),
        "cgroup" => Some(Mount { root, point, version2: false, options }),
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
    weigh(&parent.join("cpu.weight"), ALL_CPU_WEIGHT);
    Ok(Hierarchy::Version2 { parent })
}

/// Lets Bailey itself go before its plugins when processors are short. No wall depends on it, and not every
/// machine allows it.
fn weigh(file: &Path, weight: u64) {
    if let Err(reason) = write(file, &weight.to_string()) {
        tracing::debug!("plugins weigh as much as Bailey itself: {reason}");
    }
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
                if controller == "cpu" {
                    weigh(&folder.join("cpu.shares"), shares(ALL_CPU_WEIGHT));
                }
                folder
            }
        };
        usable(&folder)?;
        Ok(folder)
    };
    Ok(Hierarchy::Version1 { memory: folder("memory")?, pids: folder("pids")?, cpu: folder("cpu")? })
}

/// Where a process's group of one controller lies, whoever made it, in each hierarchy that may have the
/// controller.
pub(crate) fn places_of(pid: u32, controller: &str) -> Vec<Place> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let groups = read(&format!("/proc/{pid}/cgroup"));
    let mounts: Vec<Mount> = read("/proc/self/mountinfo").lines().filter_map(parse_mount).collect();
    groups.lines().flat_map(|line| places(line, &mounts, controller)).collect()
}

/// A group's folder, and the topmost one of its hierarchy that is to be seen.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) top: PathBuf,
    pub(super) version2: bool,
}

/// Those of one line of a process's groups: number, controllers, path.
fn places(line: &str, mounts: &[Mount], controller: &str) -> Vec<Place> {
    let mut words = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (words.next(), words.next()) else { return Vec::new() };
    let version2 = controllers.is_empty();
    if !version2 && !controllers.split(',').any(|name| name == controller) {
        return Vec::new();
    }
    let holds = |mount: &&Mount| {
        mount.version2 == version2 && (version2 || mount.options.iter().any(|name| name == controller))
    };
    let place = |mount: &Mount| {
        let below = Path::new(group).strip_prefix(&mount.root).ok()?;
        Some(Place { folder: mount.point.join(below), top: mount.point.clone(), version2 })
    };
    mounts.iter().filter(holds).filter_map(place).collect()
}

/// Where the memory of a process can be measured whose group others made; `None` if it is not to be seen.
pub(crate) fn memory_of(pid: u32) -> Option<MemoryFiles> {
    let places = places_of(pid, "memory").into_iter();
    let mut files = places.map(|place| MemoryFiles::of(&place.folder, place.version2));
    files.find(|files| files.bytes().is_some()) // one without the controller has no such files
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
        let part = parse_mount("30 24 0:26 /docker/a /sys/fs/cgroup rw - cgroup2 cgroup2 rw").unwrap();
        assert_eq!(part.root, PathBuf::from("/docker/a"));
        assert!(parse_mount("22 1 0:21 / /proc rw - proc proc rw").is_none());
        assert!(parse_mount("nonsense").is_none());
    }

    #[test]
    fn a_group_is_found_below_the_mount_that_shows_it() {
        let mounts: Vec<Mount> = [
            "30 24 0:26 /docker/a /second rw - cgroup2 cgroup2 rw",
            "33 24 0:29 / /first rw - cgroup cgroup rw,cpu,cpuacct",
        ]
        .into_iter()
        .filter_map(parse_mount)
        .collect();
        let found = |line, controller| {
            let places = places(line, &mounts, controller).into_iter();
            places.map(|place| place.folder.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found("0::/docker/a/inner", "memory"), ["/second/inner"]);
        assert_eq!(found("0::/docker/b", "memory"), [""; 0], "not to be seen");
        assert_eq!(found("4:cpu,cpuacct:/x/y", "cpu"), ["/first/x/y"]);
        assert_eq!(found("4:cpu,cpuacct:/x/y", "memory"), [""; 0]);
        assert_eq!(found("4:memory:/x:y", "memory"), [""; 0], "not mounted");
    }
}
