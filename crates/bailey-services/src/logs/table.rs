//! The table `plugin_log`, a partition a day: writing, and the reading of rows.

use std::io::Cursor;
use std::sync::Arc;

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{GuildId, PluginId, Tenant, Timestamp};
use deadpool_postgres::Object;
use futures_util::SinkExt;
use indexmap::IndexMap;
use tokio_postgres::Row;

use super::LoggedLine;
use crate::database::{Failure, stored_guild};
use crate::partitions::{DAY, Partitioned};

/// The table, for making and dropping its days.
pub(super) fn partitioned() -> Partitioned {
    Partitioned::new("plugin_log", DAY, "")
}

/// Writes lines in their order, all or none. Days are made as needed, also when another host has just
/// dropped one.
pub(super) async fn insert(client: &Object, days: &Partitioned, lines: &[LoggedLine]) -> Result<(), Failure> {
    let text: Arc<[u8]> = copy_text(lines).into_bytes().into();
    let mut again = true;
    loop {
        days.ensure(client, lines.iter().map(|line| line.at.0)).await?;
        match copy(client, Arc::clone(&text)).await {
            Err(failure) if again && days.was_dropped(&failure) => again = false,
            outcome => return outcome,
        }
    }
}

async fn copy(client: &Object, text: Arc<[u8]>) -> Result<(), Failure> {
    const SQL: &str = "COPY plugin_log (plugin, guild, at, version, level, message, tags, extra) FROM STDIN";
    let statement = client.prepare_cached(SQL).await?;
    let mut sink = Box::pin(client.copy_in(&statement).await?);
    sink.send(Cursor::new(text)).await?;
    sink.as_mut().finish().await?;
    Ok(())
}

/// Lines as `COPY` reads them: columns between tabs, rows between newlines.
fn copy_text(lines: &[LoggedLine]) -> String {
    let mut text = String::with_capacity(lines.iter().map(LoggedLine::bytes).sum());
    for logged in lines {
        let LoggedLine { tenant, version, at, line } = logged;
        let (guild, at) = (stored_guild(tenant).to_string(), at.0.to_string());
        let columns = [
            tenant.plugin.as_str(),
            &guild,
            &at,
            version,
            line.level.as_str(),
            &line.message,
            &json(&line.tags),
            &json(&line.extra),
        ];
        for (place, column) in columns.into_iter().enumerate() {
            if place > 0 {
                text.push('\t');
            }
            push_escaped(&mut text, column);
        }
        text.push('\n');
    }
    text
}

fn push_escaped(text: &mut String, column: &str) {
    for character in column.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\0' => text.push('\u{fffd}'), // PostgreSQL's text holds no NUL
            character => text.push(character),
        }
    }
}

/// A line read back; the row has every column but the plugin.
pub(super) fn read(plugin: &PluginId, row: &Row) -> Result<LoggedLine, Failure> {
    let unreadable = |what: &str| Failure::Unreadable(format!("plugin_log.{what}"));
    let guild: i64 = row.get("guild");
    let tags = serde_json::from_str(row.get("tags")).map_err(|_| unreadable("tags"))?;
    let extra: IndexMap<String, String> =
        serde_json::from_str(row.get("extra")).map_err(|_| unreadable("extra"))?;
    let level = LogLevel::from_name(row.get("level")).ok_or_else(|| unreadable("level"))?;
    Ok(LoggedLine {
        tenant: Tenant { plugin: plugin.clone(), guild: GuildId(guild.cast_unsigned()) },
        version: row.get("version"),
        at: Timestamp(row.get("at")),
        line: LogLine { level, message: row.get("message"), tags, extra },
    })
}

/// A value as it is stored.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()) // texts always print
}
