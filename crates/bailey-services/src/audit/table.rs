//! The table `discord_audit`, a partition a day.

use std::time::Duration;

use bailey_protocol::{GuildId, InteractionId, Tenant, Timestamp};
use deadpool_postgres::Object;
use serde_json::Value;
use tokio_postgres::Row;

use super::{AuditEntry, AuditQuery};
use crate::database::{Failure, stored_guild};
use crate::partitions::{DAY, Partitioned};

/// The table, for making and dropping its days.
pub(super) fn partitioned() -> Partitioned {
    Partitioned::new("discord_audit", DAY, "")
}

/// Writes entries in their order, all or none. Days are made as needed, also when another host has just dropped one.
pub(super) async fn insert(
    client: &Object,
    days: &Partitioned,
    entries: &[AuditEntry],
) -> Result<(), Failure> {
    let mut again = true;
    loop {
        days.ensure(client, entries.iter().map(|entry| entry.at.0)).await?;
        match write(client, entries).await {
            Err(failure) if again && days.was_dropped(&failure) => again = false,
            outcome => return outcome,
        }
    }
}

async fn write(client: &Object, entries: &[AuditEntry]) -> Result<(), Failure> {
    const SQL: &str = "
        INSERT INTO discord_audit (at, plugin, guild, method, targets, interaction, error, detail, took_ms)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::json[], $6::bigint[],
                             $7::text[], $8::text[], $9::bigint[])";
    fn column<'a, T>(entries: &'a [AuditEntry], of: impl Fn(&'a AuditEntry) -> T) -> Vec<T> {
        entries.iter().map(of).collect()
    }
    let statement = client.prepare_cached(SQL).await?;
    client
        .execute(
            &statement,
            &[
                &column(entries, |entry| entry.at.0),
                &column(entries, |entry| entry.tenant.plugin.as_str()),
                &column(entries, |entry| stored_guild(&entry.tenant)),
                &column(entries, |entry| entry.method.as_str()),
                &column(entries, |entry| Value::Object(entry.targets.clone())),
                &column(entries, |entry| entry.interaction.map(|id| id.0.cast_signed())),
                &column(entries, |entry| entry.error.as_ref().map(|(code, _)| code.as_str())),
                // PostgreSQL's text holds no NUL.
                &column(entries, |entry| {
                    entry.error.as_ref().map(|(_, words)| words.replace('\0', "\u{fffd}"))
                }),
                &column(entries, |entry| i64::try_from(entry.took.as_millis()).unwrap_or(i64::MAX)),
            ],
        )
        .await?;
    Ok(())
}

/// The newest entries that fit.
pub(super) async fn find(client: &Object, query: &AuditQuery) -> Result<Vec<AuditEntry>, Failure> {
    const SQL: &str = "
        SELECT at, plugin, guild, method, targets, interaction, error, detail, took_ms FROM discord_audit
        WHERE ($1::text IS NULL OR plugin = $1) AND ($2::bigint IS NULL OR guild = $2)
          AND ($3::text IS NULL OR method = $3) AND (NOT $4 OR error IS NOT NULL)
          AND ($5::bigint IS NULL OR at >= $5)
        ORDER BY at DESC, id DESC LIMIT $6";
    let plugin = query.plugin.as_ref().map(|plugin| plugin.as_str());
    let guild = query.guild.map(|guild| guild.0.cast_signed());
    let since = query.since.map(|since| since.0);
    let limit = i64::from(query.limit);
    let statement = client.prepare(SQL).await?;
    let rows =
        client.query(&statement, &[&plugin, &guild, &query.method, &query.failed, &since, &limit]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<AuditEntry, Failure> {
    let unreadable = |what: &str| Failure::Unreadable(format!("discord_audit.{what}"));
    let plugin: &str = row.get("plugin");
    let Value::Object(targets) = row.get("targets") else { return Err(unreadable("targets")) };
    let guild = GuildId(row.get::<_, i64>("guild").cast_unsigned());
    let error = row.get::<_, Option<String>>("error");
    Ok(AuditEntry {
        tenant: Tenant { plugin: plugin.parse().map_err(|_| unreadable("plugin"))?, guild },
        at: Timestamp(row.get("at")),
        method: row.get("method"),
        targets,
        interaction: row.get::<_, Option<i64>>("interaction").map(|id| InteractionId(id.cast_unsigned())),
        error: error.map(|code| (code, row.get::<_, Option<String>>("detail").unwrap_or_default())),
        took: Duration::from_millis(row.get::<_, i64>("took_ms").unsigned_abs()),
    })
}
