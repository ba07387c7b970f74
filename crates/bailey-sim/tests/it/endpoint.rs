//! A bot that takes interactions by HTTP: tried like Discord tries, told what is signed, answering in the response or
//! by the callback route.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bailey_sim::{CommandUse, Sight};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{DEADLINE, Sim};

/// How a bot behaves.
#[derive(Clone)]
struct Bot {
    /// Its own idea of Discord's key; without one it believes everybody.
    key: Option<VerifyingKey>,
    answer: Option<Value>,
    heard: mpsc::UnboundedSender<(String, Value)>,
}

async fn receive(State(bot): State<Bot>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (signature, timestamp) = (header("x-signature-ed25519"), header("x-signature-timestamp"));
    let signed = [timestamp.as_bytes(), &body].concat();
    let bytes: Vec<u8> =
        (0..64).map(|at| u8::from_str_radix(&signature[2 * at..2 * at + 2], 16).unwrap()).collect();
    let fits =
        |key: &VerifyingKey| key.verify_strict(&signed, &Signature::from_slice(&bytes).unwrap()).is_ok();
    if bot.key.as_ref().is_some_and(|key| !fits(key)) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    if body["type"] == 1 {
        return (StatusCode::OK, json!({"type": 1}).to_string());
    }
    bot.heard.send((signature, body)).unwrap();
    match bot.answer {
        Some(answer) => (StatusCode::OK, answer.to_string()),
        None => (StatusCode::ACCEPTED, String::new()),
    }
}

struct Stage {
    sim: Sim,
    url: String,
    heard: mpsc::UnboundedReceiver<(String, Value)>,
    _serving: JoinSet<()>,
}

impl Stage {
    async fn new(believes_everybody: bool, answer: Option<Value>) -> Self {
        let sim = Sim::start().await;
        sim.register(json!([{"name": "greet", "description": "d"}])).await;
        let key: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&sim.simulator.public_key()[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let key = VerifyingKey::from_bytes(&key.try_into().unwrap()).unwrap();
        let (sender, heard) = mpsc::unbounded_channel();
        let bot = Bot { key: (!believes_everybody).then_some(key), answer, heard: sender };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/interactions", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        let app = Router::new().route("/interactions", post(receive)).with_state(bot);
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { sim, url, heard, _serving: serving }
    }

    async fn greet(&mut self) -> (String, Value) {
        self.sim.control.command(CommandUse { name: "greet".into(), ..CommandUse::default() }).unwrap();
        tokio::time::timeout(DEADLINE, self.heard.recv()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn interactions_go_to_the_endpoint_and_not_to_the_gateway() {
    let mut stage = Stage::new(false, None).await;
    let mut gateway = stage.sim.identified().await;
    stage.sim.control.set_interactions_endpoint(Some(&stage.url)).await.unwrap();
    let (_, asked) = stage.greet().await;
    assert_eq!((&asked["type"], &asked["data"]["name"]), (&json!(2), &json!("greet")));
    let (status, _) = stage.sim.answer(&asked, json!({"type": 4, "data": {"content": "hi"}})).await;
    assert!(status.is_success(), "{status}");
    // The next thing the gateway tells is the answer: it was never told of the command.
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "hi");
    stage.sim.control.set_interactions_endpoint(None).await.unwrap();
    stage.sim.control.command(CommandUse { name: "greet".into(), ..CommandUse::default() }).unwrap();
    assert_eq!(gateway.event("INTERACTION_CREATE").await["data"]["name"], "greet");
}

#[tokio::test]
async fn an_answer_in_the_response_counts_as_the_callback() {
    let mut stage = Stage::new(false, Some(json!({"type": 4, "data": {"content": "at once"}}))).await;
    stage.sim.control.set_interactions_endpoint(Some(&stage.url)).await.unwrap();
    stage.greet().await;
    let seen = stage.sim.control.wait_observed(0, DEADLINE).await;
    assert!(
        matches!(&seen[0].what, Sight::MessagePosted { message } if message.content == "at once"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn an_endpoint_that_believes_everybody_is_refused() {
    let stage = Stage::new(true, None).await;
    let refused = stage.sim.control.set_interactions_endpoint(Some(&stage.url)).await.unwrap_err();
    assert!(refused.message.contains("a wrong signature"), "{refused}");
    let nobody = stage.sim.control.set_interactions_endpoint(Some("http://127.0.0.1:1/")).await.unwrap_err();
    assert!(nobody.message.contains("could not be verified"), "{nobody}");
    let elsewhere = stage.sim.control.set_interactions_endpoint(Some("http://192.0.2.1/")).await;
    assert!(elsewhere.is_err());
}

#[tokio::test]
async fn equal_runs_sign_equal_bytes() {
    let mut signatures = Vec::new();
    for _ in 0..2 {
        let mut stage = Stage::new(false, None).await;
        stage.sim.control.set_interactions_endpoint(Some(&stage.url)).await.unwrap();
        signatures.push(stage.greet().await);
    }
    assert_eq!(signatures[0], signatures[1]);
}
