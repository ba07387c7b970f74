//! What an operator's tools ask of a running Bailey over HTTP: whether it lives, and whether it can
//! serve plugins. It answers before the rest has started, tells nothing of any plugin or server, and
//! changes nothing.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use bailey_discord::{GatewayState, ShardsStatus};
use bailey_services::ephemeral::Keeping;
use bailey_services::{Ephemeral, Sql};
use bailey_store::Store;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{CommandError, chain};
use crate::terminal;

/// How long the database may take to answer a probe: below the second most probers give us.
const DATABASE_PATIENCE: Duration = Duration::from_millis(800);
/// How long answers under way may take once Bailey stops.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// The parts that are asked how they are. Cheap clones of what runs.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) sql: Sql,
    pub(crate) ephemeral: Ephemeral,
    /// The connections to Discord, where they can fail.
    pub(crate) gateway: Option<watch::Receiver<ShardsStatus>>,
}

/// `/healthz` and `/readyz` on an address of their own.
pub(crate) struct Operations {
    address: SocketAddr,
    parts: Arc<OnceLock<Parts>>,
    stopping: CancellationToken,
    serving: JoinSet<()>,
}

impl Operations {
    /// Starts listening where the operator asked for it, if anywhere, and says so.
    pub(crate) async fn open(bind: Option<SocketAddr>) -> Result<Option<Self>, CommandError> {
        let Some(bind) = bind else { return Ok(None) };
        let operations = Self::start(bind).await?;
        terminal::say(&format!("/healthz and /readyz are answered at http://{}", operations.address));
        Ok(Some(operations))
    }

    /// Starts listening; not ready until it knows the parts.
    async fn start(bind: SocketAddr) -> Result<Self, CommandError> {
        let refused = |error| {
            CommandError::failed(format!(
                "cannot listen on {bind} for /healthz and /readyz: {error}; hint: is another Bailey \
                 running? choose another address with --operations"
            ))
        };
        let listener = TcpListener::bind(bind).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (parts, stopping) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let app = Router::new()
            .route("/healthz", get(health))
            .route("/readyz", get(readiness))
            .with_state(Arc::clone(&parts));
        let mut serving = JoinSet::new();
        let stop = stopping.clone();
        serving.spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%address, %error, "/healthz and /readyz are answered no more");
            }
        });
        Ok(Self { address, parts, stopping, serving })
    }

    /// Says which parts there are, once they all run.
    pub(crate) fn watch(&self, parts: Parts) {
        let _ = self.parts.set(parts); // said twice, the first counts
    }

    /// Answers what was asked and stops listening.
    pub(crate) async fn stop(mut self) {
        self.stopping.cancel();
        let _ = tokio::time::timeout(STOP_DEADLINE, self.serving.join_next()).await;
    }
}

/// The body of `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    /// Whether plugins can be served; as the status says.
    ready: bool,
    /// Absent while Bailey starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Components>,
}

#[derive(Debug, Serialize)]
struct Components {
    /// Absent where Discord is simulated in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    discord: Option<Component>,
    database: Component,
    /// Plugins' tables; without them everything else is served.
    sql: Component,
    ephemeral: EphemeralComponent,
}

#[derive(Debug, Serialize)]
struct EphemeralComponent {
    /// Where counters, cooldowns and flags are right now.
    backend: &'static str,
    #[serde(flatten)]
    component: Component,
}

/// How one part is.
#[derive(Debug, Serialize)]
struct Component {
    status: Status,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// As it should be.
    Ok,
    /// It serves, less well.
    Degraded,
    /// It does not serve.
    Away,
}

impl Component {
    const OK: Self = Self { status: Status::Ok, reason: None };

    fn troubled(status: Status, reason: String) -> Self {
        Self { status, reason: Some(reason) }
    }
}

/// That this is answered at all is the answer.
async fn health() -> &'static str {
    "ok\n"
}

async fn readiness(State(parts): State<Arc<OnceLock<Parts>>>) -> (StatusCode, Json<Readiness>) {
    let components = match parts.get() {
        None => None,
        Some(parts) => Some(Components {
            discord: parts.gateway.as_ref().map(|gateway| discord(&gateway.borrow())),
            database: database(&parts.store).await,
            sql: sql(&parts.sql).await,
            ephemeral: ephemeral(parts.ephemeral.keeping()),
        }),
    };
    let ready = components.as_ref().is_some_and(|components| {
        let discord = components.discord.as_ref().map_or(Status::Ok, |discord| discord.status);
        components.database.status != Status::Away && discord != Status::Away
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, components }))
}

fn discord(status: &ShardsStatus) -> Component {
    let (ready, all) = (status.ready(), status.states.len());
    match status.state() {
        GatewayState::Ready => Component::OK,
        GatewayState::Resuming => {
            Component::troubled(Status::Degraded, "connected again, being told of what was missed".to_owned())
        }
        // Servers of the other shards are served as ever.
        GatewayState::Connecting if status.complete && ready > 0 => {
            Component::troubled(Status::Degraded, format!("{ready} of {all} shards are connected; trying"))
        }
        GatewayState::Connecting if all > 1 => {
            Component::troubled(Status::Away, format!("{ready} of {all} shards are connected; trying"))
        }
        GatewayState::Connecting => Component::troubled(Status::Away, "not connected; trying".to_owned()),
        GatewayState::Fatal(reason) => Component::troubled(Status::Away, reason),
    }
}

async fn database(store: &Store) -> Component {
    match tokio::time::timeout(DATABASE_PATIENCE, store.ping()).await {
        Ok(Ok(())) => Component::OK,
        Ok(Err(error)) => Component::troubled(Status::Away, chain(&error)),
        Err(_) => {
            let reason = format!("PostgreSQL did not answer within {} ms", DATABASE_PATIENCE.as_millis());
            Component::troubled(Status::Away, reason)
        }
    }
}

async fn sql(sql: &Sql) -> Component {
    match tokio::time::timeout(DATABASE_PATIENCE, sql.ping()).await {
        Ok(Ok(())) => Component::OK,
        Ok(Err(reason)) => Component::troubled(Status::Degraded, reason),
        Err(_) => {
            let reason = format!("PostgreSQL did not answer within {} ms", DATABASE_PATIENCE.as_millis());
            Component::troubled(Status::Degraded, reason)
        }
    }
}

fn ephemeral(keeping: Keeping) -> EphemeralComponent {
    let (backend, component) = match keeping {
        Keeping::Process => ("process", Component::OK),
        Keeping::Redis => ("redis", Component::OK),
        Keeping::ProcessInstead { reason } => ("process", Component::troubled(Status::Degraded, reason)),
    };
    EphemeralComponent { backend, component }
}
