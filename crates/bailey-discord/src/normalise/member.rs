//! People joining, leaving and changing.

use std::borrow::Cow;

use bailey_protocol::{EventKind, GuildId};
use serde::Deserialize;
use serde_json::Value;

use super::wire::{Member, User};
use super::{Normalised, Payload, Surroundings, one, read};

#[derive(Deserialize)]
struct Change<'a> {
    guild_id: GuildId,
    #[serde(borrow)]
    user: User<'a>,
}

pub(super) fn joined(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let change: Change<'_> = read(text)?;
    let member: Member<'_> = read(text)?;
    let guild = change.guild_id;
    let kind = EventKind::MemberJoin;
    let mut payload = described(kind, guild, &change.user, &member);
    payload.put("joined_at", text_or_null(member.joined_at.as_ref()));
    let known = at.directory.guild(guild);
    payload.put("guild_name", known.as_ref().map_or("", |known| known.name.as_str()));
    payload.put("member_count", known.as_ref().map_or(0, |known| known.member_count));
    let id = format!("member_join-{}-{}", change.user.id, at.mark);
    one(payload.into_event(id, kind, guild, at.received_at))
}

/// Also for those who were kicked or banned. Discord does not say which roles they had; it is known of those who
/// were lately heard of.
pub(super) fn left(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let change: Change<'_> = read(text)?;
    let guild = change.guild_id;
    let kind = EventKind::MemberLeave;
    let known = at.before.member.as_ref();
    let member = Member {
        user: None,
        nick: known.and_then(|known| known.nick.as_deref()).map(Cow::Borrowed),
        roles: known.map(|known| known.roles.to_vec()).unwrap_or_default(),
        joined_at: None,
        permissions: None,
    };
    let mut payload = described(kind, guild, &change.user, &member);
    payload.put("joined_at", Value::Null);
    let known = at.directory.guild(guild);
    payload.put("member_count", known.map_or(0, |known| known.member_count));
    let id = format!("member_leave-{}-{}", change.user.id, at.mark);
    one(payload.into_event(id, kind, guild, at.received_at))
}

/// What somebody was before is known of those who were lately heard of; for others it is what they are now, so that
/// nobody takes roles they have had for long for new ones.
pub(super) fn updated(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let change: Change<'_> = read(text)?;
    let member: Member<'_> = read(text)?;
    let guild = change.guild_id;
    let kind = EventKind::MemberUpdate;
    let mut payload = described(kind, guild, &change.user, &member);
    let before = at.before.member.as_ref();
    match before {
        Some(before) => {
            let roles: Vec<String> = before.roles.iter().map(ToString::to_string).collect();
            payload.put("before_roles", roles);
            payload.put("before_nick", before.nick.as_deref());
        }
        None => {
            payload.put("before_roles", member.roles(guild));
            payload.put("before_nick", text_or_null(member.nick.as_ref()));
        }
    }
    payload.put("before_known", before.is_some());
    let id = format!("member_update-{}-{}", change.user.id, at.mark);
    one(payload.into_event(id, kind, guild, at.received_at))
}

fn described(kind: EventKind, guild: GuildId, user: &User<'_>, member: &Member<'_>) -> Payload {
    let mut payload = Payload::new(kind, guild);
    payload.put("user_id", user.id.to_string());
    payload.put("username", &*user.username);
    payload.put("display_name", user.display_name(member.nick.as_deref()));
    payload.put("nick", text_or_null(member.nick.as_ref()));
    payload.put("bot", user.bot);
    payload.put("roles", member.roles(guild));
    payload
}

fn text_or_null(text: Option<&Cow<'_, str>>) -> Value {
    text.map_or(Value::Null, |text| Value::from(&**text))
}
