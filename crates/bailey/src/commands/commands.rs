//! `bailey commands`: what servers were offered and what Discord said to it, and offering it anew; also while
//! Bailey runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;
use std::sync::Arc;

use bailey_discord::{CommandChanges, DiscordConfig, Rest};
use bailey_package::Package;
use bailey_protocol::GuildId;
use bailey_services::commands::Offer;
use bailey_store::{CommandRecord, CommandSyncRecord, InstallationRecord, Store};
use serde_json::{Value, json};

use super::serve::{endpoints, token};
use crate::cli::{CommandsAction, CommandsStatus, SyncCommands};
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::offers::Offers;
use crate::places::Folders;
use crate::plugin;
use crate::table::{Table, shortened};
use crate::terminal;

pub(crate) async fn run(action: CommandsAction) -> Result<ExitCode, CommandError> {
    let places = match &action {
        CommandsAction::Status(options) => &options.places,
        CommandsAction::Sync(options) => &options.places,
    };
    let database = Database::reach(places).await?;
    let done = act(&database, action).await;
    database.stop().await;
    done
}

async fn act(database: &Database, action: CommandsAction) -> Result<ExitCode, CommandError> {
    let store = Store::connect(&database.urls.platform).await.map_err(failed)?;
    let done = match action {
        CommandsAction::Status(options) => status(&store, options).await,
        CommandsAction::Sync(options) => sync(&store, options).await,
    };
    store.close();
    done
}

async fn status(store: &Store, options: CommandsStatus) -> Result<ExitCode, CommandError> {
    let syncs = store.command_syncs(options.server.map(GuildId)).await.map_err(failed)?;
    if options.json {
        let servers: Vec<Value> = syncs.iter().map(as_json).collect();
        terminal::say(&terminal::safe_json(&json!({ "servers": servers })));
        return Ok(ExitCode::SUCCESS);
    }
    if syncs.is_empty() {
        terminal::say("No server was offered commands yet; `bailey serve` does so when it starts.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut servers = Table::new(&["SERVER", "SYNCED", "COMMANDS", "LEFT OUT", "STATE"]);
    let mut commands = Table::new(&["SERVER", "PLUGIN", "COMMAND", "SHOWN AS", "WHY LEFT OUT"]);
    let mut any = false;
    for sync in &syncs {
        let left_out = sync.commands.iter().filter(|command| command.shown_as.is_none()).count();
        servers.row([
            sync.guild.to_string(),
            sync.at.to_string(),
            (sync.commands.len() - left_out).to_string(),
            left_out.to_string(),
            sync.error.as_deref().map_or("in sync".to_owned(), shortened),
        ]);
        for command in &sync.commands {
            any = true;
            commands.row([
                sync.guild.to_string(),
                command.plugin.clone(),
                written(command.kind, &command.name),
                command.shown_as.as_deref().map(|name| written(command.kind, name)).unwrap_or_default(),
                command.problem.as_deref().map(shortened).unwrap_or_default(),
            ]);
        }
    }
    terminal::say(&servers.to_string());
    if any {
        terminal::say(&commands.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

async fn sync(store: &Store, options: SyncCommands) -> Result<ExitCode, CommandError> {
    let config =
        DiscordConfig::new(token(options.token_file.as_deref())?, endpoints(options.discord_url.as_deref())?);
    let (rest, application) = Rest::connect(&config).await.map_err(failed)?;
    let clock = Arc::new(SystemClock);
    let offers = Offers::new(store.clone(), rest, application.id, clock, &options.reserve_command);
    let folders = Folders::choose(&options.places)?;
    let Wanted { mut servers, unknown } = wanted(store, &offers, &folders).await?;
    if let Some(only) = options.server.map(GuildId) {
        let plugins = servers.remove(&only).unwrap_or_default();
        servers = BTreeMap::from([(only, plugins)]);
    }
    if servers.is_empty() {
        terminal::say("Nothing is installed on any server.");
    }
    let mut all = true;
    for (guild, plugins) in servers {
        if unknown.contains(&guild) {
            all = false;
            terminal::say(&format!(
                "server {guild}: left as it is, because what it should have is not known here; hint: give the plugin \
                 named above to `bailey serve` anew"
            ));
            continue;
        }
        let mut offer = offers.choose(plugins.iter().map(AsRef::as_ref));
        let done = match options.dry_run {
            true => offers.compare(guild, &offer).await,
            false => offers.make(guild, &mut offer).await,
        };
        all &= done.is_ok();
        let said = match done {
            Ok(changes) => in_words(&changes, options.dry_run),
            Err(error) => chain(&error),
        };
        terminal::say(&format!("server {guild}: {said}"));
        say_problems(&offer);
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What servers should have.
struct Wanted {
    /// The plugins switched on, by server and in the order they were installed; servers that only were offered
    /// something have none.
    servers: BTreeMap<GuildId, Vec<Arc<Package>>>,
    /// Servers with a plugin whose code is not here: to write their commands would take that plugin's away.
    unknown: BTreeSet<GuildId>,
}

async fn wanted(store: &Store, offers: &Offers, folders: &Folders) -> Result<Wanted, CommandError> {
    let (mut servers, mut unknown) = (BTreeMap::new(), BTreeSet::new());
    for guild in offers.remembered().await.map_err(failed)? {
        servers.insert(guild, Vec::new());
    }
    let mut records: Vec<InstallationRecord> = store.installations().await.map_err(failed)?;
    records.sort_by_key(|record| record.created_at); // and by plugin, as they come
    let mut packages: HashMap<String, Option<Arc<Package>>> = HashMap::new();
    for record in records.into_iter().filter(|record| record.enabled) {
        let hash = &record.package_hash;
        let package = packages.entry(hash.clone()).or_insert_with(|| {
            let package = plugin::read(&folders.plugin(hash)).ok();
            package.filter(|package| package.content_hash == *hash).map(Arc::new)
        });
        match package {
            Some(package) => servers.entry(record.tenant.guild).or_default().push(Arc::clone(package)),
            None => {
                servers.entry(record.tenant.guild).or_default();
                unknown.insert(record.tenant.guild);
                terminal::say(&format!("{}: its code is not here", record.tenant));
            }
        }
    }
    Ok(Wanted { servers, unknown })
}

fn say_problems(offer: &Offer) {
    for command in offer.commands() {
        let name = written(command.kind.number(), &command.name);
        match (&command.problem, &command.shown_as) {
            (Some(problem), _) => {
                terminal::say(&format!("  {name} of {} is left out: {problem}", command.plugin))
            }
            (None, Some(shown)) if *shown != command.name => {
                let shown = written(command.kind.number(), shown);
                terminal::say(&format!(
                    "  {name} of {} is shown as {shown}: the name is taken",
                    command.plugin
                ));
            }
            (None, _) => {}
        }
    }
}

fn in_words(changes: &CommandChanges, dry_run: bool) -> String {
    if changes.is_empty() {
        return "in sync".to_owned();
    }
    let part =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let parts =
        [part("new:", &changes.added), part("changed:", &changes.changed), part("gone:", &changes.removed)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}{}", if dry_run { "would be written; " } else { "written; " }, parts.join("; "))
}

/// A command's name as people meet it.
fn written(kind: u8, name: &str) -> String {
    match kind {
        2 => format!("{name} (on people)"),
        3 => format!("{name} (on messages)"),
        _ => format!("/{name}"),
    }
}

fn as_json(sync: &CommandSyncRecord) -> Value {
    let command = |command: &CommandRecord| {
        json!({
            "plugin": command.plugin,
            "name": command.name,
            "type": command.kind,
            "shown_as": command.shown_as,
            "problem": command.problem,
        })
    };
    json!({
        "server": sync.guild.to_string(),
        "synced_at": sync.at.to_string(),
        "error": sync.error,
        "commands": sync.commands.iter().map(command).collect::<Vec<_>>(),
    })
}

fn failed(error: impl std::error::Error + 'static) -> CommandError {
    CommandError::failed(chain(&error))
}
