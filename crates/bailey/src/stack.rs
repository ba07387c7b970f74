//! Everything plugins need to run on one machine, put together: a database, the services, the sandbox,
//! the host, and the client that speaks to a Discord. Which Discord that is, it does not know.
//!
//! [`Stack::start`] brings the parts up, [`Stack::connect`] lets events in, [`Stack::stop`] ends it all
//! from the top down.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{Directory, DiscordConfig, PublicKey, Rest, ShardPlan, ShardsStatus, Withheld};
use bailey_host::{
    Host, HostConfig, HostRates, HostTimings, Installation, Observer, RoomLimits, sandbox_spawner,
};
use bailey_protocol::host_message::{Lifecycle, Mode};
use bailey_protocol::method::sql::SqlIsolation;
use bailey_protocol::{ApplicationId, Clock, Grants, GuildId, Tenant, Timestamp};
use bailey_sandbox::Sandbox;
use bailey_services::commands::Offer;
use bailey_services::{DatabaseOptions, RedisServer, Services, ServicesOptions, Sql, SqlOptions};
use bailey_store::{Install, InstallationRecord, Republish, Store};
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::LongLivedOptions;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::incoming::InteractionsEndpoint;
use crate::link::{Left, Link, LinkOptions};
use crate::offers::{OfferError, Offers};
use crate::operations::Parts;
use crate::plugin::LoadedPlugin;
use crate::records::Records;
use crate::standing::{self, Found, Standing};
use crate::trace::Trace;

/// What a run is made of.
pub(crate) struct StackOptions {
    pub(crate) database: Database,
    /// Where plugins are walled in; to have one is to have tried it out.
    pub(crate) sandbox: Sandbox,
    pub(crate) discord: DiscordConfig,
    /// What the operator chose about the services.
    pub(crate) services: ServicesOptions,
    /// How plugins' tables are kept, whatever their manifests ask for.
    pub(crate) sql_isolation: Option<SqlIsolation>,
    /// Names of slash commands that no plugin gets.
    pub(crate) reserved_commands: Vec<String>,
    pub(crate) timings: HostTimings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Observer,
    /// Where each event that is taken in is written down, if anywhere.
    pub(crate) trace: Option<Trace>,
}

/// A running whole.
pub(crate) struct Stack {
    host: Host,
    services: Services,
    store: Store,
    records: Records,
    offers: Offers,
    discord: DiscordConfig,
    directory: Directory,
    link: Option<Link>,
    left: Option<Left>,
    application: ApplicationId,
    plan: ShardPlan,
    trace: Option<Trace>,
    database: Database,
    plugins_database: bailey_services::Database,
    sandbox: Sandbox,
    clock: Arc<dyn Clock>,
    sql_isolation: Option<SqlIsolation>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Stack {
    /// Starts the parts from the ground up. Events come once it is connected.
    pub(crate) async fn start(options: StackOptions) -> Result<Self, CommandError> {
        let failed = |error: &dyn std::error::Error| CommandError::failed(chain(error));
        let StackOptions { database, sandbox, mut discord, clock, .. } = options;
        let store = Store::connect(&database.urls.platform).await.map_err(|error| failed(&error))?;
        let (rest, application) = Rest::connect(&discord).await.map_err(|error| failed(&error))?;
        for Withheld { intent, name, without } in application.withheld(discord.intents) {
            // Rather less than nothing at all: Discord would close the connection for good.
            discord.intents.remove(intent);
            tracing::warn!(
                "the bot has no {name}: {without}. Switch it on on the Bot page of the developer portal and start Bailey again"
            );
        }
        let plan = rest.shard_plan(discord.shards).await.map_err(|error| failed(&error))?;
        let directory = Directory::new();
        let plugins_database =
            bailey_services::Database::connect(&database.urls.plugins, &DatabaseOptions::default())
                .await
                .map_err(|error| failed(&error))?;
        let services = Services::new(
            plugins_database.clone(),
            open_sql(&database, Arc::clone(&clock)).await?,
            rest.clone(),
            directory.clone(),
            Arc::clone(&clock),
            options.services,
        );
        let tasks = TaskTracker::new();
        let stopping = CancellationToken::new();
        let (sweeping, stop_sweeping) = (services.clone(), stopping.clone());
        tasks.spawn(async move { sweeping.run_sweepers(stop_sweeping).await });

        let offers =
            Offers::new(store.clone(), rest, application.id, Arc::clone(&clock), &options.reserved_commands);
        let records = Records::new(store.clone(), Arc::clone(&clock));
        let host = Host::start(HostConfig {
            spawner: sandbox_spawner(sandbox.clone()),
            calls: Arc::new(services.clone()),
            dead_letters: Some(records.letters()),
            cron_claims: Some(records.cron_claims()),
            clock: Arc::clone(&clock),
            timings: options.timings,
            rates: HostRates { room: room()?, ..HostRates::default() },
            observer: options.observer,
        });
        services.websockets.attach(Arc::new(host.clone()));
        records.run(&host).await.map_err(|error| failed(&error))?;
        Ok(Self {
            host,
            services,
            store,
            records,
            offers,
            discord,
            directory,
            link: None,
            left: None,
            application: application.id,
            plan,
            trace: options.trace,
            database,
            plugins_database,
            sandbox,
            clock,
            sql_isolation: options.sql_isolation,
            tasks,
            stopping,
        })
    }

    /// Begins to listen to Discord. What happened before is not heard of.
    pub(crate) fn connect(&mut self) {
        self.listen(Vec::new());
    }

    /// Begins to listen to Discord where the last Bailey stopped, if Discord still knows where that was.
    pub(crate) async fn go_on(&mut self, data: &Path) -> Result<(), CommandError> {
        let intents = self.discord.intents.bits();
        let (store, application) = (&self.store, self.application);
        let standings =
            standing::go_on(store, application, &self.plan, intents, data, &self.directory).await?;
        self.listen(standings);
        Ok(())
    }

    fn listen(&mut self, standings: Vec<(Standing, Option<Found>)>) {
        let link = Link::start(LinkOptions {
            discord: &self.discord,
            plan: &self.plan,
            host: &self.host,
            interactions: self.services.interactions.clone(),
            clock: Arc::clone(&self.clock),
            directory: &self.directory,
            trace: self.trace.clone(),
            standings,
        });
        self.records.watch(link.each());
        self.link = Some(link);
    }

    /// Takes interactions by HTTP too, once connected.
    pub(crate) async fn take_interactions(
        &self,
        bind: SocketAddr,
        key: PublicKey,
    ) -> Result<Option<InteractionsEndpoint>, CommandError> {
        let Some(link) = &self.link else { return Ok(None) };
        let (clock, directory) = (Arc::clone(&self.clock), self.directory.clone());
        InteractionsEndpoint::open(bind, key, clock, directory, link.intake()).await.map(Some)
    }

    /// What an operator's probes ask.
    pub(crate) fn parts(&self) -> Parts {
        let (sql, ephemeral) = (self.services.sql.clone(), self.services.ephemeral.clone());
        Parts { store: self.store.clone(), sql, ephemeral, gateway: None }
    }

    /// The same, with the connection to Discord.
    pub(crate) fn parts_with_discord(&self) -> Parts {
        Parts { gateway: Some(self.gateway()), ..self.parts() }
    }

    /// The platform's records.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The present instant, as the clock of this run has it.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets plugins act by themselves: tells them the time, makes their connections. For when Discord has told of their
    /// servers.
    pub(crate) fn wake(&self) {
        self.host.begin_to_tell_time();
        self.services.websockets.begin();
    }

    /// What plugins may call.
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// Where plugins run.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// The servers the bot is in, as far as told.
    pub(crate) fn guilds(&self) -> Vec<GuildId> {
        self.directory.guilds()
    }

    /// The way events come, once connected.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// How the connections to Discord are doing; a channel that says nothing before there are any.
    pub(crate) fn gateway(&self) -> watch::Receiver<ShardsStatus> {
        match &self.link {
            Some(link) => link.status(),
            None => watch::channel(ShardsStatus::default()).1,
        }
    }

    /// Records a plugin and that it is installed on a server, with everything its manifest asks for: whoever
    /// runs Bailey chose it. Says whether it was not there before.
    pub(crate) async fn record(&self, plugin: &LoadedPlugin, guild: GuildId) -> Result<bool, CommandError> {
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
        let tenant = Tenant { plugin: manifest.id.clone(), guild };
        let known = self.store.installation(&tenant).await.map_err(|error| failed(&error))?;
        let install = Install {
            tenant,
            version: manifest.version.clone(),
            capabilities: manifest.capabilities,
            domains: manifest.proxy_domains.clone(),
            enabled: true,
        };
        self.store.install(&install, now).await.map_err(|error| failed(&error))?;
        Ok(known.is_none())
    }

    /// What plugins of one server offer together, in the order they were installed.
    pub(crate) fn choose_commands<'a>(&self, plugins: impl IntoIterator<Item = &'a LoadedPlugin>) -> Offer {
        self.offers.choose(plugins.into_iter().map(|plugin| &plugin.package))
    }

    /// Makes these the bot's commands on a server, in place of all it had there.
    pub(crate) async fn offer_commands(&self, guild: GuildId, mut offer: Offer) -> Result<Offer, OfferError> {
        self.services.interactions.offer(guild, &offer); // what was written earlier may be used already
        self.offers.make(guild, &mut offer).await?;
        Ok(offer)
    }

    /// Waits until everybody who was typing an option has been answered.
    pub(crate) async fn suggestions_shown(&self) {
        self.services.interactions.suggestions_shown().await;
    }

    /// Servers that were offered commands by an earlier Bailey, perhaps of plugins that are gone.
    pub(crate) async fn once_offered(&self) -> Result<Vec<GuildId>, CommandError> {
        self.offers.remembered().await.map_err(|error| CommandError::failed(chain(&error)))
    }

    /// Gives a recorded installation its place in the host; its process starts when there is something to
    /// tell it. `offer` says under which names people find its commands.
    pub(crate) async fn bring_alive(&self, plugin: &LoadedPlugin, record: InstallationRecord, offer: &Offer) {
        let manifest = &plugin.package.manifest;
        let isolation = self.sql_isolation.or(manifest.sql_isolation).unwrap_or_default();
        self.services.sql.isolate(&manifest.id, isolation);
        let grants = Grants::new(record.tenant, record.capabilities).with_domains(record.domains);
        let kept = Arc::new(grants.clone());
        self.host
            .install(Installation {
                grants,
                version: record.version,
                code: plugin.code.clone(),
                mode: Mode::Pool,
                commands: offer.names_of(&manifest.id),
                schedules: manifest.schedules.clone(),
            })
            .await;
        if let Err(error) = self.services.websockets.restore(&kept).await {
            let tenant = kept.tenant();
            tracing::error!(%tenant, %error, "the connections of {tenant} are not made again");
        }
    }

    /// Tells a plugin that it was installed and switched on.
    pub(crate) async fn welcome(&self, tenant: &Tenant) {
        for lifecycle in [Lifecycle::Install, Lifecycle::Enable] {
            if let Err(error) = self.host.announce(tenant, lifecycle).await {
                tracing::debug!(%tenant, ?lifecycle, %error, "a lifecycle message was not handled");
            }
        }
    }

    /// Stops the parts from the top down; everything saved stays. With `patience`, nothing new is let in and
    /// the plugins first finish what has reached us; it says whether they did.
    pub(crate) async fn stop(mut self, patience: Option<Duration>) -> bool {
        let mut finished = true;
        self.services.websockets.shut_down().await;
        if let Some(patience) = patience {
            self.unlink().await;
            finished = tokio::time::timeout(patience, self.host.quiesced()).await.is_ok();
        }
        self.host.shutdown().await;
        self.unlink().await;
        self.records.stop().await;
        if let Some(left) = self.left.take() {
            left.write(&self.directory).await; // every event is done by now, or put aside
        }
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.services.shut_down().await;
        self.sandbox.settle().await;
        // Connections are closed before the server they lead to.
        self.plugins_database.close();
        self.store.close();
        self.database.stop().await;
        finished
    }

    async fn unlink(&mut self) {
        if let Some(link) = self.link.take() {
            self.left = Some(link.stop().await);
        }
    }
}

/// What plugins may take of this machine.
fn room() -> Result<RoomLimits, CommandError> {
    Ok(RoomLimits { memory_bytes: crate::memory::for_plugins()?, ..RoomLimits::default() })
}

/// The service of plugins' tables, on a database that is closed to plugins in every other way.
async fn open_sql(database: &Database, clock: Arc<dyn Clock>) -> Result<Sql, CommandError> {
    let Some(config) = &database.urls.sql else {
        tracing::warn!("plugins have no tables: no --sql-database-url is given beside --database-url");
        return Ok(Sql::unavailable());
    };
    let rng: StdRng = rand::make_rng();
    Sql::connect(config, &SqlOptions::default(), clock, rng)
        .await
        .map_err(|error| CommandError::failed(chain(&error)))
}

/// The Redis the operator named, if any.
pub(crate) fn redis_server(options: &LongLivedOptions) -> Result<Option<RedisServer>, CommandError> {
    let parsed = options.redis.as_deref().map(RedisServer::parse).transpose();
    parsed.map_err(|error| CommandError::usage(chain(&error)))
}
