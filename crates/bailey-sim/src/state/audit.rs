//! The audit logs of the servers: what the bot changed, and the reason it gave.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::State;
use super::feed::Sight;
use crate::clock::Snowflake;

/// Entries kept for all servers together; the oldest give way.
const MOST_ENTRIES: usize = 4096;

/// What was done, with Discord's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ChannelCreated = 10,
    ChannelUpdated = 11,
    ChannelDeleted = 12,
    OverwriteSet = 14,
    OverwriteDeleted = 15,
    Kicked = 20,
    Banned = 22,
    Unbanned = 23,
    MemberUpdated = 24,
    RolesUpdated = 25,
    WebhookCreated = 50,
    WebhookDeleted = 52,
    MessageDeleted = 72,
    MessagesDeleted = 73,
    Pinned = 74,
    Unpinned = 75,
    ThreadCreated = 110,
    ThreadUpdated = 111,
    ThreadDeleted = 112,
}

impl Action {
    fn words(self) -> &'static str {
        match self {
            Self::ChannelCreated => "created the channel",
            Self::ChannelUpdated => "changed the channel",
            Self::ChannelDeleted => "deleted the channel",
            Self::OverwriteSet => "set permissions in",
            Self::OverwriteDeleted => "removed permissions in",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::Unbanned => "unbanned",
            Self::MemberUpdated => "changed the member",
            Self::RolesUpdated => "changed the roles of",
            Self::WebhookCreated => "created the webhook",
            Self::WebhookDeleted => "deleted the webhook",
            Self::MessageDeleted => "deleted a message in",
            Self::MessagesDeleted => "deleted messages in",
            Self::Pinned => "pinned a message in",
            Self::Unpinned => "unpinned a message in",
            Self::ThreadCreated => "began the thread",
            Self::ThreadUpdated => "changed the thread",
            Self::ThreadDeleted => "deleted the thread",
        }
    }
}

/// One line of a server's log.
#[derive(Debug, Clone)]
struct Entry {
    id: Snowflake,
    guild: Snowflake,
    action: Action,
    target: Snowflake,
    reason: Option<String>,
}

/// All servers' logs.
#[derive(Debug, Default)]
pub(crate) struct AuditLog(VecDeque<Entry>);

impl State {
    /// Notes what the bot did, where people can read it. `name`: what people call the target.
    pub(crate) fn note(
        &mut self,
        guild: Snowflake,
        action: Action,
        target: Snowflake,
        name: String,
        reason: Option<String>,
    ) {
        let id = self.new_id();
        if self.audit.0.len() == MOST_ENTRIES {
            self.audit.0.pop_front();
        }
        self.audit.0.push_back(Entry { id, guild, action, target, reason: reason.clone() });
        let guild = self.guilds.get(&guild).map_or_else(String::new, |guild| guild.name.clone());
        let sight = Sight::Audited { guild, action: action.words().to_owned(), target: name, reason };
        self.feed.push(self.clock.steady_ms(), sight);
    }

    /// A server's log, newest first.
    pub(crate) fn render_audit(
        &self,
        guild: Snowflake,
        action: Option<u64>,
        before: Snowflake,
        limit: usize,
    ) -> Value {
        let entries = self.audit.0.iter().rev().filter(|entry| {
            entry.guild == guild
                && entry.id < before
                && action.is_none_or(|action| action == entry.action as u64)
        });
        let entry = |entry: &Entry| {
            let mut json = json!({
                "id": entry.id, "user_id": self.application.id, "target_id": entry.target,
                "action_type": entry.action as u64,
            });
            if let (Some(reason), Some(map)) = (&entry.reason, json.as_object_mut()) {
                map.insert("reason".to_owned(), json!(reason));
            }
            json
        };
        let entries: Vec<Value> = entries.take(limit).map(entry).collect();
        json!({
            "audit_log_entries": entries, "users": [self.render_user(self.application.id)], "webhooks": [],
            "threads": [], "integrations": [], "guild_scheduled_events": [], "auto_moderation_rules": [],
            "application_commands": [],
        })
    }
}
