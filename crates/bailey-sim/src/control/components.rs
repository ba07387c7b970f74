//! What people do with buttons, selects and forms.

use serde_json::{Map, Value, json};

use super::options::Resolved;
use super::{Choose, Click, Control, Receipt, Submit, find};
use crate::clock::Snowflake;
use crate::error::ControlError;
use crate::state::State;
use crate::state::interactions::{Asking, Modal, kind};
use crate::state::model::{Guild, Message};

impl Control {
    /// Presses a button as a person.
    ///
    /// # Errors
    /// When no message the person sees has such a button, or it is disabled or a link.
    pub fn click(&self, click: &Click) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("click", click);
        self.act(|state, receipt| {
            let guild = find::guild(state, click.guild.as_deref())?;
            let person = find::member(state, guild, click.person.as_deref(), false)?;
            let fits = |component: &Value| {
                component["type"] == 2
                    && click.custom_id.as_ref().is_none_or(|id| component["custom_id"] == id.as_str())
                    && click.label.as_ref().is_none_or(|label| component["label"] == label.as_str())
            };
            let wanted = click.custom_id.as_ref().or(click.label.as_ref());
            let what = format!("button `{}`", wanted.map_or("", String::as_str));
            let (message, component) = newest(state, guild, person, click.message, &fits, &what)?;
            if component.get("custom_id").is_none() {
                return Err(ControlError::new(format!("the {what} is a link"), "links start no interaction"));
            }
            let data = component_data(&component, None);
            receipt.message_id = Some(message.id);
            let asking = asking(guild, message, person, data);
            receipt.user_id = Some(person);
            receipt.interaction_id = state.ask(asking);
            Ok(())
        })
    }

    /// Chooses values in a select as a person.
    ///
    /// # Errors
    /// When no message the person sees has such a select, or it does not take these values.
    pub fn choose(&self, choose: &Choose) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("choose", choose);
        self.act(|state, receipt| {
            let guild = find::guild(state, choose.guild.as_deref())?;
            let person = find::member(state, guild, choose.person.as_deref(), false)?;
            let fits = |component: &Value| {
                matches!(component["type"].as_u64(), Some(3 | 5..=8))
                    && component["custom_id"] == choose.custom_id.as_str()
            };
            let what = format!("select `{}`", choose.custom_id);
            let (message, component) = newest(state, guild, person, choose.message, &fits, &what)?;
            let mut resolved = Resolved::seen_by(person);
            let values = select_values(state, guild, &component, &choose.values, &mut resolved)?;
            let mut data = component_data(&component, Some(values));
            if let (Some(resolved), Some(map)) = (resolved.json(), data.as_object_mut()) {
                map.insert("resolved".to_owned(), resolved);
            }
            receipt.message_id = Some(message.id);
            let asking = asking(guild, message, person, data);
            receipt.user_id = Some(person);
            receipt.interaction_id = state.ask(asking);
            Ok(())
        })
    }

    /// Submits the form that is open in front of a person.
    ///
    /// # Errors
    /// When none is open, a field is unknown, or a required one is empty.
    pub fn submit(&self, submit: &Submit) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("submit", submit);
        self.act(|state, receipt| {
            let open = state.interactions.modals.keys().copied();
            let person = match &submit.person {
                Some(name) => {
                    let found =
                        state.users.values().find(|user| user.name == *name || user.id.to_string() == *name);
                    found.map(|user| user.id).ok_or_else(|| {
                        ControlError::new(format!("nobody is called `{name}`"), "`join` lets somebody in")
                    })?
                }
                // With one form open there is no doubt whose it is; otherwise it is the default person's.
                None if open.clone().count() == 1 => open.clone().next().unwrap_or(Snowflake(0)),
                None => find::member(state, find::guild(state, None)?, None, false)?,
            };
            let name = state.name_of(person);
            let modal = state.interactions.modals.get(&person).cloned().ok_or_else(|| {
                ControlError::new(format!("no form is open in front of `{name}`"), "use what opens it first")
            })?;
            if submit.custom_id.as_ref().is_some_and(|wanted| *wanted != modal.custom_id) {
                let text = format!("the form in front of `{name}` is `{}`", modal.custom_id);
                return Err(ControlError::new(text, "submit that one, or leave `custom_id` out"));
            }
            let guild = state.guilds.get(&modal.guild);
            let guild = guild.ok_or_else(|| ControlError::new("that server is gone", "start over"))?;
            let data = modal_data(state, guild, person, &modal, &submit.values)?;
            let asking = Asking {
                kind: kind::MODAL_SUBMIT,
                user: person,
                guild: modal.guild,
                channel: modal.channel,
                data,
                source: modal.source,
                name: None,
                opened_by: Some(Box::new(modal.opened_by.clone())),
            };
            state.interactions.modals.remove(&person);
            receipt.user_id = Some(person);
            receipt.interaction_id = state.ask(asking);
            Ok(())
        })
    }
}

fn asking(guild: &Guild, message: &Message, user: Snowflake, data: Value) -> Asking {
    let (guild, channel, source) = (guild.id, message.channel, Some(message.id));
    Asking { kind: kind::COMPONENT, user, guild, channel, data, source, name: None, opened_by: None }
}

fn component_data(component: &Value, values: Option<Vec<String>>) -> Value {
    let mut data = json!({
        "id": component["id"], "custom_id": component["custom_id"], "component_type": component["type"],
    });
    if let (Some(values), Some(map)) = (values, data.as_object_mut()) {
        map.insert("values".to_owned(), json!(values));
    }
    data
}

/// The newest message of a server that the person sees and that has a fitting, enabled component.
fn newest<'a>(
    state: &'a State,
    guild: &Guild,
    person: Snowflake,
    on: Option<Snowflake>,
    fits: &dyn Fn(&Value) -> bool,
    what: &str,
) -> Result<(&'a Message, Value), ControlError> {
    let channels = guild.channels.iter().filter_map(|id| state.channels.get(id));
    let mut messages: Vec<&Message> = channels
        .flat_map(|channel| channel.messages.values())
        .filter(|message| message.ephemeral_to.is_none_or(|only| only == person))
        .filter(|message| on.is_none_or(|on| message.id == on))
        .collect();
    messages.sort_unstable_by_key(|message| std::cmp::Reverse(message.id));
    for message in &messages {
        let mut all = Vec::new();
        flatten(&message.components, &mut all);
        if let Some(component) = all.into_iter().find(|component| fits(component)) {
            if component["disabled"] == true {
                return Err(ControlError::new(
                    format!("the {what} is disabled"),
                    "wait until the bot enables it",
                ));
            }
            return Ok((message, component.clone()));
        }
    }
    let mut all = Vec::new();
    messages.iter().for_each(|message| flatten(&message.components, &mut all));
    let names: Vec<&str> =
        all.iter().filter_map(|component| component["custom_id"].as_str()).take(30).collect();
    let hint = if names.is_empty() {
        "no message has components".to_owned()
    } else {
        format!("these custom ids are there: {}", names.join(", "))
    };
    Err(ControlError::new(format!("no message `{}` sees has a {what}", state.name_of(person)), hint))
}

fn flatten<'a>(components: &'a [Value], into: &mut Vec<&'a Value>) {
    for component in components {
        into.push(component);
        if let Some(children) = component.get("components").and_then(Value::as_array) {
            flatten(children, into);
        }
        if let Some(accessory) = component.get("accessory") {
            into.push(accessory);
        }
    }
}

/// Values as Discord sends them, from values, labels or names.
fn select_values(
    state: &State,
    guild: &Guild,
    select: &Value,
    given: &[String],
    resolved: &mut Resolved,
) -> Result<Vec<String>, ControlError> {
    let bound = |key: &str| select.get(key).and_then(Value::as_u64).unwrap_or(1);
    let (least, most) = (bound("min_values"), bound("max_values"));
    if !(least..=most).contains(&(given.len() as u64)) {
        let text = format!("{} values were chosen", given.len());
        return Err(ControlError::new(text, format!("this select takes {least} to {most}")));
    }
    let one = |text: &String| -> Result<String, ControlError> {
        match select["type"].as_u64() {
            Some(3) => {
                let options = select["options"].as_array().map_or(&[][..], Vec::as_slice);
                let fits =
                    |option: &&Value| option["value"] == text.as_str() || option["label"] == text.as_str();
                let found = options.iter().find(fits).and_then(|option| option["value"].as_str());
                found.map(str::to_owned).ok_or_else(|| {
                    let labels: Vec<&str> =
                        options.iter().filter_map(|option| option["value"].as_str()).collect();
                    let hint = format!("it has: {}", labels.join(", "));
                    ControlError::new(format!("this select has no option `{text}`"), hint)
                })
            }
            Some(6) => {
                let role = find::role(guild, text)?;
                resolved.add_role(guild, role);
                Ok(role.to_string())
            }
            Some(8) => {
                let channel = find::channel(state, guild, Some(text))?.id;
                resolved.add_channel(state, channel);
                Ok(channel.to_string())
            }
            Some(7) if find::member(state, guild, Some(text), true).is_err() => {
                let role = find::role(guild, text)?;
                resolved.add_role(guild, role);
                Ok(role.to_string())
            }
            _ => {
                let user = find::member(state, guild, Some(text), true)?;
                resolved.add_user(state, guild, user);
                Ok(user.to_string())
            }
        }
    };
    given.iter().map(one).collect()
}

/// A submitted form: the same rows and labels, each field with its value.
fn modal_data(
    state: &State,
    guild: &Guild,
    person: Snowflake,
    modal: &Modal,
    values: &Map<String, Value>,
) -> Result<Value, ControlError> {
    let known =
        |key: &String| modal.fields.iter().any(|field| field.custom_id == *key || field.label == *key);
    if let Some(unknown) = values.keys().find(|key| !known(key)) {
        let names: Vec<&str> = modal.fields.iter().map(|field| field.custom_id.as_str()).collect();
        let text = format!("the form `{}` has no field `{unknown}`", modal.custom_id);
        return Err(ControlError::new(text, format!("it has: {}", names.join(", "))));
    }
    let mut resolved = Resolved::seen_by(person);
    let mut filled = Vec::new();
    for part in &modal.components {
        let (field, nested_as_list) = match part["type"].as_u64() {
            Some(1) => (&part["components"][0], true),
            Some(18) => (&part["component"], false),
            _ => {
                filled.push(json!({"type": part["type"], "id": part["id"]}));
                continue;
            }
        };
        let id = field["custom_id"].as_str().unwrap_or("");
        let label =
            modal.fields.iter().find(|known| known.custom_id == id).map_or("", |known| known.label.as_str());
        let given = values.get(id).or_else(|| values.get(label));
        let mut answer = json!({"type": field["type"], "id": field["id"], "custom_id": id});
        let Some(map) = answer.as_object_mut() else { continue };
        if field["type"] == 4 {
            map.insert("value".to_owned(), json!(text_value(field, id, given)?));
        } else {
            let list: Vec<String> = match given {
                Some(Value::Array(list)) => {
                    list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
                }
                Some(Value::String(one)) => vec![one.clone()],
                _ => Vec::new(),
            };
            let optional = field["required"] == false && list.is_empty();
            let list =
                if optional { list } else { select_values(state, guild, field, &list, &mut resolved)? };
            map.insert("values".to_owned(), json!(list));
        }
        filled.push(if nested_as_list {
            json!({"type": 1, "id": part["id"], "components": [answer]})
        } else {
            json!({"type": 18, "id": part["id"], "component": answer})
        });
    }
    let mut data = json!({"custom_id": modal.custom_id, "components": filled});
    if let (Some(resolved), Some(map)) = (resolved.json(), data.as_object_mut()) {
        map.insert("resolved".to_owned(), resolved);
    }
    Ok(data)
}

fn text_value(field: &Value, id: &str, given: Option<&Value>) -> Result<String, ControlError> {
    let text = match given {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => field["value"].as_str().unwrap_or("").to_owned(),
    };
    let bound = |key: &str, otherwise: u64| field.get(key).and_then(Value::as_u64).unwrap_or(otherwise);
    let length = text.chars().count() as u64;
    if text.is_empty() && field["required"] != false {
        return Err(ControlError::new(format!("the field `{id}` must be filled"), "give it in `values`"));
    }
    let (least, most) = (bound("min_length", 0), bound("max_length", 4000));
    if !text.is_empty() && !(least..=most).contains(&length) {
        let hint = format!("it takes {least} to {most}");
        return Err(ControlError::new(format!("the field `{id}` has {length} letters"), hint));
    }
    Ok(text)
}
