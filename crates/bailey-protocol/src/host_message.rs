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
