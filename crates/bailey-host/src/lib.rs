//! Brings plugins alive: bus, router, session, broker.
pub mod bus;
pub mod frames;
pub mod installation;
pub mod quiet;
pub mod router;
#[cfg(test)]
mod testing;
pub mod timings;
