//! The services against a real PostgreSQL and a simulated Discord.
#![allow(clippy::unwrap_used, reason = "a test that meets an error is over")]

mod discord;
mod ephemeral;
mod interactions;
mod kv;
mod kv_model;
mod logs;
mod metrics;
mod simulated;
mod support;
