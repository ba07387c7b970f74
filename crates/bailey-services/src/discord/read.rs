//! Reading: members, roles, channels, the server, messages.

use bailey_discord::Permission;
use bailey_protocol::capability::DiscordRead;
use bailey_protocol::method::discord::{
    ChannelOnly, ChannelResult, ChannelsResult, GetMember, GetMessages, GuildResult, ListMembers,
    MemberResult, MembersResult, MessagesResult, RolesResult, SearchMembers,
};
use bailey_protocol::{CallError, Grant};

use super::Actions;
use super::checks::refused;

type Reading = Grant<DiscordRead>;

impl Actions {
    /// `discord.get_member`. Somebody who is no member is Discord's 404, by which plugins know.
    ///
    /// # Errors
    /// What Discord said.
    pub async fn get_member(&self, grant: &Reading, params: &GetMember) -> Result<MemberResult, CallError> {
        Ok(MemberResult { member: self.rest.for_tenant(grant.tenant()).member(params.user).await? })
    }

    /// `discord.list_members`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a role of another server; otherwise what Discord said.
    pub async fn list_members(
        &self,
        grant: &Reading,
        params: &ListMembers,
    ) -> Result<MembersResult, CallError> {
        let tenant = grant.tenant();
        if params.role.is_some_and(|role| self.directory.role(tenant.guild, role).is_none()) {
            return Err(CallError::validation("role_id", "the id of a role of this server"));
        }
        Ok(MembersResult { members: self.rest.for_tenant(tenant).members(params).await? })
    }

    /// `discord.search_members`.
    ///
    /// # Errors
    /// What Discord said.
    pub async fn search_members(
        &self,
        grant: &Reading,
        params: &SearchMembers,
    ) -> Result<MembersResult, CallError> {
        let asker = self.rest.for_tenant(grant.tenant());
        Ok(MembersResult { members: asker.search_members(&params.query, params.limit).await? })
    }

    /// `discord.list_roles`.
    ///
    /// # Errors
    /// What Discord said.
    pub async fn list_roles(&self, grant: &Reading) -> Result<RolesResult, CallError> {
        Ok(RolesResult { roles: self.rest.for_tenant(grant.tenant()).roles().await? })
    }

    /// `discord.get_channel`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a channel of another server; otherwise what Discord said.
    pub async fn get_channel(
        &self,
        grant: &Reading,
        params: &ChannelOnly,
    ) -> Result<ChannelResult, CallError> {
        self.channel_with(grant.tenant(), params.channel, &[])?;
        let found = self.rest.for_tenant(grant.tenant()).channel(params.channel).await;
        let channel = found.map_err(refused(Permission::ViewChannel))?;
        let foreign = || CallError::validation("channel_id", "the id of a channel of this server");
        Ok(ChannelResult { channel: channel.ok_or_else(foreign)? })
    }

    /// `discord.list_channels`.
    ///
    /// # Errors
    /// What Discord said.
    pub async fn list_channels(&self, grant: &Reading) -> Result<ChannelsResult, CallError> {
        Ok(ChannelsResult { channels: self.rest.for_tenant(grant.tenant()).channels().await? })
    }

    /// `discord.get_guild`.
    ///
    /// # Errors
    /// What Discord said.
    pub async fn get_guild(&self, grant: &Reading) -> Result<GuildResult, CallError> {
        Ok(GuildResult { guild: self.rest.for_tenant(grant.tenant()).this_guild().await? })
    }

    /// `discord.get_messages`.
    ///
    /// # Errors
    /// As [`Actions::get_channel`].
    pub async fn get_messages(
        &self,
        grant: &Reading,
        params: &GetMessages,
    ) -> Result<MessagesResult, CallError> {
        let needed = Permission::ReadMessageHistory;
        self.channel_with(grant.tenant(), params.channel, &[needed])?;
        let messages = self.rest.for_tenant(grant.tenant()).messages(params).await;
        Ok(MessagesResult { messages: messages.map_err(refused(needed))? })
    }
}
