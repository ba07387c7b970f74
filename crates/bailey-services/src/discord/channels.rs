//! Channels, what they allow whom, and threads.

use bailey_discord::Permission;
use bailey_protocol::capability::DiscordManageChannels;
use bailey_protocol::method::Done;
use bailey_protocol::method::discord::{
    ChannelChanged, ChannelOnly, CreateChannel, CreateThread, DeleteChannelPermission, EditChannel,
    EditThread, OverwriteTarget, SetChannelPermissions, ThreadCreated,
};
use bailey_protocol::{CallError, Grant};

use super::Actions;
use super::checks::{need, refused};

type Managing = Grant<DiscordManageChannels>;

/// What managing a channel takes, or a thread.
fn managing(thread: bool) -> Permission {
    if thread { Permission::ManageThreads } else { Permission::ManageChannels }
}

impl Actions {
    /// `discord.create_channel`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a category of another server; a missing permission; otherwise
    /// what Discord said.
    pub async fn create_channel(
        &self,
        grant: &Managing,
        params: &CreateChannel,
    ) -> Result<ChannelChanged, CallError> {
        let tenant = grant.tenant();
        if let Some(category) = params.category {
            self.channel(tenant, "category_id", category)?;
        }
        self.may(tenant, Permission::ManageChannels)?;
        let made = self.rest.for_tenant(tenant).create_channel(params).await;
        Ok(made.map_err(refused(Permission::ManageChannels))?.into())
    }

    /// `discord.edit_channel`.
    ///
    /// # Errors
    /// As [`Actions::create_channel`].
    pub async fn edit_channel(
        &self,
        grant: &Managing,
        params: &EditChannel,
    ) -> Result<ChannelChanged, CallError> {
        let needed = managing(self.channel(grant.tenant(), "channel_id", params.channel)?.is_thread());
        self.channel_with(grant.tenant(), params.channel, &[needed])?;
        let edited = self.rest.for_tenant(grant.tenant()).edit_channel(params).await;
        Ok(edited.map_err(refused(needed))?.into())
    }

    /// `discord.delete_channel`.
    ///
    /// # Errors
    /// As [`Actions::create_channel`].
    pub async fn delete_channel(&self, grant: &Managing, params: &ChannelOnly) -> Result<Done, CallError> {
        let needed = managing(self.channel(grant.tenant(), "channel_id", params.channel)?.is_thread());
        self.channel_with(grant.tenant(), params.channel, &[needed])?;
        let deleted = self.rest.for_tenant(grant.tenant()).delete_channel(params.channel).await;
        deleted.map_err(refused(needed))?;
        Ok(Done::OK)
    }

    /// `discord.set_channel_permissions`. The bot cannot deal in permissions it does not hold itself.
    ///
    /// # Errors
    /// As [`Actions::create_channel`], also for a role or member of another server.
    pub async fn set_channel_permissions(
        &self,
        grant: &Managing,
        params: &SetChannelPermissions,
    ) -> Result<Done, CallError> {
        let (tenant, needed) = (grant.tenant(), Permission::ManageRoles);
        self.channel_with(tenant, params.channel, &[needed])?;
        let held = self.directory.own_permissions_in(params.channel, self.clock.now());
        let dealt = params.allow | params.deny;
        let dealt: Vec<_> = Permission::ALL.iter().copied().filter(|one| dealt & one.bit() != 0).collect();
        need(held, &dealt)?;
        match params.target {
            OverwriteTarget::Role(role) if self.directory.role(tenant.guild, role).is_none() => {
                return Err(CallError::validation("target_id", "the id of a role of this server"));
            }
            OverwriteTarget::Role(_) => {}
            OverwriteTarget::Member(user) => drop(self.member(tenant, user).await?),
        }
        let set = self.rest.for_tenant(tenant).set_channel_permissions(params).await;
        set.map_err(refused(needed))?;
        Ok(Done::OK)
    }

    /// `discord.delete_channel_permission`.
    ///
    /// # Errors
    /// As [`Actions::create_channel`].
    pub async fn delete_channel_permission(
        &self,
        grant: &Managing,
        params: &DeleteChannelPermission,
    ) -> Result<Done, CallError> {
        let needed = Permission::ManageRoles;
        self.channel_with(grant.tenant(), params.channel, &[needed])?;
        let asker = self.rest.for_tenant(grant.tenant());
        let deleted = asker.delete_channel_permission(params.channel, params.target).await;
        deleted.map_err(refused(needed))?;
        Ok(Done::OK)
    }

    /// `discord.create_thread`.
    ///
    /// # Errors
    /// As [`Actions::create_channel`].
    pub async fn create_thread(
        &self,
        grant: &Managing,
        params: &CreateThread,
    ) -> Result<ThreadCreated, CallError> {
        let needed = match params.private {
            true => Permission::CreatePrivateThreads,
            false => Permission::CreatePublicThreads,
        };
        self.channel_with(grant.tenant(), params.channel, &[needed])?;
        let made = self.rest.for_tenant(grant.tenant()).create_thread(params).await;
        Ok(ThreadCreated { thread: made.map_err(refused(needed))? })
    }

    /// `discord.edit_thread`. Whether the bot began it, and so may rename and archive it, only Discord
    /// knows.
    ///
    /// # Errors
    /// As [`Actions::create_channel`].
    pub async fn edit_thread(&self, grant: &Managing, params: &EditThread) -> Result<Done, CallError> {
        if !self.channel(grant.tenant(), "thread_id", params.thread)?.is_thread() {
            return Err(CallError::validation("thread_id", "the id of a thread of this server"));
        }
        let edited = self.rest.for_tenant(grant.tenant()).edit_thread(params).await;
        edited.map_err(refused(Permission::ManageThreads))?;
        Ok(Done::OK)
    }
}
