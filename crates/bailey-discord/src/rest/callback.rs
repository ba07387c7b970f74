//! The first answer to an interaction, as a closed set of choices.

use bailey_protocol::method::message::MessageParts;
use serde_json::{Value, json};

use super::message::object;

/// The first answer to an interaction.
#[derive(Debug, Clone, PartialEq)]
pub enum CallbackBody {
    /// A message.
    Message {
        /// What it says.
        parts: MessageParts,
        /// Whether only the person who asked sees it.
        ephemeral: bool,
    },
    /// "Thinking": a message will follow.
    Defer {
        /// Whether only the person who asked will see it.
        ephemeral: bool,
    },
    /// To a component: acknowledged, without a visible change yet.
    DeferUpdate,
    /// To a component: changes the message it is on.
    UpdateMessage {
        /// What changes; parts that are not given stay.
        parts: MessageParts,
    },
    /// To a half-typed option: what to choose from.
    Suggestions {
        /// At most 25 `{name, value}`; none is an answer too.
        choices: Vec<Value>,
    },
    /// A form for the person who asked.
    Modal {
        /// Its heading, at most 45 characters.
        title: String,
        /// Its id, at most 100 characters.
        custom_id: String,
        /// Its rows or labels, in Discord's shape.
        components: Vec<Value>,
    },
}

impl CallbackBody {
    /// As Discord takes it: `{type, data}`.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Message { parts, ephemeral } => json!({"type": 4, "data": object(parts, *ephemeral)}),
            Self::Defer { ephemeral: true } => json!({"type": 5, "data": {"flags": 64}}),
            Self::Defer { ephemeral: false } => json!({"type": 5}),
            Self::DeferUpdate => json!({"type": 6}),
            Self::UpdateMessage { parts } => json!({"type": 7, "data": object(parts, false)}),
            Self::Suggestions { choices } => json!({"type": 8, "data": {"choices": choices}}),
            Self::Modal { title, custom_id, components } => {
                json!({"type": 9, "data": {"title": title, "custom_id": custom_id, "components": components}})
            }
        }
    }
}
