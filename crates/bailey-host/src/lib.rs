//! Brings plugins alive: bus -> router -> session -> broker.
//!
//! An event goes from the [`bus`] through the [`router`] to the [`session`] of each installation it
//! concerns, which is one process; what the process says is read by `bailey_protocol::lines`, and its
//! calls are carried out by the [`broker`]. The host is handed grants and never decides who is
//! allowed; it knows neither SQL nor HTTP, and starts processes only through a [`spawn::Spawner`].
//!
//! What nobody on Discord did, the passing of time, comes from [`cron`].
//!
//! Start at [`Host`], then `session::life`, which is one process from its first byte to its last. When a
//! process may live is decided by `session::actor` and, for what concerns many of them, by `supervisor`.

pub mod broker;
mod bucket;
pub mod bus;
pub mod cron;
pub mod dead_letters;
mod host;
pub mod installation;
pub mod observation;
pub mod quiet;
pub mod router;
mod sandboxed;
pub mod session;
pub mod spawn;
mod supervisor;
#[cfg(test)]
mod testing;
pub mod timings;

pub use broker::{Answer, Caller, Calls, CurrentInteraction, Unanswered};
pub use bus::BusClosed;
pub use cron::{CronClaims, CronTimings};
pub use dead_letters::{DeadLetter, DeadLetters, RedeliverError, Settled};
pub use host::{Drained, Host, HostConfig};
pub use installation::{Installation, PluginCode};
pub use observation::{Observation, Observer};
pub use sandboxed::sandbox_spawner;
pub use session::{AnnounceError, SessionState, SessionView};
pub use spawn::{Ended, MemoryProbe, RunningProcess, Signal, SpawnFailure, SpawnRequest, Spawner};
pub use timings::{BreakerLimits, HostRates, HostTimings, RoomLimits};
