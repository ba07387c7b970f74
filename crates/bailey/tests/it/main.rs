//! End to end: the real binary, real SDKs in the real sandbox, a real PostgreSQL; only Discord is
//! simulated.
#![expect(clippy::unwrap_used, reason = "in a test, what must be there is, or the test fails")]

mod bad_input;
mod command_line;
mod conformance;
mod crashes;
mod demo;
mod dependencies;
mod ephemeral;
mod limits_reference;
mod metrics;
mod support;
mod templates;
mod tenants;
