//! What each server was offered at the last sync of its commands, and how many commands were new there.

use bailey_protocol::{GuildId, Timestamp};
use serde_json::{Value, json};
use tokio_postgres::Row;

use crate::installations::stored;
use crate::{Store, StoreError};

/// The last sync of one server's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSyncRecord {
    /// Which server.
    pub guild: GuildId,
    /// When.
    pub at: Timestamp,
    /// Why Discord does not have what is offered, if so.
    pub error: Option<String>,
    /// What is offered, and what is left out.
    pub commands: Vec<CommandRecord>,
}

/// One command at the last sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// The plugin's id.
    pub plugin: String,
    /// The plugin's name for it.
    pub name: String,
    /// Discord's number for where people find it: 1 slash, 2 a person's menu, 3 a message's menu.
    pub kind: u8,
    /// The name people see; `None` when it is left out.
    pub shown_as: Option<String>,
    /// Why it is left out.
    pub problem: Option<String>,
}

impl Store {
    /// Remembers a sync, in place of the server's last one, and that `created` commands were new.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn record_command_sync(
        &self,
        sync: &CommandSyncRecord,
        created: usize,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO command_syncs (guild, at, error, commands)
            VALUES ($1, to_timestamp($2::bigint / 1000.0), $3, $4)
            ON CONFLICT (guild) DO UPDATE
                SET at = excluded.at, error = excluded.error, commands = excluded.commands";
        const CREATED: &str = "
            WITH forgotten AS (
                DELETE FROM command_creations WHERE at < clock_timestamp() - interval '1 day'
            )
            INSERT INTO command_creations (guild, at, created) VALUES ($1, clock_timestamp(), $2)";
        let guild = stored(sync.guild);
        let what = || StoreError::statement(format!("remember the commands of server {}", sync.guild));
        let commands: Value = sync.commands.iter().map(as_json).collect();
        let client = self.client().await?;
        client.execute(SQL, &[&guild, &sync.at.0, &sync.error, &commands]).await.map_err(what())?;
        if created > 0 {
            let created = i32::try_from(created).unwrap_or(i32::MAX);
            client.execute(CREATED, &[&guild, &created]).await.map_err(what())?;
        }
        Ok(())
    }

    /// Forgets a server's last sync: the bot has nothing there any more.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn forget_command_sync(&self, guild: GuildId) -> Result<(), StoreError> {
        let client = self.client().await?;
        client
            .execute("DELETE FROM command_syncs WHERE guild = $1", &[&stored(guild)])
            .await
            .map(drop)
            .map_err(StoreError::statement(format!("forget the commands of server {guild}")))
    }

    /// The last sync of every server, or of one.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn command_syncs(&self, guild: Option<GuildId>) -> Result<Vec<CommandSyncRecord>, StoreError> {
        const SQL: &str = "
            SELECT guild, (extract(epoch FROM at) * 1000)::bigint AS at, error, commands
            FROM command_syncs WHERE $1::bigint IS NULL OR guild = $1 ORDER BY guild";
        let client = self.client().await?;
        let rows = client
            .query(SQL, &[&guild.map(stored)])
            .await
            .map_err(StoreError::statement("list the servers' commands"))?;
        Ok(rows.iter().map(record).collect())
    }

    /// How many commands were new on a server in the last 24 hours.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn commands_created(&self, guild: GuildId) -> Result<u32, StoreError> {
        const SQL: &str = "
            SELECT coalesce(sum(created), 0)::bigint FROM command_creations
            WHERE guild = $1 AND at >= clock_timestamp() - interval '1 day'";
        let client = self.client().await?;
        let row = client
            .query_one(SQL, &[&stored(guild)])
            .await
            .map_err(StoreError::statement(format!("count the new commands of server {guild}")))?;
        Ok(u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX))
    }
}

fn as_json(command: &CommandRecord) -> Value {
    json!({
        "plugin": command.plugin,
        "name": command.name,
        "kind": command.kind,
        "shown_as": command.shown_as,
        "problem": command.problem,
    })
}

fn record(row: &Row) -> CommandSyncRecord {
    let commands: Value = row.get("commands");
    let text = |command: &Value, key: &str| command.get(key).and_then(Value::as_str).map(str::to_owned);
    let command = |command: &Value| CommandRecord {
        plugin: text(command, "plugin").unwrap_or_default(),
        name: text(command, "name").unwrap_or_default(),
        kind: command.get("kind").and_then(Value::as_u64).and_then(|kind| kind.try_into().ok()).unwrap_or(1),
        shown_as: text(command, "shown_as"),
        problem: text(command, "problem"),
    };
    CommandSyncRecord {
        guild: GuildId(row.get::<_, i64>("guild").cast_unsigned()),
        at: Timestamp(row.get("at")),
        error: row.get("error"),
        commands: commands.as_array().into_iter().flatten().map(command).collect(),
    }
}
