//! Which plugins are alive on which servers: those the store remembers, those the operator names now, and
//! servers the bot joins later.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bailey_package::Package;
use bailey_protocol::{GuildId, PluginId, Tenant};
use bailey_services::commands::OfferedCommand;
use bailey_store::InstallationRecord;

use crate::cli::{PluginOptions, Serve};
use crate::error::{CommandError, chain};
use crate::places::Folders;
use crate::plugin::{self, LoadedPlugin};
use crate::stack::Stack;
use crate::terminal;

/// What runs where.
pub(super) struct Installed {
    /// By server, and there in the order they were installed.
    alive: BTreeMap<GuildId, Vec<Alive>>,
    /// Plugins that go on every server the bot joins.
    everywhere: Vec<Arc<LoadedPlugin>>,
    /// Servers they are on.
    seen: BTreeSet<GuildId>,
    /// Installations that could not be brought alive.
    missing: usize,
}

/// A plugin on a server.
struct Alive {
    plugin: Arc<LoadedPlugin>,
    record: InstallationRecord,
}

/// Reads and checks the operator's own plugins.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Package>, CommandError> {
    let packages: Vec<Package> = paths.iter().map(|path| plugin::read(path)).collect::<Result<_, _>>()?;
    let mut ids = BTreeSet::new();
    for package in &packages {
        if !ids.insert(&package.manifest.id) {
            return Err(CommandError::usage(format!("plugin {} is given twice", package.manifest.id)));
        }
        for warning in &package.warnings {
            terminal::say(&warning.to_string());
        }
    }
    Ok(packages)
}

impl Installed {
    /// Records what the operator chose, and brings everything alive that is recorded and switched on. A plugin
    /// whose code is not here any more is named, and the others go on.
    pub(super) async fn begin(
        stack: &Stack,
        chosen: Vec<Package>,
        options: &Serve,
        folders: &Folders,
    ) -> Result<Self, CommandError> {
        let mut loaded = Vec::new();
        for package in chosen {
            loaded.push(Arc::new(plugin::load(package, &options.plugins, folders, false).await?));
        }
        let mut newcomers = Vec::new();
        for plugin in &loaded {
            for server in &options.server {
                let tenant = Tenant { plugin: plugin.package.manifest.id.clone(), guild: GuildId(*server) };
                if stack.record(plugin, tenant.guild).await? {
                    newcomers.push(tenant);
                }
            }
        }
        let mut installed = Self {
            alive: BTreeMap::new(),
            everywhere: if options.all_servers { loaded.clone() } else { Vec::new() },
            seen: BTreeSet::new(),
            missing: 0,
        };
        let mut code: HashMap<String, Result<Arc<LoadedPlugin>, String>> =
            loaded.into_iter().map(|plugin| (plugin.package.content_hash.clone(), Ok(plugin))).collect();
        let records = stack.store().installations().await;
        for record in records.map_err(|error| CommandError::failed(chain(&error)))? {
            if !record.enabled {
                continue;
            }
            let hash = record.package_hash.clone();
            if !code.contains_key(&hash) {
                code.insert(hash.clone(), stored(&hash, &options.plugins, folders).await);
            }
            match &code[&hash] {
                Ok(plugin) => installed.add(Arc::clone(plugin), record),
                Err(reason) => {
                    installed.missing += 1;
                    tracing::error!(tenant = %record.tenant, version = record.version, hash,
                        "{} does not run: {reason}; hint: give it anew with --plugin", record.tenant);
                }
            }
        }
        let mut servers: BTreeSet<GuildId> = installed.alive.keys().copied().collect();
        servers.extend(stack.once_offered().await?);
        for server in servers {
            installed.bring_alive(stack, server, |_| true).await;
        }
        for tenant in newcomers {
            stack.welcome(&tenant).await;
        }
        Ok(installed)
    }

    /// Puts the plugins that go everywhere on servers that are new. False if that failed on one, which is said
    /// in the log: then it is to be tried again.
    pub(super) async fn arrivals(&mut self, stack: &Stack) -> bool {
        if self.everywhere.is_empty() {
            return true;
        }
        let mut all = true;
        for guild in stack.guilds() {
            if self.seen.contains(&guild) {
                continue;
            }
            match self.arrive(stack, guild).await {
                Ok(()) => drop(self.seen.insert(guild)),
                // What runs elsewhere goes on.
                Err(error) => {
                    all = false;
                    tracing::error!(%guild, "nothing could be installed on server {guild} yet: {error}");
                    break; // the next server would meet the same
                }
            }
        }
        all
    }

    async fn arrive(&mut self, stack: &Stack, guild: GuildId) -> Result<(), CommandError> {
        let mut newcomers = Vec::new();
        for plugin in self.everywhere.clone() {
            let tenant = Tenant { plugin: plugin.package.manifest.id.clone(), guild };
            let new = stack.record(&plugin, guild).await?;
            let found = stack.store().installation(&tenant).await;
            let Some(record) = found.map_err(|error| CommandError::failed(chain(&error)))? else {
                continue; // somebody removed it at this moment
            };
            self.add(plugin, record);
            if new {
                newcomers.push(tenant);
            }
        }
        // The others are alive, and who was there first keeps its names.
        let arriving =
            |plugin: &PluginId| self.everywhere.iter().any(|new| new.package.manifest.id == *plugin);
        self.bring_alive(stack, guild, arriving).await;
        for tenant in newcomers {
            stack.welcome(&tenant).await;
        }
        Ok(())
    }

    /// Whether Discord has told of every server something is installed on.
    pub(super) fn are_known(&self, stack: &Stack) -> bool {
        let known: BTreeSet<GuildId> = stack.guilds().into_iter().collect();
        self.alive.keys().all(|guild| known.contains(guild))
    }

    /// What runs, in a sentence or two.
    pub(super) fn summary(&self) -> String {
        let mut plugins = BTreeSet::new();
        let alive = self.alive.values().flatten();
        plugins.extend(alive.map(|alive| &alive.plugin.package.manifest.id));
        let mut text = match (plugins.len(), self.alive.len()) {
            (0, _) => {
                "Bailey serves no plugin yet; hint: install one with --plugin DIR --server ID.".to_owned()
            }
            (plugins, servers) => format!(
                "Bailey serves {plugins} {} on {servers} {}. Look after it with `bailey status`, `bailey logs` \
                 and `bailey dead-letters`.",
                if plugins == 1 { "plugin" } else { "plugins" },
                if servers == 1 { "server" } else { "servers" },
            ),
        };
        if self.missing > 0 {
            text.push_str(&format!(" {} installations do not run; see the log.", self.missing));
        }
        text
    }

    /// Notes that a plugin belongs on a server.
    fn add(&mut self, plugin: Arc<LoadedPlugin>, record: InstallationRecord) {
        let there = self.alive.entry(record.tenant.guild).or_default();
        there.retain(|alive| alive.record.tenant != record.tenant);
        there.push(Alive { plugin, record });
        there.sort_by(|one, other| {
            let order = |alive: &Alive| (alive.record.created_at, alive.record.tenant.plugin.clone());
            order(one).cmp(&order(other))
        });
    }

    /// Gives plugins of a server that are `wanted` their place in the host, and offers the commands of all.
    /// Where Discord refuses, the plugins run without.
    async fn bring_alive(&self, stack: &Stack, guild: GuildId, wanted: impl Fn(&PluginId) -> bool) {
        let there = self.alive.get(&guild).map(Vec::as_slice).unwrap_or_default();
        let offer = stack.choose_commands(there.iter().map(|alive| alive.plugin.as_ref()));
        for alive in there.iter().filter(|alive| wanted(&alive.record.tenant.plugin)) {
            stack.bring_alive(&alive.plugin, alive.record.clone(), &offer).await;
        }
        match stack.offer_commands(guild, offer).await {
            Ok(offer) => offer.commands().iter().for_each(|command| say_other_name(guild, command)),
            Err(error) => tracing::error!(%guild,
                "server {guild} does not have its commands: {}; hint: is the bot on that server? `bailey commands \
                 status` shows them", chain(&error)),
        }
    }
}

/// Says of a command that it is left out, or not found under its own name.
fn say_other_name(guild: GuildId, command: &OfferedCommand) {
    let (name, plugin) = (&command.name, &command.plugin);
    if let Some(problem) = &command.problem {
        tracing::warn!(%guild, "the command {name} of {plugin} is left out: {problem}");
    } else if let Some(shown) = command.shown_as.as_ref().filter(|shown| *shown != name) {
        tracing::warn!(%guild, "the command {name} of {plugin} is shown as {shown}: the name is taken");
    }
}

/// A plugin's code by its content, from where an earlier Bailey unpacked it.
async fn stored(hash: &str, options: &PluginOptions, folders: &Folders) -> Result<Arc<LoadedPlugin>, String> {
    let folder = folders.plugin(hash);
    if !folder.is_dir() {
        return Err(format!("its code is not in {} any more", folder.display()));
    }
    let package = plugin::read(&folder).map_err(|error| error.to_string())?;
    if package.content_hash != hash {
        return Err(format!("its code in {} was changed", folder.display()));
    }
    let loaded = plugin::load(package, options, folders, false).await.map_err(|error| error.to_string())?;
    Ok(Arc::new(loaded))
}
