//! What a plugin may ask, one module a family: typed parameters and results.

pub mod discord;
pub mod ephemeral;
pub mod interaction;
pub mod kv;
pub mod log;
pub mod message;
pub mod metrics;
pub mod proxy;
pub mod secrets;
pub mod sql;
pub mod websocket;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::params::Params;

macro_rules! methods {
    ($($variant:ident = $text:literal,)*) => {
        /// A method of the host, as a closed set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for Method {
            type Err = CallError;
            fn from_str(text: &str) -> Result<Self, CallError> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(CallError::UnknownMethod(text.chars().take(80).collect())),
                }
            }
        }
    };
}

methods! {
    KvGet = "kv.get",
    KvPut = "kv.put",
    KvDelete = "kv.del",
    KvIncrement = "kv.increment",
    KvDecrement = "kv.decr",
    KvList = "kv.list",
    KvGetMany = "kv.mget",
    KvPutMany = "kv.mput",
    KvListValues = "kv.list_values",
    SqlExecute = "sql.execute",
    SqlQuery = "sql.query",
    SqlQueryOne = "sql.query_one",
    EphemeralCounter = "ephemeral.counter",
    EphemeralCooldownSet = "ephemeral.cooldown_set",
    EphemeralCooldownCheck = "ephemeral.cooldown_check",
    EphemeralDedup = "ephemeral.dedup",
    EphemeralFlagSet = "ephemeral.flag_set",
    EphemeralFlagCheck = "ephemeral.flag_check",
    DiscordSendMessage = "discord.send_message",
    DiscordEditMessage = "discord.edit_message",
    DiscordDeleteMessage = "discord.delete_message",
    DiscordBulkDeleteMessages = "discord.bulk_delete_messages",
    DiscordAddReaction = "discord.add_reaction",
    DiscordPinMessage = "discord.pin_message",
    DiscordUnpinMessage = "discord.unpin_message",
    DiscordGetMember = "discord.get_member",
    DiscordListMembers = "discord.list_members",
    DiscordSearchMembers = "discord.search_members",
    DiscordListRoles = "discord.list_roles",
    DiscordGetChannel = "discord.get_channel",
    DiscordListChannels = "discord.list_channels",
    DiscordGetGuild = "discord.get_guild",
    DiscordGetMessages = "discord.get_messages",
    DiscordCreateChannel = "discord.create_channel",
    DiscordEditChannel = "discord.edit_channel",
    DiscordDeleteChannel = "discord.delete_channel",
    DiscordSetChannelPermissions = "discord.set_channel_permissions",
    DiscordDeleteChannelPermission = "discord.delete_channel_permission",
    DiscordCreateThread = "discord.create_thread",
    DiscordEditThread = "discord.edit_thread",
    DiscordTimeoutMember = "discord.timeout_member",
    DiscordSetNickname = "discord.set_nickname",
    DiscordKickMember = "discord.kick_member",
    DiscordBanMember = "discord.ban_member",
    DiscordUnbanMember = "discord.unban_member",
    DiscordAddRole = "discord.add_role",
    DiscordRemoveRole = "discord.remove_role",
    DiscordAddRoleBulk = "discord.add_role_bulk",
    DiscordRemoveRoleBulk = "discord.remove_role_bulk",
    DiscordTimeoutBulk = "discord.timeout_bulk",
    DiscordKickBulk = "discord.kick_bulk",
    DiscordCreateWebhook = "discord.create_webhook",
    DiscordExecuteWebhook = "discord.execute_webhook",
    DiscordDeleteWebhook = "discord.delete_webhook",
    InteractionRespond = "interaction.respond",
    InteractionDefer = "interaction.defer",
    InteractionFollowup = "interaction.followup",
    InteractionSendModal = "interaction.send_modal",
    SecretsGet = "secrets.get",
    SecretsSet = "secrets.set",
    SecretsDelete = "secrets.del",
    ProxyRequest = "proxy.request",
    HttpAllowHost = "http.allow_host",
    HttpRevokeHost = "http.revoke_host",
    WebsocketEnsure = "ws.ensure",
    WebsocketSend = "ws.send",
    WebsocketClose = "ws.close",
    WebsocketAllowHost = "ws.allow_host",
    WebsocketRevokeHost = "ws.revoke_host",
    MetricsRecord = "metrics.record",
    MetricsQuery = "metrics.query",
    MetricsTotal = "metrics.total",
    PluginLog = "plugin.log",
    EventAck = "event.ack",
    EventFail = "event.fail",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The result of a method that returns nothing. Always an object: wrappers test for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Done {
    ok: bool,
}

impl Done {
    /// `{"ok": true}`
    pub const OK: Self = Self { ok: true };
}

/// Which events an `event.ack` or `event.fail` names, in the shapes of all SDK versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventIds {
    /// The events, in the order written.
    pub ids: Vec<String>,
    /// Whether the plugin used the single form: for `event.ack` that means nobody handled it.
    pub single: bool,
}

impl EventIds {
    /// Reads `event_ids: [..]` or `event_id`.
    ///
    /// # Errors
    /// [`CallError::Validation`] when neither is there.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let texts = |raw: Vec<IdText>| raw.into_iter().map(|id| id.0).collect::<Vec<_>>();
        if let Some(ids) = params.optional::<Vec<IdText>>("event_ids", "a list of event ids")? {
            return Ok(Self { ids: texts(ids), single: false });
        }
        let id = params.required::<IdText>("event_id", "an event id")?;
        Ok(Self { ids: vec![id.0], single: true })
    }
}

/// An id written as a string or as a number.
#[derive(Deserialize)]
#[serde(from = "StringOrNumber")]
struct IdText(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum StringOrNumber {
    Text(String),
    Number(i64),
}

impl From<StringOrNumber> for IdText {
    fn from(id: StringOrNumber) -> Self {
        match id {
            StringOrNumber::Text(text) => Self(text),
            StringOrNumber::Number(number) => Self(number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn ids(text: &str) -> Result<EventIds, CallError> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        EventIds::parse(&Params::parse(Some(&raw))?)
    }

    #[test]
    fn acks_are_read_in_both_shapes() {
        assert_eq!(ids(r#"{"event_ids":["a","b"]}"#).unwrap().ids, ["a", "b"]);
        assert!(ids(r#"{"event_id":"a"}"#).unwrap().single);
        assert!(ids("{}").is_err());
    }

    #[test]
    fn every_method_reads_back() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse::<Method>().unwrap(), *method);
        }
        assert_eq!("x.y".parse::<Method>().unwrap_err().to_string(), "unknown method: x.y");
    }
}
