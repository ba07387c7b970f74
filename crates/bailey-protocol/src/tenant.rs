//! Whose data a call touches.

use std::fmt;

use crate::id::{GuildId, PluginId};

/// One plugin on one server. Every stored row, limit and quota of a plugin belongs to a tenant.
///
/// A tenant is decided by the process a call came from, never by what the call says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant {
    /// The plugin.
    pub plugin: PluginId,
    /// The server.
    pub guild: GuildId,
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.plugin, self.guild)
    }
}
