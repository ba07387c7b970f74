//! The words between host and launcher: one plan in, reports out, as JSON lines.

use std::{ffi::OsString, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{error::Layer, limits::Limits, tool::Shown};

/// Everything the launcher needs to know. The host checked it; the launcher trusts it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Who the process will be.
    pub(crate) identity: Identity,
    /// The file of each group to write `0` to in order to join it.
    pub(crate) cgroup_files: Vec<PathBuf>,
    /// The read-only root, on the host.
    pub(crate) root: PathBuf,
    /// The interpreter, inside the root.
    pub(crate) interpreter: PathBuf,
    /// Files that may be executed, inside the root: the interpreter and its dynamic loader.
    pub(crate) executables: Vec<PathBuf>,
    /// Arguments after the program's name.
    pub(crate) arguments: Vec<OsString>,
    /// The whole environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Set for a tool of our own (see `tool`) instead of a plugin: the two folders that follow are
    /// not looked at then.
    pub(crate) tool: Option<ToolPlan>,
    /// Seen as `/plugin`.
    pub(crate) plugin_dir: PathBuf,
    /// Seen as `/packages`.
    pub(crate) packages_dir: Option<PathBuf>,
    /// What the process may use. Memory, pids and processor are the host's business.
    pub(crate) limits: Limits,
    /// Whether to go on after a wall that could not be put up and say how each fares, instead of
    /// refusing at the first.
    pub(crate) survey: bool,
}

/// What is different for a tool of our own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToolPlan {
    /// Files and folders of the host that it sees.
    pub(crate) shown: Vec<Shown>,
    /// Its working directory, inside.
    pub(crate) folder: PathBuf,
    /// The one port of its loopback it may connect to; the host answers there.
    pub(crate) port: Option<u16>,
}

/// Who the process will be.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Identity {
    /// A user and group of its own on the host; the launcher is root.
    Own(u32),
    /// The host's ordinary user, alone in a user namespace.
    Namespace { uid: u32, gid: u32 },
}

impl Identity {
    /// That of an ordinary user's processes; `None` as root, who gives each an id of its own.
    pub(crate) fn of_ordinary_user() -> Option<Self> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        (!uid.is_root()).then(|| Self::Namespace { uid: uid.as_raw(), gid: gid.as_raw() })
    }
}

/// What the launcher says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The child exists; its pid as the host sees it.
    Child(i32),
    /// Beside this line travels the listening socket of the tool's loopback.
    Listener,
    /// A wall could not be put up: layer, `errno`, sentence.
    Failed(Layer, Option<i32>, String),
    /// A wall is up. Said in a survey only.
    Stands(Layer),
}
