//! `proxy.request` and the hosts administrators add, between the wire and the way out.

use std::sync::Arc;

use bailey_outbound::fixtures::{Fixture, Fixtures};
use bailey_outbound::{NameServers, Network, Outbound, OutboundConfig, Trust, limits as outbound_limits};
use bailey_protocol::capability::StorageSecrets;
use bailey_protocol::event::{Interaction, InteractionKind, InteractionToken, Invoker};
use bailey_protocol::method::proxy::{HostOnly, ProxyRequest};
use bailey_protocol::method::secrets::SecretValue;
use bailey_protocol::{ApplicationId, CallError, Capability, Grant, InteractionId, Tenant, UserId, limits};
use bailey_services::hosts::Way;
use bailey_services::secrets::SecretScope;
use bailey_services::{AllowedHosts, Http, Keys, OwnAuthorization, Secrets};
use serde_json::{Value, json};

use crate::support::{Scratch, grant, params, tenant};

struct Door {
    http: Http,
    hosts: AllowedHosts,
    secrets: Secrets,
    fixtures: Arc<Fixtures>,
    scratch: Scratch,
}

impl Door {
    async fn new(own_authorization: OwnAuthorization) -> Self {
        let scratch = Scratch::new().await;
        let fixtures = Arc::new(Fixtures::default());
        let outbound = Outbound::open(OutboundConfig {
            name_servers: NameServers::At(Vec::new()),
            permits: Vec::new(),
            trust: Trust::of_this_machine(Vec::new()).unwrap(),
            network: Network::Fixtures(Arc::clone(&fixtures)),
        })
        .unwrap();
        let clock = Arc::new(scratch.clock.clone());
        let secrets = Secrets::new(scratch.database.clone(), Keys::of_this_run(), Arc::clone(&clock) as _);
        let hosts = AllowedHosts::new(scratch.database.clone(), outbound.clone(), clock);
        let http = Http::new(
            outbound,
            hosts.clone(),
            secrets.clone(),
            own_authorization,
            limits::PROXY_REQUESTS_PER_MINUTE,
        );
        Self { http, hosts, secrets, fixtures, scratch }
    }

    fn answers(&self, fixture: Value) {
        self.fixtures.add(serde_json::from_value::<Fixture>(fixture).unwrap()).unwrap();
    }

    async fn ask(&self, of: &Tenant, request: Value) -> Result<Value, CallError> {
        self.ask_with(of, Ok(grant(of)), request).await
    }

    async fn ask_with(
        &self,
        of: &Tenant,
        secrets: Result<Grant<StorageSecrets>, CallError>,
        request: Value,
    ) -> Result<Value, CallError> {
        let request = ProxyRequest::parse(&params(request))?;
        let domains = ["example.com".to_owned()];
        let answer = self.http.request(&grant(of), secrets, &domains, request).await?;
        Ok(serde_json::to_value(answer).unwrap())
    }

    async fn bind(&self, name: &str, value: &str) {
        let scope = SecretScope { plugin: "demo".parse().unwrap(), guild: None };
        let value = SecretValue::new(value.to_owned()).unwrap();
        self.secrets.put(&scope, &name.parse().unwrap(), Some("api.example.com"), &value).await.unwrap();
    }
}

fn used(kind: InteractionKind, permissions: u64) -> Interaction {
    Interaction {
        id: InteractionId(1),
        application: ApplicationId(1),
        token: InteractionToken::new("t"),
        kind,
        command: Some("setup".to_owned()),
        custom_id: None,
        message: None,
        invoker: Invoker { user: Some(UserId(7)), permissions },
    }
}

const MANAGE_GUILD: u64 = 1 << 5;

#[tokio::test]
async fn an_answer_has_the_shape_plugins_know() {
    let door = Door::new(OwnAuthorization::Sent).await;
    let demo = tenant("demo", 1);
    door.answers(json!({"url": "https://api.example.com/text", "status": 404, "headers": {"X-A": "1"}, "body": "größe"}));
    door.answers(json!({"url": "https://api.example.com/bytes", "body_b64": "//4="}));
    door.answers(json!({"url": "https://api.example.com/long", "body": "x".repeat(outbound_limits::ANSWER_BODY_BYTES + 1)}));
    let answer =
        door.ask(&demo, json!({"method": "GET", "url": "https://api.example.com/text"})).await.unwrap();
    let expected = json!({"ok": false, "status": 404, "headers": {"x-a": "1"}, "body_bytes": "größe", "body": "größe",
        "truncated": false});
    assert_eq!(answer, expected);
    let answer = door.ask(&demo, json!({"url": "https://api.example.com/bytes"})).await.unwrap();
    assert_eq!((&answer["body_bytes"], &answer["body_b64"]), (&json!("\u{fffd}\u{fffd}"), &json!("//4=")));
    let answer = door.ask(&demo, json!({"url": "https://api.example.com/long"})).await.unwrap();
    assert_eq!(answer["truncated"], true);
    assert_eq!(answer["body_bytes"].as_str().unwrap().len(), outbound_limits::ANSWER_BODY_BYTES);
}

#[tokio::test]
async fn a_plugin_on_a_server_asks_thirty_times_a_minute() {
    let door = Door::new(OwnAuthorization::Sent).await;
    door.answers(json!({"url": "https://api.example.com/*"}));
    let (one, two) = (tenant("demo", 1), tenant("demo", 2));
    let request = json!({"url": "https://api.example.com/"});
    for _ in 0..limits::PROXY_REQUESTS_PER_MINUTE.get() {
        door.ask(&one, request.clone()).await.unwrap();
    }
    let error = door.ask(&one, request.clone()).await.unwrap_err().to_object();
    assert_eq!((error.code, error.retry_after), ("RATE_LIMITED", Some(2.0)));
    door.ask(&two, request).await.unwrap();
}

#[tokio::test]
async fn secrets_are_sent_by_name_and_blotted_out_of_what_comes_back() {
    let door = Door::new(OwnAuthorization::Sent).await;
    let demo = tenant("demo", 1);
    door.bind("KEY", "user:pass-word").await;
    door.answers(json!({"url": "https://api.example.com/echo",
        "headers": {"x-told": "Basic dXNlcjpwYXNzLXdvcmQ="}, "body": "user:pass-word dXNlcjpwYXNzLXdvcmQ= user%3Apass%2Dword"}));
    door.answers(json!({"url": "https://api.example.com/cut",
        "body": format!("{}user:pass-word", "x".repeat(outbound_limits::ANSWER_BODY_BYTES - 7))}));
    let asked = |path: &str| {
        json!({"url": format!("https://api.example.com/{path}"), "auth": {"scheme": "basic", "secret": "KEY"},
            "headers": {"Authorization": "my own"}})
    };
    let answer = door.ask(&demo, asked("echo")).await.unwrap();
    assert_eq!(answer["body"], "[secret] [secret] [secret]");
    assert_eq!(answer["headers"]["x-told"], "Basic [secret]");
    let cut = door.ask(&demo, asked("cut")).await.unwrap();
    assert!(cut["body"].as_str().unwrap().ends_with('x'), "half a secret is left");
    assert_eq!(door.fixtures.seen()[0].headers["authorization"], "(a secret)");
    // The plugin may use what it may not: then nothing is sent.
    let denied = Err(CallError::CapabilityDenied(Capability::StorageSecrets));
    let refused = door.ask_with(&demo, denied, asked("echo")).await;
    assert!(matches!(refused, Err(CallError::CapabilityDenied(Capability::StorageSecrets))));
    let elsewhere = json!({"url": "https://www.example.com/", "secret_auth": "KEY"});
    assert!(matches!(door.ask(&demo, elsewhere).await, Err(CallError::Secret { .. })));
    assert_eq!(door.fixtures.seen().len(), 2, "something was sent all the same");
}

#[tokio::test]
async fn an_operator_may_leave_out_what_plugins_write_themselves() {
    for (own, sent) in [(OwnAuthorization::Sent, Some("mine")), (OwnAuthorization::LeftOut, None)] {
        let door = Door::new(own).await;
        door.answers(json!({"url": "https://api.example.com/"}));
        let request = json!({"url": "https://api.example.com/", "headers": {"authorization": "mine"}});
        door.ask(&tenant("demo", 1), request).await.unwrap();
        assert_eq!(door.fixtures.seen()[0].headers.get("authorization").map(String::as_str), sent);
    }
}

#[tokio::test]
async fn an_administrator_adds_a_host_for_one_plugin_on_one_server() {
    let door = Door::new(OwnAuthorization::Sent).await;
    door.answers(json!({"url": "https://panel.example.org:8443/", "body": "well"}));
    let (one, two, other) = (tenant("demo", 1), tenant("demo", 2), tenant("other", 1));
    let request = json!({"url": "https://panel.example.org:8443/"});
    let host = HostOnly { host: "https://panel.example.org:8443/x".to_owned() };
    let administrator = used(InteractionKind::Command, MANAGE_GUILD);
    for nobody in
        [None, Some(used(InteractionKind::Command, 0)), Some(used(InteractionKind::Component, MANAGE_GUILD))]
    {
        let refused = door.hosts.allow(&one, Way::Http, nobody.as_ref(), &host).await;
        assert!(matches!(refused, Err(CallError::Validation { .. })), "{nobody:?}");
    }
    assert!(matches!(door.ask(&one, request.clone()).await, Err(CallError::HostNotAllowed { .. })));
    for _ in 0..2 {
        let allowed = door.hosts.allow(&one, Way::Http, Some(&administrator), &host).await.unwrap();
        assert_eq!(allowed.host, "panel.example.org");
    }
    assert_eq!(door.ask(&one, request.clone()).await.unwrap()["body"], "well");
    for elsewhere in [&two, &other] {
        assert!(matches!(door.ask(elsewhere, request.clone()).await, Err(CallError::HostNotAllowed { .. })));
    }
    let below = json!({"url": "https://a.panel.example.org:8443/"});
    assert!(matches!(door.ask(&one, below).await, Err(CallError::HostNotAllowed { .. })));
    // Another way is another decision.
    let reach = door.hosts.reach(&one, Way::Websocket, &[]).await.unwrap();
    assert!(reach.is_empty());
    for inside in ["127.0.0.1", "http://10.0.0.1:80/", "[::1]", "169.254.169.254"] {
        let refused = door
            .hosts
            .allow(&one, Way::Http, Some(&administrator), &HostOnly { host: inside.to_owned() })
            .await;
        assert!(matches!(refused, Err(CallError::Validation { .. })), "{inside}");
    }
    door.hosts.revoke(&one, Way::Http, Some(&administrator), &host).await.unwrap();
    assert!(matches!(door.ask(&one, request).await, Err(CallError::HostNotAllowed { .. })));
    // It is remembered who did it.
    door.hosts.allow(&one, Way::Http, Some(&administrator), &host).await.unwrap();
    let row = door
        .scratch
        .side_door()
        .await
        .query_one("SELECT allowed_by, way FROM allowed_hosts", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (7, "http"));
    for number in 1..limits::ALLOWED_HOSTS {
        let host = HostOnly { host: format!("h{number}.example.org") };
        door.hosts.allow(&one, Way::Http, Some(&administrator), &host).await.unwrap();
    }
    let more = HostOnly { host: "more.example.org".to_owned() };
    let error = door.hosts.allow(&one, Way::Http, Some(&administrator), &more).await;
    assert!(error.unwrap_err().to_string().contains(&limits::ALLOWED_HOSTS.to_string()));
}

/// What was answered once is answered again, and holds no secret.
#[tokio::test]
async fn answers_are_written_down_as_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.jsonl");
    let mut door = Door::new(OwnAuthorization::Sent).await;
    door.http = door.http.recording(Some(Arc::new(bailey_services::http::Record::open(&path).unwrap())));
    let demo = tenant("demo", 1);
    door.bind("KEY", "hidden-value").await;
    door.answers(json!({"url": "https://api.example.com/echo?k=1", "status": 201, "headers": {"x-a": "1", "date": "today"},
        "body": "your key is hidden-value"}));
    door.answers(json!({"url": "https://api.example.com/bytes", "body_b64": "//4="}));
    let asked = json!({"method": "POST", "url": "https://api.example.com/echo?k=1", "secret_auth": "KEY"});
    let first = door.ask(&demo, asked.clone()).await.unwrap();
    let bytes = door.ask(&demo, json!({"url": "https://api.example.com/bytes"})).await.unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(!written.contains("hidden-value"), "{written}");

    let again = Door::new(OwnAuthorization::Sent).await;
    again.bind("KEY", "hidden-value").await;
    for line in written.lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        again.answers(step["http"].clone());
    }
    let replayed = again.ask(&demo, asked).await.unwrap();
    assert_eq!((&replayed["status"], &replayed["body"]), (&first["status"], &first["body"]));
    assert_eq!(replayed["headers"], json!({"x-a": "1"}));
    assert_eq!(
        again.ask(&demo, json!({"url": "https://api.example.com/bytes"})).await.unwrap()["body_b64"],
        bytes["body_b64"]
    );
}
