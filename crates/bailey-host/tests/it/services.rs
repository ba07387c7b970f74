//! Every method, from the line a plugin writes to PostgreSQL and a simulated Discord, and back.

use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{BotToken, Directory, DiscordConfig, Endpoints, Gateway, GatewayState, Rest};
use bailey_host::{Host, HostConfig, HostRates, HostTimings, Observer};
use bailey_protocol::{Clock, Grants, GuildId, Method, Tenant};
use bailey_services::logs::{LogFilter, LogPlace, LogQuery};
use bailey_services::{Database, DatabaseOptions, Services, ServicesOptions, Sql};
use bailey_sim::{ClockMode, CommandUse, SimConfig, Simulator, World};
use bailey_store::testing::{shared_cluster, unique_schema};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::fake::{Fake, Starts, spawner};
use crate::support::{HandClock, installation};

/// A host on real services, fed by a real gateway.
struct House {
    host: Host,
    starts: Starts,
    services: Services,
    simulator: Simulator,
    tenant: Tenant,
    _gateway: Gateway,
    _pump: JoinSet<()>,
}

impl House {
    async fn build() -> Self {
        let world = World::default_world();
        let guild = GuildId(world.guilds[0].id.0);
        // Both clocks stand still: nobody is late in this test.
        let clock: Arc<dyn Clock> = Arc::new(HandClock::default());
        let config = SimConfig { clock: ClockMode::Manual { start_ms: 0 }, world, ..SimConfig::default() };
        let simulator = Simulator::start(config).await.unwrap();
        let discord = DiscordConfig::new(
            BotToken::new(&simulator.bot_token()),
            Endpoints::simulator(simulator.address()),
        );
        let (rest, application) = Rest::connect(&discord).await.unwrap();
        let greet = json!({"name": "greet", "description": "says hello", "options": []});
        rest.sync_guild_commands(application.id, guild, &[greet]).await.unwrap();

        let directory = Directory::new();
        let (sink, mut events) = mpsc::channel(64);
        let gateway = Gateway::start(&discord, sink, Arc::clone(&clock), directory.clone());
        let mut status = gateway.status();
        let ready = status.wait_for(|status| status.state == GatewayState::Ready && status.guilds > 0);
        tokio::time::timeout(Duration::from_secs(20), ready).await.unwrap().unwrap();

        let options = DatabaseOptions { schema: unique_schema(), ..DatabaseOptions::default() };
        let database = Database::connect(&shared_cluster().await.urls().plugins, &options).await.unwrap();
        let (sql, options) = (Sql::unavailable(), ServicesOptions::without_network().unwrap());
        let services = Services::new(database, sql, rest, directory, Arc::clone(&clock), options);
        let (spawner, starts) = spawner();
        let host = Host::start(HostConfig {
            spawner,
            calls: Arc::new(services.clone()),
            dead_letters: None,
            cron_claims: None,
            clock,
            timings: HostTimings::default(),
            rates: HostRates::default(),
            observer: Observer::default(),
        });
        let mut pump = JoinSet::new();
        let into = host.clone();
        pump.spawn(async move {
            while let Some(event) = events.recv().await {
                into.publish(event).await.unwrap();
            }
        });
        let tenant = Tenant { plugin: "demo".parse().unwrap(), guild };
        Self { host, starts, services, simulator, tenant, _gateway: gateway, _pump: pump }
    }

    fn greet(&self) {
        let greet = CommandUse { name: "greet".to_owned(), ..CommandUse::default() };
        self.simulator.control().command(greet).unwrap();
    }
}

/// One call and its whole result.
async fn check(plugin: &mut Fake, method: &str, params: Value, expected: Value) {
    let answer = plugin.call(1, method, &params.to_string()).await;
    assert_eq!(answer.get("result"), Some(&expected), "{method} {params}: {answer}");
}

/// The next interaction; the bot's own messages, which come as events too, are acknowledged.
async fn next_interaction(plugin: &mut Fake) -> Value {
    loop {
        let event = plugin.json().await;
        if event["method"] == "event.interaction_create" {
            return event;
        }
        plugin.ack(event["params"]["event_id"].as_str().unwrap()).await;
    }
}

#[tokio::test]
async fn every_method_reaches_its_service() {
    let mut house = House::build().await;
    house.host.install(installation(&house.tenant)).await;
    house.greet();
    let mut plugin = house.starts.next_ready().await;
    let plugin = &mut plugin;
    let event = plugin.json().await;
    let channel = event["params"]["event"]["channel_id"].clone();

    let done = json!({"ok": true});
    check(plugin, "kv.put", json!({"key": "a", "value": {"z": 1, "a": 2}}), done.clone()).await;
    check(plugin, "kv.get", json!({"key": "a"}), json!({"value": {"z": 1, "a": 2}})).await;
    check(plugin, "kv.increment", json!({"key": "a", "path": "z", "amount": 4}), json!({"value": 5})).await;
    check(plugin, "kv.decr", json!({"key": "n"}), json!({"value": -1})).await;
    check(plugin, "kv.mput", json!({"entries": {"b": 1, "c": 2}}), done.clone()).await;
    check(plugin, "kv.mget", json!({"keys": ["b", "x"]}), json!({"values": {"b": 1}})).await;
    check(plugin, "kv.del", json!({"key": "a"}), done.clone()).await;
    check(plugin, "kv.list", json!({}), json!({"keys": ["b", "c", "n"]})).await;
    check(plugin, "kv.list", json!({"count_only": true}), json!({"count": 3})).await;
    check(plugin, "kv.list_values", json!({"prefix": "c"}), json!({"values": {"c": 2}})).await;

    let key = json!({"key": "a"});
    check(plugin, "ephemeral.counter", key.clone(), json!({"count": 1})).await;
    check(plugin, "ephemeral.counter", json!({"key": "a", "window_seconds": 5}), json!({"count": 2})).await;
    check(plugin, "ephemeral.cooldown_set", json!({"key": "a", "ttl_seconds": 90}), done.clone()).await;
    let cooldown = json!({"active": true, "remaining_seconds": 90.0});
    check(plugin, "ephemeral.cooldown_check", key.clone(), cooldown).await;
    check(plugin, "ephemeral.dedup", key.clone(), json!({"is_new": true})).await;
    check(plugin, "ephemeral.dedup", key.clone(), json!({"is_new": false})).await;
    check(plugin, "ephemeral.flag_check", key.clone(), json!({"active": false})).await;
    check(plugin, "ephemeral.flag_set", key.clone(), done.clone()).await;
    check(plugin, "ephemeral.flag_check", key, json!({"active": true})).await;

    check(plugin, "metrics.record", json!({"metric": "uses"}), done.clone()).await;
    let tagged = json!({"metric": "uses", "value": 2.5, "tags": {"by": "alice"}});
    check(plugin, "metrics.record", tagged, done.clone()).await;
    check(plugin, "metrics.total", json!({"metric": "uses"}), json!({"total": 3.5})).await;
    let days: Vec<String> =
        (26..=31).map(|day| format!("1969-12-{day}")).chain(["1970-01-01".into()]).collect();
    let week = json!({"labels": days, "total": 3.5, "series": [
        {"name": "alice", "data": [0, 0, 0, 0, 0, 0, 2.5]},
        {"name": "(none)", "data": [0, 0, 0, 0, 0, 0, 1]}]});
    check(plugin, "metrics.query", json!({"metric": "uses", "group_by": "by"}), week).await;
    let nan = plugin.call(2, "metrics.record", r#"{"metric":"uses","value":null}"#).await;
    assert_eq!(nan["error"]["message"], "invalid value: a finite number up to 1e100 is required");

    let message = json!({"channel_id": channel, "content": "hi"}).to_string();
    let sent = plugin.call(2, "discord.send_message", &message).await;
    assert_eq!(sent["result"]["channel_id"], channel);
    // The interaction is found through the event in work, since the calls name none.
    check(plugin, "interaction.defer", json!({"_interaction_id": ""}), done.clone()).await;
    for method in ["interaction.respond", "interaction.followup"] {
        let answer = plugin.call(3, method, r#"{"_interaction_id":"","content":"hello"}"#).await;
        assert_eq!(answer["result"]["ok"], true, "{answer}");
    }
    plugin.ack(event["params"]["event_id"].as_str().unwrap()).await;

    house.greet();
    let earlier = event["params"]["event"]["interaction_id"].clone();
    let event = next_interaction(plugin).await;
    let row = json!({"type": 1, "components": [{"type": 4, "custom_id": "t", "style": 1, "label": "Text"}]});
    // In single mode an SDK may name the interaction of another event; the event it names is right.
    let form = json!({"_event_id": event["params"]["event_id"], "_interaction_id": earlier,
        "title": "Form", "custom_id": "f", "components": [row]});
    check(plugin, "interaction.send_modal", form, done).await;
    plugin.say(r#"{"method":"plugin.log","params":{"level":"warn","message":"almost done"}}"#).await;
    plugin.ack(event["params"]["event_id"].as_str().unwrap()).await;
    house.host.quiesced().await;
    house.services.logs.flush().await;
    let newest = LogQuery {
        filter: LogFilter::of(house.tenant.plugin.clone()),
        from: None,
        until: None,
        place: LogPlace::Newest,
        limit: 10,
    };
    let lines = house.services.logs.reader().page(&newest).await.unwrap().lines;
    assert!(lines.iter().any(|kept| kept.logged.line.message == "almost done"), "{lines:?}");
}

#[tokio::test]
async fn every_method_needs_its_capability() {
    let mut house = House::build().await;
    let mut poor = installation(&house.tenant);
    poor.grants = Grants::new(house.tenant.clone(), Default::default());
    house.host.install(poor).await;
    house.greet();
    let mut plugin = house.starts.next_ready().await;
    plugin.event().await;
    let free = [Method::PluginLog, Method::EventAck, Method::EventFail];
    let open = ["ephemeral.", "metrics."];
    let needs_none = |method: &Method| {
        free.contains(method) || open.iter().any(|family| method.as_str().starts_with(family))
    };
    for method in Method::ALL.iter().filter(|method| !needs_none(method)) {
        let answer = plugin.call(1, method.as_str(), "{}").await;
        assert_eq!(answer["error"]["code"], "CAPABILITY_DENIED", "{method}");
    }
    check(&mut plugin, "ephemeral.counter", json!({"key": "a"}), json!({"count": 1})).await;
}
