//! Channels, overwrites, threads, pins and webhooks, with what the gateway tells of them.

use bailey_sim::{World, world::permission};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sim, say};

/// The default server, where the bot has these permissions.
async fn with_bot(permissions: u64) -> Sim {
    let world = World::empty().person("alice").person("bob").guild("Test Server", "alice", |guild| {
        guild.text_channel("general").member("bob", &[]).bot(Some(permissions))
    });
    Sim::with(world).await
}

fn first_channel() -> String {
    let world = World::empty()
        .person("alice")
        .person("bob")
        .guild("Test Server", "alice", |guild| guild.text_channel("general").member("bob", &[]));
    world.guilds[0].channels[0].id.to_string()
}

#[tokio::test]
async fn a_channel_is_made_changed_and_deleted() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let guild = sim.guild();
    let wanted = json!({"name": "announcements", "type": 0, "topic": "News"});
    let (status, made) = sim.rest.post(&format!("/guilds/{guild}/channels"), wanted).await;
    assert_eq!((status, made["topic"].as_str()), (StatusCode::CREATED, Some("News")), "{made}");
    let channel = made["id"].as_str().unwrap();
    assert_eq!(gateway.event("CHANNEL_CREATE").await["id"], channel);
    let path = format!("/channels/{channel}");
    let (status, edited) = sim.rest.call(Method::PATCH, &path, Some(json!({"name": "news"}))).await;
    assert_eq!((status, &edited["name"], &edited["topic"]), (StatusCode::OK, &json!("news"), &json!("News")));
    assert_eq!(gateway.event("CHANNEL_UPDATE").await["name"], "news");
    assert_eq!(sim.rest.call(Method::DELETE, &path, None).await.0, StatusCode::OK);
    assert_eq!(gateway.event("CHANNEL_DELETE").await["id"], channel);
    assert_eq!(sim.rest.get(&path).await.1["code"], 10003);
    let (status, refused) = sim.rest.post(&format!("/guilds/{guild}/channels"), json!({"name": ""})).await;
    assert_eq!((status, &refused["code"]), (StatusCode::BAD_REQUEST, &json!(50035)));
}

#[tokio::test]
async fn overwrites_decide_who_may_do_what_in_a_channel() {
    let sim = Sim::start().await;
    let (general, guild) = (sim.general(), sim.guild());
    let overwrite = format!("/channels/{general}/permissions/{guild}");
    // Everybody loses the right to write; the bot has it from its role, which does not help against a channel.
    let deny = json!({"type": 0, "allow": "0", "deny": permission::SEND_MESSAGES.to_string()});
    assert_eq!(sim.rest.call(Method::PUT, &overwrite, Some(deny)).await.0, StatusCode::NO_CONTENT);
    let messages = format!("/channels/{general}/messages");
    let (status, refused) = sim.rest.post(&messages, json!({"content": "x"})).await;
    assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!(50013)));
    // The member's own overwrite has the last word.
    let own = format!("/channels/{general}/permissions/{}", sim.application());
    let allow = json!({"type": 1, "allow": permission::SEND_MESSAGES.to_string(), "deny": "0"});
    assert_eq!(sim.rest.call(Method::PUT, &own, Some(allow)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.post(&messages, json!({"content": "x"})).await.0, StatusCode::OK);
    let shown = sim.rest.get(&format!("/channels/{general}")).await.1;
    assert_eq!(shown["permission_overwrites"].as_array().map(Vec::len), Some(2));
    // Nobody sees what is hidden.
    assert_eq!(sim.rest.call(Method::DELETE, &own, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.call(Method::DELETE, &own, None).await.1["code"], 10009);
    let hide = json!({"type": 0, "allow": "0", "deny": permission::VIEW_CHANNEL.to_string()});
    assert_eq!(sim.rest.call(Method::PUT, &overwrite, Some(hide)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.get(&format!("/channels/{general}")).await.1["code"], 50001);
}

#[tokio::test]
async fn nobody_hands_out_what_they_do_not_have() {
    let sim = with_bot(permission::DEFAULT | permission::MANAGE_ROLES).await;
    let path = format!("/channels/{}/permissions/{}", first_channel(), sim.guild_of());
    let give = json!({"type": 0, "allow": permission::BAN_MEMBERS.to_string(), "deny": "0"});
    let (status, refused) = sim.rest.call(Method::PUT, &path, Some(give)).await;
    assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!(50013)));
}

#[tokio::test]
async fn a_thread_lives_beside_its_channel() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let general = sim.general();
    let said = sim.control.say(say("a question")).unwrap().message_id.unwrap();
    gateway.event("MESSAGE_CREATE").await;
    let path = format!("/channels/{general}/messages/{said}/threads");
    let (status, thread) = sim.rest.post(&path, json!({"name": "answers"})).await;
    assert_eq!((status, &thread["id"]), (StatusCode::CREATED, &json!(said.to_string())), "{thread}");
    assert_eq!(gateway.event("THREAD_CREATE").await["newly_created"], true);
    assert_eq!(sim.rest.post(&path, json!({"name": "again"})).await.1["code"], 160004);

    let thread = format!("/channels/{said}");
    let archive = json!({"archived": true, "locked": true});
    let (_, archived) = sim.rest.call(Method::PATCH, &thread, Some(archive)).await;
    assert_eq!(archived["thread_metadata"]["archived"], true);
    gateway.event("THREAD_UPDATE").await;
    let (_, refused) = sim.rest.call(Method::PATCH, &thread, Some(json!({"name": "x"}))).await;
    assert_eq!(refused["code"], 50083);
    let active = format!("/guilds/{}/threads/active", sim.guild());
    assert_eq!(sim.rest.get(&active).await.1["threads"], json!([]));
    // Whoever may manage threads opens a locked one by writing.
    assert_eq!(sim.rest.post(&format!("{thread}/messages"), json!({"content": "x"})).await.0, StatusCode::OK);
    assert_eq!(gateway.event("THREAD_UPDATE").await["thread_metadata"]["archived"], false);
    assert_eq!(gateway.event("MESSAGE_CREATE").await["channel_id"], said.to_string());
    assert_eq!(sim.rest.get(&active).await.1["threads"][0]["name"], "answers");
    let private = json!({"name": "staff", "type": 12, "auto_archive_duration": 61});
    let made = sim.rest.post(&format!("/channels/{general}/threads"), private).await;
    assert_eq!((made.0, &made.1["code"]), (StatusCode::BAD_REQUEST, &json!(50035)));
}

#[tokio::test]
async fn pins_are_kept_newest_first() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let general = sim.general();
    let said = sim.control.say(say("one")).unwrap().message_id.unwrap();
    gateway.event("MESSAGE_CREATE").await;
    let pins = format!("/channels/{general}/messages/pins");
    let one = format!("{pins}/{said}");
    assert_eq!(sim.rest.call(Method::PUT, &one, None).await.0, StatusCode::NO_CONTENT);
    assert!(gateway.event("CHANNEL_PINS_UPDATE").await["last_pin_timestamp"].is_string());
    let (_, listed) = sim.rest.get(&pins).await;
    assert_eq!(
        (listed["items"][0]["message"]["pinned"].as_bool(), &listed["has_more"]),
        (Some(true), &json!(false))
    );
    assert_eq!(sim.rest.get(&format!("/channels/{general}/pins")).await.1[0]["id"], said.to_string());
    assert_eq!(sim.rest.call(Method::DELETE, &one, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.get(&pins).await.1["items"], json!([]));
    assert_eq!(sim.rest.call(Method::PUT, &format!("{pins}/1"), None).await.1["code"], 10008);
    let weak = with_bot(permission::DEFAULT | permission::MANAGE_MESSAGES).await;
    let path = format!("/channels/{}/messages/pins/1", first_channel());
    assert_eq!(
        weak.rest.call(Method::PUT, &path, None).await.1["code"],
        50013,
        "it has a permission of its own"
    );
}

#[tokio::test]
async fn a_webhook_posts_under_any_name_with_its_token_alone() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let hooks = format!("/channels/{}/webhooks", sim.general());
    let (_, refused) = sim.rest.post(&hooks, json!({"name": "My Discord hook"})).await;
    assert_eq!(refused["code"], 50035);
    let (status, hook) = sim.rest.post(&hooks, json!({"name": "News"})).await;
    assert_eq!(status, StatusCode::OK, "{hook}");
    gateway.event("WEBHOOKS_UPDATE").await;
    let (id, token) = (hook["id"].as_str().unwrap(), hook["token"].as_str().unwrap());
    let url = format!("{}/api/v10/webhooks/{id}/{token}?wait=true", sim.rest.base);
    let anybody = sim.rest.http.post(&url).header("Content-Type", "application/json");
    let answer =
        anybody.body(json!({"content": "hello", "username": "Herald"}).to_string()).send().await.unwrap();
    let message: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&message["author"]["username"], &message["webhook_id"]), (&json!("Herald"), &json!(id)));
    assert_eq!(gateway.event("MESSAGE_CREATE").await["author"]["bot"], true);
    let wrong = sim.rest.post(&format!("/webhooks/{id}/wrong"), json!({"content": "x"})).await;
    assert_eq!((wrong.0, &wrong.1["code"]), (StatusCode::UNAUTHORIZED, &json!(50027)));
    let stranger =
        sim.rest.http.get(format!("{}/api/v10/webhooks/{id}", sim.rest.base)).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED, "its address alone is the bot's to ask for");
    assert_eq!(sim.rest.get(&format!("/webhooks/{id}")).await.1["guild_id"], sim.guild());
    assert_eq!(
        sim.rest.call(Method::DELETE, &format!("/webhooks/{id}"), None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        sim.rest.post(&format!("/webhooks/{id}/{token}"), json!({"content": "x"})).await.1["code"],
        10015
    );
}

#[tokio::test]
async fn what_discord_has_and_the_simulator_has_not_says_so() {
    let sim = Sim::start().await;
    let emojis = format!("/guilds/{}/emojis", sim.guild());
    assert_eq!(sim.rest.get(&emojis).await.0, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(sim.rest.call(Method::PATCH, &emojis, None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let nowhere = sim.rest.get("/nowhere").await;
    assert_eq!((nowhere.0, &nowhere.1["code"]), (StatusCode::NOT_FOUND, &json!(0)));
    let unanswered = sim.control.requests().into_iter().filter(|entry| entry.status == 501).count();
    assert_eq!(unanswered, 1, "the log counts them");
}

impl Sim {
    /// The id of the small world's server.
    fn guild_of(&self) -> String {
        let world = World::empty().person("alice").person("bob").guild("Test Server", "alice", |guild| guild);
        world.guilds[0].id.to_string()
    }
}
