//! What is looked at before anything is written: whether it belongs to the server, whether the bot may,
//! and whether its rank is high enough. What is not known here, Discord decides.

use bailey_discord::{Channel, DiscordError, Permission, Permissions};
use bailey_protocol::method::discord::Member;
use bailey_protocol::{CallError, ChannelId, RoleId, Tenant, UserId};

use super::Actions;

/// Discord's code for a permission or rank that is not enough.
const MISSING_PERMISSIONS: u64 = 50013;
/// Discord's code for what the bot cannot see.
const MISSING_ACCESS: u64 = 50001;
/// Discord's codes for somebody who is no member, or nobody.
const NO_MEMBER: [u64; 2] = [10007, 10013];

/// The bot lacks this permission.
pub(super) fn lacks(permission: Permission) -> CallError {
    CallError::BotMissingPermission { permission: permission.as_str().to_owned() }
}

/// What Discord said, where lacking a permission means this one.
pub(super) fn refused(permission: Permission) -> impl Fn(DiscordError) -> CallError {
    move |error| match error {
        DiscordError::Refused { status: 403, code: MISSING_PERMISSIONS, .. } => lacks(permission),
        DiscordError::Refused { status: 403, code: MISSING_ACCESS, .. } => lacks(Permission::ViewChannel),
        other => other.into(),
    }
}

/// The first of these that is not held. Nothing is missing while nothing is known.
pub(super) fn need(held: Option<Permissions>, permissions: &[Permission]) -> Result<(), CallError> {
    let Some(held) = held else { return Ok(()) };
    match permissions.iter().find(|permission| !held.contains(**permission)) {
        Some(missing) => Err(lacks(*missing)),
        None => Ok(()),
    }
}

impl Actions {
    /// A channel or thread of the tenant's server. One of another server does not exist.
    pub(super) fn channel(
        &self,
        tenant: &Tenant,
        field: &str,
        channel: ChannelId,
    ) -> Result<Channel, CallError> {
        self.directory
            .channel(channel)
            .filter(|known| known.guild == tenant.guild)
            .ok_or_else(|| CallError::validation(field, "the id of a channel of this server"))
    }

    /// As [`Actions::channel`], and the bot holds these permissions there.
    pub(super) fn channel_with(
        &self,
        tenant: &Tenant,
        channel: ChannelId,
        permissions: &[Permission],
    ) -> Result<Channel, CallError> {
        let known = self.channel(tenant, "channel_id", channel)?;
        need(self.directory.own_permissions_in(channel, self.clock.now()), &[Permission::ViewChannel])?;
        need(self.directory.own_permissions_in(channel, self.clock.now()), permissions)?;
        Ok(known)
    }

    /// The bot holds this server-wide.
    pub(super) fn may(&self, tenant: &Tenant, permission: Permission) -> Result<(), CallError> {
        need(self.directory.own_permissions(tenant.guild, self.clock.now()), &[permission])
    }

    /// A role of the tenant's server that can be given and taken, below the bot's highest.
    pub(super) fn role_below(&self, tenant: &Tenant, role: RoleId) -> Result<(), CallError> {
        let known = self.directory.role(tenant.guild, role);
        let known = known.filter(|_| role.0 != tenant.guild.0);
        let Some(known) = known else {
            return Err(CallError::validation("role_id", "the id of a role of this server"));
        };
        if known.managed {
            let rule = "a role that no integration owns";
            return Err(CallError::validation("role_id", rule));
        }
        match self.directory.outranks(tenant.guild, &[role]) {
            Some(false) => Err(lacks(Permission::ManageRoles)),
            _ => Ok(()),
        }
    }

    /// A member of the tenant's server.
    pub(super) async fn member(&self, tenant: &Tenant, user: UserId) -> Result<Member, CallError> {
        self.rest.for_tenant(tenant).member(user).await.map_err(|error| match error {
            DiscordError::Refused { status: 404, code, .. } if NO_MEMBER.contains(&code) => {
                CallError::validation("user_id", "the id of a member of this server")
            }
            other => refused(Permission::ViewChannel)(other),
        })
    }

    /// The bot stands above a member: never above the owner, and not above whoever has a role as high
    /// as its own.
    pub(super) fn above(
        &self,
        tenant: &Tenant,
        member: &Member,
        permission: Permission,
    ) -> Result<(), CallError> {
        let owner = self.directory.owner(tenant.guild) == Some(member.user_id);
        if owner || self.directory.outranks(tenant.guild, &member.roles) == Some(false) {
            return Err(lacks(permission));
        }
        Ok(())
    }

    /// Whether a member is an administrator, and so cannot be timed out.
    pub(super) fn administrates(&self, tenant: &Tenant, member: &Member) -> bool {
        let bits = self.directory.permissions(tenant.guild, member.user_id, &member.roles);
        Permissions(bits).contains(Permission::Administrator)
    }
}
