//! Messages of a server: writing, changing, deleting, reactions, pins.

use bailey_protocol::method::discord::{Emoji, ExecuteWebhook, Sent};
use bailey_protocol::method::message::{File, MessageParts};
use bailey_protocol::{ChannelId, MessageId};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use twilight_http::request::Method;

use super::asker::{Ask, Asker};
use super::message::{Message, object};
use crate::error::DiscordError;

impl Asker<'_> {
    /// Posts a message. Sent again when its answer gets lost, without appearing twice.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn create_message(
        &self,
        channel: ChannelId,
        parts: &MessageParts,
        files: &[File],
    ) -> Result<Sent, DiscordError> {
        let call = self.rest.create_message_call(channel, parts, files)?;
        Ok(self.rest.ask::<Message>(self.identified(call)).await?.into())
    }

    /// Changes a message of the bot's own. Parts that are not given stay.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50005 when somebody else wrote it.
    pub async fn edit_message(
        &self,
        channel: ChannelId,
        message: MessageId,
        parts: &MessageParts,
    ) -> Result<Sent, DiscordError> {
        let route = "PATCH /channels/{channel}/messages/{message}";
        let path = format!("channels/{channel}/messages/{message}");
        let ask =
            Ask::change(Method::Patch, route, channel.0, path).body(Value::Object(object(parts, false)));
        Ok(self.ask::<Message>(ask).await?.into())
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// [`DiscordError`].
    pub async fn delete_message(&self, channel: ChannelId, message: MessageId) -> Result<(), DiscordError> {
        let route = "DELETE /channels/{channel}/messages/{message}";
        let path = format!("channels/{channel}/messages/{message}");
        self.tell(Ask::change(Method::Delete, route, channel.0, path).because("")).await
    }

    /// Deletes many messages, none older than two weeks.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50034 when one is too old.
    pub async fn delete_messages(
        &self,
        channel: ChannelId,
        messages: &[MessageId],
    ) -> Result<(), DiscordError> {
        let route = "POST /channels/{channel}/messages/bulk-delete";
        let path = format!("channels/{channel}/messages/bulk-delete");
        let ask = Ask::change(Method::Post, route, channel.0, path).body(json!({"messages": messages}));
        self.tell(ask.because("")).await
    }

    /// Adds the bot's reaction.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 10014 for an emoji the bot cannot use.
    pub async fn add_reaction(
        &self,
        channel: ChannelId,
        message: MessageId,
        emoji: &Emoji,
    ) -> Result<(), DiscordError> {
        let text = match emoji {
            Emoji::Unicode(text) => text.clone(),
            Emoji::Custom { name, id } => format!("{name}:{id}"),
        };
        let text = utf8_percent_encode(&text, NON_ALPHANUMERIC);
        let route = "PUT /channels/{channel}/messages/{message}/reactions/{emoji}/@me";
        let path = format!("channels/{channel}/messages/{message}/reactions/{text}/@me");
        self.tell(Ask::change(Method::Put, route, channel.0, path)).await
    }

    /// Pins a message or takes the pin away.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 30003 when a channel has 250 pins.
    pub async fn set_pinned(
        &self,
        channel: ChannelId,
        message: MessageId,
        pinned: bool,
    ) -> Result<(), DiscordError> {
        let (method, route) = if pinned {
            (Method::Put, "PUT /channels/{channel}/messages/pins/{message}")
        } else {
            (Method::Delete, "DELETE /channels/{channel}/messages/pins/{message}")
        };
        let path = format!("channels/{channel}/messages/pins/{message}");
        self.tell(Ask::change(method, route, channel.0, path).because("")).await
    }

    /// Posts a message with a webhook.
    ///
    /// # Errors
    /// [`DiscordError`]; `Refused` with code 50027 for a wrong token, 10015 for a webhook that is gone.
    pub async fn execute_webhook(&self, webhook: &ExecuteWebhook) -> Result<Sent, DiscordError> {
        let mut body = object(&webhook.parts, false);
        let mut say = |name: &str, text: &Option<String>| {
            if let Some(text) = text {
                body.insert(name.to_owned(), text.as_str().into());
            }
        };
        say("username", &webhook.username);
        say("avatar_url", &webhook.avatar_url);
        let path = format!("webhooks/{}/{}?wait=true", webhook.webhook, webhook.token);
        let route = "POST /webhooks/{webhook}/{token}";
        let ask = Ask::create(route, webhook.webhook.0, path, Value::Object(body));
        Ok(self.ask::<Message>(ask).await?.into())
    }
}
