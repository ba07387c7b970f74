//! What an operator decides once about the sandbox: who launches, which root, which users, where
//! the control groups go. What differs per process is in `spec`.

use std::{ops::Range, path::PathBuf};

use crate::{launcher, root::PythonRoot};

/// User ids handed out to processes when the host runs as root. Outside the ranges Debian gives
/// to people and services, below the ones it gives to user namespaces of people.
pub const DEFAULT_UID_RANGE: Range<u32> = 200_000..265_535;

/// How to start the small single-threaded program that builds the walls and then becomes the
/// sandboxed process. The program must call [`launcher::run_if_requested`] first in `main`.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program to start.
    pub program: PathBuf,
    /// Its first argument; [`launcher::ARGUMENT`] unless the program translates another one.
    pub first_argument: String,
}

impl Launcher {
    /// The running program itself.
    pub fn this_program() -> Self {
        Self::program("/proc/self/exe")
    }

    /// Another program that calls [`launcher::run_if_requested`].
    pub fn program(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), first_argument: launcher::ARGUMENT.to_owned() }
    }
}

/// Where the control groups of the processes are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CgroupParent {
    /// Below our own group when it is delegated to us (version 2), else `bailey` at the top.
    #[default]
    Auto,
    /// An existing group, as a path relative to the mount of each hierarchy, such as
    /// `bailey.slice/plugins`. It must exist, be writable and (version 2) hold no process.
    Named(PathBuf),
}

/// Configuration of a [`crate::NativeSandbox`].
#[derive(Debug, Clone)]
pub struct NativeConfig {
    /// How to start the launcher.
    pub launcher: Launcher,
    /// The read-only root of every process.
    pub root: PythonRoot,
    /// User (and group) ids, one per living process. Used when the host runs as root; an ordinary
    /// user's processes run in a user namespace as that user instead.
    pub uid_range: Range<u32>,
    /// Where the control groups are made.
    pub cgroup_parent: CgroupParent,
}

impl NativeConfig {
    /// The defaults: this program as launcher, [`DEFAULT_UID_RANGE`], [`CgroupParent::Auto`].
    pub fn new(root: PythonRoot) -> Self {
        Self {
            launcher: Launcher::this_program(),
            root,
            uid_range: DEFAULT_UID_RANGE,
            cgroup_parent: CgroupParent::Auto,
        }
    }
}
