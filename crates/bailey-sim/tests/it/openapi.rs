//! The simulator against Discord's own description of its API: every request a wide story sends and every answer it
//! gets is held against the OpenAPI file that `DISCORD_OPENAPI` names. The file is not part of the repository: it is
//! at github.com/discord/discord-api-spec, `specs/openapi.json`.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::Arc;

use bailey_sim::{Choose, Click, Membership, Submit, World, world::permission};
use jsonschema::{Registry, Validator};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Gateway, Sim, say, using};

/// Where the description is not what Discord does: a place in it, what stands there instead for this test, and why. A
/// place that is no more, or says the same by now, fails the test, so that the list stays short.
const AMENDMENTS: &[(&str, &str, &str)] = &[
    (
        "/components/schemas/InnerErrors/properties/_errors/items",
        r#"{"type": "object", "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            "required": ["code", "message"]}"#,
        "codes of single fields are words; Discord's reference shows BASE_TYPE_REQUIRED and others",
    ),
    (
        "/components/schemas/ApplicationCommandUpdateRequest/properties/default_member_permissions",
        r#"{"type": ["string", "null"]}"#,
        "permission bits are sent as text, as the reference has them and every client does",
    ),
    (
        "/components/schemas/ChannelPermissionOverwriteRequest/properties/allow",
        r#"{"type": "string"}"#,
        "the same",
    ),
    (
        "/components/schemas/ChannelPermissionOverwriteRequest/properties/deny",
        r#"{"type": "string"}"#,
        "the same",
    ),
    (
        "/paths/~1channels~1{channel_id}~1permissions~1{overwrite_id}/put/requestBody/content/application~1json/schema/\
         properties/allow",
        r#"{"type": "string"}"#,
        "the same",
    ),
    (
        "/paths/~1channels~1{channel_id}~1permissions~1{overwrite_id}/put/requestBody/content/application~1json/schema/\
         properties/deny",
        r#"{"type": "string"}"#,
        "the same",
    ),
    (
        "/paths/~1guilds~1{guild_id}~1bans~1{user_id}/delete/requestBody/required",
        "false",
        "the reference knows no body here, and clients send none",
    ),
];

/// Discord's description, and what was found against it.
struct Spec {
    document: Value,
    registry: Registry<'static>,
    validators: HashMap<String, Arc<Validator>>,
    violations: Vec<String>,
    /// Operations that were answered with success, as `GET /path/{parameter}`.
    succeeded: BTreeSet<String>,
}

#[expect(clippy::disallowed_methods, reason = "a file this machine may have or not")]
fn spec() -> Option<Spec> {
    let Ok(path) = std::env::var("DISCORD_OPENAPI") else {
        // Not `eprintln`, which nobody sees of a test that passes.
        let note = "\nSKIPPED: the simulator was NOT held against Discord's OpenAPI description, because \
                    DISCORD_OPENAPI is not set.\nFetch specs/openapi.json from \
                    github.com/discord/discord-api-spec and name it there.\n";
        writeln!(std::io::stderr(), "{note}").ok();
        return None;
    };
    let text = std::fs::read_to_string(&path).expect("DISCORD_OPENAPI names a file that can be read");
    let mut document: Value = serde_json::from_str(&text).expect("DISCORD_OPENAPI names a JSON file");
    for (pointer, instead, why) in AMENDMENTS {
        let instead: Value = serde_json::from_str(instead).unwrap();
        let place = document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is no more ({why})"));
        assert_ne!(*place, instead, "{pointer} needs no amendment any more ({why})");
        *place = instead;
    }
    let registry = Registry::new().add("urn:discord", document.clone()).unwrap().prepare().unwrap();
    let (validators, violations, succeeded) = Default::default();
    Some(Spec { document, registry, validators, violations, succeeded })
}

fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

impl Spec {
    /// The path as the description writes it; a word counts more than a parameter.
    fn template(&self, path: &str) -> Option<String> {
        let wanted: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let segments: Vec<&str> = template.split('/').collect();
            segments.len() == wanted.len()
                && segments.iter().zip(&wanted).all(|(at, is)| at == is || at.starts_with('{'))
        };
        let paths = self.document["paths"].as_object().unwrap();
        paths.keys().filter(fits).min_by_key(|template| template.matches('{').count()).cloned()
    }

    /// Holds a value against the schema at a pointer of the document.
    fn check(&mut self, operation: &str, what: &str, pointer: &str, value: &Value) {
        let registry = &self.registry;
        let build = || {
            let fragment: String = pointer.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
            let schema = json!({"$ref": format!("urn:discord#{fragment}")});
            let options = jsonschema::options().with_registry(registry).should_validate_formats(true);
            Arc::new(options.build(&schema).unwrap())
        };
        let validator = Arc::clone(self.validators.entry(pointer.to_owned()).or_insert_with(build));
        for error in validator.iter_errors(value) {
            let text: String = error.to_string().chars().take(600).collect();
            self.violations.push(format!("{operation}: {what} at `{}`: {text}", error.instance_path()));
        }
    }

    fn at(&self, pointer: &str) -> Option<&Value> {
        self.document.pointer(pointer)
    }

    /// Parameters of a path and its operation, with where each is.
    fn parameters(&self, path: &str, method: &str) -> Vec<(String, Value)> {
        let places = [format!("{path}/parameters"), format!("{path}/{method}/parameters")];
        let list = |place: &String| {
            let found = self.at(place).and_then(Value::as_array).cloned().unwrap_or_default();
            let place = place.clone();
            found.into_iter().enumerate().map(move |(index, one)| (format!("{place}/{index}"), one))
        };
        places.iter().flat_map(list).collect()
    }

    /// Holds what is sent against the description; gives the operation's name.
    fn request(&mut self, method: &Method, full: &str, media: &str, body: Option<&Value>) -> Option<String> {
        let (path, query) = full.split_once('?').unwrap_or((full, ""));
        let Some(template) = self.template(path) else {
            self.violations.push(format!("{method} {path}: Discord has no such path"));
            return None;
        };
        let operation = format!("{method} {template}");
        let verb = method.as_str().to_lowercase();
        let place = format!("/paths/{}", escaped(&template));
        if self.at(&format!("{place}/{verb}")).is_none() {
            self.violations.push(format!("{operation}: Discord has no such operation"));
            return None;
        }
        let parameters = self.parameters(&place, &verb);
        let mut given: HashMap<(&str, String), String> = HashMap::new();
        for (name, value) in template.split('/').zip(path.split('/')) {
            if let Some(name) = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                given.insert(("path", name.to_owned()), value.to_owned());
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            given.insert(("query", name.to_owned()), value.to_owned());
        }
        for ((is_in, name), value) in &given {
            let known = parameters.iter().find(|(_, one)| one["in"] == *is_in && one["name"] == **name);
            let Some((at, _)) = known else {
                self.violations.push(format!("{operation}: no {is_in} parameter is called `{name}`"));
                continue;
            };
            // Text first, then what the text may mean.
            let schema = format!("{at}/schema");
            let before = self.violations.len();
            self.check(&operation, &format!("parameter `{name}`"), &schema, &json!(value));
            if self.violations.len() > before
                && let Ok(meant) = serde_json::from_str::<Value>(value)
            {
                self.violations.truncate(before);
                self.check(&operation, &format!("parameter `{name}`"), &schema, &meant);
            }
        }
        for (_, one) in &parameters {
            let key = (one["in"].as_str().unwrap(), one["name"].as_str().unwrap().to_owned());
            if one["required"] == true && !given.contains_key(&key) {
                self.violations.push(format!("{operation}: the parameter `{}` is missing", key.1));
            }
        }
        let content = format!("{place}/{verb}/requestBody/content/{}", escaped(media));
        match body {
            Some(body) if self.at(&content).is_some() => {
                self.check(&operation, "request", &format!("{content}/schema"), body);
            }
            Some(_) => self.violations.push(format!("{operation}: takes no {media} body")),
            None if self.at(&format!("{place}/{verb}/requestBody/required")) == Some(&json!(true)) => {
                self.violations.push(format!("{operation}: a body is missing"));
            }
            None => {}
        }
        Some(operation)
    }

    /// Holds an answer against the description.
    fn response(&mut self, operation: &str, status: StatusCode, text: &str) {
        let (method, template) = operation.split_once(' ').unwrap();
        let responses = format!("/paths/{}/{}/responses", escaped(template), method.to_lowercase());
        let exact = format!("{responses}/{}", status.as_u16());
        let general = format!("{responses}/{}XX", status.as_u16() / 100);
        let Some(mut place) = [exact, general].into_iter().find(|place| self.at(place).is_some()) else {
            let text: String = text.chars().take(200).collect();
            self.violations.push(format!("{operation}: is never answered with {status}: {text}"));
            return;
        };
        if let Some(elsewhere) = self.at(&place).and_then(|one| one["$ref"].as_str()) {
            place = elsewhere.trim_start_matches('#').to_owned();
        }
        if status.is_success() {
            self.succeeded.insert(operation.to_owned());
        }
        let schema = format!("{place}/content/application~1json/schema");
        match (self.at(&schema).is_some(), serde_json::from_str(text)) {
            (true, Ok(body)) => self.check(operation, &format!("answer {}", status.as_u16()), &schema, &body),
            (true, Err(_)) => self.violations.push(format!("{operation}: {status} without JSON")),
            (false, _) if !text.is_empty() => {
                self.violations.push(format!("{operation}: {status} has a body"))
            }
            (false, _) => {}
        }
    }
}

/// A simulator whose every exchange is held against the description.
struct Held {
    sim: Sim,
    spec: Spec,
}

impl Held {
    async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let operation = self.spec.request(&method, path, "application/json", body.as_ref());
        self.exchange(operation, method, path, body).await
    }

    async fn exchange(
        &mut self,
        operation: Option<String>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let (status, text) = loop {
            let response = self.sim.rest.send(method.clone(), path, body.clone()).await;
            let (status, text) = (response.status(), response.text().await.unwrap());
            if let Some(operation) = &operation {
                self.spec.response(operation, status, &text);
            }
            if status != StatusCode::TOO_MANY_REQUESTS {
                break (status, text);
            }
            let body: Value = serde_json::from_str(&text).unwrap();
            tokio::time::sleep(std::time::Duration::from_secs_f64(body["retry_after"].as_f64().unwrap()))
                .await;
        };
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A call that must succeed; gives its body.
    async fn does(&mut self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer
    }

    async fn gets(&mut self, path: &str) -> Value {
        self.does(Method::GET, path, None).await
    }

    async fn posts(&mut self, path: &str, body: Value) -> Value {
        self.does(Method::POST, path, Some(body)).await
    }

    async fn deletes(&mut self, path: &str) {
        self.does(Method::DELETE, path, None).await;
    }

    /// A call that must be refused with this code; what it sends may be wrong.
    async fn refused(&mut self, method: Method, path: &str, body: Option<Value>, code: u64) {
        let before = self.spec.violations.len();
        let operation = self.spec.request(&method, path, "application/json", body.as_ref());
        self.spec.violations.truncate(before);
        let (status, answer) = self.exchange(operation, method.clone(), path, body).await;
        assert!(status.is_client_error(), "{method} {path}: {status} {answer}");
        assert_eq!(answer["code"], code, "{method} {path}: {answer}");
    }
}

fn id(of: &Value) -> String {
    of["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_exchange_is_as_discord_describes_it() {
    let Some(spec) = spec() else { return };
    let sim = Sim::start().await;
    let mut gateway = sim.identified().await;
    let mut held = Held { sim, spec };
    application(&mut held).await;
    messages(&mut held).await;
    structure(&mut held).await;
    threads(&mut held).await;
    interactions(&mut held, &mut gateway).await;
    webhooks(&mut held).await;
    moderation(&mut held).await;
    login(&mut held).await;
    coverage(&mut held).await;
    let violations = &held.spec.violations;
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

async fn application(held: &mut Held) {
    held.gets("/gateway").await;
    held.gets("/gateway/bot").await;
    held.gets("/users/@me").await;
    held.gets(&format!("/users/{}", World::default_world().people[0].id)).await;
    held.refused(Method::GET, "/users/1", None, 10013).await;
    held.gets("/applications/@me").await;
    held.gets("/oauth2/applications/@me").await;
    held.does(Method::PATCH, "/applications/@me", Some(json!({"interactions_endpoint_url": null}))).await;
    let (application, guild) = (held.sim.application(), held.sim.guild());
    for scope in [String::new(), format!("/guilds/{guild}")] {
        let path = format!("/applications/{application}{scope}/commands");
        let made = held.posts(&path, json!({"name": "once", "description": "d"})).await;
        held.gets(&format!("{path}/{}", id(&made))).await;
        held.deletes(&format!("{path}/{}", id(&made))).await;
        held.refused(Method::GET, &format!("{path}/{}", id(&made)), None, 10063).await;
        held.refused(Method::POST, &path, Some(json!({"name": "Not Right", "description": "d"})), 50035)
            .await;
        held.gets(&path).await;
        held.does(Method::PUT, &path, Some(json!([]))).await;
    }
    let options = json!([
        {"type": 3, "name": "text", "description": "d", "required": true, "min_length": 1, "max_length": 9,
         "name_localizations": {"de": "text"}},
        {"type": 3, "name": "choice", "description": "d", "choices": [{"name": "A", "value": "a"}]},
        {"type": 4, "name": "number", "description": "d", "min_value": 1, "max_value": 9},
        {"type": 4, "name": "pick", "description": "d", "choices": [{"name": "One", "value": 1}]},
        {"type": 10, "name": "real", "description": "d", "min_value": 0.5},
        {"type": 5, "name": "flag", "description": "d"}, {"type": 6, "name": "who", "description": "d"},
        {"type": 7, "name": "where", "description": "d", "channel_types": [0]},
        {"type": 8, "name": "role", "description": "d"}, {"type": 9, "name": "any", "description": "d"},
        {"type": 11, "name": "file", "description": "d"},
        {"type": 3, "name": "guess", "description": "d", "autocomplete": true},
    ]);
    let nested = json!([
        {"type": 1, "name": "play", "description": "d", "options": []},
        {"type": 2, "name": "set", "description": "d", "options": [{"type": 1, "name": "up", "description": "d"}]},
    ]);
    let commands = json!([
        {"name": "greet", "description": "d"}, {"name": "every", "description": "d", "options": options,
         "default_member_permissions": "8", "nsfw": false}, {"name": "trivia", "description": "d", "options": nested},
        {"name": "Look at", "type": 2}, {"name": "Quote", "type": 3},
        {"name": "guess", "description": "d", "options": [
            {"type": 3, "name": "word", "description": "d", "autocomplete": true}]},
    ]);
    held.does(Method::PUT, &format!("/applications/{application}/guilds/{guild}/commands"), Some(commands))
        .await;
}

async fn messages(held: &mut Held) {
    let channel = format!("/channels/{}", held.sim.general());
    held.does(Method::POST, &format!("{channel}/typing"), None).await;
    let everything = json!({
        "content": "hello", "embeds": [{"title": "t", "description": "d", "color": 1, "url": "https://example.org",
          "timestamp": "2025-01-01T00:00:00Z", "footer": {"text": "f"}, "author": {"name": "a"},
          "image": {"url": "https://example.org/i.png"}, "thumbnail": {"url": "https://example.org/t.png"},
          "fields": [{"name": "n", "value": "v", "inline": true}]}],
        "components": [
          {"type": 1, "components": [{"type": 2, "style": 1, "custom_id": "b", "label": "Press"},
             {"type": 2, "style": 5, "url": "https://example.org", "label": "Go", "emoji": {"name": "👍"}}]},
          {"type": 1, "components": [{"type": 3, "custom_id": "s", "options": [{"label": "A", "value": "a"}]}]},
          {"type": 1, "components": [{"type": 5, "custom_id": "u"}]}],
        "allowed_mentions": {"parse": []}, "nonce": "n", "enforce_nonce": true,
    });
    let first = held.posts(&format!("{channel}/messages"), everything).await;
    let reply = json!({"content": "reply", "message_reference": {"message_id": id(&first)}});
    let second = held.posts(&format!("{channel}/messages"), reply).await;
    let new_style = json!({"flags": 32768, "components": [
        {"type": 17, "accent_color": 5, "components": [{"type": 10, "content": "text"}, {"type": 14, "divider": true},
          {"type": 9, "components": [{"type": 10, "content": "beside"}],
           "accessory": {"type": 2, "style": 2, "custom_id": "x", "label": "X"}}]}]});
    let third = held.posts(&format!("{channel}/messages"), new_style).await;
    let with_file = file(held, &channel).await;
    held.sim.control.say(say(&format!("<@{}> and @everyone", held.sim.application()))).unwrap();
    held.gets(&format!("{channel}/messages?limit=10")).await;
    held.gets(&format!("{channel}/messages?after={}", id(&first))).await;
    let path = format!("{channel}/messages/{}", id(&first));
    held.gets(&path).await;
    held.does(Method::PATCH, &path, Some(json!({"content": "edited", "components": []}))).await;
    held.refused(Method::GET, &format!("{channel}/messages/1"), None, 10008).await;
    held.refused(Method::POST, &format!("{channel}/messages"), Some(json!({"content": ""})), 50006).await;
    for emoji in ["👍", "🎉"] {
        held.does(Method::PUT, &format!("{path}/reactions/{emoji}/@me"), None).await;
    }
    let react = bailey_sim::React {
        emoji: "👍".to_owned(),
        message: first["id"].as_str().unwrap().parse().ok(),
        ..Default::default()
    };
    held.sim.control.react(react).unwrap();
    held.gets(&path).await;
    held.gets(&format!("{path}/reactions/👍?limit=5")).await;
    let alice = World::default_world().people[0].id;
    held.deletes(&format!("{path}/reactions/👍/{alice}")).await;
    held.deletes(&format!("{path}/reactions/👍/@me")).await;
    held.deletes(&format!("{path}/reactions/🎉")).await;
    held.deletes(&format!("{path}/reactions")).await;
    let (new_pin, old_pin) =
        (format!("{channel}/messages/pins/{}", id(&first)), format!("{channel}/pins/{}", id(&first)));
    held.does(Method::PUT, &new_pin, None).await;
    held.gets(&format!("{channel}/messages/pins")).await;
    held.gets(&format!("{channel}/pins")).await;
    held.deletes(&new_pin).await;
    held.does(Method::PUT, &old_pin, None).await;
    held.deletes(&old_pin).await;
    held.deletes(&path).await;
    held.posts(
        &format!("{channel}/messages/bulk-delete"),
        json!({"messages": [id(&second), id(&third), with_file]}),
    )
    .await;
}

/// A message with a file, as a form.
async fn file(held: &mut Held, channel: &str) -> String {
    let path = format!("{channel}/messages");
    let payload =
        json!({"content": "a file", "attachments": [{"id": "0", "filename": "a.txt", "description": "d"}]});
    let operation = held.spec.request(&Method::POST, &path, "multipart/form-data", Some(&payload)).unwrap();
    let body = format!(
        "--frontier\r\nContent-Disposition: form-data; name=\"payload_json\"\r\nContent-Type: application/json\r\n\r\n\
         {payload}\r\n--frontier\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nfile\r\n--frontier--\r\n"
    );
    let request = held.sim.rest.request(Method::POST, &path);
    let response = request
        .header("Content-Type", "multipart/form-data; boundary=frontier")
        .body(body)
        .send()
        .await
        .unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, StatusCode::OK, "{text}");
    held.spec.response(&operation, status, &text);
    id(&serde_json::from_str(&text).unwrap())
}

async fn structure(held: &mut Held) {
    let guild = format!("/guilds/{}", held.sim.guild());
    held.gets(&guild).await;
    held.gets(&format!("{guild}?with_counts=true")).await;
    held.refused(Method::GET, "/guilds/1", None, 10004).await;
    held.gets(&format!("{guild}/roles")).await;
    let category = held.posts(&format!("{guild}/channels"), json!({"name": "Rooms", "type": 4})).await;
    for kind in [0, 2, 5] {
        let wanted = json!({"name": "made", "type": kind, "parent_id": id(&category), "permission_overwrites": [
            {"id": held.sim.guild(), "type": 0, "allow": "0", "deny": "2048"}]});
        let made = id(&held.posts(&format!("{guild}/channels"), wanted).await);
        held.gets(&format!("/channels/{made}")).await;
        held.does(Method::PATCH, &format!("/channels/{made}"), Some(json!({"name": "renamed"}))).await;
        let overwrite = format!("/channels/{made}/permissions/{}", held.sim.application());
        let allow = json!({"type": 1, "allow": permission::SEND_MESSAGES.to_string(), "deny": "0"});
        held.does(Method::PUT, &overwrite, Some(allow)).await;
        held.deletes(&overwrite).await;
        held.deletes(&format!("/channels/{made}")).await;
    }
    held.gets(&format!("{guild}/channels")).await;
    held.gets(&format!("/channels/{}", id(&category))).await;
    held.refused(Method::POST, &format!("{guild}/channels"), Some(json!({"name": "x".repeat(101)})), 50035)
        .await;
}

async fn threads(held: &mut Held) {
    let channel = format!("/channels/{}", held.sim.general());
    let message = held.posts(&format!("{channel}/messages"), json!({"content": "root"})).await;
    let begun =
        held.posts(&format!("{channel}/messages/{}/threads", id(&message)), json!({"name": "on it"})).await;
    held.posts(&format!("/channels/{}/messages", id(&begun)), json!({"content": "inside"})).await;
    held.gets(&format!("{channel}/messages/{}", id(&message))).await;
    let wanted = json!({"name": "private", "type": 12, "auto_archive_duration": 60});
    let private = held.posts(&format!("{channel}/threads"), wanted).await;
    let wanted = json!({"name": "public", "type": 11});
    held.posts(&format!("{channel}/threads"), wanted).await;
    held.gets(&format!("/guilds/{}/threads/active", held.sim.guild())).await;
    let path = format!("/channels/{}", id(&private));
    held.gets(&path).await;
    held.does(Method::PATCH, &path, Some(json!({"archived": true, "locked": true}))).await;
    held.deletes(&path).await;
}

/// The next interaction a person starts.
async fn asked(gateway: &mut Gateway) -> Value {
    loop {
        let frame = gateway.frame().await;
        if frame["t"] == "INTERACTION_CREATE" {
            return frame["d"].clone();
        }
    }
}

fn callback(interaction: &Value, query: &str) -> String {
    format!("/interactions/{}/{}/callback{query}", id(interaction), interaction["token"].as_str().unwrap())
}

async fn interactions(held: &mut Held, gateway: &mut Gateway) {
    let control = held.sim.control.clone();
    control.command(using("greet", json!({}))).unwrap();
    let greet = asked(gateway).await;
    let button = json!([{"type": 1, "components": [{"type": 2, "style": 1, "custom_id": "go", "label": "Go"}]},
        {"type": 1, "components": [{"type": 3, "custom_id": "pick", "options": [{"label": "A", "value": "a"}]}]}]);
    let answer = json!({"type": 4, "data": {"content": "Hello", "components": button}});
    held.posts(&callback(&greet, "?with_response=true"), answer).await;
    held.refused(Method::POST, &callback(&greet, ""), Some(json!({"type": 5})), 40060).await;
    let hook = held.sim.webhook(&greet, "");
    let original = format!("{hook}/messages/@original");
    held.gets(&original).await;
    held.does(Method::PATCH, &original, Some(json!({"content": "Hello again"}))).await;
    let more = held.posts(&hook, json!({"content": "more", "flags": 64})).await;
    let more = format!("{hook}/messages/{}", id(&more));
    held.gets(&more).await;
    held.does(Method::PATCH, &more, Some(json!({"content": "still more"}))).await;
    held.deletes(&more).await;
    control.click(&Click { custom_id: Some("go".to_owned()), ..Click::default() }).unwrap();
    let pressed = asked(gateway).await;
    let update = json!({"type": 7, "data": {"content": "pressed"}});
    held.posts(&callback(&pressed, "?with_response=true"), update).await;
    let choose = Choose { custom_id: "pick".to_owned(), values: vec!["a".to_owned()], ..Choose::default() };
    control.choose(&choose).unwrap();
    let chosen = asked(gateway).await;
    let form = json!({"type": 9, "data": {"custom_id": "form", "title": "A form", "components": [
        {"type": 18, "label": "Name", "component": {"type": 4, "custom_id": "name", "style": 1}}]}});
    held.posts(&callback(&chosen, "?with_response=true"), form).await;
    let values = json!({"name": "Ada"}).as_object().unwrap().clone();
    control.submit(&Submit { values, ..Submit::default() }).unwrap();
    let submitted = asked(gateway).await;
    held.posts(&callback(&submitted, "?with_response=true"), json!({"type": 5, "data": {"flags": 64}})).await;
    held.posts(&held.sim.webhook(&submitted, ""), json!({"content": "thought"})).await;
    let mut typing = using("guess", json!({"word": "a"}));
    typing.focused = Some("word".to_owned());
    control.command(typing).unwrap();
    let typed = asked(gateway).await;
    let choices = json!({"type": 8, "data": {"choices": [{"name": "A", "value": "a"}]}});
    held.posts(&callback(&typed, "?with_response=true"), choices).await;
    control.click(&Click { custom_id: Some("go".to_owned()), ..Click::default() }).unwrap();
    let again = asked(gateway).await;
    held.posts(&callback(&again, "?with_response=true"), json!({"type": 6})).await;
    held.deletes(&original).await;
    // Discord answers a lost token like this.
    held.refused(Method::POST, "/interactions/1/token/callback", Some(json!({"type": 5})), 10062).await;
}

async fn webhooks(held: &mut Held) {
    let channel = format!("/channels/{}", held.sim.general());
    let made = held.posts(&format!("{channel}/webhooks"), json!({"name": "hook"})).await;
    held.gets(&format!("{channel}/webhooks")).await;
    held.gets(&format!("/guilds/{}/webhooks", held.sim.guild())).await;
    let path = format!("/webhooks/{}", id(&made));
    held.gets(&path).await;
    let by_token = format!("{path}/{}", made["token"].as_str().unwrap());
    held.gets(&by_token).await;
    held.posts(&format!("{by_token}?wait=true"), json!({"content": "by hook", "username": "Hook"})).await;
    held.posts(&by_token, json!({"content": "unheard"})).await;
    held.refused(Method::GET, &format!("{path}/wrong"), None, 50027).await;
    held.deletes(&by_token).await;
    let other = held.posts(&format!("{channel}/webhooks"), json!({"name": "other"})).await;
    held.deletes(&format!("/webhooks/{}", id(&other))).await;
    held.refused(Method::GET, &path, None, 10015).await;
}

async fn moderation(held: &mut Held) {
    let world = World::default_world();
    let guild = format!("/guilds/{}", held.sim.guild());
    let (bob, carol) = (world.people[1].id, world.people[2].id);
    held.gets(&format!("{guild}/members?limit=10")).await;
    held.gets(&format!("{guild}/members/search?query=bo&limit=5")).await;
    let member = format!("{guild}/members/{bob}");
    held.gets(&member).await;
    let change = json!({"nick": "Bobby", "communication_disabled_until": "2025-01-01T00:10:00Z"});
    held.does(Method::PATCH, &member, Some(change)).await;
    held.does(Method::PATCH, &format!("{guild}/members/@me"), Some(json!({"nick": "Me"}))).await;
    let role = format!("{guild}/members/{carol}/roles/{}", world.guilds[0].roles[0].id);
    held.does(Method::PUT, &role, None).await;
    held.deletes(&role).await;
    held.refused(Method::GET, &format!("{guild}/members/1"), None, 10013).await;
    held.deletes(&format!("{guild}/members/{carol}")).await;
    held.sim.control.join(&Membership { name: "carol".to_owned(), guild: None }).unwrap();
    let ban = format!("{guild}/bans/{carol}");
    held.does(Method::PUT, &ban, Some(json!({"delete_message_seconds": 60}))).await;
    held.gets(&format!("{guild}/bans?limit=5")).await;
    held.gets(&ban).await;
    held.deletes(&ban).await;
    held.refused(Method::GET, &ban, None, 10026).await;
    held.gets(&format!("{guild}/audit-logs?limit=50")).await;
}

/// What a person who logged in can be asked.
async fn login(held: &mut Held) {
    let back = "http://127.0.0.1:9/callback";
    held.sim.control.register_redirect_uri(back).unwrap();
    let (application, alice) = (held.sim.application(), World::default_world().people[0].id.to_string());
    let encoded = |fields: &[(&str, &str)]| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    };
    let fields = [
        ("client_id", application.as_str()),
        ("redirect_uri", back),
        ("response_type", "code"),
        ("scope", "identify email guilds guilds.members.read"),
        ("person", &alice),
        ("decision", "authorize"),
    ];
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = |path: &str, body: String| {
        let request = http.post(format!("{}{path}", held.sim.rest.base)).body(body);
        request.header("Content-Type", "application/x-www-form-urlencoded").send()
    };
    let sent_back = form("/oauth2/authorize", encoded(&fields)).await.unwrap();
    let location = sent_back.headers()["location"].to_str().unwrap().to_owned();
    let code = location.split("code=").nth(1).unwrap();
    let secret = held.sim.simulator.client_secret();
    let fields = [
        ("client_id", application.as_str()),
        ("client_secret", &secret),
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", back),
    ];
    let tokens = form("/api/v10/oauth2/token", encoded(&fields)).await.unwrap().text().await.unwrap();
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    held.gets("/users/@me/guilds?limit=5&with_counts=true").await;
    let of_bot = std::mem::replace(
        &mut held.sim.rest.authorization,
        format!("Bearer {}", tokens["access_token"].as_str().unwrap()),
    );
    held.gets("/users/@me").await;
    held.gets("/users/@me/guilds").await;
    held.gets(&format!("/users/@me/guilds/{}/member", held.sim.guild())).await;
    held.gets("/oauth2/@me").await;
    held.refused(Method::GET, "/gateway/bot", None, 0).await;
    held.sim.rest.authorization = of_bot;
}

/// Every operation Discord has and the simulator does not answer with 501 must have succeeded in the story.
async fn coverage(held: &mut Held) {
    let paths = held.spec.document["paths"].as_object().unwrap().clone();
    let mut missing = Vec::new();
    for (number, (template, operations)) in paths.iter().enumerate() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let operation = format!("{} {template}", method.to_uppercase());
            if held.spec.succeeded.contains(&operation) {
                continue;
            }
            // Ids nobody has, others each time, so that every request has a limit of its own.
            let named = template.split('/').map(|segment| match segment.starts_with('{') {
                true => format!("{}", 1000 + number),
                false => segment.to_owned(),
            });
            let path = named.collect::<Vec<_>>().join("/");
            let method = method.to_uppercase().parse().unwrap();
            let (status, _) = held.sim.rest.call(method, &path, None).await;
            if status != StatusCode::NOT_IMPLEMENTED {
                missing.push(format!("{operation} ({status})"));
            }
        }
    }
    assert!(missing.is_empty(), "simulated, and not in the story: {missing:#?}");
}
