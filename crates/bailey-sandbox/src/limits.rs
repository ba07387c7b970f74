//! Every number a sandboxed process can run into, as one documented constant each.
//! Nothing is enforced here; see `cgroup` and `launcher` for that.

use serde::{Deserialize, Serialize};

/// Memory of the whole process, its `/tmp` included, in bytes: 128 MiB. Swap is always 0.
pub const MEMORY_BYTES: u64 = 128 * 1024 * 1024;
/// Threads (and processes, though none can be made) at once: 64.
pub const PIDS: u64 = 64;
/// Share of one processor after the start, in percent: 50.
pub const CPU_PERCENT: u32 = 50;
/// Weight of one process among the others when processors are short, as in version 2 of control groups, from 1 to
/// 10,000: 100.
pub const CPU_WEIGHT: u64 = 100;
/// Weight of all plugins together beside Bailey itself (100) when processors are short: 50. Only where Bailey
/// makes the group of all plugins.
pub const ALL_CPU_WEIGHT: u64 = 50;
/// Size of `/tmp` in bytes: 16 MiB. Writing beyond it gives `ENOSPC`.
pub const TMP_BYTES: u64 = 16 * 1024 * 1024;
/// Files and folders in `/tmp`: 1024.
pub const TMP_INODES: u64 = 1024;
/// Open file descriptors at once: 256.
pub const OPEN_FILES: u64 = 256;
/// Largest file that can be written, in bytes: 32 MiB.
pub const FILE_SIZE_BYTES: u64 = 32 * 1024 * 1024;

/// Pending signals: 64, more than a plugin has use for.
const PENDING_SIGNALS: u64 = 64;
/// A second bound on threads, per user: 256; the control group's is the one a plugin meets.
const PROCESSES_PER_USER: u64 = 256;

/// What one process may use. [`Limits::default`] is the constants of this module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes, `/tmp` included; reaching it ends the process.
    pub memory_bytes: u64,
    /// Threads at once; one more gives `EAGAIN`.
    pub pids: u64,
    /// Share of one processor in percent (200 = two processors), from [`crate::Process::started`] on.
    pub cpu_percent: u32,
    /// Weight among the others when processors are short, from 1 to 10,000.
    pub cpu_weight: u64,
    /// Size of `/tmp` in bytes.
    pub tmp_bytes: u64,
    /// Files and folders in `/tmp`.
    pub tmp_inodes: u64,
    /// Open file descriptors at once.
    pub open_files: u64,
    /// Largest file that can be written, in bytes.
    pub file_size_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: MEMORY_BYTES,
            pids: PIDS,
            cpu_percent: CPU_PERCENT,
            cpu_weight: CPU_WEIGHT,
            tmp_bytes: TMP_BYTES,
            tmp_inodes: TMP_INODES,
            open_files: OPEN_FILES,
            file_size_bytes: FILE_SIZE_BYTES,
        }
    }
}

/// A limit the kernel keeps for the process itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResourceLimit {
    /// In messages.
    pub(crate) name: &'static str,
    /// The kernel's number.
    pub(crate) resource: libc::__rlimit_resource_t,
    /// Docker's word.
    pub(crate) ulimit: &'static str,
    /// Its name in `/proc/self/limits`, after "Max ".
    pub(crate) kernel_name: &'static str,
    pub(crate) value: u64,
}

/// Those of a process. Soft and hard are to be equal, so that none can be raised again.
pub(crate) fn resource_limits(limits: &Limits) -> [ResourceLimit; 9] {
    let limit = |name, resource, ulimit, kernel_name, value| ResourceLimit {
        name,
        resource,
        ulimit,
        kernel_name,
        value,
    };
    [
        limit("open files", libc::RLIMIT_NOFILE, "nofile", "open files", limits.open_files),
        limit("file size", libc::RLIMIT_FSIZE, "fsize", "file size", limits.file_size_bytes),
        limit("core dump", libc::RLIMIT_CORE, "core", "core file size", 0),
        limit("locked memory", libc::RLIMIT_MEMLOCK, "memlock", "locked memory", 0),
        limit("message queues", libc::RLIMIT_MSGQUEUE, "msgqueue", "msgqueue size", 0),
        limit("pending signals", libc::RLIMIT_SIGPENDING, "sigpending", "pending signals", PENDING_SIGNALS),
        limit("processes", libc::RLIMIT_NPROC, "nproc", "processes", PROCESSES_PER_USER.max(limits.pids)),
        limit("nice", libc::RLIMIT_NICE, "nice", "nice priority", 0),
        limit("realtime priority", libc::RLIMIT_RTPRIO, "rtprio", "realtime priority", 0),
    ]
}
