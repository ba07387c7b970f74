//! `discord.*`: actions on the server, one module an area: typed parameters and results.
//!
//! Too long a text or too large a number is cut to what Discord takes where the SDKs do the same, and
//! refused otherwise.

mod channels;
mod members;
mod messages;
mod read;
mod webhooks;

use serde::Serialize;

pub use channels::{
    ChannelChanged, ChannelKind, ChannelOnly, CreateChannel, CreateThread, DANGEROUS_PERMISSIONS,
    DeleteChannelPermission, EditChannel, EditThread, NewChannel, OverwriteTarget, SetChannelPermissions,
    Thread, ThreadCreated,
};
pub use members::{
    BanMember, BulkFailure, BulkMembers, BulkResult, BulkRole, BulkTimeout, ChangeRole, KickMember,
    SetNickname, TimeoutMember, UnbanMember,
};
pub use messages::{AddReaction, BulkDeleteMessages, EditMessage, Emoji, MessageOnly, SendMessage};
pub use read::{
    Channel, ChannelResult, ChannelsResult, GetMember, GetMessages, Guild, GuildResult, ListMembers, Member,
    MemberResult, MembersResult, Message, MessagesResult, Role, RolesResult, SearchMembers,
};
pub use webhooks::{CreateWebhook, DeleteWebhook, ExecuteWebhook, Webhook, WebhookCreated, WebhookSent};

use crate::error::CallError;
use crate::id::{ChannelId, MessageId};
use crate::params::Params;

/// Result of `discord.send_message`, `discord.edit_message` and of an interaction's follow-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Always true.
    pub ok: bool,
    /// The message.
    pub message_id: MessageId,
    /// Where it is.
    pub channel_id: ChannelId,
}

/// A text cut to what is taken.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// A whole number brought into a range.
fn clamped(params: &Params, name: &str, default: u64, least: u64, most: u64) -> Result<u64, CallError> {
    let default = i64::try_from(default).unwrap_or(i64::MAX);
    let given = u64::try_from(params.integer_or(name, default)?.max(0)).unwrap_or(0);
    Ok(given.clamp(least, most))
}

/// A name that must not be empty, cut to what Discord takes.
fn name(params: &Params, most: usize) -> Result<String, CallError> {
    let text = cut(params.text_or_empty("name")?.trim(), most);
    if text.is_empty() { Err(CallError::validation("name", "a name that is not empty")) } else { Ok(text) }
}

#[cfg(test)]
fn params(value: serde_json::Value) -> Params {
    Params::parse(Some(&serde_json::value::to_raw_value(&value).unwrap())).unwrap()
}
