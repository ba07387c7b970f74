//! `interaction.*`: answers to a command, a click, a choice or a form.

use serde::Serialize;
use serde_json::{Map, Value};

use super::message::MessageParts;
use crate::error::CallError;
use crate::id::{ChannelId, InteractionId, MessageId};
use crate::limits;
use crate::params::Params;

/// Which interaction a call answers, if the plugin says so. Empty in the SDK's single-mode race
/// and outside an interaction; the event being handled then decides.
fn named_interaction(params: &Params) -> Option<InteractionId> {
    params.optional_id("_interaction_id").ok().flatten()
}

/// Parameters of `interaction.respond` and `interaction.followup`.
#[derive(Debug, Clone, PartialEq)]
pub struct Respond {
    /// Which interaction.
    pub interaction: Option<InteractionId>,
    /// What to show.
    pub parts: MessageParts,
    /// Only to the person who asked.
    pub ephemeral: bool,
    /// Replace the message the component sits on, instead of a new one.
    pub update_message: bool,
}

impl Respond {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a misshapen part, or an answer with nothing in it.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let respond = Self {
            interaction: named_interaction(params),
            parts: MessageParts::parse(params)?,
            ephemeral: params.flag("ephemeral")?,
            update_message: params.flag("update_message")?,
        };
        if respond.parts.is_empty() && !respond.update_message {
            return Err(CallError::validation("content", "a text, an embed or a component"));
        }
        Ok(respond)
    }
}

/// Parameters of `interaction.defer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defer {
    /// Which interaction.
    pub interaction: Option<InteractionId>,
    /// Whether the answer to come is only for the person who asked.
    pub ephemeral: bool,
}

impl Defer {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a misshapen flag.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { interaction: named_interaction(params), ephemeral: params.flag("ephemeral")? })
    }
}

/// Parameters of `interaction.send_modal`.
#[derive(Debug, Clone, PartialEq)]
pub struct SendModal {
    /// Which interaction.
    pub interaction: Option<InteractionId>,
    /// At most 45 characters.
    pub title: String,
    /// At most 100 characters.
    pub custom_id: String,
    /// 1 to 5 rows, in Discord's shape.
    pub components: Vec<Value>,
}

impl SendModal {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] naming the part that is missing or too large.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let title = bounded(params, "title", limits::MODAL_TITLE_CHARACTERS)?;
        let custom_id = bounded(params, "custom_id", limits::CUSTOM_ID_CHARACTERS)?;
        let rule = format!("a list of 1 to {} rows", limits::MODAL_ROWS);
        let components: Vec<Map<String, Value>> = params.required("components", &rule)?;
        if components.is_empty() || components.len() > limits::MODAL_ROWS {
            return Err(CallError::validation("components", rule));
        }
        Ok(Self {
            interaction: named_interaction(params),
            title,
            custom_id,
            components: components.into_iter().map(Value::Object).collect(),
        })
    }
}

fn bounded(params: &Params, name: &str, most: usize) -> Result<String, CallError> {
    let rule = format!("a text of 1 to {most} characters");
    let text: String = params.required(name, &rule)?;
    if text.is_empty() || text.chars().count() > most {
        return Err(CallError::validation(name, rule));
    }
    Ok(text)
}

/// Result of `interaction.respond` and `interaction.followup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Responded {
    /// Always true.
    pub ok: bool,
    /// The message, when Discord told us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
}

/// What a call says when it names no interaction that can still be answered.
pub fn no_active_interaction() -> CallError {
    CallError::validation("interaction", "an active interaction")
}
