//! Webhooks: those of this server only. Which server one belongs to, Discord is asked once.

use bailey_discord::{DiscordError, Permission};
use bailey_protocol::capability::DiscordManageWebhooks;
use bailey_protocol::method::Done;
use bailey_protocol::method::discord::{
    CreateWebhook, DeleteWebhook, ExecuteWebhook, WebhookCreated, WebhookSent,
};
use bailey_protocol::{CallError, Grant, Tenant, WebhookId};

use super::Actions;
use super::checks::refused;

type Managing = Grant<DiscordManageWebhooks>;

const NEEDED: Permission = Permission::ManageWebhooks;

impl Actions {
    /// `discord.create_webhook`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a channel of another server; a missing permission; otherwise what
    /// Discord said.
    pub async fn create_webhook(
        &self,
        grant: &Managing,
        params: &CreateWebhook,
    ) -> Result<WebhookCreated, CallError> {
        let tenant = grant.tenant();
        self.channel_with(tenant, params.channel, &[NEEDED])?;
        let made = self.rest.for_tenant(tenant).create_webhook(params).await;
        let webhook = made.map_err(refused(NEEDED))?;
        self.webhooks.insert(webhook.id, tenant.guild);
        Ok(WebhookCreated { webhook })
    }

    /// `discord.execute_webhook`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a webhook of another server; otherwise what Discord said.
    pub async fn execute_webhook(
        &self,
        grant: &Managing,
        params: &ExecuteWebhook,
    ) -> Result<WebhookSent, CallError> {
        self.webhook_here(grant.tenant(), params.webhook).await?;
        let sent = self.rest.for_tenant(grant.tenant()).execute_webhook(params).await;
        Ok(WebhookSent { message_id: sent.map_err(refused(NEEDED))?.message_id })
    }

    /// `discord.delete_webhook`.
    ///
    /// # Errors
    /// As [`Actions::execute_webhook`].
    pub async fn delete_webhook(&self, grant: &Managing, params: &DeleteWebhook) -> Result<Done, CallError> {
        self.webhook_here(grant.tenant(), params.webhook).await?;
        let deleted = self.rest.for_tenant(grant.tenant()).delete_webhook(params.webhook).await;
        deleted.map_err(refused(NEEDED))?;
        Ok(Done::OK)
    }

    async fn webhook_here(&self, tenant: &Tenant, webhook: WebhookId) -> Result<(), CallError> {
        let foreign = || CallError::validation("webhook_id", "the id of a webhook of this server");
        let home = match self.webhooks.get(&webhook) {
            Some(home) => Some(home),
            None => match self.rest.for_tenant(tenant).webhook_home(webhook).await {
                Ok((home, _)) => home,
                // Nobody's, or of a server where the bot may not ask: in either case not this one's,
                // unless the bot may not ask here.
                Err(DiscordError::Refused { status: 403 | 404, .. }) => {
                    self.may(tenant, NEEDED)?;
                    None
                }
                Err(error) => return Err(error.into()),
            },
        };
        let home = home.ok_or_else(foreign)?;
        self.webhooks.insert(webhook, home);
        if home == tenant.guild { Ok(()) } else { Err(foreign()) }
    }
}
