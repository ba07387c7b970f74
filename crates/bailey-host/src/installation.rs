//! What the host is told of a plugin on a server: who, which code, what it may do.

use std::path::PathBuf;

use bailey_protocol::host_message::Mode;
use bailey_protocol::{Grants, Schedule, Tenant};

/// One plugin on one server, as handed to the host by whoever decides such things.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Whose it is and what it may do.
    pub grants: Grants,
    /// The plugin's version, as told to the plugin.
    pub version: String,
    /// Where its code lies.
    pub code: PluginCode,
    /// How its process treats tenants.
    pub mode: Mode,
    /// Slash commands the plugin declares; compared in lower case.
    pub commands: Vec<String>,
    /// When it wants to be told the time.
    pub schedules: Vec<Schedule>,
}

impl Installation {
    /// The plugin and the server.
    pub fn tenant(&self) -> &Tenant {
        self.grants.tenant()
    }
}

/// A plugin's files on this machine. Both folders are only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginCode {
    /// The folder with `__main__.py`.
    pub plugin_dir: PathBuf,
    /// The folder with its Python packages, the SDK among them.
    pub packages_dir: Option<PathBuf>,
}
