//! Logging in with the simulated Discord, from the link to the last refusal.

use base64::Engine;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

use bailey_sim::{World, world::permission};

use crate::support::{ALL_INTENTS, Gateway, Sim};

const BACK: &str = "http://127.0.0.1:9/callback";
/// The pair that RFC 7636 shows.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// alice owns two servers, bob may manage one of them, carol none; the bot is on the first only.
fn world() -> World {
    World::empty()
        .redirect_uri(BACK)
        .person("alice")
        .person("bob")
        .person("<b>carol")
        .guild("Home", "alice", |guild| {
            guild.text_channel("general").member("bob", &[]).member("<b>carol", &[])
        })
        .guild("Workshop & more", "alice", |guild| {
            guild
                .text_channel("tools")
                .role("Manager", permission::MANAGE_GUILD)
                .member("bob", &["Manager"])
                .member("<b>carol", &[])
                .bot(None)
        })
}

async fn start() -> Sim {
    Sim::with(world()).await
}

fn person(name: &str) -> String {
    world().people.iter().find(|person| person.name == name).unwrap().id.to_string()
}

fn guild(number: usize) -> String {
    world().guilds[number].id.to_string()
}

/// What a browser sees: it follows nothing by itself.
struct Browser {
    http: reqwest::Client,
    base: String,
}

struct Page {
    status: StatusCode,
    location: Option<String>,
    policy: String,
    text: String,
}

impl Page {
    /// A field of the address it leads to.
    fn leads_with(&self, name: &str) -> Option<String> {
        let location = self.location.as_deref()?;
        let (at, query) = location.split_once('?')?;
        assert_eq!(at, BACK);
        let mut fields = form_urlencoded::parse(query.as_bytes());
        fields.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

impl Browser {
    fn of(sim: &Sim) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, base: sim.simulator.http_base() }
    }

    async fn open(&self, fields: &[(&str, &str)]) -> Page {
        let url = format!("{}/oauth2/authorize?{}", self.base, encoded(fields));
        page(self.http.get(url).send().await.unwrap()).await
    }

    async fn send(&self, fields: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}/oauth2/authorize", self.base)).header("Origin", &self.base);
        let request =
            request.header("Content-Type", "application/x-www-form-urlencoded").body(encoded(fields));
        page(request.send().await.unwrap()).await
    }
}

async fn page(response: reqwest::Response) -> Page {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (location, policy) = (header("location"), header("content-security-policy").unwrap_or_default());
    Page { status: response.status(), location, policy, text: response.text().await.unwrap() }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn link<'a>(application: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("client_id", application),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", scope),
        ("state", "a state & more"),
    ]
}

/// A form to the token endpoints, with id and secret in it.
async fn form(sim: &Sim, path: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let (id, secret) = (sim.application_id(), sim.simulator.client_secret());
    let mut all = vec![("client_id", id.as_str()), ("client_secret", secret.as_str())];
    all.extend_from_slice(fields);
    raw_form(sim, path, &all, None).await
}

async fn raw_form(
    sim: &Sim,
    path: &str,
    fields: &[(&str, &str)],
    basic: Option<&str>,
) -> (StatusCode, Value) {
    let url = format!("{}{path}", sim.simulator.http_base());
    let mut request = sim.rest.http.post(url).header("Content-Type", "application/x-www-form-urlencoded");
    if let Some(basic) = basic {
        let text = base64::engine::general_purpose::STANDARD.encode(basic);
        request = request.header("Authorization", format!("Basic {text}"));
    }
    let response = request.body(encoded(fields)).send().await.unwrap();
    (response.status(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

const TOKEN: &str = "/api/v10/oauth2/token";

/// Logs a person in; gives the code.
async fn code(sim: &Sim, name: &str, scope: &str, more: &[(&str, &str)]) -> String {
    let (application, person) = (sim.application_id(), person(name));
    let mut fields = link(&application, scope);
    fields.extend_from_slice(more);
    fields.extend([("person", person.as_str()), ("decision", "authorize")]);
    let page = Browser::of(sim).send(&fields).await;
    assert_eq!(page.status, StatusCode::FOUND, "{}", page.text);
    assert_eq!(page.leads_with("state").as_deref(), Some("a state & more"));
    page.leads_with("code").unwrap()
}

async fn redeem(sim: &Sim, code: &str, more: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut fields = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK)];
    fields.extend_from_slice(more);
    form(sim, TOKEN, &fields).await
}

/// A whole login; gives the answer with the tokens.
async fn tokens(sim: &Sim, name: &str, scope: &str) -> Value {
    let (status, tokens) = redeem(sim, &code(sim, name, scope, &[]).await, &[]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    tokens
}

async fn with_token(sim: &Sim, token: &Value, path: &str) -> (StatusCode, Value) {
    let url = format!("{}/api/v10{path}", sim.simulator.http_base());
    let header = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let response = sim.rest.http.get(url).header("Authorization", header).send().await.unwrap();
    (response.status(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

impl Sim {
    fn application_id(&self) -> String {
        self.simulator.client_id().to_string()
    }
}

#[tokio::test]
async fn a_person_logs_in_and_the_application_learns_who_it_is() {
    let sim = start().await;
    let browser = Browser::of(&sim);
    let application = sim.application_id();
    let fields = link(&application, "identify email guilds");
    let who = browser.open(&fields).await;
    assert_eq!(who.status, StatusCode::OK);
    for name in ["Alice", "Bob", "&lt;b&gt;carol"] {
        assert!(who.text.contains(name), "{name}: {}", who.text);
    }
    assert!(
        !who.text.contains("<b>carol") && !who.text.contains("<script") && !who.text.contains("https://")
    );
    assert!(who.policy.contains("form-action 'self' http://127.0.0.1:9;"), "{}", who.policy);
    // The state survives the steps, as text.
    assert!(who.text.contains("value=\"a state &amp; more\""), "{}", who.text);
    let alice = person("alice");
    let mut chosen = fields.clone();
    chosen.push(("person", &alice));
    let consent = browser.open(&chosen).await;
    for meaning in
        ["See your name and picture", "See your email address", "See which servers you are in", "Cancel"]
    {
        assert!(consent.text.contains(meaning), "{meaning}: {}", consent.text);
    }
    assert!(!consent.text.contains("Add the bot to the server"));
    chosen.push(("decision", "authorize"));
    let back = browser.send(&chosen).await;
    assert_eq!(
        (back.status, back.leads_with("state").as_deref()),
        (StatusCode::FOUND, Some("a state & more"))
    );
    let (status, tokens) = redeem(&sim, &back.leads_with("code").unwrap(), &[]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(604_800)));
    assert_eq!(tokens["scope"], "identify email guilds");
    let (_, me) = with_token(&sim, &tokens, "/users/@me").await;
    assert_eq!(
        (&me["username"], &me["email"], &me["id"]),
        (&json!("alice"), &json!("alice@example.com"), &json!(alice))
    );
    let (_, guilds) = with_token(&sim, &tokens, "/users/@me/guilds?with_counts=true").await;
    let all = permission::ALL.to_string();
    assert_eq!(guilds.as_array().unwrap().len(), 2);
    assert_eq!(
        (&guilds[0]["name"], &guilds[0]["owner"], &guilds[0]["permissions"]),
        (&json!("Home"), &json!(true), &json!(all))
    );
    assert_eq!(guilds[0]["approximate_member_count"], 4);
    let (_, page) = with_token(&sim, &tokens, &format!("/users/@me/guilds?after={}&limit=1", guild(0))).await;
    assert_eq!(page[0]["id"], guild(1));
    let (_, about) = with_token(&sim, &tokens, "/oauth2/@me").await;
    assert_eq!(about["scopes"], json!(["identify", "email", "guilds"]));
    assert_eq!(about["expires"], "2025-01-08T00:00:00.000000+00:00");
    assert_eq!(
        (&about["user"]["username"], &about["application"]["id"]),
        (&json!("alice"), &json!(application))
    );
}

#[tokio::test]
async fn a_token_opens_what_was_allowed_and_nothing_else() {
    let sim = start().await;
    let little = tokens(&sim, "bob", "identify").await;
    let (_, me) = with_token(&sim, &little, "/users/@me").await;
    assert!(me.get("email").is_none() && me["username"] == "bob", "{me}");
    let member = format!("/users/@me/guilds/{}/member", guild(0));
    let general = format!("/channels/{}", world().guilds[0].channels[0].id);
    for path in ["/users/@me/guilds", &member, &general, "/applications/@me", "/gateway/bot"] {
        let (status, error) = with_token(&sim, &little, path).await;
        assert_eq!((status, &error["code"]), (StatusCode::UNAUTHORIZED, &json!(0)), "{path}: {error}");
    }
    let members = tokens(&sim, "bob", "guilds.members.read").await;
    let (status, bob) = with_token(&sim, &members, &member).await;
    assert_eq!((status, &bob["user"]["username"]), (StatusCode::OK, &json!("bob")));
    assert_eq!(with_token(&sim, &members, "/users/@me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(with_token(&sim, &members, "/users/@me/guilds/1/member").await.1["code"], 10004);
    let about = with_token(&sim, &members, "/oauth2/@me").await.1;
    assert!(about.get("user").is_none(), "not without identify: {about}");
    let nobody = json!({"access_token": "made-up"});
    assert_eq!(with_token(&sim, &nobody, "/users/@me").await.0, StatusCode::UNAUTHORIZED);
    // The bot has its own list, and its own self.
    assert_eq!(sim.rest.get("/users/@me/guilds").await.1.as_array().unwrap().len(), 1);
    assert_eq!(sim.rest.get("/users/@me").await.1["bot"], true);
    assert_eq!(sim.rest.get("/oauth2/@me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_bot_is_added_to_a_server_the_person_may_manage() {
    let sim = start().await;
    let mut gateway = sim.identified().await;
    let browser = Browser::of(&sim);
    let (application, bob) = (sim.application_id(), person("bob"));
    let bits = (permission::SEND_MESSAGES | permission::KICK_MEMBERS).to_string();
    let mut fields = link(&application, "identify bot applications.commands");
    fields.extend([("permissions", bits.as_str()), ("person", &bob)]);
    let consent = browser.open(&fields).await;
    assert!(
        consent.text.contains("Workshop &amp; more") && !consent.text.contains("Home"),
        "{}",
        consent.text
    );
    assert!(
        consent.text.contains("Kick members") && consent.text.contains("Send messages"),
        "{}",
        consent.text
    );
    assert!(!consent.text.contains("Ban members"));
    fields.push(("decision", "authorize"));
    let none = browser.send(&fields).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
    assert!(none.text.contains("role=alert"), "{}", none.text);
    let (home, workshop) = (guild(0), guild(1));
    let mut wrong = fields.clone();
    wrong.push(("guild", &home));
    assert_eq!(browser.send(&wrong).await.status, StatusCode::BAD_REQUEST, "bob may not manage that");
    fields.push(("guild", &workshop));
    let back = browser.send(&fields).await;
    assert_eq!(back.leads_with("guild_id").as_ref(), Some(&workshop));
    assert_eq!(back.leads_with("permissions").as_ref(), Some(&bits));
    let created = gateway.event("GUILD_CREATE").await;
    assert_eq!((&created["id"], &created["unavailable"]), (&json!(workshop), &json!(false)));
    let roles = created["roles"].as_array().unwrap();
    let own = roles.iter().find(|role| role["managed"] == true).unwrap();
    assert_eq!((&own["permissions"], &own["tags"]["bot_id"]), (&json!(bits), &json!(application)));
    assert!(created["members"].as_array().unwrap().iter().any(|member| member["user"]["id"] == *application));
    assert_eq!(sim.rest.get(&format!("/guilds/{workshop}")).await.0, StatusCode::OK);
    let (_, tokens) = redeem(&sim, &back.leads_with("code").unwrap(), &[]).await;
    assert_eq!(tokens["guild"]["id"], workshop);
    // Once more, with other permissions: its role changes.
    fields[5].1 = "8";
    let again = browser.send(&fields).await;
    assert_eq!(again.status, StatusCode::FOUND);
    assert_eq!(gateway.event("GUILD_ROLE_UPDATE").await["role"]["permissions"], "8");
}

#[tokio::test]
async fn a_bot_can_be_added_without_going_anywhere_and_a_server_can_be_fixed() {
    let sim = start().await;
    let browser = Browser::of(&sim);
    let (application, alice, carol, workshop) =
        (sim.application_id(), person("alice"), person("<b>carol"), guild(1));
    let invite = [
        ("client_id", application.as_str()),
        ("scope", "bot"),
        ("person", &alice),
        ("guild_id", &workshop),
        ("disable_guild_select", "true"),
    ];
    let consent = browser.open(&invite).await;
    assert!(consent.text.contains("Workshop") && !consent.text.contains("Home"), "{}", consent.text);
    let mut decided = invite.to_vec();
    decided.extend([("guild", workshop.as_str()), ("decision", "authorize")]);
    let done = browser.send(&decided).await;
    assert_eq!(done.status, StatusCode::OK);
    assert!(done.text.contains("The bot was added"), "{}", done.text);
    assert_eq!(sim.rest.get(&format!("/guilds/{workshop}")).await.0, StatusCode::OK);
    let mut nobody = invite.to_vec();
    nobody[2].1 = &carol;
    let empty = browser.open(&nobody).await;
    assert!(
        empty.text.contains("may manage no server") && !empty.text.contains(">Authorize<"),
        "{}",
        empty.text
    );
}

#[tokio::test]
async fn events_of_a_server_without_the_bot_are_not_told() {
    let sim = start().await;
    let mut gateway = Gateway::open(&sim.simulator.gateway_url()).await;
    gateway.identify(&sim.simulator.bot_token(), ALL_INTENTS).await;
    gateway.event("READY").await;
    assert_eq!(gateway.event("GUILD_CREATE").await["name"], "Home");
    let elsewhere = bailey_sim::Say { guild: Some(guild(1)), ..crate::support::say("unheard") };
    sim.control.say(elsewhere).unwrap();
    sim.control.say(crate::support::say("heard")).unwrap();
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "heard");
}

#[tokio::test]
async fn wrong_links_are_refused_where_it_is_safe() {
    let sim = start().await;
    let browser = Browser::of(&sim);
    let application = sim.application_id();
    let with = |name: &'static str, value: &'static str| {
        let mut fields = link(&application, "identify");
        fields.retain(|(known, _)| *known != name);
        fields.push((name, value));
        fields
    };
    for (name, value, message) in [
        ("client_id", "1", "Unknown Application"),
        ("client_id", "nonsense", "Unknown Application"),
        ("redirect_uri", "http://127.0.0.1:9/callback/", "Invalid OAuth2 redirect_uri"),
        ("redirect_uri", "http://127.0.0.1:9/callback?x=1", "Invalid OAuth2 redirect_uri"),
        ("redirect_uri", "https://evil.example/", "Invalid OAuth2 redirect_uri"),
        ("redirect_uri", "", "Invalid OAuth2 redirect_uri"),
    ] {
        let page = browser.open(&with(name, value)).await;
        assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None), "{name}={value}");
        assert!(page.text.contains(message), "{name}={value}: {}", page.text);
    }
    for (name, value, error) in [
        ("scope", "identify nonsense", "invalid_scope"),
        ("scope", "", "invalid_scope"),
        ("response_type", "token", "unsupported_response_type"),
        ("permissions", "all", "invalid_request"),
        ("guild_id", "home", "invalid_request"),
        ("code_challenge", CHALLENGE, "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
    ] {
        let page = browser.open(&with(name, value)).await;
        assert_eq!(page.leads_with("error").as_deref(), Some(error), "{name}={value}: {}", page.text);
        assert_eq!(page.leads_with("state").as_deref(), Some("a state & more"));
        assert!(page.leads_with("code").is_none());
    }
    let mut cancelled = link(&application, "identify");
    cancelled.push(("decision", "cancel"));
    assert_eq!(browser.send(&cancelled).await.leads_with("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn other_pages_cannot_decide_for_people() {
    let sim = start().await;
    let url = format!("{}/oauth2/authorize", sim.simulator.http_base());
    let (application, alice) = (sim.application_id(), person("alice"));
    let mut fields = link(&application, "identify");
    fields.extend([("person", alice.as_str()), ("decision", "authorize")]);
    let http = Browser::of(&sim).http;
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    for (name, value) in [("Origin", "https://evil.example"), ("Origin", "null"), ("Host", "evil.example")] {
        let request = http.post(&url).header(kind.0, kind.1).header(name, value).body(encoded(&fields));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{name}: {value}");
    }
    let request = http.post(&url).header("Content-Type", "text/plain").body(encoded(&fields));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_code_works_once_for_its_application_and_for_ten_minutes() {
    let sim = start().await;
    let fresh = async || code(&sim, "alice", "identify", &[]).await;
    let used = fresh().await;
    assert_eq!(redeem(&sim, &used, &[]).await.0, StatusCode::OK);
    let bad_code = json!({"error": "invalid_grant", "error_description": "Invalid \"code\" in request."});
    assert_eq!(redeem(&sim, &used, &[]).await, (StatusCode::BAD_REQUEST, bad_code.clone()));
    let elsewhere = fresh().await;
    let fields =
        [("grant_type", "authorization_code"), ("code", &elsewhere), ("redirect_uri", "http://127.0.0.1:9/")];
    let (status, error) = form(&sim, TOKEN, &fields).await;
    assert_eq!((status, &error["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    assert!(error["error_description"].as_str().unwrap().contains("redirect_uri"), "{error}");
    let in_time = fresh().await;
    let late = fresh().await;
    sim.control.advance(Duration::from_secs(599)).unwrap();
    assert_eq!(redeem(&sim, &in_time, &[]).await.0, StatusCode::OK);
    sim.control.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(redeem(&sim, &late, &[]).await, (StatusCode::BAD_REQUEST, bad_code));
    // Who asks must prove it; in the form or in the header.
    let code = fresh().await;
    let (id, secret) = (sim.application_id(), sim.simulator.client_secret());
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
    let refused = (StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}));
    assert_eq!(raw_form(&sim, TOKEN, &fields, None).await, refused);
    assert_eq!(raw_form(&sim, TOKEN, &fields, Some(&format!("{id}:wrong"))).await, refused);
    assert_eq!(raw_form(&sim, TOKEN, &fields, Some(&format!("1:{secret}"))).await, refused);
    let unversioned = "/api/oauth2/token";
    assert_eq!(raw_form(&sim, unversioned, &fields, Some(&format!("{id}:{secret}"))).await.0, StatusCode::OK);
    let (status, error) = form(&sim, TOKEN, &[("grant_type", "password")]).await;
    assert_eq!((status, error), (StatusCode::BAD_REQUEST, json!({"error": "unsupported_grant_type"})));
    let json_body = sim.rest.post("/oauth2/token", json!({"grant_type": "authorization_code"})).await;
    assert_eq!((json_body.0, &json_body.1["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")));
}

#[tokio::test]
async fn a_challenge_must_be_met() {
    let sim = start().await;
    let challenge = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for (verifier, status) in [
        (&[("code_verifier", VERIFIER)][..], StatusCode::OK),
        (&[("code_verifier", "another")], StatusCode::BAD_REQUEST),
        (&[("code_verifier", CHALLENGE)], StatusCode::BAD_REQUEST),
        (&[], StatusCode::BAD_REQUEST),
    ] {
        let code = code(&sim, "alice", "identify", &challenge).await;
        let (is, answer) = redeem(&sim, &code, verifier).await;
        assert_eq!(is, status, "{verifier:?}: {answer}");
        // A failed try uses the code up too.
        assert_eq!(redeem(&sim, &code, &[("code_verifier", VERIFIER)]).await.0, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn tokens_end_after_a_week_are_renewed_and_taken_back() {
    let sim = start().await;
    let first = tokens(&sim, "alice", "identify").await;
    let refresh = async |tokens: &Value| {
        let token = tokens["refresh_token"].as_str().unwrap().to_owned();
        form(&sim, TOKEN, &[("grant_type", "refresh_token"), ("refresh_token", &token)]).await
    };
    sim.control.advance(Duration::from_secs(604_799)).unwrap();
    assert_eq!(with_token(&sim, &first, "/users/@me").await.0, StatusCode::OK);
    sim.control.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(with_token(&sim, &first, "/users/@me").await.0, StatusCode::UNAUTHORIZED);
    let (status, second) = refresh(&first).await;
    assert_eq!((status, &second["scope"]), (StatusCode::OK, &json!("identify")));
    assert_eq!(with_token(&sim, &second, "/users/@me").await.1["username"], "alice");
    let (status, error) = refresh(&first).await;
    assert_eq!(
        (status, &error["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant")),
        "worth nothing now"
    );
    let revoke = "/api/v10/oauth2/token/revoke";
    assert_eq!(raw_form(&sim, revoke, &[("token", "x")], None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(form(&sim, revoke, &[("token", "unknown")]).await, (StatusCode::OK, json!({})));
    assert_eq!(with_token(&sim, &second, "/users/@me").await.0, StatusCode::OK);
    let token = second["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(form(&sim, revoke, &[("token", &token)]).await.0, StatusCode::OK);
    assert_eq!(with_token(&sim, &second, "/users/@me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&second).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn redirect_addresses_are_registered_and_checked() {
    let sim = Sim::start().await;
    let browser = Browser::of(&sim);
    let application = sim.application_id();
    assert_eq!(browser.open(&link(&application, "identify")).await.status, StatusCode::BAD_REQUEST);
    let (status, _) = sim.rest.operate("register_redirect_uri", json!({"uri": BACK})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(browser.open(&link(&application, "identify")).await.status, StatusCode::OK);
    assert_eq!(sim.rest.get("/applications/@me").await.1["redirect_uris"], json!([BACK]));
    for wrong in ["", "javascript:alert(1)", "http://host/#fragment", "http://host/\r\nX: y"] {
        let (status, error) = sim.rest.operate("register_redirect_uri", json!({"uri": wrong})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert!(error["error"].as_str().unwrap().contains("cannot be sent back"), "{error}");
    }
    for number in 1..100 {
        sim.control.register_redirect_uri(&format!("{BACK}{number}")).unwrap();
    }
    sim.control.register_redirect_uri(BACK).unwrap();
    assert!(sim.control.register_redirect_uri("http://one.too/many").unwrap_err().message.contains("100"));
    let config =
        bailey_sim::SimConfig { world: World::empty().redirect_uri("nonsense"), ..Default::default() };
    assert!(bailey_sim::Simulator::start(config).await.unwrap_err().to_string().contains("`nonsense`"));
}

#[tokio::test]
async fn nothing_secret_of_a_login_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let sim = start().await;
    sim.control.start_recording(&file).unwrap();
    let challenge = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = code(&sim, "alice", "identify", &challenge).await;
    let (_, tokens) = redeem(&sim, &code, &[("code_verifier", VERIFIER)]).await;
    with_token(&sim, &tokens, "/users/@me").await;
    sim.control.stop_recording().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    for secret in [&code, access, refresh, &sim.simulator.client_secret(), VERIFIER] {
        assert!(!text.contains(secret), "`{secret}` was written");
    }
    assert!(
        text.contains("SECRET-access-1") && text.contains("\"grant_type\":\"authorization_code\""),
        "{text}"
    );
}
