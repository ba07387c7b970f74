//! The other way to a bot: interactions sent to an address of its own by HTTP, signed as Discord signs them. The key
//! comes from the seed, and signatures from the clock, so equal runs send equal bytes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, Uri, header};
use ed25519_dalek::{Signer, SigningKey};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::Snowflake;
use crate::error::ControlError;
use crate::shared::Shared;

/// How long an endpoint may take: as long as a first answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes read of an endpoint's answer.
const MOST_BYTES: usize = 1 << 20;

/// An interaction on its way.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) url: String,
    pub(crate) interaction: Snowflake,
    pub(crate) token: String,
    pub(crate) body: Vec<u8>,
}

/// The key of a seed.
pub(crate) fn key(seed: u64) -> SigningKey {
    let mut bytes = *b"simulated discord signs with it.";
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    SigningKey::from_bytes(&bytes)
}

/// A key as the developer portal shows it.
pub(crate) fn shown(key: &SigningKey) -> String {
    hexadecimal(key.verifying_key().as_bytes())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends what comes, each on its own, until the simulator stops.
pub(crate) async fn deliver(shared: Weak<Shared>, mut deliveries: mpsc::UnboundedReceiver<Delivery>) {
    let mut under_way = JoinSet::new();
    while let Some(delivery) = deliveries.recv().await {
        let Some(shared) = shared.upgrade() else { return };
        while under_way.try_join_next().is_some() {}
        under_way.spawn(async move { one(&shared, delivery).await });
    }
}

/// Sends one. An answer in the response counts as the callback; 202 says that the callback will come.
async fn one(shared: &Shared, delivery: Delivery) {
    let sent = send(shared, &delivery.url, &delivery.body, true).await;
    match sent {
        Ok((StatusCode::OK, body)) => {
            let answered = shared.state().answer(delivery.interaction, &delivery.token, &body, Vec::new());
            if let Err(error) = answered {
                tracing::info!(message = error.message, "an endpoint's answer is none");
            }
        }
        Ok((StatusCode::ACCEPTED | StatusCode::NO_CONTENT, _)) => {}
        Ok((status, _)) => tracing::info!(%status, "an endpoint refused an interaction"),
        Err(reason) => tracing::info!(reason, "an endpoint was not reached"),
    }
}

/// Tries an endpoint as Discord does before it uses one: a ping that must be answered, and one with a wrong signature
/// that must be refused.
pub(crate) async fn probe(shared: &Shared, url: &str) -> Result<(), ControlError> {
    let wrong = |text: String, hint: &str| Err(ControlError::new(text, hint));
    let ping = json!({"type": 1, "id": "1", "application_id": shared.state().application.id, "token": "ping",
                      "version": 1});
    let body = ping.to_string().into_bytes();
    let known = "the endpoint could not be verified";
    match send(shared, url, &body, true).await {
        Ok((StatusCode::OK, answer)) if answer["type"] == 1 => {}
        Ok((status, answer)) => {
            return wrong(
                format!("{known}: a ping was answered with {status} {answer}"),
                "answer {\"type\": 1}",
            );
        }
        Err(reason) => return wrong(format!("{known}: {reason}"), "is it listening?"),
    }
    match send(shared, url, &body, false).await {
        Ok((StatusCode::UNAUTHORIZED, _)) => Ok(()),
        Ok((status, _)) => wrong(
            format!("{known}: a wrong signature was answered with {status}"),
            "answer 401, before parsing",
        ),
        Err(reason) => wrong(format!("{known}: {reason}"), "is it listening?"),
    }
}

async fn send(
    shared: &Shared,
    url: &str,
    body: &[u8],
    honestly: bool,
) -> Result<(StatusCode, Value), String> {
    let timestamp = (shared.clock.now_ms() / 1000).to_string();
    let key = shared.state().key.clone();
    let mut signature = key.sign(&[timestamp.as_bytes(), body].concat()).to_bytes();
    if !honestly {
        signature[0] ^= 1;
    }
    let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    // As nobody but this machine may drive the simulator, it reaches for nobody else.
    let here = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let (Some("http"), Some(authority), true) = (uri.scheme_str(), uri.authority().cloned(), here) else {
        return Err(format!("{url} is not http://127.0.0.1:PORT/PATH"));
    };
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header("X-Signature-Ed25519", hexadecimal(&signature))
        .header("X-Signature-Timestamp", timestamp)
        .body(Body::from(body.to_vec()))
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let stream = TcpStream::connect(authority.as_str()).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let answering = async {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let bytes = to_bytes(Body::new(response.into_body()), MOST_BYTES).await;
            let bytes = bytes.map_err(|error| error.to_string())?;
            Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
        };
        tokio::pin!(answering);
        tokio::select! {
            answered = &mut answering => answered,
            // The connection may end as soon as the answer is there, before it is read.
            ended = connection => match ended {
                Ok(()) => answering.await,
                Err(error) => Err(error.to_string()),
            },
        }
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| Err("no answer within 3 seconds".to_owned()))
}

/// For a simulator that is being put together.
pub(crate) fn start(shared: &Arc<Shared>) -> impl Future<Output = ()> + Send + use<> {
    let (sender, deliveries) = mpsc::unbounded_channel();
    shared.state().deliveries = Some(sender);
    deliver(Arc::downgrade(shared), deliveries)
}
