//! Members as moderators see them: nicknames, time-outs, roles, kicks, bans; and the audit log.

use std::collections::HashMap;

use axum::extract::{Path, Query, Request, State as Extract};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fields::{clearable, number, snowflake};
use super::reason::reason;
use super::{Answer, Sim, body, id, no_content, ok};
use crate::clock::Snowflake;
use crate::error::{ApiError, FieldErrors};
use crate::state::model::Guild;
use crate::state::moderation::MemberDraft;
use crate::world::permission;

/// The longest time-out Discord takes: 28 days.
const LONGEST_TIMEOUT_MS: u64 = 28 * 24 * 60 * 60 * 1000;
/// Messages of a banned person that are deleted: those of at most seven days.
const MOST_DELETE_SECONDS: u64 = 604_800;

pub(crate) async fn edit_member(
    Extract(shared): Sim,
    Path((guild, user)): Path<(String, String)>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let guild = id(&guild, "guild_id")?;
    let own = user == "@me";
    let body = body::json_only(request).await?;
    let mut state = shared.state();
    let user = if own { state.application.id } else { id(&user, "user_id")? };
    let roles = match body.get("roles").and_then(Value::as_array) {
        Some(roles) if !own => {
            Some(roles.iter().map(|role| snowflake(role, "roles")).collect::<Result<Vec<_>, _>>()?)
        }
        _ => None,
    };
    let draft = MemberDraft {
        nick: clearable(&body, "nick", 32)?,
        timed_out_until_ms: if own { None } else { timeout(&body, state.clock.now_ms())? },
        roles,
    };
    state.edit_member(guild, user, draft, reason(&headers))?;
    let known = state.guild_for_bot(guild)?;
    let member = known.members.get(&user).ok_or_else(ApiError::unknown_member)?;
    Ok(ok(state.render_member(member)))
}

fn timeout(body: &Value, now_ms: u64) -> Result<Option<Option<u64>>, ApiError> {
    let field = "communication_disabled_until";
    let text = match body.get(field) {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(None)),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    let until = OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|until| u64::try_from(until.unix_timestamp_nanos() / 1_000_000).ok())
        .ok_or_else(|| FieldErrors::one(field, "DATE_TIME_TYPE_PARSE", "Could not parse the date."))?;
    // A minute of grace, because clocks differ.
    if until > now_ms + LONGEST_TIMEOUT_MS + 60_000 {
        let text = "The time must be less than 28 days in the future.";
        return Err(FieldErrors::one(field, "COMMUNICATION_DISABLED_UNTIL_TOO_LONG", text));
    }
    Ok(Some((until > now_ms).then_some(until)))
}

pub(crate) async fn kick(
    Extract(shared): Sim,
    Path((guild, user)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (guild, user) = (id(&guild, "guild_id")?, id(&user, "user_id")?);
    shared.state().kick(guild, user, reason(&headers))?;
    Ok(no_content())
}

pub(crate) async fn add_role(
    shared: Sim,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    set_role(&shared, &path, true, &headers)
}

pub(crate) async fn remove_role(
    shared: Sim,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    set_role(&shared, &path, false, &headers)
}

fn set_role(shared: &Sim, path: &(String, String, String), held: bool, headers: &HeaderMap) -> Answer {
    let (guild, user) = (id(&path.0, "guild_id")?, id(&path.1, "user_id")?);
    shared.state().set_role(guild, user, id(&path.2, "role_id")?, held, reason(headers))?;
    Ok(no_content())
}

pub(crate) async fn bans(Extract(shared): Sim, Path(guild): Path<String>) -> Answer {
    let state = shared.state();
    let guild = state.require_in_guild(id(&guild, "guild_id")?, permission::BAN_MEMBERS)?;
    let one = |(user, reason): (&Snowflake, &Option<String>)| json!({"user": state.render_user(*user), "reason": reason});
    Ok(ok(guild.bans.iter().map(one).collect()))
}

pub(crate) async fn one_ban(Extract(shared): Sim, Path((guild, user)): Path<(String, String)>) -> Answer {
    let state = shared.state();
    let guild: &Guild = state.require_in_guild(id(&guild, "guild_id")?, permission::BAN_MEMBERS)?;
    let user = id(&user, "user_id")?;
    let reason = guild.bans.get(&user).ok_or_else(ApiError::unknown_ban)?;
    Ok(ok(json!({"user": state.render_user(user), "reason": reason})))
}

pub(crate) async fn ban(
    Extract(shared): Sim,
    Path((guild, user)): Path<(String, String)>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let (guild, user) = (id(&guild, "guild_id")?, id(&user, "user_id")?);
    let body = body::json_only(request).await?;
    let seconds = number(&body, "delete_message_seconds", 0, MOST_DELETE_SECONDS)?;
    let days = number(&body, "delete_message_days", 0, 7)?;
    let seconds = seconds.or(days.map(|days| days * 86_400)).unwrap_or(0);
    shared.state().ban(guild, user, seconds, reason(&headers))?;
    Ok(no_content())
}

pub(crate) async fn unban(
    Extract(shared): Sim,
    Path((guild, user)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (guild, user) = (id(&guild, "guild_id")?, id(&user, "user_id")?);
    shared.state().unban(guild, user, reason(&headers))?;
    Ok(no_content())
}

pub(crate) async fn audit_log(
    Extract(shared): Sim,
    Path(guild): Path<String>,
    Query(words): Query<HashMap<String, String>>,
) -> Answer {
    let state = shared.state();
    let guild = state.require_in_guild(id(&guild, "guild_id")?, permission::VIEW_AUDIT_LOG)?.id;
    let limit = super::channels::number(words.get("limit").map(String::as_str), "limit", 50, 100)?;
    let before = words.get("before").map(|before| id(before, "before")).transpose()?;
    let action = words.get("action_type").and_then(|action| action.parse().ok());
    Ok(ok(state.render_audit(guild, action, before.unwrap_or(Snowflake(u64::MAX)), limit)))
}
