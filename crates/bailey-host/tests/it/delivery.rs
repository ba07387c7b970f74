//! Boot, windows, acknowledgements, and knowing when all is quiet.

use bailey_host::{HostRates, SessionState};
use bailey_protocol::{EventKind, limits};
use futures_util::poll;
use serde_json::json;

use crate::support::{Bench, command, demo, event, installation, message, tenant};

#[tokio::test(start_paused = true)]
async fn nothing_runs_before_the_first_event() {
    let mut bench = Bench::installed().await;
    assert!(bench.starts.none());
    assert_eq!(bench.host.sessions()[0].state, SessionState::Cold);
    bench.host.publish(event(1, "elsewhere", EventKind::MessageCreate, json!({}))).await.unwrap();
    bench.host.quiesced().await;
    assert!(bench.starts.none(), "an event of another server started the plugin");
}

#[tokio::test(start_paused = true)]
async fn boot_is_a_request_and_no_event_comes_before_its_answer() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next().await;
    assert!(plugin.hears_nothing().await, "told something before its first line");
    plugin.say(crate::fake::FIRST_LINE).await;
    let boot = plugin.json().await;
    assert_eq!(boot["id"], "h-boot");
    assert_eq!(boot["params"]["mode"], "pool");
    assert_eq!(boot["params"]["discord_srv_id"], "9001");
    assert!(plugin.hears_nothing().await, "an event came before the answer");
    plugin.say(r#"{"jsonrpc":"2.0","id":"h-boot","result":null}"#).await;
    assert_eq!(plugin.handle().await, "e1");
    bench.host.quiesced().await;
    assert_eq!(bench.host.sessions()[0].state, SessionState::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_leaves_requests_unanswered_is_booted_by_a_notification() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next().await;
    plugin.say(crate::fake::FIRST_LINE).await;
    assert_eq!(plugin.json().await["id"], "h-boot");
    let again = plugin.json().await;
    assert_eq!((again.get("id"), &again["method"]), (None, &json!("host.boot")));
    assert_eq!(plugin.event().await, "e1");
    // Such SDKs acknowledge by a request, which wants its answer.
    let answer = plugin.call(1, "event.ack", r#"{"event_id":"e1"}"#).await;
    assert_eq!(answer["result"], json!({"ok": true}));
    bench.host.quiesced().await;
    // Their single form does not mean that nobody handles the event: they know no other.
    bench.publish(&["e2"]).await;
    assert_eq!(plugin.event().await, "e2");
}

#[tokio::test(start_paused = true)]
async fn the_first_event_is_alone_and_then_sixteen_are_in_work() {
    let mut bench = Bench::installed().await;
    let ids: Vec<String> = (1..=30).map(|number| format!("e{number}")).collect();
    bench.publish(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    assert!(plugin.hears_nothing().await, "a second event came beside the first");
    plugin.ack("e1").await;
    for number in 2..=17 {
        assert_eq!(plugin.event().await, format!("e{number}"));
    }
    assert!(plugin.hears_nothing().await, "more than the window was sent");
    assert_eq!(bench.host.sessions()[0].in_flight, limits::DELIVERY_WINDOW);
    plugin.say(r#"{"jsonrpc":"2.0","method":"event.ack","params":{"event_ids":["e9","e3"]}}"#).await;
    assert_eq!((plugin.event().await, plugin.event().await), ("e18".to_owned(), "e19".to_owned()));
    assert!(plugin.hears_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn quiet_means_acknowledged_by_every_session_and_no_call_in_flight() {
    let mut bench = Bench::installed().await;
    bench.host.install(installation(&tenant("other", 9001))).await;
    bench.host.quiesced().await;
    bench.publish(&["e1"]).await;
    let quiet = bench.host.quiesced();
    tokio::pin!(quiet);
    let (mut first, mut second) = (bench.starts.next_ready().await, bench.starts.next_ready().await);
    assert!(poll!(quiet.as_mut()).is_pending());
    first.handle().await;
    assert_eq!(bench.seen.acked().await.0, "e1");
    assert!(poll!(quiet.as_mut()).is_pending(), "one of two sessions had not acknowledged");
    // The second starts a call and acknowledges at once: the call is still in flight.
    assert_eq!(second.event().await, "e1");
    second.say(r#"{"jsonrpc":"2.0","id":1,"method":"kv.get","params":{"key":"never"}}"#).await;
    second.ack("e1").await;
    assert_eq!(bench.seen.acked().await.0, "e1");
    assert!(poll!(quiet.as_mut()).is_pending(), "a call was in flight");
    assert_eq!(second.json().await["error"]["code"], "TIMEOUT");
    quiet.await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_nobody_handles_is_not_sent_again() {
    let mut bench = Bench::installed().await;
    bench.host.publish(event(9001, "r1", EventKind::RoleCreate, json!({}))).await.unwrap();
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "r1");
    plugin.say(r#"{"jsonrpc":"2.0","method":"event.ack","params":{"event_id":"r1"}}"#).await;
    assert_eq!(bench.seen.acked().await, ("r1".to_owned(), false));
    bench.host.publish(event(9001, "r2", EventKind::RoleCreate, json!({}))).await.unwrap();
    bench.publish(&["e1"]).await;
    assert_eq!(plugin.handle().await, "e1");
    assert_eq!(bench.seen.acked().await, ("e1".to_owned(), true));
    bench.host.quiesced().await;
    assert!(plugin.hears_nothing().await);
    // New code may handle it.
    let replacing = bench.host.install(installation(&demo()));
    let answering = async {
        assert_eq!(plugin.json().await["method"], "host.shutdown");
        assert_eq!(plugin.line().await, None);
        plugin.exit(0);
    };
    tokio::join!(replacing, answering);
    bench.host.publish(event(9001, "r3", EventKind::RoleCreate, json!({}))).await.unwrap();
    assert_eq!(bench.starts.next_ready().await.handle().await, "r3");
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_settled_by_its_ack_and_not_delivered_again() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1", "e2"]).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    plugin
        .say(r#"{"jsonrpc":"2.0","method":"event.fail","params":{"event_id":"e1","reason":"handler_exception"}}"#)
        .await;
    let failed = bench.seen.next(|seen| match seen {
        bailey_host::Observation::EventFailed { event, reason, .. } => Some((event.to_string(), reason)),
        _ => None,
    });
    assert_eq!(failed.await, ("e1".to_owned(), "handler_exception".to_owned()));
    plugin.ack("e1").await;
    assert_eq!(plugin.handle().await, "e2");
    bench.host.quiesced().await;
    assert!(plugin.hears_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_whose_ack_never_comes_does_not_block() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1", "e2"]).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    plugin.say(r#"{"id":7,"method":"event.fail","params":{"event_ids":["e1"]}}"#).await;
    assert_eq!(plugin.json().await["id"], 7);
    assert_eq!(plugin.handle().await, "e2");
    bench.host.quiesced().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_messages_and_keeps_interactions() {
    let mut bench = Bench::with(HostRates { bus_capacity: 10_000, ..HostRates::default() });
    bench.host.install(installation(&demo())).await;
    bench.host.publish(command("i1", 300)).await.unwrap();
    let mut plugin = bench.starts.next().await; // starting, so that everything waits
    for number in 0..limits::DELIVERY_QUEUE + 10 {
        bench.host.publish(message(&format!("e{number}"))).await.unwrap();
    }
    assert_eq!(bench.seen.dead_letter().await.0, "e0");
    plugin.boot().await;
    assert_eq!(plugin.handle().await, "i1");
    assert_eq!(plugin.handle().await, "e11");
    assert_eq!(bench.host.sessions()[0].dropped, 11);
}

#[tokio::test(start_paused = true)]
async fn two_sessions_do_not_wait_for_each_other() {
    let mut bench = Bench::new();
    let (one, two) = (tenant("demo", 9001), tenant("demo", 9002));
    bench.host.install(installation(&one)).await;
    bench.host.install(installation(&two)).await;
    bench.publish(&["a1", "a2"]).await;
    let mut stuck = bench.starts.next_ready().await;
    assert_eq!(stuck.event().await, "a1");
    bench.host.publish(event(9002, "b1", EventKind::MessageCreate, json!({}))).await.unwrap();
    let mut other = bench.starts.next_ready().await;
    assert_eq!(other.request.tenant, two);
    assert_eq!(other.event().await, "b1");
    stuck.call(1, "kv.put", r#"{"key":"k","value":"one"}"#).await;
    assert_eq!(other.call(1, "kv.get", r#"{"key":"k"}"#).await["result"], json!({"value": null}));
    other.ack("b1").await;
    assert_eq!(bench.seen.acked().await.0, "b1");
    assert_eq!(bench.calls.0.value(&one, "k").as_deref(), Some("\"one\""));
}

#[tokio::test(start_paused = true)]
async fn message_text_needs_its_capability() {
    let mut bench = Bench::new();
    let mut blind = installation(&demo());
    blind.grants = bailey_protocol::Grants::new(demo(), Default::default());
    bench.host.install(blind).await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    let event = plugin.json().await;
    assert_eq!(event["params"]["event"]["content"], "");
    assert_eq!(event["params"]["capabilities"], json!([]));
}
