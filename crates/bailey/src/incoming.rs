//! Where Discord may send interactions by HTTP instead of the gateway: `serve --interactions-listen`.
//!
//! A request is checked, handed to the same way plugins are told of the gateway's interactions, and acknowledged
//! with 202. The answer goes by the callback route, as always; so there is one state machine, and a plugin
//! notices no difference.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bailey_discord::{Directory, Incoming, PublicKey, read_incoming};
use bailey_protocol::{Clock, EventId, limits};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::CommandError;
use crate::link::Intake;
use crate::terminal;

/// How long the bus may make an interaction wait: below the three seconds Discord waits.
const BUS_PATIENCE: Duration = Duration::from_secs(2);
/// How long requests under way may take once Bailey stops.
const STOP_DEADLINE: Duration = Duration::from_secs(2);
/// Interactions remembered, so that none is taken twice while its signature is fresh.
const MOST_SEEN: usize = 100_000;

/// An address where Discord sends interactions.
pub(crate) struct InteractionsEndpoint {
    stopping: CancellationToken,
    serving: JoinSet<()>,
}

struct Shared {
    key: PublicKey,
    clock: Arc<dyn Clock>,
    directory: Directory,
    intake: Intake,
    seen: Mutex<Seen>,
}

/// The interactions taken last.
#[derive(Default)]
struct Seen {
    known: HashSet<EventId>,
    order: VecDeque<EventId>,
}

impl Seen {
    /// Whether it is new; then it is remembered.
    fn is_new(&mut self, id: &EventId) -> bool {
        if !self.known.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id.clone());
        if self.order.len() > MOST_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl InteractionsEndpoint {
    /// Starts listening, and says so.
    pub(crate) async fn open(
        bind: SocketAddr,
        key: PublicKey,
        clock: Arc<dyn Clock>,
        directory: Directory,
        intake: Intake,
    ) -> Result<Self, CommandError> {
        let refused = |error| {
            CommandError::failed(format!(
                "cannot listen on {bind} for interactions: {error}; hint: choose another address with \
                 --interactions-listen"
            ))
        };
        let listener = TcpListener::bind(bind).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let shared = Arc::new(Shared { key, clock, directory, intake, seen: Mutex::default() });
        let app = Router::new()
            .route("/interactions", post(receive))
            .layer(DefaultBodyLimit::max(limits::INTERACTION_BODY_BYTES))
            .with_state(shared);
        let (stopping, mut serving) = (CancellationToken::new(), JoinSet::new());
        let stop = stopping.clone();
        serving.spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%address, %error, "interactions are taken no more");
            }
        });
        terminal::say(&format!("Interactions are taken at http://{address}/interactions"));
        Ok(Self { stopping, serving })
    }

    /// Finishes what is under way and stops listening.
    pub(crate) async fn stop(mut self) {
        self.stopping.cancel();
        let _ = tokio::time::timeout(STOP_DEADLINE, self.serving.join_next()).await;
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = shared.clock.now();
    let (signature, timestamp) = (header("x-signature-ed25519"), header("x-signature-timestamp"));
    if let Err(reason) = shared.key.verify(signature, timestamp, &body, now) {
        tracing::info!(%reason, "a request to the interactions endpoint was not Discord's");
        return (StatusCode::UNAUTHORIZED, "invalid request signature\n").into_response();
    }
    let event = match read_incoming(&body, &shared.directory, now) {
        Ok(Incoming::Ping) => return Json(json!({"type": 1})).into_response(),
        Ok(Incoming::Interaction(event)) => *event,
        Ok(Incoming::Nothing) => return StatusCode::ACCEPTED.into_response(),
        Err(error) => {
            tracing::warn!(%error, "an interaction could not be read");
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    if !shared.seen.lock().unwrap_or_else(PoisonError::into_inner).is_new(&event.id) {
        return StatusCode::ACCEPTED.into_response();
    }
    match tokio::time::timeout(BUS_PATIENCE, shared.intake.take(event)).await {
        Ok(true) => StatusCode::ACCEPTED.into_response(),
        Ok(false) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interaction_is_taken_once_and_the_memory_is_bounded() {
        let mut seen = Seen::default();
        let id = |number: usize| EventId::new(format!("interaction-{number}"));
        assert!(seen.is_new(&id(0)));
        assert!(!seen.is_new(&id(0)));
        assert!((1..=MOST_SEEN).all(|number| seen.is_new(&id(number))));
        assert_eq!((seen.known.len(), seen.order.len()), (MOST_SEEN, MOST_SEEN));
        assert!(seen.is_new(&id(0)), "the oldest is forgotten");
    }
}
