//! Control groups of a test's own, so that no other test's sandbox looks into them.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use bailey_builder::CgroupParent;

/// A parent group of this test only, in every hierarchy that has one of our controllers.
pub struct Groups {
    name: String,
    folders: Vec<PathBuf>,
}

impl Groups {
    /// Makes it. Needs root.
    #[expect(clippy::new_without_default, reason = "makes folders, which a default does not")]
    pub fn new() -> Self {
        // Not the process id: a test that was killed leaves its groups, and ids come around again.
        let unique = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        let name = format!("bailey-test-{}", unique.trim());
        let folders: Vec<_> = mounts().into_iter().map(|mount| mount.join(&name)).collect();
        for folder in &folders {
            fs::create_dir(folder).unwrap();
        }
        Self { name, folders }
    }

    /// Its path below each mount.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As a sandbox is told of it.
    pub fn parent(&self) -> CgroupParent {
        CgroupParent::Named(self.name.clone().into())
    }

    /// Lets a user make groups in it, as a service manager does.
    pub fn give_to(&self, user: u32) {
        for folder in &self.folders {
            for name in [".", "cgroup.procs", "cgroup.subtree_control"] {
                let path = folder.join(name);
                if path.exists() {
                    std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
                }
            }
        }
    }

    /// The groups in it that exist now.
    pub fn members(&self) -> Vec<PathBuf> {
        let below =
            |folder: &PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        self.folders.iter().flat_map(below).filter(|path| path.is_dir()).collect()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for folder in &self.folders {
            let _still_in_use = fs::remove_dir(folder);
        }
    }
}

/// Mounts of version 2 with our controllers, else those of version 1.
fn mounts() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    // A hierarchy can be seen in several places, for instance below a chroot; the first is the one meant.
    let mut known = HashSet::new();
    let first: Vec<(PathBuf, &str, &str)> = text
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut right = right.split(' ');
            let (kind, options) = (right.next()?, right.nth(1)?);
            kind.starts_with("cgroup").then_some((PathBuf::from(left.split(' ').nth(4)?), kind, options))
        })
        .filter(|(_, kind, options)| known.insert((*kind, *options)))
        .collect();
    let has_memory =
        |mount: &Path| fs::read_to_string(mount.join("cgroup.controllers")).unwrap().contains("memory");
    let ours = |options: &str| options.split(',').any(|option| ["memory", "pids", "cpu"].contains(&option));
    let chosen = |wanted: &dyn Fn(&Path, &str, &str) -> bool| -> Vec<PathBuf> {
        let wanted = first.iter().filter(|(mount, kind, options)| wanted(mount, kind, options));
        wanted.map(|(mount, ..)| mount.clone()).collect()
    };
    let second = chosen(&|mount, kind, _| kind == "cgroup2" && has_memory(mount));
    if second.is_empty() { chosen(&|_, kind, options| kind == "cgroup" && ours(options)) } else { second }
}
