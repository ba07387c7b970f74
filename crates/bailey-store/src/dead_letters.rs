//! Events put aside for good: kept, shown, marked to be delivered once more, claimed by a host, dropped.

use std::time::Duration;

use bailey_protocol::{GuildId, PluginId, Tenant, Timestamp, limits};
use tokio_postgres::Row;

use crate::installations::stored;
use crate::{HostId, Store, StoreError};

/// An event to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// For whom it was.
    pub tenant: Tenant,
    /// Its id, the same at each delivery.
    pub event: String,
    /// Its kind, as plugins name it.
    pub kind: String,
    /// What a plugin would see, as the text of a JSON object.
    pub payload: String,
    /// When Bailey learned of it.
    pub received_at: Timestamp,
    /// How often it was delivered.
    pub attempts: u32,
    /// Why it was put aside, as a clause.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A kept event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRecord {
    /// Our number for it.
    pub id: i64,
    /// How it was put aside the last time.
    pub letter: NewDeadLetter,
    /// How often it was put aside.
    pub times: u32,
    /// When it was put aside first.
    pub first_at: Timestamp,
    /// What is to become of it.
    pub status: DeadLetterStatus,
}

/// What is to become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterStatus {
    /// It stays until somebody decides, or its time is over.
    Kept,
    /// It is to be delivered once more and waits for a host that runs the plugin on that server.
    Wanted,
    /// A host is delivering it.
    Claimed,
}

impl DeadLetterStatus {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Wanted => "wanted",
            Self::Claimed => "claimed",
        }
    }
}

/// Which dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// This one.
    pub id: Option<i64>,
    /// Of this plugin.
    pub plugin: Option<PluginId>,
    /// Of this server.
    pub guild: Option<GuildId>,
    /// Put aside since then.
    pub since: Option<Timestamp>,
}

/// What marking letters for delivery did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Letters that are to be delivered now.
    pub marked: u64,
    /// Of these, those no running host has the plugin and server for.
    pub waiting: u64,
    /// Of these, those for a plugin to which deliveries are stopped where it runs: they wait until it is tried again.
    pub stopped: u64,
    /// Interactions among those chosen: they are never delivered late.
    pub interactions: u64,
    /// Those that were to be delivered already.
    pub already: u64,
}

/// Letters one statement of a sweep forgets.
const SWEPT_AT_ONCE: i64 = 1000;

const COLUMNS: &str =
    "id, plugin, guild, event_id, kind, payload::text AS payload, attempts, times, reason, status,
    (extract(epoch FROM received_at) * 1000)::bigint AS received_at,
    (extract(epoch FROM first_at) * 1000)::bigint AS first_at,
    (extract(epoch FROM last_at) * 1000)::bigint AS last_at";

/// `$1` to `$4` are the fields of a filter.
const CHOSEN: &str = "($1::bigint IS NULL OR id = $1) AND ($2::text IS NULL OR plugin = $2)
    AND ($3::bigint IS NULL OR guild = $3)
    AND ($4::bigint IS NULL OR last_at >= to_timestamp($4 / 1000.0))";

impl Store {
    /// Keeps letters, all or none. One with the tenant and event of an earlier letter takes its place. Says how
    /// many older ones had to go, because a tenant has more than [`limits::DEAD_LETTERS`].
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn keep_dead_letters(&self, letters: &[NewDeadLetter]) -> Result<u64, StoreError> {
        // One event twice in one batch would be a conflict within the statement: the last word counts.
        const KEEP: &str = "
            INSERT INTO dead_letters (plugin, guild, event_id, kind, payload, received_at, attempts, times,
                                      reason, first_at, last_at, status)
            SELECT DISTINCT ON (plugin, guild, event_id) plugin, guild, event_id, kind, payload::json,
                   to_timestamp(received_at / 1000.0), attempts, 1, reason, to_timestamp(at / 1000.0),
                   to_timestamp(at / 1000.0), 'kept'
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                        $7::integer[], $8::text[], $9::bigint[])
                 WITH ORDINALITY AS letter (plugin, guild, event_id, kind, payload, received_at, attempts,
                                            reason, at, position)
            ORDER BY plugin, guild, event_id, position DESC
            ON CONFLICT (plugin, guild, event_id) DO UPDATE
                SET attempts = excluded.attempts, times = dead_letters.times + 1, reason = excluded.reason,
                    last_at = excluded.last_at, status = 'kept', claimed_by = NULL";
        const TRIM: &str = "
            DELETE FROM dead_letters WHERE id IN (
                SELECT id FROM (
                    SELECT id, row_number() OVER (PARTITION BY plugin, guild ORDER BY last_at DESC, id DESC) AS place
                    FROM dead_letters
                    WHERE (plugin, guild) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
                ) AS placed WHERE place > $3)";
        let texts = |of: fn(&NewDeadLetter) -> String| letters.iter().map(of).collect::<Vec<String>>();
        let numbers = |of: fn(&NewDeadLetter) -> i64| letters.iter().map(of).collect::<Vec<i64>>();
        let plugins = texts(|letter| letter.tenant.plugin.to_string());
        let guilds = numbers(|letter| stored(letter.tenant.guild));
        let events = texts(|letter| letter.event.clone());
        let kinds = texts(|letter| letter.kind.clone());
        let payloads = texts(|letter| letter.payload.clone());
        let received = numbers(|letter| letter.received_at.0);
        let attempts: Vec<i32> =
            letters.iter().map(|letter| i32::try_from(letter.attempts).unwrap_or(i32::MAX)).collect();
        // PostgreSQL's text holds no NUL; a plugin's last words, quoted in a reason, may.
        let reasons = texts(|letter| letter.reason.replace('\0', "\u{fffd}"));
        let at = numbers(|letter| letter.at.0);
        let most = i64::from(limits::DEAD_LETTERS);
        let what = || StoreError::statement("keep events that were put aside");
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(what())?;
        transaction
            .execute(
                KEEP,
                &[&plugins, &guilds, &events, &kinds, &payloads, &received, &attempts, &reasons, &at],
            )
            .await
            .map_err(what())?;
        let trimmed = transaction.execute(TRIM, &[&plugins, &guilds, &most]).await.map_err(what())?;
        transaction.commit().await.map_err(what())?;
        Ok(trimmed)
    }

    /// Letters, newest first.
    ///
    /// # Errors
    /// A failure of the database, or a row that cannot be read.
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        most: u32,
    ) -> Result<Vec<DeadLetterRecord>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM dead_letters WHERE {CHOSEN} ORDER BY last_at DESC, id DESC LIMIT $5"
        );
        let (plugin, guild, since) = parts(filter);
        let client = self.client().await?;
        let rows = client
            .query(&sql, &[&filter.id, &plugin, &guild, &since, &i64::from(most)])
            .await
            .map_err(StoreError::statement("list the events that were put aside"))?;
        rows.iter().map(record).collect()
    }

    /// Marks letters to be delivered once more. Interactions are left as they are.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn redrive_dead_letters(&self, filter: &DeadLetterFilter) -> Result<Redriven, StoreError> {
        let sql = format!(
            "WITH chosen AS MATERIALIZED (SELECT id, plugin, guild, kind, status FROM dead_letters WHERE {CHOSEN}),
                  marked AS (UPDATE dead_letters SET status = 'wanted', claimed_by = NULL
                             WHERE id IN (SELECT id FROM chosen WHERE status = 'kept' AND kind <> 'interaction_create')
                             RETURNING plugin, guild),
                  running AS (SELECT plugin, guild, bool_and(state = 'broken') AS stopped
                              FROM sessions JOIN hosts ON hosts.id = sessions.host
                              WHERE heartbeat_at > clock_timestamp() - make_interval(secs => $5)
                                AND (plugin, guild) IN (SELECT plugin, guild FROM marked)
                              GROUP BY plugin, guild)
             SELECT (SELECT count(*) FROM marked),
                    (SELECT count(*) FROM marked LEFT JOIN running USING (plugin, guild) WHERE stopped IS NULL),
                    (SELECT count(*) FROM marked JOIN running USING (plugin, guild) WHERE stopped),
                    (SELECT count(*) FROM chosen WHERE kind = 'interaction_create'),
                    (SELECT count(*) FROM chosen WHERE kind <> 'interaction_create' AND status <> 'kept')"
        );
        let (plugin, guild, since) = parts(filter);
        let gone = limits::HOST_GONE_AFTER.as_secs_f64();
        let client = self.client().await?;
        let row = client
            .query_one(&sql, &[&filter.id, &plugin, &guild, &since, &gone])
            .await
            .map_err(StoreError::statement("mark events to be delivered once more"))?;
        let count = |column: usize| row.get::<_, i64>(column).cast_unsigned();
        let (marked, waiting, stopped) = (count(0), count(1), count(2));
        Ok(Redriven { marked, waiting, stopped, interactions: count(3), already: count(4) })
    }

    /// Forgets letters; says how many.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn drop_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, StoreError> {
        let sql = format!("DELETE FROM dead_letters WHERE {CHOSEN}");
        let (plugin, guild, since) = parts(filter);
        let client = self.client().await?;
        client
            .execute(&sql, &[&filter.id, &plugin, &guild, &since])
            .await
            .map_err(StoreError::statement("drop events that were put aside"))
    }

    /// Takes over letters to be delivered by this host: wanted ones for sessions it has published, and those
    /// claimed by a host that has gone. No two hosts get the same one, and nobody gets one for a session to which
    /// deliveries are stopped: it would only come back.
    ///
    /// # Errors
    /// A failure of the database, or a row that cannot be read.
    pub async fn claim_dead_letters(
        &self,
        host: &HostId,
        most: u32,
    ) -> Result<Vec<DeadLetterRecord>, StoreError> {
        let sql = format!(
            "UPDATE dead_letters SET status = 'claimed', claimed_by = $1
             WHERE id IN (
                 SELECT id FROM dead_letters
                 WHERE (status = 'wanted' OR status = 'claimed' AND NOT EXISTS (
                            SELECT FROM hosts WHERE hosts.id = claimed_by
                            AND heartbeat_at > clock_timestamp() - make_interval(secs => $3)))
                   AND EXISTS (SELECT FROM sessions WHERE host = $1
                               AND sessions.plugin = dead_letters.plugin AND sessions.guild = dead_letters.guild
                               AND state <> 'broken')
                 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING {COLUMNS}"
        );
        let gone = limits::HOST_GONE_AFTER.as_secs_f64();
        let client = self.client().await?;
        let rows = client
            .query(&sql, &[&host.as_str(), &i64::from(most), &gone])
            .await
            .map_err(StoreError::statement("take over events to be delivered once more"))?;
        let mut records: Vec<_> = rows.iter().map(record).collect::<Result<_, _>>()?;
        records.sort_by_key(|record| record.id);
        Ok(records)
    }

    /// A letter this host had claimed was delivered, and is forgotten.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn dead_letter_delivered(&self, host: &HostId, id: i64) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM dead_letters WHERE id = $1 AND status = 'claimed' AND claimed_by = $2";
        self.change_claimed(SQL, host, id).await
    }

    /// A letter this host had claimed is as if it had not been: another host may claim it.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn dead_letter_released(&self, host: &HostId, id: i64) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE dead_letters SET status = 'wanted', claimed_by = NULL
                           WHERE id = $1 AND status = 'claimed' AND claimed_by = $2";
        self.change_claimed(SQL, host, id).await
    }

    async fn change_claimed(&self, sql: &str, host: &HostId, id: i64) -> Result<(), StoreError> {
        let client = self.client().await?;
        client
            .execute(sql, &[&id, &host.as_str()])
            .await
            .map(drop)
            .map_err(StoreError::statement(format!("say what became of the event put aside as {id}")))
    }

    /// Forgets letters put aside longer than `kept` ago; says how many. A few at a time, so that no statement
    /// runs long, however many there are; one that somebody holds at this moment stays for the next sweep.
    ///
    /// # Errors
    /// A failure of the database; what was swept before it stays so.
    pub async fn sweep_dead_letters(&self, now: Timestamp, kept: Duration) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM dead_letters WHERE id IN (
                SELECT id FROM dead_letters WHERE last_at < to_timestamp($1::bigint / 1000.0)
                ORDER BY last_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let client = self.client().await?;
        let before = (now - kept).0;
        let mut swept = 0;
        loop {
            let gone = client
                .execute(SQL, &[&before, &SWEPT_AT_ONCE])
                .await
                .map_err(StoreError::statement("sweep events that were put aside"))?;
            swept += gone;
            if gone < SWEPT_AT_ONCE.cast_unsigned() {
                return Ok(swept);
            }
        }
    }
}

fn parts(filter: &DeadLetterFilter) -> (Option<String>, Option<i64>, Option<i64>) {
    let plugin = filter.plugin.as_ref().map(ToString::to_string);
    (plugin, filter.guild.map(stored), filter.since.map(|since| since.0))
}

fn record(row: &Row) -> Result<DeadLetterRecord, StoreError> {
    let id: i64 = row.get("id");
    let unreadable = || StoreError::Unreadable { what: format!("the event put aside as {id}") };
    let plugin: PluginId = row.get::<_, &str>("plugin").parse().map_err(|_| unreadable())?;
    let status = match row.get("status") {
        "kept" => DeadLetterStatus::Kept,
        "wanted" => DeadLetterStatus::Wanted,
        "claimed" => DeadLetterStatus::Claimed,
        _ => return Err(unreadable()),
    };
    Ok(DeadLetterRecord {
        id,
        letter: NewDeadLetter {
            tenant: Tenant { plugin, guild: GuildId(row.get::<_, i64>("guild").cast_unsigned()) },
            event: row.get("event_id"),
            kind: row.get("kind"),
            payload: row.get("payload"),
            received_at: Timestamp(row.get("received_at")),
            attempts: row.get::<_, i32>("attempts").cast_unsigned(),
            reason: row.get("reason"),
            at: Timestamp(row.get("last_at")),
        },
        times: row.get::<_, i32>("times").cast_unsigned(),
        first_at: Timestamp(row.get("first_at")),
        status,
    })
}
