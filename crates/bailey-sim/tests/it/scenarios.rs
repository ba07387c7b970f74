//! Named scenarios, each seen by a raw client.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Gateway, Heard, Sim, say};

async fn order(sim: &Sim, name: &str) {
    let (status, scenario) = sim.rest.operate("scenario", json!({"name": name})).await;
    assert_eq!(status, StatusCode::OK, "{scenario}");
    assert_eq!(scenario["name"], name);
}

/// Statuses of messages sent one after the other, whatever comes.
async fn statuses(sim: &Sim, count: usize) -> Vec<u16> {
    let path = format!("/channels/{}/messages", sim.general());
    let mut statuses = Vec::new();
    for number in 0..count {
        let body = json!({"content": format!("try {number}")});
        statuses.push(sim.rest.send(Method::POST, &path, Some(body)).await.status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn every_scenario_is_listed_and_unknown_ones_are_named() {
    let sim = Sim::start().await;
    let url = format!("{}/sim/api/scenarios", sim.rest.base);
    let listed = sim.rest.http.get(url).send().await.unwrap().text().await.unwrap();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let names: Vec<&str> = listed.iter().map(|one| one["name"].as_str().unwrap()).collect();
    let wanted = [
        "busy_server",
        "dropped_events",
        "flaky_rest",
        "lost_session",
        "outage",
        "rate_limited",
        "resume_storm",
        "wrong_clock",
    ];
    assert_eq!(names, wanted);
    let reference = include_str!("../../../../docs/reference/simulator.md");
    for scenario in &listed {
        assert!(
            scenario["summary"].as_str().unwrap().len() > 20
                && !scenario["steps"].as_array().unwrap().is_empty()
        );
        let row = format!(
            "| `{}` | {} |",
            scenario["name"].as_str().unwrap(),
            scenario["summary"].as_str().unwrap()
        );
        assert!(reference.contains(&row), "the reference has no row {row}");
    }
    let (status, error) = sim.rest.operate("scenario", json!({"name": "doomsday"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(error["error"], "no scenario is called `doomsday`");
    assert!(error["hint"].as_str().unwrap().contains("resume_storm"), "{error}");
}

#[tokio::test]
async fn a_busy_server() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    order(&sim, "busy_server").await;
    for _ in 0..25 {
        gateway.event("GUILD_MEMBER_ADD").await;
    }
    let mut last = String::new();
    for _ in 0..100 {
        last = gateway.event("MESSAGE_CREATE").await["content"].as_str().unwrap().to_owned();
    }
    assert_eq!(last, "message 4 of visitor-25");
    // They are there already: nobody can join twice.
    let (status, error) = sim.rest.operate("scenario", json!({"name": "busy_server"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(error["error"].as_str().unwrap().starts_with("step 1 of `busy_server`, `join`"), "{error}");
}

#[tokio::test]
async fn dropped_events() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    gateway.duplicates = true;
    order(&sim, "dropped_events").await;
    for word in ["lost", "twice", "late", "early", "usual"] {
        sim.control.say(say(word)).unwrap();
    }
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(gateway.event("MESSAGE_CREATE").await["content"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard, ["twice", "twice", "early", "late", "usual"]);
}

#[tokio::test]
async fn flaky_rest() {
    let sim = Sim::start().await;
    order(&sim, "flaky_rest").await;
    assert_eq!(statuses(&sim, 3).await, [503, 503, 502]);
    let path = format!("/channels/{}/messages", sim.general());
    let began = Instant::now();
    let (status, messages) = sim.rest.get(&path).await;
    assert!(began.elapsed() >= Duration::from_secs(1), "it is late");
    assert_eq!(
        (status, messages.as_array().map(Vec::len)),
        (StatusCode::OK, Some(1)),
        "one was posted all the same"
    );
    assert_eq!(statuses(&sim, 3).await, [200, 500, 200]);
}

#[tokio::test]
async fn a_lost_session() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    order(&sim, "lost_session").await;
    let frame = gateway.frame().await;
    assert_eq!((&frame["op"], &frame["d"]), (&json!(9), &json!(false)));
}

#[tokio::test]
async fn an_outage() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    order(&sim, "outage").await;
    assert_eq!(gateway.closed().await, None);
    for _ in 0..3 {
        let refused =
            tokio_tungstenite::connect_async(sim.simulator.gateway_url()).await.unwrap_err().to_string();
        assert!(refused.contains("503"), "{refused}");
    }
    assert_eq!(statuses(&sim, 11).await, [[503; 10].as_slice(), &[200]].concat());
    Gateway::open(&sim.simulator.gateway_url()).await;
    // It can be called off.
    order(&sim, "outage").await;
    sim.control.clear_faults();
    Gateway::open(&sim.simulator.gateway_url()).await;
    assert_eq!(statuses(&sim, 1).await, [200]);
}

#[tokio::test]
async fn rate_limits() {
    let sim = Sim::start().await;
    order(&sim, "rate_limited").await;
    let path = format!("/channels/{}/messages", sim.general());
    let mut scopes = Vec::new();
    for _ in 0..4 {
        let refused = sim.rest.send(Method::POST, &path, Some(json!({"content": "x"}))).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        scopes.push(refused.headers()["x-ratelimit-scope"].to_str().unwrap().to_owned());
    }
    assert_eq!(scopes, ["user", "user", "shared", "global"]);
    // Whoever waits as told gets through.
    assert_eq!(sim.rest.post(&path, json!({"content": "x"})).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_resume_storm() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let session = sim.control.sessions()[0].session_id.clone();
    order(&sim, "resume_storm").await;
    sim.control.say(say("while the line was down")).unwrap();
    assert_eq!(gateway.closed().await, None);
    let sequence = gateway.sequence;
    for round in 0..5 {
        let mut again = Gateway::open(&format!("{}/resume", sim.simulator.gateway_url())).await;
        let resume = json!({"token": sim.simulator.bot_token(), "session_id": session, "seq": sequence});
        again.send(json!({"op": 6, "d": resume})).await;
        assert_eq!(again.event("MESSAGE_CREATE").await["content"], "while the line was down");
        for _ in 0..=round {
            again.event("RESUMED").await;
        }
        if round < 4 {
            assert_eq!(again.closed().await, None, "cut again in round {round}");
        } else {
            sim.control.reconnect();
            let Heard::Frame(frame) = again.hear().await else { panic!("the storm is over") };
            assert_eq!(frame["op"], 7);
        }
    }
}

#[tokio::test]
async fn a_wrong_clock() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    order(&sim, "wrong_clock").await;
    sim.control.say(say("late")).unwrap();
    assert_eq!(gateway.event("MESSAGE_CREATE").await["timestamp"], "2024-12-31T23:58:30.000000+00:00");
}
