//! Removes groups whose host is gone, and what still lives in them: the second net below the
//! parent-death signal.

use std::{fs, time::Duration};

use super::{Hierarchy, group::kill_and_remove};

/// How long one left-over group may take; what takes longer is left to the next start.
const PATIENCE: Duration = Duration::from_secs(1);

/// Marks a group as this host's: pid and start time, so that a reused pid is not mistaken for us.
pub(crate) fn owner_mark() -> String {
    let pid = std::process::id();
    format!("{pid}-{}", start_time(pid).unwrap_or(0))
}

/// Kills and removes what hosts that no longer run left behind. Returns how many groups went.
pub(crate) fn sweep(hierarchy: &Hierarchy) -> usize {
    let mut removed = 0;
    for parent in hierarchy.parents() {
        let Ok(entries) = fs::read_dir(parent) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(is_stale) {
                continue;
            }
            removed += usize::from(kill_and_remove(&[entry.path()], PATIENCE));
        }
    }
    removed
}

/// Whether a name that begins with an owner's mark says that this host no longer runs.
pub(crate) fn is_stale(name: &str) -> bool {
    let mut words = name.split('-');
    let (Some(pid), Some(started)) = (words.next(), words.next()) else { return false };
    let (Ok(pid), Ok(started)) = (pid.parse::<u32>(), started.parse::<u64>()) else { return false };
    start_time(pid) != Some(started)
}

/// When a process started, in clock ticks since boot. One that has ended and only waits to be
/// collected does not run any more.
fn start_time(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything; the start time is the 20th word after it.
    let words = text.rsplit_once(')')?.1;
    if words.trim_start().starts_with(['Z', 'X']) {
        return None;
    }
    words.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_of_dead_hosts_are_stale() {
        assert!(!is_stale(&format!("{}-1-x", owner_mark())));
        assert!(is_stale(&format!("{}-1-1-x", std::process::id())), "another process with our pid");
        assert!(is_stale("4294967294-5-1-x"));
        assert!(!is_stale("someone-elses"));
        assert!(!is_stale("bailey"));
    }
}
