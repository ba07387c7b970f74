//! Registering commands, and using them as a person.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sim, using};

fn trivia() -> Value {
    json!({"name": "trivia", "description": "Questions", "options": [
        {"type": 1, "name": "play", "description": "Start", "options": [
            {"type": 3, "name": "category", "description": "About", "required": true,
             "choices": [{"name": "Films", "value": "film"}, {"name": "Songs", "value": "song"}]},
            {"type": 4, "name": "rounds", "description": "How many", "min_value": 1, "max_value": 9},
            {"type": 6, "name": "against", "description": "Whom"},
            {"type": 8, "name": "team", "description": "Which"},
            {"type": 7, "name": "place", "description": "Where", "channel_types": [0]},
            {"type": 5, "name": "loud", "description": "Loud"},
        ]},
        {"type": 2, "name": "admin", "description": "Admin", "options": [
            {"type": 1, "name": "reset", "description": "Reset"},
        ]},
    ]})
}

#[tokio::test]
async fn overwrite_keeps_ids_and_renews_versions_only_of_what_changed() {
    let sim = Sim::start().await;
    let path = format!("/applications/{}/commands", sim.application());
    let greet = json!({"name": "greet", "description": "Hi", "options": [], "type": 1});
    let (status, first) = sim.rest.call(Method::PUT, &path, Some(json!([greet, trivia()]))).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    assert_eq!(first[0]["default_member_permissions"], Value::Null);
    let changed = json!({"name": "greet", "description": "Hello"});
    let second = sim.rest.call(Method::PUT, &path, Some(json!([changed, trivia()]))).await.1;
    assert_eq!(second[0]["id"], first[0]["id"]);
    assert_ne!(second[0]["version"], first[0]["version"]);
    assert_eq!(second[1], first[1], "unchanged");
    assert_eq!(sim.rest.get(&path).await.1, second);

    let (status, added) = sim.rest.post(&path, json!({"name": "Report", "type": 3})).await;
    assert_eq!((status, &added["description"]), (StatusCode::CREATED, &json!("")));
    assert_eq!(sim.rest.post(&path, json!({"name": "Report", "type": 3})).await.0, StatusCode::OK);
    let one = format!("{path}/{}", added["id"].as_str().unwrap());
    assert_eq!(sim.rest.call(Method::DELETE, &one, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.get(&one).await.1["code"], 10063);
    let scoped = format!("/applications/{}/guilds/{}/commands", sim.application(), sim.guild());
    assert_eq!(sim.rest.get(&scoped).await.1, json!([]), "global ones are not the server's");
}

#[tokio::test]
async fn what_discord_would_refuse_is_refused_with_the_place() {
    let sim = Sim::start().await;
    let path = format!("/applications/{}/commands", sim.application());
    let command = |options: Value| json!([{"name": "a", "description": "b", "options": options}]);
    let option = |name: &str, required: bool| json!({"type": 3, "name": name, "description": "d", "required": required});
    let long_option = |name: &str| {
        let choice =
            |number| json!({"name": format!("{number}{}", "n".repeat(90)), "value": format!("{number}")});
        json!({"type": 3, "name": name, "description": "d", "choices": (0..10).map(choice).collect::<Vec<_>>()})
    };
    let cases = [
        (json!([{"name": "Upper", "description": "b"}]), "/0/name", "APPLICATION_COMMAND_INVALID_NAME"),
        (json!([{"name": "a"}]), "/0/description", "BASE_TYPE_REQUIRED"),
        (json!([{"name": "a", "description": "x".repeat(101)}]), "/0/description", "BASE_TYPE_BAD_LENGTH"),
        (
            command((0..25).map(|number| long_option(&format!("o{number}"))).collect()),
            "/0",
            "APPLICATION_COMMAND_TOO_LARGE",
        ),
        (
            command(json!([option("x", false), option("y", true)])),
            "/0/options/1",
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        ),
        (
            command(json!([option("x", true), option("x", true)])),
            "/0/options/1/name",
            "APPLICATION_COMMAND_OPTIONS_NAME_INVALID",
        ),
        (
            command(json!([{"type": 99, "name": "x", "description": "d"}])),
            "/0/options/0/type",
            "BASE_TYPE_CHOICES",
        ),
        (
            command(json!([option("x", true), {"type": 1, "name": "sub", "description": "d"}])),
            "/0/options/1",
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
        ),
        (
            json!([{"name": "a", "description": "b"}, {"name": "a", "description": "c"}]),
            "/1",
            "APPLICATION_COMMANDS_DUPLICATE_NAME",
        ),
    ];
    for (commands, place, code) in cases {
        let (status, body) = sim.rest.call(Method::PUT, &path, Some(commands.clone())).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!(50035)), "{commands}");
        let found = body["errors"].pointer(&format!("{place}/_errors/0/code"));
        assert_eq!(found, Some(&json!(code)), "{body}");
    }
}

#[tokio::test]
async fn a_command_arrives_as_discord_sends_it() {
    let sim = Sim::start().await;
    let registered = sim.register(json!([trivia()])).await;
    let mut gateway = sim.identified().await;
    let options = json!({
        "category": "Films", "rounds": "3", "against": "bob", "team": "Moderator", "place": "#random", "loud": true,
    });
    let receipt = sim.control.command(using("trivia play", options)).unwrap();
    let interaction = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(interaction["id"], json!(receipt.interaction_id));
    let data = &interaction["data"];
    assert_eq!(data["id"], registered[0]["id"]);
    assert_eq!(
        (&data["name"], &data["type"], &data["guild_id"]),
        (&json!("trivia"), &json!(1), &json!(sim.guild()))
    );
    let world = bailey_sim::World::default_world();
    let (bob, moderator, random) =
        (world.people[1].id, world.guilds[0].roles[0].id, world.guilds[0].channels[1].id);
    let expected = json!([{"name": "play", "type": 1, "options": [
        {"name": "category", "type": 3, "value": "film"},
        {"name": "rounds", "type": 4, "value": 3},
        {"name": "against", "type": 6, "value": bob},
        {"name": "team", "type": 8, "value": moderator},
        {"name": "place", "type": 7, "value": random},
        {"name": "loud", "type": 5, "value": true},
    ]}]);
    assert_eq!(data["options"], expected);
    let resolved = |kind: &str, id: String, key: &str| data["resolved"][kind][id][key].clone();
    assert_eq!(resolved("users", bob.to_string(), "username"), "bob");
    assert_eq!(resolved("members", bob.to_string(), "roles"), json!([moderator]));
    assert!(resolved("members", bob.to_string(), "user").is_null());
    assert_eq!(resolved("roles", moderator.to_string(), "name"), "Moderator");
    assert_eq!(resolved("channels", random.to_string(), "name"), "random");
    for (key, value) in [
        ("type", json!(2)),
        ("version", json!(1)),
        ("application_id", json!(sim.application())),
        ("guild_id", json!(sim.guild())),
        ("channel_id", json!(sim.general())),
        ("locale", json!("en-US")),
        ("guild_locale", json!("en-US")),
        ("entitlements", json!([])),
        ("context", json!(0)),
        ("authorizing_integration_owners", json!({"0": sim.guild()})),
    ] {
        assert_eq!(interaction[key], value, "{key}");
    }
    assert_eq!(interaction["member"]["user"]["username"], "alice");
    assert!(
        interaction["member"]["permissions"].as_str().unwrap().parse::<u64>().unwrap() & 8 != 0,
        "the owner"
    );
    assert!(interaction["app_permissions"].is_string());
    assert_eq!(interaction["channel"]["name"], "general");
    assert_eq!(interaction["guild"]["id"], sim.guild());

    sim.control.command(using("/trivia admin reset", json!({}))).unwrap();
    let nested = gateway.event("INTERACTION_CREATE").await;
    let expected =
        json!([{"name": "admin", "type": 2, "options": [{"name": "reset", "type": 1, "options": []}]}]);
    assert_eq!(nested["data"]["options"], expected);
}

#[tokio::test]
async fn a_wrong_use_says_what_is_right() {
    let sim = Sim::start().await;
    let nothing = sim.control.command(using("greet", json!({}))).unwrap_err();
    assert!(nothing.hint.contains("no command is registered yet"), "{nothing}");
    sim.register(json!([trivia(), {"name": "ban", "description": "d", "default_member_permissions": "4"}]))
        .await;
    let cases = [
        ("greet", json!({}), "not a registered command", "/trivia play"),
        ("trivia", json!({}), "has subcommands", "/trivia admin reset"),
        ("trivia play", json!({}), "needs the option `category`", "About"),
        ("trivia play", json!({"category": "Books"}), "not one of the choices", "Films, Songs"),
        ("trivia play", json!({"category": "film", "rounds": 12}), "out of range", "1"),
        ("trivia play", json!({"category": "film", "rounds": "many"}), "does not fit", "whole number"),
        (
            "trivia play",
            json!({"category": "film", "against": "zoe"}),
            "nobody called `zoe`",
            "alice, bob, carol",
        ),
        ("trivia play", json!({"category": "film", "place": "Lounge"}), "not of a kind", ""),
        ("trivia play", json!({"topic": "film"}), "no option `topic`", "category, rounds"),
    ];
    for (name, options, message, hint) in cases {
        let error = sim.control.command(using(name, options)).unwrap_err();
        assert!(error.message.contains(message) && error.hint.contains(hint), "{name}: {error}");
    }
    let carol = bailey_sim::CommandUse { person: Some("carol".to_owned()), ..using("ban", json!({})) };
    assert!(sim.control.command(carol).unwrap_err().message.contains("may not use"));
    sim.control.command(using("ban", json!({}))).unwrap();
}

#[tokio::test]
async fn autocomplete_and_context_menus_reach_the_bot() {
    let sim = Sim::start().await;
    let option =
        json!({"type": 3, "name": "city", "description": "d", "autocomplete": true, "required": true});
    let weather = json!({"name": "weather", "description": "d", "options": [option]});
    sim.register(json!([weather, {"name": "Report Message", "type": 3}, {"name": "Inspect", "type": 2}]))
        .await;
    let mut gateway = sim.identified().await;
    let focused = Some("city".to_owned());
    let typing = bailey_sim::CommandUse { focused, ..using("weather", json!({"city": "Be"})) };
    sim.control.command(typing).unwrap();
    let asked = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(asked["type"], 4);
    let expected = json!([{"name": "city", "type": 3, "value": "Be", "focused": true}]);
    assert_eq!(asked["data"]["options"], expected);
    let choices = json!([{"name": "Berlin", "value": "berlin"}]);
    let (status, _) = sim.answer(&asked, json!({"type": 8, "data": {"choices": choices}})).await;
    assert_eq!(status, StatusCode::OK);
    let seen = sim.control.observed_since(0);
    assert!(
        matches!(&seen[0].what, bailey_sim::Sight::Choices { choices, .. } if choices[0]["name"] == "Berlin")
    );

    let said = sim.control.say(crate::support::say("rude")).unwrap().message_id.unwrap().to_string();
    gateway.event("MESSAGE_CREATE").await;
    sim.control.command(using("Report Message", json!({}))).unwrap();
    let report = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(report["data"]["target_id"], said);
    assert_eq!(report["data"]["resolved"]["messages"][&said]["content"], "rude");
    let target = Some("bob".to_owned());
    sim.control.command(bailey_sim::CommandUse { target, ..using("Inspect", json!({})) }).unwrap();
    let inspect = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(inspect["data"]["type"], 2);
    assert_eq!(inspect["data"]["resolved"]["users"].as_object().unwrap().len(), 1);
}
