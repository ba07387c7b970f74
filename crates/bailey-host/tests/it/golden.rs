//! Recorded conversations with real SDKs, replayed: a scripted process plays the plugin's side, and
//! every line of the host must equal the recorded one.

use std::path::{Path, PathBuf};

use bailey_host::Observation;
use bailey_protocol::{Capability, EventKind, Grants};
use serde::Deserialize;
use serde_json::Value;

use crate::fake::Fake;
use crate::support::{Bench, demo, event, installation};

#[derive(Debug, Deserialize)]
struct Entry {
    from: From,
    line: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Host,
    Plugin,
    Process,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../transcripts")
}

/// Replays one conversation with every SDK it was recorded with; all must leave the same traces.
async fn check(name: &str, expected: &[&str]) {
    let mut sdks = 0;
    for sdk in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()) {
        let path = sdk.join(format!("{name}.jsonl"));
        if !path.exists() {
            continue;
        }
        sdks += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("VERSION\\\"", concat!(env!("CARGO_PKG_VERSION"), "\\\""));
        let entries: Vec<Entry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let traces = replay(&entries).await;
        assert_eq!(traces, expected, "{}", path.display());
    }
    assert!(sdks >= 2, "{name} was recorded with {sdks} SDKs only");
}

/// Plays all entries in their order and says in short what the host saw.
async fn replay(entries: &[Entry]) -> Vec<String> {
    let mut bench = Bench::new();
    let mut granted = installation(&demo());
    let capabilities =
        [Capability::StorageKv, Capability::DiscordSendMessage, Capability::EventsMessageContent];
    granted.grants = Grants::new(demo(), capabilities.into_iter().collect());
    bench.host.install(granted).await;
    let host_lines = entries.iter().filter(|entry| entry.from == From::Host);
    let events: Vec<Value> = host_lines
        .map(|entry| serde_json::from_str::<Value>(&entry.line).unwrap())
        .filter(|line| line["method"].as_str().is_some_and(|method| method.starts_with("event.")))
        .collect();
    let mut events = events.iter();
    publish(&bench, events.next()).await;
    let mut plugin = bench.starts.next().await;
    let host = bench.host.clone();
    let mut stopping = tokio::task::JoinSet::new();
    for (position, entry) in entries.iter().enumerate() {
        match entry.from {
            From::Process => process(&mut plugin, &entry.line).await,
            From::Plugin => plugin.say(&entry.line).await,
            From::Host => {
                let shutdown = entry.line.contains("host.shutdown");
                if shutdown {
                    let host = host.clone();
                    stopping.spawn(async move { host.shutdown().await });
                }
                assert_eq!(plugin.line().await.as_deref(), Some(entry.line.as_str()), "entry {position}");
            }
        }
        let last_of_event = entry.from == From::Plugin && entry.line.contains(r#""event.ack""#);
        if last_of_event {
            bench.host.quiesced().await;
            publish(&bench, events.next()).await;
        }
    }
    stopping.join_next().await.unwrap().unwrap();
    let mut traces = Vec::new();
    while let Ok(observation) = bench.seen.0.try_recv() {
        traces.extend(in_short(observation));
    }
    traces
}

async fn publish(bench: &Bench, recorded: Option<&Value>) {
    let Some(recorded) = recorded else { return };
    let params = &recorded["params"];
    let kind: EventKind = recorded["method"].as_str().unwrap()["event.".len()..].parse().unwrap();
    let id = params["event_id"].as_str().unwrap();
    bench.host.publish(event(9001, id, kind, params["event"].clone())).await.unwrap();
}

async fn process(plugin: &mut Fake, line: &str) {
    match line {
        "started" => {}
        "stdin closed" => assert_eq!(plugin.line().await, None, "the host wrote on"),
        "exit code 0" => plugin.exit(0),
        other => panic!("nothing is known of {other:?}"),
    }
}

fn in_short(observation: Observation) -> Option<String> {
    match observation {
        Observation::EventAcked { event, handled: true, .. } => Some(format!("{event} done")),
        Observation::EventAcked { event, handled: false, .. } => Some(format!("{event} not handled")),
        Observation::EventFailed { event, reason, .. } => Some(format!("{event} failed: {reason}")),
        Observation::Call { method, params, outcome, .. } => {
            let params: Value = serde_json::from_str(&params).unwrap();
            let key = params["key"].as_str().map(|key| format!(" {key}")).unwrap_or_default();
            let outcome = outcome.map_or_else(|error| error.code.to_owned(), |_| "ok".to_owned());
            Some(format!("{method}{key}: {outcome}"))
        }
        // Newer SDKs also log each refusal; what they add is not the host's doing.
        Observation::Log { line, .. } if line.tags.iter().any(|tag| tag == "rejected") => None,
        Observation::Log { line, .. } => {
            let first = line.message.lines().next().unwrap_or_default().to_owned();
            Some(format!("{}: {first}", line.level.as_str()))
        }
        Observation::Problem { message, .. } => Some(format!("problem: {message}")),
        Observation::SessionEnded { reason, .. } => Some(format!("ended: {reason}")),
        _ => None,
    }
}

const STARTED: &str = "info: SDK plugin process started";
const READY: &str = "info: ready on '9001'";
const ENDED: &str = "ended: it was asked to";
const PING: [&str; 2] = ["kv.get count: ok", "discord.send_message: ok"];

#[tokio::test(start_paused = true)]
async fn boot() {
    check("boot", &[STARTED, READY, "e1 done", ENDED]).await;
}

#[tokio::test(start_paused = true)]
async fn handled_event() {
    let [get, send] = PING;
    check("handled_event", &[STARTED, READY, get, send, "e1 done", get, send, "e2 done", ENDED]).await;
}

#[tokio::test(start_paused = true)]
async fn failed_event() {
    let [get, send] = PING;
    let raised = "error: Event handler error (message_create):";
    let failed = "e1 failed: handler_exception";
    check("failed_event", &[STARTED, READY, raised, failed, "e1 done", get, send, "e2 done", ENDED]).await;
}

#[tokio::test(start_paused = true)]
async fn unhandled_event() {
    let [get, send] = PING;
    check("unhandled_event", &[STARTED, "e1 not handled", READY, get, send, "e2 done", ENDED]).await;
}

#[tokio::test(start_paused = true)]
async fn noisy_stdout() {
    let [get, send] = PING;
    let noise = ["stdout: a line of its own", "stdout: glued"];
    let json = ["stdout: {'looks': 'like a frame'}", r#"stdout: {"really": "json"}"#];
    check(
        "noisy_stdout",
        &[STARTED, READY, noise[0], noise[1], get, json[0], json[1], "e1 done", get, send, "e2 done", ENDED],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn bad_json() {
    let [get, send] = PING;
    let puts = ["kv.put nan: ok", "kv.put infinite: ok", "kv.put half: ok", "kv.put huge: ok"];
    let refused = ["kv.put: VALIDATION_ERROR", "info: refused: ValidationError"];
    check(
        "bad_json",
        &[
            STARTED, READY, puts[0], puts[1], puts[2], puts[3], refused[0], refused[1], "e1 done", get, send,
            "e2 done", ENDED,
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown() {
    let raised = "error: Event handler error (message_create):";
    let failed = "e1 failed: handler_exception";
    check("shutdown", &[STARTED, READY, raised, failed, "e1 done", "e2 not handled", ENDED]).await;
}
