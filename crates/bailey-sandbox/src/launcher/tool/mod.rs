//! What the child does differently when it becomes a tool of ours instead of a plugin: its loopback,
//! its tree of files, its landlock rules. The order of the walls is the plugin's, in `child`.

mod file_system;
mod land;
mod network;

use std::os::unix::net::UnixStream;

use super::{Failure, Plan, ToolPlan};

pub(super) use land::restrict;

/// Makes the network and the tree. The caller is in namespaces of its own and still privileged.
pub(super) fn enter(plan: &Plan, tool: &ToolPlan, control: &UnixStream) -> Result<(), Failure> {
    if let Some(port) = tool.port {
        network::open_door(port, control)?;
    }
    file_system::enter_root(plan, tool)
}
