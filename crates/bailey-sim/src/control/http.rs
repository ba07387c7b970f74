//! The control side over HTTP: `/sim/` is the status page, `/sim/api/*` the operations of [`super::Control`].
//! Only this machine's own programs may use it: the listener is loopback, the `Host` must be a loopback name (a
//! page elsewhere could otherwise point its own name here), and writes must be JSON, which other pages cannot send.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, Request, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Control;
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
        .route("/say", post(|sim: Sim, body: Bytes| run(sim, body, |control, say| control.say(say))))
        .route(
            "/command",
            post(|sim: Sim, body: Bytes| run(sim, body, |control, using| control.command(using))),
        )
        .route("/click", post(|sim: Sim, body: Bytes| run(sim, body, |control, click| control.click(&click))))
        .route(
            "/choose",
            post(|sim: Sim, body: Bytes| run(sim, body, |control, choose| control.choose(&choose))),
        )
        .route(
            "/submit",
            post(|sim: Sim, body: Bytes| run(sim, body, |control, submit| control.submit(&submit))),
        )
        .route("/react", post(|sim: Sim, body: Bytes| run(sim, body, |control, react| control.react(react))))
        .route(
            "/unreact",
            post(|sim: Sim, body: Bytes| run(sim, body, |control, react| control.unreact(react))),
        )
        .route(
            "/administer",
            post(|sim: Sim, body: Bytes| run(sim, body, |control, what| control.administer(&what))),
        )
        .route("/voice", post(|sim: Sim, body: Bytes| run(sim, body, |control, who| control.voice(&who))))
        .route("/join", post(|sim: Sim, body: Bytes| run(sim, body, |control, who| control.join(&who))))
        .route("/leave", post(|sim: Sim, body: Bytes| run(sim, body, |control, who| control.leave(&who))))
        .route("/advance", post(|sim: Sim, body: Bytes| run(sim, body, advance)))
        .route(
            "/reconnect",
            post(|sim: Sim, body: Bytes| run(sim, body, |control, _: Nothing| Ok(control.reconnect()))),
        )
        .route("/invalidate_session", post(|sim: Sim, body: Bytes| run(sim, body, invalidate)))
        .route("/drop_connection", post(|sim: Sim, body: Bytes| run(sim, body, drop_connection)))
        .route(
            "/fault",
            post(|sim: Sim, body: Bytes| {
                run(sim, body, |control, rule| control.fault(rule).map(|()| json!({"ok": true})))
            }),
        )
        .route(
            "/dispatch_fault",
            post(|sim: Sim, body: Bytes| {
                run(sim, body, |control, rule| control.dispatch_fault(rule).map(|()| json!({"ok": true})))
            }),
        )
        .route(
            "/clock_skew",
            post(|sim: Sim, body: Bytes| {
                run(sim, body, |control, skew: Skew| {
                    control.clock_skew(skew.seconds).map(|()| json!({"ok": true}))
                })
            }),
        )
        .route(
            "/clear_faults",
            post(|sim: Sim, body: Bytes| {
                run(sim, body, |control, _: Nothing| {
                    control.clear_faults();
                    Ok(json!({"ok": true}))
                })
            }),
        )
        .route(
            "/global_rate_limit",
            post(|sim: Sim, body: Bytes| {
                run(sim, body, |control, time: Seconds| {
                    control.global_rate_limit(time.duration());
                    Ok(json!({"ok": true}))
                })
            }),
        )
        .fallback(|| async {
            let error = ControlError::new(
                "there is nothing here",
                "the page is /sim/, operations are below /sim/api/",
            );
            failure(StatusCode::NOT_FOUND, &error)
        })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    seconds: f64,
}

impl Seconds {
    fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::ZERO)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skew {
    seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalidate {
    #[serde(default)]
    resumable: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropConnection {
    #[serde(default)]
    code: Option<u16>,
}

fn control(sim: &Sim) -> Control {
    Control::new(Arc::clone(&sim.0))
}

fn advance(control: &Control, time: Seconds) -> Result<Value, ControlError> {
    if !(time.seconds.is_finite() && time.seconds >= 0.0) {
        return Err(ControlError::new("time only moves forward", "give `seconds` as a number of at least 0"));
    }
    Ok(json!({"now_ms": control.advance(time.duration())?}))
}

fn invalidate(control: &Control, how: Invalidate) -> Result<Value, ControlError> {
    Ok(json!(control.invalidate_session(how.resumable)))
}

fn drop_connection(control: &Control, how: DropConnection) -> Result<Value, ControlError> {
    Ok(json!(control.drop_connection(how.code)))
}

/// Reads one operation's JSON, does it, writes its receipt.
async fn run<T: DeserializeOwned, R: serde::Serialize>(
    sim: Sim,
    body: Bytes,
    action: impl FnOnce(&Control, T) -> Result<R, ControlError>,
) -> Response {
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    let operation = match serde_json::from_slice(body) {
        Ok(operation) => operation,
        Err(error) => {
            let error = ControlError::new(
                format!("the operation cannot be read: {error}"),
                "fields are in the reference",
            );
            return failure(StatusCode::BAD_REQUEST, &error);
        }
    };
    match action(&control(&sim), operation) {
        Ok(receipt) => Json(receipt).into_response(),
        Err(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, &error),
    }
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

fn asset(kind: &'static str, text: &'static str) -> Response {
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
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
