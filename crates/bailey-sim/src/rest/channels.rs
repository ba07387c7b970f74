//! Channels and their messages.

use axum::extract::{Path, Query, Request, State as Extract};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::reason::reason;
use super::{Answer, Sim, body, id, no_content, ok};
use crate::clock::Snowflake;
use crate::error::{ApiError, FieldErrors};
use crate::payload;
use crate::state::State;
use crate::state::audit::Action;
use crate::state::messages::Posting;
use crate::state::model::{Draft, Message, flag, intent};
use crate::state::render;
use crate::state::sessions::without_content;
use crate::world::permission;

pub(crate) async fn channel(Extract(shared): Sim, Path(channel): Path<String>) -> Answer {
    let state = shared.state();
    Ok(ok(render::channel(state.channel_for_bot(id(&channel, "channel_id")?)?)))
}

pub(crate) async fn typing(Extract(shared): Sim, Path(channel): Path<String>) -> Answer {
    let (channel, state) = (id(&channel, "channel_id")?, shared.state());
    state.require(channel, state.writing(channel))?;
    Ok(no_content())
}

pub(crate) async fn create(Extract(shared): Sim, Path(channel): Path<String>, request: Request) -> Answer {
    let channel = id(&channel, "channel_id")?;
    may_write(&shared.state(), channel, 0)?;
    let (body, uploads) = body::with_files(request).await?;
    let mut draft = payload::message(&body, uploads, "")?;
    // Only answers to interactions can be ephemeral.
    draft.flags &= !flag::EPHEMERAL;
    let mut state = shared.state();
    may_write(&state, channel, takes(&draft))?;
    state.open_for_writing(channel)?;
    let author = state.application.id;
    let posting = Posting {
        channel,
        author,
        kind: None,
        origin: None,
        ephemeral_to: None,
        flags: 0,
        webhook_name: None,
    };
    let message = state.post(posting, draft)?;
    answer(&state, channel, message)
}

/// Refuses when the bot may not write in a channel, or not what takes `more`.
fn may_write(state: &State, channel: Snowflake, more: u64) -> Result<(), ApiError> {
    state.require(channel, state.writing(channel) | more)
}

/// What the parts of a message take beside the permission to write.
fn takes(draft: &Draft) -> u64 {
    let bit = |present: bool, needed: u64| if present { needed } else { 0 };
    bit(draft.embeds.as_ref().is_some_and(|embeds| !embeds.is_empty()), permission::EMBED_LINKS)
        | bit(!draft.uploads.is_empty(), permission::ATTACH_FILES)
        | bit(draft.reference.is_some(), permission::READ_MESSAGE_HISTORY)
        | bit(draft.tts, permission::SEND_TTS_MESSAGES)
}

pub(crate) async fn edit(
    Extract(shared): Sim,
    Path((channel, message)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let (channel, message) = (id(&channel, "channel_id")?, id(&message, "message_id")?);
    let (body, uploads) = body::with_files(request).await?;
    let draft = payload::edit(&body, uploads, "")?;
    let mut state = shared.state();
    if state.public_message(channel, message)?.author != state.application.id {
        return Err(ApiError::other_author());
    }
    state.edit(channel, message, draft)?;
    answer(&state, channel, message)
}

pub(crate) async fn delete(
    Extract(shared): Sim,
    Path((channel, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (channel, message) = (id(&channel, "channel_id")?, id(&message, "message_id")?);
    let mut state = shared.state();
    let others = state.public_message(channel, message)?.author != state.application.id;
    if others {
        state.require(channel, permission::MANAGE_MESSAGES)?;
    }
    state.delete(channel, message)?;
    if others {
        noted(&mut state, channel, Action::MessageDeleted, &headers);
    }
    Ok(no_content())
}

pub(crate) async fn one(Extract(shared): Sim, Path((channel, message)): Path<(String, String)>) -> Answer {
    answer(&shared.state(), id(&channel, "channel_id")?, id(&message, "message_id")?)
}

fn answer(state: &State, channel: Snowflake, message: Snowflake) -> Answer {
    Ok(ok(rendered(state, state.public_message(channel, message)?)))
}

/// A message as this application may read it.
fn rendered(state: &State, message: &Message) -> Value {
    let json = state.render_message(message);
    let bot = state.application.id;
    let reads = state.application.allowed_privileged & intent::MESSAGE_CONTENT != 0;
    if reads || message.author == bot || message.mentions.contains(&bot) {
        json
    } else {
        without_content(&json)
    }
}

/// Which messages to list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<String>,
    before: Option<String>,
    after: Option<String>,
    around: Option<String>,
}

pub(crate) async fn list(
    Extract(shared): Sim,
    Path(channel): Path<String>,
    Query(page): Query<Page>,
) -> Answer {
    let channel = id(&channel, "channel_id")?;
    let state = shared.state();
    let channel = state.channel_for_bot(channel)?;
    // Who may not read what was written before gets an empty list, not a refusal.
    if state.permissions_in(channel, state.application.id) & permission::READ_MESSAGE_HISTORY == 0 {
        return Ok(ok(Value::Array(Vec::new())));
    }
    let limit = number(page.limit.as_deref(), "limit", 50, 100)?;
    let bound = |text: &Option<String>, field: &str| text.as_deref().map(|text| id(text, field)).transpose();
    let (before, after, around) =
        (bound(&page.before, "before")?, bound(&page.after, "after")?, bound(&page.around, "around")?);
    let visible = |message: &&Message| message.ephemeral_to.is_none();
    let older = |than: Snowflake, most: usize| -> Vec<&Message> {
        channel.messages.range(..than).rev().map(|(_, message)| message).filter(visible).take(most).collect()
    };
    let newer = |than: Snowflake, most: usize| -> Vec<&Message> {
        let range = channel.messages.range(Snowflake(than.0.saturating_add(1))..);
        let mut found: Vec<_> = range.map(|(_, message)| message).filter(visible).take(most).collect();
        found.reverse();
        found
    };
    let found = match (around, before, after) {
        (Some(around), _, _) => {
            let mut found = newer(around, limit / 2);
            found.extend(channel.messages.get(&around).filter(visible));
            found.extend(older(around, limit / 2));
            found
        }
        (None, Some(before), _) => older(before, limit),
        (None, None, Some(after)) => newer(after, limit),
        (None, None, None) => older(Snowflake(u64::MAX), limit),
    };
    Ok(ok(found.into_iter().map(|message| rendered(&state, message)).collect()))
}

/// A number from 1 to `most` in a query.
pub(super) fn number(
    text: Option<&str>,
    field: &str,
    otherwise: usize,
    most: usize,
) -> Result<usize, ApiError> {
    let Some(text) = text else { return Ok(otherwise) };
    match text.parse::<usize>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        Ok(0) => {
            Err(FieldErrors::one(field, "NUMBER_TYPE_MIN", "int value should be greater than or equal to 1."))
        }
        Ok(_) => {
            let text = format!("int value should be less than or equal to {most}.");
            Err(FieldErrors::one(field, "NUMBER_TYPE_MAX", text))
        }
        Err(_) => Err(FieldErrors::one(field, "NUMBER_TYPE_COERCE", format!("Value \"{text}\" is not int."))),
    }
}

/// Puts what was done in a channel into the audit log.
fn noted(state: &mut State, channel: Snowflake, action: Action, headers: &HeaderMap) {
    let Some(place) = state.channels.get(&channel) else { return };
    let (guild, name) = (place.guild, place.name.clone());
    state.note(guild, action, channel, name, reason(headers));
}

pub(crate) async fn bulk_delete(
    Extract(shared): Sim,
    Path(channel): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let channel = id(&channel, "channel_id")?;
    shared.state().require(channel, permission::MANAGE_MESSAGES)?;
    let body = body::json_only(request).await?;
    let list = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if !(2..=100).contains(&list.len()) {
        return Err(ApiError::bulk_delete_count());
    }
    let mut ids = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let id = id(text.as_str().unwrap_or(""), &format!("messages.{index}"))?;
        if ids.contains(&id) {
            let text = "Duplicate values are not allowed";
            return Err(FieldErrors::one("messages", "SET_TYPE_ALREADY_CONTAINS_VALUE", text));
        }
        ids.push(id);
    }
    let mut state = shared.state();
    state.bulk_delete(channel, &ids)?;
    noted(&mut state, channel, Action::MessagesDeleted, &headers);
    Ok::<Response, ApiError>(no_content())
}
