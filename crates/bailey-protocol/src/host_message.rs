//! What the host says to a plugin: boot, events, shutdown.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::capability::{Capability, Grants};
use crate::event::Event;
use crate::frame;

/// How a process treats tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A context per event; the SDK's own schedule threads stay off. The default.
    #[default]
    Pool,
    /// One shared context; `@plugin.schedule` and in-process `@plugin.cron` threads run.
    Single,
}

#[derive(Serialize)]
struct Boot<'a> {
    mode: Mode,
    discord_srv_id: String,
    plugin_id: &'a str,
    version: &'a str,
    capabilities: Vec<&'static str>,
    host_version: &'static str,
    protocol: u32,
}

/// The version of this protocol as announced at boot.
pub const PROTOCOL: u32 = 1;

/// `host.boot` as a request, because its answer is the only sign that handlers are registered.
pub fn boot(id: &str, mode: Mode, grants: &Grants, version: &str) -> String {
    frame::request(id, "host.boot", boot_params(mode, grants, version))
}

/// `host.boot` as a notification, for SDKs that leave host requests unanswered.
pub fn boot_notification(mode: Mode, grants: &Grants, version: &str) -> String {
    frame::notification("host.boot", boot_params(mode, grants, version))
}

fn boot_params<'a>(mode: Mode, grants: &'a Grants, version: &'a str) -> Boot<'a> {
    Boot {
        mode,
        discord_srv_id: grants.tenant().guild.to_string(),
        plugin_id: grants.tenant().plugin.as_str(),
        version,
        capabilities: grants.capabilities().names(),
        host_version: env!("CARGO_PKG_VERSION"),
        protocol: PROTOCOL,
    }
}

/// `host.shutdown`: sent once; the process ends when its stdin is closed after it.
pub fn shutdown() -> String {
    frame::notification("host.shutdown", Map::new())
}

/// A request for a method nobody has: every SDK answers it with an error, from the thread that reads its input.
pub fn ping(id: &str) -> String {
    frame::request(id, "host.ping", Map::new())
}

#[derive(Serialize)]
struct Delivery<'a> {
    event_id: &'a str,
    event: Arc<Map<String, Value>>,
    discord_srv_id: String,
    plugin_id: &'a str,
    version: &'a str,
    capabilities: Vec<&'static str>,
}

/// One event for one plugin; message text is blanked unless the grants allow reading it.
pub fn event(event: &Event, grants: &Grants, version: &str) -> String {
    let may_read = grants.capabilities().contains(Capability::EventsMessageContent);
    let delivery = Delivery {
        event_id: event.id.as_str(),
        event: event.payload_for(may_read),
        discord_srv_id: grants.tenant().guild.to_string(),
        plugin_id: grants.tenant().plugin.as_str(),
        version,
        capabilities: grants.capabilities().names(),
    };
    frame::notification(event.kind.method(), delivery)
}

/// What a lifecycle message announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// The plugin was added to the server.
    Install,
    /// The plugin was switched on.
    Enable,
    /// The plugin was switched off.
    Disable,
    /// The plugin was removed; its data goes after the answer.
    Uninstall,
}

#[derive(Serialize)]
struct LifecycleParams<'a> {
    lifecycle: Lifecycle,
    discord_srv_id: String,
    plugin_id: &'a str,
    #[serde(rename = "_event_id")]
    event_id: &'a str,
}

/// `host.install` and its siblings as a request; the answer means the handler has finished.
pub fn lifecycle(id: &str, lifecycle: Lifecycle, grants: &Grants) -> String {
    let method = match lifecycle {
        Lifecycle::Install => "host.install",
        Lifecycle::Enable => "host.enable",
        Lifecycle::Disable => "host.disable",
        Lifecycle::Uninstall => "host.uninstall",
    };
    let params = LifecycleParams {
        lifecycle,
        discord_srv_id: grants.tenant().guild.to_string(),
        plugin_id: grants.tenant().plugin.as_str(),
        event_id: id,
    };
    frame::request(id, method, params)
}

/// News of a WebSocket connection Bailey keeps for a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketEvent {
    /// What the plugin calls it.
    pub name: String,
    /// Which one.
    pub connection: String,
    /// What happened.
    pub news: SocketNews,
}

/// What happens to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketNews {
    /// It is open; what `subscribe` asked for was sent.
    Open,
    /// A frame arrived.
    Message {
        /// Its text, or its bytes in base64.
        data: String,
        /// Whether it is base64.
        binary: bool,
    },
    /// It is open no more.
    Closed {
        /// Why.
        reason: String,
        /// Whether it is made again.
        will_reconnect: bool,
    },
}

impl SocketNews {
    /// The method that tells it.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Open => "event.ws_open",
            Self::Message { .. } => "event.ws_message",
            Self::Closed { .. } => "event.ws_closed",
        }
    }
}

#[derive(Serialize)]
struct SocketParams<'a> {
    name: &'a str,
    conn_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    will_reconnect: Option<bool>,
    discord_srv_id: String,
    plugin_id: &'a str,
    version: &'a str,
    capabilities: Vec<&'static str>,
}

/// News of a connection as a request: its answer means that the handler has finished, so that frames keep their order.
pub fn socket(id: &str, event: &SocketEvent, grants: &Grants, version: &str) -> String {
    let mut params = SocketParams {
        name: &event.name,
        conn_id: &event.connection,
        data: None,
        binary: None,
        reason: None,
        will_reconnect: None,
        discord_srv_id: grants.tenant().guild.to_string(),
        plugin_id: grants.tenant().plugin.as_str(),
        version,
        capabilities: grants.capabilities().names(),
    };
    match &event.news {
        SocketNews::Open => {}
        SocketNews::Message { data, binary } => {
            (params.data, params.binary) = (Some(data.as_str()), Some(*binary))
        }
        SocketNews::Closed { reason, will_reconnect } => {
            (params.reason, params.will_reconnect) = (Some(reason.as_str()), Some(*will_reconnect));
        }
    }
    frame::request(id, event.news.method(), params)
}
