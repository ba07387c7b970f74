//! `discord.*`: what arrives, and what does not leave the server.

use bailey_protocol::CallError;
use bailey_protocol::capability::DiscordSendMessage;
use bailey_protocol::method::discord::SendMessage;
use bailey_services::Messages;
use bailey_sim::Snowflake;
use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::support::{grant, params};

fn send(value: Value) -> SendMessage {
    SendMessage::parse(&params(value)).unwrap()
}

fn channel(simulated: &Simulated, guild: usize, name: &str) -> u64 {
    let guild = simulated.guilds[guild];
    let world =
        bailey_sim::World::default_world().guild("Elsewhere", "bob", |guild| guild.text_channel("far"));
    let guild = world.guilds.iter().find(|found| found.id.0 == guild.0).unwrap();
    guild.channels.iter().find(|channel| channel.name == name).unwrap().id.0
}

#[tokio::test]
async fn a_message_arrives_with_all_its_parts_and_pings_nobody() {
    let simulated = Simulated::start().await;
    let messages = Messages::new(simulated.rest.clone(), simulated.directory.clone());
    let general = channel(&simulated, 0, "general");
    let whole = send(json!({
        "channel_id": general.to_string(),
        "content": "hello @everyone",
        "embeds": [{"title": "news"}],
        "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}],
        "files": [{"filename": "a.txt", "data_b64": "aGk="}]
    }));
    let sent = messages.send(&grant::<DiscordSendMessage>(&simulated.tenant("demo")), &whole).await.unwrap();
    let shown = simulated.control.messages(Snowflake(general)).pop().unwrap();
    assert_eq!((shown.id.0, sent.channel_id.0), (sent.message_id.0, general));
    assert_eq!(
        (shown.content.as_str(), shown.embeds.len(), shown.components.len()),
        ("hello @everyone", 1, 1)
    );
    assert_eq!((shown.files[0].name.as_str(), shown.files[0].size), ("a.txt", 2));
    assert_eq!(shown.allowed_mentions, Some(json!({"parse": []})));
    assert!(shown.pings.is_empty());
}

#[tokio::test]
async fn channels_of_other_servers_do_not_exist() {
    let simulated = Simulated::start().await;
    let messages = Messages::new(simulated.rest.clone(), simulated.directory.clone());
    let grant = grant::<DiscordSendMessage>(&simulated.tenant("demo"));
    let far = channel(&simulated, 1, "far");
    for foreign in [far, 12345] {
        let message = send(json!({"channel_id": foreign, "content": "hello"}));
        let refused = messages.send(&grant, &message).await.unwrap_err();
        assert_eq!(refused, CallError::validation("channel_id", "the id of a channel of this server"));
    }
    assert!(simulated.control.messages(Snowflake(far)).is_empty());
}

#[tokio::test]
async fn what_discord_refuses_is_said_in_discords_words() {
    let simulated = Simulated::start().await;
    let messages = Messages::new(simulated.rest.clone(), simulated.directory.clone());
    let general = channel(&simulated, 0, "general");
    let broken = send(json!({"channel_id": general, "components": [{"type": 99}]}));
    let grant = grant::<DiscordSendMessage>(&simulated.tenant("demo"));
    let refused = messages.send(&grant, &broken).await.unwrap_err();
    assert!(matches!(refused, CallError::Discord { status: 400, .. }), "{refused:?}");
}
