//! What a plugin may call, one folder a service: `kv`, `ephemeral`, `logs`, `metrics`, `discord`, `interactions`.
//!
//! A service is handed a `Grant`, which names the tenant, and never looks one up. It knows no
//! process, no session and none of the platform's own tables. Start at [`Services`], then read
//! [`kv`] as the pattern of the others.

use std::sync::Arc;

use bailey_discord::{Directory, Rest};
use bailey_protocol::Clock;
use tokio_util::sync::CancellationToken;

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

impl Services {
    /// Every service on the plugins' database. Needs a runtime: logs and metrics start their writers.
    pub fn new(database: Database, rest: Rest, directory: Directory, clock: Arc<dyn Clock>) -> Self {
        Self {
            kv: Kv::new(database.clone(), Arc::clone(&clock)),
            ephemeral: Ephemeral::new(Arc::clone(&clock)),
            logs: Logs::new(database.clone(), Arc::clone(&clock)),
            metrics: Metrics::new(database, Arc::clone(&clock)),
            messages: Messages::new(rest.clone(), directory),
            interactions: Interactions::new(rest, clock),
        }
    }

    /// Clears away what has expired, each service in its own rhythm, until cancelled.
    pub async fn run_sweepers(&self, cancelled: CancellationToken) {
        tokio::join!(
            self.kv.run_sweeper(cancelled.clone()),
            self.ephemeral.run_sweeper(cancelled.clone()),
            self.metrics.run_sweeper(cancelled),
        );
    }

    /// Finishes what is under way and writes what waits. Call it before the database stops.
    pub async fn shut_down(&self) {
        self.interactions.shut_down().await;
        self.metrics.shut_down().await;
        self.logs.shut_down().await;
    }
}
