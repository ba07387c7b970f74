//! What happens to a server and in its voice channels, from the simulated Discord to the words plugins know.

use bailey_discord::{GatewayState, GatewayStatus};
use bailey_protocol::{Event, EventKind, MessageId, Tenant};
use bailey_sim::{Administer, Change, InVoice, Membership, Say};
use serde_json::{Value, json};

use crate::support::{Rig, channel, general, reached};

/// The event's payload without what every payload has.
fn told(event: &Event) -> Value {
    let mut payload = (*event.payload).clone();
    payload.remove("guild_id").unwrap();
    if payload["type"] == event.kind.as_str() {
        payload.remove("type");
    }
    Value::Object(payload)
}

impl Rig {
    fn change(&self, change: Change) {
        self.control.administer(&Administer { guild: None, change }).unwrap();
    }

    fn in_voice(&self, person: &str, channel: Option<&str>, stream: bool) {
        let person = Some(person.to_owned());
        let in_voice = InVoice { person, channel: channel.map(str::to_owned), stream, ..InVoice::default() };
        self.control.voice(&in_voice).unwrap();
    }
}

#[tokio::test]
async fn channels_come_change_and_go() {
    let mut rig = Rig::start().await;
    rig.change(Change::MakeChannel { name: "news".to_owned(), kind: None });
    let made = rig.next(EventKind::ChannelCreate).await;
    let id = made.payload["id"].clone();
    let expected =
        json!({"channel_id": id, "id": id, "name": "news", "type": 0, "category_id": null, "position": 3});
    assert_eq!(told(&made), expected);
    assert_eq!(made.payload["guild_id"], rig.guild().to_string());
    rig.change(Change::RenameChannel { name: "news".to_owned(), to: "olds".to_owned() });
    let renamed = rig.next(EventKind::ChannelUpdate).await;
    assert_eq!((&renamed.payload["name"], &renamed.payload["before_name"]), (&json!("olds"), &json!("news")));
    rig.change(Change::DeleteChannel { name: "olds".to_owned() });
    let gone = rig.next(EventKind::ChannelDelete).await;
    assert_eq!((&gone.payload["name"], &gone.payload["channel_id"]), (&json!("olds"), &id));
}

#[tokio::test]
async fn roles_come_change_and_go() {
    let mut rig = Rig::start().await;
    rig.change(Change::MakeRole { name: "VIP".to_owned() });
    let made = rig.next(EventKind::RoleCreate).await;
    let (id, permissions) = (made.payload["id"].clone(), made.payload["permissions"].clone());
    assert!(permissions.as_str().unwrap().parse::<u64>().unwrap() > 0);
    let expected = |name: &str| {
        json!({"role_id": id, "id": id, "name": name, "color": 0, "position": 1, "permissions": permissions,
               "managed": false, "mentionable": false})
    };
    assert_eq!(told(&made), expected("VIP"));
    rig.change(Change::RenameRole { name: "VIP".to_owned(), to: "Guests".to_owned() });
    let mut renamed = told(&rig.next(EventKind::RoleUpdate).await);
    assert_eq!(renamed.as_object_mut().unwrap().remove("before_name"), Some(json!("VIP")));
    assert_eq!(renamed, expected("Guests"));
    // Discord says only which; the rest was known.
    rig.change(Change::DeleteRole { name: "Guests".to_owned() });
    assert_eq!(told(&rig.next(EventKind::RoleDelete).await), expected("Guests"));
}

#[tokio::test]
async fn people_come_into_voice_move_and_go() {
    let mut rig = Rig::start().await;
    rig.change(Change::MakeChannel { name: "Stage".to_owned(), kind: Some("voice".to_owned()) });
    let stage = rig.next(EventKind::ChannelCreate).await.payload["id"].clone();
    let lounge = json!(channel("Lounge").to_string());
    rig.in_voice("bob", Some("Lounge"), false);
    let came = rig.next(EventKind::VoiceStateUpdate).await;
    let bob = came.payload["user_id"].clone();
    let expected = json!({
        "user_id": bob, "username": "bob", "bot": false, "member_bot": false,
        "before_channel_id": null, "before_channel_name": null,
        "after_channel_id": lounge, "after_channel_name": "Lounge", "channel_id": lounge,
        "before_self_stream": false, "after_self_stream": false,
        "self_mute": false, "self_deaf": false, "self_stream": false, "self_video": false,
    });
    assert_eq!(told(&came), expected);
    rig.in_voice("bob", Some("Stage"), true);
    let moved = rig.next(EventKind::VoiceStateUpdate).await.payload;
    assert_eq!(
        (&moved["before_channel_name"], &moved["after_channel_name"]),
        (&json!("Lounge"), &json!("Stage"))
    );
    assert_eq!((&moved["before_self_stream"], &moved["after_self_stream"]), (&json!(false), &json!(true)));
    rig.in_voice("bob", None, false);
    let left = rig.next(EventKind::VoiceStateUpdate).await.payload;
    assert_eq!((&left["before_channel_id"], &left["before_self_stream"]), (&stage, &json!(true)));
    assert_eq!((&left["after_channel_id"], &left["channel_id"]), (&Value::Null, &Value::Null));
}

/// Whoever was in voice before the bot came is known to be there.
#[tokio::test]
async fn who_was_in_voice_already_is_known() {
    let mut rig = Rig::start().await;
    rig.in_voice("carol", Some("Lounge"), false);
    rig.next(EventKind::VoiceStateUpdate).await;
    rig.control.invalidate_session(false);
    let again = |status: &GatewayStatus| status.state == GatewayState::Ready;
    reached(&mut rig.status, |status| !again(status)).await;
    reached(&mut rig.status, again).await;
    rig.in_voice("carol", None, false);
    let left = rig.next(EventKind::VoiceStateUpdate).await.payload;
    assert_eq!(left["before_channel_name"], "Lounge");
}

#[tokio::test]
async fn members_are_told_with_what_they_were() {
    let mut rig = Rig::start().await;
    let give = |to: &str| Change::GiveRole { name: "Moderator".to_owned(), to: to.to_owned() };
    // Nothing was heard of carol so far: she is told as she is, rather than as somebody without roles before.
    rig.change(give("carol"));
    let first = rig.next(EventKind::MemberUpdate).await.payload;
    assert_eq!((&first["before_known"], &first["before_roles"]), (&json!(false), &first["roles"]));
    assert_eq!(first["roles"].as_array().unwrap().len(), 1);
    rig.change(Change::Nickname { of: "carol".to_owned(), to: Some("Caro".to_owned()) });
    let named = rig.next(EventKind::MemberUpdate).await.payload;
    assert_eq!(
        (&named["before_nick"], &named["nick"], &named["before_known"]),
        (&Value::Null, &json!("Caro"), &json!(true))
    );
    assert_eq!(named["before_roles"], named["roles"]);
    rig.change(Change::TakeRole { name: "Moderator".to_owned(), from: "carol".to_owned() });
    let taken = rig.next(EventKind::MemberUpdate).await.payload;
    assert_eq!((&taken["before_roles"], &taken["roles"]), (&first["roles"], &json!([])));
    rig.change(give("carol"));
    rig.next(EventKind::MemberUpdate).await;
    rig.control.leave(&Membership { name: "carol".to_owned(), guild: None }).unwrap();
    let left = rig.next(EventKind::MemberLeave).await.payload;
    assert_eq!(
        (&left["roles"], &left["nick"], &left["member_count"]),
        (&first["roles"], &json!("Caro"), &json!(3))
    );
}

#[tokio::test]
async fn deleted_messages_are_told_with_what_they_said() {
    let mut rig = Rig::start().await;
    let say = |content: &str| Say { content: content.to_owned(), ..Say::default() };
    let said = rig.control.say(say("remember me")).unwrap().message_id.unwrap();
    let created = rig.next(EventKind::MessageCreate).await;
    let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: rig.guild() };
    let asker = rig.rest.for_tenant(&tenant);
    asker.delete_message(general(), MessageId(said.0)).await.unwrap();
    let deleted = rig.next(EventKind::MessageDelete).await.payload;
    for field in
        ["message_id", "channel_id", "channel_name", "content", "author_id", "author_name", "author_bot"]
    {
        assert_eq!(deleted[field], created.payload[field], "{field}");
    }
}
