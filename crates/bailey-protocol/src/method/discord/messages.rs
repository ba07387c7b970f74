//! Messages, reactions and pins.

use std::str::FromStr;

use crate::error::CallError;
use crate::id::{ChannelId, MessageId};
use crate::limits;
use crate::method::message::{File, MessageParts};
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

/// Parameters of `discord.edit_message`: an empty text or list clears that part, an absent one stays.
#[derive(Debug, Clone, PartialEq)]
pub struct EditMessage {
    /// Where it is.
    pub channel: ChannelId,
    /// Which.
    pub message: MessageId,
    /// What changes.
    pub parts: MessageParts,
}

impl EditMessage {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or part, or when nothing is to change.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let MessageOnly { channel, message } = MessageOnly::parse(params)?;
        let parts = MessageParts::parse(params)?;
        if parts.content.is_none() && parts.embeds.is_none() && parts.components.is_none() {
            return Err(CallError::validation("content", "a text, embeds or components to change"));
        }
        Ok(Self { channel, message, parts })
    }
}

/// Parameters of methods that name one message: delete, pin, unpin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageOnly {
    /// Where it is.
    pub channel: ChannelId,
    /// Which.
    pub message: MessageId,
}

impl MessageOnly {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { channel: params.id("channel_id")?, message: params.id("message_id")? })
    }
}

/// Parameters of `discord.bulk_delete_messages`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkDeleteMessages {
    /// Where they are.
    pub channel: ChannelId,
    /// Which: 2 to 100, each once.
    pub messages: Vec<MessageId>,
}

impl BulkDeleteMessages {
    /// Reads the parameters; of more than 100 the first count, and the same one counts once.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or fewer than two.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let channel = params.id("channel_id")?;
        let rule = "a list of 2 to 100 different message ids";
        let mut messages: Vec<MessageId> = params.required("message_ids", rule)?;
        messages.truncate(limits::BULK_DELETE_MESSAGES);
        let mut seen = std::collections::HashSet::new();
        messages.retain(|message| seen.insert(*message));
        if messages.len() < 2 {
            return Err(CallError::validation("message_ids", rule));
        }
        Ok(Self { channel, messages })
    }
}

/// An emoji: the character itself, or a server's own by name and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emoji {
    /// Of Unicode.
    Unicode(String),
    /// Of a server.
    Custom {
        /// Its name.
        name: String,
        /// Its id.
        id: u64,
    },
}

impl FromStr for Emoji {
    type Err = CallError;

    /// Reads the character, `name:id`, `<:name:id>` and `<a:name:id>`, as events spell them.
    fn from_str(text: &str) -> Result<Self, CallError> {
        let wrong = || CallError::validation("emoji", "an emoji character or name:id");
        let text = text.trim();
        if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
            return Err(wrong());
        }
        let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        let inner = inner.map_or(text, |inner| inner.strip_prefix('a').unwrap_or(inner));
        let inner = if inner.matches(':').count() == 2 { inner.trim_start_matches("a:") } else { inner };
        let inner = inner.trim_start_matches(':');
        match inner.split_once(':') {
            None if inner == text => Ok(Self::Unicode(text.to_owned())),
            None => Err(wrong()),
            Some((name, id)) => {
                let fits =
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let id = id.parse().ok().filter(|id| *id != 0 && fits).ok_or_else(wrong)?;
                Ok(Self::Custom { name: name.to_owned(), id })
            }
        }
    }
}

/// Parameters of `discord.add_reaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddReaction {
    /// Where the message is.
    pub channel: ChannelId,
    /// To which message.
    pub message: MessageId,
    /// What.
    pub emoji: Emoji,
}

impl AddReaction {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or emoji.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let MessageOnly { channel, message } = MessageOnly::parse(params)?;
        Ok(Self { channel, message, emoji: params.text_or_empty("emoji")?.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::params;
    use super::*;

    #[test]
    fn emoji_are_read_in_every_spelling() {
        let custom = Emoji::Custom { name: "party".to_owned(), id: 42 };
        for text in ["party:42", "<:party:42>", "<a:party:42>", "a:party:42", ":party:42"] {
            assert_eq!(text.parse::<Emoji>().unwrap(), custom, "{text}");
        }
        assert_eq!("👍".parse::<Emoji>().unwrap(), Emoji::Unicode("👍".to_owned()));
        for wrong in ["", "  ", "a:b:c", "<:x:>", "party:0", "../../x:1", ":party:", "\n"] {
            assert!(wrong.parse::<Emoji>().is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn many_deletions_are_cut_and_counted_once() {
        let ids: Vec<u64> = (1..=150).collect();
        let read = |ids| BulkDeleteMessages::parse(&params(json!({"channel_id": "1", "message_ids": ids})));
        assert_eq!(read(json!(ids)).unwrap().messages.len(), 100);
        assert!(read(json!(["5", 5])).is_err());
        assert!(read(json!(["x", "y"])).is_err());
        assert!(read(json!("5")).is_err());
    }

    #[test]
    fn edits_clear_what_is_empty_and_need_a_change() {
        let edit = |more: serde_json::Value| {
            let mut all = json!({"channel_id": 1, "message_id": 2});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            EditMessage::parse(&params(all))
        };
        assert_eq!(edit(json!({"content": ""})).unwrap().parts.content.as_deref(), Some(""));
        assert_eq!(edit(json!({"embeds": []})).unwrap().parts.embeds, Some(vec![]));
        assert!(edit(json!({"content": null})).is_err());
    }
}
