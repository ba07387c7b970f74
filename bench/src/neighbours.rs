//! Whether a plugin notices its neighbours: ten honest plugins answer messages, alone and then beside
//! one hostile plugin of each kind. What is compared is the slowest hundredth of the honest answers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailey_host::{
    Host, HostConfig, HostRates, HostTimings, Installation, Observer, PluginCode, sandbox_spawner,
};
use bailey_protocol::host_message::Mode;
use bailey_protocol::method::kv::{KeyOnly, Put};
use bailey_protocol::{
    CallError, Capability, Clock, Event, EventId, EventKind, Grants, GuildId, Method, Params, PluginId,
    Tenant,
};
use bailey_sandbox::Sandbox;
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::bench::{Bench, Plugin};
use crate::calls::FromMemory;
use crate::clock::WallClock;
use crate::plugin::BenchError;
use crate::table::{Table, Target};

/// Honest plugins, each on a server of its own.
const HONEST: u64 = 10;
/// Between two messages to one honest plugin.
const PACE: Duration = Duration::from_millis(100);
/// Between two messages to a hostile one: what ended meanwhile is started again.
const HOSTILE_PACE: Duration = Duration::from_secs(1);
/// Between the hostile plugin's first message and the measurement, so that it is in full swing.
const WARM_UP: Duration = Duration::from_secs(3);
/// Answers still missing after this long count as taking that long.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the deaf one asks for.
const LARGE: usize = 64 * 1024;

/// The kinds of hostile plugin: row, and folder below `plugins/neighbours`.
const KINDS: &[(&str, &str)] = &[
    ("a CPU spinner", "cpu_spinner"),
    ("a flood of output", "output_flood"),
    ("a flood of calls", "call_flood"),
    ("a memory ramp", "memory_ramp"),
    ("a thread bomb", "thread_bomb"),
    ("one that never reads", "deaf"),
];
const ALL: &str = "all six at once";

/// A row for each kind, and one for all together.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let row = |kind: &str| format!("honest p99 beside {kind}, ms");
    let mut wanted: Vec<(String, Vec<&str>)> =
        KINDS.iter().map(|(kind, folder)| (row(kind), vec![*folder])).collect();
    wanted.push((row(ALL), KINDS.iter().map(|(_, folder)| *folder).collect()));
    wanted.retain(|(row, _)| bench.wants(row));
    if wanted.is_empty() {
        return Ok(());
    }
    let yard = Yard::start(bench.plugin().await?).await?;
    let seconds = Duration::from_secs(bench.sizes.seconds * 5);
    for (row, hostile) in wanted {
        // Quiet before each, so that both are of the same minute.
        let quiet = yard.answers(seconds, &[]).await?;
        let beside = yard.answers(seconds, &hostile).await?;
        table.row(&row, beside.p99_ms, quiet.p99_ms, Target::AtMost(3.0));
        table.row("  the same, median", beside.median_ms, quiet.median_ms, Target::None);
    }
    yard.host.shutdown().await;
    Ok(())
}

/// The host with its honest plugins.
struct Yard {
    host: Host,
    answers: Arc<Answers>,
    packages: std::path::PathBuf,
    folder: std::path::PathBuf,
}

/// How long honest answers took.
struct Took {
    median_ms: f64,
    p99_ms: f64,
}

impl Yard {
    async fn start(plugin: &Plugin) -> Result<Self, BenchError> {
        let answers = Arc::new(Answers::default());
        let noting = Arc::clone(&answers);
        let host = Host::start(HostConfig {
            spawner: sandbox_spawner(Sandbox::Native(plugin.sandbox.clone())),
            calls: Arc::new(FromMemory(move |method, params: &Params| noting.carry_out(method, params))),
            clock: Arc::new(WallClock),
            timings: HostTimings::default(),
            rates: HostRates::default(),
            observer: Observer::default(),
            dead_letters: None,
            cron_claims: None,
        });
        // Where the sandboxed user can read it.
        let folder = plugin.folder.with_file_name("neighbours");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/neighbours");
        for name in KINDS.iter().map(|(_, folder)| *folder).chain(["honest"]) {
            std::fs::create_dir_all(folder.join(name))?;
            std::fs::copy(source.join(name).join("__main__.py"), folder.join(name).join("__main__.py"))?;
        }
        let yard = Self { host, answers, packages: plugin.packages.clone(), folder };
        for number in 1..=HONEST {
            yard.install(&tenant("honest", number)?, "honest").await;
        }
        Ok(yard)
    }

    async fn install(&self, tenant: &Tenant, folder: &str) {
        let capabilities = [Capability::StorageKv, Capability::EventsMessageContent];
        self.host
            .install(Installation {
                grants: Grants::new(tenant.clone(), capabilities.into_iter().collect()),
                version: "1.0.0".to_owned(),
                code: PluginCode {
                    plugin_dir: self.folder.join(folder),
                    packages_dir: Some(self.packages.clone()),
                },
                mode: Mode::Pool,
                commands: Vec::new(),
                schedules: Vec::new(),
            })
            .await;
    }

    /// How long the honest plugins take to answer while the hostile ones do what they do.
    async fn answers(&self, during: Duration, hostile: &[&str]) -> Result<Took, BenchError> {
        let mut neighbours = Vec::new();
        for (folder, number) in hostile.iter().zip(HONEST + 1..) {
            let tenant = tenant(folder, number)?;
            self.install(&tenant, folder).await;
            neighbours.push(tenant);
        }
        let mut beat = tokio::time::interval(PACE / u32::try_from(HONEST).unwrap_or(1));
        let began = Instant::now();
        let (measured_from, until) = (began + WARM_UP, began + WARM_UP + during);
        let (mut next_hostile, mut turn) = (began, 0);
        loop {
            let now = beat.tick().await;
            if now >= until {
                break;
            }
            if now >= next_hostile {
                next_hostile = now + HOSTILE_PACE;
                for neighbour in &neighbours {
                    self.send(neighbour, "go").await?;
                }
            }
            turn += 1;
            let honest = tenant("honest", 1 + turn % HONEST)?;
            let name = self.answers.ask(now >= measured_from);
            self.send(&honest, &name).await?;
        }
        let took = self.answers.collect().await;
        for neighbour in &neighbours {
            self.host.remove(neighbour).await;
        }
        Ok(took)
    }

    async fn send(&self, tenant: &Tenant, content: &str) -> Result<(), BenchError> {
        let mut payload = Map::new();
        payload.insert("content".to_owned(), Value::String(content.to_owned()));
        payload.insert("channel_id".to_owned(), Value::String("1".to_owned()));
        let event = Event {
            id: EventId::new(format!("{}-{content}", tenant.guild)),
            kind: EventKind::MessageCreate,
            guild: tenant.guild,
            payload: Arc::new(payload),
            interaction: None,
            received_at: WallClock.now(),
        };
        self.host.publish(event).await.map_err(|error| BenchError::part("host")(error.into()))
    }
}

fn tenant(name: &str, number: u64) -> Result<Tenant, BenchError> {
    let plugin: PluginId =
        format!("{name}_{number}").parse().map_err(|_| BenchError::Plugin(format!("no id: {name}")))?;
    Ok(Tenant { plugin, guild: GuildId(number) })
}

/// Notes when an honest plugin has answered.
#[derive(Default)]
struct Answers {
    noted: Mutex<Noted>,
    /// Told when the last open question is answered.
    none_open: Notify,
}

#[derive(Default)]
struct Noted {
    asked: u64,
    /// When each question was asked that has no answer yet, and whether it counts.
    open: HashMap<String, (Instant, bool)>,
    took: Vec<f64>,
}

impl Answers {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question to be sent at once.
    fn ask(&self, counts: bool) -> String {
        let mut noted = self.noted();
        noted.asked += 1;
        let name = format!("question-{}", noted.asked);
        noted.open.insert(name.clone(), (Instant::now(), counts));
        name
    }

    fn answered(&self, name: &str) {
        let mut noted = self.noted();
        if let Some((asked, true)) = noted.open.remove(name) {
            noted.took.push(asked.elapsed().as_secs_f64() * 1000.0);
        }
        if noted.open.is_empty() {
            self.none_open.notify_one();
        }
    }

    /// Carries out a call, and notes when it says that an honest plugin has answered.
    fn carry_out(&self, method: Method, params: &Params) -> Result<String, CallError> {
        match method {
            Method::KvPut => {
                self.answered(Put::parse(params)?.value.as_json().trim_matches('"'));
                Ok("{\"ok\":true}".to_owned())
            }
            Method::KvGet if KeyOnly::parse(params)?.key.as_str() == "large" => {
                Ok(format!("{{\"value\":\"{}\"}}", "x".repeat(LARGE)))
            }
            Method::KvGet => Ok("{\"value\":null}".to_owned()),
            _ => Err(CallError::Internal),
        }
    }

    /// Waits for what is still open, and starts over.
    async fn collect(&self) -> Took {
        let answered = async {
            while !self.noted().open.is_empty() {
                self.none_open.notified().await;
            }
        };
        let _the_missing_are_counted = tokio::time::timeout(PATIENCE, answered).await;
        let mut noted = self.noted();
        let mut took = std::mem::take(&mut noted.took);
        let missing = noted.open.drain().filter(|(_, (_, counts))| *counts).count();
        took.extend(std::iter::repeat_n(PATIENCE.as_secs_f64() * 1000.0, missing));
        took.sort_by(f64::total_cmp);
        let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(f64::NAN);
        Took { median_ms: at(50), p99_ms: at(99) }
    }
}
