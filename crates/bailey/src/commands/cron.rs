//! `bailey cron`: which plugin is told the time when, and when it was; also while Bailey runs.

use std::collections::HashMap;
use std::process::ExitCode;

use bailey_protocol::{Clock, GuildId, PluginId, Schedule, Tenant, Timestamp};
use bailey_store::{CronTold, Store, StoreError};
use serde_json::json;

use crate::cli::{CronAction, ListSchedules};
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::table::Table;
use crate::terminal;

pub(crate) async fn run(action: CronAction) -> Result<ExitCode, CommandError> {
    let CronAction::List(options) = action;
    let database = Database::reach(&options.places).await?;
    let listed = async {
        let store = Store::connect(&database.urls.platform).await.map_err(failed)?;
        let listed = list(&store, &options).await;
        store.close();
        listed
    };
    let listed = listed.await;
    database.stop().await;
    listed
}

/// A schedule of a plugin on a server.
struct Listed {
    tenant: Tenant,
    schedule: Schedule,
    enabled: bool,
    next: Option<Timestamp>,
    last: Option<Timestamp>,
}

async fn list(store: &Store, options: &ListSchedules) -> Result<ExitCode, CommandError> {
    let listed = find(store, options).await?;
    if options.json {
        listed.iter().for_each(|listed| terminal::say(&terminal::safe_json(&as_json(listed))));
        return Ok(ExitCode::SUCCESS);
    }
    if listed.is_empty() {
        eprintln!(
            "no plugin that is installed here has a schedule; one is declared under `cron` in manifest.json"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["PLUGIN", "SERVER", "SCHEDULE", "WHEN (UTC)", "NEXT", "LAST"]);
    for listed in &listed {
        let at = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.to_string());
        table.row([
            listed.tenant.plugin.to_string(),
            listed.tenant.guild.to_string(),
            listed.schedule.name.clone(),
            listed.schedule.spec.to_string(),
            if listed.enabled { at(listed.next) } else { "switched off".to_owned() },
            at(listed.last),
        ]);
    }
    terminal::say(&table.to_string());
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &Store, options: &ListSchedules) -> Result<Vec<Listed>, CommandError> {
    let guild = options.server.map(GuildId);
    let told = store.cron_told(options.plugin.as_ref(), guild).await.map_err(failed)?;
    let last: HashMap<_, _> = told.into_iter().map(|CronTold { key, last, .. }| (key, last)).collect();
    let mut schedules: HashMap<(PluginId, String), Vec<Schedule>> = HashMap::new();
    let mut listed = Vec::new();
    for record in store.installations().await.map_err(failed)? {
        let Tenant { plugin, guild: own } = &record.tenant;
        if options.plugin.as_ref().is_some_and(|wanted| wanted != plugin)
            || guild.is_some_and(|wanted| wanted != *own)
        {
            continue;
        }
        let version = (plugin.clone(), record.version.clone());
        if !schedules.contains_key(&version) {
            let found = store.version(plugin, &record.version).await.map_err(failed)?;
            let manifest = found.as_ref().and_then(|version| version.manifest.as_object());
            schedules.insert(version.clone(), manifest.map(bailey_package::schedules_of).unwrap_or_default());
        }
        for schedule in &schedules[&version] {
            let key =
                bailey_store::CronKey { tenant: record.tenant.clone(), schedule: schedule.name.clone() };
            listed.push(Listed {
                last: last.get(&key).copied().flatten(),
                next: schedule.spec.next_after(SystemClock.now()),
                tenant: record.tenant.clone(),
                schedule: schedule.clone(),
                enabled: record.enabled,
            });
        }
    }
    Ok(listed)
}

fn as_json(listed: &Listed) -> serde_json::Value {
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "plugin": listed.tenant.plugin.as_str(),
        "server": listed.tenant.guild.to_string(),
        "name": listed.schedule.name,
        "spec": listed.schedule.spec.as_str(),
        "missed": listed.schedule.missed.as_str(),
        "enabled": listed.enabled,
        "next": if listed.enabled { at(listed.next) } else { None },
        "last": at(listed.last),
    })
}

fn failed(error: StoreError) -> CommandError {
    CommandError::failed(chain(&error))
}
