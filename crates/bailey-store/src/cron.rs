//! Which schedules were told, so that none is told twice.

use bailey_protocol::{GuildId, PluginId, Tenant, Timestamp};

use crate::installations::stored;
use crate::{Store, StoreError};

const MINUTE: i64 = 60_000;

/// A schedule of a plugin on a server, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CronKey {
    /// Whose.
    pub tenant: Tenant,
    /// Its name.
    pub schedule: String,
}

/// What was told of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronTold {
    /// Which.
    pub key: CronKey,
    /// No minute up to this one is told any more.
    pub until: Timestamp,
    /// The latest minute that was told.
    pub last: Option<Timestamp>,
}

/// Keys as the columns a statement takes.
struct Columns<'a> {
    plugins: Vec<&'a str>,
    guilds: Vec<i64>,
    schedules: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(keys: &'a [CronKey]) -> Self {
        Self {
            plugins: keys.iter().map(|key| key.tenant.plugin.as_str()).collect(),
            guilds: keys.iter().map(|key| stored(key.tenant.guild)).collect(),
            schedules: keys.iter().map(|key| key.schedule.as_str()).collect(),
        }
    }
}

impl Store {
    /// Makes a minute of these schedules the caller's own. Answers those that nobody had made his own before, at this
    /// minute or a later one, and whose plugin is switched on there.
    ///
    /// # Errors
    /// A failure of the database; then none is the caller's.
    pub async fn claim_cron(&self, minute: Timestamp, keys: &[CronKey]) -> Result<Vec<CronKey>, StoreError> {
        const SQL: &str = "
            INSERT INTO cron_told (plugin, guild, schedule, minute, told_at)
            SELECT wanted.plugin, wanted.guild, wanted.schedule, $4::bigint, $4::bigint
            FROM unnest($1::text[], $2::bigint[], $3::text[]) AS wanted (plugin, guild, schedule)
            JOIN installations USING (plugin, guild)
            WHERE installations.enabled
            ORDER BY 1, 2, 3 -- two hosts take the rows in the same order
            ON CONFLICT (plugin, guild, schedule) DO UPDATE
                SET minute = excluded.minute, told_at = excluded.told_at
                WHERE cron_told.minute < excluded.minute
            RETURNING plugin, guild, schedule";
        let client = self.client().await?;
        let failed = || StoreError::statement("claim schedules that are due");
        let statement = client.prepare_cached(SQL).await.map_err(failed())?;
        let Columns { plugins, guilds, schedules } = Columns::of(keys);
        let minute = minute.0 / MINUTE;
        let rows =
            client.query(&statement, &[&plugins, &guilds, &schedules, &minute]).await.map_err(failed())?;
        rows.iter().map(key).collect()
    }

    /// Up to when these schedules were told. One that is new counts as told up to `minute`; one whose plugin is not
    /// installed there is left out.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn cron_told_until(
        &self,
        minute: Timestamp,
        keys: &[CronKey],
    ) -> Result<Vec<CronTold>, StoreError> {
        const SQL: &str = "
            WITH wanted AS (
                SELECT wanted.* FROM unnest($1::text[], $2::bigint[], $3::text[]) AS wanted (plugin, guild, schedule)
                JOIN installations USING (plugin, guild)),
            new AS (
                INSERT INTO cron_told (plugin, guild, schedule, minute)
                SELECT plugin, guild, schedule, $4::bigint FROM wanted ORDER BY 1, 2, 3
                ON CONFLICT DO NOTHING RETURNING *)
            SELECT plugin, guild, schedule, minute, told_at FROM new
            UNION ALL
            SELECT plugin, guild, schedule, minute, told_at FROM cron_told JOIN wanted USING (plugin, guild, schedule)";
        let client = self.client().await?;
        let Columns { plugins, guilds, schedules } = Columns::of(keys);
        let minute = minute.0 / MINUTE;
        let rows = client.query(SQL, &[&plugins, &guilds, &schedules, &minute]).await;
        let rows = rows.map_err(StoreError::statement("find out what schedules were told"))?;
        rows.iter().map(told).collect()
    }

    /// What was told, of one plugin or all, on one server or all.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn cron_told(
        &self,
        plugin: Option<&PluginId>,
        guild: Option<GuildId>,
    ) -> Result<Vec<CronTold>, StoreError> {
        const SQL: &str = "
            SELECT plugin, guild, schedule, minute, told_at FROM cron_told
            WHERE ($1::text IS NULL OR plugin = $1) AND ($2::bigint IS NULL OR guild = $2)
            ORDER BY plugin, guild, schedule";
        let client = self.client().await?;
        let rows = client.query(SQL, &[&plugin.map(PluginId::as_str), &guild.map(stored)]).await;
        rows.map_err(StoreError::statement("list what schedules were told"))?.iter().map(told).collect()
    }
}

fn key(row: &tokio_postgres::Row) -> Result<CronKey, StoreError> {
    let (plugin, guild): (String, i64) = (row.get("plugin"), row.get("guild"));
    let plugin = plugin.parse().map_err(|_| StoreError::Unreadable { what: format!("plugin {plugin:?}") })?;
    let tenant = Tenant { plugin, guild: GuildId(guild.cast_unsigned()) };
    Ok(CronKey { tenant, schedule: row.get("schedule") })
}

fn told(row: &tokio_postgres::Row) -> Result<CronTold, StoreError> {
    let minute = |number: i64| Timestamp(number * MINUTE);
    Ok(CronTold {
        key: key(row)?,
        until: minute(row.get("minute")),
        last: row.get::<_, Option<i64>>("told_at").map(minute),
    })
}
