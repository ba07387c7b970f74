//! Webhooks.

use serde::Serialize;

use super::{cut, name};
use crate::error::CallError;
use crate::id::{ChannelId, MessageId, WebhookId};
use crate::limits;
use crate::method::message::MessageParts;
use crate::params::Params;

/// Parameters of `discord.create_webhook`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateWebhook {
    /// Where it will write.
    pub channel: ChannelId,
    /// Its name, at most 80 characters.
    pub name: String,
}

impl CreateWebhook {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or an empty name.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let channel = params.id("channel_id")?;
        Ok(Self { channel, name: name(params, limits::WEBHOOK_NAME_CHARACTERS)? })
    }
}

/// Parameters of `discord.execute_webhook`. Holds a secret: it has no `Debug`.
#[derive(Clone, PartialEq)]
pub struct ExecuteWebhook {
    /// Which.
    pub webhook: WebhookId,
    /// The secret that lets one write with it.
    pub token: String,
    /// What.
    pub parts: MessageParts,
    /// The name shown instead of the webhook's.
    pub username: Option<String>,
    /// The picture shown instead of the webhook's.
    pub avatar_url: Option<String>,
}

impl ExecuteWebhook {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id, token or part, or a message with nothing in it.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let token = params.text_or_empty("webhook_token")?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if token.is_empty() || token.len() > 200 || !token.bytes().all(fits) {
            return Err(CallError::validation("webhook_token", "the token of a webhook"));
        }
        let parts = MessageParts::parse(params)?;
        if parts.is_empty() {
            return Err(CallError::validation("content", "a text, an embed or a component"));
        }
        let text = |name: &str| Ok(params.optional_text(name)?.filter(|text| !text.is_empty()));
        Ok(Self {
            webhook: params.id("webhook_id")?,
            token,
            parts,
            username: text("username")?.map(|text| cut(&text, limits::WEBHOOK_NAME_CHARACTERS)),
            avatar_url: text("avatar_url")?,
        })
    }
}

/// Parameters of `discord.delete_webhook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteWebhook {
    /// Which.
    pub webhook: WebhookId,
}

impl DeleteWebhook {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { webhook: params.id("webhook_id")? })
    }
}

/// A webhook as it was made. Holds a secret: it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The secret that lets one write with it.
    pub token: String,
    /// Where it writes.
    pub channel_id: ChannelId,
    /// Its name.
    pub name: String,
}

/// Result of `discord.create_webhook`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct WebhookCreated {
    /// The webhook.
    pub webhook: Webhook,
}

/// Result of `discord.execute_webhook`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookSent {
    /// The message.
    pub message_id: MessageId,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::params;
    use super::*;

    #[test]
    fn tokens_cannot_leave_their_place_in_the_path() {
        let read = |token: &str| {
            ExecuteWebhook::parse(&params(json!({"webhook_id": 1, "webhook_token": token, "content": "x"})))
        };
        assert!(read("abc-DEF_123").is_ok());
        for wrong in ["", "a/../b", "a?b", "a%2f", &"x".repeat(201)] {
            assert!(read(wrong).is_err(), "{wrong} was accepted");
        }
    }
}
