//! Reads what bots send (messages, forms, choices) and refuses it with Discord's nested errors.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::clock::Snowflake;
use crate::error::{ApiError, FieldErrors};
use crate::state::feed::SeenField;
use crate::state::model::{Draft, Reference, Upload, flag};

const MOST_CONTENT: usize = 2000;
const MOST_EMBEDS: usize = 10;
const MOST_EMBED_LETTERS: usize = 6000;
const MOST_FILES: usize = 10;
const MOST_ROWS: usize = 5;
/// Embeds, components and allowed mentions of one message as JSON.
const MOST_BYTES: usize = 256 * 1024;
/// Components of a message with the V2 flag, nested ones counted.
const MOST_V2_COMPONENTS: usize = 40;

/// A new message. `prefix` names where it sits in the body: empty, or `data` for interaction answers.
pub(crate) fn message(body: &Value, uploads: Vec<Upload>, prefix: &str) -> Result<Draft, ApiError> {
    let draft = read(body, uploads, prefix)?;
    let empty = draft.content.as_ref().is_none_or(|content| content.trim().is_empty())
        && draft.embeds.as_ref().is_none_or(Vec::is_empty)
        && draft.components.as_ref().is_none_or(Vec::is_empty)
        && draft.uploads.is_empty();
    if empty { Err(ApiError::empty_message()) } else { Ok(draft) }
}

/// A change to a message: what is absent stays, what is null is cleared.
pub(crate) fn edit(body: &Value, uploads: Vec<Upload>, prefix: &str) -> Result<Draft, ApiError> {
    let mut draft = read(body, uploads, prefix)?;
    let cleared = |key: &str| body.get(key).is_some_and(Value::is_null);
    if cleared("content") {
        draft.content = Some(String::new());
    }
    if cleared("embeds") {
        draft.embeds = Some(Vec::new());
    }
    if cleared("components") {
        draft.components = Some(Vec::new());
    }
    if cleared("attachments") {
        draft.kept_attachments = Some(Vec::new());
    }
    Ok(draft)
}

fn read(body: &Value, uploads: Vec<Upload>, prefix: &str) -> Result<Draft, ApiError> {
    if !body.is_object() {
        return Err(ApiError::invalid_json());
    }
    let mut errors = FieldErrors::default();
    let at = |field: &str| if prefix.is_empty() { field.to_owned() } else { format!("{prefix}.{field}") };
    let present = |key: &str| body.get(key).filter(|value| !value.is_null());
    let mut draft = Draft::default();
    if let Some(content) = present("content") {
        match content {
            Value::String(text) if text.chars().count() > MOST_CONTENT => {
                errors.too_long(&at("content"), MOST_CONTENT)
            }
            Value::String(text) => draft.content = Some(text.trim_end().to_owned()),
            Value::Number(number) => draft.content = Some(number.to_string()),
            _ => errors.add(&at("content"), "STRING_TYPE_CONVERT", "Could not interpret value as string."),
        }
    }
    draft.flags = present("flags").and_then(Value::as_u64).unwrap_or(0) & flag::SETTABLE;
    draft.tts = present("tts").and_then(Value::as_bool).unwrap_or(false);
    draft.embeds = read_embeds(&mut errors, &at("embeds"), present("embeds"));
    draft.components = read_components(&mut errors, &at("components"), present("components"), draft.flags);
    draft.allowed_mentions =
        read_allowed_mentions(&mut errors, &at("allowed_mentions"), present("allowed_mentions"));
    draft.reference = read_reference(&mut errors, &at("message_reference"), present("message_reference"));
    draft.enforce_nonce = present("enforce_nonce").and_then(Value::as_bool).unwrap_or(false);
    if let Some(nonce) = present("nonce") {
        match nonce {
            Value::String(text) if text.chars().count() > 25 => errors.too_long(&at("nonce"), 25),
            Value::String(_) | Value::Number(_) => draft.nonce = Some(nonce.clone()),
            _ => errors.add(&at("nonce"), "NONCE_TYPE_COERCE", "Value is not a nonce."),
        }
    }
    if uploads.len() > MOST_FILES {
        errors.length(&at("attachments"), 0, MOST_FILES);
    }
    if let Some(list) = present("attachments").and_then(Value::as_array) {
        let mut kept = Vec::new();
        for (index, attachment) in list.iter().enumerate() {
            let id = match attachment.get("id") {
                Some(Value::String(text)) => text.parse::<u64>().ok(),
                Some(Value::Number(number)) => number.as_u64(),
                _ => None,
            };
            let Some(id) = id else {
                errors.required(&at(&format!("attachments.{index}.id")));
                continue;
            };
            match usize::try_from(id).ok().filter(|id| *id < uploads.len()) {
                Some(place) => {
                    if let Some(text) = attachment.get("description").and_then(Value::as_str) {
                        draft.descriptions.insert(place, text.chars().take(1024).collect());
                    }
                }
                None => kept.push(Snowflake(id)),
            }
        }
        draft.kept_attachments = Some(kept);
    }
    draft.uploads = uploads;
    // Fields nobody knows are kept as they are, so their size needs a limit of its own.
    let size =
        |list: &Option<Vec<Value>>| list.iter().flatten().map(|one| one.to_string().len()).sum::<usize>();
    let mentions = draft.allowed_mentions.as_ref().map_or(0, |mentions| mentions.to_string().len());
    if size(&draft.embeds) + size(&draft.components) + mentions > MOST_BYTES {
        return Err(ApiError::request_too_large());
    }
    if draft.flags & flag::COMPONENTS_V2 != 0 {
        for (field, given) in [("content", draft.content.is_some()), ("embeds", draft.embeds.is_some())] {
            if given {
                let text =
                    format!("The '{field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2");
                errors.add(&at(field), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", text);
            }
        }
    }
    errors.finish()?;
    Ok(draft)
}

fn read_embeds(errors: &mut FieldErrors, path: &str, given: Option<&Value>) -> Option<Vec<Value>> {
    let Some(list) = given?.as_array() else {
        errors.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType");
        return None;
    };
    if list.len() > MOST_EMBEDS {
        errors.length(path, 0, MOST_EMBEDS);
    }
    let mut total = 0;
    let mut embeds = Vec::new();
    for (index, embed) in list.iter().enumerate() {
        let at = format!("{path}.{index}");
        let mut limit = |of: Option<&Value>, key: &str, place: &str, most: usize| {
            let length =
                of.and_then(|of| of.get(key)).and_then(Value::as_str).map_or(0, |text| text.chars().count());
            total += length;
            if length > most {
                errors.too_long(&format!("{at}.{place}"), most);
            }
            length
        };
        limit(Some(embed), "title", "title", 256);
        limit(Some(embed), "description", "description", 4096);
        limit(embed.get("footer"), "text", "footer.text", 2048);
        limit(embed.get("author"), "name", "author.name", 256);
        let fields = embed.get("fields").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut missing = Vec::new();
        for (number, field) in fields.iter().enumerate() {
            for (key, most) in [("name", 256), ("value", 1024)] {
                if limit(Some(field), key, &format!("fields.{number}.{key}"), most) == 0 {
                    missing.push(format!("{at}.fields.{number}.{key}"));
                }
            }
        }
        missing.iter().for_each(|place| errors.required(place));
        if fields.len() > 25 {
            errors.length(&format!("{at}.fields"), 0, 25);
        }
        embeds.push(stored_embed(embed));
    }
    if total > MOST_EMBED_LETTERS {
        let text = format!("Embed size exceeds maximum size of {MOST_EMBED_LETTERS}");
        errors.add(path, "MAX_EMBED_SIZE_EXCEEDED", text);
    }
    Some(embeds)
}

/// An embed as Discord stores it: typed, without nulls, fields with `inline`, with a content scan version.
fn stored_embed(embed: &Value) -> Value {
    let mut embed = embed.clone();
    let Some(map) = embed.as_object_mut() else { return json!({"type": "rich"}) };
    map.retain(|_, value| !value.is_null());
    map.insert("type".to_owned(), json!("rich"));
    for field in map.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(field) = field.as_object_mut() {
            field.entry("inline").or_insert(json!(false));
        }
    }
    embed
}

fn read_components(
    errors: &mut FieldErrors,
    path: &str,
    given: Option<&Value>,
    flags: u64,
) -> Option<Vec<Value>> {
    let Some(list) = given?.as_array() else {
        errors.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType");
        return None;
    };
    let v2 = flags & flag::COMPONENTS_V2 != 0;
    if list.len() > if v2 { MOST_V2_COMPONENTS } else { MOST_ROWS } {
        errors.length(path, 1, if v2 { MOST_V2_COMPONENTS } else { MOST_ROWS });
    }
    let mut ids = HashSet::new();
    let mut components = list.clone();
    for (index, component) in components.iter().enumerate() {
        let at = format!("{path}.{index}");
        match component.get("type").and_then(Value::as_u64) {
            Some(1) => {}
            Some(9 | 10 | 12 | 13 | 14 | 17) if v2 => {}
            _ => errors.choices(&format!("{at}.type"), if v2 { "1, 9, 10, 12, 13, 14, 17" } else { "1" }),
        }
        check_component(errors, &at, component, &mut ids, 0);
    }
    number_components(&mut components, &mut 0);
    Some(components)
}

fn check_component(
    errors: &mut FieldErrors,
    at: &str,
    component: &Value,
    ids: &mut HashSet<String>,
    depth: usize,
) {
    if depth > 4 {
        return errors.add(at, "COMPONENT_TOO_DEEP", "Components are nested too deeply");
    }
    let text = |key: &str| component.get(key).and_then(Value::as_str);
    let kind = component.get("type").and_then(Value::as_u64).unwrap_or(0);
    let needs_id = match kind {
        2 => !matches!(component.get("style").and_then(Value::as_u64), Some(5 | 6)),
        3..=8 => true,
        _ => false,
    };
    if needs_id {
        match text("custom_id").map(|id| id.chars().count()) {
            None => errors.required(&format!("{at}.custom_id")),
            Some(1..=100) => {}
            Some(_) => errors.length(&format!("{at}.custom_id"), 1, 100),
        }
        let id = text("custom_id").unwrap_or("");
        if !id.is_empty() && !ids.insert(id.to_owned()) {
            let text = "Component custom id cannot be duplicated";
            errors.add(&format!("{at}.custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", text);
        }
    }
    if kind == 2 {
        if !matches!(component.get("style").and_then(Value::as_u64), Some(1..=6)) {
            errors.choices(&format!("{at}.style"), "1, 2, 3, 4, 5, 6");
        }
        if text("label").is_some_and(|label| label.chars().count() > 80) {
            errors.too_long(&format!("{at}.label"), 80);
        }
        if text("label").is_none_or(str::is_empty) && component.get("emoji").is_none_or(Value::is_null) {
            let text = "A button must have a label or an emoji";
            errors.add(at, "BUTTON_COMPONENT_INVALID", text);
        }
        if component.get("style").and_then(Value::as_u64) == Some(5) && text("url").is_none() {
            errors.required(&format!("{at}.url"));
        }
    }
    if kind == 3 {
        let options = component.get("options").and_then(Value::as_array).map_or(0, Vec::len);
        if !(1..=25).contains(&options) {
            errors.length(&format!("{at}.options"), 1, 25);
        }
    }
    let children = component.get("components").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if kind == 1 {
        let buttons = children.iter().all(|child| child["type"] == 2);
        if children.is_empty() || children.len() > 5 || (!buttons && children.len() > 1) {
            errors.length(&format!("{at}.components"), 1, if buttons { 5 } else { 1 });
        }
    }
    for (index, child) in children.iter().enumerate() {
        check_component(errors, &format!("{at}.components.{index}"), child, ids, depth + 1);
    }
    if let Some(accessory) = component.get("accessory") {
        check_component(errors, &format!("{at}.accessory"), accessory, ids, depth + 1);
    }
}

/// Gives every component the numeric `id` Discord assigns, and the defaults it fills in.
fn number_components(components: &mut [Value], last: &mut u64) {
    for component in components {
        let Some(map) = component.as_object_mut() else { continue };
        *last += 1;
        if map.get("id").and_then(Value::as_u64).unwrap_or(0) == 0 {
            map.insert("id".to_owned(), json!(*last));
        }
        let defaults: &[(&str, Value)] = match map.get("type").and_then(Value::as_u64) {
            Some(3 | 5..=8) => &[("min_values", json!(1)), ("max_values", json!(1))],
            Some(11) => &[("description", Value::Null), ("spoiler", json!(false))],
            Some(13) => &[("name", Value::Null), ("size", Value::Null), ("spoiler", json!(false))],
            Some(14) => &[("spacing", json!(1)), ("divider", json!(true))],
            Some(17) => &[("accent_color", Value::Null), ("spoiler", json!(false))],
            _ => &[],
        };
        for (key, default) in defaults {
            map.entry(*key).or_insert_with(|| default.clone());
        }
        if let Some(Value::Array(children)) = map.get_mut("components") {
            number_components(children, last);
        }
        for key in ["accessory", "component"] {
            if let Some(child) = map.get_mut(key) {
                number_components(std::slice::from_mut(child), last);
            }
        }
    }
}

fn read_allowed_mentions(errors: &mut FieldErrors, path: &str, given: Option<&Value>) -> Option<Value> {
    let given = given?;
    for kind in given.get("parse").and_then(Value::as_array).into_iter().flatten() {
        if !matches!(kind.as_str(), Some("users" | "roles" | "everyone")) {
            errors.choices(&format!("{path}.parse.0"), "'users', 'roles', 'everyone'");
        }
    }
    for list in ["users", "roles"] {
        let parsed =
            given.get("parse").and_then(Value::as_array).is_some_and(|parse| parse.contains(&json!(list)));
        let named = given.get(list).and_then(Value::as_array).map_or(0, Vec::len);
        if parsed && named > 0 {
            let text = format!("parse:[\"{list}\"] and {list}: [ids...] are mutually exclusive.");
            errors.add(path, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text);
        }
        if named > 100 {
            errors.length(&format!("{path}.{list}"), 0, 100);
        }
    }
    Some(given.clone())
}

fn read_reference(errors: &mut FieldErrors, path: &str, given: Option<&Value>) -> Option<Reference> {
    let given = given?;
    let id = match given.get("message_id") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_u64().map(Snowflake),
        _ => None,
    };
    let Some(message) = id else {
        errors.required(&format!("{path}.message_id"));
        return None;
    };
    let fail_if_not_exists = given.get("fail_if_not_exists").and_then(Value::as_bool).unwrap_or(true);
    Some(Reference { message, fail_if_not_exists })
}

/// Suggestions for autocomplete: at most 25 `{name, value}`.
pub(crate) fn choices(data: &Value) -> Result<Vec<Value>, ApiError> {
    let mut errors = FieldErrors::default();
    let list = data.get("choices").and_then(Value::as_array).cloned();
    match &list {
        None => errors.required("data.choices"),
        Some(list) if list.len() > 25 => errors.length("data.choices", 0, 25),
        Some(list) => {
            for (index, choice) in list.iter().enumerate() {
                let length =
                    choice.get("name").and_then(Value::as_str).map_or(0, |name| name.chars().count());
                if !(1..=100).contains(&length) {
                    errors.length(&format!("data.choices.{index}.name"), 1, 100);
                }
            }
        }
    }
    errors.finish()?;
    Ok(list.unwrap_or_default())
}

/// A form's custom id, title, components as sent, and fields.
pub(crate) type ModalParts = (String, String, Vec<Value>, Vec<SeenField>);

/// Reads a form. Rows (type 1), labels (type 18) and texts (type 10) are understood.
pub(crate) fn modal(data: &Value) -> Result<ModalParts, ApiError> {
    let mut errors = FieldErrors::default();
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (custom_id, title) = (text("custom_id"), text("title"));
    for (key, given, most) in [("custom_id", &custom_id, 100), ("title", &title, 45)] {
        let length = given.chars().count();
        if length == 0 {
            errors.required(&format!("data.{key}"));
        } else if length > most {
            errors.too_long(&format!("data.{key}"), most);
        }
    }
    let mut components = data.get("components").and_then(Value::as_array).cloned().unwrap_or_default();
    if !(1..=5).contains(&components.len()) {
        errors.length("data.components", 1, 5);
    }
    let mut fields = Vec::new();
    let mut ids = HashSet::new();
    for (index, part) in components.iter().enumerate() {
        let at = format!("data.components.{index}");
        let (field, place) = match part.get("type").and_then(Value::as_u64) {
            Some(1) => (part.get("components").and_then(|list| list.get(0)), format!("{at}.components.0")),
            Some(18) => (part.get("component"), format!("{at}.component")),
            Some(10) => continue,
            _ => {
                errors.choices(&format!("{at}.type"), "1, 10, 18");
                continue;
            }
        };
        let Some(field) = field else {
            errors.required(&place);
            continue;
        };
        check_field(&mut errors, &place, part, field, &mut ids);
        fields.push(seen_field(part, field));
    }
    errors.finish()?;
    if data.to_string().len() > MOST_BYTES {
        return Err(ApiError::request_too_large());
    }
    number_components(&mut components, &mut 0);
    Ok((custom_id, title, components, fields))
}

fn check_field(errors: &mut FieldErrors, at: &str, part: &Value, field: &Value, ids: &mut HashSet<String>) {
    check_component(errors, at, field, ids, 1);
    if field["type"] != 4 {
        return;
    }
    if !matches!(field.get("style").and_then(Value::as_u64), Some(1 | 2)) {
        errors.choices(&format!("{at}.style"), "1, 2");
    }
    let label = field.get("label").or_else(|| part.get("label")).and_then(Value::as_str).unwrap_or("");
    if label.is_empty() {
        errors.required(&format!("{at}.label"));
    } else if label.chars().count() > 45 {
        errors.too_long(&format!("{at}.label"), 45);
    }
}

fn seen_field(part: &Value, field: &Value) -> SeenField {
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    SeenField {
        custom_id: text(field, "custom_id").unwrap_or_default(),
        component_type: field.get("type").and_then(Value::as_u64).unwrap_or(0),
        label: text(part, "label").or_else(|| text(field, "label")).unwrap_or_default(),
        required: field.get("required").and_then(Value::as_bool).unwrap_or(true),
        value: text(field, "value"),
    }
}
