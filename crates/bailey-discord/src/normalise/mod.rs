//! Turns the data of a gateway dispatch into an [`Event`] in the words plugins know, all aliases
//! included. Pure: what it needs to know of servers it looks up in the [`Directory`] it is handed,
//! and when it happened it is told.
//!
//! One file per kind of thing. Fields that Discord may leave out are optional here; what a plugin
//! may index is always there.

mod channel;
mod interaction;
mod member;
mod message;
mod modal;
mod options;
mod reaction;
mod role;
mod voice;
pub(crate) mod wire;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bailey_protocol::{ChannelId, Event, EventId, EventKind, GuildId, MessageId, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::directory::{Channel, Directory, Role, VoiceState};
use crate::recent::{RecentMember, RecentMessage};

/// What surrounds one dispatch.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The bot's servers, as they are after it.
    pub directory: &'a Directory,
    /// What was known before it.
    pub before: &'a Before,
    /// Where in the gateway's stream it stood.
    pub mark: Mark,
    /// When it came in.
    pub received_at: Timestamp,
}

/// What was known of the things a dispatch is about until it came; whatever it is not about is `None`.
#[derive(Debug, Default)]
pub struct Before {
    /// The changed channel.
    pub channel: Option<Channel>,
    /// The changed or deleted role.
    pub role: Option<Role>,
    /// Where somebody was in voice; `None` for nowhere.
    pub voice: Option<VoiceState>,
    /// The changed member.
    pub member: Option<RecentMember>,
    /// The changed or deleted messages, as far as they are remembered.
    pub messages: HashMap<MessageId, RecentMessage>,
}

/// The place of a dispatch in a gateway session: the same when the session is resumed and the
/// dispatch sent again, and of no other dispatch. Shown as `1f2e3d4c-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    session: [u8; 4],
    sequence: u64,
}

impl Mark {
    /// The dispatch with this sequence number. A session's id is half a credential, so only a hash
    /// of it is kept.
    pub fn new(session: &str, sequence: u64) -> Self {
        let hash = Sha256::digest(session.as_bytes());
        Self { session: [hash[0], hash[1], hash[2], hash[3]], sequence }
    }

    /// A later dispatch of the same session.
    pub fn at(self, sequence: u64) -> Self {
        Self { sequence, ..self }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", hex::encode(self.session), self.sequence)
    }
}

/// What became of a dispatch.
#[derive(Debug)]
pub enum Normalised {
    /// Something plugins are told; several for a bulk deletion.
    Events(Vec<Event>),
    /// Nothing plugins are told.
    Skipped(Skip),
}

/// Why plugins are not told of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// A type no event is made from.
    OtherType,
    /// It happened in a private conversation, which belongs to no server.
    DirectMessage,
    /// A message's change that is none of its text, such as a link's preview arriving.
    NothingEdited,
}

/// Reads one dispatch: `event_type` is the gateway's `t`, `data` its `d`.
///
/// # Errors
/// When the data of a type we know has not the shape Discord documents.
pub fn normalise(
    event_type: &str,
    data: &RawValue,
    surroundings: Surroundings<'_>,
) -> Result<Normalised, serde_json::Error> {
    let text = data.get();
    match event_type {
        "MESSAGE_CREATE" => message::created(text, surroundings),
        "MESSAGE_UPDATE" => message::edited(text, surroundings),
        "MESSAGE_DELETE" => message::deleted(text, surroundings),
        "MESSAGE_DELETE_BULK" => message::deleted_in_bulk(text, surroundings),
        "GUILD_MEMBER_ADD" => member::joined(text, surroundings),
        "GUILD_MEMBER_REMOVE" => member::left(text, surroundings),
        "GUILD_MEMBER_UPDATE" => member::updated(text, surroundings),
        "MESSAGE_REACTION_ADD" => reaction::added(text, surroundings),
        "MESSAGE_REACTION_REMOVE" => reaction::removed(text, surroundings),
        "VOICE_STATE_UPDATE" => voice::changed(text, surroundings),
        "CHANNEL_CREATE" => channel::changed(text, EventKind::ChannelCreate, surroundings),
        "CHANNEL_UPDATE" => channel::changed(text, EventKind::ChannelUpdate, surroundings),
        "CHANNEL_DELETE" => channel::changed(text, EventKind::ChannelDelete, surroundings),
        "GUILD_ROLE_CREATE" => role::changed(text, EventKind::RoleCreate, surroundings),
        "GUILD_ROLE_UPDATE" => role::changed(text, EventKind::RoleUpdate, surroundings),
        "GUILD_ROLE_DELETE" => role::deleted(text, surroundings),
        "INTERACTION_CREATE" => interaction::created(text, surroundings),
        _ => Ok(Normalised::Skipped(Skip::OtherType)),
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}

/// A payload being written, with what every payload begins with.
struct Payload(Map<String, Value>);

impl Payload {
    fn new(kind: EventKind, guild: GuildId) -> Self {
        let mut payload = Self(Map::new());
        payload.put("type", kind.as_str());
        payload.put("guild_id", guild.to_string());
        payload
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The same value under several names.
    fn put_all(&mut self, names: &[&str], value: impl Into<Value>) {
        let value = value.into();
        for name in names {
            self.put(name, value.clone());
        }
    }

    fn into_event(self, id: String, kind: EventKind, guild: GuildId, received_at: Timestamp) -> Event {
        Event { id: EventId::new(id), kind, guild, payload: Arc::new(self.0), interaction: None, received_at }
    }
}

/// A channel's name, or nothing for one that is not known.
fn channel_name(at: Surroundings<'_>, channel: ChannelId) -> String {
    at.directory.channel_name(channel).as_deref().unwrap_or_default().to_owned()
}

fn one(event: Event) -> Result<Normalised, serde_json::Error> {
    Ok(Normalised::Events(vec![event]))
}

fn skipped(why: Skip) -> Result<Normalised, serde_json::Error> {
    Ok(Normalised::Skipped(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_same_again_and_hides_the_session() {
        let mark = Mark::new("secret-session", 7);
        assert_eq!(mark.to_string(), Mark::new("secret-session", 3).at(7).to_string());
        assert_ne!(mark.to_string(), Mark::new("other", 7).to_string());
        assert!(mark.to_string().ends_with("-7"));
        assert!(!mark.to_string().contains("secret"));
    }
}
