//! What a plugin may call, one folder a service: `kv`, `ephemeral`, `logs`, `metrics`, `discord`, `interactions`.
//!
//! A service is handed a `Grant`, which names the tenant, and never looks one up. It knows no
//! process, no session and none of the platform's own tables. Start at [`Services`], then read
//! [`kv`] as the pattern of the others.

pub mod database;
pub mod discord;
pub mod ephemeral;
pub mod interactions;
pub mod kv;
pub mod logs;
pub mod metrics;

pub use database::{Database, DatabaseError, DatabaseOptions, Durability, migrate};
pub use discord::Messages;
pub use ephemeral::Ephemeral;
pub use interactions::Interactions;
pub use kv::Kv;
pub use logs::{LoggedLine, Logs};
pub use metrics::Metrics;

/// Every service, for whoever answers calls. A cheap clone.
#[derive(Clone)]
pub struct Services {
    /// `kv.*`
    pub kv: Kv,
    /// `ephemeral.*`
    pub ephemeral: Ephemeral,
    /// `plugin.log`, and what processes print.
    pub logs: Logs,
    /// `metrics.*`
    pub metrics: Metrics,
    /// `discord.*`
    pub messages: Messages,
    /// `interaction.*`
    pub interactions: Interactions,
}
