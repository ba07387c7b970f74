//! A command's options, always as lists and always in the same shape.

use serde_json::{Map, Value, json};

const SUBCOMMAND: u64 = 1;
const GROUP: u64 = 2;

/// Options as plugins read them: `{name, type, value}`, or `{name, type, options}` for subcommands
/// and groups, where `options` is there even when it is empty.
pub(super) fn list(given: Option<&Value>) -> Vec<Value> {
    let given = given.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    given.iter().filter_map(Value::as_object).map(one).collect()
}

fn one(given: &Map<String, Value>) -> Value {
    let kind = given.get("type").and_then(Value::as_u64).unwrap_or_default();
    let name = given.get("name").and_then(Value::as_str).unwrap_or_default();
    if matches!(kind, SUBCOMMAND | GROUP) {
        return json!({"name": name, "type": kind, "options": list(given.get("options"))});
    }
    json!({"name": name, "type": kind, "value": given.get("value")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands_have_a_list_even_when_it_is_empty() {
        let given = json!([{"name": "top", "type": 2, "options": [{"name": "play", "type": 1}]}]);
        let expected = json!([{"name": "top", "type": 2, "options": [
            {"name": "play", "type": 1, "options": []}]}]);
        assert_eq!(Value::Array(list(Some(&given))), expected);
        assert!(list(None).is_empty());
    }

    #[test]
    fn values_keep_their_type() {
        let given = json!([
            {"name": "count", "type": 4, "value": 5},
            {"name": "ratio", "type": 10, "value": 5.0, "focused": true},
            {"name": "loud", "type": 5, "value": false},
        ]);
        let expected = json!([
            {"name": "count", "type": 4, "value": 5},
            {"name": "ratio", "type": 10, "value": 5.0},
            {"name": "loud", "type": 5, "value": false},
        ]);
        assert_eq!(Value::Array(list(Some(&given))), expected);
    }
}
