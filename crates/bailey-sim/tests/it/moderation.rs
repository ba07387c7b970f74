//! Nicknames, time-outs, roles, kicks and bans: who may do them to whom, and what the audit log tells.

use bailey_sim::{Membership, World, world::permission};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ALL_INTENTS, Sim};

/// alice owns the server, bob holds a role below the bot's, carol is an administrator below it.
fn world() -> World {
    World::empty().person("alice").person("bob").person("carol").guild("Test Server", "alice", |guild| {
        guild
            .text_channel("general")
            .role("Helper", permission::DEFAULT)
            .role("Admin", permission::ADMINISTRATOR)
            .member("bob", &[])
            .member("carol", &["Admin"])
    })
}

fn person(name: &str) -> String {
    world().people.iter().find(|person| person.name == name).unwrap().id.to_string()
}

fn member(name: &str) -> String {
    format!("/guilds/{}/members/{}", world().guilds[0].id, person(name))
}

fn role(name: &str) -> String {
    world().guilds[0].roles.iter().find(|role| role.name == name).unwrap().id.to_string()
}

async fn patch(sim: &Sim, name: &str, body: Value) -> (StatusCode, Value) {
    sim.rest.call(Method::PATCH, &member(name), Some(body)).await
}

#[tokio::test]
async fn members_are_changed_by_who_stands_above_them() {
    let sim = Sim::with(world()).await;
    let mut gateway = sim.identified_with(ALL_INTENTS).await;
    let (status, bob) = patch(&sim, "bob", json!({"nick": "Bobby"})).await;
    assert_eq!((status, &bob["nick"]), (StatusCode::OK, &json!("Bobby")));
    assert_eq!(gateway.event("GUILD_MEMBER_UPDATE").await["nick"], "Bobby");
    assert_eq!(patch(&sim, "bob", json!({"nick": null})).await.1["nick"], Value::Null);
    assert_eq!(patch(&sim, "alice", json!({"nick": "x"})).await.1["code"], 50013, "she owns the server");
    assert_eq!(patch(&sim, "bob", json!({"nick": "x".repeat(33)})).await.1["code"], 50035);
    let own = format!("/guilds/{}/members/@me", world().guilds[0].id);
    assert_eq!(sim.rest.call(Method::PATCH, &own, Some(json!({"nick": "Me"}))).await.1["nick"], "Me");
}

#[tokio::test]
async fn a_time_out_ends_and_spares_administrators() {
    let sim = Sim::with(world()).await;
    let until = |ms: u64| json!({"communication_disabled_until": bailey_time(&sim, ms)});
    let (status, bob) = patch(&sim, "bob", until(60_000)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(bob["communication_disabled_until"].is_string());
    assert_eq!(patch(&sim, "bob", until(29 * 86_400_000)).await.1["code"], 50035);
    assert_eq!(patch(&sim, "carol", until(60_000)).await.1["code"], 50013);
    let freed = patch(&sim, "bob", json!({"communication_disabled_until": null})).await.1;
    assert_eq!(freed["communication_disabled_until"], Value::Null);
}

/// So many milliseconds from the simulator's now.
fn bailey_time(sim: &Sim, ms: u64) -> String {
    let at = i128::from(sim.control.now_ms() + ms) * 1_000_000;
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(at).unwrap();
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test]
async fn roles_go_to_members_from_below_only() {
    let sim = Sim::with(world()).await;
    let helper = format!("{}/roles/{}", member("bob"), role("Helper"));
    assert_eq!(sim.rest.call(Method::PUT, &helper, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.get(&member("bob")).await.1["roles"], json!([role("Helper")]));
    assert_eq!(sim.rest.call(Method::DELETE, &helper, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.get(&member("bob")).await.1["roles"], json!([]));
    let own = format!("{}/roles/{}", member("bob"), world().guilds[0].bot_role);
    assert_eq!(sim.rest.call(Method::PUT, &own, None).await.1["code"], 50028, "a bot's own role is nobody's");
    let unknown = format!("{}/roles/5", member("bob"));
    assert_eq!(sim.rest.call(Method::PUT, &unknown, None).await.1["code"], 10011);
}

#[tokio::test]
async fn whoever_is_banned_stays_away_until_unbanned_and_the_log_says_why() {
    let sim = Sim::with(world()).await;
    let mut gateway = sim.identified().await;
    let guild = world().guilds[0].id.to_string();
    let bans = format!("/guilds/{guild}/bans");
    let ban = format!("{bans}/{}", person("bob"));
    let request = sim.rest.request(Method::PUT, &ban).header("X-Audit-Log-Reason", "plugin%20demo%3A%20spam");
    assert_eq!(request.body("{}").send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(gateway.event("GUILD_MEMBER_REMOVE").await["user"]["username"], "bob");
    assert_eq!(gateway.event("GUILD_BAN_ADD").await["user"]["username"], "bob");
    let (_, listed) = sim.rest.get(&bans).await;
    assert_eq!(
        (&listed[0]["reason"], listed.as_array().map(Vec::len)),
        (&json!("plugin demo: spam"), Some(1))
    );
    let back = Membership { name: "bob".to_owned(), ..Membership::default() };
    assert!(sim.control.join(&back).is_err(), "the banned cannot come back");
    let (_, log) = sim.rest.get(&format!("/guilds/{guild}/audit-logs?action_type=22")).await;
    let entry = &log["audit_log_entries"][0];
    assert_eq!((&entry["target_id"], &entry["reason"]), (&json!(person("bob")), &json!("plugin demo: spam")));
    assert_eq!(sim.rest.call(Method::DELETE, &ban, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.call(Method::DELETE, &ban, None).await.1["code"], 10026);
    assert!(sim.control.join(&back).is_ok());
    let alice = format!("{bans}/{}", person("alice"));
    assert_eq!(sim.rest.call(Method::PUT, &alice, None).await.1["code"], 50013);
}

#[tokio::test]
async fn a_kick_needs_its_permission() {
    let sim = Sim::with(world()).await;
    assert_eq!(sim.rest.call(Method::DELETE, &member("bob"), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(sim.rest.call(Method::DELETE, &member("bob"), None).await.1["code"], 10007);
    let weak = World::empty().person("alice").person("bob").guild("Test Server", "alice", |guild| {
        guild.text_channel("general").member("bob", &[]).bot(Some(permission::DEFAULT))
    });
    let (guild, bob) = (weak.guilds[0].id, weak.people[1].id);
    let sim = Sim::with(weak).await;
    let (status, refused) =
        sim.rest.call(Method::DELETE, &format!("/guilds/{guild}/members/{bob}"), None).await;
    assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!(50013)));
}
