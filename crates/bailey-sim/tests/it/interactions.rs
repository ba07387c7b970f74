//! The life of an interaction, from the bot's side and from the person's.

use std::time::Duration;

use bailey_sim::{Choose, Click, Sight, Submit};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Gateway, Sim, using};

/// A simulator with `/greet`, and a connected bot.
async fn greeting() -> (Sim, Gateway) {
    let sim = Sim::start().await;
    sim.register(json!([{"name": "greet", "description": "Says hello"}])).await;
    let gateway = sim.identified().await;
    (sim, gateway)
}

async fn greet(sim: &Sim, gateway: &mut Gateway) -> Value {
    sim.control.command(using("greet", json!({}))).unwrap();
    gateway.event("INTERACTION_CREATE").await
}

fn button(custom_id: &str, label: &str) -> Value {
    json!([{"type": 1, "components": [{"type": 2, "style": 1, "custom_id": custom_id, "label": label}]}])
}

fn sights(sim: &Sim) -> Vec<Sight> {
    sim.control.observed_since(0).into_iter().map(|seen| seen.what).collect()
}

#[tokio::test]
async fn an_answer_is_a_message_and_there_is_only_one() {
    let (sim, mut gateway) = greeting().await;
    let interaction = greet(&sim, &mut gateway).await;
    let (status, outcome) = sim.answer(&interaction, json!({"type": 4, "data": {"content": "Hello"}})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(outcome["interaction"]["id"], interaction["id"]);
    assert_eq!(outcome["interaction"]["response_message_loading"], false);
    let message = &outcome["resource"]["message"];
    assert_eq!((&outcome["resource"]["type"], &message["content"]), (&json!(4), &json!("Hello")));
    assert_eq!(message["type"], 20);
    assert_eq!(message["interaction_metadata"]["user"]["username"], "alice");
    assert_eq!(message["interaction"]["name"], "greet");
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "Hello");
    let (status, body) = sim.answer(&interaction, json!({"type": 4, "data": {"content": "Again"}})).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!(40060)));
    let wrong = json!({"id": interaction["id"], "token": "wrong"});
    let (status, body) = sim.answer(&wrong, json!({"type": 4, "data": {"content": "x"}})).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!(10062)));

    // Without with_response there is nothing to read.
    let next = greet(&sim, &mut gateway).await;
    let path = format!(
        "/interactions/{}/{}/callback",
        next["id"].as_str().unwrap(),
        next["token"].as_str().unwrap()
    );
    let (status, body) = sim.rest.post(&path, json!({"type": 4, "data": {"content": "Hello"}})).await;
    assert_eq!((status, body), (StatusCode::NO_CONTENT, Value::Null));
}

#[tokio::test]
async fn thinking_becomes_the_answer_and_follow_ups_come_after() {
    let (sim, mut gateway) = greeting().await;
    let interaction = greet(&sim, &mut gateway).await;
    let original = sim.webhook(&interaction, "/messages/@original");
    let early = sim.rest.get(&original).await;
    assert_eq!((early.0, &early.1["code"]), (StatusCode::NOT_FOUND, &json!(10015)), "nothing answered yet");
    let (_, outcome) = sim.answer(&interaction, json!({"type": 5})).await;
    assert_eq!(outcome["interaction"]["response_message_loading"], true);
    assert_eq!(gateway.event("MESSAGE_CREATE").await["flags"], 128);
    assert_eq!(sim.rest.get(&original).await.1["flags"], 128);
    let (status, edited) = sim.rest.call(Method::PATCH, &original, Some(json!({"content": "Done"}))).await;
    assert_eq!((status, &edited["content"], &edited["flags"]), (StatusCode::OK, &json!("Done"), &json!(0)));
    assert_eq!(gateway.event("MESSAGE_UPDATE").await["content"], "Done");
    let (status, more) = sim.rest.post(&sim.webhook(&interaction, ""), json!({"content": "More"})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(more["interaction_metadata"]["original_response_message_id"], edited["id"]);
    let one = sim.webhook(&interaction, &format!("/messages/{}", more["id"].as_str().unwrap()));
    sim.rest.call(Method::PATCH, &one, Some(json!({"content": "Even more"}))).await;
    assert_eq!(sim.rest.get(&one).await.1["content"], "Even more");
    assert_eq!(sim.rest.call(Method::DELETE, &one, None).await.0, StatusCode::NO_CONTENT);
    let seen = sights(&sim);
    assert!(
        matches!(&seen[..], [
            Sight::Thinking { ephemeral: false, .. },
            Sight::MessagePosted { message: done },
            Sight::MessagePosted { message: more },
            Sight::MessageEdited { .. },
            Sight::MessageDeleted { .. },
        ] if done.content == "Done" && more.content == "More"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn an_ephemeral_answer_is_for_one_person() {
    let (sim, mut gateway) = greeting().await;
    let interaction = greet(&sim, &mut gateway).await;
    let data = json!({"content": "psst", "flags": 64, "components": button("secret", "Open")});
    let (_, outcome) = sim.answer(&interaction, json!({"type": 4, "data": data})).await;
    assert_eq!(outcome["interaction"]["response_message_ephemeral"], true);
    let seen = sights(&sim);
    assert!(
        matches!(&seen[0], Sight::MessagePosted { message } if message.ephemeral_to.as_deref() == Some("alice"))
    );
    let id = outcome["resource"]["message"]["id"].as_str().unwrap();
    let public = sim.rest.get(&format!("/channels/{}/messages/{id}", sim.general())).await;
    assert_eq!(public.1["code"], 10008, "nobody else can read it");
    assert_eq!(sim.rest.get(&sim.webhook(&interaction, "/messages/@original")).await.1["content"], "psst");
    let click = Click { custom_id: Some("secret".to_owned()), ..Click::default() };
    let bob = Click { person: Some("bob".to_owned()), ..click.clone() };
    assert!(sim.control.click(&bob).unwrap_err().message.contains("no message `bob` sees"));
    sim.control.click(&click).unwrap();
    // No MESSAGE_CREATE was sent for it: the click is the next event.
    assert_eq!(gateway.event("INTERACTION_CREATE").await["message"]["flags"], 64);

    // Thinking in private; the first follow-up takes its place and stays private.
    let again = greet(&sim, &mut gateway).await;
    sim.answer(&again, json!({"type": 5, "data": {"flags": 64}})).await;
    let late = sim.rest.post(&sim.webhook(&again, ""), json!({"content": "late"})).await.1;
    assert_eq!(late["flags"], 64);
    assert_eq!(sim.rest.get(&sim.webhook(&again, "/messages/@original")).await.1["id"], late["id"]);
}

#[tokio::test]
async fn a_button_updates_its_message() {
    let (sim, mut gateway) = greeting().await;
    let interaction = greet(&sim, &mut gateway).await;
    let data = json!({"content": "0", "components": button("count", "Count")});
    sim.answer(&interaction, json!({"type": 4, "data": data})).await;
    let posted = gateway.event("MESSAGE_CREATE").await;
    let label = Click { label: Some("Count".to_owned()), person: Some("bob".to_owned()), ..Click::default() };
    let receipt = sim.control.click(&label).unwrap();
    assert_eq!(json!(receipt.message_id), posted["id"]);
    let click = gateway.event("INTERACTION_CREATE").await;
    assert_eq!((&click["type"], &click["data"]["component_type"]), (&json!(3), &json!(2)));
    assert_eq!(click["data"]["custom_id"], "count");
    assert_eq!(click["message"]["id"], posted["id"]);
    assert_eq!(click["member"]["user"]["username"], "bob");
    let (_, outcome) =
        sim.answer(&click, json!({"type": 7, "data": {"content": "1", "components": []}})).await;
    assert_eq!(outcome["resource"]["message"]["content"], "1");
    let updated = gateway.event("MESSAGE_UPDATE").await;
    assert_eq!((&updated["id"], &updated["components"]), (&posted["id"], &json!([])));
    let gone = sim.control.click(&label).unwrap_err();
    assert!(gone.message.contains("has a button `Count`"), "{gone}");

    // A command has no message to update, and a type out of range is refused by name.
    let command = greet(&sim, &mut gateway).await;
    for kind in [6, 7, 8, 99] {
        let (status, body) = sim.answer(&command, json!({"type": kind})).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!(50035)), "{kind}");
        assert_eq!(body["errors"]["type"]["_errors"][0]["code"], "BASE_TYPE_CHOICES");
    }
}

#[tokio::test]
async fn selects_send_values_and_what_they_mean() {
    let (sim, mut gateway) = greeting().await;
    let interaction = greet(&sim, &mut gateway).await;
    let options = json!([{"label": "Red", "value": "r"}, {"label": "Blue", "value": "b"}]);
    let components = json!([
        {"type": 1, "components": [{"type": 3, "custom_id": "colour", "options": options, "max_values": 2}]},
        {"type": 1, "components": [{"type": 5, "custom_id": "who"}]},
    ]);
    sim.answer(&interaction, json!({"type": 4, "data": {"content": "pick", "components": components}})).await;
    gateway.event("MESSAGE_CREATE").await;
    let choose = |custom_id: &str, values: &[&str]| Choose {
        custom_id: custom_id.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..Choose::default()
    };
    sim.control.choose(&choose("colour", &["Red", "b"])).unwrap();
    let chosen = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(chosen["data"]["values"], json!(["r", "b"]));
    assert_eq!(chosen["data"]["component_type"], 3);
    assert_eq!(sim.answer(&chosen, json!({"type": 6})).await.0, StatusCode::OK);
    // After type 6 the original is the message with the component.
    let original = sim.rest.get(&sim.webhook(&chosen, "/messages/@original")).await.1;
    assert_eq!(original["content"], "pick");
    sim.control.choose(&choose("who", &["carol"])).unwrap();
    let chosen = gateway.event("INTERACTION_CREATE").await;
    let carol = chosen["data"]["values"][0].as_str().unwrap().to_owned();
    assert_eq!(chosen["data"]["resolved"]["users"][&carol]["username"], "carol");
    assert!(sim.control.choose(&choose("colour", &["Green"])).unwrap_err().hint.contains("r, b"));
    assert!(sim.control.choose(&choose("colour", &[])).unwrap_err().hint.contains("1 to 2"));
    assert!(sim.control.choose(&choose("shape", &["r"])).unwrap_err().hint.contains("colour, who"));
}

#[tokio::test]
async fn a_form_opens_and_comes_back_filled() {
    let (sim, mut gateway) = greeting().await;
    let submit = |values: Value| Submit { values: values.as_object().unwrap().clone(), ..Submit::default() };
    assert!(sim.control.submit(&submit(json!({}))).unwrap_err().message.contains("no form is open"));
    let interaction = greet(&sim, &mut gateway).await;
    let input = |id: &str, required: bool| json!({"type": 4, "custom_id": id, "label": id, "style": 1, "required": required});
    let form = json!({"custom_id": "feedback", "title": "Feedback", "components": [
        {"type": 1, "components": [input("subject", true)]},
        {"type": 18, "label": "Details", "component": {"type": 4, "custom_id": "details", "style": 2, "required": false}},
    ]});
    let (status, _) = sim.answer(&interaction, json!({"type": 9, "data": form})).await;
    assert_eq!(status, StatusCode::OK);
    let seen = sights(&sim);
    let Sight::ModalOpened { title, fields, person, .. } = &seen[0] else { panic!("{seen:?}") };
    assert_eq!((title.as_str(), person.as_str(), fields[1].label.as_str()), ("Feedback", "alice", "Details"));
    assert!(sim.control.submit(&submit(json!({}))).unwrap_err().message.contains("`subject` must be filled"));
    assert!(
        sim.control.submit(&submit(json!({"topic": "x"}))).unwrap_err().hint.contains("subject, details")
    );
    sim.control.submit(&submit(json!({"subject": "Hi", "Details": "All well"}))).unwrap();
    let submitted = gateway.event("INTERACTION_CREATE").await;
    assert_eq!((&submitted["type"], &submitted["data"]["custom_id"]), (&json!(5), &json!("feedback")));
    let expected = json!([
        {"type": 1, "id": 1, "components": [{"type": 4, "id": 2, "custom_id": "subject", "value": "Hi"}]},
        {"type": 18, "id": 3, "component": {"type": 4, "id": 4, "custom_id": "details", "value": "All well"}},
    ]);
    assert_eq!(submitted["data"]["components"], expected);
    // A form cannot answer a form.
    let (status, body) = sim.answer(&submitted, json!({"type": 9, "data": form})).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!(50035)));
    sim.answer(&submitted, json!({"type": 4, "data": {"content": "Thanks"}})).await;
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "Thanks");
}

#[tokio::test]
async fn windows_close_by_the_simulated_clock() {
    let (sim, mut gateway) = greeting().await;
    let late = greet(&sim, &mut gateway).await;
    let id = late["id"].as_str().unwrap().parse().unwrap();
    sim.control.advance(Duration::from_millis(2_900)).unwrap();
    assert_eq!(sim.control.is_answered(id), Some(false));
    sim.control.advance(Duration::from_millis(100)).unwrap();
    let seen = sights(&sim);
    assert!(matches!(&seen[..], [Sight::InteractionFailed { person, .. }] if person == "alice"), "{seen:?}");
    let (status, body) = sim.answer(&late, json!({"type": 4, "data": {"content": "sorry"}})).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!(10062)));

    let answered = greet(&sim, &mut gateway).await;
    sim.answer(&answered, json!({"type": 5})).await;
    sim.control.advance(Duration::from_secs(15 * 60)).unwrap();
    let (status, body) = sim.rest.post(&sim.webhook(&answered, ""), json!({"content": "too late"})).await;
    assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &json!(50027)));
    assert!(matches!(sights(&sim).last(), Some(Sight::InteractionFailed { .. })));
}

#[tokio::test]
async fn wrong_components_are_refused_with_the_place() {
    let (sim, mut gateway) = greeting().await;
    let interaction = greet(&sim, &mut gateway).await;
    let twice = json!([{"type": 1, "components": [
        {"type": 2, "style": 1, "custom_id": "same", "label": "a"},
        {"type": 2, "style": 1, "custom_id": "same", "label": "b"},
    ]}]);
    let (status, body) =
        sim.answer(&interaction, json!({"type": 4, "data": {"content": "x", "components": twice}})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let place = "/errors/data/components/0/components/1/custom_id/_errors/0/code";
    assert_eq!(body.pointer(place), Some(&json!("COMPONENT_CUSTOM_ID_DUPLICATED")), "{body}");
    // A refused answer is no answer: the interaction still waits.
    let (status, _) = sim.answer(&interaction, json!({"type": 4, "data": {"content": "fine"}})).await;
    assert_eq!(status, StatusCode::OK);
}
