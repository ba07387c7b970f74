//! Which installations an event goes to. Pure: a table in, deliveries out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bailey_protocol::{Event, EventKind, GuildId, PluginId, Tenant};

use crate::installation::Installation;

/// Installations by server. `T` is whatever a delivery is handed to.
#[derive(Debug)]
pub struct Routes<T> {
    guilds: HashMap<GuildId, Vec<Route<T>>>,
}

#[derive(Debug)]
struct Route<T> {
    plugin: PluginId,
    commands: Vec<String>,
    unhandled: Arc<UnhandledKinds>,
    target: T,
}

/// Kinds of event a plugin said it has no handler for, learned while it runs.
#[derive(Debug, Default)]
pub struct UnhandledKinds(AtomicU32);

impl UnhandledKinds {
    /// Remembers that nobody handles `kind`.
    pub fn learn(&self, kind: EventKind) {
        self.0.fetch_or(1 << kind as u32, Ordering::Relaxed);
    }

    /// Whether nobody handles `kind`.
    pub fn contains(&self, kind: EventKind) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << kind as u32) != 0
    }

    /// Starts over, for new code.
    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { guilds: HashMap::new() }
    }
}

impl<T> Routes<T> {
    /// Adds or replaces an installation; the target it had before is handed back.
    pub fn set(
        &mut self,
        installation: &Installation,
        unhandled: Arc<UnhandledKinds>,
        target: T,
    ) -> Option<T> {
        let tenant = installation.tenant();
        let route = Route {
            plugin: tenant.plugin.clone(),
            commands: installation.commands.iter().map(|name| name.to_lowercase()).collect(),
            unhandled,
            target,
        };
        let routes = self.guilds.entry(tenant.guild).or_default();
        match routes.iter_mut().find(|known| known.plugin == tenant.plugin) {
            Some(known) => Some(std::mem::replace(known, route).target),
            None => {
                routes.push(route);
                None
            }
        }
    }

    /// Takes an installation out.
    pub fn remove(&mut self, tenant: &Tenant) -> Option<T> {
        let routes = self.guilds.get_mut(&tenant.guild)?;
        let position = routes.iter().position(|route| route.plugin == tenant.plugin)?;
        let route = routes.remove(position);
        if routes.is_empty() {
            self.guilds.remove(&tenant.guild);
        }
        Some(route.target)
    }

    /// The target of one installation.
    pub fn get(&self, tenant: &Tenant) -> Option<&T> {
        let routes = self.guilds.get(&tenant.guild)?;
        routes.iter().find(|route| route.plugin == tenant.plugin).map(|route| &route.target)
    }

    /// Every target.
    pub fn targets(&self) -> impl Iterator<Item = &T> {
        self.guilds.values().flatten().map(|route| &route.target)
    }

    /// Where `event` goes: on its own server only. A command goes to those who declare it; one that
    /// nobody declares, and everything else, goes to all who have not said they ignore the kind.
    pub fn route<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a T> {
        let routes = self.guilds.get(&event.guild).map_or(&[][..], Vec::as_slice);
        let command = event.interaction.as_ref().and_then(|interaction| interaction.command.as_deref());
        let declared = command
            .map(str::to_lowercase)
            .filter(|command| routes.iter().any(|route| route.commands.contains(command)));
        routes
            .iter()
            .filter(move |route| match &declared {
                Some(command) => route.commands.contains(command),
                None => !route.unhandled.contains(event.kind),
            })
            .map(|route| &route.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{command, event, installation, message, tenant};

    fn table(entries: &[(&'static str, u64, &[&str])]) -> Routes<&'static str> {
        let mut routes = Routes::default();
        for (plugin, guild, commands) in entries {
            routes.set(&installation(plugin, *guild, commands), Arc::default(), *plugin);
        }
        routes
    }

    fn check(routes: &Routes<&'static str>, event: &Event, expected: &[&str]) {
        let found: Vec<_> = routes.route(event).copied().collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn events_stay_on_their_server() {
        let routes = table(&[("one", 1, &[]), ("two", 1, &[]), ("one_b", 2, &[])]);
        check(&routes, &message(1, "e"), &["one", "two"]);
        check(&routes, &message(2, "e"), &["one_b"]);
        check(&routes, &message(3, "e"), &[]);
    }

    #[test]
    fn a_command_goes_to_who_declares_it_or_to_all() {
        let routes = table(&[("one", 1, &["Greet"]), ("two", 1, &["roll"]), ("three", 1, &["roll"])]);
        check(&routes, &command(1, "e", 5, Some("greet")), &["one"]);
        check(&routes, &command(1, "e", 5, Some("ROLL")), &["two", "three"]);
        check(&routes, &command(1, "e", 5, Some("rol")), &["one", "two", "three"]);
        check(&routes, &command(1, "e", 5, None), &["one", "two", "three"]);
    }

    #[test]
    fn kinds_nobody_handles_are_left_out_but_declared_commands_are_not() {
        let mut routes = Routes::default();
        let unhandled = Arc::new(UnhandledKinds::default());
        routes.set(&installation("one", 1, &["greet"]), Arc::clone(&unhandled), "one");
        unhandled.learn(EventKind::RoleCreate);
        unhandled.learn(EventKind::InteractionCreate);
        check(&routes, &event(1, "e", EventKind::RoleCreate), &[]);
        check(&routes, &message(1, "e"), &["one"]);
        check(&routes, &command(1, "e", 5, None), &[]);
        check(&routes, &command(1, "e", 5, Some("greet")), &["one"]);
        unhandled.forget();
        check(&routes, &event(1, "e", EventKind::RoleCreate), &["one"]);
    }

    #[test]
    fn installations_are_replaced_and_removed() {
        let mut routes = table(&[("one", 1, &[])]);
        assert_eq!(routes.set(&installation("one", 1, &[]), Arc::default(), "new"), Some("one"));
        check(&routes, &message(1, "e"), &["new"]);
        assert_eq!(routes.get(&tenant("one", 1)), Some(&"new"));
        assert_eq!(routes.remove(&tenant("one", 1)), Some("new"));
        assert_eq!(routes.remove(&tenant("one", 1)), None);
        check(&routes, &message(1, "e"), &[]);
    }

    #[test]
    fn every_kind_fits_the_set() {
        assert!(EventKind::ALL.len() <= 32);
    }
}
