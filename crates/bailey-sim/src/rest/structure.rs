//! The structure of a server: channels, what they add and take, threads, pins.

use axum::extract::{Path, Request, State as Extract};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::fields::{bits, clearable, flag, number, required, snowflake, text};
use super::reason::reason;
use super::{Answer, Sim, body, id, no_content, ok};
use crate::clock::{Snowflake, iso};
use crate::error::{ApiError, FieldErrors};
use crate::state::channels::ChannelDraft;
use crate::state::model::Overwrite;
use crate::state::render;
use crate::state::threads::ThreadDraft;
use crate::world::{ChannelKind, permission};

/// Minutes without a message after which a thread may be archived.
const ARCHIVE_AFTER: [u64; 4] = [60, 1440, 4320, 10080];

fn overwrites(body: &Value) -> Result<Option<Vec<Overwrite>>, ApiError> {
    let Some(list) = body.get("permission_overwrites").and_then(Value::as_array) else { return Ok(None) };
    let one = |(index, one): (usize, &Value)| {
        let target = snowflake(&one["id"], &format!("permission_overwrites.{index}.id"))?;
        let of_member = one["type"].as_u64() == Some(1);
        Ok(Overwrite { target, of_member, allow: bits(one, "allow")?, deny: bits(one, "deny")? })
    };
    list.iter().enumerate().map(one).collect::<Result<_, _>>().map(Some)
}

fn draft(body: &Value, name: Option<String>) -> Result<ChannelDraft, ApiError> {
    let parent = match body.get("parent_id") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(parent) => Some(Some(snowflake(parent, "parent_id")?)),
    };
    Ok(ChannelDraft {
        name,
        topic: clearable(body, "topic", 1024)?,
        user_limit: number(body, "user_limit", 0, 99)?,
        parent,
        position: number(body, "position", 0, 10_000)?.and_then(|position| position.try_into().ok()),
        overwrites: overwrites(body)?,
    })
}

pub(crate) async fn create_channel(
    Extract(shared): Sim,
    Path(guild): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let guild = id(&guild, "guild_id")?;
    let held = shared.state().require_in_guild(guild, permission::MANAGE_CHANNELS)?.id;
    let body = body::json_only(request).await?;
    let name = required(&body, "name", 1, 100)?;
    let kind = match number(&body, "type", 0, u64::MAX)?.unwrap_or(0) {
        0 => ChannelKind::Text,
        2 => ChannelKind::Voice,
        4 => ChannelKind::Category,
        5 => ChannelKind::Announcement,
        _ => return Err(FieldErrors::one("type", "BASE_TYPE_CHOICES", "Value must be one of {0, 2, 4, 5}.")),
    };
    let draft = draft(&body, Some(name))?;
    let made = shared.state().create_channel(held, kind, draft, reason(&headers))?;
    Ok((axum::http::StatusCode::CREATED, axum::Json(made)).into_response())
}

pub(crate) async fn edit_channel(
    Extract(shared): Sim,
    Path(channel): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let channel = id(&channel, "channel_id")?;
    let is_thread = shared.state().channel_for_bot(channel)?.kind.is_thread();
    let body = body::json_only(request).await?;
    let name = text(&body, "name", 1, 100)?;
    let mut state = shared.state();
    let managing = state.managing(channel)?;
    state.require(channel, managing)?;
    if !is_thread {
        return Ok(ok(state.edit_channel(channel, draft(&body, name)?, reason(&headers))?));
    }
    let draft = ThreadDraft {
        name,
        archived: flag(&body, "archived")?,
        locked: flag(&body, "locked")?,
        auto_archive_minutes: archive_after(&body)?,
    };
    Ok(ok(state.edit_thread(channel, draft, reason(&headers))?))
}

fn archive_after(body: &Value) -> Result<Option<u64>, ApiError> {
    let minutes = number(body, "auto_archive_duration", 0, u64::MAX)?;
    if minutes.is_some_and(|minutes| !ARCHIVE_AFTER.contains(&minutes)) {
        let text = "Value must be one of {60, 1440, 4320, 10080}.";
        return Err(FieldErrors::one("auto_archive_duration", "BASE_TYPE_CHOICES", text));
    }
    Ok(minutes)
}

pub(crate) async fn delete_channel(
    Extract(shared): Sim,
    Path(channel): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let channel = id(&channel, "channel_id")?;
    let mut state = shared.state();
    let needed = match state.channel_for_bot(channel)?.kind.is_thread() {
        true => permission::MANAGE_THREADS,
        false => permission::MANAGE_CHANNELS,
    };
    state.require(channel, needed)?;
    Ok(ok(state.delete_channel(channel, reason(&headers))?))
}

pub(crate) async fn set_overwrite(
    Extract(shared): Sim,
    Path((channel, target)): Path<(String, String)>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let (channel, target) = (id(&channel, "channel_id")?, id(&target, "overwrite_id")?);
    shared.state().require(channel, permission::MANAGE_ROLES)?;
    let body = body::json_only(request).await?;
    let kind = number(&body, "type", 0, 1)?
        .ok_or_else(|| FieldErrors::one("type", "BASE_TYPE_REQUIRED", "This field is required"))?;
    let overwrite =
        Overwrite { target, of_member: kind == 1, allow: bits(&body, "allow")?, deny: bits(&body, "deny")? };
    shared.state().set_overwrite(channel, overwrite, reason(&headers))?;
    Ok(no_content())
}

pub(crate) async fn delete_overwrite(
    Extract(shared): Sim,
    Path((channel, target)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (channel, target) = (id(&channel, "channel_id")?, id(&target, "overwrite_id")?);
    let mut state = shared.state();
    state.require(channel, permission::MANAGE_ROLES)?;
    state.delete_overwrite(channel, target, reason(&headers))?;
    Ok(no_content())
}

pub(crate) async fn create_thread(
    Extract(shared): Sim,
    Path(channel): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    begin_thread(&shared, id(&channel, "channel_id")?, None, &headers, request).await
}

pub(crate) async fn create_thread_on_message(
    Extract(shared): Sim,
    Path((channel, message)): Path<(String, String)>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let message = id(&message, "message_id")?;
    begin_thread(&shared, id(&channel, "channel_id")?, Some(message), &headers, request).await
}

async fn begin_thread(
    shared: &crate::shared::Shared,
    channel: Snowflake,
    message: Option<Snowflake>,
    headers: &HeaderMap,
    request: Request,
) -> Answer {
    shared.state().channel_for_bot(channel)?;
    let body = body::json_only(request).await?;
    let name = required(&body, "name", 1, 100)?;
    // Without a message and without a type Discord makes a private one.
    let kind = match (message, number(&body, "type", 10, 12)?) {
        (Some(_), _) | (None, Some(11)) => ChannelKind::PublicThread,
        (None, None | Some(12)) => ChannelKind::PrivateThread,
        _ => return Err(ApiError::wrong_channel_type()),
    };
    let minutes = archive_after(&body)?.unwrap_or(1440);
    let mut state = shared.state();
    state.require(
        channel,
        match kind {
            ChannelKind::PrivateThread => permission::CREATE_PRIVATE_THREADS,
            _ => permission::CREATE_PUBLIC_THREADS,
        },
    )?;
    let made = state.create_thread(channel, message, kind, &name, minutes, reason(headers))?;
    Ok((axum::http::StatusCode::CREATED, axum::Json(made)).into_response())
}

pub(crate) async fn active_threads(Extract(shared): Sim, Path(guild): Path<String>) -> Answer {
    let state = shared.state();
    let guild = state.guild_for_bot(id(&guild, "guild_id")?)?;
    let open = guild.threads.iter().filter_map(|thread| state.channels.get(thread)).filter(|channel| {
        channel.thread.as_ref().is_some_and(|thread| !thread.archived)
            && state.permissions_in(channel, state.application.id) & permission::VIEW_CHANNEL != 0
    });
    let threads: Vec<Value> = open.map(render::channel).collect();
    Ok(ok(json!({"threads": threads, "members": [], "has_more": false})))
}

pub(crate) async fn pins(Extract(shared): Sim, Path(channel): Path<String>) -> Answer {
    let state = shared.state();
    let channel = state.channel_for_bot(id(&channel, "channel_id")?)?;
    let mut pinned: Vec<_> =
        channel.messages.values().filter_map(|message| Some((message.pinned_ms?, message))).collect();
    pinned.sort_by_key(|(at, message)| (std::cmp::Reverse(*at), std::cmp::Reverse(message.id)));
    let item = |(at, message)| json!({"pinned_at": iso(at), "message": state.render_message(message)});
    let items: Vec<Value> = pinned.into_iter().map(item).collect();
    Ok(ok(json!({"items": items, "has_more": false})))
}

/// The list as it was before there were pages.
pub(crate) async fn old_pins(shared: Sim, channel: Path<String>) -> Answer {
    let Extract(state) = &shared;
    let state = state.state();
    let channel = state.channel_for_bot(id(&channel, "channel_id")?)?;
    let mut pinned: Vec<_> =
        channel.messages.values().filter(|message| message.pinned_ms.is_some()).collect();
    pinned.sort_by_key(|message| std::cmp::Reverse(message.pinned_ms));
    Ok(ok(pinned.into_iter().map(|message| state.render_message(message)).collect()))
}

pub(crate) async fn pin(shared: Sim, path: Path<(String, String)>, headers: HeaderMap) -> Answer {
    set_pinned(&shared, &path, true, &headers)
}

pub(crate) async fn unpin(shared: Sim, path: Path<(String, String)>, headers: HeaderMap) -> Answer {
    set_pinned(&shared, &path, false, &headers)
}

fn set_pinned(shared: &Sim, path: &(String, String), pinned: bool, headers: &HeaderMap) -> Answer {
    let (channel, message) = (id(&path.0, "channel_id")?, id(&path.1, "message_id")?);
    let mut state = shared.state();
    state.require(channel, permission::PIN_MESSAGES)?;
    state.set_pinned(channel, message, pinned, reason(headers))?;
    Ok(no_content())
}
