//! Interactions that Discord sends by HTTP: a real SDK answers them, and nobody else is listened to.

use std::time::Duration;

use bailey_testkit::demo;
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::serve::Place;
use crate::support::{PATIENCE, http_client};

/// The application, as Discord's REST API has it: asked for, or with an address to be told interactions at.
async fn application(place: &Place, endpoint: Option<&str>) -> (StatusCode, Value) {
    let url = format!("{}/api/v10/applications/@me", place.sim.people.base);
    let request = match endpoint {
        Some(endpoint) => http_client().patch(url).json(&json!({"interactions_endpoint_url": endpoint})),
        None => http_client().get(url),
    };
    let answer = request.header("Authorization", format!("Bot {}", place.sim.token)).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_real_sdk_answers_what_comes_by_http_and_strangers_are_refused() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let key = application(&place, None).await.1["verify_key"].as_str().unwrap().to_owned();
    let install = ["--plugin", demo().to_str().unwrap(), "--server", &server].map(str::to_owned);
    let install = install.each_ref().map(String::as_str);
    let listen = ["--interactions-listen", "127.0.0.1:0", "--discord-public-key", &key];
    let (bailey, said) = place.serve(&[&install[..], &listen].concat()).await;
    let endpoint = said.split("taken at ").nth(1).and_then(|rest| rest.lines().next()).unwrap();

    // Discord tries it, with a wrong signature too, before it uses it; from then on nothing comes by the gateway.
    let (status, application_now) = application(&place, Some(endpoint)).await;
    assert_eq!((status, &application_now["interactions_endpoint_url"]), (StatusCode::OK, &json!(endpoint)));
    place.sim.people.command(json!({"name": "greet", "options": {"name": "Ada"}})).await;
    place.sim.people.hear("Hello, Ada! I have greeted people once on this server.", 1).await;
    place.sim.people.command(json!({"name": "greet", "options": {"name": "Bea"}})).await;
    place.sim.people.hear("Hello, Bea! I have greeted people twice on this server.", 1).await;

    // Who has not Discord's key is not listened to, whatever it says.
    for (signature, body, expected) in [
        ("", r#"{"type":1}"#.to_owned(), StatusCode::UNAUTHORIZED),
        (&"ab".repeat(64), r#"{"type":1}"#.to_owned(), StatusCode::UNAUTHORIZED),
        (&"ab".repeat(64), "not JSON".to_owned(), StatusCode::UNAUTHORIZED),
        ("", " ".repeat(2 << 20), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let request = http_client().post(endpoint).header("X-Signature-Ed25519", signature);
        let answer = request.header("X-Signature-Timestamp", "1").body(body).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{signature}");
    }
    let answer = http_client().get(endpoint).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(bailey.end_by(Signal::TERM).await.success());
}

#[tokio::test]
async fn an_endpoint_with_another_key_is_not_taken_by_discord() {
    let place = Place::new(1).await;
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let (bailey, said) =
        place.serve(&["--interactions-listen", "127.0.0.1:0", "--discord-public-key", key]).await;
    let endpoint = said.split("taken at ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let (status, refusal) = application(&place, Some(endpoint)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
    assert!(refusal["errors"]["interactions_endpoint_url"].is_object(), "{refusal}");
    assert!(bailey.end_by(Signal::TERM).await.success());

    let (code, _, errors) = place.run(&["serve", "--interactions-listen", "127.0.0.1:0"]).await;
    assert!(code == Some(2) && errors.contains("--discord-public-key"), "{errors}");
    let wrong = ["serve", "--interactions-listen", "127.0.0.1:0", "--discord-public-key", "12"];
    let (code, _, errors) =
        tokio::time::timeout(PATIENCE + Duration::from_secs(1), place.run(&wrong)).await.unwrap();
    assert!(code == Some(2) && errors.contains("64 hexadecimal digits"), "{errors}");
}
