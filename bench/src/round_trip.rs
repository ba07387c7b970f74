//! What a call costs: the real SDK in our sandbox under our host, against the same SDK in a plain
//! process under a stub that answers at once, or after one prepared `SELECT`.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use bailey_discord::{BotToken, Directory, DiscordConfig, Endpoints, Rest};
use bailey_host::{
    Calls, Host, HostConfig, HostRates, HostTimings, Installation, Observation, Observer, PluginCode,
    sandbox_spawner,
};
use bailey_protocol::capability::StorageKv;
use bailey_protocol::host_message::Mode;
use bailey_protocol::method::kv::Put;
use bailey_protocol::{Capability, Clock, Event, EventId, EventKind, Grants, GuildId, Params, Tenant};
use bailey_sandbox::{NativeSandbox, Sandbox};
use bailey_services::{Database, DatabaseOptions, Kv, Services, ServicesOptions, Sql};
use bailey_sim::{SimConfig, Simulator};
use bailey_store::Cluster;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bench::{Bench, Plugin};
use crate::calls::{FromMemory, one_value};
use crate::clock::WallClock;
use crate::plugin::{BenchError, Measured};
use crate::stub::{Answer as StubAnswer, AtOnce, Stub};
use crate::table::{Table, Target};

/// Calls per measurement, and rounds taken in turn; the best median of the rounds counts for both.
const CALLS: u32 = 3000;
const ROUNDS: usize = 5;

const FROM_MEMORY: &str = "ctx.kv.get from memory, us";
const FROM_POSTGRESQL: &str = "ctx.kv.get from PostgreSQL, us";

/// Both rows: answered from memory, and from PostgreSQL.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let (memory_wanted, database_wanted) = (bench.wants(FROM_MEMORY), bench.wants(FROM_POSTGRESQL));
    if !memory_wanted && !database_wanted {
        return Ok(());
    }
    let Plugin { sandbox, python, folder, packages } = bench.plugin().await?;
    let cluster = bench.cluster().await?;
    let simulator = Simulator::start(SimConfig::default())
        .await
        .map_err(|error| BenchError::part("simulator")(error.into()))?;
    let services = services(cluster, &simulator).await?;
    keep_a_value(&services.kv).await?;

    let code = PluginCode { plugin_dir: folder.clone(), packages_dir: Some(packages.clone()) };
    let mut memory = Measuring::start(sandbox, &code, Arc::new(FromMemory(one_value))).await;
    let mut stored = Measuring::start(sandbox, &code, Arc::new(services.clone())).await;
    let url = cluster.urls().plugins;

    let mut from_memory: Option<(Measured, Measured)> = None;
    let mut from_database: Option<(Measured, Measured)> = None;
    for _ in 0..bench.sizes.rounds(ROUNDS) {
        if memory_wanted {
            let floor = plain(python, folder, packages, || Ok(AtOnce)).await?;
            keep_best(&mut from_memory, memory.measure().await?, floor);
        }
        if database_wanted {
            let url = url.clone();
            let floor = plain(python, folder, packages, move || Select::prepare(&url)).await?;
            keep_best(&mut from_database, stored.measure().await?, floor);
        }
    }
    memory.host.shutdown().await;
    stored.host.shutdown().await;
    services.shut_down().await;
    simulator.shutdown().await;

    for (what, measured, target) in [
        (FROM_MEMORY, from_memory, Target::AtMost(1.15)),
        (FROM_POSTGRESQL, from_database, Target::AtMost(1.3)),
    ] {
        if let Some((ours, floor)) = measured {
            table.row(what, ours.median_us, floor.median_us, target);
            table.row("  the same, 99th percentile", ours.p99_us, floor.p99_us, Target::None);
        }
    }
    Ok(())
}

fn keep_best(best: &mut Option<(Measured, Measured)>, ours: Measured, floor: Measured) {
    let better = |known: Measured, new: Measured| if new.median_us < known.median_us { new } else { known };
    *best = Some(match *best {
        None => (ours, floor),
        Some((best_ours, best_floor)) => (better(best_ours, ours), better(best_floor, floor)),
    });
}

async fn services(cluster: &Cluster, simulator: &Simulator) -> Result<Services, BenchError> {
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let token = BotToken::new(&simulator.bot_token());
    // More than anybody can send: the way there is measured, not the wait for a share.
    let config = DiscordConfig {
        writes_per_minute: NonZeroU32::MAX,
        ..DiscordConfig::new(token, Endpoints::simulator(simulator.address()))
    };
    let (rest, _) = Rest::connect(&config).await.map_err(|error| BenchError::part("REST")(error.into()))?;
    let database = Database::connect(&cluster.urls().plugins, &DatabaseOptions::default())
        .await
        .map_err(|error| BenchError::part("database")(error.into()))?;
    let sql = Sql::unavailable();
    let options =
        ServicesOptions::without_network().map_err(|error| BenchError::part("services")(error.into()))?;
    Ok(Services::new(database, sql, rest, Directory::new(), clock, options))
}

/// The value both sides read.
async fn keep_a_value(kv: &Kv) -> Result<(), BenchError> {
    let failed = |error: bailey_protocol::CallError| BenchError::part("kv")(error.into());
    let grants = Grants::new(tenant(), [Capability::StorageKv].into_iter().collect());
    let grant = grants.require::<StorageKv>().map_err(failed)?;
    let params = RawValue::from_string("{\"key\":\"key\",\"value\":{\"n\":1}}".to_owned())?;
    let params = Params::parse(Some(&params)).map_err(failed)?;
    kv.put(&grant, &Put::parse(&params).map_err(failed)?).await.map_err(failed)?;
    Ok(())
}

/// Our host with one plugin that measures its own calls.
struct Measuring {
    host: Host,
    observations: mpsc::UnboundedReceiver<Observation>,
    events: u32,
}

impl Measuring {
    async fn start(sandbox: &NativeSandbox, code: &PluginCode, calls: Arc<dyn Calls>) -> Self {
        let (observer, observations) = Observer::channel();
        let host = Host::start(HostConfig {
            spawner: sandbox_spawner(Sandbox::Native(sandbox.clone())),
            calls,
            dead_letters: None,
            cron_claims: None,
            clock: Arc::new(WallClock),
            timings: HostTimings::default(),
            // The limit per plugin is not what is measured.
            rates: HostRates { calls_per_second: 1e9, call_burst: 1e9, ..HostRates::default() },
            observer,
        });
        let capabilities = [Capability::StorageKv, Capability::EventsMessageContent];
        host.install(Installation {
            grants: Grants::new(tenant(), capabilities.into_iter().collect()),
            version: "1.0.0".to_owned(),
            code: code.clone(),
            mode: Mode::Pool,
            commands: Vec::new(),
            schedules: Vec::new(),
        })
        .await;
        Self { host, observations, events: 0 }
    }

    async fn measure(&mut self) -> Result<Measured, BenchError> {
        self.events += 1;
        let mut payload = Map::new();
        payload.insert("content".to_owned(), Value::String(format!("!measure get {CALLS}")));
        payload.insert("channel_id".to_owned(), Value::String("1".to_owned()));
        let event = Event {
            id: EventId::new(format!("bench-{}", self.events)),
            kind: EventKind::MessageCreate,
            guild: tenant().guild,
            payload: Arc::new(payload),
            interaction: None,
            received_at: WallClock.now(),
        };
        self.host.publish(event).await.map_err(|error| BenchError::part("host")(error.into()))?;
        while let Some(observation) = self.observations.recv().await {
            match observation {
                Observation::Log { line, .. } if line.tags.iter().any(|tag| tag == "measured") => {
                    return Ok(serde_json::from_str(&line.message)?);
                }
                Observation::Problem { message, .. } => return Err(BenchError::Plugin(message)),
                _ => {}
            }
        }
        Err(BenchError::Plugin("the host ended".to_owned()))
    }
}

/// One measurement in a plain process, off the runtime: the stub blocks.
async fn plain<A: StubAnswer>(
    python: &Path,
    plugin: &Path,
    packages: &Path,
    answer: impl FnOnce() -> Result<A, BenchError> + Send + 'static,
) -> Result<Measured, BenchError> {
    let (python, plugin, packages) = (python.to_owned(), plugin.to_owned(), packages.to_owned());
    let measuring = move || {
        let mut stub = Stub::start(&python, &plugin, &packages)?;
        stub.boot()?;
        stub.measure("get", CALLS, &mut answer()?)
    };
    tokio::task::spawn_blocking(measuring).await.map_err(|error| BenchError::part("stub")(error.into()))?
}

/// The floor with a database: one prepared statement on one connection in one thread, and nothing else.
struct Select {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
    statement: tokio_postgres::Statement,
    /// Drives the connection; ends with this.
    _connection: JoinSet<()>,
}

impl Select {
    fn prepare(url: &tokio_postgres::Config) -> Result<Self, BenchError> {
        let failed = |error: tokio_postgres::Error| BenchError::part("floor")(error.into());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, driver) = runtime.block_on(url.connect(tokio_postgres::NoTls)).map_err(failed)?;
        let mut connection = JoinSet::new();
        runtime.block_on(async {
            connection.spawn(async move {
                let _ = driver.await;
            });
            client
                .batch_execute(
                    "CREATE TEMPORARY TABLE floor (plugin text, guild bigint, key text COLLATE \"C\", value text, \
                     PRIMARY KEY (plugin, guild, key)); INSERT INTO floor VALUES ('p', 1, 'key', '{\"n\":1}')",
                )
                .await
                .map_err(failed)
        })?;
        let statement = runtime
            .block_on(client.prepare("SELECT value FROM floor WHERE plugin = $1 AND guild = $2 AND key = $3"))
            .map_err(failed)?;
        Ok(Self { runtime, client, statement, _connection: connection })
    }
}

impl StubAnswer for Select {
    fn value(&mut self) -> Result<String, BenchError> {
        let row = self
            .runtime
            .block_on(self.client.query_one(&self.statement, &[&"p", &1_i64, &"key"]))
            .map_err(|error| BenchError::part("floor")(error.into()))?;
        Ok(row.get(0))
    }
}

fn tenant() -> Tenant {
    #[expect(clippy::unwrap_used, reason = "a constant that is a plugin id")]
    Tenant { plugin: "round_trip".parse().unwrap(), guild: GuildId(1) }
}
