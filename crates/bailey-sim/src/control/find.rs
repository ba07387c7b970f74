//! Finds what a driver named: people, servers, channels, roles.

use crate::clock::Snowflake;
use crate::error::ControlError;
use crate::state::State;
use crate::state::model::{Channel, Guild};
use crate::world::ChannelKind;

/// The person who acts when none is named.
const DEFAULT_PERSON: &str = "alice";

fn is(id: Snowflake, name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.trim_start_matches(['@', '#'])) || wanted == id.to_string()
}

fn listing<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.take(30).collect();
    if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) }
}

pub(super) fn guild<'a>(state: &'a State, wanted: Option<&str>) -> Result<&'a Guild, ControlError> {
    let found = match wanted {
        Some(wanted) => state.guilds.values().find(|guild| is(guild.id, &guild.name, wanted)),
        None => state.guilds.values().next(),
    };
    found.ok_or_else(|| {
        let names = listing(state.guilds.values().map(|guild| guild.name.as_str()));
        ControlError::new(format!("no server is called `{}`", wanted.unwrap_or("")), names)
    })
}

/// A server and a channel of it. A channel's id needs no server.
pub(super) fn place<'a>(
    state: &'a State,
    wanted_guild: Option<&str>,
    wanted: Option<&str>,
) -> Result<(&'a Guild, &'a Channel), ControlError> {
    if let (None, Some(wanted)) = (wanted_guild, wanted)
        && let Some(found) = wanted.parse().ok().and_then(|id: Snowflake| state.channels.get(&id))
        && let Some(guild) = state.guilds.get(&found.guild)
    {
        return Ok((guild, found));
    }
    let guild = guild(state, wanted_guild)?;
    Ok((guild, channel(state, guild, wanted)?))
}

pub(super) fn channel<'a>(
    state: &'a State,
    guild: &Guild,
    wanted: Option<&str>,
) -> Result<&'a Channel, ControlError> {
    let mut channels = guild.channels.iter().filter_map(|id| state.channels.get(id));
    let found = match wanted {
        Some(wanted) => channels.find(|channel| is(channel.id, &channel.name, wanted)),
        None => channels.find(|channel| channel.kind == ChannelKind::Text),
    };
    found.ok_or_else(|| {
        let channels = guild.channels.iter().filter_map(|id| state.channels.get(id));
        let names = listing(channels.map(|channel| channel.name.as_str()));
        ControlError::new(format!("`{}` has no channel `{}`", guild.name, wanted.unwrap_or("of text")), names)
    })
}

/// Somebody of a server; people only unless `bots` is set.
pub(super) fn member(
    state: &State,
    guild: &Guild,
    wanted: Option<&str>,
    bots: bool,
) -> Result<Snowflake, ControlError> {
    let people = || {
        let members = guild.members.keys().filter_map(|id| state.users.get(id));
        members.filter(move |user| bots || !user.bot)
    };
    let default = people().find(|user| user.name == DEFAULT_PERSON).or_else(|| people().next());
    let found = match wanted {
        Some(wanted) => people().find(|user| is(user.id, &user.name, wanted)),
        None => default,
    };
    found.map(|user| user.id).ok_or_else(|| {
        let text = format!("nobody called `{}` is in `{}`", wanted.unwrap_or(DEFAULT_PERSON), guild.name);
        ControlError::new(
            text,
            format!("{}; `join` lets somebody in", listing(people().map(|user| user.name.as_str()))),
        )
    })
}

pub(super) fn role(guild: &Guild, wanted: &str) -> Result<Snowflake, ControlError> {
    let found = guild.roles.iter().find(|role| is(role.id, role.name.trim_start_matches('@'), wanted));
    found.map(|role| role.id).ok_or_else(|| {
        let names = listing(guild.roles.iter().map(|role| role.name.as_str()));
        ControlError::new(format!("`{}` has no role `{wanted}`", guild.name), names)
    })
}
