//! `bailey secrets`: credentials of plugins, set, listed, removed and sealed anew; also while Bailey runs.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use bailey_protocol::GuildId;
use bailey_protocol::method::secrets::SecretValue;
use bailey_services::secrets::{SecretRecord, SecretScope};
use bailey_services::{Database as PluginsDatabase, DatabaseOptions, Secrets};
use serde_json::json;

use crate::cli::{DeleteSecret, KeyOptions, ListSecrets, Places, SecretsAction, SetSecret, WhichSecret};
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::outward;
use crate::places::Folders;
use crate::table::Table;
use crate::terminal;

/// Bytes of a value that are read; the longest has 4,096 characters.
const MOST_BYTES: u64 = 64 * 1024;

pub(crate) async fn run(action: SecretsAction) -> Result<ExitCode, CommandError> {
    let (places, key_options) = with(&action);
    let database = Database::reach(places).await?;
    let keys = outward::keys(key_options, &Folders::data_of(places)?);
    let done = match keys {
        Ok(keys) => {
            let plugins = PluginsDatabase::connect(&database.urls.plugins, &DatabaseOptions::default()).await;
            match plugins {
                Ok(plugins) => {
                    let done = act(&Secrets::new(plugins.clone(), keys, Arc::new(SystemClock)), action).await;
                    plugins.close();
                    done
                }
                Err(error) => Err(CommandError::failed(chain(&error))),
            }
        }
        Err(error) => Err(error),
    };
    database.stop().await;
    done
}

fn with(action: &SecretsAction) -> (&Places, &KeyOptions) {
    match action {
        SecretsAction::Set(options) => (&options.places, &options.keys),
        SecretsAction::List(options) => (&options.places, &options.keys),
        SecretsAction::Delete(options) => (&options.places, &options.keys),
        SecretsAction::Rotate(options) => (&options.places, &options.keys),
    }
}

async fn act(secrets: &Secrets, action: SecretsAction) -> Result<ExitCode, CommandError> {
    match action {
        SecretsAction::Set(options) => set(secrets, options).await,
        SecretsAction::List(options) => list(secrets, options).await,
        SecretsAction::Delete(options) => delete(secrets, options).await,
        SecretsAction::Rotate(_) => {
            let sealed = secrets.rotate().await.map_err(CommandError::failed)?;
            terminal::say(&format!(
                "sealed {sealed} secrets with key {}; older keys are forgotten. Keep a copy of the key file: without it no secret can be read.",
                secrets.keys().current()
            ));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn set(secrets: &Secrets, options: SetSecret) -> Result<ExitCode, CommandError> {
    let mut text = String::new();
    std::io::stdin()
        .take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| CommandError::usage(format!("the value is read from standard input: {error}")))?;
    let value = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
    let value = SecretValue::new(value.to_owned())
        .map_err(|error| CommandError::usage(format!("{error} (on standard input)")))?;
    let (scope, name) = (scope(&options.which), &options.which.name);
    let host = options.host.map(|host| host.to_string());
    secrets
        .put(&scope, name, host.as_deref(), &value)
        .await
        .map_err(|error| CommandError::failed(error.to_string()))?;
    let bound = match host {
        Some(host) => format!("sent to {host} when the plugin asks for that, and shown to nobody"),
        None => "the plugin can read it".to_owned(),
    };
    terminal::say(&format!("{name} of {scope} is set: {bound}"));
    Ok(ExitCode::SUCCESS)
}

async fn list(secrets: &Secrets, options: ListSecrets) -> Result<ExitCode, CommandError> {
    let records = secrets
        .list(options.plugin.as_ref())
        .await
        .map_err(|error| CommandError::failed(error.to_string()))?;
    if options.json {
        records.iter().for_each(|record| terminal::say(&terminal::safe_json(&as_json(record))));
        return Ok(ExitCode::SUCCESS);
    }
    if records.is_empty() {
        eprintln!("there are no such secrets; hint: bailey secrets set --plugin ID NAME");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["PLUGIN", "SERVER", "NAME", "BOUND TO", "KEY", "SET"]);
    for record in &records {
        table.row([
            record.scope.plugin.to_string(),
            record.scope.guild.map_or("every".to_owned(), |guild| guild.to_string()),
            record.name.clone(),
            record.host.clone().unwrap_or_default(),
            record.key.to_string(),
            record.set_at.to_string(),
        ]);
    }
    terminal::say(&table.to_string());
    Ok(ExitCode::SUCCESS)
}

fn as_json(record: &SecretRecord) -> serde_json::Value {
    json!({
        "plugin": record.scope.plugin.as_str(),
        "server": record.scope.guild.map(|guild| guild.to_string()),
        "name": record.name,
        "host": record.host,
        "key": record.key,
        "set_at": record.set_at.to_string(),
    })
}

async fn delete(secrets: &Secrets, options: DeleteSecret) -> Result<ExitCode, CommandError> {
    let (scope, name) = (scope(&options.which), &options.which.name);
    let removed =
        secrets.remove(&scope, name).await.map_err(|error| CommandError::failed(error.to_string()))?;
    if !removed {
        return Err(CommandError::failed(format!("{scope} has no secret {name}; hint: bailey secrets list")));
    }
    terminal::say(&format!("{name} of {scope} is removed"));
    Ok(ExitCode::SUCCESS)
}

fn scope(which: &WhichSecret) -> SecretScope {
    SecretScope { plugin: which.plugin.clone(), guild: which.server.map(GuildId) }
}
