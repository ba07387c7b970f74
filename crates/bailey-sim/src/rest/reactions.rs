//! Reactions.

use axum::extract::{Path, Query, State as Extract};
use serde::Deserialize;
use serde_json::Value;

use super::channels::number;
use super::{Answer, Sim, id, no_content, ok};
use crate::clock::Snowflake;
use crate::error::ApiError;
use crate::world::permission;

pub(crate) async fn add(
    Extract(shared): Sim,
    Path((channel, message, emoji, user)): Path<(String, String, String, String)>,
) -> Answer {
    let (channel, message) = (id(&channel, "channel_id")?, id(&message, "message_id")?);
    if user != "@me" {
        return Err(ApiError::method_not_allowed());
    }
    let mut state = shared.state();
    state.require(channel, permission::READ_MESSAGE_HISTORY)?;
    if !state.public_message(channel, message)?.reactions.iter().any(|reaction| reaction.emoji == emoji) {
        state.require(channel, permission::ADD_REACTIONS)?;
    }
    let bot = state.application.id;
    state.react(channel, message, bot, &emoji)?;
    Ok(no_content())
}

pub(crate) async fn remove(
    Extract(shared): Sim,
    Path((channel, message, emoji, user)): Path<(String, String, String, String)>,
) -> Answer {
    let (channel, message) = (id(&channel, "channel_id")?, id(&message, "message_id")?);
    let mut state = shared.state();
    state.public_message(channel, message)?;
    let user = if user == "@me" {
        state.application.id
    } else {
        state.require(channel, permission::MANAGE_MESSAGES)?;
        id(&user, "user_id")?
    };
    state.unreact(channel, message, user, &emoji)?;
    Ok(no_content())
}

/// Which people to list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<String>,
    after: Option<String>,
}

pub(crate) async fn list(
    Extract(shared): Sim,
    Path((channel, message, emoji)): Path<(String, String, String)>,
    Query(page): Query<Page>,
) -> Answer {
    let state = shared.state();
    let message = state.public_message(id(&channel, "channel_id")?, id(&message, "message_id")?)?;
    let limit = number(page.limit.as_deref(), "limit", 25, 100)?;
    let after = page.after.as_deref().map(|after| id(after, "after")).transpose()?.unwrap_or(Snowflake(0));
    let reaction = message.reactions.iter().find(|reaction| reaction.emoji == emoji);
    let mut users: Vec<Snowflake> = reaction.map(|reaction| reaction.users.clone()).unwrap_or_default();
    users.sort_unstable();
    let users = users.into_iter().filter(|user| *user > after).take(limit);
    Ok(ok(users.map(|user| state.render_user(user)).collect::<Value>()))
}

pub(crate) async fn remove_all(
    Extract(shared): Sim,
    Path((channel, message)): Path<(String, String)>,
) -> Answer {
    let (channel, message) = (id(&channel, "channel_id")?, id(&message, "message_id")?);
    let mut state = shared.state();
    state.require(channel, permission::MANAGE_MESSAGES)?;
    state.clear_reactions(channel, message, None)?;
    Ok(no_content())
}

pub(crate) async fn remove_emoji(
    Extract(shared): Sim,
    Path((channel, message, emoji)): Path<(String, String, String)>,
) -> Answer {
    let (channel, message) = (id(&channel, "channel_id")?, id(&message, "message_id")?);
    let mut state = shared.state();
    state.require(channel, permission::MANAGE_MESSAGES)?;
    state.clear_reactions(channel, message, Some(&emoji))?;
    Ok(no_content())
}
