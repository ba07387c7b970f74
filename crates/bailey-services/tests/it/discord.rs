//! `discord.*`: what arrives, and what does not leave the server.

use bailey_protocol::capability::{
    DiscordAddReaction, DiscordDeleteMessage, DiscordEditMessage, DiscordKickMembers, DiscordManageChannels,
    DiscordManageWebhooks, DiscordModerateMembers, DiscordRead, DiscordSendMessage,
};
use bailey_protocol::method::discord::{
    AddReaction, BulkDeleteMessages, BulkMembers, ChannelOnly, CreateThread, CreateWebhook,
    DeleteChannelPermission, EditChannel, EditMessage, GetMember, GetMessages, KickMember, ListMembers,
    MessageOnly, SearchMembers, SendMessage, SetChannelPermissions, TimeoutMember,
};
use bailey_protocol::{CallError, Tenant};
use bailey_services::Actions;
use bailey_services::discord::PinGrant;
use bailey_sim::Snowflake;
use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::support::{grant, params};

fn actions(simulated: &Simulated) -> Actions {
    let clock = std::sync::Arc::new(simulated.clock.clone());
    Actions::new(simulated.rest.clone(), simulated.directory.clone(), clock)
}

fn send(value: Value) -> SendMessage {
    SendMessage::parse(&params(value)).unwrap()
}

fn channel(simulated: &Simulated, guild: usize, name: &str) -> u64 {
    let guild = simulated.guilds[guild];
    let world =
        bailey_sim::World::default_world().guild("Elsewhere", "bob", |guild| guild.text_channel("far"));
    let guild = world.guilds.iter().find(|found| found.id.0 == guild.0).unwrap();
    guild.channels.iter().find(|channel| channel.name == name).unwrap().id.0
}

#[tokio::test]
async fn a_message_arrives_with_all_its_parts_and_pings_nobody() {
    let simulated = Simulated::start().await;
    let messages = actions(&simulated);
    let general = channel(&simulated, 0, "general");
    let whole = send(json!({
        "channel_id": general.to_string(),
        "content": "hello @everyone",
        "embeds": [{"title": "news"}],
        "components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}],
        "files": [{"filename": "a.txt", "data_b64": "aGk="}]
    }));
    let sent = messages.send(&grant::<DiscordSendMessage>(&simulated.tenant("demo")), &whole).await.unwrap();
    let shown = simulated.control.messages(Snowflake(general)).pop().unwrap();
    assert_eq!((shown.id.0, sent.channel_id.0), (sent.message_id.0, general));
    assert_eq!(
        (shown.content.as_str(), shown.embeds.len(), shown.components.len()),
        ("hello @everyone", 1, 1)
    );
    assert_eq!((shown.files[0].name.as_str(), shown.files[0].size), ("a.txt", 2));
    assert_eq!(shown.allowed_mentions, Some(json!({"parse": []})));
    assert!(shown.pings.is_empty());
}

#[tokio::test]
async fn channels_of_other_servers_do_not_exist() {
    let simulated = Simulated::start().await;
    let messages = actions(&simulated);
    let grant = grant::<DiscordSendMessage>(&simulated.tenant("demo"));
    let far = channel(&simulated, 1, "far");
    for foreign in [far, 12345] {
        let message = send(json!({"channel_id": foreign, "content": "hello"}));
        let refused = messages.send(&grant, &message).await.unwrap_err();
        assert_eq!(refused, CallError::validation("channel_id", "the id of a channel of this server"));
    }
    assert!(simulated.control.messages(Snowflake(far)).is_empty());
}

#[tokio::test]
async fn what_discord_refuses_is_said_in_discords_words() {
    let simulated = Simulated::start().await;
    let messages = actions(&simulated);
    let general = channel(&simulated, 0, "general");
    let broken = send(json!({"channel_id": general, "components": [{"type": 99}]}));
    let grant = grant::<DiscordSendMessage>(&simulated.tenant("demo"));
    let refused = messages.send(&grant, &broken).await.unwrap_err();
    assert!(matches!(refused, CallError::Discord { status: 400, .. }), "{refused:?}");
}

fn person(name: &str) -> u64 {
    let world = bailey_sim::World::default_world();
    world.people.iter().find(|person| person.name == name).unwrap().id.0
}

#[tokio::test]
async fn messages_are_changed_reacted_to_and_deleted() {
    let simulated = Simulated::start().await;
    let (actions, tenant) = (actions(&simulated), simulated.tenant("demo"));
    let general = channel(&simulated, 0, "general");
    let post = async |text: &str| {
        let message = send(json!({"channel_id": general, "content": text}));
        actions.send(&grant::<DiscordSendMessage>(&tenant), &message).await.unwrap().message_id.0
    };
    let shown = |id: u64| {
        simulated.control.messages(Snowflake(general)).into_iter().find(|message| message.id.0 == id)
    };
    let first = post("one").await;
    let edit = json!({"channel_id": general, "message_id": first, "content": "two"});
    let edit = EditMessage::parse(&params(edit)).unwrap();
    let edited = actions.edit(&grant::<DiscordEditMessage>(&tenant), &edit).await.unwrap();
    assert_eq!((edited.message_id.0, shown(first).unwrap().content.as_str()), (first, "two"));

    let react = json!({"channel_id": general.to_string(), "message_id": first.to_string(), "emoji": "👍"});
    let react = AddReaction::parse(&params(react)).unwrap();
    actions.react(&grant::<DiscordAddReaction>(&tenant), &react).await.unwrap();
    let asked = simulated.control.requests();
    assert!(asked.iter().any(|request| request.method == "PUT" && request.path.contains("/reactions/")));

    let (second, third) = (post("three").await, post("four").await);
    let deleting = grant::<DiscordDeleteMessage>(&tenant);
    let one = MessageOnly::parse(&params(json!({"channel_id": general, "message_id": first}))).unwrap();
    actions.delete(&deleting, &one).await.unwrap();
    let many = json!({"channel_id": general, "message_ids": [second, third.to_string()]});
    actions.delete_many(&deleting, &BulkDeleteMessages::parse(&params(many)).unwrap()).await.unwrap();
    assert!(simulated.control.messages(Snowflake(general)).is_empty());
    let again = actions.delete(&deleting, &one).await.unwrap_err();
    assert!(matches!(again, CallError::Discord { status: 404, code: 10008, .. }), "{again:?}");
}

#[tokio::test]
async fn what_is_read_is_flat() {
    let simulated = Simulated::start().await;
    let (actions, tenant) = (actions(&simulated), simulated.tenant("demo"));
    let reading = grant::<DiscordRead>(&tenant);
    let bob = person("bob");
    let member = GetMember::parse(&params(json!({"user_id": bob}))).unwrap();
    let member = serde_json::to_value(actions.get_member(&reading, &member).await.unwrap()).unwrap();
    let member = member["member"].as_object().unwrap();
    let names: Vec<&str> = member.keys().map(String::as_str).collect();
    let mut expected = ["user_id", "username", "display_name", "nick", "avatar", "roles", "joined_at", "bot"];
    let mut names = names;
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!((&member["user_id"], &member["username"]), (&json!(bob.to_string()), &json!("bob")));
    assert_eq!(member["display_name"], json!("Bob"));

    let moderator = member["roles"][0].as_str().unwrap();
    let list = ListMembers::parse(&params(json!({"role_id": moderator}))).unwrap();
    let listed = actions.list_members(&reading, &list).await.unwrap().members;
    assert_eq!(listed.iter().map(|member| member.username.as_str()).collect::<Vec<_>>(), ["bob"]);
    let page = ListMembers::parse(&params(json!({"limit": 2, "after": listed[0].user_id.0 - 1}))).unwrap();
    let page = actions.list_members(&reading, &page).await.unwrap().members;
    assert_eq!(page[0].username, "bob");
    assert!(page.len() <= 2 && page.is_sorted_by_key(|member| member.user_id));
    let search = SearchMembers::parse(&params(json!({"query": "car"}))).unwrap();
    assert_eq!(actions.search_members(&reading, &search).await.unwrap().members[0].username, "carol");

    let roles = actions.list_roles(&reading).await.unwrap().roles;
    assert!(roles.iter().all(|role| role.permissions.parse::<u64>().is_ok()));
    let guild = actions.get_guild(&reading).await.unwrap().guild;
    assert_eq!((guild.name.as_str(), guild.owner_id.0), ("Test Server", person("alice")));
    assert!(guild.member_count >= 3);
    let general = channel(&simulated, 0, "general");
    let one = ChannelOnly::parse(&params(json!({"channel_id": general}))).unwrap();
    assert_eq!(actions.get_channel(&reading, &one).await.unwrap().channel.name, "general");
    let channels = actions.list_channels(&reading).await.unwrap().channels;
    assert!(channels.iter().any(|channel| channel.id.0 == general));

    for text in ["1", "2", "3"] {
        let message = send(json!({"channel_id": general, "content": text, "embeds": [{"title": "x"}]}));
        actions.send(&grant::<DiscordSendMessage>(&tenant), &message).await.unwrap();
    }
    let get = |more: Value| {
        let mut all = json!({"channel_id": general});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        GetMessages::parse(&params(all)).unwrap()
    };
    let newest = actions.get_messages(&reading, &get(json!({"limit": 2}))).await.unwrap().messages;
    let texts = |messages: &[bailey_protocol::method::discord::Message]| {
        messages.iter().map(|message| message.content.clone()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&newest), ["3", "2"]);
    assert_eq!((newest[0].embeds, newest[0].attachments, newest[0].author_bot), (1, 0, true));
    let before = get(json!({"before": newest[1].id}));
    assert_eq!(texts(&actions.get_messages(&reading, &before).await.unwrap().messages), ["1"]);
    let after = get(json!({"after": newest[1].id}));
    assert_eq!(texts(&actions.get_messages(&reading, &after).await.unwrap().messages), ["3"]);
}

/// A call, and what it must be refused with before Discord hears of it.
type Refused = (&'static str, CallError);

async fn calls(actions: &Actions, tenant: &Tenant, channel: u64) -> Vec<Refused> {
    let given = params(json!({
        "channel_id": channel, "thread_id": channel, "message_id": 5, "message_ids": [5, 6], "emoji": "👍",
        "name": "x", "content": "x", "target_id": tenant.guild.0, "topic": "x", "thread_type": 12,
    }));
    let managing = grant::<DiscordManageChannels>(tenant);
    let deleting = grant::<DiscordDeleteMessage>(tenant);
    let reading = grant::<DiscordRead>(tenant);
    let pinning = PinGrant::Send(grant::<DiscordSendMessage>(tenant));
    let webhooks = grant::<DiscordManageWebhooks>(tenant);
    let editing = grant::<DiscordEditMessage>(tenant);
    let reacting = grant::<DiscordAddReaction>(tenant);
    let mut refused = Vec::new();
    macro_rules! collect {
        ($($name:literal: $service:ident($grant:expr, $params:ident $(, $more:expr)?);)*) => {$(
            let asked = $params::parse(&given).unwrap();
            if let Err(error) = actions.$service(&$grant, &asked $(, $more)?).await {
                refused.push(($name, error));
            }
        )*};
    }
    collect! {
        "edit_message": edit(editing, EditMessage);
        "delete_message": delete(deleting, MessageOnly);
        "bulk_delete_messages": delete_many(deleting, BulkDeleteMessages);
        "add_reaction": react(reacting, AddReaction);
        "pin_message": set_pinned(pinning, MessageOnly, true);
        "unpin_message": set_pinned(pinning, MessageOnly, false);
        "get_channel": get_channel(reading, ChannelOnly);
        "get_messages": get_messages(reading, GetMessages);
        "edit_channel": edit_channel(managing, EditChannel);
        "delete_channel": delete_channel(managing, ChannelOnly);
        "set_channel_permissions": set_channel_permissions(managing, SetChannelPermissions);
        "delete_channel_permission": delete_channel_permission(managing, DeleteChannelPermission);
        "create_thread": create_thread(managing, CreateThread);
        "create_webhook": create_webhook(webhooks, CreateWebhook);
    }
    refused
}

#[tokio::test]
async fn no_action_reaches_a_channel_of_another_server() {
    let simulated = Simulated::start().await;
    let (actions, tenant) = (actions(&simulated), simulated.tenant("demo"));
    let asked = simulated.control.requests().len();
    let refused = calls(&actions, &tenant, channel(&simulated, 1, "far")).await;
    assert_eq!(refused.len(), 14);
    let foreign = CallError::validation("channel_id", "the id of a channel of this server");
    for (name, error) in refused {
        assert_eq!(error, foreign, "{name}");
    }
    assert_eq!(simulated.control.requests().len(), asked);
}

#[tokio::test]
async fn rank_and_membership_are_looked_at_before_discord_is_asked() {
    let simulated = Simulated::start().await;
    let (actions, tenant) = (actions(&simulated), simulated.tenant("demo"));
    let lacks = |name: &str| CallError::BotMissingPermission { permission: name.to_owned() };
    // The owner stands above everybody, whatever the bot holds.
    let timeout = json!({"user_id": person("alice"), "duration_seconds": 60});
    let timeout = TimeoutMember::parse(&params(timeout)).unwrap();
    let moderating = grant::<DiscordModerateMembers>(&tenant);
    let error = actions.timeout(&moderating, &timeout).await.unwrap_err();
    assert_eq!(error, lacks("moderate_members"));
    // Nobody of this server.
    let kick = KickMember::parse(&params(json!({"user_id": 424_242}))).unwrap();
    let error = actions.kick(&grant::<DiscordKickMembers>(&tenant), &kick).await.unwrap_err();
    assert_eq!(error, CallError::validation("user_id", "the id of a member of this server"));
    let many = BulkMembers::parse(&params(json!({"user_ids": [person("alice"), 424_242]}))).unwrap();
    let result = actions.kick_bulk(&grant::<DiscordKickMembers>(&tenant), &many).await.unwrap();
    assert_eq!((result.success, result.failed, result.errors.len()), (0, 2, 2));
    assert!(result.errors[0].error.contains("bot lacks kick_members permission"));
}
