//! Commands used, buttons pressed, values chosen and forms submitted.
//!
//! Plugins read interactions under many names; every one of them is written here. The token that
//! answers it travels beside the payload, never in it.

use std::borrow::Cow;

use bailey_protocol::event::{ComponentMessage, Interaction, InteractionKind, InteractionToken, Invoker};
use bailey_protocol::{ApplicationId, ChannelId, EventKind, GuildId, InteractionId, MessageId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::wire::{Member, User};
use super::{Normalised, Payload, Skip, Surroundings, modal, one, options, read, skipped};
use crate::rest::flag::EPHEMERAL;

#[derive(Deserialize)]
struct Incoming<'a> {
    id: InteractionId,
    application_id: ApplicationId,
    r#type: u64,
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(default)]
    channel_id: Option<ChannelId>,
    #[serde(default)]
    channel: Option<Channel>,
    #[serde(borrow, default)]
    member: Option<Member<'a>>,
    #[serde(borrow, default)]
    user: Option<User<'a>>,
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(default)]
    message: Option<Map<String, Value>>,
    #[serde(borrow, default)]
    locale: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    guild_locale: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Channel {
    id: ChannelId,
    #[serde(default)]
    name: Option<String>,
}

pub(super) fn created(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let incoming: Incoming<'_> = read(text)?;
    let kind = match incoming.r#type {
        2 => InteractionKind::Command,
        3 => InteractionKind::Component,
        4 => InteractionKind::Autocomplete,
        5 => InteractionKind::ModalSubmit,
        _ => return skipped(Skip::OtherType),
    };
    let Some(guild) = incoming.guild_id else { return skipped(Skip::DirectMessage) };
    let mut payload = Payload::new(EventKind::InteractionCreate, guild);
    payload.put("interaction_id", incoming.id.to_string());
    payload.put("interaction_type", incoming.r#type);
    put_place(&mut payload, &incoming, at);
    put_person(&mut payload, &incoming, guild);
    put_request(&mut payload, &incoming, kind);
    put_message(&mut payload, &incoming);
    payload.put("locale", incoming.locale.as_deref().unwrap_or_default());
    payload.put("guild_locale", incoming.guild_locale.as_deref().unwrap_or_default());
    let id = format!("interaction-{}", incoming.id);
    let mut event = payload.into_event(id, EventKind::InteractionCreate, guild, at.received_at);
    let named = |key: &str| incoming.data.get(key).and_then(Value::as_str).map(str::to_owned);
    event.interaction = Some(Interaction {
        id: incoming.id,
        application: incoming.application_id,
        token: InteractionToken::new(&*incoming.token),
        kind,
        command: is_command(kind).then(|| named("name").unwrap_or_default()),
        custom_id: (!is_command(kind)).then(|| named("custom_id").unwrap_or_default()),
        message: component_message(&incoming).filter(|_| kind == InteractionKind::Component),
        invoker: invoker(&incoming),
    });
    one(event)
}

/// Who did it. Somebody who is no member may do nothing.
fn invoker(incoming: &Incoming<'_>) -> Invoker {
    let member = incoming.member.as_ref();
    Invoker {
        user: member.and_then(|member| member.user.as_ref()).map(|user| user.id),
        permissions: member.and_then(|member| member.permissions.as_deref()?.parse().ok()).unwrap_or(0),
    }
}

/// Whether it is about a command: used, or being typed.
fn is_command(kind: InteractionKind) -> bool {
    matches!(kind, InteractionKind::Command | InteractionKind::Autocomplete)
}

/// Where the component that was used sits.
fn component_message(incoming: &Incoming<'_>) -> Option<ComponentMessage> {
    let message = incoming.message.as_ref()?;
    let part = |name: &str| message.get(name).cloned().unwrap_or_default();
    let channel = ChannelId::deserialize(part("channel_id")).ok().or(incoming.channel_id)?;
    let flags = part("flags").as_u64().unwrap_or_default();
    Some(ComponentMessage {
        channel,
        message: MessageId::deserialize(part("id")).ok()?,
        ephemeral: flags & EPHEMERAL != 0,
    })
}

fn put_place(payload: &mut Payload, incoming: &Incoming<'_>, at: Surroundings<'_>) {
    let channel = incoming.channel_id.or(incoming.channel.as_ref().map(|channel| channel.id));
    payload.put("channel_id", channel.map(|channel| channel.to_string()).unwrap_or_default());
    let known = channel.and_then(|channel| at.directory.channel_name(channel));
    let told = incoming.channel.as_ref().and_then(|channel| channel.name.as_deref());
    payload.put("channel_name", told.or(known.as_deref()).unwrap_or_default());
}

fn put_person(payload: &mut Payload, incoming: &Incoming<'_>, guild: GuildId) {
    let member = incoming.member.as_ref();
    let nick = member.and_then(|member| member.nick.as_deref());
    let user = member.and_then(|member| member.user.as_ref()).or(incoming.user.as_ref());
    let username = user.map_or("", |user| &user.username);
    let display_name = user.map_or("", |user| user.display_name(nick));
    payload.put("user_id", user.map(|user| user.id.to_string()).unwrap_or_default());
    payload.put_all(&["user_username", "user_name", "username"], username);
    payload.put_all(&["display_name", "user_display_name"], display_name);
    payload.put("global_name", user.map_or("", User::shown_name));
    let described = user.map_or_else(|| json!({}), |user| user.to_payload(nick));
    payload.put("user", described.clone());
    let permissions = member.and_then(|member| member.permissions.as_deref()).unwrap_or("0");
    payload.put("permissions", permissions);
    if let Some(member) = member {
        let member = json!({
            "permissions": permissions,
            "roles": member.roles(guild),
            "nick": member.nick,
            "user": described,
            "joined_at": member.joined_at,
        });
        payload.put("member", member);
    }
}

/// What was asked for: the command with its options, the component with its values, the form.
fn put_request(payload: &mut Payload, incoming: &Incoming<'_>, kind: InteractionKind) {
    let data = &incoming.data;
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    let command = is_command(kind);
    let name = if command { text("name") } else { "" };
    let custom_id = if command { "" } else { text("custom_id") };
    let options = if command { options::list(data.get("options")) } else { Vec::new() };
    let component_type = data.get("component_type").and_then(Value::as_u64).unwrap_or_default();
    let chosen = data.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
    payload.put("command_name", name);
    if command {
        payload.put("command_type", data.get("type").and_then(Value::as_u64).unwrap_or(1));
    }
    payload.put_all(&["options", "command_options"], options.clone());
    payload.put("custom_id", custom_id);
    payload.put("component_type", component_type);
    payload.put("values", chosen.clone());
    let form = if kind == InteractionKind::ModalSubmit { data.get("components") } else { None };
    payload.put("modal_values", modal::values(form));
    if let Some(resolved) = data.get("resolved").filter(|resolved| resolved.is_object()) {
        payload.put("resolved", resolved.clone());
    }
    if let Some(target) = data.get("target_id").filter(|target| target.is_string()) {
        payload.put("target_id", target.clone());
    }
    if kind == InteractionKind::Autocomplete {
        payload.put("data", data.clone()); // as it came: it says which option is being typed
        return;
    }
    payload.put(
        "data",
        json!({
            "name": name,
            "options": options,
            "custom_id": custom_id,
            "values": chosen,
            "component_type": component_type,
        }),
    );
}

fn put_message(payload: &mut Payload, incoming: &Incoming<'_>) {
    let Some(message) = &incoming.message else { return };
    let part = |name: &str, otherwise: Value| message.get(name).cloned().unwrap_or(otherwise);
    payload.put("message_id", part("id", "".into()));
    payload.put(
        "message",
        json!({
            "id": part("id", "".into()),
            "channel_id": part("channel_id", "".into()),
            "content": part("content", "".into()),
            "embeds": part("embeds", json!([])),
            "components": part("components", json!([])),
        }),
    );
}
