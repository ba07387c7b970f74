//! The control group of one process.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Hierarchy;
use super::demotion::{self, Share};
use super::files::{counter, shares};
use crate::{
    error::{Layer, LayerError},
    limits::Limits,
};

/// Length of a processor accounting period in microseconds.
const PERIOD_MICROSECONDS: u64 = 100_000;

/// One group (one folder per hierarchy). The folders stay until [`Group::remove`].
#[derive(Debug)]
pub(crate) struct Group {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Version2(PathBuf),
    Version1 { memory: PathBuf, pids: PathBuf, cpu: PathBuf },
}

/// Where the kernel says how much memory a group takes.
#[derive(Debug, Clone)]
pub(crate) struct MemoryFiles {
    usage: PathBuf,
    details: PathBuf,
    /// The line of `details` with the file pages not used lately.
    reclaimable: &'static str,
}

impl MemoryFiles {
    /// Of a group by its folder.
    pub(super) fn of(folder: &Path, version2: bool) -> Self {
        let (usage, reclaimable) = if version2 {
            ("memory.current", "inactive_file")
        } else {
            ("memory.usage_in_bytes", "total_inactive_file")
        };
        Self { usage: folder.join(usage), details: folder.join("memory.stat"), reclaimable }
    }

    /// Bytes in use without file pages not used lately; `None` when the group is gone.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let usage: u64 = fs::read_to_string(&self.usage).ok()?.trim().parse().ok()?;
        let details = fs::read_to_string(&self.details).ok()?;
        let line = details.lines().find_map(|line| line.strip_prefix(self.reclaimable)?.strip_prefix(' '));
        let reclaimable = line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        Some(usage.saturating_sub(reclaimable))
    }
}

impl Group {
    /// Makes the group with memory and thread limits. The processor limit comes with
    /// [`Group::limit_processor`], so that it does not slow the start.
    pub(crate) fn create(hierarchy: &Hierarchy, name: &str, limits: &Limits) -> Result<Self, LayerError> {
        let kind = match hierarchy {
            Hierarchy::Version2 { parent } => Kind::Version2(parent.join(name)),
            Hierarchy::Version1 { memory, pids, cpu } => {
                Kind::Version1 { memory: memory.join(name), pids: pids.join(name), cpu: cpu.join(name) }
            }
        };
        let group = Self { kind };
        group.set_up(limits).inspect_err(|_| {
            for folder in group.folders() {
                let _nothing_can_be_in_it = fs::remove_dir(folder);
            }
        })?;
        Ok(group)
    }

    fn set_up(&self, limits: &Limits) -> Result<(), LayerError> {
        for folder in self.folders() {
            fs::create_dir(folder)
                .map_err(|error| failed(format!("cannot make group {}: {error}", folder.display())))?;
        }
        match &self.kind {
            Kind::Version2(folder) => {
                write(&folder.join("memory.max"), limits.memory_bytes)?;
                if folder.join("memory.swap.max").exists() {
                    write(&folder.join("memory.swap.max"), 0)?; // absent when the kernel has no swap
                }
                write(&folder.join("memory.oom.group"), 1)?;
                write(&folder.join("cpu.weight"), limits.cpu_weight)?;
                write(&folder.join("pids.max"), limits.pids)
            }
            Kind::Version1 { memory, pids, cpu } => {
                write(&cpu.join("cpu.shares"), shares(limits.cpu_weight))?;
                write(&memory.join("memory.limit_in_bytes"), limits.memory_bytes)?;
                let with_swap = memory.join("memory.memsw.limit_in_bytes");
                if with_swap.exists() {
                    write(&with_swap, limits.memory_bytes)?;
                } else {
                    write(&memory.join("memory.swappiness"), 0)?;
                }
                write(&pids.join("pids.max"), limits.pids)
            }
        }
    }

    /// Limits the processor share from now on. Whoever keeps using it up waits behind the others.
    pub(crate) fn limit_processor(&self, limits: &Limits) -> Result<(), LayerError> {
        let quota = PERIOD_MICROSECONDS * u64::from(limits.cpu_percent) / 100;
        let (folder, version2) = match &self.kind {
            Kind::Version2(folder) => {
                write(&folder.join("cpu.max"), format!("{quota} {PERIOD_MICROSECONDS}"))?;
                (folder, true)
            }
            Kind::Version1 { cpu, .. } => {
                write(&cpu.join("cpu.cfs_period_us"), PERIOD_MICROSECONDS)?;
                write(&cpu.join("cpu.cfs_quota_us"), quota)?;
                (cpu, false)
            }
        };
        demotion::watch(Share { folder: folder.clone(), version2, weight: limits.cpu_weight });
        Ok(())
    }

    /// The files a process of one thread writes `0` to in order to join. In version 1 that is
    /// `tasks`: moving oneself there does not wait for a lock that all forks on the machine take,
    /// which costs ten milliseconds and more.
    pub(crate) fn join_files(&self) -> Vec<PathBuf> {
        let name = match &self.kind {
            Kind::Version2(_) => "cgroup.procs",
            Kind::Version1 { .. } => "tasks",
        };
        self.folders().into_iter().map(|folder| folder.join(name)).collect()
    }

    /// Where its memory can be measured.
    pub(crate) fn memory_files(&self) -> MemoryFiles {
        match &self.kind {
            Kind::Version2(folder) => MemoryFiles::of(folder, true),
            Kind::Version1 { memory, .. } => MemoryFiles::of(memory, false),
        }
    }

    /// How often the kernel killed in this group because of its memory limit.
    pub(crate) fn memory_kills(&self) -> u64 {
        let file = match &self.kind {
            Kind::Version2(folder) => folder.join("memory.events"),
            Kind::Version1 { memory, .. } => memory.join("memory.oom_control"),
        };
        counter(&file, "oom_kill").unwrap_or(0)
    }

    /// The limits that were met without anyone being ended, as sentences for the administrator that begin
    /// with a verb. The process itself heard of the threads (`EAGAIN`), and felt the processor.
    pub(crate) fn strains(&self, limits: &Limits) -> Vec<String> {
        let (pids, cpu) = match &self.kind {
            Kind::Version2(folder) => (folder, folder),
            Kind::Version1 { pids, cpu, .. } => (pids, cpu),
        };
        let mut strains = Vec::new();
        if let Some(refused @ 1..) = counter(&pids.join("pids.events"), "max") {
            strains.push(format!("was refused a thread {refused} times: it had reached {}", limits.pids));
        }
        let stat = cpu.join("cpu.stat");
        let waited = counter(&stat, "throttled_usec")
            .or_else(|| counter(&stat, "throttled_time").map(|nanoseconds| nanoseconds / 1000));
        if let Some(waited) =
            waited.map(|microseconds| microseconds / 1_000_000).filter(|seconds| *seconds > 0)
        {
            strains.push(format!("waited {waited} s for more than {} % of a processor", limits.cpu_percent));
        }
        strains
    }

    /// Sends SIGKILL to everything in the group.
    pub(crate) fn kill(&self) {
        kill_members(&self.folders());
    }

    /// Kills what is left in the group until it is empty, and removes it. `false` if that took
    /// longer than `patience`.
    pub(crate) fn kill_and_remove(&self, patience: Duration) -> bool {
        kill_and_remove(&self.folders(), patience)
    }

    /// Each folder once.
    fn folders(&self) -> Vec<&PathBuf> {
        match &self.kind {
            Kind::Version2(folder) => vec![folder],
            Kind::Version1 { memory, pids, cpu } => {
                let mut all = vec![memory, pids, cpu];
                all.dedup();
                all
            }
        }
    }
}

/// Pause between two looks at a group that is not empty yet.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Kills and removes, again and again: a process that is dead still takes a moment to leave its
/// group, and the kernel refuses to remove a group with anyone in it.
pub(super) fn kill_and_remove<P: AsRef<Path>>(folders: &[P], patience: Duration) -> bool {
    let mut left = patience;
    loop {
        kill_members(folders);
        let stays = |folder: &P| {
            fs::remove_dir(folder.as_ref()).is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
        };
        if folders.iter().filter(|folder| stays(folder)).count() == 0 {
            return true;
        }
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
        left = left.saturating_sub(LOOK_AGAIN);
    }
}

/// Sends SIGKILL to every process of these groups.
fn kill_members<P: AsRef<Path>>(folders: &[P]) {
    for folder in folders.iter().map(AsRef::as_ref) {
        // Version 2 from Linux 5.14: all at once, including what is being made this moment.
        let _only_there_on_version_2 = fs::OpenOptions::new()
            .write(true)
            .open(folder.join("cgroup.kill"))
            .and_then(|mut file| io::Write::write_all(&mut file, b"1"));
        let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        for pid in members.lines().filter_map(|line| line.trim().parse().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _already_gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn write(file: &Path, value: impl ToString) -> Result<(), LayerError> {
    let value = value.to_string();
    fs::write(file, &value)
        .map_err(|error| failed(format!("cannot write {value} to {}: {error}", file.display())))
}

fn failed(reason: String) -> LayerError {
    LayerError::new(Layer::CgroupLimits, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2 cannot be had on every machine; its file names and values can be checked anywhere.
    #[test]
    fn version_2_writes_the_kernels_files() {
        let parent = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy::Version2 { parent: parent.path().to_owned() };
        let group = Group::create(&hierarchy, "one", &Limits::default()).unwrap();
        group.limit_processor(&Limits::default()).unwrap();
        let read = |name: &str| fs::read_to_string(parent.path().join("one").join(name)).unwrap();
        assert_eq!(read("memory.max"), "134217728");
        assert_eq!(read("memory.oom.group"), "1");
        assert_eq!(read("pids.max"), "64");
        assert_eq!(read("cpu.weight"), "100");
        assert_eq!(read("cpu.max"), "50000 100000");
        fs::write(parent.path().join("one/memory.events"), "low 0\noom 2\noom_kill 1\n").unwrap();
        assert_eq!(group.memory_kills(), 1);
        fs::write(parent.path().join("one/pids.events"), "max 3\n").unwrap();
        fs::write(parent.path().join("one/cpu.stat"), "nr_throttled 40\nthrottled_usec 2500000\n").unwrap();
        assert_eq!(
            group.strains(&Limits::default()),
            [
                "was refused a thread 3 times: it had reached 64",
                "waited 2 s for more than 50 % of a processor"
            ]
        );
        // Version 1 counts the time in nanoseconds.
        fs::write(parent.path().join("one/cpu.stat"), "nr_throttled 40\nthrottled_time 999000000\n").unwrap();
        assert_eq!(group.strains(&Limits::default()).len(), 1);
        fs::write(parent.path().join("one/memory.current"), "9000\n").unwrap();
        fs::write(parent.path().join("one/memory.stat"), "anon 5\ninactive_file 1000\n").unwrap();
        assert_eq!(group.memory_files().bytes(), Some(8000));
        assert_eq!(group.join_files(), [parent.path().join("one/cgroup.procs")]);
    }
}
