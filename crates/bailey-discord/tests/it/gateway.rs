//! What happens on Discord arrives, whole, in order and once.

use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{BotToken, Directory, DiscordConfig, Gateway, GatewayState, Rest};
use bailey_protocol::event::InteractionKind;
use bailey_protocol::{ChannelId, Event, EventKind};
use bailey_sim::{Attachment, Membership, React, Say, World};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{PATIENCE, Rig, Still, config, general, next, payload, reached, say, simulator};

#[tokio::test]
async fn after_ready_servers_and_channels_are_known() {
    let rig = Rig::start().await;
    let guild = rig.directory.guild(rig.guild()).unwrap();
    assert_eq!((guild.name.as_str(), guild.member_count), ("Test Server", 4));
    let general = general();
    assert_eq!(rig.directory.guild_of(general), Some(rig.guild()));
    assert_eq!(rig.directory.channel_name(general).as_deref(), Some("general"));
    assert_eq!(rig.directory.guild_of(ChannelId(1)), None);
    assert_eq!(rig.application.name, "Test Bot");
}

#[tokio::test]
async fn a_message_arrives_with_every_field_and_alias() {
    let mut rig = Rig::start().await;
    let first = rig.control.say(say("hello")).unwrap();
    let reply = Say {
        person: Some("bob".into()),
        reply_to: first.message_id,
        attachments: vec![Attachment {
            filename: "a.txt".into(),
            content: "x".into(),
            ..Attachment::default()
        }],
        ..say("hi <@1>")
    };
    rig.control.say(reply).unwrap();
    let plain = rig.next(EventKind::MessageCreate).await;
    let replied = rig.next(EventKind::MessageCreate).await;
    assert_eq!(plain.guild, rig.guild());
    assert_eq!(plain.id.as_str(), format!("message_create-{}", first.message_id.unwrap()));
    insta::assert_json_snapshot!("message_create", json!([payload(&plain), payload(&replied)]));
}

#[tokio::test]
async fn people_joining_and_leaving_are_told_and_counted() {
    let mut rig = Rig::start().await;
    rig.control.join(&Membership { name: "dora".into(), guild: None }).unwrap();
    let receipt = rig.control.leave(&Membership { name: "dora".into(), guild: None }).unwrap();
    let joined = rig.next(EventKind::MemberJoin).await;
    let left = rig.next(EventKind::MemberLeave).await;
    rig.settled(&receipt).await;
    assert_ne!(joined.id, left.id);
    assert_eq!(rig.directory.guild(rig.guild()).unwrap().member_count, 4);
    insta::assert_json_snapshot!("members", json!([payload(&joined), payload(&left)]));
}

#[tokio::test]
async fn reactions_are_told_each_time() {
    let mut rig = Rig::start().await;
    rig.control.say(say("react to me")).unwrap();
    let mut seen: Vec<Event> = Vec::new();
    for _ in 0..2 {
        let react = || React { emoji: "👍".into(), person: Some("bob".into()), ..React::default() };
        rig.control.react(react()).unwrap();
        rig.control.unreact(react()).unwrap();
        seen.push(rig.next(EventKind::ReactionAdd).await);
        seen.push(rig.next(EventKind::ReactionRemove).await);
    }
    let mut ids: Vec<&str> = seen.iter().map(|event| event.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    insta::assert_json_snapshot!("reactions", json!([payload(&seen[0]), payload(&seen[1])]));
}

#[tokio::test]
async fn edits_and_deletions_are_told() {
    let mut rig = Rig::start().await;
    let general = general();
    let parts = bailey_protocol::method::message::MessageParts {
        content: Some("first".to_owned()),
        ..Default::default()
    };
    let sent = rig.rest.create_message(general, &parts, &[]).await.unwrap();
    let own = loop {
        let event = rig.next(EventKind::MessageCreate).await;
        if event.payload["message_id"] == json!(sent.message_id) {
            break event;
        }
    };
    assert_eq!(own.payload["author_bot"], true);
    let http = http();
    let url = format!("{}/channels/{general}/messages/{}", rig.config.endpoints.rest(), sent.message_id);
    let bot = format!("Bot {}", rig.simulator.bot_token());
    for content in ["second", "third"] {
        let edit = http.patch(&url).header("authorization", &bot).json(&json!({"content": content}));
        assert!(edit.send().await.unwrap().status().is_success());
    }
    http.delete(&url).header("authorization", &bot).send().await.unwrap().error_for_status().unwrap();
    let second = rig.next(EventKind::MessageEdit).await;
    let third = rig.next(EventKind::MessageEdit).await;
    assert_eq!((&second.payload["content"], &third.payload["content"]), (&json!("second"), &json!("third")));
    assert_ne!(second.id, third.id);
    let deleted = rig.next(EventKind::MessageDelete).await;
    assert_eq!(deleted.payload["message_id"], json!(sent.message_id));
    assert_eq!(deleted.payload["channel_name"], "general");
}

/// A client of its own, for what the crate under test does not do.
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

#[tokio::test]
async fn nothing_is_lost_or_told_twice_when_the_connection_breaks() {
    let mut rig = Rig::start().await;
    let mut expected = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let content = format!("{round}-{number}");
            rig.control.say(say(&content)).unwrap();
            expected.push(content);
        }
        match round {
            0 => rig.control.reconnect(),
            1 => rig.control.drop_connection(None),
            _ => rig.control.drop_connection(Some(4000)),
        };
        // Said while nobody listens.
        let content = format!("{round}-between");
        rig.control.say(say(&content)).unwrap();
        expected.push(content);
        for content in &expected[expected.len() - 6..] {
            assert_eq!(rig.next(EventKind::MessageCreate).await.payload["content"], content.as_str());
        }
        reached(&mut rig.status, |status| status.state == GatewayState::Ready).await;
    }
    let last = rig.control.say(say("last")).unwrap();
    assert_eq!(rig.next(EventKind::MessageCreate).await.payload["content"], "last");
    rig.settled(&last).await;
    assert!(rig.events.try_recv().is_err());
    assert_eq!(rig.control.sessions().len(), 1, "the one session was resumed, not replaced");
}

#[tokio::test]
async fn a_session_discord_gives_up_is_begun_anew() {
    let mut rig = Rig::start().await;
    let before = rig.control.sessions()[0].session_id.clone();
    rig.control.invalidate_session(false);
    reached(&mut rig.status, |status| status.state == GatewayState::Connecting).await;
    reached(&mut rig.status, |status| status.state == GatewayState::Ready && status.guilds == 1).await;
    assert!(rig.control.sessions().iter().any(|session| session.session_id != before));
    rig.control.say(say("still there?")).unwrap();
    assert_eq!(rig.next(EventKind::MessageCreate).await.payload["content"], "still there?");
}

#[tokio::test]
async fn a_shut_down_gateway_can_be_gone_on_with() {
    let mut rig = Rig::start().await;
    rig.control.say(say("before")).unwrap();
    rig.next(EventKind::MessageCreate).await;
    let point = rig.gateway.shutdown().await.unwrap();
    rig.control.say(say("meanwhile")).unwrap();
    let (sink, mut events) = mpsc::channel(8);
    let gateway =
        Gateway::resume(&rig.config, sink, Arc::new(Still), rig.directory.clone(), Some(point), None);
    assert_eq!(next(&mut events, EventKind::MessageCreate).await.payload["content"], "meanwhile");
    assert_eq!(rig.control.sessions().len(), 1);
    assert!(gateway.shutdown().await.is_some());
}

#[tokio::test]
async fn a_slow_taker_holds_the_stream_back_and_loses_nothing() {
    let simulator = simulator(World::default_world()).await;
    let control = simulator.control();
    control.set_heartbeat_interval(Duration::from_secs(1));
    let (sink, mut events) = mpsc::channel(1);
    let gateway = Gateway::start(&config(&simulator), sink, Arc::new(Still), Directory::new());
    let mut status = gateway.status();
    reached(&mut status, |status| status.guilds == 1).await;
    let begun = status.borrow().processed_sequence;
    for number in 0..40 {
        control.say(say(&number.to_string())).unwrap();
    }
    // Heartbeats acknowledge everything while nobody takes events: the connection is being read.
    assert!(control.wait_until_acknowledged(PATIENCE).await);
    let [session] = &control.sessions()[..] else { panic!("the connection was given up") };
    assert!(session.connected && session.acknowledged == session.sequence, "{session:?}");
    reached(&mut status, |status| status.processed_sequence > begun).await;
    let stuck = status.borrow().processed_sequence;
    assert!(stuck <= begun + 1, "{stuck} was counted before it was handed on");
    for number in 0..40 {
        let event = next(&mut events, EventKind::MessageCreate).await;
        assert_eq!(event.payload["content"], number.to_string().as_str());
    }
    reached(&mut status, |status| status.processed_sequence >= begun + 40).await;
    reached(&mut status, |status| status.processed_sequence == control.sessions()[0].sequence).await;
    assert_eq!(status.borrow().events, 40);
}

#[tokio::test]
async fn a_wrong_token_is_said_and_what_to_do() {
    let simulator = simulator(World::default_world()).await;
    let config = DiscordConfig { token: BotToken::new("wrong"), ..config(&simulator) };
    let reason = refused(&config).await;
    assert!(reason.contains("bot token") && reason.contains("4004"), "{reason}");
}

#[tokio::test]
async fn intents_that_are_switched_off_are_said_and_what_to_do() {
    let mut world = World::default_world();
    world.application.message_content = false;
    let simulator = simulator(world).await;
    let reason = refused(&config(&simulator)).await;
    assert!(reason.contains("Message Content") && reason.contains("4014"), "{reason}");
}

#[tokio::test]
async fn without_an_intent_it_goes_on_with_less() {
    let mut world = World::default_world();
    world.application.message_content = false;
    let simulator = simulator(world).await;
    let config = config(&simulator);
    let (_, application) = Rest::connect(&config).await.unwrap();
    let withheld = application.withheld(config.intents);
    assert_eq!(withheld.iter().map(|one| one.name).collect::<Vec<_>>(), ["Message Content Intent"]);
    let intents = config.intents - withheld[0].intent;
    assert!(application.withheld(intents).is_empty());
    let config = DiscordConfig { intents, ..config };
    let (sink, mut events) = mpsc::channel(8);
    let gateway = Gateway::start(&config, sink, Arc::new(Still), Directory::new());
    reached(&mut gateway.status(), |status| status.guilds == 1).await;
    simulator.control().say(say("unseen")).unwrap();
    let message = next(&mut events, EventKind::MessageCreate).await;
    assert_eq!((&message.payload["content"], &message.payload["author_name"]), (&json!(""), &json!("alice")));
    // With everything switched on, nothing is withheld.
    let (_simulator, _, application) = crate::support::sender().await;
    assert!(application.withheld(DiscordConfig::default_intents()).is_empty());
}

async fn refused(config: &DiscordConfig) -> String {
    let (sink, _events) = mpsc::channel(1);
    let gateway = Gateway::start(config, sink, Arc::new(Still), Directory::new());
    let mut status = gateway.status();
    let ended = reached(&mut status, |status| matches!(status.state, GatewayState::Fatal(_))).await;
    let GatewayState::Fatal(reason) = ended.state else { unreachable!() };
    assert!(gateway.shutdown().await.is_none());
    reason
}

#[tokio::test]
async fn half_typed_options_are_told_apart_from_commands() {
    let mut rig = Rig::start().await;
    let command = json!({"name": "find", "description": "d", "options": [
        {"type": 3, "name": "what", "description": "d", "autocomplete": true}]});
    rig.rest.sync_guild_commands(rig.application.id, rig.guild(), &[command]).await.unwrap();
    let using = bailey_sim::CommandUse {
        name: "find".into(),
        focused: Some("what".into()),
        ..bailey_sim::CommandUse::default()
    };
    let receipt = rig.control.command(using).unwrap();
    rig.settled(&receipt).await;
    let typed: Vec<Event> = std::iter::from_fn(|| rig.events.try_recv().ok()).collect();
    let kinds: Vec<_> = typed.iter().map(|event| event.interaction.as_ref().unwrap().kind).collect();
    assert_eq!(kinds, [InteractionKind::Autocomplete]);
    assert_eq!(payload(&typed[0])["data"]["options"][0]["focused"], true);
    assert_eq!(rig.status.borrow().unparsable, 0);
}
