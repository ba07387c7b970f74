//! Registered application commands, and Discord's rules for registering them.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::State;
use crate::clock::Snowflake;
use crate::error::{ApiError, FieldErrors};

/// Chat commands per scope.
const MOST_CHAT_COMMANDS: usize = 100;
/// User commands, and message commands, per scope.
const MOST_CONTEXT_COMMANDS: usize = 15;
/// Options per level, and choices per option.
const MOST_OPTIONS: usize = 25;
/// Letters of name, description and choices of one command together.
const MOST_LETTERS: usize = 8000;

/// Commands one scope may newly get in a day.
const MOST_CREATIONS: usize = 200;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Languages Discord has.
const LOCALES: &[&str] = &[
    "ar", "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "he", "hi", "hr",
    "hu", "id", "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru", "sv-SE", "th", "tr", "uk",
    "vi", "zh-CN", "zh-TW",
];

/// Commands by scope: `None` is everywhere, otherwise one server.
#[derive(Debug, Default)]
pub(crate) struct CommandBook {
    scopes: IndexMap<Option<Snowflake>, Vec<Value>>,
    /// When commands were new, one entry each.
    creations: IndexMap<Option<Snowflake>, Vec<u64>>,
}

impl CommandBook {
    pub(crate) fn list(&self, scope: Option<Snowflake>) -> &[Value] {
        self.scopes.get(&scope).map_or(&[], Vec::as_slice)
    }

    /// The commands people of a server can use; the server's own hide global ones of the same name.
    pub(crate) fn usable(&self, guild: Snowflake) -> Vec<&Value> {
        let own = self.list(Some(guild));
        let hidden = |command: &Value| own.iter().any(|own| same_command(own, command));
        own.iter().chain(self.list(None).iter().filter(|command| !hidden(command))).collect()
    }
}

fn same_command(one: &Value, other: &Value) -> bool {
    one.get("name") == other.get("name") && one.get("type") == other.get("type")
}

impl State {
    /// Replaces a scope's commands (bulk overwrite).
    pub(crate) fn overwrite_commands(
        &mut self,
        scope: Option<Snowflake>,
        list: &Value,
    ) -> Result<Vec<Value>, ApiError> {
        let Some(list) = list.as_array() else { return Err(ApiError::invalid_json()) };
        if list.len() > MOST_CHAT_COMMANDS + 2 * MOST_CONTEXT_COMMANDS {
            return Err(ApiError::too_many_commands());
        }
        let mut errors = FieldErrors::default();
        for (index, command) in list.iter().enumerate() {
            check_command(&mut errors, &format!("{index}."), command);
            let twin = |other: &Value| {
                other.get("name") == command.get("name") && command_type(other) == command_type(command)
            };
            if list.iter().take(index).any(twin) {
                let text = "Application command names must be unique";
                errors.add(&index.to_string(), "APPLICATION_COMMANDS_DUPLICATE_NAME", text);
            }
        }
        errors.finish()?;
        for (kind, most) in [(1, MOST_CHAT_COMMANDS), (2, MOST_CONTEXT_COMMANDS), (3, MOST_CONTEXT_COMMANDS)]
        {
            if list.iter().filter(|command| command_type(command) == kind).count() > most {
                return Err(ApiError::too_many_commands());
            }
        }
        let known = self.commands.list(scope);
        let is_new = |command: &&Value| {
            let twin = |known: &Value| {
                known["name"] == command["name"] && command_type(known) == command_type(command)
            };
            !known.iter().any(twin)
        };
        self.count_creations(scope, list.iter().filter(is_new).count())?;
        let before = self.commands.scopes.shift_remove(&scope).unwrap_or_default();
        let after: Vec<Value> = list.iter().map(|command| self.registered(scope, command, &before)).collect();
        self.commands.scopes.insert(scope, after.clone());
        Ok(after)
    }

    /// Notes new commands, unless they are more than a scope may get in a day.
    fn count_creations(&mut self, scope: Option<Snowflake>, new: usize) -> Result<(), ApiError> {
        let now = self.clock.now_ms();
        let made = self.commands.creations.entry(scope).or_default();
        made.retain(|at| now < at.saturating_add(DAY_MS));
        if new > 0 && made.len() + new > MOST_CREATIONS {
            return Err(ApiError::too_many_creations());
        }
        made.extend(std::iter::repeat_n(now, new));
        Ok(())
    }

    /// Adds or replaces one command; the flag says whether it is new.
    pub(crate) fn put_command(
        &mut self,
        scope: Option<Snowflake>,
        command: &Value,
    ) -> Result<(Value, bool), ApiError> {
        let mut errors = FieldErrors::default();
        check_command(&mut errors, "", command);
        errors.finish()?;
        let mut list = self.commands.list(scope).to_vec();
        let twin =
            |known: &Value| known["name"] == command["name"] && command_type(known) == command_type(command);
        self.count_creations(scope, usize::from(!list.iter().any(twin)))?;
        let registered = self.registered(scope, command, &list);
        let full = list.len() >= MOST_CHAT_COMMANDS + 2 * MOST_CONTEXT_COMMANDS;
        let new = match list.iter_mut().find(|known| same_command(known, &registered)) {
            Some(known) => {
                *known = registered.clone();
                false
            }
            None if full => return Err(ApiError::too_many_commands()),
            None => {
                list.push(registered.clone());
                true
            }
        };
        self.commands.scopes.insert(scope, list);
        Ok((registered, new))
    }

    pub(crate) fn command(&self, scope: Option<Snowflake>, id: Snowflake) -> Result<&Value, ApiError> {
        let id = id.to_string();
        let mut list = self.commands.list(scope).iter();
        list.find(|command| command["id"] == id.as_str()).ok_or_else(ApiError::unknown_command)
    }

    pub(crate) fn delete_command(&mut self, scope: Option<Snowflake>, id: Snowflake) -> Result<(), ApiError> {
        self.command(scope, id)?;
        let id = id.to_string();
        if let Some(list) = self.commands.scopes.get_mut(&scope) {
            list.retain(|command| command["id"] != id.as_str());
        }
        Ok(())
    }

    /// A command as Discord stores it: defaults filled in, the id kept when the name is known, a new version only
    /// when something changed.
    fn registered(&mut self, scope: Option<Snowflake>, command: &Value, before: &[Value]) -> Value {
        let name = command.get("name").cloned().unwrap_or_default();
        let kind = command_type(command);
        let known = before.iter().find(|known| known["name"] == name && command_type(known) == kind);
        let permissions = match command.get("default_member_permissions") {
            Some(Value::Number(bits)) => json!(bits.to_string()),
            Some(bits) => bits.clone(),
            None => Value::Null,
        };
        let given = |key: &str, otherwise: Value| command.get(key).cloned().unwrap_or(otherwise);
        let mut stored = Map::new();
        stored.insert("id".to_owned(), Value::Null);
        stored.insert("application_id".to_owned(), json!(self.application.id));
        stored.insert("version".to_owned(), Value::Null);
        stored.insert("default_member_permissions".to_owned(), permissions);
        stored.insert("type".to_owned(), json!(kind));
        stored.insert("name".to_owned(), name.clone());
        stored.insert("name_localizations".to_owned(), given("name_localizations", Value::Null));
        stored.insert("description".to_owned(), given("description", json!("")));
        stored
            .insert("description_localizations".to_owned(), given("description_localizations", Value::Null));
        stored.insert("nsfw".to_owned(), given("nsfw", json!(false)));
        match scope {
            Some(guild) => {
                stored.insert("guild_id".to_owned(), json!(guild));
            }
            None => {
                stored.insert("dm_permission".to_owned(), given("dm_permission", json!(true)));
                stored.insert("contexts".to_owned(), given("contexts", Value::Null));
                stored.insert("integration_types".to_owned(), given("integration_types", json!([0])));
            }
        }
        if let Some(options) =
            command.get("options").and_then(Value::as_array).filter(|options| !options.is_empty())
        {
            stored.insert("options".to_owned(), options.iter().map(stored_option).collect());
        }
        let (id, version) = known.map_or((Value::Null, Value::Null), |known| {
            let mut same = stored.clone();
            same.insert("id".to_owned(), known["id"].clone());
            same.insert("version".to_owned(), known["version"].clone());
            let version = if Value::Object(same) == *known { known["version"].clone() } else { Value::Null };
            (known["id"].clone(), version)
        });
        let id = if id.is_null() { json!(self.new_id()) } else { id };
        let version = if version.is_null() { json!(self.new_id()) } else { version };
        stored.insert("id".to_owned(), id);
        stored.insert("version".to_owned(), version);
        Value::Object(stored)
    }
}

/// An option without the fields that say nothing (`required: false`, empty lists).
fn stored_option(option: &Value) -> Value {
    let mut option = option.clone();
    let Some(map) = option.as_object_mut() else { return option };
    if map.get("required") == Some(&json!(false)) {
        map.shift_remove("required");
    }
    for list in ["options", "choices"] {
        if map.get(list).and_then(Value::as_array).is_some_and(Vec::is_empty) {
            map.shift_remove(list);
        }
    }
    if let Some(Value::Array(options)) = map.get_mut("options") {
        *options = options.iter().map(stored_option).collect();
    }
    option
}

pub(crate) fn command_type(command: &Value) -> u64 {
    command.get("type").and_then(Value::as_u64).unwrap_or(1)
}

/// `prefix` is empty or ends in a dot.
fn check_command(errors: &mut FieldErrors, prefix: &str, command: &Value) {
    let kind = command_type(command);
    if !(1..=3).contains(&kind) {
        errors.choices(&format!("{prefix}type"), "1, 2, 3, 4");
        return;
    }
    check_name(errors, &format!("{prefix}name"), command, kind == 1);
    check_locales(errors, prefix, command);
    let description = command.get("description").and_then(Value::as_str).unwrap_or("");
    if kind == 1 {
        check_description(errors, &format!("{prefix}description"), command);
    } else if !description.is_empty() {
        let text = "Context menu commands cannot have description";
        errors.add(&format!("{prefix}description"), "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", text);
    }
    if letters(command) > MOST_LETTERS {
        let text = "Command exceeds maximum size (8000)";
        let place = if prefix.is_empty() { "name" } else { prefix.trim_end_matches('.') };
        errors.add(place, "APPLICATION_COMMAND_TOO_LARGE", text);
    }
    check_options(errors, &format!("{prefix}options"), command.get("options"), 0);
}

fn check_name(errors: &mut FieldErrors, path: &str, of: &Value, strict: bool) {
    let Some(name) = of.get("name").and_then(Value::as_str) else { return errors.required(path) };
    let length = name.chars().count();
    if length == 0 || length > 32 {
        return errors.length(path, 1, 32);
    }
    let fits = |letter: char| {
        (letter.is_alphanumeric() && letter.to_lowercase().eq([letter])) || matches!(letter, '-' | '_' | '\'')
    };
    if strict && !name.chars().all(fits) {
        let text = "Command name is invalid";
        errors.add(path, "APPLICATION_COMMAND_INVALID_NAME", text);
    }
}

/// Texts in other languages are in languages Discord has.
fn check_locales(errors: &mut FieldErrors, prefix: &str, of: &Value) {
    for field in ["name_localizations", "description_localizations"] {
        let keys = of.get(field).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        for key in keys.filter(|key| !LOCALES.contains(&key.as_str())) {
            errors.choices(&format!("{prefix}{field}.{key}"), &LOCALES.join(", "));
        }
    }
}

fn check_description(errors: &mut FieldErrors, path: &str, of: &Value) {
    match of.get("description").and_then(Value::as_str).map(|text| text.chars().count()) {
        None => errors.required(path),
        Some(1..=100) => {}
        Some(_) => errors.length(path, 1, 100),
    }
}

/// `depth` 0 is the command itself, 1 a group or subcommand, 2 a subcommand in a group.
fn check_options(errors: &mut FieldErrors, path: &str, options: Option<&Value>, depth: usize) {
    let Some(options) = options.filter(|options| !options.is_null()) else { return };
    let Some(options) = options.as_array() else {
        return errors.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType");
    };
    if options.len() > MOST_OPTIONS {
        return errors.add(
            path,
            "BASE_TYPE_BAD_LENGTH",
            format!("Must be between 0 and {MOST_OPTIONS} in length."),
        );
    }
    let mut optional_seen = false;
    let nests = |option: &Value| matches!(option.get("type").and_then(Value::as_u64), Some(1 | 2));
    for (index, option) in options.iter().enumerate() {
        let at = format!("{path}.{index}");
        let Some(kind) = option.get("type").and_then(Value::as_u64).filter(|kind| (1..=11).contains(kind))
        else {
            errors.choices(&format!("{at}.type"), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11");
            continue;
        };
        check_name(errors, &format!("{at}.name"), option, true);
        check_description(errors, &format!("{at}.description"), option);
        if options.iter().take(index).any(|other| other.get("name") == option.get("name")) {
            let text = "Option names must be unique";
            errors.add(&format!("{at}.name"), "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", text);
        }
        if nests(option) != options.iter().all(nests) || (kind == 2 && depth > 0) || (kind == 1 && depth > 1)
        {
            let text =
                "Sub-command and sub-command group option types are mutually exclusive to all other types";
            errors.add(&at, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text);
        }
        let required = option.get("required").and_then(Value::as_bool).unwrap_or(false);
        if required && optional_seen {
            let text = "Required options must be placed before non-required options";
            errors.add(&at, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text);
        }
        optional_seen |= !required;
        check_choices(errors, &format!("{at}.choices"), option, kind);
        if matches!(kind, 1 | 2) && depth < 2 {
            check_options(errors, &format!("{at}.options"), option.get("options"), depth + 1);
        }
    }
}

fn check_choices(errors: &mut FieldErrors, path: &str, option: &Value, kind: u64) {
    let Some(choices) = option.get("choices").and_then(Value::as_array) else { return };
    if choices.len() > MOST_OPTIONS {
        return errors.length(path, 0, MOST_OPTIONS);
    }
    if option.get("autocomplete") == Some(&json!(true)) && !choices.is_empty() {
        let text = "Choices may not be present with autocomplete";
        errors.add(path, "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID", text);
    }
    for (index, choice) in choices.iter().enumerate() {
        let length = choice.get("name").and_then(Value::as_str).map_or(0, |name| name.chars().count());
        if !(1..=100).contains(&length) {
            errors.length(&format!("{path}.{index}.name"), 1, 100);
        }
        let fits = match (kind, choice.get("value")) {
            (3, Some(Value::String(text))) => text.chars().count() <= 100,
            (4, Some(Value::Number(number))) => number.is_i64(),
            (10, Some(Value::Number(_))) => true,
            _ => false,
        };
        if !fits {
            let text = "Choice value does not fit the option's type";
            errors.add(
                &format!("{path}.{index}.value"),
                "APPLICATION_COMMAND_OPTIONS_CHOICES_VALUE_INVALID",
                text,
            );
        }
    }
}

/// Letters of everything in a command that people can read.
fn letters(of: &Value) -> usize {
    let text = |key: &str| of.get(key).and_then(Value::as_str).map_or(0, |text| text.chars().count());
    let lists = ["options", "choices"].into_iter().filter_map(|key| of.get(key)?.as_array()).flatten();
    text("name") + text("description") + text("value") + lists.map(letters).sum::<usize>()
}
