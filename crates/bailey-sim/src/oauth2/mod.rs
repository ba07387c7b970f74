//! Logging in with the simulated Discord, as a browser sees it: who asks for what (this file), and the pages
//! (`page`). What the application asks afterwards, for tokens and with them, is in `rest::login`.

mod page;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::clock::Snowflake;
use crate::control::http::{asset, is_loopback};
use crate::shared::Shared;
use crate::state::State;
use crate::state::logins::Allowed;
use crate::world::permission;

/// The scopes that are simulated.
const SCOPES: [&str; 6] =
    ["identify", "email", "guilds", "guilds.members.read", "bot", "applications.commands"];
/// Longest `state` that is sent back.
const MOST_STATE: usize = 4096;
/// Letters of an S256 challenge.
const CHALLENGE: usize = 43;

type Sim = Extract<Arc<Shared>>;

/// The pages of the login.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/oauth2/authorize", get(show).post(decide))
        .route("/api/oauth2/authorize", get(show).post(decide))
        .route("/api/v10/oauth2/authorize", get(show).post(decide))
        .route(
            "/oauth2/page.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("page.css")) }),
        )
        .layer(from_fn(only_this_machine))
}

/// What an application asks of a person.
#[derive(Debug)]
struct Asked {
    /// Where the person goes afterwards; nowhere when a bot is only to be added.
    redirect_uri: Option<String>,
    scopes: Vec<String>,
    state: Option<String>,
    permissions: u64,
    /// The server that is chosen already.
    guild: Option<Snowflake>,
    /// Whether another may be chosen.
    guild_is_fixed: bool,
    challenge: Option<String>,
}

impl Asked {
    fn adds_bot(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "bot")
    }
}

/// Why nobody is asked.
#[derive(Debug)]
enum Refusal {
    /// Told to the person: nobody knows a safe address to send them to.
    Here(&'static str),
    /// Told to the application.
    There { redirect_uri: String, state: Option<String>, error: &'static str, description: &'static str },
}

/// The fields of a query or a form; the first of each name counts.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|text| !text.is_empty())
    }
}

/// Checks what is asked, first of all where answers may go.
fn asked(state: &State, fields: &Fields) -> Result<Asked, Refusal> {
    let application = fields.get("client_id").and_then(|id| id.parse().ok());
    if application != Some(state.application.id) {
        return Err(Refusal::Here("Unknown Application"));
    }
    let scopes: Vec<String> =
        fields.get("scope").unwrap_or("").split_whitespace().map(str::to_owned).collect();
    let only_adds = !scopes.is_empty()
        && scopes.iter().all(|scope| matches!(scope.as_str(), "bot" | "applications.commands"));
    let redirect_uri = match fields.get("redirect_uri") {
        Some(uri) if state.logins.redirect_uris.iter().any(|known| known == uri) => Some(uri.to_owned()),
        None if only_adds => None,
        _ => return Err(Refusal::Here("Invalid OAuth2 redirect_uri")),
    };
    let given_state = fields.get("state").map(str::to_owned);
    let refuse = |error, description| match &redirect_uri {
        Some(uri) => {
            Refusal::There { redirect_uri: uri.clone(), state: given_state.clone(), error, description }
        }
        None => Refusal::Here(description),
    };
    let kind = fields.get("response_type");
    if redirect_uri.is_some() && kind != Some("code") {
        let description = "The authorization server does not support this response type.";
        return Err(refuse("unsupported_response_type", description));
    }
    if scopes.is_empty() || scopes.iter().any(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(refuse("invalid_scope", "The requested scope is invalid, unknown, or malformed."));
    }
    let malformed = || refuse("invalid_request", "The request is malformed.");
    if given_state.as_ref().is_some_and(|text| text.len() > MOST_STATE) {
        return Err(malformed());
    }
    let challenge = match (fields.get("code_challenge"), fields.get("code_challenge_method")) {
        (None, None) => None,
        (Some(challenge), Some("S256")) if challenge.len() == CHALLENGE => Some(challenge.to_owned()),
        _ => return Err(refuse("invalid_request", "The code challenge must be made with S256.")),
    };
    let permissions = match fields.get("permissions") {
        None => 0,
        Some(bits) => bits.parse::<u64>().map_err(|_| malformed())? & permission::ALL,
    };
    let guild = match fields.get("guild_id") {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| malformed())?),
    };
    let guild_is_fixed = guild.is_some() && fields.get("disable_guild_select") == Some("true");
    Ok(Asked { redirect_uri, scopes, state: given_state, permissions, guild, guild_is_fixed, challenge })
}

/// A person who can log in.
fn person(state: &State, fields: &Fields) -> Option<Snowflake> {
    let id: Snowflake = fields.get("person")?.parse().ok()?;
    state.users.get(&id).filter(|user| !user.bot).map(|user| user.id)
}

/// The servers a person may add a bot to.
fn managed<'a>(
    state: &'a State,
    asked: &'a Asked,
    person: Snowflake,
) -> impl Iterator<Item = &'a crate::state::model::Guild> {
    state.guilds.values().filter(move |guild| {
        guild.permissions(person) & permission::MANAGE_GUILD != 0
            && (!asked.guild_is_fixed || asked.guild == Some(guild.id))
    })
}

async fn show(sim: Sim, RawQuery(query): RawQuery) -> Response {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let state = sim.0.state();
    match asked(&state, &fields) {
        Err(refusal) => refused(refusal),
        Ok(asked) => match person(&state, &fields) {
            None => page::people(&state, &asked, &fields),
            Some(person) => page::consent(&state, &asked, &fields, person, None),
        },
    }
}

async fn decide(sim: Sim, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "this form is sent by its page").into_response();
    }
    let fields = Fields::parse(&body);
    let mut state = sim.0.state();
    let asked = match asked(&state, &fields) {
        Ok(asked) => asked,
        Err(refusal) => return refused(refusal),
    };
    if fields.get("decision") == Some("cancel") {
        let description = "The resource owner or authorization server denied the request";
        return match asked.redirect_uri {
            None => page::done("Nothing was added", "You can close this page."),
            Some(redirect_uri) => refused(Refusal::There {
                redirect_uri,
                state: asked.state,
                error: "access_denied",
                description,
            }),
        };
    }
    let Some(person) = person(&state, &fields) else { return page::people(&state, &asked, &fields) };
    let mut guild = None;
    if asked.adds_bot() {
        let wanted = fields.get("guild").and_then(|id| id.parse().ok());
        guild = managed(&state, &asked, person).map(|guild| guild.id).find(|id| Some(*id) == wanted);
        let Some(chosen) = guild else {
            let problem = "Choose a server you may manage.";
            return page::consent(&state, &asked, &fields, person, Some(problem));
        };
        if !state.add_bot(chosen, asked.permissions) {
            let problem = "The bot is banned on that server. Choose another, or unban it there.";
            return page::consent(&state, &asked, &fields, person, Some(problem));
        }
    }
    let Some(redirect_uri) = asked.redirect_uri else {
        return page::done("The bot was added", "You can close this page and go back to your server.");
    };
    let allowed = Allowed { person, scopes: asked.scopes, guild };
    let code = state.allow(allowed, &redirect_uri, asked.challenge);
    let mut answer = vec![("code", code)];
    answer.extend(asked.state.map(|text| ("state", text)));
    if let Some(guild) = guild {
        answer.push(("guild_id", guild.to_string()));
        answer.push(("permissions", asked.permissions.to_string()));
    }
    back(&redirect_uri, &answer)
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Here(message) => page::refusal(message),
        Refusal::There { redirect_uri, state, error, description } => {
            let mut answer = vec![("error", error.to_owned()), ("error_description", description.to_owned())];
            answer.extend(state.map(|text| ("state", text)));
            back(&redirect_uri, &answer)
        }
    }
}

/// Sends the person back to the application.
fn back(redirect_uri: &str, answer: &[(&str, String)]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    (StatusCode::FOUND, [(header::LOCATION, format!("{redirect_uri}{joint}{query}"))]).into_response()
}

/// Pages elsewhere may send people here, but neither decide for them nor point a name of theirs here.
async fn only_this_machine(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or("");
    let from_here = text(header::ORIGIN)
        .is_none_or(|origin| origin.strip_prefix("http://").is_some_and(|origin| origin == host));
    if !is_loopback(host) || (request.method() == axum::http::Method::POST && !from_here) {
        return (StatusCode::FORBIDDEN, "the simulated login is for this machine only").into_response();
    }
    next.run(request).await
}
