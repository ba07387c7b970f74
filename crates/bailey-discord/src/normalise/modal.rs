//! A submitted form, flattened to what was entered in each field.

use serde_json::{Map, Value};

/// `{custom_id: text}` over all rows and labels. Selects in a form give their values joined by
/// commas, switches and the like their JSON, because plugins expect texts here.
pub(super) fn values(components: Option<&Value>) -> Map<String, Value> {
    let mut found = Map::new();
    if let Some(components) = components {
        collect(components, &mut found);
    }
    found
}

fn collect(component: &Value, found: &mut Map<String, Value>) {
    match component {
        Value::Array(components) => components.iter().for_each(|component| collect(component, found)),
        Value::Object(fields) => {
            if let Some(custom_id) = fields.get("custom_id").and_then(Value::as_str)
                && let Some(entered) = entered(fields)
            {
                found.insert(custom_id.to_owned(), entered.into());
            }
            // Rows hold `components`, labels hold one `component`.
            for inside in ["components", "component"] {
                if let Some(inside) = fields.get(inside) {
                    collect(inside, found);
                }
            }
        }
        _ => {}
    }
}

fn entered(fields: &Map<String, Value>) -> Option<String> {
    match (fields.get("value"), fields.get("values")) {
        (Some(Value::String(text)), _) => Some(text.clone()),
        (Some(Value::Null) | None, Some(Value::Array(values))) => {
            let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            Some(texts.join(","))
        }
        (Some(Value::Null) | None, _) => None,
        (Some(other), _) => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_and_labels_are_flattened() {
        let components = json!([
            {"type": 1, "components": [{"type": 4, "custom_id": "name", "value": "Ada"}]},
            {"type": 18, "component": {"type": 4, "custom_id": "about", "value": ""}},
            {"type": 18, "component": {"type": 3, "custom_id": "colours", "values": ["red", "blue"]}},
            {"type": 18, "component": {"type": 23, "custom_id": "sure", "value": true}},
            {"type": 10, "content": "just text"},
        ]);
        assert_eq!(
            Value::Object(values(Some(&components))),
            json!({"name": "Ada", "about": "", "colours": "red,blue", "sure": "true"})
        );
        assert!(values(None).is_empty());
    }
}
