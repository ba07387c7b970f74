//! A stack whose Discord is simulated in the same process: what `dev` and `try` run. Data takes the
//! route it takes in production; only Discord is not the real one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{BotToken, DiscordConfig, Endpoints, GatewayState, ShardsStatus};
use bailey_host::{BreakerLimits, CronTimings, HostTimings, Observer};
use bailey_outbound::Network;
use bailey_outbound::fixtures::Fixtures;
use bailey_protocol::method::sql::SqlIsolation;
use bailey_protocol::{Clock, GuildId, PluginId, Tenant};
use bailey_services::{Secrets, ServicesOptions};
use bailey_sim::{ClockMode, Control, SimConfig, Simulator, Snowflake, World};

use crate::database::{Choice, Database};
use crate::error::{CommandError, chain};
use crate::operations::Parts;
use crate::places::Folders;
use crate::plugin::LoadedPlugin;
use crate::stack::{Stack, StackOptions};
use crate::walls::Walls;

/// The longest a script's clock is moved at once, and a day.
const A_YEAR: Duration = Duration::from_secs(367 * 86_400);
/// How long the simulated Discord may take to let the bot in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

/// What such a run is made of.
pub(crate) struct SimulatedOptions<'a> {
    pub(crate) folders: &'a Folders,
    pub(crate) database: Choice,
    /// What is chosen about the services.
    pub(crate) services: ServicesOptions,
    pub(crate) python: &'a Path,
    /// Around each plugin.
    pub(crate) walls: Walls,
    pub(crate) bind: SocketAddr,
    pub(crate) servers: u16,
    /// How plugins' tables are kept, whatever their manifests ask for.
    pub(crate) sql_isolation: Option<SqlIsolation>,
    pub(crate) simulator_clock: ClockMode,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Observer,
}

/// A running whole, its Discord included.
pub(crate) struct Simulated {
    simulator: Simulator,
    stack: Stack,
    guilds: Vec<GuildId>,
}

impl Simulated {
    /// Starts the parts from the ground up.
    pub(crate) async fn start(options: SimulatedOptions<'_>) -> Result<Self, CommandError> {
        let (sandbox, database) = tokio::try_join!(
            options.walls.put_up(options.python, options.folders),
            Database::start(options.database, options.folders),
        )?;
        let world = world(options.servers);
        let guilds = world.guilds.iter().map(|guild| GuildId(guild.id.0)).collect();
        let simulator = Simulator::start(SimConfig {
            clock: options.simulator_clock,
            seed: 0,
            bind: options.bind,
            world,
            ..SimConfig::default()
        })
        .await
        .map_err(|error| CommandError::failed(chain(&error)))?;
        let token = BotToken::new(&simulator.bot_token());
        let mut stack = Stack::start(StackOptions {
            database,
            sandbox,
            discord: DiscordConfig::new(token, Endpoints::simulator(simulator.address())),
            services: options.services,
            sql_isolation: options.sql_isolation,
            reserved_commands: Vec::new(),
            // Its author is watching: say once that it does not start, instead of trying again.
            timings: HostTimings {
                breakers: BreakerLimits { failed_starts: 1, ..BreakerLimits::default() },
                // A clock that is moved by hand jumps: what is due on the way is told in its order, all at once.
                cron: match options.simulator_clock {
                    ClockMode::Manual { .. } => CronTimings { late: A_YEAR, spread: Duration::ZERO },
                    ClockMode::Real => CronTimings::default(),
                },
                ..HostTimings::default()
            },
            clock: options.clock,
            observer: options.observer,
            trace: None,
        })
        .await?;
        stack.connect();
        let simulated = Self { simulator, stack, guilds };
        simulated.connected().await?;
        simulated.stack.wake();
        Ok(simulated)
    }

    /// The address of the simulated Discord.
    pub(crate) fn address(&self) -> SocketAddr {
        self.simulator.address()
    }

    /// What an operator's probes ask.
    pub(crate) fn parts(&self) -> Parts {
        self.stack.parts()
    }

    /// The secrets of plugins.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.stack.services().secrets
    }

    /// The plugins that are installed.
    pub(crate) async fn plugins(&self) -> Result<BTreeSet<PluginId>, String> {
        let records = self.stack.store().installations().await.map_err(|error| chain(&error))?;
        Ok(records.into_iter().map(|record| record.tenant.plugin).collect())
    }

    /// The answers other servers give, where those are written down.
    pub(crate) fn fixtures(&self) -> Option<&Fixtures> {
        match self.stack.services().http.network() {
            Network::Fixtures(fixtures) => Some(fixtures),
            Network::Internet => None,
        }
    }

    /// The hands and eyes of people in the simulated Discord.
    pub(crate) fn control(&self) -> Control {
        self.simulator.control()
    }

    /// Installs a plugin on every server, with everything its manifest asks for: who runs `dev` or
    /// `try` is its author.
    pub(crate) async fn install(&self, plugin: &LoadedPlugin) -> Result<(), CommandError> {
        for guild in &self.guilds {
            self.stack.record(plugin, *guild).await?;
            let tenant = Tenant { plugin: plugin.package.manifest.id.clone(), guild: *guild };
            let found = self.stack.store().installation(&tenant).await;
            let record = found
                .map_err(|error| CommandError::failed(chain(&error)))?
                .ok_or_else(|| CommandError::failed(format!("{tenant} was installed and is not there")))?;
            let offer = self.stack.choose_commands([plugin]);
            let offered = self.stack.offer_commands(*guild, offer).await;
            let offer = offered.map_err(|error| {
                CommandError::failed(format!("Discord did not take the plugin's commands: {}", chain(&error)))
            })?;
            if let Some(command) = offer.commands().iter().find(|command| command.problem.is_some()) {
                let why = command.problem.as_deref().unwrap_or_default();
                return Err(CommandError::failed(format!("Discord would not take /{}: {why}", command.name)));
            }
            self.stack.bring_alive(plugin, record, &offer).await;
            self.stack.welcome(&tenant).await;
        }
        Ok(())
    }

    /// Waits until nothing is under way: all that happened has reached the plugins, every event is
    /// acknowledged and every call answered. False when `within` passed first.
    pub(crate) async fn settled(&self, within: Duration) -> bool {
        let settling = async {
            loop {
                let wanted = self.dispatched();
                if let Some(link) = self.stack.link() {
                    link.taken_in(wanted).await;
                }
                self.stack.host().told_the_time(self.stack.now()).await;
                self.stack.services().websockets.settled().await;
                if let Some(fixtures) = self.fixtures() {
                    fixtures.settled().await;
                }
                self.stack.host().quiesced().await;
                self.stack.suggestions_shown().await;
                // What plugins did may have caused new events: the bot sees its own messages, servers answer.
                let servers_are_quiet = self.fixtures().is_none_or(|fixtures| fixtures.is_quiet());
                let told_of_it = servers_are_quiet && self.stack.services().websockets.is_settled();
                if self.dispatched() == wanted && told_of_it {
                    return;
                }
            }
        };
        tokio::time::timeout(within, settling).await.is_ok()
    }

    /// What is still going on, for a person who waits.
    pub(crate) fn under_way(&self) -> String {
        let busy: Vec<String> = self
            .stack
            .host()
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

    async fn connected(&self) -> Result<(), CommandError> {
        let mut status = self.stack.gateway();
        let wanted = self.guilds.len();
        let arrived = |status: &ShardsStatus| match status.state() {
            GatewayState::Fatal(_) => true,
            state => state == GatewayState::Ready && status.guilds >= wanted,
        };
        let state = match tokio::time::timeout(CONNECT_DEADLINE, status.wait_for(arrived)).await {
            Ok(Ok(status)) => status.state(),
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
        self.stack.stop(None).await;
        self.simulator.shutdown().await;
    }
}

/// The default world, with as many servers as asked for: "Test Server", "Test Server 2", ...
pub(crate) fn world(servers: u16) -> World {
    (2..=servers).fold(World::default_world(), |world, number| {
        world.guild(&format!("Test Server {number}"), "alice", |guild| {
            guild.text_channel("general").text_channel("random").member("bob", &[]).member("carol", &[])
        })
    })
}
