//! What each `discord.*` method means: which capability it takes, how its parameters are read, and who
//! carries it out.

use bailey_protocol::capability::{
    DiscordAddReaction, DiscordBanMembers, DiscordDeleteMessage, DiscordEditMessage, DiscordKickMembers,
    DiscordManageChannels, DiscordManageRoles, DiscordManageWebhooks, DiscordModerateMembers, DiscordRead,
    DiscordSendMessage,
};
use bailey_protocol::method::discord as params;
use bailey_protocol::{CallError, Grants, Method, Params};
use bailey_services::Actions;
use bailey_services::discord::PinGrant;

use super::{Answer, to_raw};

/// The grant first, then the parameters: whoever may not call learns no rules.
pub(super) async fn carry_out(actions: &Actions, grants: &Grants, method: Method, given: &Params) -> Answer {
    let reading = || grants.require::<DiscordRead>();
    let deleting = || grants.require::<DiscordDeleteMessage>();
    let channels = || grants.require::<DiscordManageChannels>();
    let moderating = || grants.require::<DiscordModerateMembers>();
    let kicking = || grants.require::<DiscordKickMembers>();
    let banning = || grants.require::<DiscordBanMembers>();
    let roles = || grants.require::<DiscordManageRoles>();
    let webhooks = || grants.require::<DiscordManageWebhooks>();
    macro_rules! call {
        ($grant:expr, $service:ident, $params:ident $(, $more:expr)?) => {{
            let grant = $grant?;
            to_raw(&actions.$service(&grant, &params::$params::parse(given)? $(, $more)?).await?)
        }};
        ($grant:expr, $service:ident) => {{
            let grant = $grant?;
            to_raw(&actions.$service(&grant).await?)
        }};
    }
    match method {
        Method::DiscordSendMessage => call!(grants.require::<DiscordSendMessage>(), send, SendMessage),
        Method::DiscordEditMessage => call!(grants.require::<DiscordEditMessage>(), edit, EditMessage),
        Method::DiscordDeleteMessage => call!(deleting(), delete, MessageOnly),
        Method::DiscordBulkDeleteMessages => call!(deleting(), delete_many, BulkDeleteMessages),
        Method::DiscordAddReaction => call!(grants.require::<DiscordAddReaction>(), react, AddReaction),
        Method::DiscordPinMessage => call!(pinning(grants), set_pinned, MessageOnly, true),
        Method::DiscordUnpinMessage => call!(pinning(grants), set_pinned, MessageOnly, false),
        Method::DiscordGetMember => call!(reading(), get_member, GetMember),
        Method::DiscordListMembers => call!(reading(), list_members, ListMembers),
        Method::DiscordSearchMembers => call!(reading(), search_members, SearchMembers),
        Method::DiscordListRoles => call!(reading(), list_roles),
        Method::DiscordGetChannel => call!(reading(), get_channel, ChannelOnly),
        Method::DiscordListChannels => call!(reading(), list_channels),
        Method::DiscordGetGuild => call!(reading(), get_guild),
        Method::DiscordGetMessages => call!(reading(), get_messages, GetMessages),
        Method::DiscordCreateChannel => call!(channels(), create_channel, CreateChannel),
        Method::DiscordEditChannel => call!(channels(), edit_channel, EditChannel),
        Method::DiscordDeleteChannel => call!(channels(), delete_channel, ChannelOnly),
        Method::DiscordSetChannelPermissions => {
            call!(channels(), set_channel_permissions, SetChannelPermissions)
        }
        Method::DiscordDeleteChannelPermission => {
            call!(channels(), delete_channel_permission, DeleteChannelPermission)
        }
        Method::DiscordCreateThread => call!(channels(), create_thread, CreateThread),
        Method::DiscordEditThread => call!(channels(), edit_thread, EditThread),
        Method::DiscordTimeoutMember => call!(moderating(), timeout, TimeoutMember),
        Method::DiscordTimeoutBulk => call!(moderating(), timeout_bulk, BulkTimeout),
        Method::DiscordSetNickname => call!(moderating(), set_nickname, SetNickname),
        Method::DiscordKickMember => call!(kicking(), kick, KickMember),
        Method::DiscordKickBulk => call!(kicking(), kick_bulk, BulkMembers),
        Method::DiscordBanMember => call!(banning(), ban, BanMember),
        Method::DiscordUnbanMember => call!(banning(), unban, UnbanMember),
        Method::DiscordAddRole => call!(roles(), set_role, ChangeRole, true),
        Method::DiscordRemoveRole => call!(roles(), set_role, ChangeRole, false),
        Method::DiscordAddRoleBulk => call!(roles(), set_role_bulk, BulkRole, true),
        Method::DiscordRemoveRoleBulk => call!(roles(), set_role_bulk, BulkRole, false),
        Method::DiscordCreateWebhook => call!(webhooks(), create_webhook, CreateWebhook),
        Method::DiscordExecuteWebhook => call!(webhooks(), execute_webhook, ExecuteWebhook),
        Method::DiscordDeleteWebhook => call!(webhooks(), delete_webhook, DeleteWebhook),
        other => Err(CallError::UnknownMethod(other.to_string())),
    }
}

/// Either capability allows pinning; without both, the one the SDKs name is asked for.
fn pinning(grants: &Grants) -> Result<PinGrant, CallError> {
    let denied = match grants.require::<DiscordSendMessage>() {
        Ok(grant) => return Ok(PinGrant::Send(grant)),
        Err(denied) => denied,
    };
    grants.require::<DiscordEditMessage>().map(PinGrant::Edit).map_err(|_| denied)
}
