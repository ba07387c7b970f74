//! The client against a real simulator, over real sockets.

#![expect(clippy::unwrap_used, reason = "in tests, helpers included, a panic is the report")]

mod gateway;
mod hostile;
mod interactions;
mod limits;
mod properties;
mod rest;
mod resume;
mod routes;
mod server_events;
mod shards;
mod support;
