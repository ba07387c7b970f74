//! Brings plugins alive: bus -> router -> session -> broker.
//!
//! An event goes from the [`bus`] through the [`router`] to the [`session`] of each installation it
//! concerns, which is one process; what the process says comes back through [`frames`], and its
//! calls are carried out by the [`broker`]. The host is handed grants and never decides who is
//! allowed; it knows neither SQL nor HTTP, and starts processes only through a [`spawn::Spawner`].
//!
//! Start at [`Host`], then `session::life`, which is one process from its first byte to its last.

pub mod broker;
mod bucket;
pub mod bus;
pub mod frames;
mod host;
pub mod installation;
pub mod observation;
pub mod quiet;
pub mod router;
mod sandboxed;
pub mod session;
pub mod spawn;
#[cfg(test)]
mod testing;
pub mod timings;

pub use broker::{Answer, Caller, Calls, CurrentInteraction};
pub use bus::BusClosed;
pub use host::{Host, HostConfig};
pub use installation::{Installation, PluginCode};
pub use observation::{Observation, Observer};
pub use sandboxed::sandbox_spawner;
pub use session::{AnnounceError, DeadLetter, SessionState, SessionView};
pub use spawn::{Ended, RunningProcess, Signal, SpawnFailure, SpawnRequest, Spawner};
pub use timings::{HostRates, HostTimings};
