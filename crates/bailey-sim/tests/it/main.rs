//! Tests of the simulator from outside: raw sockets, raw HTTP, and a client library nobody here wrote.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests do")]

mod cdn;
mod clients;
mod commands;
mod control;
mod determinism;
mod dispatch_faults;
mod endpoint;
mod gateway;
mod interactions;
mod limits;
mod moderation;
mod oauth2;
mod openapi;
mod recording;
mod rest;
mod scenarios;
mod structure;
mod support;
