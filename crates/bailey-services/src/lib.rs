//! What a plugin may call, one folder a service: `kv`, `sql`, `ephemeral`, `logs`, `metrics`, `discord`, `interactions`,
//! `secrets`, `http`, `websocket`; and the `audit` of what plugins did on Discord.
//!
//! A service is handed a `Grant`, which names the tenant, and never looks one up. It knows no
//! process, no session and none of the platform's own tables. Start at [`Services`], then read
//! [`kv`] as the pattern of the others.

use std::num::NonZeroU32;
use std::sync::Arc;

use bailey_discord::{Directory, Rest};
use bailey_outbound::{NameServers, Network, Outbound, OutboundConfig, Trust};
use bailey_protocol::{Clock, limits};
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

pub mod audit;
pub mod database;
pub mod discord;
pub mod ephemeral;
pub mod hosts;
pub mod http;
pub mod interactions;
pub mod kv;
pub mod logs;
pub mod metrics;
mod partitions;
mod rounds;
pub mod secrets;
pub mod sql;
pub mod websocket;

pub use audit::Audit;
pub use database::{Database, DatabaseError, DatabaseOptions, Durability, migrate};
pub use discord::Actions;
pub use ephemeral::{Ephemeral, RedisServer};
pub use hosts::AllowedHosts;
pub use http::{Http, OwnAuthorization};
pub use interactions::Interactions;
pub use interactions::commands;
pub use kv::Kv;
pub use logs::{LoggedLine, Logs};
pub use metrics::Metrics;
pub use secrets::{Keys, Secrets};
pub use sql::{Sql, SqlError, SqlOptions};
pub use websocket::{SocketSink, Websockets};

/// What the operator chooses about the services.
pub struct ServicesOptions {
    /// Keeps the short-lived state; without one it is in this process.
    pub redis: Option<RedisServer>,
    /// The way to other people's servers.
    pub outbound: Outbound,
    /// Whether plugins may prove who they are by values they hold themselves.
    pub own_authorization: OwnAuthorization,
    /// How often a minute each plugin may ask other servers, on each server.
    pub proxy_requests_per_minute: NonZeroU32,
    /// Where it is written down what other servers answer, if anywhere.
    pub record: Option<Arc<http::Record>>,
    /// What secrets are sealed with.
    pub keys: Keys,
    /// Names connections, and sets those apart that were lost together.
    pub rng: StdRng,
}

impl ServicesOptions {
    /// Everything in this process, no way out, and keys that end with it. Of other servers only what is written
    /// down in [`bailey_outbound::fixtures`] answers.
    ///
    /// # Errors
    /// A sentence when TLS cannot be set up.
    pub fn without_network() -> Result<Self, String> {
        Ok(Self {
            redis: None,
            outbound: Outbound::open(OutboundConfig {
                name_servers: NameServers::At(Vec::new()),
                permits: Vec::new(),
                trust: Trust::of_this_machine(Vec::new())?,
                network: Network::Fixtures(Arc::default()),
            })?,
            own_authorization: OwnAuthorization::default(),
            proxy_requests_per_minute: limits::PROXY_REQUESTS_PER_MINUTE,
            record: None,
            keys: Keys::of_this_run(),
            rng: rand::make_rng(),
        })
    }
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
    /// `secrets.*`
    pub secrets: Secrets,
    /// `proxy.request`
    pub http: Http,
    /// `ws.*`
    pub websockets: Websockets,
    /// `http.allow_host` and its siblings.
    pub hosts: AllowedHosts,
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
        let secrets = Secrets::new(database.clone(), options.keys, Arc::clone(&clock));
        let hosts = AllowedHosts::new(database.clone(), options.outbound.clone(), Arc::clone(&clock));
        let websockets = Websockets::new(
            options.outbound.clone(),
            hosts.clone(),
            secrets.clone(),
            database.clone(),
            Arc::clone(&clock),
            options.rng,
        );
        let http = Http::new(
            options.outbound,
            hosts.clone(),
            secrets.clone(),
            options.own_authorization,
            options.proxy_requests_per_minute,
        )
        .recording(options.record);
        Self {
            websockets,
            secrets,
            http,
            hosts,
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
        self.websockets.shut_down().await;
        self.interactions.shut_down().await;
        self.audit.shut_down().await;
        self.metrics.shut_down().await;
        self.logs.shut_down().await;
        self.sql.close();
    }
}
