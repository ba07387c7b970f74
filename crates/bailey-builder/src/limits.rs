//! Every number a requirements file can hit.

use std::time::Duration;

/// Time for resolving and installing together.
pub const BUILD_DEADLINE: Duration = Duration::from_secs(120);
/// Time for the interpreter to say what it is.
pub const INTERPRETER_DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of `requirements.txt`.
pub const REQUIREMENTS_BYTES: usize = 64 * 1024;
/// Requirements in one file.
pub const REQUIREMENTS: usize = 100;
/// Bytes of one requirement.
pub const REQUIREMENT_BYTES: usize = 500;
/// Bytes of a lock: what uv resolved, with hashes.
pub const LOCK_BYTES: usize = 4 * 1024 * 1024;
/// Bytes kept of what uv or the interpreter wrote about an error; the end is kept.
pub const ERROR_BYTES: usize = 4 * 1024;
/// Bytes of all installed files together.
pub const INSTALLED_BYTES: u64 = 512 * 1024 * 1024;
/// Installed files and folders.
pub const INSTALLED_FILES: usize = 30_000;
