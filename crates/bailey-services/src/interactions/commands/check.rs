//! Discord's rules for a command, so that one it would refuse does not take a server's others with it. Pure.
//!
//! What is not checked here Discord says itself; then the command it names is left out (`sync`).

use std::collections::HashSet;

use bailey_protocol::limits;
use serde_json::Value;

use super::offer::CommandKind;

/// Discord's numbers for options that hold options.
const SUBCOMMAND: u64 = 1;
const GROUP: u64 = 2;
/// The greatest of Discord's numbers for options.
const LAST_OPTION_TYPE: u64 = 11;

/// Whether Discord takes a command; else where it is wrong and why.
pub(super) fn command(command: &Value, kind: CommandKind) -> Result<(), String> {
    name(command, "name", kind == CommandKind::Slash)?;
    if kind != CommandKind::Slash {
        let has = |key: &str| match command.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(_) => true,
        };
        return match ["description", "options"].into_iter().find(|key| has(key)) {
            Some(key) => Err(format!("{key}: a command in a menu has none")),
            None => Ok(()),
        };
    }
    description(command, "description")?;
    options(command.get("options"), "options", 0)?;
    if letters(command) > limits::COMMAND_CHARACTERS {
        return Err(format!(
            "it is longer than {} characters: names, descriptions and choices together",
            limits::COMMAND_CHARACTERS
        ));
    }
    Ok(())
}

fn name(of: &Value, place: &str, strict: bool) -> Result<(), String> {
    let text = of.get("name").and_then(Value::as_str).unwrap_or_default();
    let length = text.chars().count();
    if !(1..=limits::COMMAND_NAME_CHARACTERS).contains(&length) {
        return Err(format!(
            "{place}: it has {length} characters, and needs 1 to {}",
            limits::COMMAND_NAME_CHARACTERS
        ));
    }
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '\'');
    if strict && !(text.chars().all(fits) && text.to_lowercase() == text) {
        return Err(format!("{place}: it needs lower-case letters, digits, `-` and `_` only"));
    }
    Ok(())
}

fn description(of: &Value, place: &str) -> Result<(), String> {
    let length = of.get("description").and_then(Value::as_str).map_or(0, |text| text.chars().count());
    if (1..=limits::COMMAND_DESCRIPTION_CHARACTERS).contains(&length) {
        return Ok(());
    }
    let most = limits::COMMAND_DESCRIPTION_CHARACTERS;
    Err(format!("{place}: it has {length} characters, and needs 1 to {most}"))
}

/// `depth` 0 is the command itself, 1 a group or subcommand of it, 2 a subcommand of a group.
fn options(options: Option<&Value>, place: &str, depth: usize) -> Result<(), String> {
    let options = match options {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(options)) => options,
        Some(_) => return Err(format!("{place}: it needs a list")),
    };
    if options.len() > limits::COMMAND_OPTIONS {
        return Err(format!("{place}: there are more than {}", limits::COMMAND_OPTIONS));
    }
    let kind_of = |option: &Value| option.get("type").and_then(Value::as_u64).unwrap_or_default();
    let nests = |option: &Value| matches!(kind_of(option), SUBCOMMAND | GROUP);
    let (mut names, mut optional_seen) = (HashSet::new(), false);
    for (number, option) in options.iter().enumerate() {
        let at = format!("{place}.{number}");
        let kind = kind_of(option);
        if !(SUBCOMMAND..=LAST_OPTION_TYPE).contains(&kind) {
            return Err(format!("{at}.type: it needs a number from 1 to {LAST_OPTION_TYPE}"));
        }
        name(option, &format!("{at}.name"), true)?;
        description(option, &format!("{at}.description"))?;
        if !names.insert(option.get("name").and_then(Value::as_str).unwrap_or_default()) {
            return Err(format!("{at}.name: another option has it"));
        }
        if nests(option) != options.iter().all(nests) {
            return Err(format!("{at}: subcommands and other options cannot stand side by side"));
        }
        if (kind == GROUP && depth > 0) || (kind == SUBCOMMAND && depth > 1) {
            return Err(format!("{at}: groups hold subcommands, and those hold neither"));
        }
        let required = option.get("required") == Some(&Value::Bool(true));
        if required && optional_seen {
            return Err(format!("{at}: options that are needed come before those that are not"));
        }
        optional_seen |= !required;
        if nests(option) {
            self::options(option.get("options"), &format!("{at}.options"), depth + 1)?;
        }
        choices(option, &at, kind)?;
    }
    Ok(())
}

fn choices(option: &Value, at: &str, kind: u64) -> Result<(), String> {
    let autocomplete = option.get("autocomplete") == Some(&Value::Bool(true));
    let given = option.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if (autocomplete || !given.is_empty()) && !matches!(kind, 3 | 4 | 10) {
        return Err(format!("{at}: only texts and numbers have choices or autocomplete"));
    }
    if given.len() > limits::COMMAND_CHOICES {
        return Err(format!("{at}.choices: there are more than {}", limits::COMMAND_CHOICES));
    }
    for (number, choice) in given.iter().enumerate() {
        if !is_choice(choice, kind) {
            return Err(format!(
                "{at}.choices.{number}: it needs a name of 1 to 100 characters and a value that fits"
            ));
        }
    }
    Ok(())
}

/// Whether a choice has a name and a value that fits the option.
pub(super) fn is_choice(choice: &Value, kind: u64) -> bool {
    let length = choice.get("name").and_then(Value::as_str).map_or(0, |name| name.chars().count());
    let fits = match (kind, choice.get("value")) {
        (3, Some(Value::String(text))) => text.chars().count() <= limits::COMMAND_DESCRIPTION_CHARACTERS,
        (4, Some(Value::Number(number))) => {
            number.as_i64().is_some_and(|number| number.unsigned_abs() <= 1 << 53)
        }
        (10, Some(Value::Number(_))) => true,
        _ => false,
    };
    fits && (1..=limits::COMMAND_DESCRIPTION_CHARACTERS).contains(&length)
}

/// Letters of all that people can read or send.
fn letters(of: &Value) -> usize {
    let text = |key: &str| of.get(key).and_then(Value::as_str).map_or(0, |text| text.chars().count());
    let lists = ["options", "choices"].into_iter().filter_map(|key| of.get(key)?.as_array()).flatten();
    text("name") + text("description") + text("value") + lists.map(letters).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(options: Value, wrong_at: &str) {
        let slash = json!({"name": "c", "description": "d", "options": options});
        let found = command(&slash, CommandKind::Slash).err().unwrap_or_default();
        assert_eq!(found.split([':', ' ']).next().unwrap(), wrong_at, "{slash}: {found}");
    }

    fn option(kind: u64, name: &str) -> Value {
        json!({"type": kind, "name": name, "description": "d"})
    }

    #[test]
    fn rules_and_where_they_are_broken() {
        check(json!([]), "");
        check(json!(null), "");
        check(json!({}), "options");
        check(json!([option(3, "a"), option(11, "b")]), "");
        check(json!([option(3, "a"), option(3, "a")]), "options.1.name");
        check(json!([option(12, "a")]), "options.0.type");
        check(json!([option(3, "A")]), "options.0.name");
        check(json!([option(3, "")]), "options.0.name");
        check(json!([{"type": 3, "name": "a"}]), "options.0.description");
        check(json!([option(1, "a"), option(3, "b")]), "options.0");
        check(json!([{"type": 2, "name": "g", "description": "d", "options": [option(1, "s")]}]), "");
        check(
            json!([{"type": 2, "name": "g", "description": "d", "options": [option(2, "s")]}]),
            "options.0.options.0",
        );
        check(
            json!([{"type": 3, "name": "a", "description": "d", "choices": [{"name": "x", "value": 1}]}]),
            "options.0.choices.0",
        );
        check(json!([{"type": 6, "name": "a", "description": "d", "autocomplete": true}]), "options.0");
        let many: Vec<Value> = (0..26).map(|n| option(3, &format!("o{n}"))).collect();
        check(json!(many), "options");
    }

    #[test]
    fn menus_have_a_name_alone() {
        let check = |value: Value| command(&value, CommandKind::User).is_ok();
        assert!(check(json!({"name": "Look At Me", "type": 2})));
        assert!(!check(json!({"name": "x", "type": 2, "description": "d"})));
        assert!(!check(json!({"name": "", "type": 2})));
    }

    #[test]
    fn the_whole_is_bounded() {
        let choice = |n: usize| json!({"name": format!("{n:0>90}"), "value": format!("{n:0>90}")});
        let option = |n: usize| {
            json!({"type": 3, "name": format!("o{n}"), "description": "d",
            "choices": (0..25).map(choice).collect::<Vec<_>>()})
        };
        let slash = json!({"name": "c", "description": "d", "options": [option(1), option(2)]});
        assert!(command(&slash, CommandKind::Slash).unwrap_err().contains("8000"));
    }
}
