//! A host with fake processes, and the events to feed it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bailey_host::{
    Host, HostConfig, HostRates, HostTimings, Installation, Observation, Observer, PluginCode, SessionState,
    SessionView,
};
use bailey_protocol::event::{Interaction, InteractionKind, InteractionToken};
use bailey_protocol::host_message::Mode;
use bailey_protocol::{
    ApplicationId, Capability, Clock, Event, EventId, EventKind, Grants, GuildId, InteractionId, Tenant,
    Timestamp,
};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::fake::{Starts, spawner};
use crate::memory_calls::Shared;

/// A clock moved by hand.
#[derive(Default)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, _deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// A host under test.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) starts: Starts,
    pub(crate) calls: Shared,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) seen: Seen,
}

/// What the host told its observer.
pub(crate) struct Seen(pub(crate) UnboundedReceiver<Observation>);

impl Seen {
    /// The first observation from here on that `wanted` accepts.
    pub(crate) async fn next<T>(&mut self, mut wanted: impl FnMut(Observation) -> Option<T>) -> T {
        let found = async {
            loop {
                let observation = self.0.recv().await.expect("the host is gone");
                if let Some(found) = wanted(observation) {
                    return found;
                }
            }
        };
        timeout(Duration::from_secs(300), found).await.expect("the host did not tell what was awaited")
    }

    pub(crate) async fn problem(&mut self) -> String {
        self.next(|seen| if let Observation::Problem { message, .. } = seen { Some(message) } else { None })
            .await
    }

    pub(crate) async fn acked(&mut self) -> (String, bool) {
        self.next(|seen| match seen {
            Observation::EventAcked { event, handled, .. } => Some((event.to_string(), handled)),
            _ => None,
        })
        .await
    }

    /// The next time a session is in this state: whose, and why.
    pub(crate) async fn state(&mut self, wanted: SessionState) -> (Tenant, String) {
        self.next(|seen| match seen {
            Observation::SessionChanged { tenant, state, reason, .. } if state == wanted => {
                Some((tenant, reason))
            }
            _ => None,
        })
        .await
    }

    pub(crate) async fn dead_letter(&mut self) -> (String, String) {
        self.next(|seen| match seen {
            Observation::EventDeadLettered { event, reason, .. } => Some((event.to_string(), reason)),
            _ => None,
        })
        .await
    }
}

impl Bench {
    /// With the timings people meet; tests pause time.
    pub(crate) fn new() -> Self {
        Self::with(HostRates::default())
    }

    pub(crate) fn with(rates: HostRates) -> Self {
        Self::timed(rates, HostTimings::default())
    }

    pub(crate) fn timed(rates: HostRates, timings: HostTimings) -> Self {
        let (spawner, starts) = spawner();
        let (observer, seen) = Observer::channel();
        let (calls, clock) = (Shared::default(), Arc::new(HandClock::default()));
        let host = Host::start(HostConfig {
            spawner,
            calls: Arc::new(calls.clone()),
            dead_letters: None,
            cron_claims: None,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            timings,
            rates,
            observer,
        });
        Self { host, starts, calls, clock, seen: Seen(seen) }
    }

    /// A host with the plugin `demo` on server 9001.
    pub(crate) async fn installed() -> Self {
        let bench = Self::new();
        bench.host.install(installation(&demo())).await;
        bench
    }

    /// A session as seen from outside.
    pub(crate) fn view(&self, tenant: &Tenant) -> SessionView {
        self.host.sessions().into_iter().find(|view| view.tenant == *tenant).expect("no such session")
    }

    /// Installs `demo` on these servers.
    pub(crate) async fn install_on(&self, guilds: impl IntoIterator<Item = u64>) {
        for guild in guilds {
            self.host.install(installation(&self::tenant("demo", guild))).await;
        }
    }

    /// Publishes a message on a server.
    pub(crate) async fn say(&self, guild: u64, id: &str) {
        let message = event(guild, id, EventKind::MessageCreate, serde_json::json!({"content": "hi"}));
        self.host.publish(message).await.unwrap();
    }

    /// Publishes messages of server 9001.
    pub(crate) async fn publish(&self, ids: &[&str]) {
        for id in ids {
            self.host.publish(message(id)).await.unwrap();
        }
    }
}

pub(crate) fn tenant(plugin: &str, guild: u64) -> Tenant {
    Tenant { plugin: plugin.parse().unwrap(), guild: GuildId(guild) }
}

pub(crate) fn demo() -> Tenant {
    tenant("demo", 9001)
}

/// An installation with the capabilities most tests need.
pub(crate) fn installation(tenant: &Tenant) -> Installation {
    let capabilities = [
        Capability::StorageKv,
        Capability::DiscordSendMessage,
        Capability::InteractionRespond,
        Capability::EventsMessageContent,
    ];
    Installation {
        grants: Grants::new(tenant.clone(), capabilities.into_iter().collect()),
        version: "1.0.0".to_owned(),
        code: PluginCode { plugin_dir: "/plugin".into(), packages_dir: None },
        mode: Mode::Pool,
        commands: Vec::new(),
        schedules: Vec::new(),
    }
}

pub(crate) fn event(guild: u64, id: &str, kind: EventKind, payload: Value) -> Event {
    let payload = match payload {
        Value::Object(payload) => payload,
        _ => Map::new(),
    };
    Event {
        id: EventId::new(id),
        kind,
        guild: GuildId(guild),
        payload: Arc::new(payload),
        interaction: None,
        received_at: Timestamp(0),
    }
}

pub(crate) fn message(id: &str) -> Event {
    event(9001, id, EventKind::MessageCreate, serde_json::json!({"content": "hi", "channel_id": "42"}))
}

pub(crate) fn command(id: &str, interaction: u64) -> Event {
    let payload = serde_json::json!({"interaction_id": interaction.to_string(), "interaction_type": 2});
    let mut event = event(9001, id, EventKind::InteractionCreate, payload);
    event.interaction = Some(Interaction {
        id: InteractionId(interaction),
        application: ApplicationId(1),
        token: InteractionToken::new("token"),
        kind: InteractionKind::Command,
        command: Some("greet".to_owned()),
        custom_id: None,
        message: None,
        invoker: Default::default(),
    });
    event
}
