//! What an application does after a login: it turns the code into tokens, takes them back, and asks with them who the
//! person is.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::{Value, json};

use super::channels::number;
use super::{Answer, Sim, id, ok};
use crate::clock::{Snowflake, iso};
use crate::error::ApiError;
use crate::state::State;
use crate::state::logins::{Grant, TOKEN_SECONDS};
use crate::state::model::Guild;

/// Servers in one answer.
const MOST_GUILDS: usize = 200;

/// What a bearer token opens; everything else is the bot's.
pub(super) fn is_for_people(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    matches!(
        segments.as_slice(),
        ["users", "@me"]
            | ["users", "@me", "guilds"]
            | ["users", "@me", "guilds", _, "member"]
            | ["oauth2", "@me"]
    )
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Whether a request comes with a bearer token that works.
pub(super) fn is_logged_in(state: &State, headers: &HeaderMap) -> bool {
    bearer(headers).is_some_and(|token| state.granted(token).is_some())
}

/// What the person behind a request allowed, when that includes the scope; `None` when the bot asks.
pub(super) fn allowed<'a>(
    state: &'a State,
    headers: &HeaderMap,
    scope: Option<&str>,
) -> Result<Option<&'a Grant>, ApiError> {
    let Some(token) = bearer(headers) else { return Ok(None) };
    let grant = state.granted(token).ok_or_else(ApiError::unauthorized)?;
    match scope {
        Some(scope) if !grant.allowed.has(scope) => Err(ApiError::unauthorized()),
        _ => Ok(Some(grant)),
    }
}

/// An error in OAuth2's own words.
struct Refused(StatusCode, &'static str, Option<String>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut body = json!({"error": self.1});
        if let Some(description) = self.2 {
            body["error_description"] = json!(description);
        }
        (self.0, Json(body)).into_response()
    }
}

/// The fields of a form that comes from the application itself: id and secret are in the form or in the header.
fn from_application(
    state: &State,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<HashMap<String, String>, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.starts_with("application/x-www-form-urlencoded") {
        let text = "The body must be application/x-www-form-urlencoded.".to_owned();
        return Err(Refused(StatusCode::BAD_REQUEST, "invalid_request", Some(text)));
    }
    let fields: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let basic =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let (id, secret) = match basic {
        Some(basic) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(basic.trim()).unwrap_or_default();
            let text = String::from_utf8(bytes).unwrap_or_default();
            text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())).unwrap_or_default()
        }
        None => {
            let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
            (field("client_id"), field("client_secret"))
        }
    };
    if id != state.application.id.to_string() || secret != state.application.client_secret {
        return Err(Refused(StatusCode::UNAUTHORIZED, "invalid_client", None));
    }
    Ok(fields)
}

pub(crate) async fn token(Extract(shared): Sim, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = shared.state();
    let fields = match from_application(&state, &headers, &body) {
        Ok(fields) => fields,
        Err(refused) => return refused.into_response(),
    };
    let field = |name: &str| fields.get(name).map(String::as_str);
    let invalid = |name: &str| {
        let text = format!("Invalid \"{name}\" in request.");
        Refused(StatusCode::BAD_REQUEST, "invalid_grant", Some(text))
    };
    let granted = match field("grant_type") {
        Some("authorization_code") => {
            let (code, uri) = (field("code").unwrap_or(""), field("redirect_uri").unwrap_or(""));
            state.redeem(code, uri, field("code_verifier")).map_err(invalid)
        }
        Some("refresh_token") => {
            state.refresh(field("refresh_token").unwrap_or("")).ok_or_else(|| invalid("refresh_token"))
        }
        _ => Err(Refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", None)),
    };
    match granted {
        Ok(grant) => ok(tokens(&state, &grant)),
        Err(refused) => refused.into_response(),
    }
}

fn tokens(state: &State, grant: &Grant) -> Value {
    let mut json = json!({
        "token_type": "Bearer", "access_token": grant.access_token, "expires_in": TOKEN_SECONDS,
        "refresh_token": grant.refresh_token, "scope": grant.allowed.scopes.join(" "),
    });
    if let Some(guild) = grant.allowed.guild.and_then(|guild| state.guilds.get(&guild)) {
        json["guild"] = state.render_guild(guild);
    }
    json
}

/// Takes tokens back; unknown ones are gone already.
pub(crate) async fn revoke(Extract(shared): Sim, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = shared.state();
    match from_application(&state, &headers, &body) {
        Ok(fields) => {
            state.revoke(fields.get("token").map_or("", String::as_str));
            ok(json!({}))
        }
        Err(refused) => refused.into_response(),
    }
}

/// What a token is for.
pub(crate) async fn me(Extract(shared): Sim, headers: HeaderMap) -> Answer {
    let state = shared.state();
    let grant = allowed(&state, &headers, None)?.ok_or_else(ApiError::unauthorized)?;
    let application = json!({
        "id": state.application.id, "name": state.application.name, "icon": null, "description": "", "type": null,
        "bot_public": true, "bot_require_code_grant": false, "verify_key": crate::endpoint::shown(&state.key),
        "flags": state.application_flags(), "flags_new": state.application_flags().to_string(), "summary": "",
        "max_participants": null,
    });
    let mut json = json!({"application": application, "scopes": grant.allowed.scopes, "expires": iso(state.clock.skewed(grant.expires_ms))});
    if grant.allowed.has("identify") {
        json["user"] = state.render_user(grant.allowed.person);
    }
    Ok(ok(json))
}

/// The person who logged in, with the email address if that was allowed.
pub(super) fn person(state: &State, grant: &Grant) -> Value {
    let mut json = state.render_user(grant.allowed.person);
    json["mfa_enabled"] = json!(false);
    json["locale"] = json!("en-US");
    json["premium_type"] = json!(0);
    if grant.allowed.has("email") {
        json["email"] = json!(email(&state.name_of(grant.allowed.person)));
        json["verified"] = json!(true);
    }
    json
}

/// An address nobody has: example.com is for examples.
fn email(name: &str) -> String {
    let plain: String = name.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    format!("{}@example.com", if plain.is_empty() { "somebody" } else { &plain })
}

/// The servers of the person who logged in, or of the bot.
pub(crate) async fn guilds(
    Extract(shared): Sim,
    headers: HeaderMap,
    Query(words): Query<HashMap<String, String>>,
) -> Answer {
    let state = shared.state();
    let grant = allowed(&state, &headers, Some("guilds"))?;
    let who = grant.map_or(state.application.id, |grant| grant.allowed.person);
    let limit = number(words.get("limit").map(String::as_str), "limit", MOST_GUILDS, MOST_GUILDS)?;
    let bound = |name: &str| words.get(name).map(|bound| id(bound, name)).transpose();
    let (after, before) = (bound("after")?, bound("before")?);
    let counts = words.get("with_counts").is_some_and(|flag| matches!(flag.as_str(), "true" | "1" | "True"));
    let mut own: Vec<&Guild> =
        state.guilds.values().filter(|guild| guild.members.contains_key(&who)).collect();
    own.sort_unstable_by_key(|guild| guild.id);
    own.retain(|guild| {
        after.is_none_or(|after| guild.id > after) && before.is_none_or(|before| guild.id < before)
    });
    if before.is_some() && after.is_none() {
        own.drain(..own.len().saturating_sub(limit));
    }
    let guilds = own.into_iter().take(limit).map(|guild| mine(guild, who, counts));
    Ok(ok(guilds.collect()))
}

fn mine(guild: &Guild, who: Snowflake, counts: bool) -> Value {
    let mut json = json!({
        "id": guild.id, "name": guild.name, "icon": guild.icon, "banner": null, "owner": guild.owner == who,
        "permissions": guild.permissions(who).to_string(), "features": [],
    });
    if counts {
        json["approximate_member_count"] = json!(guild.members.len());
        json["approximate_presence_count"] = json!(guild.members.len());
    }
    json
}

/// The person who logged in, as a member of one server.
pub(crate) async fn member(Extract(shared): Sim, headers: HeaderMap, Path(guild): Path<String>) -> Answer {
    let state = shared.state();
    let grant = allowed(&state, &headers, Some("guilds.members.read"))?.ok_or_else(ApiError::unauthorized)?;
    let guild = state.guilds.get(&id(&guild, "guild_id")?).ok_or_else(ApiError::unknown_guild)?;
    let member = guild.members.get(&grant.allowed.person).ok_or_else(ApiError::unknown_guild)?;
    Ok(ok(state.render_member(member)))
}
