//! Every number a sandboxed process can run into, as one documented constant each.
//! Nothing is enforced here; see `cgroup` and `launcher` for that.

use serde::{Deserialize, Serialize};

/// Memory of the whole process, its `/tmp` included, in bytes: 128 MiB. Swap is always 0.
pub const MEMORY_BYTES: u64 = 128 * 1024 * 1024;
/// Threads (and processes, though none can be made) at once: 64.
pub const PIDS: u64 = 64;
/// Share of one processor after the start, in percent: 50.
pub const CPU_PERCENT: u32 = 50;
/// Size of `/tmp` in bytes: 16 MiB. Writing beyond it gives `ENOSPC`.
pub const TMP_BYTES: u64 = 16 * 1024 * 1024;
/// Files and folders in `/tmp`: 1024.
pub const TMP_INODES: u64 = 1024;
/// Open file descriptors at once: 256.
pub const OPEN_FILES: u64 = 256;
/// Largest file that can be written, in bytes: 32 MiB.
pub const FILE_SIZE_BYTES: u64 = 32 * 1024 * 1024;

/// What one process may use. [`Limits::default`] is the constants of this module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes, `/tmp` included; reaching it ends the process.
    pub memory_bytes: u64,
    /// Threads at once; one more gives `EAGAIN`.
    pub pids: u64,
    /// Share of one processor in percent (200 = two processors), from [`crate::Process::started`] on.
    pub cpu_percent: u32,
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
            tmp_bytes: TMP_BYTES,
            tmp_inodes: TMP_INODES,
            open_files: OPEN_FILES,
            file_size_bytes: FILE_SIZE_BYTES,
        }
    }
}
