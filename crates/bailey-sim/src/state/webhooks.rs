//! Webhooks: addresses to which anybody who knows the token may post.

use serde_json::{Value, json};

use super::State;
use super::audit::Action;
use super::messages::Posting;
use super::model::{Draft, intent};
use super::sessions::Dispatch;
use crate::clock::Snowflake;
use crate::error::ApiError;

/// Webhooks of one channel.
const MOST_WEBHOOKS: usize = 15;

/// One webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) id: Snowflake,
    pub(crate) token: String,
    pub(crate) guild: Snowflake,
    pub(crate) channel: Snowflake,
    pub(crate) name: String,
}

impl State {
    /// Makes a webhook of a channel.
    pub(crate) fn create_webhook(
        &mut self,
        channel: Snowflake,
        name: &str,
        reason: Option<String>,
    ) -> Result<Value, ApiError> {
        let place = self.channel_for_bot(channel)?;
        if place.kind.is_thread() || place.kind == crate::world::ChannelKind::Category {
            return Err(ApiError::wrong_channel_type());
        }
        let guild = place.guild;
        if self.webhooks.values().filter(|webhook| webhook.channel == channel).count() >= MOST_WEBHOOKS {
            return Err(ApiError::too_many_webhooks());
        }
        let (id, token) = (self.new_id(), self.random_hex(34));
        self.recorder.learn("webhook", &token);
        let webhook = Webhook { id, token, guild, channel, name: name.to_owned() };
        let json = self.render_webhook(&webhook, true);
        self.webhooks.insert(id, webhook);
        self.tell_webhooks(guild, channel);
        self.note(guild, Action::WebhookCreated, id, name.to_owned(), reason);
        Ok(json)
    }

    pub(crate) fn delete_webhook(&mut self, id: Snowflake, reason: Option<String>) -> Result<(), ApiError> {
        let webhook = self.webhooks.shift_remove(&id).ok_or_else(ApiError::unknown_webhook)?;
        self.tell_webhooks(webhook.guild, webhook.channel);
        self.note(webhook.guild, Action::WebhookDeleted, id, webhook.name, reason);
        Ok(())
    }

    /// A webhook by id and token, or Discord's refusal.
    pub(crate) fn webhook_by_token(&self, id: Snowflake, token: &str) -> Result<&Webhook, ApiError> {
        let webhook = self.webhooks.get(&id).ok_or_else(ApiError::unknown_webhook)?;
        if webhook.token == token { Ok(webhook) } else { Err(ApiError::invalid_webhook_token()) }
    }

    /// Posts as a webhook, under the name it gives itself.
    pub(crate) fn execute_webhook(
        &mut self,
        webhook: &Webhook,
        name: Option<String>,
        draft: Draft,
    ) -> Result<Snowflake, ApiError> {
        let posting = Posting {
            channel: webhook.channel,
            author: webhook.id,
            kind: None,
            origin: None,
            ephemeral_to: None,
            flags: 0,
            webhook_name: Some(name.unwrap_or_else(|| webhook.name.clone())),
        };
        self.post(posting, draft)
    }

    /// A webhook; its token only for those who manage it.
    pub(crate) fn render_webhook(&self, webhook: &Webhook, with_user: bool) -> Value {
        let url = format!("{}/api/webhooks/{}/{}", self.http_base, webhook.id, webhook.token);
        let mut json = json!({
            "id": webhook.id, "type": 1, "guild_id": webhook.guild, "channel_id": webhook.channel,
            "name": webhook.name, "avatar": null, "token": webhook.token, "application_id": self.application.id,
            "url": url,
        });
        if with_user && let Some(map) = json.as_object_mut() {
            map.insert("user".to_owned(), self.render_user(self.application.id));
        }
        json
    }

    fn tell_webhooks(&mut self, guild: Snowflake, channel: Snowflake) {
        let data = json!({"guild_id": guild, "channel_id": channel});
        let intents = intent::GUILD_WEBHOOKS;
        self.dispatch(&Dispatch {
            event: "WEBHOOKS_UPDATE",
            guild: Some(guild),
            intents,
            data,
            strip: false,
        });
    }
}
