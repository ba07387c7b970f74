//! Recording what a bot and the simulator say to each other, and saying it again.

use std::path::Path;
use std::time::Duration;

use bailey_sim::{ClockMode, Record, Recording, Replay, SimConfig, Simulator};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ALL_INTENTS, DEADLINE, Gateway, Rest, Sim, say, using};

/// Looks like a bot token, and opens nothing.
const FOREIGN_TOKEN: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.abcdefghijklmnopqrstuvwxyz01";

async fn simulator(seed: u64) -> Sim {
    let config = SimConfig { clock: ClockMode::manual(), seed, ..SimConfig::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let rest = Rest::new(&simulator.http_base(), &simulator.bot_token());
    Sim { control: simulator.control(), rest, simulator }
}

fn no_replay() -> std::net::SocketAddr {
    std::net::SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A bot that knows nothing but the wire. It greets whoever uses `/greet`, and goes on after a lost connection; gives
/// what it heard and was answered, without the address.
struct Bot {
    rest: Rest,
    gateway: Gateway,
    base: String,
    token: String,
    session: Value,
    log: Vec<String>,
}

impl Bot {
    async fn start(http: &str, gateway: &str, token: &str) -> Self {
        let rest = Rest::new(http, token);
        let commands = json!([{"name": "greet", "description": "d"}]);
        let (guild, application) = {
            let world = bailey_sim::World::default_world();
            (world.guilds[0].id, world.application.id)
        };
        let path = format!("/applications/{application}/guilds/{guild}/commands");
        let registered = rest.call(Method::PUT, &path, Some(commands)).await;
        let mut gateway_line = Gateway::open(gateway).await;
        gateway_line.identify(token, ALL_INTENTS).await;
        let mut bot = Self {
            rest,
            gateway: gateway_line,
            base: gateway.trim_start_matches("ws://").to_owned(),
            token: token.to_owned(),
            session: Value::Null,
            log: vec![format!("{registered:?}")],
        };
        bot.session = bot.hears("READY").await["session_id"].clone();
        bot.hears("GUILD_CREATE").await;
        bot
    }

    fn keep(&mut self, what: &impl std::fmt::Debug) {
        self.log.push(format!("{what:?}").replace(&self.base, "HOST"));
    }

    async fn hears(&mut self, event: &str) -> Value {
        let data = self.gateway.event(event).await;
        self.keep(&data);
        data
    }

    async fn greets(&mut self) {
        let interaction = self.hears("INTERACTION_CREATE").await;
        let (id, token) = (interaction["id"].as_str().unwrap(), interaction["token"].as_str().unwrap());
        let path = format!("/interactions/{id}/{token}/callback?with_response=true");
        let answer = json!({"type": 4, "data": {"content": "Hello"}});
        let answered = self.rest.post(&path, answer).await;
        self.keep(&answered);
        self.hears("MESSAGE_CREATE").await;
    }

    async fn goes_on(&mut self) {
        self.gateway.closed().await;
        let sequence = self.gateway.sequence;
        self.gateway = Gateway::open(&format!("ws://{}/resume", self.base)).await;
        let resume = json!({"token": self.token, "session_id": self.session, "seq": sequence});
        self.gateway.send(json!({"op": 6, "d": resume})).await;
    }
}

/// What the bot does; `act` is what people do before each step.
async fn story(bot: &mut Bot, mut act: impl FnMut(usize)) {
    act(0);
    bot.hears("MESSAGE_CREATE").await;
    act(1);
    bot.greets().await;
    let channel = bailey_sim::World::default_world().guilds[0].channels[0].id;
    let hook = bot.rest.post(&format!("/channels/{channel}/webhooks"), json!({"name": "hook"})).await.1;
    bot.keep(&hook);
    bot.hears("WEBHOOKS_UPDATE").await;
    let (id, token) = (hook["id"].as_str().unwrap().to_owned(), hook["token"].as_str().unwrap().to_owned());
    let posted =
        bot.rest.post(&format!("/webhooks/{id}/{token}?wait=true"), json!({"content": "by hook"})).await;
    bot.keep(&posted);
    bot.hears("MESSAGE_CREATE").await;
    act(2);
    bot.goes_on().await;
    bot.hears("MESSAGE_CREATE").await;
    bot.hears("RESUMED").await;
    let missing = bot.rest.get(&format!("/channels/{channel}/messages/1")).await;
    bot.keep(&missing);
}

/// Plays and records the story; gives what the bot saw.
async fn recorded(seed: u64, file: &Path) -> Vec<String> {
    let sim = simulator(seed).await;
    sim.control.start_recording(file).unwrap();
    let mut bot =
        Bot::start(&sim.simulator.http_base(), &sim.simulator.gateway_url(), &sim.simulator.bot_token())
            .await;
    let control = sim.control.clone();
    let token = sim.simulator.bot_token();
    story(&mut bot, |step| match step {
        0 => drop(control.say(say(&format!("my token is {token}, and {FOREIGN_TOKEN}."))).unwrap()),
        1 => {
            control.advance(Duration::from_millis(1500)).unwrap();
            control.command(using("greet", json!({}))).unwrap();
        }
        _ => {
            control.drop_connection(Some(4000));
            control.say(say("while you were away")).unwrap();
        }
    })
    .await;
    sim.control.stop_recording().unwrap();
    sim.simulator.shutdown().await;
    bot.log
}

#[tokio::test]
async fn equal_runs_give_equal_bytes_and_other_seeds_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut texts = Vec::new();
    for (name, seed) in [("first", 7), ("second", 7), ("third", 8)] {
        let file = folder.path().join(name);
        recorded(seed, &file).await;
        texts.push(std::fs::read_to_string(file).unwrap());
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
    let recording = Recording::parse(&texts[0]).unwrap();
    assert_eq!(recording.to_text(), texts[0], "reading and writing changes nothing");
    let kinds = |wanted: fn(&Record) -> bool| recording.records().iter().filter(|one| wanted(one)).count();
    assert_eq!(kinds(|one| matches!(one, Record::Control { .. })), 5);
    assert_eq!(kinds(|one| matches!(one, Record::Request { .. })), 5);
    assert_eq!(kinds(|one| matches!(one, Record::Answer { .. })), 5);
    assert_eq!(kinds(|one| matches!(one, Record::Received { .. })), 2);
    assert_eq!(kinds(|one| matches!(one, Record::Cut { code: Some(4000), .. })), 1);
}

#[tokio::test]
async fn no_secret_is_ever_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let sim = simulator(7).await;
    sim.control.start_recording(&file).unwrap();
    let (address, token) = (sim.simulator.address().to_string(), sim.simulator.bot_token());
    let mut bot = Bot::start(&sim.simulator.http_base(), &sim.simulator.gateway_url(), &token).await;
    let control = sim.control.clone();
    story(&mut bot, |step| match step {
        0 => drop(control.say(say(&format!("{token} {FOREIGN_TOKEN}"))).unwrap()),
        1 => drop(control.command(using("greet", json!({}))).unwrap()),
        _ => {
            control.drop_connection(None);
            control.say(say("back")).unwrap();
        }
    })
    .await;
    let interaction = {
        control.command(using("greet", json!({}))).unwrap();
        bot.hears("INTERACTION_CREATE").await
    };
    let interaction_token = interaction["token"].as_str().unwrap();
    // A token told to people, a wrong one in a path, and a real one where only simulated ones work.
    let path = format!("/channels/{}/messages", sim.general());
    bot.rest.post(&path, json!({"content": format!("it was x{interaction_token}x")})).await;
    bot.rest.post("/interactions/1/not-a-known-token/callback", json!({"type": 5})).await;
    let mut wrong = Gateway::open(&sim.simulator.gateway_url()).await;
    wrong.identify("wrong but still a secret", 1).await;
    assert_eq!(wrong.closed().await, Some(4004));
    let hook = bot.rest.get(&format!("/channels/{}/webhooks", sim.general())).await.1;
    control.stop_recording().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let hook_token = hook[0]["token"].as_str().unwrap();
    for secret in [
        &token,
        FOREIGN_TOKEN,
        interaction_token,
        hook_token,
        &address,
        "not-a-known-token",
        "wrong but",
        "Bot ",
    ] {
        assert!(!text.contains(secret), "`{secret}` was written");
    }
    for kept in [
        "SECRET-bot-1",
        "SECRET-interaction-2",
        "SECRET-webhook-1",
        "SIMULATOR-ADDRESS/resume",
        "it was xSECRET",
    ] {
        assert!(text.contains(kept), "`{kept}` is missing");
    }
}

#[tokio::test]
async fn a_replay_says_again_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let then = recorded(7, &file).await;
    let recording = Recording::read(&file).unwrap();
    let replay = Replay::start(&recording, no_replay(), DEADLINE).await.unwrap();
    let mut bot = Bot::start(&replay.http_base(), &replay.gateway_url(), "any token").await;
    story(&mut bot, |_| {}).await;
    assert!(replay.finished(DEADLINE).await);
    assert_eq!(replay.differences(), Vec::<String>::new());
    // The bot saw the same, but for secrets.
    assert_eq!(bot.log.len(), then.len());
    for (now, then) in bot.log.iter().zip(&then) {
        if now.contains("SECRET") {
            assert!(now.len() > 40 && now[..40] == then[..40], "{now} {then}");
        } else {
            assert_eq!(now, then);
        }
    }
    replay.shutdown().await;
}

#[tokio::test]
async fn a_replay_tells_what_a_client_does_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    recorded(7, &file).await;
    let recording = Recording::read(&file).unwrap();
    let replay = Replay::start(&recording, no_replay(), Duration::from_millis(200)).await.unwrap();
    let mut bot = Bot::start(&replay.http_base(), &replay.gateway_url(), "any token").await;
    bot.hears("MESSAGE_CREATE").await;
    let interaction = bot.hears("INTERACTION_CREATE").await;
    assert_eq!(bot.rest.get("/users/@me").await.0, StatusCode::NOT_IMPLEMENTED);
    let (id, token) = (interaction["id"].as_str().unwrap(), interaction["token"].as_str().unwrap());
    let path = format!("/interactions/{id}/{token}/callback?with_response=true");
    assert_eq!(
        bot.rest.post(&path, json!({"type": 5})).await.0,
        StatusCode::OK,
        "the answer is the recorded one"
    );
    // What never comes is not waited for forever.
    assert!(replay.finished(DEADLINE).await);
    let differences = replay.differences();
    let has =
        |part: &str| assert!(differences.iter().any(|one| one.contains(part)), "{part}: {differences:#?}");
    has("GET /users/@me is not in the recording");
    has("its body was {\"type\":4,\"data\":{\"content\":\"Hello\"}}, now {\"type\":5}");
    has("request 3, POST /channels/");
    has("the client never sent RESUME");
    assert_eq!(replay.http_base().replacen("http", "ws", 1), replay.gateway_url());
}

#[tokio::test]
async fn repeating_what_people_did_gives_the_same_recording_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    recorded(7, &first).await;
    let recording = Recording::read(&first).unwrap();
    let sim = simulator(7).await;
    sim.control.start_recording(&second).unwrap();
    let control = sim.control.clone();
    let client = async {
        let mut bot =
            Bot::start(&sim.simulator.http_base(), &sim.simulator.gateway_url(), &sim.simulator.bot_token())
                .await;
        story(&mut bot, |_| {}).await;
    };
    let (repeated, ()) = tokio::join!(control.repeat(&recording, DEADLINE), client);
    assert_eq!((repeated.done, repeated.differences), (5, Vec::new()));
    control.stop_recording().unwrap();
    assert_eq!(controls(&first), controls(&second));
    // A client that does nothing is not waited for forever, and it is said.
    let idle = simulator(7).await;
    let repeated = idle.control.repeat(&recording, Duration::from_millis(50)).await;
    assert!(repeated.differences.iter().any(|one| one.contains("no client is connected")), "{repeated:?}");
    assert!(
        repeated.differences.iter().any(|one| one.contains("`/greet` is not a registered")),
        "{repeated:?}"
    );
}

/// The operations of a recording, and what sessions were told: the same whatever came first on the wire.
fn controls(file: &Path) -> Vec<Record> {
    let recording = Recording::read(file).unwrap();
    let wanted = |record: &&Record| matches!(record, Record::Control { .. } | Record::Told { .. });
    recording.records().iter().filter(wanted).cloned().collect()
}

#[test]
fn bad_lines_are_named() {
    let began = r#"{"kind":"began","version":1,"at_ms":0,"seed":0,"application":"1"}"#;
    let request = r#"{"kind":"request","at_ms":0,"number":1,"method":"GET","path":"/","body":null}"#;
    let answer = r#"{"kind":"answer","at_ms":0,"number":1,"status":200,"body":null}"#;
    let told = |frame: &str| format!(r#"{{"kind":"told","at_ms":0,"session":"s","frame":{frame}}}"#);
    assert!(Recording::parse(&[began, request, answer].join("\n")).is_ok());
    let cases = [
        (String::new(), 1, "must be `began`"),
        (request.to_owned(), 1, "must be `began`"),
        (began.replace("\"version\":1", "\"version\":2"), 1, "version 2"),
        ([began, began].join("\n"), 2, "only the first line"),
        ([began, "{"].join("\n"), 2, "EOF"),
        ([began, r#"{"kind":"nonsense"}"#].join("\n"), 2, "nonsense"),
        ([began, &request.replace("body", "bodies")].join("\n"), 2, "bodies"),
        ([began, answer].join("\n"), 2, "nobody asked"),
        ([began, request, request].join("\n"), 3, "does not come after"),
        ([began, request, &answer.replace("200", "999")].join("\n"), 3, "no HTTP status"),
        ([began, &told(r#"{"op":0,"t":"READY"}"#)].join("\n"), 2, "with s and t"),
        ([began, &told("null")].join("\n"), 2, "with s and t"),
    ];
    for (text, line, what) in cases {
        let error = Recording::parse(&text).unwrap_err().to_string();
        let wanted = format!("line {line} of the recording is wrong");
        assert!(error.contains(&wanted) && error.contains(what) && error.contains("hint"), "{text}: {error}");
    }
}

#[tokio::test]
async fn recordings_are_ordered_over_http_by_name_only() {
    let sim = Sim::start().await;
    let (status, error) = sim.rest.operate("start_recording", json!({"name": "story"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(error["error"].as_str().unwrap().contains("no folder for recordings"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    sim.control.set_recordings_folder(folder.path());
    for name in ["", "../story", "a/b", "with space", &"x".repeat(65)] {
        let (status, error) = sim.rest.operate("start_recording", json!({"name": name})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{error}");
    }
    let (status, begun) = sim.rest.operate("start_recording", json!({"name": "story"})).await;
    assert_eq!(status, StatusCode::OK, "{begun}");
    assert_eq!(
        sim.rest.operate("start_recording", json!({"name": "other"})).await.1["error"],
        "a recording is under way"
    );
    sim.rest.operate("say", json!({"content": "hello"})).await;
    assert_eq!(sim.rest.operate("stop_recording", json!({})).await.0, StatusCode::OK);
    assert_eq!(sim.rest.operate("stop_recording", json!({})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, error) = sim.rest.operate("start_recording", json!({"name": "story"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a file is never overwritten: {error}");
    let recording = Recording::read(&folder.path().join("story.jsonl")).unwrap();
    assert_eq!(recording.records().len(), 2);
    let copy = folder.path().join("copy.jsonl");
    recording.write(&copy).unwrap();
    assert_eq!(Recording::read(&copy).unwrap(), recording);
    assert!(recording.write(&copy).is_err(), "a file is never overwritten");
    assert!(Recording::read(&folder.path().join("none")).is_err());
}

proptest::proptest! {
    /// Whatever a file holds, it is read or refused.
    #[test]
    fn any_text_is_read_or_refused(
        lines in proptest::collection::vec("\\PC{0,40}|\\{\"kind\":\"(told|answer|request|cut)\",\\PC{0,20}\\}", 0..6),
    ) {
        let began = r#"{"kind":"began","version":1,"at_ms":0,"seed":0,"application":"1"}"#;
        let text = format!("{began}\n{}", lines.join("\n"));
        if let Ok(recording) = Recording::parse(&text) {
            let again = Recording::parse(&recording.to_text()).unwrap();
            proptest::prop_assert_eq!(again, recording);
        }
    }
}
