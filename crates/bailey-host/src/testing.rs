//! Events and installations for unit tests.

use std::sync::Arc;

use bailey_protocol::event::{Interaction, InteractionKind, InteractionToken};
use bailey_protocol::host_message::Mode;
use bailey_protocol::{
    ApplicationId, CapabilitySet, Event, EventId, EventKind, Grants, GuildId, InteractionId, Tenant,
    Timestamp,
};

use crate::installation::{Installation, PluginCode};

pub(crate) fn tenant(plugin: &str, guild: u64) -> Tenant {
    Tenant { plugin: plugin.parse().unwrap(), guild: GuildId(guild) }
}

pub(crate) fn event(guild: u64, id: &str, kind: EventKind) -> Event {
    Event {
        id: EventId::new(id),
        kind,
        guild: GuildId(guild),
        payload: Arc::default(),
        interaction: None,
        received_at: Timestamp(0),
    }
}

pub(crate) fn message(guild: u64, id: &str) -> Event {
    event(guild, id, EventKind::MessageCreate)
}

pub(crate) fn command(guild: u64, id: &str, interaction: u64, command: Option<&str>) -> Event {
    let mut event = event(guild, id, EventKind::InteractionCreate);
    event.interaction = Some(Interaction {
        id: InteractionId(interaction),
        application: ApplicationId(1),
        token: InteractionToken::new("token"),
        kind: if command.is_some() { InteractionKind::Command } else { InteractionKind::Component },
        command: command.map(str::to_owned),
        custom_id: None,
        message: None,
        invoker: Default::default(),
    });
    event
}

pub(crate) fn installation(plugin: &str, guild: u64, commands: &[&str]) -> Installation {
    Installation {
        grants: Grants::new(tenant(plugin, guild), CapabilitySet::default()),
        version: "1.0.0".to_owned(),
        code: PluginCode { plugin_dir: "/nowhere".into(), packages_dir: None },
        mode: Mode::Pool,
        commands: commands.iter().map(|name| (*name).to_owned()).collect(),
        schedules: Vec::new(),
    }
}
