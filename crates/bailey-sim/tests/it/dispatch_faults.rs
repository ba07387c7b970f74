//! Faults of the gateway's dispatches and a clock that is wrong, seen by a raw client.

use bailey_sim::{DispatchFault, DispatchFaultRule, World};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ALL_INTENTS, Gateway, Sim, say, using};

fn rule(event: Option<&str>, times: u32, fault: DispatchFault) -> DispatchFaultRule {
    DispatchFaultRule { event: event.map(str::to_owned), times, fault }
}

/// Says words and gives what the client hears of them, with sequence numbers counted from the first.
async fn heard(sim: &Sim, gateway: &mut Gateway, words: &[&str], count: usize) -> Vec<(String, u64)> {
    let before = gateway.sequence;
    for word in words {
        sim.control.say(say(word)).unwrap();
    }
    let mut heard = Vec::new();
    for _ in 0..count {
        let content = gateway.event("MESSAGE_CREATE").await["content"].as_str().unwrap().to_owned();
        heard.push((content, gateway.sequence - before));
    }
    heard
}

fn pairs(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(word, number)| ((*word).to_owned(), *number)).collect()
}

#[tokio::test]
async fn a_dropped_dispatch_never_comes_and_leaves_no_gap() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    sim.control.dispatch_fault(rule(Some("MESSAGE_CREATE"), 2, DispatchFault::Drop)).unwrap();
    let heard = heard(&sim, &mut gateway, &["one", "two", "three", "four"], 2).await;
    assert_eq!(heard, pairs(&[("three", 1), ("four", 2)]));
    // It was said all the same, and REST knows.
    let (_, messages) = sim.rest.get(&format!("/channels/{}/messages", sim.general())).await;
    assert_eq!(messages.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_duplicated_dispatch_comes_twice_with_one_sequence_number() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    gateway.duplicates = true;
    sim.control.dispatch_fault(rule(Some("MESSAGE_CREATE"), 1, DispatchFault::Duplicate)).unwrap();
    let heard = heard(&sim, &mut gateway, &["one", "two"], 3).await;
    assert_eq!(heard, pairs(&[("one", 1), ("one", 1), ("two", 2)]));
}

#[tokio::test]
async fn a_reordered_dispatch_changes_places_with_the_next() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    sim.control.dispatch_fault(rule(None, 2, DispatchFault::Reorder)).unwrap();
    let heard = heard(&sim, &mut gateway, &["one", "two", "three", "four", "five"], 5).await;
    assert_eq!(heard, pairs(&[("two", 1), ("one", 2), ("four", 3), ("three", 4), ("five", 5)]));
}

#[tokio::test]
async fn clearing_faults_sends_what_was_held_back() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    sim.control.dispatch_fault(rule(None, 5, DispatchFault::Reorder)).unwrap();
    sim.control.say(say("one")).unwrap();
    sim.control.clear_faults();
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "one");
    assert_eq!(heard(&sim, &mut gateway, &["two"], 1).await, pairs(&[("two", 1)]));
}

#[tokio::test]
async fn only_the_named_event_suffers_and_every_session_alike() {
    let sim = Sim::start().await;
    let mut first = sim.identified().await;
    let mut second = sim.identified().await;
    // Nobody hears of guild events without the intent, so this uses up nothing.
    sim.control.dispatch_fault(rule(Some("MESSAGE_REACTION_ADD"), 1, DispatchFault::Drop)).unwrap();
    sim.control.say(say("one")).unwrap();
    for _ in 0..2 {
        let react = bailey_sim::React { emoji: "👍".to_owned(), ..Default::default() };
        sim.control.react(react.clone()).unwrap();
        sim.control.unreact(react).unwrap();
    }
    for gateway in [&mut first, &mut second] {
        gateway.event("MESSAGE_CREATE").await;
        gateway.event("MESSAGE_REACTION_REMOVE").await;
        gateway.event("MESSAGE_REACTION_ADD").await;
        gateway.event("MESSAGE_REACTION_REMOVE").await;
    }
}

#[tokio::test]
async fn a_server_may_never_show_up() {
    let sim = Sim::start().await;
    // Any event means none of the handshake.
    sim.control.dispatch_fault(rule(None, 1, DispatchFault::Drop)).unwrap();
    let mut gateway = Gateway::open(&sim.simulator.gateway_url()).await;
    gateway.identify(&sim.simulator.bot_token(), ALL_INTENTS).await;
    gateway.event("READY").await;
    sim.control.say(say("hello")).unwrap();
    gateway.event("MESSAGE_CREATE").await;
}

#[tokio::test]
async fn dispatch_faults_are_ordered_over_http_and_mistakes_are_named() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let order = json!({"event": "MESSAGE_CREATE", "fault": "drop"});
    assert_eq!(sim.rest.operate("dispatch_fault", order).await, (StatusCode::OK, json!({"ok": true})));
    assert_eq!(heard(&sim, &mut gateway, &["one", "two"], 1).await, pairs(&[("two", 1)]));
    let (status, error) =
        sim.rest.operate("dispatch_fault", json!({"event": "MESSAGE_CREAT", "fault": "drop"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(error["error"], "no event is called `MESSAGE_CREAT`");
    assert!(error["hint"].as_str().unwrap().contains("MESSAGE_CREATE"), "{error}");
    let (status, error) = sim.rest.operate("dispatch_fault", json!({"fault": "explode"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{error}");
    assert!(error["error"].as_str().unwrap().contains("`drop`"), "{error}");
    for _ in 0..100 {
        sim.control.dispatch_fault(rule(None, 1, DispatchFault::Drop)).unwrap();
    }
    let error = sim.control.dispatch_fault(rule(None, 1, DispatchFault::Drop)).unwrap_err();
    assert!(error.message.contains("100"), "{error}");
}

/// The `Date` header in Unix seconds, and the body.
async fn dated(sim: &Sim, path: &str) -> (i64, Value) {
    let response = sim.rest.send(Method::GET, path, None).await;
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    let format = time::format_description::well_known::Rfc2822;
    let at = time::OffsetDateTime::parse(&date.replace("GMT", "+0000"), &format).unwrap();
    (at.unix_timestamp(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_skewed_clock_shows_in_the_date_and_in_payloads_but_lasts_as_long() {
    let sim = Sim::with(World::default_world()).await;
    let mut gateway = sim.identified().await;
    sim.register(json!([{"name": "greet", "description": "d"}])).await;
    sim.control.command(using("greet", json!({}))).unwrap();
    let interaction = gateway.event("INTERACTION_CREATE").await;
    let path = format!("/channels/{}", sim.general());
    let (right, _) = dated(&sim, &path).await;
    let mut ids = Vec::new();
    for (skew, wanted) in [
        (3600, "2025-01-01T01:00:00.000000+00:00"),
        (-3600, "2024-12-31T23:00:00.000000+00:00"),
        (0, "2025-01-01T00:00:00.000000+00:00"),
    ] {
        let (status, _) = sim.rest.operate("clock_skew", json!({"seconds": skew})).await;
        assert_eq!(status, StatusCode::OK);
        ids.push(sim.control.say(say("what time is it?")).unwrap().message_id.unwrap());
        let message = gateway.event("MESSAGE_CREATE").await;
        assert_eq!(message["timestamp"], wanted);
        let (date, _) = dated(&sim, &path).await;
        assert!((date - right - skew).abs() < 60, "{date} is not {skew} seconds from {right}");
    }
    assert!(ids[1] < ids[2] && ids[2] < ids[0], "{ids:?}");
    // The three seconds to answer are three seconds.
    assert_eq!(sim.control.now_ms(), 1_735_689_600_000);
    let (status, _) = sim.answer(&interaction, json!({"type": 4, "data": {"content": "here"}})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, error) = sim.rest.operate("clock_skew", json!({"seconds": 86_401})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{error}");
}
