//! Answers to interactions: the callback, the original answer, follow-ups.

use std::collections::HashMap;

use axum::extract::{Path, Query, Request, State as Extract};
use serde_json::json;

use super::{Answer, Sim, body, id, no_content, ok};
use crate::error::ApiError;
use crate::payload;
use crate::state::State;
use crate::state::interactions::Interaction;
use crate::state::model::flag;

pub(crate) async fn callback(
    Extract(shared): Sim,
    Path((interaction, token)): Path<(String, String)>,
    Query(words): Query<HashMap<String, String>>,
    request: Request,
) -> Answer {
    let interaction = id(&interaction, "interaction_id")?;
    let (body, uploads) = body::with_files(request).await?;
    let mut state = shared.state();
    let answered = state.answer(interaction, &token, &body, uploads)?;
    if !words.get("with_response").is_some_and(|flag| matches!(flag.as_str(), "true" | "1" | "True")) {
        return Ok(no_content());
    }
    Ok(ok(outcome(&state, &answered, &body)))
}

/// What the callback did, for those who ask with `with_response`.
fn outcome(state: &State, answered: &Interaction, body: &serde_json::Value) -> serde_json::Value {
    let callback = body.get("type").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let mut interaction = json!({
        "id": answered.id, "type": answered.kind, "channel_id": answered.channel, "guild_id": answered.guild,
    });
    let message = answered.original.and_then(|original| state.message(answered.channel, original));
    if let (Some(message), Some(map)) = (message, interaction.as_object_mut()) {
        map.insert("response_message_id".to_owned(), json!(message.id));
        map.insert("response_message_loading".to_owned(), json!(message.flags & flag::LOADING != 0));
        map.insert("response_message_ephemeral".to_owned(), json!(message.ephemeral_to.is_some()));
    }
    let mut outcome = json!({"interaction": interaction});
    if let (Some(message), Some(map)) =
        (message.filter(|_| matches!(callback, 4 | 7)), outcome.as_object_mut())
    {
        let resource = json!({"type": callback, "message": state.render_message(message)});
        map.insert("resource".to_owned(), resource);
    }
    outcome
}

pub(crate) async fn follow_up(
    Extract(shared): Sim,
    Path((application, token)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let application = id(&application, "webhook_id")?;
    shared.state().by_token(application, &token)?;
    let (body, uploads) = body::with_files(request).await?;
    let draft = payload::message(&body, uploads, "")?;
    let mut state = shared.state();
    let at = state.by_token(application, &token)?;
    let message = state.follow_up(&at, draft)?;
    let message = state.message(at.channel, message).ok_or_else(ApiError::unknown_message)?;
    Ok(ok(state.render_message(message)))
}

pub(crate) async fn message(
    Extract(shared): Sim,
    Path((application, token, message)): Path<(String, String, String)>,
) -> Answer {
    let mut state = shared.state();
    let at = state.by_token(id(&application, "webhook_id")?, &token)?;
    let message = state.interaction_message(&at, &message)?;
    let message = state.message(at.channel, message).ok_or_else(ApiError::unknown_message)?;
    Ok(ok(state.render_message(message)))
}

pub(crate) async fn edit(
    Extract(shared): Sim,
    Path((application, token, message)): Path<(String, String, String)>,
    request: Request,
) -> Answer {
    let application = id(&application, "webhook_id")?;
    let (body, uploads) = body::with_files(request).await?;
    let draft = payload::edit(&body, uploads, "")?;
    let mut state = shared.state();
    let at = state.by_token(application, &token)?;
    let message = state.interaction_message(&at, &message)?;
    state.edit(at.channel, message, draft)?;
    let message = state.message(at.channel, message).ok_or_else(ApiError::unknown_message)?;
    Ok(ok(state.render_message(message)))
}

pub(crate) async fn delete(
    Extract(shared): Sim,
    Path((application, token, message)): Path<(String, String, String)>,
) -> Answer {
    let mut state = shared.state();
    let at = state.by_token(id(&application, "webhook_id")?, &token)?;
    let message = state.interaction_message(&at, &message)?;
    state.delete(at.channel, message)?;
    Ok(no_content())
}
