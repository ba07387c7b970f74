//! The way out, against a real resolver, a name server that lies, and servers on loopback.
#![allow(clippy::unwrap_used, reason = "a test that meets an error is over")]

mod fetch;
mod fixtures;
mod sockets;
mod ssrf;
mod support;
