//! A simulated Discord with a bot connected to it, both on one clock moved by hand.

use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{BotToken, Directory, DiscordConfig, Endpoints, Gateway, GatewayState, Rest};
use bailey_protocol::event::Interaction;
use bailey_protocol::{ApplicationId, Clock, Event, GuildId, Tenant};
use bailey_sim::{Click, ClockMode, CommandUse, Control, Sight, SimConfig, Simulator, Submit, World};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{ManualClock, START, tenant};

/// How long anything that should happen may take.
const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Simulated {
    pub(crate) control: Control,
    pub(crate) rest: Rest,
    pub(crate) directory: Directory,
    pub(crate) clock: ManualClock,
    pub(crate) guilds: Vec<GuildId>,
    pub(crate) application: ApplicationId,
    events: tokio::sync::Mutex<mpsc::Receiver<Event>>,
    _gateway: Gateway,
    _simulator: Simulator,
}

impl Simulated {
    /// The default world, a second server `Elsewhere` with the channel `#far`, and the command `/greet`.
    pub(crate) async fn start() -> Self {
        let world = World::default_world().guild("Elsewhere", "bob", |guild| guild.text_channel("far"));
        let guilds: Vec<GuildId> = world.guilds.iter().map(|guild| GuildId(guild.id.0)).collect();
        let clock = ClockMode::Manual { start_ms: START.0.unsigned_abs() };
        let simulator = Simulator::start(SimConfig { clock, world, ..SimConfig::default() }).await.unwrap();
        let token = BotToken::new(&simulator.bot_token());
        let config = DiscordConfig::new(token, Endpoints::simulator(simulator.address()));
        let (rest, application) = Rest::connect(&config).await.unwrap();
        let commands = [json!({"name": "greet", "description": "says hello", "options": []})];
        rest.sync_guild_commands(application.id, guilds[0], &commands).await.unwrap();

        let (sink, events) = mpsc::channel(64);
        let (directory, clock) = (Directory::new(), ManualClock::new());
        let gateway = Gateway::start(&config, sink, Arc::new(clock.clone()), directory.clone());
        let mut status = gateway.status();
        let ready = status.wait_for(|status| status.state == GatewayState::Ready && status.guilds == 2);
        tokio::time::timeout(SOON, ready).await.unwrap().unwrap();
        let control = simulator.control();
        let events = tokio::sync::Mutex::new(events);
        Self {
            control,
            rest,
            directory,
            clock,
            guilds,
            application: application.id,
            events,
            _gateway: gateway,
            _simulator: simulator,
        }
    }

    /// A plugin on the first server.
    pub(crate) fn tenant(&self, plugin: &str) -> Tenant {
        tenant(plugin, self.guilds[0].0)
    }

    /// Moves both clocks: Discord's first, so that nobody is early.
    pub(crate) fn advance(&self, time: Duration) {
        self.control.advance(time).unwrap();
        self.clock.advance(time);
    }

    /// Alice runs `/greet`.
    pub(crate) async fn command(&self) -> Interaction {
        self.control.command(CommandUse { name: "greet".into(), ..CommandUse::default() }).unwrap();
        self.interaction().await
    }

    /// Alice presses the newest button of this id.
    pub(crate) async fn click(&self, custom_id: &str) -> Interaction {
        self.control.click(&Click { custom_id: Some(custom_id.into()), ..Click::default() }).unwrap();
        self.interaction().await
    }

    /// Alice sends the form in front of her.
    pub(crate) async fn submit(&self) -> Interaction {
        let values = json!({"name": "Alice"}).as_object().unwrap().clone();
        self.control.submit(&Submit { values, ..Submit::default() }).unwrap();
        self.interaction().await
    }

    async fn interaction(&self) -> Interaction {
        self.event().await.interaction.unwrap()
    }

    /// The next event that is an interaction.
    pub(crate) async fn event(&self) -> Event {
        let mut events = self.events.lock().await;
        let next = async {
            loop {
                let event = events.recv().await.unwrap();
                if event.interaction.is_some() {
                    assert_eq!(event.received_at, self.clock.now());
                    return event;
                }
            }
        };
        tokio::time::timeout(SOON, next).await.unwrap()
    }

    /// Where the feed stands: what follows is new.
    pub(crate) fn mark(&self) -> u64 {
        self.control.observed_since(0).last().map_or(0, |seen| seen.index)
    }

    /// What people saw since the mark, one word or two each.
    pub(crate) fn seen_since(&self, mark: u64) -> Vec<String> {
        self.control.observed_since(mark).iter().map(|seen| words(&seen.what)).collect()
    }

    /// Waits for people to see something after the mark.
    pub(crate) async fn wait_seen(&self, mark: u64) -> Vec<String> {
        self.control.wait_observed(mark, SOON).await;
        self.seen_since(mark)
    }
}

fn words(sight: &Sight) -> String {
    let whom = |only: bool| if only { " to one" } else { "" };
    match sight {
        Sight::MessagePosted { message } => {
            format!("posted {}{}", message.content, whom(message.ephemeral_to.is_some()))
        }
        Sight::MessageEdited { message } => {
            format!("edited {}{}", message.content, whom(message.ephemeral_to.is_some()))
        }
        Sight::Thinking { ephemeral, .. } => format!("thinking{}", whom(*ephemeral)),
        Sight::ModalOpened { title, .. } => format!("form {title}"),
        Sight::MessageDeleted { .. } => "removed".to_owned(),
        Sight::InteractionFailed { .. } => "failed".to_owned(),
        other => format!("{other:?}"),
    }
}
