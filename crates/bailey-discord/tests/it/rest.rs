//! What is asked of Discord arrives as it was meant, and refusals say why.

use bailey_discord::{BotToken, DiscordConfig, DiscordError, Rest, SyncOutcome};
use bailey_protocol::method::message::{File, MessageParts};
use bailey_protocol::{CallError, ChannelId, GuildId, Params};
use bailey_sim::{Sight, Snowflake, World};
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::support::{channel, config, general, sender, simulator};

fn parts(value: serde_json::Value) -> MessageParts {
    MessageParts::parse(&Params::parse(Some(&to_raw_value(&value).unwrap())).unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_with_everything_arrives_whole() {
    let (simulator, rest, _) = sender().await;
    let parts = parts(json!({
        "content": "hi @everyone",
        "embeds": [{"title": "T", "description": "D", "color": 255}],
        "components": [{"type": 1, "components": [
            {"type": 2, "style": 2, "custom_id": "x", "label": "X", "emoji": {"name": "<:ok:12>"}}]}],
    }));
    let files = [
        File { filename: "notes \"1\".txt".into(), data: b"hello".to_vec() },
        File { filename: "b.bin".into(), data: vec![0, 255, 13, 10, 45, 45] },
    ];
    let sent = rest.create_message(general(), &parts, &files).await.unwrap();
    assert_eq!(sent.channel_id, general());
    let seen = simulator.control().observed_since(0);
    let [Sight::MessagePosted { message }] =
        &seen.iter().map(|seen| seen.what.clone()).collect::<Vec<_>>()[..]
    else {
        panic!("not one message: {seen:?}");
    };
    assert_eq!(message.id.0, sent.message_id.0);
    assert_eq!(message.content, "hi @everyone");
    assert_eq!(message.embeds[0]["title"], "T");
    assert_eq!(message.components[0]["components"][0]["emoji"]["id"], "12");
    assert_eq!(message.allowed_mentions, Some(json!({"parse": []})));
    assert!(message.pings.is_empty());
    let files: Vec<_> = message.files.iter().map(|file| file.size).collect();
    assert_eq!(files, [5, 6]);
    assert_eq!(message.files[1].name, "b.bin");
}

#[tokio::test]
async fn refusals_carry_discords_words() {
    let (_simulator, rest, _) = sender().await;
    let missing = rest.create_message(ChannelId(99), &parts(json!({"content": "x"})), &[]).await.unwrap_err();
    assert_eq!(CallError::from(missing).to_string(), "Discord API error 404 - Unknown Channel (code 10003)");
    let embed = parts(json!({"embeds": [{"title": "x".repeat(300)}]}));
    let DiscordError::Refused { status, code, message } =
        rest.create_message(general(), &embed, &[]).await.unwrap_err()
    else {
        panic!("not refused");
    };
    assert_eq!((status, code), (400, 50035));
    assert!(message.contains("embeds.0.title"), "{message}");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_said() {
    let simulator = simulator(World::default_world()).await;
    for token in ["wrong", "Bot wrong"] {
        let config = DiscordConfig { token: BotToken::new(token), ..config(&simulator) };
        let error = Rest::connect(&config).await.unwrap_err();
        assert!(matches!(error, DiscordError::Refused { status: 401, .. }), "{error:?}");
    }
    let config = DiscordConfig { token: BotToken::new("a\nb"), ..config(&simulator) };
    assert!(matches!(Rest::connect(&config).await, Err(DiscordError::Unreachable(_))));
}

#[tokio::test]
async fn commands_are_written_only_when_they_differ() {
    let (simulator, rest, application) = sender().await;
    let guild = GuildId(World::default_world().guilds[0].id.0);
    let mut commands = vec![
        json!({"name": "Greet", "options": [{"type": 3, "name": "Who", "required": true},
            {"type": 10, "name": "much", "description": "d", "min_value": 1.0, "max_value": 2.5}]}),
        json!({"name": "Look Up", "type": 2}),
        json!({"name": "admin", "description": "d", "default_member_permissions": 8, "options": [
            {"type": 2, "name": "group", "options": [{"type": 1, "name": "sub", "options": []}]}]}),
    ];
    let sync = async |commands: &[serde_json::Value]| {
        rest.sync_guild_commands(application.id, guild, commands).await.unwrap()
    };
    assert_eq!(sync(&commands).await, SyncOutcome::Written);
    assert_eq!(sync(&commands).await, SyncOutcome::Unchanged);
    commands.reverse();
    assert_eq!(sync(&commands).await, SyncOutcome::Unchanged);
    let registered = simulator.control().commands(Some(Snowflake(guild.0)));
    let names: Vec<_> = registered.iter().map(|command| command["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["greet", "Look Up", "admin"]);
    assert_eq!(registered[0]["options"][0]["description"], "who");
    commands[2]["description"] = json!("now with words");
    assert_eq!(sync(&commands).await, SyncOutcome::Written);
    assert_eq!(sync(&[]).await, SyncOutcome::Written);
    assert_eq!(sync(&[]).await, SyncOutcome::Unchanged);
    let writes = simulator.control().requests().iter().filter(|request| request.method == "PUT").count();
    assert_eq!(writes, 3);
}

#[tokio::test]
async fn channels_have_limits_of_their_own() {
    let (simulator, rest, _) = sender().await;
    let text = parts(json!({"content": "x"}));
    for _ in 0..5 {
        rest.create_message(general(), &text, &[]).await.unwrap();
    }
    // #general is used up for five seconds; #random is not.
    let began = tokio::time::Instant::now();
    rest.create_message(channel("random"), &text, &[]).await.unwrap();
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
    drop(simulator);
}
