//! What a plugin may call, one folder a service: `kv`, `sql`, `ephemeral`, `logs`, `metrics`, `discord`, `interactions`;
//! and the `audit` of what came of the last two.
//!
//! A service is handed a `Grant`, which names the tenant, and never looks one up. It knows no
//! process, no session and none of the platform's own tables. Start at [`Services`], then read
//! [`kv`] as the pattern of the others.

use std::sync::Arc;

use bailey_discord::{Directory, Rest};
use bailey_protocol::Clock;
use tokio_util::sync::CancellationToken;

pub mod audit;
pub mod database;
pub mod discord;
pub mod ephemeral;
pub mod interactions;
pub mod kv;
pub mod logs;
pub mod metrics;
mod partitions;
mod rounds;
pub mod sql;

pub use audit::Audit;
pub use database::{Database, DatabaseError, DatabaseOptions, Durability, migrate};
pub use discord::Actions;
pub use ephemeral::{Ephemeral, RedisServer};
pub use interactions::Interactions;
pub use interactions::commands;
pub use kv::Kv;
pub use logs::{LoggedLine, Logs};
pub use metrics::Metrics;
pub use sql::{Sql, SqlError, SqlOptions};

/// What the operator chooses about the services.
#[derive(Debug, Clone, Default)]
pub struct ServicesOptions {
    /// Keeps the short-lived state; without one it is in this process.
    pub redis: Option<RedisServer>,
}

/// Every service, for whoever answers calls. A cheap clone.
#[derive(Clone)]
pub struct Services {
    /// `kv.*`
    pub kv: Kv,
    /// `sql.*`
    pub sql: Sql,
    /// `ephemeral.*`
    pub ephemeral: Ephemeral,
    /// `plugin.log`, and what processes print.
    pub logs: Logs,
    /// `metrics.*`
    pub metrics: Metrics,
    /// `discord.*`
    pub actions: Actions,
    /// `interaction.*`
    pub interactions: Interactions,
    /// What plugins did on Discord.
    pub audit: Audit,
}

impl Services {
    /// Every service on the plugins' database, and `sql` on its own. Needs a runtime: logs and metrics start
    /// their writers, Redis is connected to.
    pub fn new(
        database: Database,
        sql: Sql,
        rest: Rest,
        directory: Directory,
        clock: Arc<dyn Clock>,
        options: ServicesOptions,
    ) -> Self {
        Self {
            kv: Kv::new(database.clone(), Arc::clone(&clock)),
            sql,
            ephemeral: match options.redis {
                Some(server) => Ephemeral::in_redis(server, Arc::clone(&clock)),
                None => Ephemeral::in_process(Arc::clone(&clock)),
            },
            logs: Logs::new(database.clone(), Arc::clone(&clock)),
            metrics: Metrics::new(database.clone(), Arc::clone(&clock)),
            audit: Audit::new(database, Arc::clone(&clock)),
            actions: Actions::new(rest.clone(), directory, Arc::clone(&clock)),
            interactions: Interactions::new(rest, clock),
        }
    }

    /// Clears away what has expired, each service in its own rhythm, until cancelled.
    pub async fn run_sweepers(&self, cancelled: CancellationToken) {
        tokio::join!(
            self.kv.run_sweeper(cancelled.clone()),
            self.sql.run_sweeper(cancelled.clone()),
            self.ephemeral.run_sweeper(cancelled.clone()),
            self.metrics.run_sweeper(cancelled.clone()),
            self.audit.run_sweeper(cancelled.clone()),
            self.logs.run_sweeper(cancelled),
        );
    }

    /// Finishes what is under way and writes what waits. Call it before the database stops.
    pub async fn shut_down(&self) {
        self.interactions.shut_down().await;
        self.audit.shut_down().await;
        self.metrics.shut_down().await;
        self.logs.shut_down().await;
        self.sql.close();
    }
}
