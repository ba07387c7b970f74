//! Fills a command's options from what a driver gave: checks, conversions, and the `resolved` objects.

use serde_json::{Map, Value, json};

use super::actions::{resolved_member, upload};
use super::{Attachment, CommandUse, find};
use crate::clock::Snowflake;
use crate::error::ControlError;
use crate::state::State;
use crate::state::model::Guild;
use crate::state::render;

/// Objects that options point at, by kind and id, as the person who uses them sees them.
#[derive(Debug)]
pub(super) struct Resolved {
    viewer: Snowflake,
    maps: Map<String, Value>,
}

impl Resolved {
    pub(super) fn seen_by(viewer: Snowflake) -> Self {
        Self { viewer, maps: Map::new() }
    }

    pub(super) fn add(&mut self, kind: &str, id: Snowflake, object: Value) {
        let map = self.maps.entry(kind).or_insert_with(|| json!({}));
        if let Some(map) = map.as_object_mut() {
            map.insert(id.to_string(), object);
        }
    }

    pub(super) fn add_user(&mut self, state: &State, guild: &Guild, user: Snowflake) {
        self.add("users", user, state.render_user(user));
        if let Some(member) = resolved_member(guild, user) {
            self.add("members", user, member);
        }
    }

    pub(super) fn add_role(&mut self, guild: &Guild, id: Snowflake) {
        if let Some(role) = guild.roles.iter().find(|role| role.id == id) {
            self.add("roles", id, render::role(role));
        }
    }

    pub(super) fn add_channel(&mut self, state: &State, id: Snowflake) {
        let Some(channel) = state.channels.get(&id) else { return };
        let mut json = render::channel(channel);
        if let Some(map) = json.as_object_mut() {
            map.insert(
                "permissions".to_owned(),
                json!(state.permissions_in(channel, self.viewer).to_string()),
            );
        }
        self.add("channels", id, json);
    }

    pub(super) fn json(self) -> Option<Value> {
        (!self.maps.is_empty()).then_some(Value::Object(self.maps))
    }
}

/// The `options` list, in the order given.
pub(super) fn fill(
    state: &mut State,
    guild: Snowflake,
    command: &str,
    definitions: &[Value],
    using: &CommandUse,
    resolved: &mut Resolved,
) -> Result<Vec<Value>, ControlError> {
    let names: Vec<&str> = definitions.iter().filter_map(|definition| definition["name"].as_str()).collect();
    let known =
        if names.is_empty() { "it has none".to_owned() } else { format!("it has: {}", names.join(", ")) };
    if let Some(focused) = using.focused.as_deref().filter(|focused| !names.contains(focused)) {
        return Err(ControlError::new(format!("`/{command}` has no option `{focused}`"), known));
    }
    let mut filled = Vec::new();
    for (name, value) in &using.options {
        let definition = definitions.iter().find(|definition| definition["name"] == name.as_str());
        let definition = definition.ok_or_else(|| {
            ControlError::new(format!("`/{command}` has no option `{name}`"), known.clone())
        })?;
        let kind = definition["type"].as_u64().unwrap_or(3);
        if using.focused.as_deref() == Some(name) {
            // Half-typed: sent as typed, unchecked.
            let typed = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            filled.push(json!({"name": name, "type": kind, "value": typed, "focused": true}));
            continue;
        }
        let value = convert(state, guild, definition, value, resolved).map_err(|error| {
            ControlError::new(format!("`/{command}` option `{name}`: {}", error.message), error.hint)
        })?;
        filled.push(json!({"name": name, "type": kind, "value": value}));
    }
    if let Some(focused) = &using.focused {
        if !using.options.contains_key(focused) {
            let definition = definitions.iter().find(|definition| definition["name"] == focused.as_str());
            let kind = definition.and_then(|definition| definition["type"].as_u64()).unwrap_or(3);
            filled.push(json!({"name": focused, "type": kind, "value": "", "focused": true}));
        }
        return Ok(filled);
    }
    for definition in definitions.iter().filter(|definition| definition["required"] == true) {
        let name = definition["name"].as_str().unwrap_or("");
        if !using.options.contains_key(name) {
            let text = format!("`/{command}` needs the option `{name}`");
            return Err(ControlError::new(text, definition["description"].as_str().unwrap_or("give it")));
        }
    }
    Ok(filled)
}

fn convert(
    state: &mut State,
    guild_id: Snowflake,
    definition: &Value,
    value: &Value,
    resolved: &mut Resolved,
) -> Result<Value, ControlError> {
    let kind = definition["type"].as_u64().unwrap_or(3);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(choices) =
        definition.get("choices").and_then(Value::as_array).filter(|choices| !choices.is_empty())
    {
        let fits = |choice: &&Value| choice["value"] == *value || choice["name"] == text.as_str();
        return choices.iter().find(fits).map(|choice| choice["value"].clone()).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().filter_map(|choice| choice["name"].as_str()).collect();
            ControlError::new(
                format!("`{text}` is not one of the choices"),
                format!("choose from: {}", names.join(", ")),
            )
        });
    }
    let guild = |state: &State| state.guilds.contains_key(&guild_id);
    if !guild(state) {
        return Err(ControlError::new("that server is gone", "name another"));
    }
    match kind {
        3 => string(definition, text),
        4 => {
            let number = value.as_i64().or_else(|| text.parse().ok());
            let number = number
                .filter(|number| number.unsigned_abs() <= 1 << 53)
                .ok_or_else(|| not_a(&text, "a whole number"))?;
            within(definition, number as f64)?;
            Ok(json!(number))
        }
        5 => value
            .as_bool()
            .or_else(|| text.parse().ok())
            .map(Value::Bool)
            .ok_or_else(|| not_a(&text, "true or false")),
        10 => {
            let number = value.as_f64().or_else(|| text.parse().ok()).filter(|number| number.is_finite());
            let number = number.ok_or_else(|| not_a(&text, "a number"))?;
            within(definition, number)?;
            Ok(if value.is_number() { value.clone() } else { json!(number) })
        }
        11 => attachment(state, value, resolved),
        _ => entity(state, &state.guilds[&guild_id], kind, definition, &text, resolved),
    }
}

/// A person, channel, role, or either person or role.
fn entity(
    state: &State,
    guild: &Guild,
    kind: u64,
    definition: &Value,
    text: &str,
    resolved: &mut Resolved,
) -> Result<Value, ControlError> {
    match kind {
        7 => {
            let channel = find::channel(state, guild, Some(text))?;
            let allowed =
                definition.get("channel_types").and_then(Value::as_array).filter(|list| !list.is_empty());
            if allowed.is_some_and(|list| !list.contains(&json!(channel.kind.number()))) {
                return Err(ControlError::new(
                    format!("#{} is not of a kind the option takes", channel.name),
                    "choose another",
                ));
            }
            resolved.add_channel(state, channel.id);
            Ok(json!(channel.id))
        }
        8 => {
            let role = find::role(guild, text)?;
            resolved.add_role(guild, role);
            Ok(json!(role))
        }
        9 if find::member(state, guild, Some(text), true).is_err() => {
            let role = find::role(guild, text)?;
            resolved.add_role(guild, role);
            Ok(json!(role))
        }
        _ => {
            let user = find::member(state, guild, Some(text), true)?;
            resolved.add_user(state, guild, user);
            Ok(json!(user))
        }
    }
}

fn attachment(state: &mut State, value: &Value, resolved: &mut Resolved) -> Result<Value, ControlError> {
    let file: Attachment = serde_json::from_value(value.clone()).map_err(|error| {
        ControlError::new(
            format!("it takes a file: {error}"),
            "give {\"filename\": \"a.txt\", \"content\": \"…\"}",
        )
    })?;
    let upload = upload(&file)?;
    let id = state.new_id();
    let url = format!("{}/attachments/0/{id}/{}", state.http_base, upload.filename);
    let object = json!({
        "id": id, "filename": upload.filename, "size": upload.bytes.len(), "url": url, "proxy_url": url,
        "content_type": upload.content_type, "ephemeral": true,
    });
    resolved.add("attachments", id, object);
    state.keep_file(id, &upload.content_type, upload.bytes);
    Ok(json!(id))
}

fn string(definition: &Value, text: String) -> Result<Value, ControlError> {
    let length = text.chars().count() as u64;
    let bound = |key: &str, otherwise: u64| definition.get(key).and_then(Value::as_u64).unwrap_or(otherwise);
    let (least, most) = (bound("min_length", 0), bound("max_length", 6000));
    if (least..=most).contains(&length) {
        return Ok(Value::String(text));
    }
    Err(ControlError::new(format!("its text has {length} letters"), format!("it takes {least} to {most}")))
}

fn within(definition: &Value, number: f64) -> Result<(), ControlError> {
    let bound = |key: &str| definition.get(key).and_then(Value::as_f64);
    if bound("min_value").is_some_and(|least| number < least)
        || bound("max_value").is_some_and(|most| number > most)
    {
        let hint = format!("it takes {} to {}", definition["min_value"], definition["max_value"]);
        return Err(ControlError::new(format!("{number} is out of range"), hint));
    }
    Ok(())
}

fn not_a(text: &str, what: &str) -> ControlError {
    ControlError::new(format!("`{text}` does not fit"), format!("it takes {what}"))
}
