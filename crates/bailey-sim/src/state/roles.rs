//! Roles made, changed and deleted.

use serde_json::json;

use super::State;
use super::model::{Role, intent};
use super::render;
use super::sessions::Dispatch;
use crate::clock::Snowflake;

/// Roles of one server.
pub(super) const MOST_ROLES: usize = 250;

impl State {
    /// Makes a role below the bot's; `None` when the server has as many as there may be.
    pub(crate) fn make_role(&mut self, guild: Snowflake, name: &str, permissions: u64) -> Option<Snowflake> {
        let id = self.new_id();
        let entry = self.guilds.get_mut(&guild).filter(|entry| entry.roles.len() < MOST_ROLES)?;
        // Where the lowest stands that is not everybody's; those above move up.
        let place =
            entry.roles.iter().filter(|role| role.id != guild).map(|role| role.position).min().unwrap_or(1);
        entry.roles.iter_mut().filter(|role| role.position >= place).for_each(|role| role.position += 1);
        let role = Role::named(id, name, permissions, place);
        let data = json!({"guild_id": guild, "role": render::role(&role)});
        entry.roles.push(role);
        self.tell_roles("GUILD_ROLE_CREATE", guild, data);
        Some(id)
    }

    /// Gives a role another name.
    pub(crate) fn rename_role(&mut self, guild: Snowflake, role: Snowflake, name: &str) {
        let Some(entry) = self.guilds.get_mut(&guild) else { return };
        let Some(role) = entry.roles.iter_mut().find(|known| known.id == role) else { return };
        name.clone_into(&mut role.name);
        let data = json!({"guild_id": guild, "role": render::role(role)});
        self.tell_roles("GUILD_ROLE_UPDATE", guild, data);
    }

    /// Tells of a role that has changed.
    pub(super) fn tell_role_update(&mut self, guild: Snowflake, role: Snowflake) {
        let Some(entry) = self.guilds.get(&guild) else { return };
        let Some(role) = entry.roles.iter().find(|known| known.id == role) else { return };
        let data = json!({"guild_id": guild, "role": render::role(role)});
        self.tell_roles("GUILD_ROLE_UPDATE", guild, data);
    }

    /// Deletes a role; whoever held it holds it no more. Discord tells of the role only.
    pub(crate) fn delete_role(&mut self, guild: Snowflake, role: Snowflake) {
        let Some(entry) = self.guilds.get_mut(&guild) else { return };
        entry.roles.retain(|known| known.id != role);
        entry.members.values_mut().for_each(|member| member.roles.retain(|held| *held != role));
        self.tell_roles("GUILD_ROLE_DELETE", guild, json!({"guild_id": guild, "role_id": role}));
    }

    fn tell_roles(&mut self, event: &'static str, guild: Snowflake, data: serde_json::Value) {
        self.dispatch(&Dispatch { event, guild: Some(guild), intents: intent::GUILDS, data, strip: false });
    }
}
