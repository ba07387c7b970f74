//! The gateway: handshake, intents, resume, transports, close codes.

use std::time::Duration;

use bailey_sim::World;
use serde_json::json;

use crate::support::{ALL_INTENTS, DEADLINE, Gateway, Heard, Sim, say};

const GUILDS: u64 = 1;
const GUILD_MESSAGES: u64 = 1 << 9;
const MESSAGE_CONTENT: u64 = 1 << 15;

#[tokio::test]
async fn identify_gives_ready_then_the_server_then_what_people_say() {
    let sim = Sim::start().await;
    let url = format!("{}/?v=10&encoding=json", sim.simulator.gateway_url());
    let mut gateway = Gateway::open(&url).await;
    assert_eq!(gateway.hello["d"]["heartbeat_interval"], 41_250);
    gateway.identify(&sim.simulator.bot_token(), ALL_INTENTS).await;
    let ready = gateway.event("READY").await;
    assert_eq!(ready["v"], 10);
    assert_eq!(ready["user"]["bot"], true);
    assert_eq!(ready["application"]["id"], sim.application());
    assert_eq!(ready["guilds"], json!([{"id": sim.guild(), "unavailable": true}]));
    assert_eq!(ready["resume_gateway_url"], format!("{}/resume", sim.simulator.gateway_url()));
    let guild = gateway.event("GUILD_CREATE").await;
    assert_eq!(guild["name"], "Test Server");
    let names = |list: &str| -> Vec<String> {
        guild[list].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("channels"), ["general", "random", "Lounge"]);
    assert_eq!(names("roles"), ["@everyone", "Moderator", "Test Bot"]);
    assert_eq!(guild["member_count"], 4);
    assert_eq!(guild["members"].as_array().unwrap().len(), 4);

    let receipt = sim.control.say(say("hello")).unwrap();
    let message = gateway.event("MESSAGE_CREATE").await;
    assert_eq!(message["id"], json!(receipt.message_id));
    assert_eq!(message["content"], "hello");
    assert_eq!(message["author"]["username"], "alice");
    assert_eq!(message["guild_id"], sim.guild());
    assert!(message["member"]["roles"].is_array());
    assert_eq!(receipt.sessions[0].sequence, gateway.sequence);
    sim.simulator.shutdown().await;
    assert_eq!(gateway.closed().await, Some(1001));
}

#[tokio::test]
async fn without_presences_only_the_bot_is_among_the_members_and_the_rest_can_be_asked_for() {
    let sim = Sim::start().await;
    let mut gateway = Gateway::open(&format!("{}/?v=10&encoding=json", sim.simulator.gateway_url())).await;
    gateway.identify(&sim.simulator.bot_token(), GUILDS | 2).await;
    gateway.event("READY").await;
    let guild = gateway.event("GUILD_CREATE").await;
    assert_eq!(guild["members"].as_array().unwrap().len(), 1);
    assert_eq!(guild["member_count"], 4);
    gateway
        .send(json!({"op": 8, "d": {"guild_id": sim.guild(), "query": "", "limit": 0, "nonce": "n"}}))
        .await;
    let chunk = gateway.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["members"].as_array().unwrap().len(), 4);
    assert_eq!((chunk["chunk_count"].clone(), chunk["nonce"].clone()), (json!(1), json!("n")));
}

#[tokio::test]
async fn content_is_hidden_without_the_intent_except_in_mentions_and_own_messages() {
    let sim = Sim::start().await;
    let mut blind = sim.identified_with(GUILDS | GUILD_MESSAGES).await;
    let mut seeing = sim.identified_with(GUILDS | GUILD_MESSAGES | MESSAGE_CONTENT).await;
    let mut deaf = sim.identified_with(GUILDS).await;
    sim.control.say(say("secret")).unwrap();
    sim.control.say(say(&format!("<@{}> hi", sim.application()))).unwrap();
    let path = format!("/channels/{}/messages", sim.general());
    sim.rest.post(&path, json!({"content": "mine"})).await;
    let mut heard = Vec::new();
    for gateway in [&mut blind, &mut seeing] {
        for _ in 0..3 {
            heard.push(gateway.event("MESSAGE_CREATE").await["content"].as_str().unwrap().to_owned());
        }
    }
    let mention = format!("<@{}> hi", sim.application());
    assert_eq!(heard, ["", &mention, "mine", "secret", &mention, "mine"]);
    // Nothing for a session without GUILD_MESSAGES: its next event is something else.
    sim.control.reconnect();
    assert_eq!(deaf.frame().await["op"], 7);
}

#[tokio::test]
async fn a_dropped_session_resumes_and_replays_what_it_missed() {
    let sim = Sim::start().await;
    let mut gateway = Gateway::open(&format!("{}/?v=10&encoding=json", sim.simulator.gateway_url())).await;
    gateway.identify(&sim.simulator.bot_token(), ALL_INTENTS).await;
    let ready = gateway.event("READY").await;
    gateway.event("GUILD_CREATE").await;
    let sequence = gateway.sequence;
    sim.control.drop_connection(None);
    assert_eq!(gateway.closed().await, None);
    sim.control.say(say("one")).unwrap();
    sim.control.say(say("two")).unwrap();

    // Both spellings of the resume path that clients use.
    for (path, missed) in [("/resume?v=10&encoding=json", 2), ("/resume/?v=10&encoding=json", 3)] {
        let mut again = Gateway::open(&format!("{}{path}", sim.simulator.gateway_url())).await;
        let resume = json!({
            "token": sim.simulator.bot_token(), "session_id": ready["session_id"], "seq": sequence,
        });
        again.send(json!({"op": 6, "d": resume})).await;
        assert_eq!(again.event("MESSAGE_CREATE").await["content"], "one");
        assert_eq!(again.event("MESSAGE_CREATE").await["content"], "two");
        for _ in 2..=missed {
            again.event("RESUMED").await;
        }
        sim.control.drop_connection(Some(4000));
        assert_eq!(again.closed().await, Some(4000));
    }
}

#[tokio::test]
async fn a_session_cannot_be_resumed_when_it_is_unknown_given_up_or_too_far_behind() {
    let sim = Sim::start().await;
    let url = format!("{}/?v=10&encoding=json", sim.simulator.gateway_url());
    let resume = |id: String, seq: u64| json!({"op": 6, "d": {"token": sim.simulator.bot_token(), "session_id": id, "seq": seq}});
    let mut unknown = Gateway::open(&url).await;
    unknown.send(resume("nonsense".to_owned(), 1)).await;
    assert_eq!(unknown.frame().await["op"], 9);

    // Closing with 1000 gives the session up.
    sim.identified().await.close(1000).await;
    assert!(wait_for(|| sim.control.sessions().is_empty()).await);

    // More than 1,000 missed events cannot be replayed.
    let gateway = sim.identified().await;
    gateway.close(4000).await;
    assert!(wait_for(|| sim.control.sessions().iter().all(|session| !session.connected)).await);
    for number in 0..1001 {
        sim.control.say(say(&format!("message {number}"))).unwrap();
    }
    let id = sim.control.sessions()[0].session_id.clone();
    let mut behind = Gateway::open(&url).await;
    behind.send(resume(id.clone(), 2)).await;
    let frame = behind.frame().await;
    assert_eq!((frame["op"].clone(), frame["d"].clone()), (json!(9), json!(false)));

    let mut ahead = Gateway::open(&url).await;
    ahead.send(resume(id, 99_999)).await;
    assert_eq!(ahead.closed().await, Some(4007));
}

async fn wait_for(mut done: impl FnMut() -> bool) -> bool {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !done() {
        if tokio::time::Instant::now() > deadline {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test]
async fn the_driver_can_order_reconnect_and_invalid_session() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    sim.control.reconnect();
    assert_eq!(gateway.frame().await, json!({"t": null, "s": null, "op": 7, "d": null}));
    sim.control.invalidate_session(true);
    assert_eq!(gateway.frame().await["d"], true);
    sim.control.invalidate_session(false);
    assert_eq!(gateway.frame().await["d"], false);
    assert!(sim.control.sessions().is_empty(), "an invalidated session is forgotten");
    // The same connection may identify again.
    gateway.sequence = 0;
    gateway.identify(&sim.simulator.bot_token(), ALL_INTENTS).await;
    gateway.event("READY").await;
}

#[tokio::test]
async fn the_driver_learns_what_a_client_has_read() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    sim.control.say(say("read this")).unwrap();
    let control = sim.control.clone();
    let waiting = async { control.wait_until_acknowledged(DEADLINE).await };
    let client = async {
        gateway.event("MESSAGE_CREATE").await;
        assert_eq!(gateway.frame().await["op"], 1);
        let sequence = gateway.sequence;
        gateway.send(json!({"op": 1, "d": sequence})).await;
        assert_eq!(gateway.frame().await["op"], 11);
    };
    let (acknowledged, ()) = tokio::join!(waiting, client);
    assert!(acknowledged);
    assert_eq!(sim.control.sessions()[0].acknowledged, gateway.sequence);
    sim.control.say(say("never read")).unwrap();
    assert!(!sim.control.wait_until_acknowledged(Duration::from_millis(50)).await);
}

#[tokio::test]
async fn compressed_transports_are_one_stream_per_connection() {
    for compress in ["zstd-stream", "zlib-stream"] {
        let sim = Sim::start().await;
        let url = format!("{}/?v=10&encoding=json&compress={compress}", sim.simulator.gateway_url());
        let mut gateway = Gateway::open(&url).await;
        gateway.identify(&sim.simulator.bot_token(), ALL_INTENTS).await;
        gateway.event("READY").await;
        gateway.event("GUILD_CREATE").await;
        for number in 0..20 {
            sim.control.say(say(&format!("message {number}"))).unwrap();
            assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], format!("message {number}"));
        }
        assert_eq!(gateway.binary, 23, "{compress}: every frame is binary");
    }
}

#[tokio::test]
async fn a_silent_client_is_closed_with_4009() {
    let sim = Sim::start().await;
    sim.control.set_heartbeat_interval(Duration::from_millis(60));
    let mut gateway = sim.identified().await;
    assert_eq!(gateway.hello["d"]["heartbeat_interval"], 60);
    assert_eq!(gateway.closed().await, Some(4009));
}

#[tokio::test]
async fn each_mistake_has_its_close_code() {
    let mut world = World::default_world();
    world.application.message_content = false;
    let sim = Sim::with(world).await;
    let token = sim.simulator.bot_token();
    let identify =
        |token: &str, intents: u64| json!({"op": 2, "d": {"token": token, "intents": intents}}).to_string();
    let shard = json!({"op": 2, "d": {"token": token, "intents": 1, "shard": [3, 2]}}).to_string();
    let cases = [
        ("not JSON", vec!["{".to_owned()], 4002),
        ("no opcode", vec!["{}".to_owned()], 4002),
        ("frame too large", vec![format!("\"{}\"", "x".repeat(5000))], 4002),
        ("frame far too large", vec![format!("\"{}\"", "x".repeat(200_000))], 4002),
        ("no token", vec![r#"{"op":2,"d":{}}"#.to_owned()], 4002),
        ("unknown opcode", vec![r#"{"op":99,"d":null}"#.to_owned()], 4001),
        ("presence before identify", vec![r#"{"op":3,"d":{}}"#.to_owned()], 4003),
        ("wrong token", vec![identify("wrong", 1)], 4004),
        ("twice", vec![identify(&token, 1), identify(&token, 1)], 4005),
        ("bad shard", vec![shard], 4010),
        ("unknown intents", vec![identify(&token, 1 << 40)], 4013),
        ("disallowed intents", vec![identify(&token, MESSAGE_CONTENT)], 4014),
        ("too fast", vec![r#"{"op":1,"d":null}"#.to_owned(); 121], 4008),
    ];
    for (what, frames, code) in cases {
        let mut gateway =
            Gateway::open(&format!("{}/?v=10&encoding=json", sim.simulator.gateway_url())).await;
        for frame in frames {
            gateway.send_text(&frame).await;
        }
        assert_eq!(gateway.closed().await, Some(code), "{what}");
    }
    let url = format!("{}/?v=6&encoding=json", sim.simulator.gateway_url());
    let (mut old, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let frame = futures_util::StreamExt::next(&mut old).await.unwrap().unwrap();
    assert!(format!("{frame:?}").contains("4012"), "{frame:?}");
}

#[tokio::test]
async fn a_shard_hears_only_its_servers() {
    let world =
        World::default_world().person("dave").guild("Second", "bob", |guild| guild.text_channel("lobby"));
    let ids: Vec<u64> = world.guilds.iter().map(|guild| (guild.id.0 >> 22) % 2).collect();
    assert_ne!(ids[0], ids[1], "the two servers are on different shards");
    let sim = Sim::with(world.clone()).await;
    let mut gateway = Gateway::open(&format!("{}/?v=10&encoding=json", sim.simulator.gateway_url())).await;
    let identify = json!({"token": sim.simulator.bot_token(), "intents": ALL_INTENTS, "shard": [ids[1], 2]});
    gateway.send(json!({"op": 2, "d": identify})).await;
    assert_eq!(gateway.event("READY").await["guilds"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.event("GUILD_CREATE").await["name"], "Second");
    sim.control.say(say("in the first")).unwrap();
    let second = Some("Second".to_owned());
    let person = Some("bob".to_owned());
    sim.control.say(bailey_sim::Say { guild: second, person, ..say("in the second") }).unwrap();
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "in the second");
    let Heard::Frame(_) = ({
        sim.control.reconnect();
        gateway.hear().await
    }) else {
        panic!("closed")
    };
}
