//! Records the conversations in `transcripts/` with a real SDK:
//!
//! ```text
//! cargo run -p bailey-host --example record_transcripts -- PYTHON PACKAGES FOLDER
//! ```
//!
//! `PYTHON` is an interpreter, `PACKAGES` a folder with the SDK, `FOLDER` where the files go. The
//! plugin runs without a sandbox; everything else is the host as it is.

#[expect(dead_code, reason = "the tests look inside; a recording does not")]
#[path = "../tests/it/memory_calls.rs"]
mod memory_calls;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailey_host::{
    Host, HostConfig, HostRates, HostTimings, Installation, Observer, PluginCode, RunningProcess, Spawner,
    sandbox_spawner,
};
use bailey_protocol::host_message::Mode;
use bailey_protocol::{Capability, Clock, Event, EventId, EventKind, Grants, GuildId, Tenant, Timestamp};
use bailey_sandbox::{BareConfig, BareSandbox, Sandbox};
use futures_util::FutureExt;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;

const CAPABILITIES: [Capability; 3] =
    [Capability::StorageKv, Capability::DiscordSendMessage, Capability::EventsMessageContent];

/// File name, events as (kind, content).
const CONVERSATIONS: &[(&str, &[(EventKind, &str)])] = &[
    ("boot", &[(EventKind::MessageCreate, "quiet")]),
    ("handled_event", &[(EventKind::MessageCreate, "ping"), (EventKind::MessageCreate, "ping")]),
    ("failed_event", &[(EventKind::MessageCreate, "fail"), (EventKind::MessageCreate, "ping")]),
    ("unhandled_event", &[(EventKind::RoleCreate, ""), (EventKind::MessageCreate, "ping")]),
    ("noisy_stdout", &[(EventKind::MessageCreate, "print"), (EventKind::MessageCreate, "ping")]),
    ("bad_json", &[(EventKind::MessageCreate, "numbers"), (EventKind::MessageCreate, "ping")]),
    ("shutdown", &[(EventKind::MessageCreate, "fail"), (EventKind::RoleCreate, "")]),
];

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn sleep_until(&self, _deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// The conversation so far.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Tape {
    fn note(&self, from: &'static str, line: impl Into<String>) {
        self.0.lock().expect("no thread panics while holding the tape").push((from, line.into()));
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [python, packages, folder] = &arguments[..] else {
        eprintln!("usage: record_transcripts PYTHON PACKAGES FOLDER");
        std::process::exit(2);
    };
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/plugins/recorded");
    for (name, events) in CONVERSATIONS {
        let tape = record(python, packages, &plugin, events).await;
        let mut text = String::new();
        let own_version = format!(r#""host_version":"{}""#, env!("CARGO_PKG_VERSION"));
        for (from, line) in tape.0.lock().expect("recording is over").iter() {
            // Paths of this machine are none of the reader's business.
            let line = line
                .replace(&plugin.display().to_string(), "/plugin")
                .replace(&packages.display().to_string(), "/packages")
                .replace(&own_version, r#""host_version":"VERSION""#);
            let line = without_frames_of_packages(&line);
            text.push_str(&json!({"from": from, "line": line}).to_string());
            text.push('\n');
        }
        std::fs::write(folder.join(format!("{name}.jsonl")), text).expect("the file can be written");
    }
}

/// Leaves out the stack frames that lie in the SDK: they quote its source and differ by version.
fn without_frames_of_packages(line: &str) -> String {
    const FRAME: &str = r#"  File \""#;
    let mut kept = String::new();
    for (number, piece) in line.split(FRAME).enumerate() {
        if piece.starts_with("/packages/") {
            continue;
        }
        if number > 0 {
            kept.push_str(FRAME);
        }
        kept.push_str(piece);
    }
    kept
}

async fn record(python: &Path, packages: &Path, plugin: &Path, events: &[(EventKind, &str)]) -> Tape {
    let tape = Tape::default();
    let sandbox = Sandbox::Bare(BareSandbox::new(BareConfig { python: python.to_owned() }));
    let tenant = Tenant { plugin: "demo".parse().expect("an id"), guild: GuildId(9001) };
    let host = Host::start(HostConfig {
        spawner: taped(sandbox_spawner(sandbox), tape.clone()),
        calls: Arc::new(memory_calls::Shared::default()),
        dead_letters: None,
        cron_claims: None,
        clock: Arc::new(FixedClock),
        timings: HostTimings::default(),
        rates: HostRates::default(),
        observer: Observer::default(),
    });
    host.install(Installation {
        grants: Grants::new(tenant, CAPABILITIES.into_iter().collect()),
        version: "1.0.0".to_owned(),
        code: PluginCode { plugin_dir: plugin.to_owned(), packages_dir: Some(packages.to_owned()) },
        mode: Mode::Pool,
        commands: Vec::new(),
        schedules: Vec::new(),
    })
    .await;
    for (number, (kind, content)) in events.iter().enumerate() {
        let payload = json!({"guild_id": "9001", "channel_id": "42", "author_id": "7", "author_bot": false,
            "content": content});
        let event = Event {
            id: EventId::new(format!("e{}", number + 1)),
            kind: *kind,
            guild: GuildId(9001),
            payload: Arc::new(payload.as_object().cloned().unwrap_or_default()),
            interaction: None,
            received_at: Timestamp(0),
        };
        host.publish(event).await.expect("the host is running");
        let quiet = tokio::time::timeout(Duration::from_secs(60), host.quiesced());
        quiet.await.expect("the plugin acknowledges");
    }
    host.shutdown().await;
    tape
}

/// A spawner whose processes are overheard: the tape stands in the pipes.
fn taped(spawner: Spawner, tape: Tape) -> Spawner {
    Arc::new(move |request| {
        let (spawner, tape) = (Arc::clone(&spawner), tape.clone());
        async move { Ok(overhear(spawner(request).await?, tape)) }.boxed()
    })
}

fn overhear(process: RunningProcess, tape: Tape) -> RunningProcess {
    let mut taps = JoinSet::new();
    tape.note("process", "started");
    let (stdin, host_lines) = tokio::io::duplex(1 << 20);
    taps.spawn(tap(host_lines, process.stdin, tape.clone(), "host", Some("stdin closed")));
    let (plugin_lines, stdout) = tokio::io::duplex(1 << 20);
    taps.spawn(tap(process.stdout, plugin_lines, tape.clone(), "plugin", None));
    let exit = async move {
        let ended = process.exit.await;
        while taps.join_next().await.is_some() {}
        tape.note("process", ended.description.clone());
        ended
    };
    RunningProcess { stdin: Box::new(stdin), stdout: Box::new(stdout), exit: exit.boxed(), ..process }
}

/// Passes lines on, noting each before the other side can read it.
async fn tap(
    from: impl AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    tape: Tape,
    who: &'static str,
    at_end: Option<&str>,
) {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        tape.note(who, String::from_utf8_lossy(&line).trim_end_matches('\n'));
        if to.write_all(&line).await.is_err() {
            return;
        }
        line.clear();
    }
    if let Some(words) = at_end {
        tape.note("process", words);
    }
}
