//! Same seed, same world, same inputs: same bytes.

use reqwest::Method;
use serde_json::json;

use crate::support::{Sim, say, using};

/// One short life of a simulator, with its port taken out of what it said.
async fn transcript(seed_shift: u64) -> String {
    let config = bailey_sim::SimConfig {
        clock: bailey_sim::ClockMode::manual(),
        seed: 40 + seed_shift,
        ..bailey_sim::SimConfig::default()
    };
    let mut sim = Sim::start().await;
    sim.simulator.shutdown().await;
    sim.simulator = bailey_sim::Simulator::start(config).await.unwrap();
    sim.control = sim.simulator.control();
    sim.rest.base = sim.simulator.http_base();
    sim.register(json!([{"name": "greet", "description": "d"}])).await;
    let mut gateway = crate::support::Gateway::open(&sim.simulator.gateway_url()).await;
    gateway.identify(&sim.simulator.bot_token(), crate::support::ALL_INTENTS).await;
    let mut lines = vec![gateway.event("READY").await, gateway.event("GUILD_CREATE").await];
    sim.control.say(say("one")).unwrap();
    lines.push(gateway.event("MESSAGE_CREATE").await);
    sim.control.advance(std::time::Duration::from_millis(1500)).unwrap();
    sim.control.command(using("greet", json!({}))).unwrap();
    let interaction = gateway.event("INTERACTION_CREATE").await;
    sim.answer(&interaction, json!({"type": 4, "data": {"content": "Hello"}})).await;
    lines.push(interaction);
    lines.push(gateway.event("MESSAGE_CREATE").await);
    lines.push(sim.rest.call(Method::GET, &format!("/channels/{}/messages", sim.general()), None).await.1);
    lines.push(json!(sim.control.observed_since(0)));
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    text.join("\n").replace(&sim.simulator.address().to_string(), "HOST")
}

#[tokio::test]
async fn the_same_inputs_give_the_same_bytes() {
    let first = transcript(0).await;
    assert_eq!(first, transcript(0).await);
    assert_ne!(first, transcript(1).await, "another seed gives other tokens");
}
