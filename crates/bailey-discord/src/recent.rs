//! What was lately heard of members and messages, so that a change can be told with what was before. Bounded:
//! whoever was not heard of for long is forgotten, and what was before is then not known.

use bailey_protocol::{Event, EventKind, GuildId, MessageId, RoleId, UserId};
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use serde_json::{Map, Value};

/// Members remembered, on all servers together: about 10 MB.
const MOST_MEMBERS: usize = 50_000;
/// Memory for messages of all servers together, in bytes: 16 MiB.
const MESSAGE_BYTES: u64 = 16 * 1024 * 1024;
/// Memory a message takes beside its text, about.
const MESSAGE_OVERHEAD: u64 = 160;
/// What messages are expected to take, for the size of the table.
const USUAL_MESSAGE_BYTES: u64 = 256;

/// A member as last heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentMember {
    /// Their nickname.
    pub nick: Option<Box<str>>,
    /// Their roles without the one everybody has.
    pub roles: Box<[RoleId]>,
}

/// A message as last heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentMessage {
    /// Its text.
    pub content: Box<str>,
    /// Who wrote it.
    pub author: Box<str>,
    /// Their user name.
    pub author_name: Box<str>,
    /// Whether a bot wrote it.
    pub author_bot: bool,
    /// When it was last changed, as Discord wrote it; empty for never.
    pub edited: Box<str>,
}

#[derive(Debug, Clone)]
struct ByText;

impl Weighter<MessageId, RecentMessage> for ByText {
    fn weight(&self, _: &MessageId, message: &RecentMessage) -> u64 {
        message.content.len() as u64 + MESSAGE_OVERHEAD
    }
}

/// What is remembered of one gateway's events.
#[derive(Debug)]
pub(crate) struct Recent {
    members: Cache<(GuildId, UserId), RecentMember>,
    messages: Cache<MessageId, RecentMessage, ByText>,
}

impl Recent {
    /// For one of so many gateways, which share the memory there is for all.
    pub(crate) fn one_of(gateways: u32) -> Self {
        let bytes = MESSAGE_BYTES.div_ceil(u64::from(gateways.max(1)));
        let messages = usize::try_from(bytes.div_ceil(USUAL_MESSAGE_BYTES)).unwrap_or(usize::MAX);
        let members = MOST_MEMBERS.div_ceil(usize::try_from(gateways.max(1)).unwrap_or(usize::MAX));
        Self { members: Cache::new(members), messages: Cache::with_weighter(messages, bytes, ByText) }
    }

    pub(crate) fn member(&mut self, guild: GuildId, user: UserId) -> Option<RecentMember> {
        self.members.get(&(guild, user)).cloned()
    }

    pub(crate) fn message(&mut self, id: MessageId) -> Option<RecentMessage> {
        self.messages.get(&id).cloned()
    }

    pub(crate) fn put_member(&mut self, guild: GuildId, user: UserId, member: RecentMember) {
        self.members.insert((guild, user), member);
    }

    /// Remembers what an event tells.
    pub(crate) fn learn(&mut self, event: &Event) {
        let payload = &event.payload;
        match event.kind {
            EventKind::MessageCreate | EventKind::MessageEdit => {
                if let Some(id) = id(payload, "message_id") {
                    self.messages.insert(MessageId(id), message(payload));
                }
                if let (Some(user), Some(Value::Object(of))) =
                    (id(payload, "author_id"), payload.get("member"))
                {
                    self.put_member(event.guild, UserId(user), member(of));
                }
            }
            EventKind::MessageDelete => {
                if let Some(id) = id(payload, "message_id") {
                    self.messages.remove(&MessageId(id));
                }
            }
            EventKind::MemberJoin | EventKind::MemberUpdate => {
                if let Some(user) = id(payload, "user_id") {
                    self.put_member(event.guild, UserId(user), member(payload));
                }
            }
            EventKind::MemberLeave => {
                if let Some(user) = id(payload, "user_id") {
                    self.members.remove(&(event.guild, UserId(user)));
                }
            }
            EventKind::InteractionCreate => {
                if let (Some(user), Some(Value::Object(of))) = (id(payload, "user_id"), payload.get("member"))
                {
                    self.put_member(event.guild, UserId(user), member(of));
                }
            }
            _ => {}
        }
    }
}

fn id(payload: &Map<String, Value>, field: &str) -> Option<u64> {
    payload.get(field)?.as_str()?.parse().ok()
}

fn text(payload: &Map<String, Value>, field: &str) -> Box<str> {
    payload.get(field).and_then(Value::as_str).unwrap_or_default().into()
}

fn member(payload: &Map<String, Value>) -> RecentMember {
    let roles = payload.get("roles").and_then(Value::as_array).into_iter().flatten();
    let nick = payload.get("nick").and_then(Value::as_str).map(Into::into);
    RecentMember {
        nick,
        roles: roles.filter_map(|role| Some(RoleId(role.as_str()?.parse().ok()?))).collect(),
    }
}

fn message(payload: &Map<String, Value>) -> RecentMessage {
    RecentMessage {
        content: text(payload, "content"),
        author: text(payload, "author_id"),
        author_name: text(payload, "author_name"),
        author_bot: payload.get("author_bot").and_then(Value::as_bool).unwrap_or(false),
        edited: text(payload, "edited_timestamp"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bailey_protocol::{EventId, Timestamp};
    use serde_json::json;

    use super::*;

    fn written(id: u64, content: &str) -> Event {
        let payload = json!({"message_id": id.to_string(), "author_id": "7", "content": content});
        Event {
            id: EventId::new(format!("message_create-{id}")),
            kind: EventKind::MessageCreate,
            guild: GuildId(1),
            payload: Arc::new(payload.as_object().unwrap().clone()),
            interaction: None,
            received_at: Timestamp(0),
        }
    }

    #[test]
    fn messages_are_bounded_by_what_they_take() {
        let mut recent = Recent::one_of(1);
        let long = "x".repeat(2000);
        let many = 3 * MESSAGE_BYTES / (long.len() as u64 + MESSAGE_OVERHEAD);
        for id in 1..=many {
            recent.learn(&written(id, &long));
        }
        assert!(recent.messages.weight() <= MESSAGE_BYTES);
        assert!(recent.messages.len() > 1000);
        recent.learn(&written(many + 1, "the newest"));
        assert_eq!(&*recent.message(MessageId(many + 1)).unwrap().content, "the newest");
    }
}
