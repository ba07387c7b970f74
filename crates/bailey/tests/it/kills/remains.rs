//! What a dead host may leave behind: nothing. Processes, control groups, mounts.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time what dies has to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// As control groups of a host are named: its process and when that started.
    pub(crate) fn of(pid: i32) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let started = text.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
        Self(format!("{pid}-{started}-"))
    }
}

/// Waits until nothing is left of these hosts, and nothing is mounted that was not before.
pub(crate) async fn must_be_gone(dead: &[Mark], mounts_before: &HashSet<String>) {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut left: Vec<String> = groups(dead).iter().map(|path| path.display().to_string()).collect();
        left.extend(orphans());
        left.extend(mounts().difference(mounts_before).cloned());
        if left.is_empty() {
            return;
        }
        assert!(tokio::time::Instant::now() < give_up, "a dead host left behind: {left:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The children of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<i32>>())
        .collect()
}

/// Mounts of what the hosts of this test work with, as this process sees them.
pub(crate) fn mounts() -> HashSet<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let cache = crate::support::cache();
    let cache = cache.to_str().unwrap();
    let point = |line: &str| line.split(' ').nth(4).map(str::to_owned);
    text.lines().filter(|line| line.contains(cache)).filter_map(point).collect()
}

/// Control groups of these hosts.
fn groups(dead: &[Mark]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    look(Path::new("/sys/fs/cgroup"), 4, &mut |path, name| {
        if dead.iter().any(|mark| name.starts_with(&mark.0)) {
            found.push(path);
        }
    });
    found
}

fn look(folder: &Path, depth: u32, see: &mut impl FnMut(PathBuf, &str)) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        see(entry.path(), &entry.file_name().to_string_lossy());
        if depth > 1 {
            look(&entry.path(), depth - 1, see);
        }
    }
}

/// Processes of this very binary whose parent is gone: launchers, or what they became.
fn orphans() -> Vec<String> {
    let binary = Path::new(env!("CARGO_BIN_EXE_bailey")).canonicalize().unwrap();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let executable = std::fs::read_link(entry.path().join("exe")).ok()?;
        let status = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = status.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        (executable == binary && parent == "1").then(|| format!("process {pid}"))
    });
    processes.collect()
}
