//! The control side over HTTP, its guard, and the status page.

use std::time::Duration;

use bailey_sim::{ClockMode, Membership, SimConfig, SimError, Simulator};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Sim, say};

#[tokio::test]
async fn operations_over_http_do_what_the_library_does() {
    let sim = Sim::start().await;
    sim.register(json!([{"name": "greet", "description": "d"}])).await;
    let mut gateway = sim.identified().await;
    let (status, receipt) =
        sim.rest.operate("say", json!({"as": "bob", "channel": "random", "content": "hi"})).await;
    assert_eq!(status, StatusCode::OK, "{receipt}");
    let message = gateway.event("MESSAGE_CREATE").await;
    assert_eq!((&message["id"], &message["author"]["username"]), (&receipt["message_id"], &json!("bob")));
    assert_eq!(receipt["sessions"][0]["sequence"], gateway.sequence);
    let (_, receipt) = sim.rest.operate("command", json!({"name": "greet"})).await;
    assert_eq!(gateway.event("INTERACTION_CREATE").await["id"], receipt["interaction_id"]);
    let (status, error) = sim.rest.operate("click", json!({"custom_id": "nope"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(error["error"].as_str().unwrap().contains("`nope`"), "{error}");
    let (status, error) = sim.rest.operate("say", json!({"contents": "typo"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error["error"].as_str().unwrap().contains("`contents`"), "{error}");
    sim.rest.operate("join", json!({"name": "dave"})).await;
    let joined = gateway.event("GUILD_MEMBER_ADD").await;
    assert_eq!((&joined["user"]["username"], &joined["guild_id"]), (&json!("dave"), &json!(sim.guild())));
    sim.rest.operate("leave", json!({"name": "dave"})).await;
    assert_eq!(gateway.event("GUILD_MEMBER_REMOVE").await["user"]["username"], "dave");
    sim.rest.operate("advance", json!({"seconds": 3})).await;
    let url = format!("{}/sim/api/observed?after=1", sim.rest.base);
    let seen: Value =
        serde_json::from_str(&sim.rest.http.get(url).send().await.unwrap().text().await.unwrap()).unwrap();
    let kinds: Vec<&str> = seen.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["member_joined", "member_left", "interaction_failed"]);
    sim.rest.operate("reconnect", json!({})).await;
    assert_eq!(gateway.frame().await["op"], 7);
    sim.rest.operate("drop_connection", json!({"code": 4000})).await;
    assert_eq!(gateway.closed().await, Some(4000));
}

#[tokio::test]
async fn other_pages_and_other_names_are_refused() {
    let sim = Sim::start().await;
    let get =
        |host: &str| sim.rest.http.get(format!("{}/sim/api/overview", sim.rest.base)).header("Host", host);
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.1.2", ""] {
        let status = get(host).send().await.unwrap().status();
        assert!(status == StatusCode::FORBIDDEN || status == StatusCode::BAD_REQUEST, "{host}: {status}");
    }
    for host in ["localhost:1234", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(get(host).send().await.unwrap().status(), StatusCode::OK, "{host}");
    }
    let post =
        || sim.rest.http.post(format!("{}/sim/api/say", sim.rest.base)).body(r#"{"content":"forged"}"#);
    let plain = post().header("Content-Type", "text/plain").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let foreign = post().header("Content-Type", "application/json").header("Origin", "http://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(sim.control.observed_since(0).is_empty(), "nothing was said");
    let bind = "0.0.0.0:0".parse().unwrap();
    let open = Simulator::start(SimConfig { bind, ..SimConfig::default() }).await;
    assert!(matches!(open, Err(SimError::NotLoopback(_))));
}

#[tokio::test]
async fn the_status_page_comes_whole_and_takes_no_markup_from_people() {
    let sim = Sim::start().await;
    sim.control.say(say("<img src=x onerror=alert(1)>")).unwrap();
    for (path, kind) in
        [("/sim/", "text/html"), ("/sim/page.js", "text/javascript"), ("/sim/page.css", "text/css")]
    {
        let response = sim.rest.http.get(format!("{}{path}", sim.rest.base)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(kind));
        assert!(
            response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
        let text = response.text().await.unwrap();
        assert!(!text.contains("onerror=alert") && !text.contains("https://"), "{path}");
        assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{path}");
    }
    let overview = sim.rest.http.get(format!("{}/sim/api/overview", sim.rest.base)).send().await.unwrap();
    assert_eq!(overview.headers()["content-type"], "application/json");
    let overview: Value = serde_json::from_str(&overview.text().await.unwrap()).unwrap();
    let message = &overview["guilds"][0]["channels"][0]["messages"][0];
    assert_eq!(
        (&message["author"], &message["content"]),
        (&json!("alice"), &json!("<img src=x onerror=alert(1)>"))
    );
}

#[tokio::test]
async fn the_feed_wakes_who_waits_and_people_are_found_by_name() {
    let sim = Sim::start().await;
    let control = sim.control.clone();
    let waiting = control.wait_observed(0, Duration::from_secs(10));
    let speaking = async { sim.control.say(say("wake up")).unwrap() };
    let (seen, receipt) = tokio::join!(waiting, speaking);
    assert_eq!((seen.len(), seen[0].index, receipt.feed_index), (1, 1, 0));
    assert!(sim.control.wait_observed(1, Duration::from_millis(20)).await.is_empty());
    let zoe = bailey_sim::Say { person: Some("zoe".to_owned()), ..say("x") };
    let error = sim.control.say(zoe.clone()).unwrap_err();
    assert_eq!(error.hint, "there are: alice, bob, carol; `join` lets somebody in");
    sim.control.join(&Membership { name: "zoe".to_owned(), guild: None }).unwrap();
    sim.control.say(zoe).unwrap();
    let nowhere = bailey_sim::Say { channel: Some("#nowhere".to_owned()), ..say("x") };
    assert!(sim.control.say(nowhere).unwrap_err().hint.contains("general, random, Lounge"));
    assert!(sim.control.say(say(&"x".repeat(2001))).is_err());
    assert!(sim.control.say(say(" ")).is_err());
}

#[tokio::test]
async fn under_real_time_windows_close_by_themselves_and_time_cannot_be_moved() {
    let config = SimConfig { clock: ClockMode::Real, ..SimConfig::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let control = simulator.control();
    assert!(control.advance(Duration::from_secs(1)).unwrap_err().message.contains("real time"));
    let before = control.say(say("now")).unwrap().message_id.unwrap().created_ms();
    assert!(before.abs_diff(control.now_ms()) < 60_000);
    let rest = crate::support::Rest::new(&simulator.http_base(), &simulator.bot_token());
    let application = bailey_sim::World::default_world().application.id;
    rest.post(&format!("/applications/{application}/commands"), json!({"name": "greet", "description": "d"}))
        .await;
    let asked = control.command(crate::support::using("greet", json!({}))).unwrap();
    let seen = control.wait_observed(asked.feed_index, Duration::from_secs(30)).await;
    assert!(
        matches!(&seen[..], [one] if matches!(one.what, bailey_sim::Sight::InteractionFailed { .. })),
        "{seen:?}"
    );
    assert_eq!(control.is_answered(asked.interaction_id.unwrap()), Some(true));
    simulator.shutdown().await;
}
