//! Which request each change of a server makes, as the simulated Discord logs it. What comes of it is
//! the services' tests' business.

use bailey_discord::{Asker, DiscordError};
use bailey_protocol::method::discord::{
    CreateChannel, CreateThread, CreateWebhook, DeleteWebhook, EditChannel, EditThread, Emoji,
    SetChannelPermissions,
};
use bailey_protocol::{ChannelId, GuildId, MessageId, Params, RoleId, Tenant, UserId};
use serde_json::{Value, json};

use crate::support::sender;

const CHANNEL: ChannelId = ChannelId(11);
const MESSAGE: MessageId = MessageId(12);
const USER: UserId = UserId(13);
const ROLE: RoleId = RoleId(14);

fn params(value: &Value) -> Params {
    Params::parse(Some(&serde_json::value::to_raw_value(value).unwrap())).unwrap()
}

/// Whatever the simulated Discord says to ids it does not know, it was asked.
fn answered<T>(outcome: Result<T, DiscordError>) {
    if let Err(error) = outcome {
        assert!(matches!(error, DiscordError::Refused { .. }), "{error:?}");
    }
}

async fn ask_everything(discord: Asker<'_>) {
    let all = params(&json!({
        "channel_id": 11, "thread_id": 11, "target_id": 14, "name": "x", "archived": true, "webhook_id": 15,
    }));
    answered(discord.add_reaction(CHANNEL, MESSAGE, &"<:wave:77>".parse::<Emoji>().unwrap()).await);
    answered(discord.set_pinned(CHANNEL, MESSAGE, true).await);
    answered(discord.set_pinned(CHANNEL, MESSAGE, false).await);
    answered(discord.create_channel(&CreateChannel::parse(&all).unwrap()).await);
    answered(discord.edit_channel(&EditChannel::parse(&all).unwrap()).await);
    answered(discord.delete_channel(CHANNEL).await);
    answered(discord.set_channel_permissions(&SetChannelPermissions::parse(&all).unwrap()).await);
    answered(discord.delete_channel_permission(CHANNEL, ROLE.0).await);
    answered(discord.create_thread(&CreateThread::parse(&all).unwrap()).await);
    answered(discord.edit_thread(&EditThread::parse(&all).unwrap()).await);
    answered(discord.set_timeout(USER, None, "").await);
    answered(discord.set_nickname(USER, None, true).await);
    answered(discord.kick(USER, "").await);
    answered(discord.ban(USER, 0, "").await);
    answered(discord.unban(USER, "").await);
    answered(discord.set_role(USER, ROLE, true, "").await);
    answered(discord.set_role(USER, ROLE, false, "").await);
    answered(discord.create_webhook(&CreateWebhook::parse(&all).unwrap()).await);
    let webhook = DeleteWebhook::parse(&all).unwrap().webhook;
    answered(discord.webhook_home(webhook).await);
    answered(discord.delete_webhook(webhook).await);
}

#[tokio::test]
async fn changes_go_the_routes_discord_documents() {
    let (simulator, rest, _) = sender().await;
    let before = simulator.control().requests().len();
    let tenant = Tenant { plugin: "warden".parse().unwrap(), guild: GuildId(10) };
    ask_everything(rest.for_tenant(&tenant)).await;
    let asked = simulator.control().requests();
    let asked = asked[before..].iter().map(|request| format!("{} {}", request.method, request.path));
    let expected = [
        "PUT channels/11/messages/12/reactions/wave%3A77/@me",
        "PUT channels/11/messages/pins/12",
        "DELETE channels/11/messages/pins/12",
        "POST guilds/10/channels",
        "PATCH channels/11",
        "DELETE channels/11",
        "PUT channels/11/permissions/14",
        "DELETE channels/11/permissions/14",
        "POST channels/11/threads",
        "PATCH channels/11",
        "PATCH guilds/10/members/13",
        "PATCH guilds/10/members/@me",
        "DELETE guilds/10/members/13",
        "PUT guilds/10/bans/13",
        "DELETE guilds/10/bans/13",
        "PUT guilds/10/members/13/roles/14",
        "DELETE guilds/10/members/13/roles/14",
        "POST channels/11/webhooks",
        "GET webhooks/15",
        "DELETE webhooks/15",
    ];
    let short: Vec<String> = asked.map(|line| line.replacen('/', "", 1)).collect();
    assert_eq!(short, expected);
}
