//! Commands, buttons, selects and forms arrive with every field, and are answered.

use bailey_discord::{CallbackBody, DiscordError, Original};
use bailey_protocol::event::{ComponentMessage, Interaction, InteractionKind};
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{Event, EventKind};
use bailey_sim::{Choose, Click, CommandUse, Fault, FaultRule, Sight, Submit};
use serde_json::{Value, json};

use crate::support::{Rig, general, payload};

/// A rig with one command of every shape.
async fn rig() -> Rig {
    let rig = Rig::start().await;
    let commands = [
        json!({"name": "greet", "description": "Says hello"}),
        json!({"name": "trivia", "description": "A quiz", "options": [
            {"type": 1, "name": "play", "description": "Plays", "options": [
                {"type": 3, "name": "category", "description": "Which"},
                {"type": 4, "name": "rounds", "description": "How many"}]},
            {"type": 1, "name": "stop", "description": "Stops"},
            {"type": 2, "name": "admin", "description": "For admins", "options": [
                {"type": 1, "name": "reset", "description": "Resets", "options": [
                    {"type": 6, "name": "who", "description": "Whom"},
                    {"type": 5, "name": "quietly", "description": "How"},
                    {"type": 10, "name": "ratio", "description": "How much"}]}]}]}),
        json!({"name": "Look Up", "type": 2}),
    ];
    rig.rest.sync_guild_commands(rig.application.id, rig.guild(), &commands).await.unwrap();
    rig
}

fn using(name: &str, options: Value) -> CommandUse {
    let options = options.as_object().cloned().unwrap_or_default();
    CommandUse { name: name.to_owned(), options, ..CommandUse::default() }
}

/// Uses `/greet` and gives what answering it takes.
async fn greeted(rig: &mut Rig) -> Interaction {
    rig.control.command(using("greet", json!({}))).unwrap();
    interaction(&rig.next(EventKind::InteractionCreate).await)
}

fn interaction(event: &Event) -> Interaction {
    event.interaction.clone().unwrap()
}

fn text(content: &str) -> MessageParts {
    MessageParts { content: Some(content.to_owned()), ..MessageParts::default() }
}

async fn respond(rig: &Rig, to: &Interaction, body: CallbackBody) {
    rig.rest.interaction_callback(to.id, &to.token, body).await.unwrap();
}

#[tokio::test]
async fn a_command_arrives_with_every_field_and_alias() {
    let mut rig = rig().await;
    let options = json!({"category": "Film", "rounds": 3});
    let receipt = rig.control.command(using("trivia play", options)).unwrap();
    let event = rig.next(EventKind::InteractionCreate).await;
    let interaction = interaction(&event);
    assert_eq!(event.id.as_str(), format!("interaction-{}", receipt.interaction_id.unwrap()));
    assert_eq!(interaction.kind, InteractionKind::Command);
    assert_eq!(interaction.command.as_deref(), Some("trivia"));
    assert_eq!((interaction.application, interaction.custom_id), (rig.application.id, None));
    assert!(!payload(&event).to_string().contains(interaction.token.reveal()));
    insta::assert_json_snapshot!("command", payload(&event));
}

#[tokio::test]
async fn options_are_lists_at_every_level() {
    let mut rig = rig().await;
    rig.control.command(using("trivia stop", json!({}))).unwrap();
    let stopped = rig.next(EventKind::InteractionCreate).await;
    let options = json!({"who": "bob", "quietly": true, "ratio": 0.5});
    rig.control
        .command(CommandUse { person: Some("bob".into()), ..using("trivia admin reset", options) })
        .unwrap();
    let reset = rig.next(EventKind::InteractionCreate).await;
    rig.control.command(CommandUse { target: Some("carol".into()), ..using("Look Up", json!({})) }).unwrap();
    let looked_up = rig.next(EventKind::InteractionCreate).await;
    for event in [&stopped, &reset, &looked_up] {
        assert_eq!(event.payload["options"], event.payload["command_options"]);
    }
    assert_eq!(looked_up.payload["command_type"], 2);
    let seen = [&stopped, &reset, &looked_up].map(|event| {
        json!({
            "command_name": event.payload["command_name"],
            "options": event.payload["options"],
            "member": event.payload["member"],
            "target_id": event.payload.get("target_id"),
            "resolved": event.payload.get("resolved").is_some(),
        })
    });
    insta::assert_json_snapshot!("options", seen);
}

#[tokio::test]
async fn buttons_and_every_kind_of_select_arrive() {
    let mut rig = rig().await;
    let row = |component: Value| json!({"type": 1, "components": [component]});
    let parts = MessageParts {
        components: Some(vec![
            row(json!({"type": 2, "style": 1, "custom_id": "press", "label": "Press"})),
            row(json!({"type": 3, "custom_id": "pick", "max_values": 2, "options": [
                {"label": "Red", "value": "red"}, {"label": "Blue", "value": "blue"}]})),
        ]),
        ..text("choose")
    };
    let first = rig.rest.create_message(general(), &parts, &[]).await.unwrap();
    let entity = |kind: u8, id: &str| row(json!({"type": kind, "custom_id": id}));
    let parts = MessageParts {
        components: Some(vec![
            entity(5, "user"),
            entity(6, "role"),
            entity(7, "either"),
            entity(8, "channel"),
        ]),
        ..text("choose more")
    };
    let second = rig.rest.create_message(general(), &parts, &[]).await.unwrap();
    rig.control.click(&Click { custom_id: Some("press".into()), ..Click::default() }).unwrap();
    let mut seen = vec![rig.next(EventKind::InteractionCreate).await];
    let choices: [(&str, &[&str]); 5] = [
        ("pick", &["red", "blue"]),
        ("user", &["bob"]),
        ("role", &["Moderator"]),
        ("either", &["Moderator"]),
        ("channel", &["random"]),
    ];
    for (custom_id, values) in choices {
        let values = values.iter().map(ToString::to_string).collect();
        rig.control.choose(&Choose { custom_id: custom_id.into(), values, ..Choose::default() }).unwrap();
        seen.push(rig.next(EventKind::InteractionCreate).await);
    }
    assert!(seen.iter().all(|event| interaction(event).kind == InteractionKind::Component));
    assert_eq!(interaction(&seen[0]).custom_id.as_deref(), Some("press"));
    let sits_on = |message, ephemeral| Some(ComponentMessage { channel: general(), message, ephemeral });
    assert_eq!(interaction(&seen[0]).message, sits_on(first.message_id, false));
    assert_eq!(interaction(&seen[2]).message, sits_on(second.message_id, false));
    insta::assert_json_snapshot!("button", payload(&seen[0]));
    let selects: Vec<Value> = seen[1..]
        .iter()
        .map(|event| {
            json!({
                "custom_id": event.payload["custom_id"],
                "component_type": event.payload["component_type"],
                "values": event.payload["values"],
                "data": event.payload["data"],
                "message_id": event.payload["message_id"],
            })
        })
        .collect();
    insta::assert_json_snapshot!("selects", selects);
}

#[tokio::test]
async fn forms_open_and_what_was_entered_arrives_flat() {
    let mut rig = rig().await;
    let asked = greeted(&mut rig).await;
    let components = vec![
        json!({"type": 1, "components": [{"type": 4, "style": 1, "custom_id": "name", "label": "Name"}]}),
        json!({"type": 18, "label": "About", "component":
            {"type": 4, "style": 2, "custom_id": "about", "required": false}}),
    ];
    let form = CallbackBody::Modal { title: "Who are you?".into(), custom_id: "who".into(), components };
    respond(&rig, &asked, form).await;
    let values = json!({"name": "Ada", "about": "Counts"}).as_object().cloned().unwrap();
    rig.control.submit(&Submit { custom_id: Some("who".into()), values, ..Submit::default() }).unwrap();
    let submitted = rig.next(EventKind::InteractionCreate).await;
    assert_eq!(interaction(&submitted).kind, InteractionKind::ModalSubmit);
    insta::assert_json_snapshot!("modal", payload(&submitted));
    respond(&rig, &interaction(&submitted), CallbackBody::Message { parts: text("Hi Ada"), ephemeral: true })
        .await;
    let seen = rig.control.observed_since(0);
    let Some(Sight::MessagePosted { message }) = seen.last().map(|seen| &seen.what) else {
        panic!("nothing was posted: {seen:?}");
    };
    assert_eq!((message.content.as_str(), message.ephemeral_to.as_deref()), ("Hi Ada", Some("alice")));
}

#[tokio::test]
async fn thinking_is_followed_by_an_answer_and_more() {
    let mut rig = rig().await;
    let asked = greeted(&mut rig).await;
    respond(&rig, &asked, CallbackBody::Defer { ephemeral: true }).await;
    let edited = rig.rest.edit_original(asked.application, &asked.token, &text("Here")).await.unwrap();
    let more = rig.rest.create_followup(asked.application, &asked.token, &text("More"), false).await.unwrap();
    let original = rig.rest.get_original(asked.application, &asked.token).await.unwrap();
    assert_eq!(original, Original { sent: edited.clone(), thinking: false, ephemeral: true });
    assert_ne!(more.message_id, edited.message_id);
    assert_eq!((more.channel_id, edited.channel_id), (general(), general()));
    let messages = rig.control.messages(bailey_sim::Snowflake(general().0));
    let seen: Vec<_> =
        messages.iter().map(|message| (message.content.as_str(), message.ephemeral_to.as_deref())).collect();
    assert_eq!(seen, [("Here", Some("alice")), ("More", None)]);
}

#[tokio::test]
async fn a_component_changes_the_message_it_is_on() {
    let mut rig = rig().await;
    let button = json!({"type": 1, "components": [
        {"type": 2, "style": 1, "custom_id": "press", "label": "Press"}]});
    let parts = MessageParts { components: Some(vec![button]), ..text("before") };
    let sent = rig.rest.create_message(general(), &parts, &[]).await.unwrap();
    for (content, body) in [
        ("before", CallbackBody::DeferUpdate),
        ("after", CallbackBody::UpdateMessage { parts: text("after") }),
    ] {
        rig.control.click(&Click { custom_id: Some("press".into()), ..Click::default() }).unwrap();
        let pressed = interaction(&rig.next(EventKind::InteractionCreate).await);
        respond(&rig, &pressed, body).await;
        let messages = rig.control.messages(bailey_sim::Snowflake(general().0));
        let message = messages.iter().find(|message| message.id.0 == sent.message_id.0).unwrap();
        assert_eq!(message.content, content);
        assert_eq!(message.components.len(), 1, "what was not given stays");
    }
}

/// A rig whose newest message, for alice alone or for all, has a button that she pressed.
async fn pressed(ephemeral: bool) -> (Rig, Interaction) {
    let mut rig = rig().await;
    let asked = greeted(&mut rig).await;
    assert_eq!(asked.message, None);
    let button = json!({"type": 1, "components": [
        {"type": 2, "style": 1, "custom_id": "press", "label": "Press"}]});
    let parts = MessageParts { components: Some(vec![button]), ..text("before") };
    respond(&rig, &asked, CallbackBody::Message { parts, ephemeral }).await;
    rig.control.click(&Click { custom_id: Some("press".into()), ..Click::default() }).unwrap();
    let pressed = interaction(&rig.next(EventKind::InteractionCreate).await);
    (rig, pressed)
}

#[tokio::test]
async fn a_message_is_changed_by_its_ids_unless_only_one_person_sees_it() {
    for ephemeral in [false, true] {
        let (rig, pressed) = pressed(ephemeral).await;
        let at = pressed.message.unwrap();
        assert_eq!((at.channel, at.ephemeral), (general(), ephemeral));
        let edited = rig.rest.edit_message(at.channel, at.message, &text("after")).await;
        if ephemeral {
            assert!(matches!(edited, Err(DiscordError::Refused { code: 10008, .. })), "{edited:?}");
        } else {
            assert_eq!(edited.unwrap().message_id, at.message);
        }
        let messages = rig.control.messages(bailey_sim::Snowflake(general().0));
        let expected = if ephemeral { "before" } else { "after" };
        assert_eq!(messages.last().map(|message| message.content.as_str()), Some(expected));
    }
}

#[tokio::test]
async fn thinking_is_told_from_an_answer_and_can_be_taken_away() {
    let mut rig = rig().await;
    let asked = greeted(&mut rig).await;
    let (application, token) = (asked.application, asked.token.clone());
    let unanswered = rig.rest.get_original(application, &token).await.unwrap_err();
    assert!(matches!(unanswered, DiscordError::Refused { code: 10015, .. }), "{unanswered:?}");
    respond(&rig, &asked, CallbackBody::Defer { ephemeral: false }).await;
    let original = rig.rest.get_original(application, &token).await.unwrap();
    assert_eq!((original.thinking, original.ephemeral), (true, false));
    // The receipt gets lost; the second request finds nothing left, which is as wanted.
    let fault = Fault::AppliedBut { status: 502 };
    let rule = FaultRule { method: Some("DELETE".into()), route: "/webhooks/".into(), times: 1, fault };
    rig.control.fault(rule).unwrap();
    rig.rest.delete_original(application, &token).await.unwrap();
    let gone = rig.rest.get_original(application, &token).await.unwrap_err();
    assert!(matches!(gone, DiscordError::Refused { code: 10008, .. }), "{gone:?}");
}
