//! The table `plugin_log`: statements and the reading of rows.

use bailey_protocol::method::log::{LogLevel, LogLine};
use bailey_protocol::{Tenant, Timestamp};
use deadpool_postgres::Object;
use indexmap::IndexMap;
use tokio_postgres::Row;

use super::LoggedLine;
use crate::database::{Failure, stored_guild};

/// Rows removed by one statement of [`clear`].
pub(super) const CLEAR_BATCH: u64 = 5000;

/// Writes lines in their order.
pub(super) async fn insert(client: &Object, lines: &[LoggedLine]) -> Result<(), Failure> {
    const SQL: &str = "
        INSERT INTO plugin_log (plugin, guild, at, version, level, message, tags, extra)
        SELECT plugin, guild, at, version, level, message, tags::json, extra::json
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[])
             WITH ORDINALITY AS line (plugin, guild, at, version, level, message, tags, extra, place)
        ORDER BY place";
    let plugins: Vec<&str> = lines.iter().map(|line| line.tenant.plugin.as_str()).collect();
    let guilds: Vec<i64> = lines.iter().map(|line| stored_guild(&line.tenant)).collect();
    let times: Vec<i64> = lines.iter().map(|line| line.at.0).collect();
    let versions: Vec<String> = lines.iter().map(|line| storable(&line.version)).collect();
    let levels: Vec<&str> = lines.iter().map(|line| line.line.level.as_str()).collect();
    let messages: Vec<String> = lines.iter().map(|line| storable(&line.line.message)).collect();
    let tags: Vec<String> = lines.iter().map(|line| json(&line.line.tags)).collect();
    let extras: Vec<String> = lines.iter().map(|line| json(&line.line.extra)).collect();
    let statement = client.prepare_cached(SQL).await?;
    client
        .execute(&statement, &[&plugins, &guilds, &times, &versions, &levels, &messages, &tags, &extras])
        .await?;
    Ok(())
}

/// The newest lines of a tenant, oldest first.
pub(super) async fn recent(client: &Object, tenant: &Tenant, limit: u32) -> Result<Vec<LoggedLine>, Failure> {
    const SQL: &str = "
        SELECT at, version, level, message, tags::text AS tags, extra::text AS extra
        FROM plugin_log
        WHERE plugin = $1 AND guild = $2
        ORDER BY at DESC, id DESC LIMIT $3";
    let statement = client.prepare_cached(SQL).await?;
    let (plugin, guild, limit) = (tenant.plugin.as_str(), stored_guild(tenant), i64::from(limit));
    let rows = client.query(&statement, &[&plugin, &guild, &limit]).await?;
    rows.iter().rev().map(|row| read(tenant, row)).collect()
}

/// Removes some lines older than `before`; says how many.
pub(super) async fn clear(client: &Object, before: Timestamp) -> Result<u64, Failure> {
    const SQL: &str = "
        DELETE FROM plugin_log
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM plugin_log WHERE at < $1 LIMIT $2))";
    let statement = client.prepare_cached(SQL).await?;
    Ok(client.execute(&statement, &[&before.0, &CLEAR_BATCH.cast_signed()]).await?)
}

fn read(tenant: &Tenant, row: &Row) -> Result<LoggedLine, Failure> {
    let unreadable = |what: &str| Failure::Unreadable(format!("plugin_log.{what}"));
    let level: &str = row.get("level");
    let tags = serde_json::from_str(row.get("tags")).map_err(|_| unreadable("tags"))?;
    let extra: IndexMap<String, String> =
        serde_json::from_str(row.get("extra")).map_err(|_| unreadable("extra"))?;
    let level = level_of(level).ok_or_else(|| unreadable("level"))?;
    Ok(LoggedLine {
        tenant: tenant.clone(),
        version: row.get("version"),
        at: Timestamp(row.get("at")),
        line: LogLine { level, message: row.get("message"), tags, extra },
    })
}

fn level_of(text: &str) -> Option<LogLevel> {
    use LogLevel::{Debug, Error, Info, Stderr, Stdout, Warning};
    [Debug, Info, Warning, Error, Stdout, Stderr].into_iter().find(|level| level.as_str() == text)
}

/// PostgreSQL's text holds no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
