//! Limits are kept, refusals are waited out without asking again and again, and what may have been
//! done is not done twice.

use std::num::NonZeroU32;
use std::time::Duration;

use bailey_discord::{CallbackBody, DiscordConfig, DiscordError, Rest};
use bailey_protocol::event::Interaction;
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{EventKind, GuildId, MessageId, Tenant, UserId};
use bailey_sim::{CommandUse, Control, Fault, FaultRule, Snowflake, World};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Rig, channel, config, general, sender, simulator};

fn text(content: &str) -> MessageParts {
    MessageParts { content: Some(content.to_owned()), ..MessageParts::default() }
}

fn fault(control: &Control, method: &str, route: &str, times: u32, fault: Fault) {
    control.fault(FaultRule { method: Some(method.into()), route: route.into(), times, fault }).unwrap();
}

/// Requests that were answered with this status.
fn answered(control: &Control, status: u16) -> usize {
    control.requests().iter().filter(|request| request.status == status).count()
}

fn contents(control: &Control) -> Vec<String> {
    let messages = control.messages(Snowflake(general().0));
    messages.into_iter().map(|message| message.content).collect()
}

#[tokio::test]
async fn twelve_messages_to_one_channel_are_never_refused() {
    let (simulator, rest, _) = sender().await;
    for number in 0..12 {
        rest.create_message(general(), &text(&number.to_string()), &[]).await.unwrap();
    }
    let expected: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    assert_eq!(contents(&simulator.control()), expected);
    assert_eq!(answered(&simulator.control(), 429), 0);
    assert_eq!(rest.refusals().rate_limited, 0);
}

#[tokio::test]
async fn those_who_wait_for_one_channel_go_in_the_order_they_came() {
    let (simulator, rest, _) = sender().await;
    let send = |number: usize| {
        let rest = rest.clone();
        async move { rest.create_message(general(), &text(&number.to_string()), &[]).await.map(drop) }
    };
    let outcomes = futures_util::future::join_all((0..8).map(send)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let expected: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    assert_eq!(contents(&simulator.control()), expected);
    assert_eq!(answered(&simulator.control(), 429), 0);
}

#[tokio::test]
async fn a_global_refusal_is_waited_out_by_everybody() {
    let (simulator, rest, _) = sender().await;
    let control = simulator.control();
    control.global_rate_limit(Duration::from_secs(2));
    let began = Instant::now();
    rest.create_message(general(), &text("first"), &[]).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(1900));
    assert_eq!(answered(&control, 429), 1);
    // Now with others under way: only those already sent can be refused.
    control.global_rate_limit(Duration::from_secs(2));
    let send = |number: usize| {
        let (rest, place) =
            (rest.clone(), if number.is_multiple_of(2) { general() } else { channel("random") });
        async move { rest.create_message(place, &text("x"), &[]).await.map(drop) }
    };
    let outcomes = futures_util::future::join_all((0..8).map(send)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let refused = answered(&control, 429);
    assert!(refused <= 3, "{refused} requests were refused");
    assert_eq!(rest.refusals().rate_limited, refused as u64);
}

#[tokio::test]
async fn a_refusal_that_names_no_wait_is_not_asked_again_at_once() {
    let (simulator, rest, _) = sender().await;
    let control = simulator.control();
    let refusal = Fault::RateLimit { retry_after: 0.0, scope: "user".into(), global: false };
    fault(&control, "POST", "/channels/", 1000, refusal);
    let outcome = rest.create_message(general(), &text("x"), &[]).await;
    assert!(matches!(outcome, Err(DiscordError::RateLimited { .. })), "{outcome:?}");
    assert!(answered(&control, 429) <= 8, "{} requests", answered(&control, 429));
}

#[tokio::test]
async fn a_wait_too_long_is_said_at_once() {
    let (simulator, rest, _) = sender().await;
    let control = simulator.control();
    let refusal = Fault::RateLimit { retry_after: 60.0, scope: "user".into(), global: false };
    fault(&control, "POST", "/channels/", 1, refusal);
    let began = Instant::now();
    for _ in 0..3 {
        let outcome = rest.create_message(general(), &text("x"), &[]).await;
        let Err(DiscordError::RateLimited { retry_after }) = outcome else { panic!("{outcome:?}") };
        assert!((50..=60).contains(&retry_after.as_secs()), "{retry_after:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(answered(&control, 429), 1);
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_appears_once() {
    let (simulator, rest, _) = sender().await;
    let control = simulator.control();
    fault(&control, "POST", "/channels/", 1, Fault::AppliedBut { status: 502 });
    let sent = rest.create_message(general(), &text("once"), &[]).await.unwrap();
    assert_eq!(contents(&control), ["once"]);
    assert_eq!(control.messages(Snowflake(general().0))[0].id.0, sent.message_id.0);
    assert_eq!(answered(&control, 502), 1);
}

#[tokio::test]
async fn a_discord_that_keeps_failing_is_given_up() {
    let (simulator, rest, _) = sender().await;
    let control = simulator.control();
    fault(&control, "POST", "/channels/", 100, Fault::Status { status: 500, body: None });
    let outcome = rest.create_message(general(), &text("x"), &[]).await;
    assert!(matches!(outcome, Err(DiscordError::Unreachable(_))), "{outcome:?}");
    assert_eq!(answered(&control, 500), 3);
    control.clear_faults();
    rest.create_message(general(), &text("y"), &[]).await.unwrap();
}

#[tokio::test]
async fn refusals_are_counted_and_not_repeated() {
    let (simulator, rest, _) = sender().await;
    let control = simulator.control();
    let body = json!({"message": "Missing Permissions", "code": 50013});
    fault(&control, "POST", "/channels/", 2, Fault::Status { status: 403, body: Some(body) });
    for _ in 0..2 {
        let outcome = rest.create_message(general(), &text("x"), &[]).await;
        assert!(
            matches!(outcome, Err(DiscordError::Refused { status: 403, code: 50013, .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(answered(&control, 403), 2);
    assert_eq!(rest.refusals().forbidden, 2);
}

/// Uses a command and gives what answering it takes.
async fn asked(rig: &mut Rig) -> Interaction {
    let command = json!({"name": "greet", "description": "d"});
    rig.rest.sync_guild_commands(rig.application.id, rig.guild(), &[command]).await.unwrap();
    rig.control.command(CommandUse { name: "greet".into(), ..CommandUse::default() }).unwrap();
    rig.next(EventKind::InteractionCreate).await.interaction.unwrap()
}

async fn answer(rest: &Rest, to: &Interaction, content: &str) -> Result<(), DiscordError> {
    let body = CallbackBody::Message { parts: text(content), ephemeral: false };
    rest.interaction_callback(to.id, &to.token, body).await
}

#[tokio::test]
async fn an_answer_to_an_interaction_that_is_lost_counts_as_given_and_a_second_one_does_not() {
    let mut rig = Rig::start().await;
    let to = asked(&mut rig).await;
    fault(&rig.control, "POST", "/interactions/", 1, Fault::AppliedBut { status: 502 });
    answer(&rig.rest, &to, "once").await.unwrap();
    assert_eq!(contents(&rig.control), ["once"]);
    let second = answer(&rig.rest, &to, "twice").await;
    assert!(matches!(second, Err(DiscordError::Refused { code: 40060, .. })), "{second:?}");
}

#[tokio::test]
async fn a_follow_up_whose_answer_is_lost_is_not_repeated() {
    let mut rig = Rig::start().await;
    let to = asked(&mut rig).await;
    answer(&rig.rest, &to, "first").await.unwrap();
    fault(&rig.control, "POST", "/webhooks/", 1, Fault::AppliedBut { status: 502 });
    let outcome = rig.rest.create_followup(to.application, &to.token, &text("more"), false).await;
    assert!(matches!(outcome, Err(DiscordError::Unreachable(_))), "{outcome:?}");
    assert_eq!(contents(&rig.control), ["first", "more"]);
}

#[tokio::test]
async fn interactions_are_answered_while_everything_else_must_wait() {
    let mut rig = Rig::start().await;
    let to = asked(&mut rig).await;
    rig.control.global_rate_limit(Duration::from_secs(60));
    let refused = rig.rest.create_message(general(), &text("x"), &[]).await;
    assert!(matches!(refused, Err(DiscordError::RateLimited { .. })), "{refused:?}");
    answer(&rig.rest, &to, "still here").await.unwrap();
    assert_eq!(contents(&rig.control), ["still here"]);
}

fn of(plugin: &str, guild: u64) -> Tenant {
    Tenant { plugin: plugin.parse().unwrap(), guild: GuildId(guild) }
}

#[tokio::test]
async fn a_plugin_that_writes_without_end_uses_up_its_own_share_only() {
    let simulator = simulator(World::default_world()).await;
    // One every 12 seconds: longer than anybody waits.
    let config = DiscordConfig { writes_per_minute: NonZeroU32::new(5).unwrap(), ..config(&simulator) };
    let (rest, _) = Rest::connect(&config).await.unwrap();
    let (greedy, honest, elsewhere) = (of("greedy", 1), of("honest", 1), of("greedy", 2));
    let post = |tenant: Tenant| {
        let rest = rest.clone();
        async move { rest.for_tenant(&tenant).create_message(general(), &text("x"), &[]).await }
    };
    for _ in 0..5 {
        post(greedy.clone()).await.unwrap();
    }
    let began = Instant::now();
    let refused = post(greedy.clone()).await.unwrap_err();
    let DiscordError::RateLimited { retry_after } = refused else { panic!("{refused:?}") };
    assert!((10..=12).contains(&retry_after.as_secs()), "{retry_after:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "it knew at once that the wait is too long");
    assert_eq!(contents(&simulator.control()).len(), 5, "Discord was not asked");
    // Others have shares of their own, and reading takes none.
    post(honest).await.unwrap();
    post(elsewhere).await.unwrap();
    rest.for_tenant(&greedy).channel(general()).await.unwrap();
    // What was told is true.
    tokio::time::sleep(retry_after).await;
    post(greedy).await.unwrap();
}

#[tokio::test]
async fn a_share_that_comes_soon_is_waited_for() {
    let simulator = simulator(World::default_world()).await;
    // One every three seconds, twenty at once.
    let config = DiscordConfig { writes_per_minute: NonZeroU32::new(20).unwrap(), ..config(&simulator) };
    let (rest, _) = Rest::connect(&config).await.unwrap();
    let guild = World::default_world().guilds[0].id.0;
    let tenant = of("busy", guild);
    let asker = rest.for_tenant(&tenant);
    let began = Instant::now();
    // Nobody is banned and no message is there: cheap to ask, and counted all the same. Discord's own limits, twenty
    // and five of a kind, are not met.
    for user in 1..=15 {
        asker.unban(UserId(user), "").await.unwrap_err();
    }
    for message in 1..=5 {
        asker.delete_message(general(), MessageId(message)).await.unwrap_err();
    }
    let before = simulator.control().requests().len();
    let asked = asker.unban(UserId(16), "").await.unwrap_err();
    assert!(matches!(asked, DiscordError::Refused { status: 404, .. }), "{asked:?}");
    assert_eq!(simulator.control().requests().len(), before + 1);
    assert!(began.elapsed() > Duration::from_millis(2900), "after {:?} already", began.elapsed());
}
