//! The store and the private cluster against a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test that meets an error is over")]

mod cluster;
mod command_syncs;
mod cron;
mod gateway_sessions;
mod operations;
mod records;
