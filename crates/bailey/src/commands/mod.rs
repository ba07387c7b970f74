//! One file a command.

pub(crate) mod audit;
#[expect(clippy::module_inception, reason = "the command is called so")]
pub(crate) mod commands;
pub(crate) mod cron;
pub(crate) mod dead_letters;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod logs;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod sql_hardening;
pub(crate) mod status;
pub(crate) mod try_script;
