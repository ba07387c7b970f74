//! Messages written, changed and deleted.

use std::borrow::Cow;

use bailey_protocol::{ChannelId, Event, EventKind, GuildId, MessageId};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::wire::{Member, User};
use super::{Normalised, Payload, Skip, Surroundings, channel_name, one, read, skipped};

#[derive(Deserialize)]
struct Message<'a> {
    id: MessageId,
    channel_id: ChannelId,
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    author: Option<User<'a>>,
    #[serde(borrow, default)]
    member: Option<Member<'a>>,
    #[serde(borrow, default)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "given")]
    edited_timestamp: Option<Option<String>>,
    #[serde(default)]
    embeds: Vec<IgnoredAny>,
    #[serde(default)]
    attachments: Vec<IgnoredAny>,
    #[serde(default)]
    mentions: Vec<IgnoredAny>,
    #[serde(default)]
    message_reference: Option<Reference>,
}

/// Tells `null` from nothing at all.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    message_id: Option<MessageId>,
}

pub(super) fn created(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let message: Message<'_> = read(text)?;
    let Some(guild) = message.guild_id else { return skipped(Skip::DirectMessage) };
    let id = format!("message_create-{}", message.id);
    one(written(&message, EventKind::MessageCreate, guild, id, at))
}

pub(super) fn edited(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let message: Message<'_> = read(text)?;
    let Some(guild) = message.guild_id else { return skipped(Skip::DirectMessage) };
    // A link's preview and a pin come as changes too, without a new time of the last edit.
    let before = at.before.messages.get(&message.id);
    let edited = match &message.edited_timestamp {
        Some(None) => false,
        Some(Some(edited)) => before.is_none_or(|before| {
            *before.edited != **edited || message.content.as_deref() != Some(&*before.content)
        }),
        None => true,
    };
    if message.content.is_none() || !edited {
        return skipped(Skip::NothingEdited);
    }
    // The same message can change many times.
    let id = format!("message_edit-{}-{}", message.id, at.mark);
    one(written(&message, EventKind::MessageEdit, guild, id, at))
}

fn written(
    message: &Message<'_>,
    kind: EventKind,
    guild: GuildId,
    id: String,
    at: Surroundings<'_>,
) -> Event {
    let mut payload = Payload::new(kind, guild);
    payload.put("message_id", message.id.to_string());
    payload.put("channel_id", message.channel_id.to_string());
    payload.put("channel_name", channel_name(at, message.channel_id));
    payload.put("content", message.content.as_deref().unwrap_or_default());
    let author = message.author.as_ref();
    let author_id = author.map(|author| author.id.to_string()).unwrap_or_default();
    let author_name = author.map_or("", |author| &author.username);
    let author_bot = author.is_some_and(|author| author.bot);
    payload.put_all(&["author_id", "user_id"], author_id.as_str());
    payload.put_all(&["author_name", "author_username", "username"], author_name);
    payload.put("author_bot", author_bot);
    payload.put("author", json!({"id": author_id, "username": author_name, "bot": author_bot}));
    payload.put_all(&["created_at", "timestamp"], message.timestamp.as_deref().unwrap_or_default());
    if let Some(edited) = message.edited_timestamp.iter().flatten().next() {
        payload.put("edited_timestamp", edited.as_str());
    }
    payload.put("embed_count", message.embeds.len());
    payload.put("attachment_count", message.attachments.len());
    payload.put("mention_count", message.mentions.len());
    if let Some(replied) = message.message_reference.as_ref().and_then(|reference| reference.message_id) {
        payload.put("reference_message_id", replied.to_string());
    }
    if let (Some(member), Some(author)) = (&message.member, author) {
        // Discord leaves permissions out here; those of the roles are what plugins check.
        let permissions = at.directory.permissions(guild, author.id, &member.roles).to_string();
        let member = json!({"permissions": permissions, "roles": member.roles(guild), "nick": member.nick});
        payload.put("member", member);
    }
    payload.into_event(id, kind, guild, at.received_at)
}

#[derive(Deserialize)]
struct Deletion {
    id: MessageId,
    channel_id: ChannelId,
    #[serde(default)]
    guild_id: Option<GuildId>,
}

pub(super) fn deleted(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let deletion: Deletion = read(text)?;
    let Some(guild) = deletion.guild_id else { return skipped(Skip::DirectMessage) };
    one(gone(deletion.id, deletion.channel_id, guild, at))
}

#[derive(Deserialize)]
struct BulkDeletion {
    ids: Vec<MessageId>,
    channel_id: ChannelId,
    #[serde(default)]
    guild_id: Option<GuildId>,
}

pub(super) fn deleted_in_bulk(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let deletion: BulkDeletion = read(text)?;
    let Some(guild) = deletion.guild_id else { return skipped(Skip::DirectMessage) };
    let gone = deletion.ids.iter().map(|id| gone(*id, deletion.channel_id, guild, at));
    Ok(Normalised::Events(gone.collect()))
}

/// What it said and who wrote it is known of recent messages only.
fn gone(id: MessageId, channel: ChannelId, guild: GuildId, at: Surroundings<'_>) -> Event {
    let kind = EventKind::MessageDelete;
    let mut payload = Payload::new(kind, guild);
    payload.put("message_id", id.to_string());
    payload.put("channel_id", channel.to_string());
    payload.put("channel_name", channel_name(at, channel));
    let known = at.before.messages.get(&id);
    payload.put("content", known.map_or("", |known| &known.content));
    payload.put_all(&["author_id", "user_id"], known.map_or("", |known| &known.author));
    payload.put_all(
        &["author_name", "author_username", "username"],
        known.map_or("", |known| &known.author_name),
    );
    payload.put("author_bot", known.is_some_and(|known| known.author_bot));
    payload.into_event(format!("message_delete-{id}"), kind, guild, at.received_at)
}
