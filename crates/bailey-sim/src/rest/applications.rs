//! The application itself, its commands, and where the gateway is.

use axum::Json;
use axum::extract::{Path, Request, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Answer, Sim, body, id, no_content, ok};
use crate::clock::Snowflake;
use crate::endpoint;
use crate::error::{ApiError, FieldErrors};
use crate::shared::lock;
use crate::state::State;

pub(crate) async fn gateway(Extract(shared): Sim) -> Response {
    ok(json!({"url": gateway_url(&shared.state())}))
}

pub(crate) async fn gateway_bot(Extract(shared): Sim) -> Response {
    let sharding = lock(&shared.pace).sharding;
    let state = shared.state();
    ok(json!({
        "url": gateway_url(&state), "shards": sharding.shards,
        "session_start_limit": {
            "total": sharding.session_starts,
            "remaining": sharding.session_starts.saturating_sub(state.sessions.identified),
            "reset_after": 86_400_000, "max_concurrency": sharding.max_concurrency,
        },
    }))
}

fn gateway_url(state: &State) -> String {
    state.http_base.replacen("http://", "ws://", 1)
}

pub(crate) async fn me(Extract(shared): Sim) -> Response {
    ok(shared.state().render_application())
}

/// Changes where interactions are sent; an address is tried first. Other fields are left as they are.
pub(crate) async fn edit_me(sim: Sim, request: Request) -> Answer {
    let body = body::json_only(request).await?;
    let shared = sim.0;
    if let Some(url) = body.get("interactions_endpoint_url") {
        let url = url.as_str().filter(|url| !url.is_empty());
        if let Some(url) = url
            && let Err(error) = endpoint::probe(&shared, url).await
        {
            tracing::info!(%error, "an interactions endpoint was not accepted");
            let mut errors = FieldErrors::default();
            let text = "The specified interactions endpoint url could not be verified.";
            errors.add("interactions_endpoint_url", "APPLICATION_INTERACTIONS_ENDPOINT_URL_INVALID", text);
            errors.finish()?;
        }
        shared.state().endpoint = url.map(str::to_owned);
    }
    Ok(ok(shared.state().render_application()))
}

/// The scope of a path, when the application is this one and the bot is in the server.
fn scope(state: &State, application: &str, guild: Option<&str>) -> Result<Option<Snowflake>, ApiError> {
    if id(application, "application_id")? != state.application.id {
        return Err(ApiError::unknown_application());
    }
    let Some(guild) = guild else { return Ok(None) };
    let guild = id(guild, "guild_id")?;
    state.guild_for_bot(guild).map_err(|_| ApiError::missing_access())?;
    Ok(Some(guild))
}

fn list(sim: &Sim, application: &str, guild: Option<&str>) -> Answer {
    let state = sim.0.state();
    let scope = scope(&state, application, guild)?;
    Ok(ok(state.commands.list(scope).to_vec().into()))
}

fn one(sim: &Sim, application: &str, guild: Option<&str>, command: &str) -> Answer {
    let state = sim.0.state();
    let scope = scope(&state, application, guild)?;
    Ok(ok(state.command(scope, id(command, "command_id")?)?.clone()))
}

fn delete(sim: &Sim, application: &str, guild: Option<&str>, command: &str) -> Answer {
    let mut state = sim.0.state();
    let scope = scope(&state, application, guild)?;
    state.delete_command(scope, id(command, "command_id")?)?;
    Ok(no_content())
}

async fn overwrite(sim: &Sim, application: &str, guild: Option<&str>, request: Request) -> Answer {
    let body = body::json_only(request).await?;
    let mut state = sim.0.state();
    let scope = scope(&state, application, guild)?;
    Ok(ok(state.overwrite_commands(scope, &body)?.into()))
}

async fn create(sim: &Sim, application: &str, guild: Option<&str>, request: Request) -> Answer {
    let body = body::json_only(request).await?;
    let mut state = sim.0.state();
    let scope = scope(&state, application, guild)?;
    let (command, new) = state.put_command(scope, &body)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(command)).into_response())
}

pub(crate) async fn global_list(sim: Sim, Path(application): Path<String>) -> Answer {
    list(&sim, &application, None)
}

pub(crate) async fn global_overwrite(sim: Sim, Path(application): Path<String>, request: Request) -> Answer {
    overwrite(&sim, &application, None, request).await
}

pub(crate) async fn global_create(sim: Sim, Path(application): Path<String>, request: Request) -> Answer {
    create(&sim, &application, None, request).await
}

pub(crate) async fn global_one(sim: Sim, Path((application, command)): Path<(String, String)>) -> Answer {
    one(&sim, &application, None, &command)
}

pub(crate) async fn global_delete(sim: Sim, Path((application, command)): Path<(String, String)>) -> Answer {
    delete(&sim, &application, None, &command)
}

pub(crate) async fn guild_list(sim: Sim, Path((application, guild)): Path<(String, String)>) -> Answer {
    list(&sim, &application, Some(&guild))
}

pub(crate) async fn guild_overwrite(
    sim: Sim,
    Path((application, guild)): Path<(String, String)>,
    request: Request,
) -> Answer {
    overwrite(&sim, &application, Some(&guild), request).await
}

pub(crate) async fn guild_create(
    sim: Sim,
    Path((application, guild)): Path<(String, String)>,
    request: Request,
) -> Answer {
    create(&sim, &application, Some(&guild), request).await
}

pub(crate) async fn guild_one(
    sim: Sim,
    Path((application, guild, command)): Path<(String, String, String)>,
) -> Answer {
    one(&sim, &application, Some(&guild), &command)
}

pub(crate) async fn guild_delete(
    sim: Sim,
    Path((application, guild, command)): Path<(String, String, String)>,
) -> Answer {
    delete(&sim, &application, Some(&guild), &command)
}
