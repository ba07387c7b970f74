//! Reactions left and taken back.

use std::borrow::Cow;

use bailey_protocol::{ChannelId, EventKind, GuildId, MessageId, UserId};
use serde::Deserialize;

use super::wire::Member;
use super::{Normalised, Payload, Skip, Surroundings, one, read, skipped};

#[derive(Deserialize)]
struct Reaction<'a> {
    user_id: UserId,
    channel_id: ChannelId,
    message_id: MessageId,
    #[serde(default)]
    guild_id: Option<GuildId>,
    /// Only when it is left, not when it is taken back.
    #[serde(borrow, default)]
    member: Option<Member<'a>>,
    #[serde(borrow)]
    emoji: Emoji<'a>,
}

#[derive(Deserialize)]
struct Emoji<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    animated: bool,
}

impl Emoji<'_> {
    /// The character itself, or `<:name:id>`, `<a:name:id>` for a server's own.
    fn text(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        match &self.id {
            Some(id) => format!("<{}:{name}:{id}>", if self.animated { "a" } else { "" }),
            None => name.to_owned(),
        }
    }
}

pub(super) fn added(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    described(text, EventKind::ReactionAdd, at)
}

pub(super) fn removed(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    described(text, EventKind::ReactionRemove, at)
}

fn described(text: &str, kind: EventKind, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let reaction: Reaction<'_> = read(text)?;
    let Some(guild) = reaction.guild_id else { return skipped(Skip::DirectMessage) };
    let mut payload = Payload::new(kind, guild);
    payload.put("message_id", reaction.message_id.to_string());
    payload.put("channel_id", reaction.channel_id.to_string());
    payload.put("user_id", reaction.user_id.to_string());
    payload.put("emoji", reaction.emoji.text());
    let user = reaction.member.as_ref().and_then(|member| member.user.as_ref());
    payload.put("user_bot", user.is_some_and(|user| user.bot));
    // The same person can leave and take back the same reaction any number of times.
    let id = format!("{kind}-{}-{}-{}", reaction.message_id, reaction.user_id, at.mark);
    one(payload.into_event(id, kind, guild, at.received_at))
}
