//! What each server is offered, for what comes back from it: which plugin's command a name is, and under which
//! name the plugin knows it.

use std::collections::HashMap;
use std::sync::Arc;

use bailey_protocol::event::{Interaction, InteractionKind};
use bailey_protocol::{Event, GuildId};
use serde_json::Value;

use super::offer::{CommandKind, Offer};
use super::suggest::suggestions;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::interactions) struct Offered {
    guilds: HashMap<GuildId, HashMap<(CommandKind, String), Known>>,
}

#[derive(Debug)]
struct Known {
    /// The plugin's name for it.
    name: String,
    /// As the plugin wrote it.
    written: Value,
}

impl Offered {
    /// Remembers what a server is offered, in place of what it was offered before.
    pub(in crate::interactions) fn set(&mut self, guild: GuildId, offer: &Offer) {
        let known = offer.commands().iter().filter_map(|command| {
            let known = Known { name: command.name.clone(), written: command.written.clone() };
            Some(((command.kind, command.shown_as.clone()?), known))
        });
        self.guilds.insert(guild, known.collect());
    }

    /// The event with the command under the name its plugin knows. The interaction beside it keeps the name
    /// people see, which is how it finds its plugin.
    pub(in crate::interactions) fn translated(&self, mut event: Event) -> Event {
        let used = event.interaction.as_ref().filter(|used| used.kind == InteractionKind::Command);
        let known = used.and_then(|used| self.known(event.guild, used, &event));
        let Some(name) =
            known.filter(|known| Some(&known.name) != shown_name(&event)).map(|known| known.name.clone())
        else {
            return event;
        };
        let payload = Arc::make_mut(&mut event.payload);
        payload.insert("command_name".to_owned(), name.as_str().into());
        if let Some(data) = payload.get_mut("data").and_then(Value::as_object_mut) {
            data.insert("name".to_owned(), name.into());
        }
        event
    }

    /// What to choose from for the option that is being typed.
    pub(in crate::interactions) fn suggestions(&self, event: &Event) -> Vec<Value> {
        let known = event.interaction.as_ref().and_then(|typed| self.known(event.guild, typed, event));
        let used = event.payload.get("data").unwrap_or(&Value::Null);
        known.map(|known| suggestions(&known.written, used)).unwrap_or_default()
    }

    fn known(&self, guild: GuildId, used: &Interaction, event: &Event) -> Option<&Known> {
        let kind = match event.payload.get("command_type").and_then(Value::as_u64) {
            Some(2) => CommandKind::User,
            Some(3) => CommandKind::Message,
            _ => CommandKind::Slash,
        };
        self.guilds.get(&guild)?.get(&(kind, used.command.clone()?))
    }
}

fn shown_name(event: &Event) -> Option<&String> {
    event.interaction.as_ref()?.command.as_ref()
}
