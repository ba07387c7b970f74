//! The way out, against a real resolver, a name server that lies, and servers on loopback.

mod fetch;
mod fixtures;
mod sockets;
mod ssrf;
mod support;
