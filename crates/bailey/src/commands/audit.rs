//! `bailey audit`: what plugins did on Discord, read beside a Bailey that runs, or after it has ended.

use std::io::Write;
use std::process::ExitCode;

use bailey_protocol::{Clock, GuildId};
use bailey_services::audit::{AuditEntry, AuditQuery};
use bailey_services::{Audit, Database as PluginsDatabase, DatabaseOptions};
use serde_json::{Value, json};

use crate::cli::AuditOptions;
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::table::{Table, shortened};

pub(crate) async fn run(options: AuditOptions) -> Result<ExitCode, CommandError> {
    let query = AuditQuery {
        plugin: options.plugin.clone(),
        guild: options.server.map(GuildId),
        method: options.method.clone(),
        failed: options.failed,
        since: options.since.map(|since| since.before(SystemClock.now())),
        limit: options.limit,
    };
    let database = Database::reach(&options.places).await?;
    let found = find(&database, &query).await;
    database.stop().await;
    let mut entries = found?;
    entries.reverse(); // people read on downwards
    if entries.is_empty() {
        eprintln!("no such entries are kept here");
        return Ok(ExitCode::SUCCESS);
    }
    let text = if options.json { lines(&entries) } else { format!("{}\n", table(&entries)) };
    // Whoever reads us may have gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

async fn find(database: &Database, query: &AuditQuery) -> Result<Vec<AuditEntry>, CommandError> {
    let connections = DatabaseOptions { connections: 1, ..DatabaseOptions::default() };
    let plugins = PluginsDatabase::connect(&database.urls.plugins, &connections)
        .await
        .map_err(|error| CommandError::failed(chain(&error)))?;
    let found = Audit::find(&plugins, query).await;
    plugins.close();
    found.map_err(|error| {
        CommandError::failed(format!("the audit cannot be read: {}", error.to_object().message))
    })
}

fn table(entries: &[AuditEntry]) -> Table {
    let mut table = Table::new(&["TIME", "SERVER", "PLUGIN", "METHOD", "WHAT", "OUTCOME", "MS"]);
    for entry in entries {
        let what: Vec<String> =
            entry.targets.iter().map(|(field, value)| format!("{field}={}", plain(value))).collect();
        let outcome = match &entry.error {
            None => "done".to_owned(),
            Some((code, words)) => shortened(&format!("{code}: {words}")),
        };
        table.row([
            entry.at.to_string(),
            entry.tenant.guild.to_string(),
            entry.tenant.plugin.to_string(),
            entry.method.clone(),
            shortened(&what.join(" ")),
            outcome,
            entry.took.as_millis().to_string(),
        ]);
    }
    table
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn lines(entries: &[AuditEntry]) -> String {
    let line = |entry: &AuditEntry| {
        let (code, words) = entry.error.clone().unzip();
        let json = json!({
            "at": entry.at.to_string(), "plugin": entry.tenant.plugin, "server": entry.tenant.guild,
            "method": entry.method, "targets": entry.targets, "interaction": entry.interaction,
            "error": code, "detail": words, "took_ms": entry.took.as_millis() as u64,
        });
        format!("{json}\n")
    };
    entries.iter().map(line).collect()
}
