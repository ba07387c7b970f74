//! Messages, reactions and pins.

use bailey_discord::Permission;
use bailey_protocol::capability::{
    DiscordAddReaction, DiscordDeleteMessage, DiscordEditMessage, DiscordSendMessage,
};
use bailey_protocol::method::Done;
use bailey_protocol::method::discord::{
    AddReaction, BulkDeleteMessages, EditMessage, MessageOnly, SendMessage, Sent,
};
use bailey_protocol::{CallError, Grant};

use super::checks::refused;
use super::{Actions, PinGrant};

impl Actions {
    /// `discord.send_message`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a channel of another server, or of none; otherwise what Discord
    /// said.
    pub async fn send(
        &self,
        grant: &Grant<DiscordSendMessage>,
        params: &SendMessage,
    ) -> Result<Sent, CallError> {
        let tenant = grant.tenant();
        let thread = self.channel(tenant, "channel_id", params.channel)?.is_thread();
        let writing = if thread { Permission::SendMessagesInThreads } else { Permission::SendMessages };
        let mut needed = vec![writing];
        if params.parts.embeds.as_ref().is_some_and(|embeds| !embeds.is_empty()) {
            needed.push(Permission::EmbedLinks);
        }
        if !params.files.is_empty() {
            needed.push(Permission::AttachFiles);
        }
        self.channel_with(tenant, params.channel, &needed)?;
        let asker = self.rest.for_tenant(tenant);
        asker.create_message(params.channel, &params.parts, &params.files).await.map_err(refused(writing))
    }

    /// `discord.edit_message`: only the bot's own.
    ///
    /// # Errors
    /// As [`Actions::send`].
    pub async fn edit(
        &self,
        grant: &Grant<DiscordEditMessage>,
        params: &EditMessage,
    ) -> Result<Sent, CallError> {
        self.channel_with(grant.tenant(), params.channel, &[])?;
        let asker = self.rest.for_tenant(grant.tenant());
        let edited = asker.edit_message(params.channel, params.message, &params.parts).await;
        edited.map_err(refused(Permission::ViewChannel))
    }

    /// `discord.delete_message`. Whether somebody else wrote it, and so a permission is needed, only
    /// Discord knows.
    ///
    /// # Errors
    /// As [`Actions::send`].
    pub async fn delete(
        &self,
        grant: &Grant<DiscordDeleteMessage>,
        params: &MessageOnly,
    ) -> Result<Done, CallError> {
        self.channel_with(grant.tenant(), params.channel, &[])?;
        let asker = self.rest.for_tenant(grant.tenant());
        let deleted = asker.delete_message(params.channel, params.message).await;
        deleted.map_err(refused(Permission::ManageMessages))?;
        Ok(Done::OK)
    }

    /// `discord.bulk_delete_messages`.
    ///
    /// # Errors
    /// As [`Actions::send`].
    pub async fn delete_many(
        &self,
        grant: &Grant<DiscordDeleteMessage>,
        params: &BulkDeleteMessages,
    ) -> Result<Done, CallError> {
        let needed = Permission::ManageMessages;
        self.channel_with(grant.tenant(), params.channel, &[needed])?;
        let asker = self.rest.for_tenant(grant.tenant());
        asker.delete_messages(params.channel, &params.messages).await.map_err(refused(needed))?;
        Ok(Done::OK)
    }

    /// `discord.add_reaction`. Joining a reaction that is there needs less than adding the first, so
    /// the right to add is left for Discord to refuse.
    ///
    /// # Errors
    /// As [`Actions::send`].
    pub async fn react(
        &self,
        grant: &Grant<DiscordAddReaction>,
        params: &AddReaction,
    ) -> Result<Done, CallError> {
        self.channel_with(grant.tenant(), params.channel, &[Permission::ReadMessageHistory])?;
        let asker = self.rest.for_tenant(grant.tenant());
        let added = asker.add_reaction(params.channel, params.message, &params.emoji).await;
        added.map_err(refused(Permission::AddReactions))?;
        Ok(Done::OK)
    }

    /// `discord.pin_message` and `discord.unpin_message`.
    ///
    /// # Errors
    /// As [`Actions::send`].
    pub async fn set_pinned(
        &self,
        grant: &PinGrant,
        params: &MessageOnly,
        pinned: bool,
    ) -> Result<Done, CallError> {
        let needed = Permission::PinMessages;
        self.channel_with(grant.tenant(), params.channel, &[needed])?;
        let asker = self.rest.for_tenant(grant.tenant());
        asker.set_pinned(params.channel, params.message, pinned).await.map_err(refused(needed))?;
        Ok(Done::OK)
    }
}
