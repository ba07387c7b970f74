//! Whatever JSON Discord might send, reading it never panics, and never shows a token.

use bailey_discord::Directory;
use bailey_discord::normalise::{Before, Mark, Normalised, Surroundings, normalise};
use bailey_protocol::Timestamp;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const TYPES: &[&str] = &[
    "MESSAGE_CREATE",
    "MESSAGE_UPDATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "GUILD_MEMBER_ADD",
    "GUILD_MEMBER_REMOVE",
    "GUILD_MEMBER_UPDATE",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "VOICE_STATE_UPDATE",
    "CHANNEL_CREATE",
    "CHANNEL_UPDATE",
    "CHANNEL_DELETE",
    "GUILD_ROLE_CREATE",
    "GUILD_ROLE_UPDATE",
    "GUILD_ROLE_DELETE",
    "INTERACTION_CREATE",
    "TYPING_START",
];

/// Names that mean something, so that the depths of the reader are reached.
const NAMES: &[&str] = &[
    "id",
    "type",
    "guild_id",
    "channel_id",
    "content",
    "author",
    "member",
    "user",
    "roles",
    "nick",
    "data",
    "options",
    "values",
    "components",
    "component",
    "custom_id",
    "value",
    "resolved",
    "message",
    "emoji",
    "name",
    "message_id",
    "user_id",
    "ids",
    "embeds",
    "mentions",
    "permissions",
    "username",
    "role",
    "role_id",
    "position",
    "parent_id",
    "self_stream",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (1..9_u64).prop_map(|id| Value::from(id.to_string())),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES), inside), 0..8).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

/// What an object of each type must have, so that it is read to the end.
fn complete(data: Value) -> Value {
    let mut whole = json!({
        "id": "1", "application_id": "2", "type": 2, "token": "secret-token", "guild_id": "3", "channel_id": "4",
        "message_id": "5", "user_id": "6", "emoji": {"name": "x"}, "ids": ["7"], "user": {"id": "8"},
        "role": {"id": "9"}, "role_id": "9",
    });
    if let (Some(whole), Value::Object(data)) = (whole.as_object_mut(), data) {
        whole.extend(data);
    }
    whole
}

fn read(event_type: &str, data: &Value) -> Option<Normalised> {
    let directory = Directory::new();
    let surroundings = Surroundings {
        directory: &directory,
        before: &Before::default(),
        mark: Mark::new("s", 1),
        received_at: Timestamp(0),
    };
    let raw = RawValue::from_string(data.to_string()).unwrap();
    normalise(event_type, &raw, surroundings).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics(data in any_json(), event_type in prop::sample::select(TYPES)) {
        read(event_type, &data);
        if let Some(Normalised::Events(events)) = read(event_type, &complete(data)) {
            for event in events {
                prop_assert!(event.payload.contains_key("guild_id"));
                prop_assert!(!Value::Object((*event.payload).clone()).to_string().contains("secret-token"));
                let shown = format!("{event:?}");
                prop_assert!(!shown.contains("secret-token"));
            }
        }
    }
}

#[test]
fn the_generator_reaches_events_of_every_type() {
    for event_type in TYPES.iter().filter(|event_type| **event_type != "TYPING_START") {
        let data = complete(json!({"content": "x"}));
        let Some(Normalised::Events(events)) = read(event_type, &data) else {
            panic!("{event_type} gives no event for {data}");
        };
        assert_eq!(events.len(), 1, "{event_type}");
    }
}

#[test]
fn a_bulk_deletion_is_told_message_by_message() {
    let data = json!({"ids": ["10", "11", 12], "channel_id": "4", "guild_id": "3"});
    let Some(Normalised::Events(events)) = read("MESSAGE_DELETE_BULK", &data) else { panic!("no events") };
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["message_delete-10", "message_delete-11", "message_delete-12"]);
}

#[test]
fn custom_emoji_are_written_as_people_write_them() {
    for (emoji, expected) in [
        (json!({"id": "9", "name": "wave"}), "<:wave:9>"),
        (json!({"id": "9", "name": "wave", "animated": true}), "<a:wave:9>"),
        (json!({"id": null, "name": "👍"}), "👍"),
    ] {
        let data = complete(json!({"emoji": emoji}));
        let Some(Normalised::Events(events)) = read("MESSAGE_REACTION_ADD", &data) else {
            panic!("no event")
        };
        assert_eq!(events[0].payload["emoji"], expected);
    }
}

#[test]
fn a_links_preview_is_no_edit() {
    let data = json!({"id": "1", "channel_id": "2", "guild_id": "3", "embeds": [{}]});
    assert!(matches!(read("MESSAGE_UPDATE", &data), Some(Normalised::Skipped(_))));
}
