//! What can go wrong before a process runs, said so that an operator knows what to change.

use std::{fmt, io, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One wall of the sandbox. If one cannot be put up, the process does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The program that puts up the walls could not be started or ended early.
    Launcher,
    /// Memory, process and processor limits of the kernel's control groups.
    CgroupLimits,
    /// A user namespace (only when the host is not root).
    UserNamespace,
    /// The way to the one proxy a tool may use.
    Network,
    /// Pid, mount, network, ipc, host name and control group namespaces.
    Namespaces,
    /// The read-only root and the plugin's folders in it.
    FileSystem,
    /// `/proc` with nothing but the process itself.
    Proc,
    /// The private `/tmp`.
    Tmp,
    /// Limits on files, core dumps, locked memory.
    ResourceLimits,
    /// The process's own user and group.
    Identity,
    /// No capabilities, and no way to get any.
    Capabilities,
    /// No privileges through files that would grant them.
    NoNewPrivileges,
    /// Dying with the host.
    ParentDeath,
    /// File access rules of landlock.
    Landlock,
    /// The list of allowed system calls.
    Seccomp,
    /// Starting the program itself, inside all walls.
    Program,
    /// The Docker daemon that is to put up the walls, and its runtime.
    Daemon,
    /// The Docker image with the root.
    Image,
}

impl Layer {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Launcher => "launcher",
            Self::CgroupLimits => "cgroup limits",
            Self::UserNamespace => "user namespace",
            Self::Network => "network",
            Self::Namespaces => "namespaces",
            Self::FileSystem => "file system",
            Self::Proc => "proc",
            Self::Tmp => "tmp",
            Self::ResourceLimits => "resource limits",
            Self::Identity => "identity",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no new privileges",
            Self::ParentDeath => "parent death signal",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Program => "program",
            Self::Daemon => "docker daemon",
            Self::Image => "docker image",
        }
    }

    /// What an operator can usually change when this layer fails.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Launcher => "check that the program file still exists and can be executed",
            Self::CgroupLimits => {
                "run as root, or give the service its own control group (systemd: Delegate=yes) with the \
                 memory, pids and cpu controllers"
            }
            Self::UserNamespace => {
                "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
                 AppArmor's restriction) or run as root"
            }
            Self::Network => "use a kernel with IPv4 and a loopback device in every network namespace",
            Self::Namespaces => "run as root, or inside a container that may create namespaces",
            Self::FileSystem => {
                "check that the root is complete and that the folders can be read by other users \
                 (chmod -R o+rX)"
            }
            Self::Proc => "check that the root has a /proc folder and that this container may mount proc",
            Self::Tmp => "check that the root has a /tmp folder and that tmpfs is available",
            Self::ResourceLimits => {
                "raise this program's own hard limits (ulimit -H) to at least the plugin's"
            }
            Self::Identity => "run as root, and keep the user id range free for plugins",
            Self::Capabilities => "run as root with CAP_SETPCAP",
            Self::NoNewPrivileges | Self::ParentDeath => "use Linux 5.13 or newer",
            Self::Landlock => {
                "use Linux 5.13 or newer with landlock enabled (kernel parameter lsm=landlock,...)"
            }
            Self::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64",
            Self::Program => {
                "check the interpreter in the root; delete the cached root to have it built again"
            }
            Self::Daemon => "check that the Docker daemon runs (docker version) and is 20.10 or newer",
            Self::Image => "check that the Docker daemon has room on its disk (docker system df)",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A wall that could not be put up; the process never ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sandbox layer `{layer}` could not be applied: {reason}; hint: {hint}")]
pub struct LayerError {
    /// Which wall.
    pub layer: Layer,
    /// What was tried, on what, and what the kernel said.
    pub reason: String,
    /// What to change.
    pub hint: String,
}

impl LayerError {
    pub(crate) fn new(layer: Layer, reason: impl Into<String>) -> Self {
        Self { layer, reason: reason.into(), hint: layer.hint().to_owned() }
    }

    /// The same with better advice.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A wall of the sandbox is missing.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The request itself cannot be carried out.
    #[error("cannot start `{label}`: {reason}")]
    Invalid {
        /// The process's label.
        label: String,
        /// What is wrong, and with what.
        reason: String,
    },
    /// Every user id of the range is taken by a living process.
    #[error(
        "cannot start another process: all {count} sandbox user ids are in use; hint: stop plugins or widen the range"
    )]
    OutOfIdentities {
        /// Size of the range.
        count: u32,
    },
    /// The host itself ran out of something (descriptors, memory, threads).
    #[error("cannot start `{label}`: {attempt}: {source}")]
    Host {
        /// The process's label.
        label: String,
        /// What was being attempted.
        attempt: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The walls were not up in time.
    #[error(
        "cannot start `{label}`: the sandbox was not ready after {seconds} s; hint: the machine may be overloaded"
    )]
    TimedOut {
        /// The process's label.
        label: String,
        /// The deadline in seconds.
        seconds: u64,
    },
    /// A folder of the request is not there.
    #[error("cannot start `{label}`: folder {} cannot be used: {source}", path.display())]
    Folder {
        /// The process's label.
        label: String,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
