//! The control side over HTTP: `/sim/` is the status page, `/sim/api/*` the operations of [`super::Control`].
//! Only this machine's own programs may use it: the listener is loopback, the `Host` must be a loopback name (a
//! page elsewhere could otherwise point its own name here), and writes must be JSON, which other pages cannot send.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::operations::Trouble;
use super::{Control, operations};
use crate::error::ControlError;
use crate::rest::MOST_BODY;
use crate::shared::Shared;

/// Messages per channel on the status page.
const SHOWN_MESSAGES: usize = 50;
/// Longest wait for something to be seen.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

type Sim = Extract<Arc<Shared>>;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sim", get(|| async { Redirect::permanent("/sim/") }))
        .route("/sim/", get(|| async { asset("text/html; charset=utf-8", include_str!("page.html")) }))
        .route("/sim/page.css", get(|| async { asset("text/css; charset=utf-8", include_str!("page.css")) }))
        .route(
            "/sim/page.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("page.js")) }),
        )
        .nest("/sim/api", operations())
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn(only_this_machine))
}

fn operations() -> Router<Arc<Shared>> {
    Router::new()
        .route("/overview", get(overview))
        .route("/sessions", get(|sim: Sim| async move { Json(control(&sim).sessions()) }))
        .route("/requests", get(|sim: Sim| async move { Json(control(&sim).requests()) }))
        .route("/observed", get(observed))
        .route("/scenarios", get(|sim: Sim| async move { Json(control(&sim).scenarios()) }))
        .route("/{operation}", post(operate).fallback(nothing_here))
        .fallback(nothing_here)
}

async fn nothing_here() -> Response {
    let error =
        ControlError::new("there is nothing here", "the page is /sim/, operations are below /sim/api/");
    failure(StatusCode::NOT_FOUND, &error)
}

/// Reads one operation's JSON, does it, writes its receipt.
async fn operate(sim: Sim, Path(operation): Path<String>, body: Bytes) -> Response {
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    let done = serde_json::from_slice(body)
        .map_err(Trouble::unreadable)
        .and_then(|fields| operations::perform(&control(&sim), &operation, fields));
    match done {
        Ok(receipt) => Json(receipt).into_response(),
        Err(Trouble::Unknown) => nothing_here().await,
        Err(Trouble::Unreadable(error)) => failure(StatusCode::BAD_REQUEST, &error),
        Err(Trouble::Refused(error)) => failure(StatusCode::UNPROCESSABLE_ENTITY, &error),
    }
}

fn control(sim: &Sim) -> Control {
    Control::new(Arc::clone(&sim.0))
}

fn failure(status: StatusCode, error: &ControlError) -> Response {
    (status, Json(json!({"error": error.message, "hint": error.hint}))).into_response()
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_seconds: f64,
}

async fn observed(sim: Sim, Query(since): Query<Since>) -> Response {
    let wait = Duration::try_from_secs_f64(since.wait_seconds).unwrap_or(Duration::ZERO).min(LONGEST_WAIT);
    let stop = sim.0.stop.clone();
    let control = control(&sim);
    let items = tokio::select! {
        items = control.wait_observed(since.after, wait) => items,
        () = stop.cancelled() => control.observed_since(since.after),
    };
    Json(items).into_response()
}

/// Everything the status page shows.
async fn overview(sim: Sim) -> Response {
    let (sessions, requests) = (control(&sim).sessions(), control(&sim).requests());
    let state = sim.0.state();
    let guilds: Vec<Value> = state
        .guilds
        .values()
        .map(|guild| {
            let members: Vec<Value> = guild
                .members
                .keys()
                .filter_map(|id| state.users.get(id))
                .map(|user| json!({"id": user.id, "name": user.name, "bot": user.bot}))
                .collect();
            let channels: Vec<Value> = guild
                .channels
                .iter()
                .filter_map(|id| state.channels.get(id))
                .map(|channel| {
                    let skip = channel.messages.len().saturating_sub(SHOWN_MESSAGES);
                    let messages: Vec<_> =
                        channel.messages.values().skip(skip).map(|message| {
                            let mut seen = json!(state.seen(message));
                            seen["at_ms"] = json!(message.id.created_ms());
                            seen["reactions"] = message
                                .reactions
                                .iter()
                                .map(|reaction| json!({"emoji": reaction.emoji, "count": reaction.users.len()}))
                                .collect();
                            seen
                        }).collect();
                    json!({"id": channel.id, "name": channel.name, "type": channel.kind.number(), "messages": messages})
                })
                .collect();
            let commands: Vec<&Value> = state.commands.usable(guild.id).into_iter().map(|one| &one["name"]).collect();
            json!({"id": guild.id, "name": guild.name, "members": members, "channels": channels, "commands": commands})
        })
        .collect();
    let body = json!({
        "now_ms": state.clock.steady_ms(), "manual_clock": state.clock.is_manual(), "bot": state.application.name,
        "guilds": guilds, "sessions": sessions, "requests": requests,
    });
    Json(body).into_response()
}

pub(crate) fn asset(kind: &'static str, text: &'static str) -> Response {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'; \
                  base-uri 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

async fn only_this_machine(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or("");
    let origin_fits = text(header::ORIGIN)
        .is_none_or(|origin| origin.strip_prefix("http://").is_some_and(|origin| origin == host));
    if !is_loopback(host) || !origin_fits {
        let error = ControlError::new(
            "the control side answers this machine only",
            "open it as http://127.0.0.1:<port>/sim/",
        );
        return failure(StatusCode::FORBIDDEN, &error);
    }
    if request.method() == axum::http::Method::POST && !is_json(headers) {
        let error = ControlError::new("operations are JSON", "send Content-Type: application/json");
        return failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    }
    next.run(request).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether a `Host` header names this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
