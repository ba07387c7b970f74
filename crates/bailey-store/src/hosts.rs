//! Which hosts run, and what each says of its sessions. A host that has not been heard of for
//! [`limits::HOST_GONE_AFTER`] counts as gone; the database's clock decides.

use std::fmt;

use bailey_protocol::{GuildId, Tenant, Timestamp, limits};
use tokio_postgres::Row;

use crate::installations::stored;
use crate::{Store, StoreError};

/// Reports one statement takes over.
const REPORTS_AT_ONCE: usize = 5000;

/// A host's name for itself, new at each start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostId(String);

impl HostId {
    /// A name made of a number nobody else draws.
    pub fn new(number: u128) -> Self {
        Self(format!("{number:032x}"))
    }

    /// As it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// As stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHost {
    /// Its name for itself.
    pub id: HostId,
    /// The machine it runs on.
    pub machine: String,
    /// Its process there.
    pub pid: u32,
    /// Bailey's version.
    pub version: String,
}

/// A host, running or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRecord {
    /// Who.
    pub host: NewHost,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub heartbeat_at: Timestamp,
    /// Whether it has not been heard of for too long.
    pub gone: bool,
    /// Events put aside that it could not keep, since its start.
    pub letters_lost: u64,
}

/// What a host says of one of its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// Whose.
    pub tenant: Tenant,
    /// What it is doing, in one word.
    pub state: String,
    /// Why, if that asks for a reason.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if that is known.
    pub until: Option<Timestamp>,
    /// Its process.
    pub pid: Option<u32>,
    /// Bytes of memory it holds.
    pub memory: Option<u64>,
    /// Events waiting.
    pub queued: u64,
    /// Events sent and not acknowledged.
    pub in_flight: u64,
    /// Events dropped because too many were waiting.
    pub dropped: u64,
    /// Processes started after the first.
    pub restarts: u64,
}

/// A session as its host last described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Which host runs it.
    pub host: HostId,
    /// What the host says.
    pub report: SessionReport,
}

impl Store {
    /// Says that a host has started. Forgets hosts that have been gone for [`limits::HOST_SHOWN`].
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn host_started(&self, host: &NewHost) -> Result<(), StoreError> {
        const FORGET: &str =
            "DELETE FROM hosts WHERE heartbeat_at < clock_timestamp() - make_interval(secs => $1)";
        const SQL: &str = "
            INSERT INTO hosts (id, machine, pid, version, started_at, heartbeat_at, letters_lost)
            VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp(), 0)
            ON CONFLICT (id) DO NOTHING";
        let client = self.client().await?;
        let what = || StoreError::statement("say that this host has started");
        client.execute(FORGET, &[&limits::HOST_SHOWN.as_secs_f64()]).await.map_err(what())?;
        let NewHost { id, machine, pid, version } = host;
        client
            .execute(SQL, &[&id.as_str(), machine, &i64::from(*pid), version])
            .await
            .map(drop)
            .map_err(what())
    }

    /// Says that a host lives; false when it has been forgotten and must say that it started.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn host_lives(&self, host: &HostId, letters_lost: u64) -> Result<bool, StoreError> {
        const SQL: &str =
            "UPDATE hosts SET heartbeat_at = clock_timestamp(), letters_lost = $2 WHERE id = $1";
        let client = self.client().await?;
        let lost = i64::try_from(letters_lost).unwrap_or(i64::MAX);
        let known = client
            .execute(SQL, &[&host.as_str(), &lost])
            .await
            .map_err(StoreError::statement("say that this host lives"))?;
        Ok(known > 0)
    }

    /// Says that a host has ended in good order: nothing is left of it.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn host_ended(&self, host: &HostId) -> Result<(), StoreError> {
        let client = self.client().await?;
        client
            .execute("DELETE FROM hosts WHERE id = $1", &[&host.as_str()])
            .await
            .map(drop)
            .map_err(StoreError::statement("say that this host has ended"))
    }

    /// Takes over what a host says of sessions that changed, and forgets those it has no more. In pieces, so that
    /// no statement runs long when a host with very many sessions starts.
    ///
    /// # Errors
    /// A failure of the database; what was said before it is taken over, and may be said again.
    pub async fn publish_sessions(
        &self,
        host: &HostId,
        changed: &[SessionReport],
        ended: &[Tenant],
    ) -> Result<(), StoreError> {
        const END: &str = "
            DELETE FROM sessions
            WHERE host = $1 AND (plugin, guild) IN (SELECT * FROM unnest($2::text[], $3::bigint[]))";
        let what = || StoreError::statement("publish what the sessions are doing");
        let client = self.client().await?;
        if !ended.is_empty() {
            let plugins: Vec<&str> = ended.iter().map(|tenant| tenant.plugin.as_str()).collect();
            let guilds: Vec<i64> = ended.iter().map(|tenant| stored(tenant.guild)).collect();
            client.execute(END, &[&host.as_str(), &plugins, &guilds]).await.map_err(what())?;
        }
        for changed in changed.chunks(REPORTS_AT_ONCE) {
            publish(&client, host, changed).await.map_err(what())?;
        }
        Ok(())
    }

    /// Hosts that run, or have not been gone for [`limits::HOST_SHOWN`] yet; the latest started first.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn hosts(&self) -> Result<Vec<HostRecord>, StoreError> {
        const SQL: &str = "
            SELECT id, machine, pid, version, letters_lost,
                   (extract(epoch FROM started_at) * 1000)::bigint AS started_at,
                   (extract(epoch FROM heartbeat_at) * 1000)::bigint AS heartbeat_at,
                   heartbeat_at <= clock_timestamp() - make_interval(secs => $1) AS gone
            FROM hosts
            WHERE heartbeat_at > clock_timestamp() - make_interval(secs => $2)
            ORDER BY started_at DESC, id";
        let (gone, shown) = (limits::HOST_GONE_AFTER.as_secs_f64(), limits::HOST_SHOWN.as_secs_f64());
        let client = self.client().await?;
        let rows =
            client.query(SQL, &[&gone, &shown]).await.map_err(StoreError::statement("list the hosts"))?;
        Ok(rows.iter().map(host_record).collect())
    }

    /// Sessions of every host that is shown, by plugin and server.
    ///
    /// # Errors
    /// A failure of the database, or a row that cannot be read.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        const SQL: &str = "
            SELECT host, plugin, guild, state, reason, pid, memory, queued, in_flight, dropped, restarts,
                   (extract(epoch FROM since) * 1000)::bigint AS since,
                   (extract(epoch FROM until) * 1000)::bigint AS until
            FROM sessions ORDER BY plugin, guild, host";
        let client = self.client().await?;
        let rows = client.query(SQL, &[]).await.map_err(StoreError::statement("list the sessions"))?;
        rows.iter().map(session_record).collect()
    }
}

/// Writes down what these sessions do.
async fn publish(
    client: &tokio_postgres::Client,
    host: &HostId,
    changed: &[SessionReport],
) -> Result<(), tokio_postgres::Error> {
    const CHANGE: &str = "
        INSERT INTO sessions (host, plugin, guild, state, reason, since, until, pid, memory, queued,
                              in_flight, dropped, restarts)
        SELECT $1, plugin, guild, state, reason, to_timestamp(since / 1000.0),
               to_timestamp(until / 1000.0), pid, memory, queued, in_flight, dropped, restarts
        FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
             AS changed (plugin, guild, state, reason, since, until, pid, memory, queued, in_flight,
                         dropped, restarts)
        ON CONFLICT (host, plugin, guild) DO UPDATE
            SET state = excluded.state, reason = excluded.reason, since = excluded.since,
                until = excluded.until, pid = excluded.pid, memory = excluded.memory,
                queued = excluded.queued, in_flight = excluded.in_flight,
                dropped = excluded.dropped, restarts = excluded.restarts";
    let plugins: Vec<&str> = changed.iter().map(|report| report.tenant.plugin.as_str()).collect();
    let guilds: Vec<i64> = changed.iter().map(|report| stored(report.tenant.guild)).collect();
    let states: Vec<&str> = changed.iter().map(|report| report.state.as_str()).collect();
    // PostgreSQL's text holds no NUL; a plugin's last words, quoted in a reason, may.
    let reasons: Vec<Option<String>> = changed
        .iter()
        .map(|report| report.reason.as_ref().map(|reason| reason.replace('\0', "\u{fffd}")))
        .collect();
    let since: Vec<i64> = changed.iter().map(|report| report.since.0).collect();
    let until: Vec<Option<i64>> = changed.iter().map(|report| report.until.map(|until| until.0)).collect();
    let pids: Vec<Option<i64>> = changed.iter().map(|report| report.pid.map(i64::from)).collect();
    let memory: Vec<Option<i64>> = changed.iter().map(|report| report.memory.map(signed)).collect();
    let queued: Vec<i64> = changed.iter().map(|report| signed(report.queued)).collect();
    let in_flight: Vec<i64> = changed.iter().map(|report| signed(report.in_flight)).collect();
    let dropped: Vec<i64> = changed.iter().map(|report| signed(report.dropped)).collect();
    let restarts: Vec<i64> = changed.iter().map(|report| signed(report.restarts)).collect();
    client
        .execute(
            CHANGE,
            &[
                &host.as_str(),
                &plugins,
                &guilds,
                &states,
                &reasons,
                &since,
                &until,
                &pids,
                &memory,
                &queued,
                &in_flight,
                &dropped,
                &restarts,
            ],
        )
        .await
        .map(drop)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn host_record(row: &Row) -> HostRecord {
    HostRecord {
        host: NewHost {
            id: HostId(row.get("id")),
            machine: row.get("machine"),
            pid: u32::try_from(row.get::<_, i64>("pid")).unwrap_or_default(),
            version: row.get("version"),
        },
        started_at: Timestamp(row.get("started_at")),
        heartbeat_at: Timestamp(row.get("heartbeat_at")),
        gone: row.get("gone"),
        letters_lost: row.get::<_, i64>("letters_lost").cast_unsigned(),
    }
}

fn session_record(row: &Row) -> Result<SessionRecord, StoreError> {
    let plugin: &str = row.get("plugin");
    let plugin = plugin
        .parse()
        .map_err(|_| StoreError::Unreadable { what: format!("a session of plugin {plugin:?}") })?;
    let count = |name: &str| row.get::<_, i64>(name).cast_unsigned();
    Ok(SessionRecord {
        host: HostId(row.get("host")),
        report: SessionReport {
            tenant: Tenant { plugin, guild: GuildId(row.get::<_, i64>("guild").cast_unsigned()) },
            state: row.get("state"),
            reason: row.get("reason"),
            since: Timestamp(row.get("since")),
            until: row.get::<_, Option<i64>>("until").map(Timestamp),
            pid: row.get::<_, Option<i64>>("pid").and_then(|pid| u32::try_from(pid).ok()),
            memory: row.get::<_, Option<i64>>("memory").map(i64::cast_unsigned),
            queued: count("queued"),
            in_flight: count("in_flight"),
            dropped: count("dropped"),
            restarts: count("restarts"),
        },
    })
}
