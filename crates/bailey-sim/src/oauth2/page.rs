//! The pages of the login: who are you, may it do this, and why not. Plain forms without scripts; nothing from
//! elsewhere.

use std::fmt::Write;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Asked, Fields, managed};
use crate::cdn;
use crate::clock::Snowflake;
use crate::state::State;
use crate::state::model::{Guild, User};
use crate::state::render::capitalised;
use crate::world::permission as bits;

/// Fields that the pages carry on from step to step.
const CARRIED: [&str; 10] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "permissions",
    "guild_id",
    "disable_guild_select",
    "code_challenge",
    "code_challenge_method",
];

/// What scopes mean to people.
const MEANINGS: [(&str, &str); 6] = [
    ("identify", "See your name and picture"),
    ("email", "See your email address"),
    ("guilds", "See which servers you are in"),
    ("guilds.members.read", "See your nickname and roles on servers"),
    ("bot", "Add its bot to a server"),
    ("applications.commands", "Add commands to a server"),
];

/// What permissions mean to people.
const PERMISSIONS: [(u64, &str); 26] = [
    (bits::ADMINISTRATOR, "Administrator: everything"),
    (bits::MANAGE_GUILD, "Manage the server"),
    (bits::KICK_MEMBERS, "Kick members"),
    (bits::BAN_MEMBERS, "Ban members"),
    (bits::MODERATE_MEMBERS, "Time members out"),
    (bits::MANAGE_CHANNELS, "Manage channels"),
    (bits::MANAGE_ROLES, "Manage roles"),
    (bits::MANAGE_WEBHOOKS, "Manage webhooks"),
    (bits::MANAGE_NICKNAMES, "Manage nicknames"),
    (bits::CHANGE_NICKNAME, "Change its own nickname"),
    (bits::VIEW_AUDIT_LOG, "Read the audit log"),
    (bits::VIEW_CHANNEL, "See channels"),
    (bits::SEND_MESSAGES, "Send messages"),
    (bits::SEND_TTS_MESSAGES, "Have messages read aloud"),
    (bits::READ_MESSAGE_HISTORY, "Read what was said before"),
    (bits::MANAGE_MESSAGES, "Delete messages"),
    (bits::PIN_MESSAGES, "Pin messages"),
    (bits::EMBED_LINKS, "Embed links"),
    (bits::ATTACH_FILES, "Attach files"),
    (bits::ADD_REACTIONS, "Add reactions"),
    (bits::MENTION_EVERYONE, "Mention everyone"),
    (bits::CREATE_PUBLIC_THREADS, "Begin public threads"),
    (bits::CREATE_PRIVATE_THREADS, "Begin private threads"),
    (bits::SEND_MESSAGES_IN_THREADS, "Write in threads"),
    (bits::MANAGE_THREADS, "Manage threads"),
    (bits::CREATE_INSTANT_INVITE, "Invite people"),
];

/// The first step: who are you?
pub(super) fn people(state: &State, asked: &Asked, fields: &Fields) -> Response {
    let people: Vec<&User> = state.users.values().filter(|user| !user.bot).collect();
    let mut body = format!(
        "<h1>Who are you?</h1><p>Log in to the simulated Discord to go on to {}.</p>",
        escaped(&state.application.name)
    );
    if people.is_empty() {
        body.push_str(
            "<p>Nobody lives in this world. Let somebody <code>join</code> on the control side first.</p>",
        );
    }
    let mut choices = String::new();
    for user in people {
        let (name, shown, picture) = (escaped(&user.name), escaped(&capitalised(&user.name)), avatar(user));
        let id = user.id;
        let _never_fails = write!(
            choices,
            "<button class=choice name=person value={id}><img src=\"{picture}\" alt=\"\"><span>{shown}<small>{name}</small>\
             </span></button>"
        );
    }
    let _never_fails =
        write!(body, "<form method=get action=/oauth2/authorize>{}{choices}</form>", carried(fields));
    page(StatusCode::OK, "Log in", &body, asked.redirect_uri.as_deref())
}

/// The second step: may it do this?
pub(super) fn consent(
    state: &State,
    asked: &Asked,
    fields: &Fields,
    person: Snowflake,
    problem: Option<&str>,
) -> Response {
    let application = escaped(&state.application.name);
    let name = escaped(&capitalised(&state.name_of(person)));
    let mut body = format!("<h1>{application} asks for access</h1><p>You are {name}. It would:</p><ul>");
    for (scope, meaning) in MEANINGS {
        if asked.scopes.iter().any(|asked| asked == scope) {
            let _never_fails = write!(body, "<li>{meaning}</li>");
        }
    }
    body.push_str("</ul>");
    if let Some(problem) = problem {
        let _never_fails = write!(body, "<p class=problem role=alert>{problem}</p>");
    }
    let _never_fails = write!(
        body,
        "<form method=post action=/oauth2/authorize>{}<input type=hidden name=person value={person}>",
        carried(fields)
    );
    let guilds: Vec<&Guild> = managed(state, asked, person).collect();
    if asked.adds_bot() {
        servers(&mut body, state, asked, &name, &guilds);
    }
    body.push_str("<div class=decide>");
    if !asked.adds_bot() || !guilds.is_empty() {
        body.push_str("<button class=yes name=decision value=authorize>Authorize</button>");
    }
    body.push_str("<button name=decision value=cancel formnovalidate>Cancel</button></div></form>");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields.0.iter().filter(|(name, _)| CARRIED.contains(&name.as_str())))
        .finish();
    let _never_fails = write!(
        body,
        "<footer>Not {name}? <a href=\"/oauth2/authorize?{}\">Be somebody else</a></footer>",
        escaped(&query)
    );
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    page(status, "Authorize", &body, asked.redirect_uri.as_deref())
}

/// Which server the bot goes to, and what it may do there.
fn servers(body: &mut String, state: &State, asked: &Asked, name: &str, guilds: &[&Guild]) {
    body.push_str("<fieldset><legend>Add the bot to the server</legend>");
    if guilds.is_empty() {
        let _never_fails = write!(
            body,
            "<p>{name} may manage no server it could be added to. Be somebody who owns one, or has Manage Server there.</p>"
        );
    }
    for (index, guild) in guilds.iter().enumerate() {
        let chosen = asked.guild.map_or(index == 0, |wanted| wanted == guild.id);
        let there = guild.members.contains_key(&state.application.id);
        let note =
            if there { "<small>The bot is there already; it gets these permissions</small>" } else { "" };
        let (id, name) = (guild.id, escaped(&guild.name));
        let letter = escaped(&guild.name.chars().next().unwrap_or('?').to_uppercase().to_string());
        let checked = if chosen { " checked" } else { "" };
        let _never_fails = write!(
            body,
            "<label class=choice><input type=radio name=guild value={id}{checked} required>\
             <span class=letter aria-hidden=true>{letter}</span><span>{name}{note}</span></label>"
        );
    }
    body.push_str("</fieldset><h2>What the bot may do there</h2><ul>");
    let known = PERMISSIONS.iter().filter(|(bit, _)| asked.permissions & bit != 0);
    known.for_each(|(_, meaning)| body.push_str(&format!("<li>{meaning}</li>")));
    let named = PERMISSIONS.iter().fold(0, |all, (bit, _)| all | bit);
    match (asked.permissions, (asked.permissions & !named).count_ones()) {
        (0, _) => body.push_str("<li>Nothing beyond what everybody there may</li>"),
        (_, 0) => {}
        (_, 1) => body.push_str("<li>One more permission</li>"),
        (_, more) => body.push_str(&format!("<li>{more} more permissions</li>")),
    }
    body.push_str("</ul>");
}

/// Why nobody is asked, in Discord's words.
pub(super) fn refusal(message: &str) -> Response {
    let body = format!(
        "<h1>{message}</h1><p>The application sent you here with a wrong address. Its developer has to look at the link, \
         and at the redirect addresses registered for it.</p>"
    );
    page(StatusCode::BAD_REQUEST, "This link does not work", &body, None)
}

/// The end, for those who are sent nowhere.
pub(super) fn done(heading: &str, text: &str) -> Response {
    page(StatusCode::OK, heading, &format!("<h1>{heading}</h1><p>{text}</p>"), None)
}

/// The fields of before, to be sent again.
fn carried(fields: &Fields) -> String {
    let mut inputs = String::new();
    for name in CARRIED {
        if let Some(value) = fields.get(name) {
            let _never_fails = write!(inputs, "<input type=hidden name={name} value=\"{}\">", escaped(value));
        }
    }
    inputs
}

/// The picture of a person on this server.
fn avatar(user: &User) -> String {
    match &user.avatar {
        Some(hash) => format!("/avatars/{}/{hash}.png?size=64", user.id),
        None => format!("/embed/avatars/{}.png?size=64", cdn::default_of(user.id)),
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn page(status: StatusCode, title: &str, body: &str, redirect_uri: Option<&str>) -> Response {
    // Browsers hold where a form leads against the policy, redirects included.
    let goal = redirect_uri.map_or("", |uri| {
        let host = uri.find("://").map_or(0, |at| at + 3);
        let end = uri[host..].find(['/', '?']).map_or(uri.len(), |at| host + at);
        &uri[..end]
    });
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {goal}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let html = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title} – simulated Discord</title><link rel=stylesheet href=/oauth2/page.css></head>\
         <body><main>{body}</main></body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, html).into_response()
}
