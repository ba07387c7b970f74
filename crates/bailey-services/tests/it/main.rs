//! The services against a real PostgreSQL and a simulated Discord.
#![allow(clippy::unwrap_used, reason = "a test that meets an error is over")]

mod audit;
mod commands;
mod discord;
mod ephemeral;
mod http;
mod interactions;
mod kv;
mod kv_concurrent;
mod kv_model;
mod kv_recount;
mod log_reader;
mod logs;
mod metrics;
mod outbound_soak;
mod secrets;
mod simulated;
mod sql;
mod sql_attacks;
mod sql_corpus;
mod sql_guards;
mod sql_setup;
mod sql_siege;
mod sql_stories;
mod sql_values;
mod support;
mod websocket;
