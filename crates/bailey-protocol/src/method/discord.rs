//! `discord.*`: actions on the server.

use serde::Serialize;

use super::message::{File, MessageParts};
use crate::error::CallError;
use crate::id::{ChannelId, MessageId};
use crate::params::Params;

/// Parameters of `discord.send_message`.
#[derive(Debug, Clone, PartialEq)]
pub struct SendMessage {
    /// Where to.
    pub channel: ChannelId,
    /// What.
    pub parts: MessageParts,
    /// With which files.
    pub files: Vec<File>,
}

impl SendMessage {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad channel id, part or file, or a message with nothing in it.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let message = Self {
            channel: params.id("channel_id")?,
            parts: MessageParts::parse(params)?,
            files: File::parse_all(params)?,
        };
        if message.parts.is_empty() && message.files.is_empty() {
            return Err(CallError::validation("content", "a text, an embed, a component or a file"));
        }
        Ok(message)
    }
}

/// Result of `discord.send_message` and of an interaction's follow-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Always true.
    pub ok: bool,
    /// The new message.
    pub message_id: MessageId,
    /// Where it is.
    pub channel_id: ChannelId,
}
