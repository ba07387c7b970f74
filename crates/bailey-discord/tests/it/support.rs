//! One simulator, one client, and waits that end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{
    Application, BotToken, Directory, DiscordConfig, Endpoints, Gateway, GatewayState, GatewayStatus, Rest,
};
use bailey_protocol::{ChannelId, Clock, Event, EventKind, GuildId, Timestamp};
use bailey_sim::{ClockMode, Control, Receipt, Say, SimConfig, Simulator, World};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

/// Longer than anything here takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that stands still.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_735_689_600_000)
    }

    fn sleep_until(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// A simulator and everything connected to it.
pub(crate) struct Rig {
    pub(crate) simulator: Simulator,
    pub(crate) control: Control,
    pub(crate) config: DiscordConfig,
    pub(crate) directory: Directory,
    pub(crate) gateway: Gateway,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) status: watch::Receiver<GatewayStatus>,
    pub(crate) rest: Rest,
    pub(crate) application: Application,
}

pub(crate) async fn simulator(world: World) -> Simulator {
    let config = SimConfig { clock: ClockMode::manual(), seed: 7, world, ..SimConfig::default() };
    Simulator::start(config).await.unwrap()
}

pub(crate) fn config(simulator: &Simulator) -> DiscordConfig {
    let token = BotToken::new(&simulator.bot_token());
    DiscordConfig::new(token, Endpoints::simulator(simulator.address()))
}

/// A client that is only sending.
pub(crate) async fn sender() -> (Simulator, Rest, Application) {
    let simulator = simulator(World::default_world()).await;
    let (rest, application) = Rest::connect(&config(&simulator)).await.unwrap();
    (simulator, rest, application)
}

impl Rig {
    /// The default world, connected and told of its server.
    pub(crate) async fn start() -> Self {
        let simulator = simulator(World::default_world()).await;
        let config = config(&simulator);
        let directory = Directory::new();
        let (sink, events) = mpsc::channel(64);
        let gateway = Gateway::start(&config, sink, Arc::new(Still), directory.clone());
        let mut status = gateway.status();
        reached(&mut status, |status| status.state == GatewayState::Ready && status.guilds == 1).await;
        let (rest, application) = Rest::connect(&config).await.unwrap();
        let control = simulator.control();
        Self { simulator, control, config, directory, gateway, events, status, rest, application }
    }

    /// The next event of this kind; others before it are left out.
    pub(crate) async fn next(&mut self, kind: EventKind) -> Event {
        next(&mut self.events, kind).await
    }

    /// Waits until what an action caused was taken in.
    pub(crate) async fn settled(&mut self, receipt: &Receipt) {
        let sequence = receipt.sessions[0].sequence;
        reached(&mut self.status, |status| status.processed_sequence >= sequence).await;
    }

    pub(crate) fn guild(&self) -> GuildId {
        self.directory.guilds()[0]
    }
}

/// `#general` of the default world, whose ids never change.
pub(crate) fn general() -> ChannelId {
    channel("general")
}

pub(crate) fn channel(name: &str) -> ChannelId {
    let world = World::default_world();
    let channel = world.guilds[0].channels.iter().find(|channel| channel.name == name);
    ChannelId(channel.unwrap().id.0)
}

pub(crate) async fn next(events: &mut mpsc::Receiver<Event>, kind: EventKind) -> Event {
    let wanted = async {
        loop {
            let event = events.recv().await.expect("the gateway ended");
            if event.kind == kind {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("no {kind} came"))
}

pub(crate) async fn reached(
    status: &mut watch::Receiver<GatewayStatus>,
    condition: impl FnMut(&GatewayStatus) -> bool,
) -> GatewayStatus {
    if let Ok(reached) = tokio::time::timeout(PATIENCE, status.wait_for(condition)).await {
        return reached.expect("the gateway ended").clone();
    }
    panic!("the gateway is still {:?}", *status.borrow())
}

pub(crate) fn payload(event: &Event) -> Value {
    Value::Object((*event.payload).clone())
}

pub(crate) fn say(content: &str) -> Say {
    Say { content: content.to_owned(), ..Say::default() }
}
