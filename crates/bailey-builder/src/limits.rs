//! Every number a requirements file can hit.

use std::time::Duration;

/// Time for resolving, fetching and compiling together.
pub const BUILD_DEADLINE: Duration = Duration::from_secs(120);
/// Time for the interpreter to say what it is.
pub const INTERPRETER_DEADLINE: Duration = Duration::from_secs(20);
/// Builds of one host at once; more wait for their turn.
pub const BUILDS_AT_ONCE: usize = 2;

/// Bytes of `requirements.txt`.
pub const REQUIREMENTS_BYTES: usize = 64 * 1024;
/// Requirements in one file.
pub const REQUIREMENTS: usize = 100;
/// Bytes of one requirement.
pub const REQUIREMENT_BYTES: usize = 500;
/// Packages in one set, those that others need included.
pub const PACKAGES: usize = 200;
/// Bytes of a lock: what uv resolved, with addresses and hashes.
pub const LOCK_BYTES: usize = 4 * 1024 * 1024;
/// Bytes kept of what uv or the interpreter wrote about an error; the end is kept.
pub const ERROR_BYTES: usize = 4 * 1024;

/// Bytes of one wheel, as the index serves it.
pub const WHEEL_BYTES: u64 = 256 * 1024 * 1024;
/// Files of one wheel.
pub const WHEEL_FILES: usize = 8_000;
/// Bytes of one installed file.
pub const INSTALLED_FILE_BYTES: u64 = 128 * 1024 * 1024;
/// Bytes of all installed files together.
pub const INSTALLED_BYTES: u64 = 512 * 1024 * 1024;
/// Installed files and folders.
pub const INSTALLED_FILES: usize = 30_000;
/// Bytes of a file's path below the packages folder.
pub const INSTALLED_PATH_BYTES: usize = 400;

/// Memory of the resolver's (or compiler's) jail, its `/tmp` included.
pub const JAIL_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;
/// Processes and threads in the jail.
pub const JAIL_PIDS: u64 = 64;
/// Share of one processor of the jail, in percent: 200 is two processors.
pub const JAIL_CPU_PERCENT: u32 = 200;
/// Size of the jail's `/tmp`.
pub const JAIL_TMP_BYTES: u64 = 64 * 1024 * 1024;
/// Files and folders in the jail's `/tmp`.
pub const JAIL_TMP_INODES: u64 = 4096;
/// Open files in the jail.
pub const JAIL_OPEN_FILES: u64 = 1024;
/// Bytes of one file written in the jail.
pub const JAIL_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes a jail may add to its folders, looked at while it runs.
pub const JAIL_WRITTEN_BYTES: u64 = 1024 * 1024 * 1024;
/// Files and folders a jail may add, looked at while it runs.
pub const JAIL_WRITTEN_FILES: u64 = 60_000;
/// Connections of a jail to the index at once.
pub const JAIL_CONNECTIONS: usize = 64;
/// Refused addresses that are named in an error.
pub const REFUSED_NAMED: usize = 5;
/// Bytes of the host name and port, or of the address, that a jail may ask for.
pub const TARGET_BYTES: usize = 2048;
/// Time to reach the index, for each address of its name.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// Redirects followed for one wheel; each must lead to the index again.
pub const REDIRECTS: usize = 5;
/// Wheels fetched at once for one build.
pub const FETCHES_AT_ONCE: usize = 4;

/// Bytes of uv's own cache; what is larger is removed as a whole when no build runs.
pub const UV_CACHE_BYTES: u64 = 1024 * 1024 * 1024;
/// Bytes of fetched wheels that are kept; the least recently used go first.
pub const KEPT_WHEELS_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of package folders that are kept; the least recently used go first, never one in use.
pub const KEPT_PACKAGES_BYTES: u64 = 8 * 1024 * 1024 * 1024;
