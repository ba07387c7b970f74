//! Servers, their roles and members, and users.

use std::collections::HashMap;

use axum::extract::{Path, Query, State as Extract};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::channels::number;
use super::{Answer, Sim, id, login, ok};
use crate::clock::Snowflake;
use crate::error::{ApiError, FieldErrors};
use crate::state::model::intent;
use crate::state::render;

type Words = Query<HashMap<String, String>>;

pub(crate) async fn guild(Extract(shared): Sim, Path(guild): Path<String>, Query(words): Words) -> Answer {
    let state = shared.state();
    let guild = state.guild_for_bot(id(&guild, "guild_id")?)?;
    let mut json = state.render_guild(guild);
    if words.get("with_counts").is_some_and(|flag| matches!(flag.as_str(), "true" | "1" | "True"))
        && let Some(map) = json.as_object_mut()
    {
        map.insert("approximate_member_count".to_owned(), json!(guild.members.len()));
        map.insert("approximate_presence_count".to_owned(), json!(guild.members.len()));
    }
    Ok(ok(json))
}

pub(crate) async fn channels(Extract(shared): Sim, Path(guild): Path<String>) -> Answer {
    let state = shared.state();
    let guild = state.guild_for_bot(id(&guild, "guild_id")?)?;
    let channels = guild.channels.iter().filter_map(|id| state.channels.get(id));
    Ok(ok(channels.map(render::channel).collect::<Value>()))
}

pub(crate) async fn roles(Extract(shared): Sim, Path(guild): Path<String>) -> Answer {
    let state = shared.state();
    let guild = state.guild_for_bot(id(&guild, "guild_id")?)?;
    Ok(ok(guild.roles.iter().map(render::role).collect::<Value>()))
}

pub(crate) async fn member(Extract(shared): Sim, Path((guild, user)): Path<(String, String)>) -> Answer {
    let state = shared.state();
    let guild = state.guild_for_bot(id(&guild, "guild_id")?)?;
    let user = id(&user, "user_id")?;
    if !state.users.contains_key(&user) {
        return Err(ApiError::unknown_user());
    }
    let member = guild.members.get(&user).ok_or_else(ApiError::unknown_member)?;
    Ok(ok(state.render_member(member)))
}

pub(crate) async fn members(Extract(shared): Sim, Path(guild): Path<String>, Query(words): Words) -> Answer {
    let state = shared.state();
    let guild = state.guild_for_bot(id(&guild, "guild_id")?)?;
    if state.application.allowed_privileged & intent::GUILD_MEMBERS == 0 {
        return Err(ApiError::missing_access());
    }
    let limit = number(words.get("limit").map(String::as_str), "limit", 1, 1000)?;
    let after = words.get("after").map(|after| id(after, "after")).transpose()?.unwrap_or(Snowflake(0));
    let mut members: Vec<_> = guild.members.values().filter(|member| member.user > after).collect();
    members.sort_unstable_by_key(|member| member.user);
    Ok(ok(members.into_iter().take(limit).map(|member| state.render_member(member)).collect::<Value>()))
}

pub(crate) async fn search(Extract(shared): Sim, Path(guild): Path<String>, Query(words): Words) -> Answer {
    let state = shared.state();
    let guild = state.guild_for_bot(id(&guild, "guild_id")?)?;
    let Some(query) = words.get("query").filter(|query| !query.is_empty()) else {
        return Err(FieldErrors::one("query", "BASE_TYPE_REQUIRED", "This field is required"));
    };
    let limit = number(words.get("limit").map(String::as_str), "limit", 1, 1000)?;
    let query = query.to_lowercase();
    let members =
        guild.members.values().filter(|member| state.name_of(member.user).to_lowercase().starts_with(&query));
    Ok(ok(members.take(limit).map(|member| state.render_member(member)).collect::<Value>()))
}

/// A user by id, or as `@me` the bot or the person who logged in.
pub(crate) async fn user(Extract(shared): Sim, headers: HeaderMap, Path(user): Path<String>) -> Answer {
    let state = shared.state();
    if user == "@me" {
        if let Some(grant) = login::allowed(&state, &headers, Some("identify"))? {
            return Ok(ok(login::person(&state, grant)));
        }
        let mut json = state.render_user(state.application.id);
        if let Some(map) = json.as_object_mut() {
            map.insert("mfa_enabled".to_owned(), json!(true));
            map.insert("locale".to_owned(), json!("en-US"));
            map.insert("verified".to_owned(), json!(true));
            map.insert("email".to_owned(), Value::Null);
        }
        return Ok(ok(json));
    }
    let user = state.users.get(&id(&user, "user_id")?).ok_or_else(ApiError::unknown_user)?;
    Ok(ok(render::user(user)))
}
