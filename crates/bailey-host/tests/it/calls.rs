//! Calls: each gets exactly one answer, with its own id.

use bailey_host::{CurrentInteraction, HostRates, Observation};
use bailey_protocol::{Grants, InteractionId, limits};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Bench, command, demo, installation};

#[tokio::test(start_paused = true)]
async fn answers_echo_the_id_as_it_was_written() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    for id in ["1", "\"1\"", "9007199254740993", "\"a\\u00e9\""] {
        plugin
            .say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"kv.get","params":{{"key":"k"}}}}"#))
            .await;
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"value":null}}}}"#);
        assert_eq!(plugin.line().await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn values_come_back_as_they_were_written() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let value = r#"{"z":1.0,"a":123456789012345678901234567890,"m":[true,null]}"#;
    plugin.call(1, "kv.put", &format!(r#"{{"key":"k","value":{value},"_event_id":"e1"}}"#)).await;
    plugin.say(r#"{"jsonrpc":"2.0","id":2,"method":"kv.get","params":{"key":"k"}}"#).await;
    let expected = format!(r#"{{"jsonrpc":"2.0","id":2,"result":{{"value":{value}}}}}"#);
    assert_eq!(plugin.line().await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn every_call_is_answered_whatever_is_wrong_with_it() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let deep = format!(r#"{{"key":"k","value":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    for (method, params, code) in [
        ("no.such", "{}", "METHOD_NOT_FOUND"),
        ("kv.get", "{}", "VALIDATION_ERROR"),
        ("kv.get", "[1]", "VALIDATION_ERROR"),
        ("kv.get", r#"{"key":}"#, "VALIDATION_ERROR"),
        ("kv.put", &deep, "VALIDATION_ERROR"),
        ("kv.get", r#"{"key":"panic"}"#, "INTERNAL"),
        ("kv.get", r#"{"key":"never"}"#, "TIMEOUT"),
    ] {
        let before = Instant::now();
        let answer = plugin.call(7, method, params).await;
        assert_eq!(answer["error"]["code"], code, "{method} {params:.40}");
        assert!(answer.get("result").is_none());
        assert!(before.elapsed() <= limits::CALL_DEADLINE);
    }
    // A panic and a timeout took nothing down.
    assert_eq!(plugin.call(8, "kv.get", r#"{"key":"k"}"#).await["result"], json!({"value": null}));
    plugin.ack("e1").await;
    bench.host.quiesced().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_without_its_capability_is_refused() {
    let mut bench = Bench::new();
    let mut poor = installation(&demo());
    poor.grants = Grants::new(demo(), Default::default());
    bench.host.install(poor).await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let answer = plugin.call(1, "kv.get", r#"{"key":"k"}"#).await;
    assert_eq!(answer["error"]["code"], "CAPABILITY_DENIED");
}

#[tokio::test(start_paused = true)]
async fn the_tenant_is_the_process_and_hints_change_nothing() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.call(1, "kv.put", r#"{"key":"k","value":1,"_pool_discord_srv_id":"666","_event_id":"x"}"#).await;
    assert_eq!(bench.calls.0.value(&demo(), "k").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn interaction_calls_find_their_interaction() {
    let mut bench = Bench::installed().await;
    bench.host.publish(command("i1", 300)).await.unwrap();
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let respond = |hint: &str| format!(r#"{{"_interaction_id":"","content":"hi"{hint}}}"#);
    plugin.call(1, "interaction.respond", &respond("")).await;
    plugin.ack("i1").await;
    bench.host.publish(command("i2", 400)).await.unwrap();
    bench.host.publish(command("i3", 500)).await.unwrap();
    assert_eq!((plugin.event().await, plugin.event().await), ("i2".to_owned(), "i3".to_owned()));
    plugin.call(2, "interaction.respond", &respond("")).await;
    plugin.call(3, "interaction.respond", &respond(r#","_event_id":"i2""#)).await;
    plugin.call(4, "interaction.respond", &respond(r#","_event_id":"i1""#)).await;
    plugin.call(5, "interaction.respond", &respond(r#","_event_id":"of another plugin""#)).await;
    let current = |id, certain| Some(CurrentInteraction { id: InteractionId(id), certain });
    let expected = [current(300, false), None, current(400, true), current(300, true), None];
    assert_eq!(bench.calls.0.interactions(), expected);
    let admitted: Vec<_> = bench.calls.0.admitted().into_iter().map(|(_, id)| id.0).collect();
    assert_eq!(admitted, [300, 400, 500]);
}

#[tokio::test(start_paused = true)]
async fn too_many_calls_a_second_are_told_to_wait() {
    let mut bench =
        Bench::with(HostRates { calls_per_second: 10.0, call_burst: 3.0, ..HostRates::default() });
    bench.host.install(installation(&demo())).await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    for id in 1..=3 {
        assert!(plugin.call(id, "kv.get", r#"{"key":"k"}"#).await.get("error").is_none());
    }
    let error = plugin.call(4, "kv.get", r#"{"key":"k"}"#).await["error"].clone();
    assert_eq!((&error["code"], &error["retry_after"]), (&json!("RATE_LIMITED"), &json!(1.0)));
    tokio::time::advance(std::time::Duration::from_millis(100)).await;
    assert!(plugin.call(5, "kv.get", r#"{"key":"k"}"#).await.get("error").is_none());
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_are_bounded_by_reading_no_further() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    for id in 0..limits::CALLS_IN_FLIGHT {
        plugin.say(&format!(r#"{{"id":{id},"method":"kv.get","params":{{"key":"never"}}}}"#)).await;
    }
    plugin.say(r#"{"id":1000,"method":"kv.get","params":{"key":"k"}}"#).await;
    assert!(plugin.hears_nothing().await, "a call was carried out beyond the bound");
    // The first time-out sets a slot free for the one that waits.
    let ids: Vec<_> =
        [plugin.json().await, plugin.json().await].into_iter().map(|answer| answer["id"].clone()).collect();
    assert!(ids.iter().any(|id| *id != 1000));
    let mut all = ids;
    while all.len() <= limits::CALLS_IN_FLIGHT {
        all.push(plugin.json().await["id"].clone());
    }
    assert!(all.contains(&json!(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_driver_sees_calls_with_parameters_and_outcome() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.call(1, "discord.send_message", r#"{"channel_id":"42","content":"Pong!"}"#).await;
    let seen = bench.seen.next(|seen| match seen {
        Observation::Call { method, params, outcome, .. } => Some((method, params, outcome)),
        _ => None,
    });
    let (method, params, outcome) = seen.await;
    assert_eq!(method, "discord.send_message");
    assert_eq!(params, r#"{"channel_id":"42","content":"Pong!"}"#);
    assert_eq!(outcome.unwrap(), r#"{"ok":true,"message_id":"555","channel_id":"42"}"#);
}
