//! One command: Discord's own command object, passed on as the author wrote it.

use serde_json::{Map, Value};

use crate::finding::{Code, Finding};
use crate::limits;

/// What Discord shows for a command whose author wrote no description; it refuses an empty one.
const NO_DESCRIPTION: &str = "No description";

/// A command to register with Discord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The name people type, lower case; for a menu on people or messages the name as written.
    pub name: String,
    /// The command object: `name` lower-cased, `description` never empty (for a menu: `name` as written and no
    /// description), `options` a list or absent, everything else as written.
    pub definition: Map<String, Value>,
}

impl Command {
    /// A command without options or a description of its own.
    pub(crate) fn plain(name: &str) -> Result<Self, Finding> {
        Self::new(name, Map::new())
    }

    pub(crate) fn parse(value: &Value) -> Result<Self, Finding> {
        let malformed = || {
            Finding::error(Code::CommandMalformed, "A slash command has no name.")
                .hint("write `{\"name\": \"hello\", \"description\": \"Says hello\"}`")
        };
        let definition = value.as_object().ok_or_else(malformed)?;
        let name = definition.get("name").and_then(Value::as_str).map(str::trim).unwrap_or_default();
        if name.is_empty() { Err(malformed()) } else { Self::new(name, definition.clone()) }
    }

    /// What a person finds in the menu of another person (Discord's type 2) or of a message (3).
    fn in_a_menu(name: &str, mut definition: Map<String, Value>) -> Result<Self, Finding> {
        let length = name.chars().count();
        if length > limits::COMMAND_NAME_CHARACTERS || name.chars().any(char::is_control) {
            let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
            let message = format!("`{shown}` is not a name Discord takes for a menu.");
            return Err(Finding::error(Code::CommandNameInvalid, message).hint("use 1 to 32 characters"));
        }
        definition.insert("name".to_owned(), name.into());
        definition.shift_remove("description"); // Discord refuses one here
        if definition.get("options").is_some_and(|options| options.as_array().is_none_or(Vec::is_empty)) {
            definition.shift_remove("options");
        }
        Ok(Self { name: name.to_owned(), definition })
    }

    /// Whether people find it in a menu rather than by typing.
    pub fn is_in_a_menu(&self) -> bool {
        is_menu(&self.definition)
    }

    fn new(name: &str, mut definition: Map<String, Value>) -> Result<Self, Finding> {
        if is_menu(&definition) {
            return Self::in_a_menu(name, definition);
        }
        let name = name.to_lowercase();
        let legal = |character: char| character.is_alphanumeric() || character == '-' || character == '_';
        if !name.chars().all(legal) || name.chars().count() > limits::COMMAND_NAME_CHARACTERS {
            let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
            let message = format!("`/{shown}` is not a name Discord takes.");
            return Err(Finding::error(Code::CommandNameInvalid, message)
                .hint("use 1 to 32 letters, digits, `-` and `_`, without spaces"));
        }
        definition.insert("name".to_owned(), Value::String(name.clone()));
        let described =
            definition.get("description").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
        if !described {
            definition.insert("description".to_owned(), NO_DESCRIPTION.into());
        }
        if definition.get("options").is_some_and(Value::is_null) {
            definition.shift_remove("options");
        }
        Ok(Self { name, definition })
    }
}

fn is_menu(definition: &Map<String, Value>) -> bool {
    matches!(definition.get("type").and_then(Value::as_u64), Some(2 | 3))
}
