//! What the host can see of a process from outside, by the kernel's account in `/proc`.

use std::{fs, path::Path, time::Duration};

use crate::cgroup;

/// Processes that were started by this one or by its children, and are alive.
pub(super) fn descendants(pid: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = pids().filter_map(|child| Some((child, parent(child)?))).collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&current) = found.get(next) {
        let children = all.iter().filter(|(child, parent)| *parent == current && !found.contains(child));
        let children: Vec<u32> = children.map(|(child, _)| *child).collect();
        found.extend(children);
        next += 1;
    }
    found.split_off(1)
}

/// Living processes that have this text in the environment they were started with.
pub(super) fn carrying(mark: &str) -> Vec<u32> {
    let carries = |pid: &u32| {
        // Those of other users, or that nobody may look into, are not ours to judge.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    pids().filter(carries).collect()
}

/// Threads the process has.
pub(super) fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// Processor time that the process has used, and the processes it started: all threads together.
/// `None` if it has ended.
pub(super) fn processor_time(pid: u32) -> Option<Duration> {
    let others = descendants(pid).into_iter().filter_map(own_processor_time).sum::<Duration>();
    own_processor_time(pid).map(|own| own + others)
}

fn own_processor_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_millis((user + system) * 1000 / per_second.max(1)))
}

/// Share of one processor that the process's control groups allow it, the strictest of them; `None` when
/// none of them sets a limit.
pub(super) fn processor_limit(pid: u32) -> Option<f64> {
    let places = cgroup::places_of(pid, "cpu").into_iter();
    places.flat_map(|place| limits_up_to(&place.folder, &place.top)).reduce(f64::min)
}

/// The limits of a group and of those it lies in.
fn limits_up_to(group: &Path, top: &Path) -> Vec<f64> {
    group.ancestors().take_while(|folder| folder.starts_with(top)).filter_map(limit_of).collect()
}

fn limit_of(folder: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let (quota, period) = match read("cpu.max") {
        Some(text) => {
            text.trim().split_once(' ').map(|(quota, period)| (quota.to_owned(), period.to_owned()))?
        }
        None => (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?),
    };
    // "max" and -1 are no limit.
    let quota = quota.trim().parse::<f64>().ok().filter(|quota| *quota > 0.0)?;
    Some(quota / period.trim().parse::<f64>().ok()?)
}

fn pids() -> impl Iterator<Item = u32> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?);
    if matches!(state, "Z" | "X") { None } else { parent.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_group_counts() {
        let mount = tempfile::tempdir().unwrap();
        let inner = mount.path().join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("cpu.max"), "max 100000\n").unwrap();
        let found = || limits_up_to(&inner, mount.path());
        assert_eq!(found(), Vec::<f64>::new());
        fs::write(mount.path().join("outer/cpu.max"), "50000 100000\n").unwrap();
        assert_eq!(found(), [0.5]);
        fs::remove_file(inner.join("cpu.max")).unwrap();
        fs::write(inner.join("cpu.cfs_quota_us"), "-1\n").unwrap();
        fs::write(inner.join("cpu.cfs_period_us"), "100000\n").unwrap();
        assert_eq!(found(), [0.5]);
        fs::write(inner.join("cpu.cfs_quota_us"), "25000\n").unwrap();
        assert_eq!(found(), [0.25, 0.5]);
    }
}
