//! Channels made, changed and deleted. Threads are not among them: they come and go with conversations.

use std::borrow::Cow;

use bailey_protocol::{ChannelId, EventKind, GuildId};
use serde::Deserialize;
use serde_json::Value;

use super::{Normalised, Payload, Skip, Surroundings, one, read, skipped};

#[derive(Deserialize)]
struct Channel<'a> {
    id: ChannelId,
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    r#type: u8,
    #[serde(default)]
    parent_id: Option<ChannelId>,
    #[serde(default)]
    position: i64,
}

pub(super) fn changed(
    text: &str,
    kind: EventKind,
    at: Surroundings<'_>,
) -> Result<Normalised, serde_json::Error> {
    let channel: Channel<'_> = read(text)?;
    let Some(guild) = channel.guild_id else { return skipped(Skip::DirectMessage) };
    let mut payload = Payload::new(kind, guild);
    payload.put_all(&["channel_id", "id"], channel.id.to_string());
    payload.put("name", channel.name.as_deref().unwrap_or_default());
    // Here, and only here, it is Discord's number for the kind of channel.
    payload.put("type", channel.r#type);
    payload.put("category_id", channel.parent_id.map_or(Value::Null, |parent| parent.to_string().into()));
    payload.put("position", channel.position);
    if kind == EventKind::ChannelUpdate {
        let before = at.before.channel.as_ref().map(|before| before.name.to_string());
        payload.put("before_name", before);
    }
    // The same channel can change many times.
    let id = format!("{kind}-{}-{}", channel.id, at.mark);
    one(payload.into_event(id, kind, guild, at.received_at))
}
