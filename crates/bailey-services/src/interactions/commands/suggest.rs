//! What to choose from while an option is being typed: the choices that the plugin's manifest lists beside
//! `autocomplete`. Pure.

use bailey_protocol::limits;
use serde_json::{Value, json};

use super::check::is_choice;

/// The suggestions for the option that is being typed, those that begin with it first; none if the manifest lists
/// none. `definition` is the command as the plugin wrote it, `used` what Discord sent of its use.
pub(super) fn suggestions(definition: &Value, used: &Value) -> Vec<Value> {
    let Some((option, typed)) = being_typed(definition, used) else { return Vec::new() };
    let kind = option.get("type").and_then(Value::as_u64).unwrap_or_default();
    let listed = option.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let typed = typed.to_lowercase();
    let name = |choice: &Value| choice.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let fitting = || listed.iter().filter(|choice| is_choice(choice, kind));
    let begin = fitting().filter(|choice| name(choice).starts_with(&typed));
    let contain =
        fitting().filter(|choice| !name(choice).starts_with(&typed) && name(choice).contains(&typed));
    let shown = |choice: &Value| json!({"name": choice["name"], "value": choice["value"]});
    begin.chain(contain).take(limits::COMMAND_CHOICES).map(shown).collect()
}

/// The definition of the option that has the focus, and what is typed of it.
fn being_typed<'a>(definition: &'a Value, used: &'a Value) -> Option<(&'a Value, String)> {
    let definitions = definition.get("options")?.as_array()?;
    used.get("options")?.as_array()?.iter().find_map(|option| {
        let name = option.get("name").and_then(Value::as_str)?.to_lowercase();
        let found = definitions.iter().find(|one| {
            one.get("name").and_then(Value::as_str).is_some_and(|known| known.to_lowercase() == name)
        })?;
        if option.get("focused") != Some(&Value::Bool(true)) {
            return being_typed(found, option);
        }
        let typed = match option.get("value") {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        Some((found, typed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(found: &[Value]) -> Vec<&str> {
        found.iter().map(|choice| choice["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn what_begins_with_it_comes_first() {
        let choice = |name: &str| json!({"name": name, "value": name, "more": 1});
        let option = json!({"type": 3, "name": "city", "autocomplete": true,
            "choices": [choice("Oberbayern"), choice("Berlin"), choice("Bern"), {"name": "Bad", "value": 3}]});
        let command = json!({"name": "w", "options": [{"type": 1, "name": "now", "options": [option]}]});
        let typing = |text: &str| {
            let city = json!({"type": 3, "name": "city", "value": text, "focused": true});
            let used = json!({"name": "w", "options": [{"type": 1, "name": "now", "options": [city]}]});
            suggestions(&command, &used)
        };
        assert_eq!(named(&typing("BER")), ["Berlin", "Bern", "Oberbayern"]);
        assert_eq!(typing("Bern"), [json!({"name": "Bern", "value": "Bern"})]);
        assert_eq!(typing("").len(), 3);
        assert!(typing("x").is_empty());
        assert!(suggestions(&command, &json!({})).is_empty());
        let elsewhere = json!({"options": [{"type": 3, "name": "city", "focused": true}]});
        assert!(suggestions(&command, &elsewhere).is_empty());
    }

    #[test]
    fn no_more_than_discord_shows() {
        let choices: Vec<Value> = (0..60).map(|n| json!({"name": format!("{n}"), "value": n})).collect();
        let command =
            json!({"options": [{"type": 4, "name": "n", "autocomplete": true, "choices": choices}]});
        let used = json!({"options": [{"type": 4, "name": "n", "value": "", "focused": true}]});
        assert_eq!(suggestions(&command, &used).len(), 25);
    }
}
