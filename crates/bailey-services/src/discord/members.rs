//! Members: timeouts, nicknames, kicks, bans and roles; one at a time or many in turn.

use std::time::Duration;

use bailey_discord::{DiscordError, Permission};
use bailey_protocol::capability::{
    DiscordBanMembers, DiscordKickMembers, DiscordManageRoles, DiscordModerateMembers,
};
use bailey_protocol::method::Done;
use bailey_protocol::method::discord::{
    BanMember, BulkMembers, BulkResult, BulkRole, BulkTimeout, ChangeRole, KickMember, SetNickname,
    TimeoutMember, UnbanMember,
};
use bailey_protocol::{CallError, Grant, RoleId, Tenant, UserId};

use super::Actions;
use super::checks::{lacks, refused};

impl Actions {
    /// `discord.timeout_member`.
    ///
    /// # Errors
    /// [`CallError::Validation`] for somebody who is no member; a missing permission or rank; otherwise
    /// what Discord said.
    pub async fn timeout(
        &self,
        grant: &Grant<DiscordModerateMembers>,
        params: &TimeoutMember,
    ) -> Result<Done, CallError> {
        self.may(grant.tenant(), Permission::ModerateMembers)?;
        self.timeout_one(grant.tenant(), params.user, params.seconds, &params.reason).await?;
        Ok(Done::OK)
    }

    async fn timeout_one(
        &self,
        tenant: &Tenant,
        user: UserId,
        seconds: u64,
        reason: &str,
    ) -> Result<(), CallError> {
        let needed = Permission::ModerateMembers;
        let member = self.member(tenant, user).await?;
        self.above(tenant, &member, needed)?;
        if self.administrates(tenant, &member) {
            return Err(lacks(needed));
        }
        let until = (seconds > 0).then(|| self.clock.now() + Duration::from_secs(seconds));
        self.rest.for_tenant(tenant).set_timeout(user, until, reason).await.map_err(refused(needed))
    }

    /// `discord.timeout_bulk`.
    ///
    /// # Errors
    /// A missing permission; what happens to each is in the result.
    pub async fn timeout_bulk(
        &self,
        grant: &Grant<DiscordModerateMembers>,
        params: &BulkTimeout,
    ) -> Result<BulkResult, CallError> {
        self.may(grant.tenant(), Permission::ModerateMembers)?;
        let mut result = BulkResult::default();
        for user in &params.members.users {
            let done = self.timeout_one(grant.tenant(), *user, params.seconds, &params.members.reason);
            result.count(*user, done.await);
        }
        Ok(result)
    }

    /// `discord.set_nickname`.
    ///
    /// # Errors
    /// As [`Actions::timeout`].
    pub async fn set_nickname(
        &self,
        grant: &Grant<DiscordModerateMembers>,
        params: &SetNickname,
    ) -> Result<Done, CallError> {
        let tenant = grant.tenant();
        let own = self.directory.own_user() == Some(params.user);
        let needed = if own { Permission::ChangeNickname } else { Permission::ManageNicknames };
        self.may(tenant, needed)?;
        if !own {
            let member = self.member(tenant, params.user).await?;
            self.above(tenant, &member, needed)?;
        }
        let asker = self.rest.for_tenant(tenant);
        let set = asker.set_nickname(params.user, params.nickname.as_deref(), own).await;
        set.map_err(refused(needed))?;
        Ok(Done::OK)
    }

    /// `discord.kick_member`.
    ///
    /// # Errors
    /// As [`Actions::timeout`].
    pub async fn kick(
        &self,
        grant: &Grant<DiscordKickMembers>,
        params: &KickMember,
    ) -> Result<Done, CallError> {
        self.may(grant.tenant(), Permission::KickMembers)?;
        self.kick_one(grant.tenant(), params.user, &params.reason).await?;
        Ok(Done::OK)
    }

    async fn kick_one(&self, tenant: &Tenant, user: UserId, reason: &str) -> Result<(), CallError> {
        let needed = Permission::KickMembers;
        let member = self.member(tenant, user).await?;
        self.above(tenant, &member, needed)?;
        self.rest.for_tenant(tenant).kick(user, reason).await.map_err(refused(needed))
    }

    /// `discord.kick_bulk`.
    ///
    /// # Errors
    /// A missing permission; what happens to each is in the result.
    pub async fn kick_bulk(
        &self,
        grant: &Grant<DiscordKickMembers>,
        params: &BulkMembers,
    ) -> Result<BulkResult, CallError> {
        self.may(grant.tenant(), Permission::KickMembers)?;
        let mut result = BulkResult::default();
        for user in &params.users {
            result.count(*user, self.kick_one(grant.tenant(), *user, &params.reason).await);
        }
        Ok(result)
    }

    /// `discord.ban_member`: member or not, but no member above the bot.
    ///
    /// # Errors
    /// As [`Actions::timeout`].
    pub async fn ban(&self, grant: &Grant<DiscordBanMembers>, params: &BanMember) -> Result<Done, CallError> {
        let (tenant, needed) = (grant.tenant(), Permission::BanMembers);
        self.may(tenant, needed)?;
        let asker = self.rest.for_tenant(tenant);
        match asker.member(params.user).await {
            Ok(member) => self.above(tenant, &member, needed)?,
            // Somebody who is not here can be kept from coming.
            Err(DiscordError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(refused(needed)(error)),
        }
        let banned = asker.ban(params.user, params.delete_message_seconds, &params.reason).await;
        banned.map_err(refused(needed))?;
        Ok(Done::OK)
    }

    /// `discord.unban_member`.
    ///
    /// # Errors
    /// A missing permission; otherwise what Discord said, 404 when there is no ban.
    pub async fn unban(
        &self,
        grant: &Grant<DiscordBanMembers>,
        params: &UnbanMember,
    ) -> Result<Done, CallError> {
        let needed = Permission::BanMembers;
        self.may(grant.tenant(), needed)?;
        let unbanned = self.rest.for_tenant(grant.tenant()).unban(params.user, &params.reason).await;
        unbanned.map_err(refused(needed))?;
        Ok(Done::OK)
    }

    /// `discord.add_role` and `discord.remove_role`.
    ///
    /// # Errors
    /// As [`Actions::timeout`], also for a role of another server or above the bot.
    pub async fn set_role(
        &self,
        grant: &Grant<DiscordManageRoles>,
        params: &ChangeRole,
        held: bool,
    ) -> Result<Done, CallError> {
        self.may(grant.tenant(), Permission::ManageRoles)?;
        self.role_below(grant.tenant(), params.role)?;
        self.set_role_of_one(grant.tenant(), params.user, params.role, held, &params.reason).await?;
        Ok(Done::OK)
    }

    /// Whether the bot stands above the member does not matter here: only the role does.
    async fn set_role_of_one(
        &self,
        tenant: &Tenant,
        user: UserId,
        role: RoleId,
        held: bool,
        reason: &str,
    ) -> Result<(), CallError> {
        self.member(tenant, user).await?;
        let set = self.rest.for_tenant(tenant).set_role(user, role, held, reason).await;
        set.map_err(refused(Permission::ManageRoles))
    }

    /// `discord.add_role_bulk` and `discord.remove_role_bulk`.
    ///
    /// # Errors
    /// A missing permission or a role of another server; what happens to each is in the result.
    pub async fn set_role_bulk(
        &self,
        grant: &Grant<DiscordManageRoles>,
        params: &BulkRole,
        held: bool,
    ) -> Result<BulkResult, CallError> {
        let tenant = grant.tenant();
        self.may(tenant, Permission::ManageRoles)?;
        self.role_below(tenant, params.role)?;
        let mut result = BulkResult::default();
        for user in &params.members.users {
            let done = self.set_role_of_one(tenant, *user, params.role, held, &params.members.reason);
            result.count(*user, done.await);
        }
        Ok(result)
    }
}
