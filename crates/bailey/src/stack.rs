//! Everything a plugin needs to run on one machine, put together: a simulated Discord, the client
//! that speaks to it, a database, the services, the sandbox, the host.
//!
//! Data takes the route it takes in production; only Discord is simulated.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{
    BotToken, Directory, DiscordConfig, Endpoints, Gateway, GatewayState, GatewayStatus, Rest,
};
use bailey_host::{Host, HostConfig, HostRates, HostTimings, Installation, Observer, sandbox_spawner};
use bailey_protocol::host_message::{Lifecycle, Mode};
use bailey_protocol::{ApplicationId, Clock, Event, Grants, GuildId, Tenant};
use bailey_sandbox::{BareConfig, BareSandbox, NativeConfig, NativeSandbox, PythonRoot, Sandbox};
use bailey_services::{DatabaseOptions, Services};
use bailey_sim::{ClockMode, Control, SimConfig, Simulator, Snowflake, World};
use bailey_store::{Install, Republish, Store};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::database::{Choice, Database};
use crate::error::{CommandError, chain};
use crate::places::Folders;
use crate::plugin::LoadedPlugin;

/// Events between the gateway and the bus; when it is full the gateway waits.
const EVENTS_IN_TRANSIT: usize = 256;
/// How long the simulated Discord may take to let the bot in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

/// What a run is made of.
pub(crate) struct StackOptions<'a> {
    pub(crate) folders: &'a Folders,
    pub(crate) database: Choice,
    pub(crate) python: &'a Path,
    /// No sandbox at all: must have been asked for.
    pub(crate) unsafe_bare: bool,
    pub(crate) bind: SocketAddr,
    pub(crate) servers: u16,
    pub(crate) simulator_clock: ClockMode,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Observer,
}

/// A running whole.
pub(crate) struct Stack {
    simulator: Simulator,
    gateway: Gateway,
    forwarded: watch::Receiver<u64>,
    host: Host,
    services: Services,
    store: Store,
    rest: Rest,
    application: ApplicationId,
    database: Database,
    plugins_database: bailey_services::Database,
    sandbox: Sandbox,
    clock: Arc<dyn Clock>,
    guilds: Vec<GuildId>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Stack {
    /// Starts the parts from the ground up.
    pub(crate) async fn start(options: StackOptions<'_>) -> Result<Self, CommandError> {
        let (sandbox, database) = tokio::try_join!(
            open_sandbox(options.python, options.folders, options.unsafe_bare),
            Database::start(options.database, options.folders),
        )?;
        let failed = |error: &dyn std::error::Error| CommandError::failed(chain(error));
        let store = Store::connect(&database.urls.platform).await.map_err(|error| failed(&error))?;

        let world = world(options.servers);
        let guilds = world.guilds.iter().map(|guild| GuildId(guild.id.0)).collect();
        let simulator = Simulator::start(SimConfig {
            clock: options.simulator_clock,
            seed: 0,
            bind: options.bind,
            world,
        })
        .await
        .map_err(|error| failed(&error))?;

        let token = BotToken::new(&simulator.bot_token());
        let config = DiscordConfig::new(token, Endpoints::simulator(simulator.address()));
        let (rest, application) = Rest::connect(&config).await.map_err(|error| failed(&error))?;
        let directory = Directory::new();
        let plugins_database =
            bailey_services::Database::connect(&database.urls.plugins, &DatabaseOptions::default())
                .await
                .map_err(|error| failed(&error))?;
        let services = Services::new(
            plugins_database.clone(),
            rest.clone(),
            directory.clone(),
            Arc::clone(&options.clock),
        );
        let tasks = TaskTracker::new();
        let stopping = CancellationToken::new();
        let (sweeping, stop_sweeping) = (services.clone(), stopping.clone());
        tasks.spawn(async move { sweeping.run_sweepers(stop_sweeping).await });

        let host = Host::start(HostConfig {
            spawner: sandbox_spawner(sandbox.clone()),
            calls: Arc::new(services.clone()),
            clock: Arc::clone(&options.clock),
            // Its author is watching: say once that it does not start, instead of trying again.
            timings: HostTimings { failed_starts: 1, ..HostTimings::default() },
            rates: HostRates::default(),
            observer: options.observer,
        });
        let (sink, events) = mpsc::channel(EVENTS_IN_TRANSIT);
        let gateway = Gateway::start(&config, sink, Arc::clone(&options.clock), directory);
        let (forwarded_sender, forwarded) = watch::channel(0);
        tasks.spawn(forward(events, host.clone(), forwarded_sender));
        let stack = Self {
            simulator,
            gateway,
            forwarded,
            host,
            services,
            store,
            rest,
            application: application.id,
            database,
            plugins_database,
            sandbox,
            clock: options.clock,
            guilds,
            tasks,
            stopping,
        };
        stack.connected().await?;
        Ok(stack)
    }

    /// The address of the simulated Discord.
    pub(crate) fn address(&self) -> SocketAddr {
        self.simulator.address()
    }

    /// The hands and eyes of people in the simulated Discord.
    pub(crate) fn control(&self) -> Control {
        self.simulator.control()
    }

    /// Installs a plugin on every server, with everything its manifest asks for: who runs `dev` or
    /// `try` is its author.
    pub(crate) async fn install(&self, plugin: &LoadedPlugin) -> Result<(), CommandError> {
        let failed = |error: &dyn std::error::Error| CommandError::failed(chain(error));
        let manifest = &plugin.package.manifest;
        let document = serde_json::Value::Object(manifest.document.clone());
        let now = self.clock.now();
        self.store
            .record_version(
                &manifest.id,
                &manifest.version,
                &plugin.package.content_hash,
                &document,
                Republish::Replace,
                now,
            )
            .await
            .map_err(|error| failed(&error))?;
        for guild in &self.guilds {
            let tenant = Tenant { plugin: manifest.id.clone(), guild: *guild };
            let install = Install {
                tenant: tenant.clone(),
                version: manifest.version.clone(),
                capabilities: manifest.capabilities,
                enabled: true,
            };
            self.store.install(&install, now).await.map_err(|error| failed(&error))?;
            self.enable(plugin, &tenant).await?;
        }
        Ok(())
    }

    /// Brings a stored installation to life: its commands, its place in the host, its first words.
    async fn enable(&self, plugin: &LoadedPlugin, tenant: &Tenant) -> Result<(), CommandError> {
        let record = self
            .store
            .installation(tenant)
            .await
            .map_err(|error| CommandError::failed(chain(&error)))?
            .ok_or_else(|| CommandError::failed(format!("{tenant} was installed and is not there")))?;
        let manifest = &plugin.package.manifest;
        let commands: Vec<serde_json::Value> =
            manifest.commands.iter().map(|command| command.definition.clone().into()).collect();
        self.rest.sync_guild_commands(self.application, tenant.guild, &commands).await.map_err(|error| {
            CommandError::failed(format!("Discord did not take the plugin's commands: {}", chain(&error)))
        })?;
        self.host
            .install(Installation {
                grants: Grants::new(tenant.clone(), record.capabilities),
                version: record.version,
                code: plugin.code.clone(),
                mode: Mode::Pool,
                commands: manifest.commands.iter().map(|command| command.name.clone()).collect(),
            })
            .await;
        for lifecycle in [Lifecycle::Install, Lifecycle::Enable] {
            if let Err(error) = self.host.announce(tenant, lifecycle).await {
                tracing::debug!(%tenant, ?lifecycle, %error, "a lifecycle message was not handled");
            }
        }
        Ok(())
    }

    /// Waits until nothing is under way: all that happened has reached the plugins, every event is
    /// acknowledged and every call answered. False when `within` passed first.
    pub(crate) async fn settled(&self, within: Duration) -> bool {
        let settling = async {
            loop {
                let wanted = self.dispatched();
                self.taken_in(wanted).await;
                self.host.quiesced().await;
                // What plugins did may have caused new events: the bot sees its own messages.
                if self.dispatched() == wanted {
                    return;
                }
            }
        };
        tokio::time::timeout(within, settling).await.is_ok()
    }

    /// What is still going on, for a person who waits.
    pub(crate) fn under_way(&self) -> String {
        let busy: Vec<String> = self
            .host
            .sessions()
            .into_iter()
            .filter(|session| session.queued + session.in_flight > 0)
            .map(|session| {
                format!(
                    "{} is {:?}, with {} events waiting and {} not acknowledged",
                    session.tenant, session.state, session.queued, session.in_flight
                )
            })
            .collect();
        if busy.is_empty() { "calls or events are still on their way".to_owned() } else { busy.join("; ") }
    }

    /// A server's name: as given, or by its number from 1.
    pub(crate) fn server_name(&self, given: &str) -> String {
        match given.parse::<usize>() {
            Ok(1) => "Test Server".to_owned(),
            Ok(number) if number <= self.guilds.len() => format!("Test Server {number}"),
            _ => given.to_owned(),
        }
    }

    /// A server's name by its id.
    pub(crate) fn server_of(&self, guild: Snowflake) -> Option<String> {
        let position = self.guilds.iter().position(|known| known.0 == guild.0)?;
        Some(self.server_name(&(position + 1).to_string()))
    }

    /// The simulator's last dispatch to us.
    fn dispatched(&self) -> u64 {
        self.simulator.control().sessions().iter().map(|session| session.sequence).max().unwrap_or(0)
    }

    /// Waits until the gateway has handed over everything up to `sequence`, and the bus has it.
    async fn taken_in(&self, sequence: u64) {
        let mut status = self.gateway.status();
        let events = match status.wait_for(|status| status.processed_sequence >= sequence).await {
            Ok(status) => status.events,
            Err(_) => return, // the gateway has ended: nothing more comes
        };
        let _ = self.forwarded.clone().wait_for(|forwarded| *forwarded >= events).await;
    }

    async fn connected(&self) -> Result<(), CommandError> {
        let mut status = self.gateway.status();
        let wanted = self.guilds.len();
        let arrived = |status: &GatewayStatus| match &status.state {
            GatewayState::Fatal(_) => true,
            state => *state == GatewayState::Ready && status.guilds >= wanted,
        };
        let state = match tokio::time::timeout(CONNECT_DEADLINE, status.wait_for(arrived)).await {
            Ok(Ok(status)) => status.state.clone(),
            _ => {
                return Err(CommandError::failed(
                    "the simulated Discord did not let the bot in; run it again",
                ));
            }
        };
        match state {
            GatewayState::Fatal(reason) => Err(CommandError::failed(reason)),
            _ => Ok(()),
        }
    }

    /// Stops the parts from the top down; everything saved stays.
    pub(crate) async fn stop(self) {
        self.host.shutdown().await;
        let _ = self.gateway.shutdown().await; // this Discord ends with us: nothing to resume
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.services.shut_down().await;
        if let Sandbox::Native(sandbox) = &self.sandbox {
            sandbox.settle().await;
        }
        self.simulator.shutdown().await;
        // Connections are closed before the server they lead to.
        self.plugins_database.close();
        self.store.close();
        self.database.stop().await;
    }
}

/// Moves events from the gateway to the bus, which may make it wait.
async fn forward(mut events: mpsc::Receiver<Event>, host: Host, forwarded: watch::Sender<u64>) {
    while let Some(event) = events.recv().await {
        if host.publish(event).await.is_err() {
            return; // the host is shutting down
        }
        forwarded.send_modify(|count| *count += 1);
    }
}

/// The sandbox, every layer tried out on this machine.
async fn open_sandbox(python: &Path, folders: &Folders, bare: bool) -> Result<Sandbox, CommandError> {
    if bare {
        tracing::warn!("NO SANDBOX: the plugin can do to this machine whatever you can");
        return Ok(Sandbox::Bare(BareSandbox::new(BareConfig { python: python.to_owned() })));
    }
    let (python, roots) = (python.to_owned(), folders.roots());
    let root = tokio::task::spawn_blocking(move || PythonRoot::build(&python, &roots))
        .await
        .map_err(|error| CommandError::failed(format!("building the sandbox's Python failed: {error}")))?
        .map_err(|error| CommandError::failed(chain(&error)))?;
    let sandbox = NativeSandbox::open(NativeConfig::new(root)).await.map_err(|error| {
        CommandError::failed(format!("the sandbox cannot be built on this machine: {}", chain(&error)))
    })?;
    Ok(Sandbox::Native(sandbox))
}

/// The default world, with as many servers as asked for: "Test Server", "Test Server 2", ...
pub(crate) fn world(servers: u16) -> World {
    (2..=servers).fold(World::default_world(), |world, number| {
        world.guild(&format!("Test Server {number}"), "alice", |guild| {
            guild.text_channel("general").text_channel("random").member("bob", &[]).member("carol", &[])
        })
    })
}
