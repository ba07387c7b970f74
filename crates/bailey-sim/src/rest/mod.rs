//! Discord's REST API v10, as far as it is simulated. This file is the table of routes and what every request passes
//! through: the log, faults, who is asking, rate limits. One file per kind of thing beside it.

mod applications;
mod body;
mod channels;
pub(crate) mod faults;
mod fields;
mod guilds;
mod interactions;
mod known;
pub(crate) mod limits;
pub(crate) mod log;
mod login;
mod moderation;
mod reactions;
mod reason;
mod structure;
mod webhooks;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State as Extract};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock::{Snowflake, http_date};
use crate::error::ApiError;
use crate::shared::{Shared, lock};
use faults::Fault;

/// Largest request body.
pub(crate) const MOST_BODY: usize = 25 * 1024 * 1024;

type Answer = Result<Response, ApiError>;
type Sim = Extract<Arc<Shared>>;

/// Everything under `/api/v10`.
pub(crate) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/gateway", get(applications::gateway))
        .route("/gateway/bot", get(applications::gateway_bot))
        .route("/users/{user}", get(guilds::user))
        .route("/users/@me/guilds", get(login::guilds))
        .route("/users/@me/guilds/{guild}/member", get(login::member))
        .route("/oauth2/@me", get(login::me))
        .route("/oauth2/token", post(login::token))
        .route("/oauth2/token/revoke", post(login::revoke))
        .route("/applications/@me", get(applications::me).patch(applications::edit_me))
        .route("/oauth2/applications/@me", get(applications::me))
        .route(
            "/applications/{application}/commands",
            get(applications::global_list)
                .put(applications::global_overwrite)
                .post(applications::global_create),
        )
        .route(
            "/applications/{application}/commands/{command}",
            get(applications::global_one).delete(applications::global_delete),
        )
        .route(
            "/applications/{application}/guilds/{guild}/commands",
            get(applications::guild_list).put(applications::guild_overwrite).post(applications::guild_create),
        )
        .route("/applications/{application}/guilds/{guild}/commands/permissions", any(known::unanswered))
        .route(
            "/applications/{application}/guilds/{guild}/commands/{command}",
            get(applications::guild_one).delete(applications::guild_delete),
        )
        .route(
            "/channels/{channel}",
            get(channels::channel).patch(structure::edit_channel).delete(structure::delete_channel),
        )
        .route(
            "/channels/{channel}/permissions/{target}",
            put(structure::set_overwrite).delete(structure::delete_overwrite),
        )
        .route("/channels/{channel}/threads", post(structure::create_thread))
        .route("/channels/{channel}/messages/{message}/threads", post(structure::create_thread_on_message))
        .route("/channels/{channel}/messages/pins", get(structure::pins))
        .route("/channels/{channel}/messages/pins/{message}", put(structure::pin).delete(structure::unpin))
        .route("/channels/{channel}/pins", get(structure::old_pins))
        .route("/channels/{channel}/pins/{message}", put(structure::pin).delete(structure::unpin))
        .route("/channels/{channel}/webhooks", get(webhooks::of_channel).post(webhooks::create))
        .route("/channels/{channel}/typing", post(channels::typing))
        .route("/channels/{channel}/messages", get(channels::list).post(channels::create))
        .route("/channels/{channel}/messages/bulk-delete", post(channels::bulk_delete))
        .route(
            "/channels/{channel}/messages/{message}",
            get(channels::one).patch(channels::edit).delete(channels::delete),
        )
        .route("/channels/{channel}/messages/{message}/reactions", delete(reactions::remove_all))
        .route(
            "/channels/{channel}/messages/{message}/reactions/{emoji}",
            get(reactions::list).delete(reactions::remove_emoji),
        )
        .route(
            "/channels/{channel}/messages/{message}/reactions/{emoji}/{user}",
            put(reactions::add).delete(reactions::remove),
        )
        .route("/guilds/{guild}", get(guilds::guild))
        .route("/guilds/{guild}/channels", get(guilds::channels).post(structure::create_channel))
        .route("/guilds/{guild}/threads/active", get(structure::active_threads))
        .route("/guilds/{guild}/webhooks", get(webhooks::of_guild))
        .route("/guilds/{guild}/audit-logs", get(moderation::audit_log))
        .route("/guilds/{guild}/bans", get(moderation::bans))
        .route(
            "/guilds/{guild}/bans/{user}",
            get(moderation::one_ban).put(moderation::ban).delete(moderation::unban),
        )
        .route("/guilds/{guild}/roles", get(guilds::roles))
        .route("/guilds/{guild}/members", get(guilds::members))
        .route("/guilds/{guild}/members/search", get(guilds::search))
        .route(
            "/guilds/{guild}/members/{user}",
            get(guilds::member).patch(moderation::edit_member).delete(moderation::kick),
        )
        .route(
            "/guilds/{guild}/members/{user}/roles/{role}",
            put(moderation::add_role).delete(moderation::remove_role),
        )
        .route("/interactions/{interaction}/{token}/callback", post(interactions::callback))
        .route("/webhooks/{webhook}", get(webhooks::one).delete(webhooks::delete))
        .route(
            "/webhooks/{webhook}/{token}",
            get(webhooks::one_by_token).post(webhooks::execute).delete(webhooks::delete_by_token),
        )
        .route(
            "/webhooks/{webhook}/{token}/messages/{message}",
            get(interactions::message).patch(interactions::edit).delete(interactions::delete),
        )
        .fallback(known::unanswered)
        .method_not_allowed_fallback(known::unanswered)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn_with_state(Arc::clone(shared), pass))
}

/// What every request goes through, outermost first: log, faults, authorization, limits.
async fn pass(Extract(shared): Sim, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let began = Instant::now();
    let (request, number) = match written_down(&shared, request).await {
        Ok(both) => both,
        Err(refusal) => return refusal.into_response(),
    };
    let fault = lock(&shared.faults).matching(&method, &path);
    let mut response = match fault {
        Some(Fault::Status { status, body }) => {
            take_in(request).await;
            plain_fault(status, body)
        }
        Some(Fault::RateLimit { retry_after, scope, global }) => {
            take_in(request).await;
            limits::refused(retry_after, scope, global)
        }
        Some(Fault::AppliedBut { status }) => {
            guarded(&shared, &method, &path, request, next).await;
            plain_fault(status, None)
        }
        Some(Fault::Delay { milliseconds }) => {
            tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
            guarded(&shared, &method, &path, request, next).await
        }
        None => guarded(&shared, &method, &path, request, next).await,
    };
    // By its absence clients tell that something else than Discord answered, and give up.
    response.headers_mut().insert(header::VIA, HeaderValue::from_static("1.1 google"));
    if let Some(date) = http_date(shared.clock.discord_wall_ms())
        && let Ok(date) = HeaderValue::from_str(&date)
    {
        response.headers_mut().insert(header::DATE, date);
    }
    lock(&shared.log).push(log::Entry {
        at_ms: shared.clock.steady_ms(),
        method: method.to_string(),
        path: log::without_token(&path),
        status: response.status().as_u16(),
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    if let Some(number) = number {
        response = answer_written_down(&shared, number, response).await;
    }
    shared.answered.send_modify(|count| *count += 1);
    response
}

/// Records a request, when that is wanted; gives it back with its number.
async fn written_down(shared: &Shared, request: Request) -> Result<(Request, Option<u64>), ApiError> {
    if !shared.recorder.is_on() {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MOST_BODY).await.map_err(|_| ApiError::request_too_large())?;
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let body = recorded_body(kind, &bytes);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let number = shared.recorder.request(parts.method.as_str(), path, &body);
    Ok((Request::from_parts(parts, Body::from(bytes)), number))
}

/// A body as recordings have it: JSON, or the fields of a form. Of anything else, files above all, only the media type.
pub(crate) fn recorded_body(kind: &str, bytes: &[u8]) -> Value {
    let kind = kind.split(';').next().unwrap_or("").trim();
    match kind {
        _ if bytes.is_empty() => Value::Null,
        "application/x-www-form-urlencoded" => form_urlencoded::parse(bytes)
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect(),
        "multipart/form-data" => json!({"media_type": kind}),
        _ => serde_json::from_slice(bytes).unwrap_or_else(|_| json!({"media_type": kind})),
    }
}

async fn answer_written_down(shared: &Shared, number: u64, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    // Answers are made in memory: they can always be read.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
    };
    shared.recorder.answer(number, parts.status.as_u16(), &body);
    Response::from_parts(parts, Body::from(bytes))
}

/// Reads what a client sends although nobody wants it: one that is answered while it writes may take that for a
/// broken connection.
async fn take_in(request: Request) {
    let _too_large_or_broken = to_bytes(request.into_body(), MOST_BODY).await;
}

fn plain_fault(status: u16, body: Option<Value>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match body {
        Some(body) => (status, Json(body)).into_response(),
        // Discord's edge answers with a page, not with JSON, when it fails itself.
        None if status.is_server_error() => {
            let page =
                format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
            (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        None => (status, Json(json!({"message": status.to_string(), "code": 0}))).into_response(),
    }
}

async fn guarded(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    request: Request,
    next: Next,
) -> Response {
    // A webhook's address without its token is the bot's to ask for.
    let by_token = path.starts_with("/interactions/")
        || path.strip_prefix("/webhooks/").is_some_and(|rest| rest.contains('/'));
    let proves_itself = path == "/gateway" || path.starts_with("/oauth2/token");
    let is_person = login::is_for_people(path) && login::is_logged_in(&shared.state(), request.headers());
    if !by_token && !proves_itself && !is_person && !authorized(shared, request.headers()) {
        take_in(request).await;
        return ApiError::unauthorized().into_response();
    }
    let outcome = lock(&shared.limits).take(method, path, by_token, shared.clock.discord_wall_ms());
    let headers = match outcome {
        Ok(headers) => headers,
        Err(refusal) => {
            take_in(request).await;
            return refusal.into_response();
        }
    };
    let mut response = next.run(request).await;
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        response = ApiError::request_too_large().into_response();
    }
    response.headers_mut().extend(headers);
    response
}

fn authorized(shared: &Arc<Shared>, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let expected = format!("Bot {}", shared.state().application.token);
    given == expected.as_bytes()
}

/// An id in a path; anything else is what Discord calls an invalid form.
fn id(text: &str, field: &str) -> Result<Snowflake, ApiError> {
    text.parse().map_err(|_| {
        let text = format!("Value \"{text}\" is not snowflake.");
        crate::error::FieldErrors::one(field, "NUMBER_TYPE_COERCE", text)
    })
}

fn ok(body: Value) -> Response {
    Json(body).into_response()
}

fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Uploaded files, under the URLs that attachments carry. Needs no authorization, like Discord's CDN.
pub(crate) async fn attachment(
    Extract(shared): Sim,
    Path((_, attachment, _)): Path<(String, String, String)>,
) -> Response {
    let file = attachment.parse().ok().and_then(|id| shared.state().file(id));
    let Some((_, bytes)) = file else { return (StatusCode::NOT_FOUND, "Not Found").into_response() };
    // Never shown inline: what a plugin uploads must not run as a page of this origin.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}
