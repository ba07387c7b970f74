//! One file a command.

pub(crate) mod dev;
pub(crate) mod sim;
pub(crate) mod try_script;
