//! `bailey status`: which Baileys run, how Discord is connected, and what each session is doing, as they last said.

use std::collections::HashSet;
use std::process::ExitCode;

use bailey_protocol::{Clock, Tenant, Timestamp};
use bailey_services::logs::escape;
use bailey_store::{HostId, HostRecord, SessionRecord, ShardRecord, Store};
use serde_json::{Value, json};

use crate::cli::Status;
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::table::{Table, shortened};
use crate::terminal;

pub(crate) async fn run(options: Status) -> Result<ExitCode, CommandError> {
    let database = Database::reach(&options.places).await?;
    let looked = look(&database).await;
    database.stop().await;
    let Looked { hosts, sessions, shards } = looked?;
    let wanted = |session: &SessionRecord| {
        let tenant = &session.report.tenant;
        options.plugin.as_ref().is_none_or(|plugin| *plugin == tenant.plugin)
            && options.server.is_none_or(|server| server == tenant.guild.0)
    };
    let sessions: Vec<SessionRecord> =
        worth_showing(&hosts, sessions).into_iter().filter(|session| wanted(session)).collect();
    let now = SystemClock.now();
    if options.json {
        terminal::say(&terminal::safe_json(&as_json(&hosts, &sessions, &shards)));
    } else {
        terminal::say(&in_words(&hosts, &sessions, &shards, now));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the database knows.
struct Looked {
    hosts: Vec<HostRecord>,
    sessions: Vec<SessionRecord>,
    shards: Vec<ShardRecord>,
}

async fn look(database: &Database) -> Result<Looked, CommandError> {
    let failed = |error: bailey_store::StoreError| CommandError::failed(chain(&error));
    let store = Store::connect(&database.urls.platform).await.map_err(failed)?;
    let (hosts, sessions) = (store.hosts().await.map_err(failed)?, store.sessions().await.map_err(failed)?);
    let mut shards = store.shards().await.map_err(failed)?;
    store.close();
    shards.retain(|shard| hosts.iter().any(|host| host.host.id == shard.host));
    Ok(Looked { hosts, sessions, shards })
}

/// Sessions of hosts that are shown, but not what a host that is gone said of one that another host runs now.
fn worth_showing(hosts: &[HostRecord], sessions: Vec<SessionRecord>) -> Vec<SessionRecord> {
    let of = |gone: bool| -> HashSet<&HostId> {
        hosts.iter().filter(|host| host.gone == gone).map(|host| &host.host.id).collect()
    };
    let (running, gone) = (of(false), of(true));
    let run: HashSet<Tenant> = sessions
        .iter()
        .filter(|session| running.contains(&session.host))
        .map(|session| session.report.tenant.clone())
        .collect();
    let worth = |session: &SessionRecord| {
        running.contains(&session.host)
            || gone.contains(&session.host) && !run.contains(&session.report.tenant)
    };
    sessions.into_iter().filter(worth).collect()
}

fn in_words(
    hosts: &[HostRecord],
    sessions: &[SessionRecord],
    shards: &[ShardRecord],
    now: Timestamp,
) -> String {
    if hosts.is_empty() {
        return "No Bailey runs on this database, and none has in the last hour.\n\
                hint: start one with `bailey serve` (plugins on Discord) or `bailey dev DIR` (in a simulated one)."
            .to_owned();
    }
    let mut table = Table::new(&["HOST", "PROCESS", "VERSION", "STATE", "UP", "LAST HEARD OF"]);
    for host in hosts {
        table.row([
            host.host.machine.clone(),
            host.host.pid.to_string(),
            host.host.version.clone(),
            if host.gone { "gone" } else { "running" }.to_owned(),
            ago(host.heartbeat_at.since(host.started_at)),
            format!("{} ago", ago(now.since(host.heartbeat_at))),
        ]);
    }
    let mut text = table.to_string();
    for host in hosts.iter().filter(|host| host.letters_lost > 0) {
        text.push_str(&format!(
            "\n{} lost {} events that were put aside: the database was away for too long",
            escape(&host.host.machine),
            host.letters_lost
        ));
    }
    text.push_str("\n\n");
    if !shards.is_empty() {
        text.push_str(&connections(hosts, shards, now));
        text.push_str("\n\n");
    }
    if sessions.is_empty() {
        text.push_str(
            "No plugin runs here that was asked for.\n\
             hint: `bailey serve --plugin DIR --server ID` installs one; see also --plugin and --server.",
        );
        return text;
    }
    let mut table = Table::new(&[
        "PLUGIN",
        "SERVER",
        "STATE",
        "FOR",
        "UNTIL",
        "PROCESS",
        "MEMORY",
        "QUEUED",
        "IN FLIGHT",
        "DROPPED",
        "RESTARTS",
        "WHY",
    ]);
    for session in sessions {
        let report = &session.report;
        let gone = is_gone(hosts, session);
        let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let until = report.until.filter(|_| !gone).map(|until| format!("in {}", ago(until.since(now))));
        table.row([
            report.tenant.plugin.to_string(),
            report.tenant.guild.to_string(),
            if gone { "gone".to_owned() } else { report.state.clone() },
            ago(now.since(report.since)),
            until.unwrap_or_else(|| "-".to_owned()),
            number(report.pid),
            report
                .memory
                .map_or_else(|| "-".to_owned(), |bytes| format!("{} MB", bytes.div_ceil(1024 * 1024))),
            report.queued.to_string(),
            report.in_flight.to_string(),
            report.dropped.to_string(),
            report.restarts.to_string(),
            match (gone, &report.reason) {
                (true, _) => format!("its host is gone; it was {}", report.state),
                (false, reason) => reason.as_deref().map(shortened).unwrap_or_default(),
            },
        ]);
    }
    text.push_str(&table.to_string());
    text
}

/// How the connections to Discord are doing.
fn connections(hosts: &[HostRecord], shards: &[ShardRecord], now: Timestamp) -> String {
    let mut table = Table::new(&["SHARD", "PROCESS", "DISCORD", "LATENCY", "SERVERS", "LAST EVENT", "WHY"]);
    for record in shards {
        let (report, host) = (&record.report, host_of(hosts, record));
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.row([
            format!("{} of {}", report.shard, report.shards),
            or_none(host.map(|host| host.host.pid.to_string())),
            state_of(host, &report.state).to_owned(),
            or_none(report.latency.map(|latency| format!("{} ms", latency.as_millis()))),
            report.guilds.to_string(),
            or_none(report.last_event_at.map(|at| format!("{} ago", ago(now.since(at))))),
            report.reason.as_deref().map(shortened).unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn host_of<'a>(hosts: &'a [HostRecord], shard: &ShardRecord) -> Option<&'a HostRecord> {
    hosts.iter().find(|host| host.host.id == shard.host)
}

/// A connection's state; of a host that is gone nobody knows it.
fn state_of<'a>(host: Option<&HostRecord>, said: &'a str) -> &'a str {
    if host.is_none_or(|host| host.gone) { "gone" } else { said }
}

fn as_json(hosts: &[HostRecord], sessions: &[SessionRecord], shards: &[ShardRecord]) -> Value {
    let time = |time: Timestamp| Value::from(time.to_string());
    let hosts_json: Vec<Value> = hosts
        .iter()
        .map(|host| {
            json!({
                "id": host.host.id.as_str(),
                "machine": host.host.machine,
                "pid": host.host.pid,
                "version": host.host.version,
                "state": if host.gone { "gone" } else { "running" },
                "started_at": time(host.started_at),
                "heartbeat_at": time(host.heartbeat_at),
                "dead_letters_lost": host.letters_lost,
            })
        })
        .collect();
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|session| {
            let report = &session.report;
            json!({
                "plugin": report.tenant.plugin.as_str(),
                "server": report.tenant.guild.to_string(),
                "host": session.host.as_str(),
                "state": if is_gone(hosts, session) { "gone" } else { &report.state },
                "last_state": report.state,
                "reason": report.reason,
                "since": time(report.since),
                "until": report.until.map(time),
                "pid": report.pid,
                "memory_bytes": report.memory,
                "queued": report.queued,
                "in_flight": report.in_flight,
                "dropped": report.dropped,
                "restarts": report.restarts,
            })
        })
        .collect();
    let shards: Vec<Value> = shards
        .iter()
        .map(|record| {
            let report = &record.report;
            json!({
                "host": record.host.as_str(),
                "shard": report.shard,
                "shards": report.shards,
                "state": state_of(host_of(hosts, record), &report.state),
                "last_state": report.state,
                "reason": report.reason,
                "latency_ms": report.latency.map(|latency| latency.as_secs_f64() * 1000.0),
                "servers": report.guilds,
                "last_event_at": report.last_event_at.map(time),
            })
        })
        .collect();
    json!({"hosts": hosts_json, "shards": shards, "sessions": sessions})
}

fn is_gone(hosts: &[HostRecord], session: &SessionRecord) -> bool {
    hosts.iter().any(|host| host.gone && host.host.id == session.host)
}

/// A stretch of time in one or two words.
fn ago(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use bailey_protocol::{GuildId, Tenant};
    use bailey_store::{HostId, NewHost, SessionReport, ShardReport};

    use super::*;

    fn host(number: u128, gone: bool) -> HostRecord {
        let id = HostId::new(number);
        let host = NewHost { id, machine: "box".to_owned(), pid: 7, version: "0.1.0".to_owned() };
        let (started_at, heartbeat_at) = (Timestamp(0), Timestamp(61_000));
        HostRecord { host, started_at, heartbeat_at, gone, letters_lost: 0 }
    }

    fn session(number: u128, state: &str, reason: Option<&str>) -> SessionRecord {
        let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(9) };
        let report = SessionReport {
            tenant,
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            since: Timestamp(1000),
            until: None,
            pid: Some(42),
            memory: Some(12 * 1024 * 1024),
            queued: 1,
            in_flight: 2,
            dropped: 3,
            restarts: 4,
        };
        SessionRecord { host: HostId::new(number), report }
    }

    #[test]
    fn an_empty_state_teaches() {
        let said = in_words(&[], &[], &[], Timestamp(0));
        assert!(said.contains("hint: ") && said.contains("bailey serve"), "{said}");
        let said = in_words(&[host(1, false)], &[], &[], Timestamp(61_000));
        assert!(said.contains("--plugin DIR --server ID"), "{said}");
    }

    #[test]
    fn what_a_gone_host_said_gives_way_to_the_host_that_runs_it_now() {
        let hosts = [host(1, true), host(2, false)];
        let both = vec![session(1, "ready", None), session(2, "cold", None), session(3, "cold", None)];
        let shown = worth_showing(&hosts, both.clone());
        assert_eq!(shown, [both[1].clone()], "and none of a host that is not shown");
        assert_eq!(worth_showing(&hosts[..1], both.clone()), [both[0].clone()]);
    }

    #[test]
    fn a_wait_is_told_as_people_count_and_a_reason_ends_as_it_does() {
        let reason = format!("ended: exit code 1.{}KeyError: 'name'", " | ~~~~".repeat(50));
        let mut waits = session(1, "broken", Some(&reason));
        waits.report.until = Some(Timestamp(126_000));
        let said = in_words(&[host(1, false)], &[waits], &[], Timestamp(66_000));
        assert!(said.contains("1m 5s  in 1m 0s") && said.ends_with("KeyError: 'name'"), "{said}");
    }

    #[test]
    fn sessions_of_a_host_that_is_gone_are_gone() {
        let hosts = [host(1, true), host(2, false)];
        let sessions = [session(1, "ready", None), session(2, "backoff", Some("exit code 1\u{1b}[2J"))];
        let said = in_words(&hosts, &sessions, &[], Timestamp(66_000));
        let rows: Vec<&str> = said.lines().collect();
        assert!(rows[1].contains("gone") && rows[2].contains("running"), "{said}");
        assert!(rows[5].contains("gone") && rows[5].contains("it was ready"), "{said}");
        assert!(rows[6].contains("backoff") && rows[6].contains("exit code 1\\u{1b}[2J"), "{said}");
        assert!(rows[6].contains("1m 5s") && rows[6].contains("12 MB"), "{said}");
        let json = as_json(&hosts, &sessions, &[]);
        assert_eq!(
            (&json["sessions"][0]["state"], &json["sessions"][0]["last_state"]),
            (&"gone".into(), &"ready".into())
        );
    }

    #[test]
    fn each_connection_is_shown_and_those_of_a_host_that_is_gone_are_gone() {
        let shard = |number: u128, shard, state: &str| ShardRecord {
            host: HostId::new(number),
            report: ShardReport {
                shard,
                shards: 2,
                state: state.to_owned(),
                reason: None,
                guilds: 2500,
                latency: Some(std::time::Duration::from_micros(41_700)),
                last_event_at: Some(Timestamp(63_000)),
            },
        };
        let hosts = [host(1, true), host(2, false)];
        let shards = [shard(1, 0, "ready"), shard(2, 1, "resuming")];
        let said = in_words(&hosts, &[], &shards, Timestamp(66_000));
        let rows: Vec<&str> = said.lines().collect();
        assert!(rows[5].starts_with("0 of 2") && rows[5].contains("gone"), "{said}");
        assert!(rows[6].starts_with("1 of 2") && rows[6].contains("resuming"), "{said}");
        assert!(
            rows[6].contains("41 ms") && rows[6].contains("2500") && rows[6].contains("3s ago"),
            "{said}"
        );
        let json = as_json(&hosts, &[], &shards);
        assert_eq!(json["shards"][0]["state"], "gone");
        assert_eq!(
            (&json["shards"][1]["state"], &json["shards"][1]["servers"]),
            (&"resuming".into(), &2500.into())
        );
        assert_eq!(json["shards"][1]["latency_ms"], 41.7);
    }
}
