//! Webhooks, and posting through them.

use std::collections::HashMap;

use axum::extract::{Path, Query, Request, State as Extract};
use axum::http::HeaderMap;
use serde_json::Value;

use super::fields::{required, text};
use super::reason::reason;
use super::{Answer, Sim, body, id, interactions, no_content, ok};
use crate::error::{ApiError, FieldErrors};
use crate::payload;
use crate::state::model::flag;
use crate::state::webhooks::Webhook;
use crate::world::permission;

/// A webhook's name; Discord keeps two words for itself.
fn checked(name: &str) -> Result<(), ApiError> {
    let lower = name.to_lowercase();
    for taken in ["clyde", "discord"] {
        if lower.contains(taken) {
            let text = format!("Username cannot contain \"{taken}\"");
            return Err(FieldErrors::one("name", "USERNAME_INVALID_CONTAINS", text));
        }
    }
    Ok(())
}

pub(crate) async fn create(
    Extract(shared): Sim,
    Path(channel): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let channel = id(&channel, "channel_id")?;
    shared.state().require(channel, permission::MANAGE_WEBHOOKS)?;
    let body = body::json_only(request).await?;
    let name = required(&body, "name", 1, 80)?;
    checked(&name)?;
    Ok(ok(shared.state().create_webhook(channel, &name, reason(&headers))?))
}

pub(crate) async fn of_channel(Extract(shared): Sim, Path(channel): Path<String>) -> Answer {
    let channel = id(&channel, "channel_id")?;
    let state = shared.state();
    state.require(channel, permission::MANAGE_WEBHOOKS)?;
    let own = state.webhooks.values().filter(|webhook| webhook.channel == channel);
    Ok(ok(own.map(|webhook| state.render_webhook(webhook, true)).collect::<Value>()))
}

pub(crate) async fn of_guild(Extract(shared): Sim, Path(guild): Path<String>) -> Answer {
    let state = shared.state();
    let guild = state.require_in_guild(id(&guild, "guild_id")?, permission::MANAGE_WEBHOOKS)?.id;
    let own = state.webhooks.values().filter(|webhook| webhook.guild == guild);
    Ok(ok(own.map(|webhook| state.render_webhook(webhook, true)).collect::<Value>()))
}

/// A webhook the bot may manage.
fn managed(state: &crate::state::State, webhook: &str) -> Result<Webhook, ApiError> {
    let webhook = state.webhooks.get(&id(webhook, "webhook_id")?).ok_or_else(ApiError::unknown_webhook)?;
    state.require(webhook.channel, permission::MANAGE_WEBHOOKS)?;
    Ok(webhook.clone())
}

pub(crate) async fn one(Extract(shared): Sim, Path(webhook): Path<String>) -> Answer {
    let state = shared.state();
    Ok(ok(state.render_webhook(&managed(&state, &webhook)?, true)))
}

pub(crate) async fn delete(Extract(shared): Sim, Path(webhook): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = shared.state();
    let webhook = managed(&state, &webhook)?;
    state.delete_webhook(webhook.id, reason(&headers))?;
    Ok(no_content())
}

pub(crate) async fn one_by_token(
    Extract(shared): Sim,
    Path((webhook, token)): Path<(String, String)>,
) -> Answer {
    let state = shared.state();
    Ok(ok(state.render_webhook(state.webhook_by_token(id(&webhook, "webhook_id")?, &token)?, false)))
}

pub(crate) async fn delete_by_token(
    Extract(shared): Sim,
    Path((webhook, token)): Path<(String, String)>,
) -> Answer {
    let mut state = shared.state();
    let webhook = state.webhook_by_token(id(&webhook, "webhook_id")?, &token)?.id;
    state.delete_webhook(webhook, None)?;
    Ok(no_content())
}

/// Posts as a webhook; under the application's own id, answers an interaction.
pub(crate) async fn execute(
    shared: Sim,
    path: Path<(String, String)>,
    Query(words): Query<HashMap<String, String>>,
    request: Request,
) -> Answer {
    let webhook = id(&path.0.0, "webhook_id")?;
    if webhook == shared.state().application.id {
        return interactions::follow_up(shared, path, request).await;
    }
    let webhook = shared.state().webhook_by_token(webhook, &path.0.1)?.clone();
    let (body, uploads) = body::with_files(request).await?;
    let name = text(&body, "username", 1, 80)?;
    if let Some(name) = &name {
        checked(name)?;
    }
    let mut draft = payload::message(&body, uploads, "")?;
    draft.flags &= !flag::EPHEMERAL;
    let mut state = shared.state();
    let message = state.execute_webhook(&webhook, name, draft)?;
    if !words.get("wait").is_some_and(|wait| matches!(wait.as_str(), "true" | "1" | "True")) {
        return Ok(no_content());
    }
    let message = state.message(webhook.channel, message).ok_or_else(ApiError::unknown_message)?;
    Ok(ok(state.render_message(message)))
}
