//! REST: messages, reactions, servers, and Discord's refusals.

use bailey_sim::Sight;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sim, say};

#[tokio::test]
async fn a_message_is_sent_edited_read_and_deleted() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let path = format!("/channels/{}/messages", sim.general());
    let embed = json!({"title": "T", "fields": [{"name": "a", "value": "b"}]});
    let response =
        sim.rest.send(Method::POST, &path, Some(json!({"content": "Pong!", "embeds": [embed]}))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    let message: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(message["content"], "Pong!");
    assert_eq!(message["embeds"][0]["fields"][0]["inline"], false);
    assert_eq!(message["author"]["id"], sim.application());
    let id = message["id"].as_str().unwrap();
    assert_eq!(gateway.event("MESSAGE_CREATE").await["id"], id);

    let one = format!("{path}/{id}");
    let (status, edited) = sim.rest.call(Method::PATCH, &one, Some(json!({"content": "Ping?"}))).await;
    assert_eq!((status, edited["content"].as_str()), (StatusCode::OK, Some("Ping?")));
    assert!(edited["edited_timestamp"].is_string());
    assert_eq!(edited["embeds"].as_array().unwrap().len(), 1, "what is not named stays");
    assert_eq!(gateway.event("MESSAGE_UPDATE").await["content"], "Ping?");
    assert_eq!(sim.rest.get(&one).await.1["content"], "Ping?");

    assert_eq!(sim.rest.call(Method::DELETE, &one, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(gateway.event("MESSAGE_DELETE").await["id"], id);
    assert_eq!(sim.rest.get(&one).await.1, json!({"message": "Unknown Message", "code": 10008}));
    let kinds: Vec<Sight> = sim.control.observed_since(0).into_iter().map(|seen| seen.what).collect();
    assert!(
        matches!(
            &kinds[..],
            [Sight::MessagePosted { message }, Sight::MessageEdited { .. }, Sight::MessageDeleted { .. }]
                if message.content == "Pong!" && message.bot
        ),
        "{kinds:?}"
    );
}

#[tokio::test]
async fn refusals_read_as_discord_words_them() {
    let sim = Sim::start().await;
    let general = sim.general();
    let path = format!("/channels/{general}/messages");
    let people = sim.control.say(say("mine")).unwrap().message_id.unwrap();
    let too_long = json!({
        "message": "Invalid Form Body", "code": 50035,
        "errors": {"content": {"_errors": [
            {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."},
        ]}},
    });
    let (status, body) = sim.rest.post(&path, json!({"content": "x".repeat(2001)})).await;
    assert_eq!((status, body), (StatusCode::BAD_REQUEST, too_long));
    let cases = [
        (Method::POST, path.clone(), json!({}), 400, 50006),
        (Method::POST, path.clone(), json!({"content": "  "}), 400, 50006),
        (
            Method::POST,
            path.clone(),
            json!({"content": "x", "message_reference": {"message_id": "5"}}),
            400,
            50035,
        ),
        (Method::PATCH, format!("{path}/{people}"), json!({"content": "yours"}), 403, 50005),
        (Method::POST, "/channels/1/messages".to_owned(), json!({"content": "x"}), 404, 10003),
        (Method::GET, "/channels/none".to_owned(), json!({}), 400, 50035),
        (Method::GET, format!("{path}/1"), json!({}), 404, 10008),
        (Method::GET, "/guilds/1".to_owned(), json!({}), 404, 10004),
        (Method::GET, "/users/1".to_owned(), json!({}), 404, 10013),
        (Method::GET, format!("/guilds/{}/members/1", sim.guild()), json!({}), 404, 10013),
        (Method::PUT, format!("{path}/{people}/reactions/nonsense/@me"), json!({}), 400, 10014),
        (Method::POST, format!("{path}/bulk-delete"), json!({"messages": ["1"]}), 400, 50016),
        (Method::GET, "/nowhere".to_owned(), json!({}), 404, 0),
        (Method::DELETE, "/users/@me".to_owned(), json!({}), 405, 0),
        (Method::POST, path.clone(), json!({"embeds": [{"unknown": "x".repeat(300_000)}]}), 413, 40005),
        (Method::POST, path.clone(), json!({"content": "x".repeat(26 * 1024 * 1024)}), 413, 40005),
        (Method::GET, format!("{path}?limit=101"), json!({}), 400, 50035),
    ];
    for (method, path, body, status, code) in cases {
        let (got, answer) = sim.rest.call(method.clone(), &path, Some(body)).await;
        assert_eq!(
            (got.as_u16(), answer["code"].as_u64()),
            (status, Some(code)),
            "{method} {path}: {answer}"
        );
    }
    let url = format!("{}/api/v10/users/@me", sim.rest.base);
    let wrong = sim.rest.http.get(url).header("Authorization", "Bot wrong").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.text().await.unwrap(), r#"{"message":"401: Unauthorized","code":0}"#);
    let broken = sim.rest.request(Method::POST, &format!("/channels/{general}/messages"));
    let broken = broken.header("Content-Type", "application/json").body("{").send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    assert!(broken.text().await.unwrap().contains("50109"));
}

#[tokio::test]
async fn a_server_without_the_bot_is_out_of_reach() {
    let world = bailey_sim::World::default_world()
        .guild("Private", "bob", |guild| guild.text_channel("secret").bot(None))
        .guild("Quiet", "bob", |guild| {
            guild.text_channel("read-only").bot(Some(bailey_sim::world::permission::VIEW_CHANNEL))
        });
    let (private, secret) = (world.guilds[1].id, world.guilds[1].channels[0].id);
    let sim = Sim::with(world.clone()).await;
    for path in
        [format!("/guilds/{private}"), format!("/channels/{secret}"), format!("/channels/{secret}/messages")]
    {
        let (status, body) = sim.rest.get(&path).await;
        assert_eq!((status.as_u16(), body["code"].as_u64()), (403, Some(50001)), "{path}");
    }
    let bob = Some("bob".to_owned());
    let hidden = sim.control.say(bailey_sim::Say {
        guild: Some("Private".to_owned()),
        person: bob.clone(),
        ..say("nobody hears")
    });
    assert_eq!(hidden.unwrap().sessions, []);
    // The bot's own role grants nothing here, but @everyone still lets it write.
    let quiet = world.guilds[2].channels[0].id;
    let said = sim
        .control
        .say(bailey_sim::Say { guild: Some("Quiet".to_owned()), person: bob, ..say("x") })
        .unwrap();
    let (status, body) = sim
        .rest
        .call(Method::DELETE, &format!("/channels/{quiet}/messages/{}", said.message_id.unwrap()), None)
        .await;
    assert_eq!((status.as_u16(), body["code"].as_u64()), (403, Some(50013)));
}

#[tokio::test]
async fn files_arrive_as_multipart_and_can_be_downloaded() {
    let sim = Sim::start().await;
    let payload = json!({"content": "see", "attachments": [{"id": 3, "description": "numbers"}]});
    let body = [
        "--frontier\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n",
        &payload.to_string(),
        "\r\n--frontier\r\nContent-Disposition: form-data; name=\"files[3]\"; filename=\"a b.txt\"\r\n",
        "Content-Type: text/plain\r\n\r\n1,2,3\r\n--frontier--\r\n",
    ]
    .concat();
    let request = sim.rest.request(Method::POST, &format!("/channels/{}/messages", sim.general()));
    let response = request
        .header("Content-Type", "multipart/form-data; boundary=frontier")
        .body(body)
        .send()
        .await
        .unwrap();
    let message: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let file = &message["attachments"][0];
    assert_eq!(file["filename"], "a_b.txt", "{message}");
    assert_eq!((&file["size"], &file["description"]), (&json!(5), &json!("numbers")));
    let download = sim.rest.http.get(file["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(download.text().await.unwrap(), "1,2,3");
    let seen = sim.control.observed_since(0);
    let Sight::MessagePosted { message } = &seen[0].what else { panic!("{seen:?}") };
    assert_eq!((message.files[0].name.as_str(), message.files[0].size), ("a_b.txt", 5));
}

#[tokio::test]
async fn an_enforced_nonce_sends_once_and_mentions_obey_allowed_mentions() {
    let sim = Sim::start().await;
    let path = format!("/channels/{}/messages", sim.general());
    let body = json!({"content": "once", "nonce": "abc", "enforce_nonce": true});
    let first = sim.rest.post(&path, body.clone()).await.1;
    assert_eq!(sim.rest.post(&path, body).await.1["id"], first["id"]);
    assert_eq!(sim.rest.get(&path).await.1.as_array().unwrap().len(), 1);

    let alice = bailey_sim::World::default_world().people[0].id;
    let content = format!("<@{alice}> @everyone");
    let loud = sim.rest.post(&path, json!({"content": content})).await.1;
    assert_eq!(
        (&loud["mentions"][0]["username"], &loud["mention_everyone"]),
        (&json!("alice"), &json!(true))
    );
    let quiet = sim.rest.post(&path, json!({"content": content, "allowed_mentions": {"parse": []}})).await.1;
    assert_eq!((&quiet["mentions"], &quiet["mention_everyone"]), (&json!([]), &json!(false)));
    let seen = sim.control.observed_since(2);
    let Sight::MessagePosted { message } = &seen[0].what else { panic!("{seen:?}") };
    assert_eq!(message.allowed_mentions, Some(json!({"parse": []})));
}

#[tokio::test]
async fn lists_page_in_every_direction() {
    let sim = Sim::start().await;
    let ids: Vec<String> = (0..10)
        .map(|number| sim.control.say(say(&number.to_string())).unwrap().message_id.unwrap().to_string())
        .collect();
    let path = format!("/channels/{}/messages", sim.general());
    let contents = async |query: &str| -> String {
        let list = sim.rest.get(&format!("{path}?{query}")).await.1;
        list.as_array()
            .unwrap()
            .iter()
            .map(|message| message["content"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(contents("limit=3").await, "987");
    assert_eq!(contents(&format!("limit=3&before={}", ids[5])).await, "432");
    assert_eq!(contents(&format!("limit=3&after={}", ids[5])).await, "876");
    assert_eq!(contents(&format!("limit=4&around={}", ids[5])).await, "76543");

    let (status, _) = sim.rest.post(&format!("{path}/bulk-delete"), json!({"messages": ids[..9]})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(contents("limit=100").await, "9");
    sim.control.advance(std::time::Duration::from_secs(15 * 24 * 3600)).unwrap();
    let fresh = sim.control.say(say("new")).unwrap().message_id.unwrap();
    let old = json!({"messages": [ids[9], fresh]});
    let (_, answer) = sim.rest.post(&format!("{path}/bulk-delete"), old).await;
    assert_eq!(answer["code"], 50034);
}

#[tokio::test]
async fn reactions_of_people_and_bot_are_kept_and_told() {
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let id = sim.control.say(say("react to me")).unwrap().message_id.unwrap();
    gateway.event("MESSAGE_CREATE").await;
    let emoji = "%F0%9F%91%8D";
    let path = format!("/channels/{}/messages/{id}", sim.general());
    let mine = format!("{path}/reactions/{emoji}/@me");
    assert_eq!(sim.rest.call(Method::PUT, &mine, None).await.0, StatusCode::NO_CONTENT);
    let added = gateway.event("MESSAGE_REACTION_ADD").await;
    assert_eq!((&added["emoji"]["name"], &added["user_id"]), (&json!("👍"), &json!(sim.application())));
    let react =
        bailey_sim::React { emoji: "👍".to_owned(), person: Some("bob".to_owned()), ..Default::default() };
    sim.control.react(react.clone()).unwrap();
    assert_eq!(gateway.event("MESSAGE_REACTION_ADD").await["member"]["user"]["username"], "bob");
    let reaction = &sim.rest.get(&path).await.1["reactions"][0];
    assert_eq!((&reaction["count"], &reaction["me"]), (&json!(2), &json!(true)));
    let users = sim.rest.get(&format!("{path}/reactions/{emoji}")).await.1;
    assert_eq!(users.as_array().unwrap().len(), 2);
    sim.control.unreact(react).unwrap();
    gateway.event("MESSAGE_REACTION_REMOVE").await;
    let wrong = bailey_sim::React { emoji: "x".to_owned(), ..Default::default() };
    assert!(sim.control.react(wrong).unwrap_err().message.contains("Unknown Emoji"));
}

#[tokio::test]
async fn servers_members_and_the_application_can_be_read() {
    let sim = Sim::start().await;
    let guild = format!("/guilds/{}", sim.guild());
    assert_eq!(sim.rest.get(&format!("{guild}?with_counts=true")).await.1["approximate_member_count"], 4);
    assert_eq!(sim.rest.get(&guild).await.1.get("approximate_member_count"), None);
    let names = async |path: String, key: &str| -> Vec<String> {
        let list = sim.rest.get(&path).await.1;
        let name = |one: &Value| one.pointer(key).unwrap().as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names(format!("{guild}/channels"), "/name").await, ["general", "random", "Lounge"]);
    assert_eq!(names(format!("{guild}/roles"), "/name").await, ["@everyone", "Moderator", "Test Bot"]);
    let all = names(format!("{guild}/members?limit=1000"), "/user/username").await;
    assert_eq!(all, ["Test Bot", "alice", "bob", "carol"]);
    assert_eq!(names(format!("{guild}/members/search?query=BO&limit=5"), "/user/username").await, ["bob"]);
    assert_eq!(sim.rest.get("/users/@me").await.1["username"], "Test Bot");
    assert_eq!(sim.rest.get("/applications/@me").await.1["id"], sim.application());
    assert_eq!(sim.rest.get("/oauth2/applications/@me").await.1["id"], sim.application());
    assert_eq!(sim.rest.get("/gateway/bot").await.1["url"], sim.simulator.gateway_url());
    assert_eq!(sim.rest.get("/gateway").await.1["url"], sim.simulator.gateway_url());
}

#[tokio::test]
async fn components_come_back_numbered_and_with_their_defaults() {
    let sim = Sim::start().await;
    let path = format!("/channels/{}/messages", sim.general());
    let select = json!({"type": 3, "custom_id": "s", "options": [{"label": "a", "value": "b"}]});
    let message = sim.rest.post(&path, json!({"components": [{"type": 1, "components": [select]}]})).await.1;
    let expected = json!([{"type": 1, "id": 1, "components": [{
        "type": 3, "custom_id": "s", "options": [{"label": "a", "value": "b"}], "id": 2, "min_values": 1, "max_values": 1,
    }]}]);
    assert_eq!(message["components"], expected);

    let parts = json!([{"type": 17, "components": [{"type": 10, "content": "text"}, {"type": 14}]}]);
    let flags = 1 << 15;
    let modern = sim.rest.post(&path, json!({"flags": flags, "components": parts})).await.1;
    let expected = json!([{
        "type": 17, "id": 1, "accent_color": null, "spoiler": false, "components": [
            {"type": 10, "id": 2, "content": "text"}, {"type": 14, "id": 3, "spacing": 1, "divider": true},
        ],
    }]);
    assert_eq!(modern["components"], expected, "{modern}");
    assert_eq!(modern["flags"], flags);
    let (status, body) =
        sim.rest.post(&path, json!({"flags": flags, "content": "x", "components": parts})).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!(50035)));
    let (status, _) = sim.rest.post(&path, json!({"components": parts})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "containers need the flag");
}
