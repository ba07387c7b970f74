//! People who come into a voice channel, go, move, mute themselves or show their screen.

use bailey_protocol::{ChannelId, EventKind, GuildId, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::wire::Member;
use super::{Normalised, Payload, Skip, Surroundings, channel_name, one, read, skipped};

#[derive(Deserialize)]
struct State<'a> {
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(default)]
    channel_id: Option<ChannelId>,
    user_id: UserId,
    #[serde(borrow, default)]
    member: Option<Member<'a>>,
    #[serde(default)]
    self_mute: bool,
    #[serde(default)]
    self_deaf: bool,
    #[serde(default)]
    self_stream: bool,
    #[serde(default)]
    self_video: bool,
}

pub(super) fn changed(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let state: State<'_> = read(text)?;
    let Some(guild) = state.guild_id else { return skipped(Skip::DirectMessage) };
    let kind = EventKind::VoiceStateUpdate;
    let mut payload = Payload::new(kind, guild);
    payload.put("user_id", state.user_id.to_string());
    let user = state.member.as_ref().and_then(|member| member.user.as_ref());
    payload.put("username", user.map(|user| user.username.to_string()));
    payload.put_all(&["bot", "member_bot"], user.is_some_and(|user| user.bot));
    let place = |payload: &mut Payload, id: &[&str], name: &str, channel: Option<ChannelId>| {
        payload.put_all(id, channel.map_or(Value::Null, |channel| channel.to_string().into()));
        payload.put(name, channel.map_or(Value::Null, |channel| channel_name(at, channel).into()));
    };
    let before = at.before.voice;
    place(&mut payload, &["before_channel_id"], "before_channel_name", before.map(|before| before.channel));
    place(&mut payload, &["after_channel_id", "channel_id"], "after_channel_name", state.channel_id);
    payload.put("before_self_stream", before.is_some_and(|before| before.self_stream));
    payload.put_all(&["after_self_stream", "self_stream"], state.self_stream);
    payload.put("self_mute", state.self_mute);
    payload.put("self_deaf", state.self_deaf);
    payload.put("self_video", state.self_video);
    let id = format!("{kind}-{}-{}", state.user_id, at.mark);
    one(payload.into_event(id, kind, guild, at.received_at))
}
