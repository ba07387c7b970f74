//! End to end: the real binary, real SDKs in the real sandbox, a real PostgreSQL; only Discord is
//! simulated.
#![expect(clippy::unwrap_used, reason = "in a test, what must be there is, or the test fails")]

mod actions;
mod audit;
mod bad_input;
mod command_line;
mod commands;
mod conformance;
mod crashes;
mod cron;
mod demo;
mod dependencies;
mod docker;
mod doctor;
mod ephemeral;
mod incoming;
mod interactions;
mod kills;
mod limits_reference;
mod live_feed;
mod logs;
mod memory;
mod metrics;
mod operations;
mod outside;
mod resume;
mod secrets;
mod serve;
mod shards;
mod storage_tour;
mod support;
mod templates;
mod tenants;
mod unanswered;
