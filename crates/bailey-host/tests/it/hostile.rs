//! Output that is no protocol, in small and in large.

use bailey_host::HostRates;
use bailey_protocol::limits;
use serde_json::json;

use crate::support::{Bench, demo, installation};

#[tokio::test(start_paused = true)]
async fn prints_become_log_lines_and_hurt_nothing() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.say("hello").await;
    plugin.say_bytes(b"\xff\xfe binary\n").await;
    plugin.say(r#"{"not": "a frame"}"#).await;
    plugin.say(r#"{"jsonrpc":"2.0","id":"h-99x","result":1}{"jsonrpc":"2.0","id":"mine","result":1}"#).await;
    let answer = plugin.call(1, "kv.get", r#"{"key":"k"}"#).await;
    assert_eq!(answer["result"], json!({"value": null}));
    plugin.say_stderr("warning: old").await;
    plugin.ack("e1").await;
    bench
        .seen
        .next(|seen| {
            matches!(seen, bailey_host::Observation::Log { line, .. } if line.message == "warning: old")
                .then_some(())
        })
        .await;
    let lines = bench.calls.0.lines(&demo());
    assert!(lines.contains(&"stdout: hello".to_owned()), "{lines:?}");
    assert!(lines.contains(&"stdout: \u{fffd}\u{fffd} binary".to_owned()), "{lines:?}");
    assert!(lines.contains(&r#"stdout: {"not": "a frame"}"#.to_owned()), "{lines:?}");
    assert!(lines.contains(&"stderr: warning: old".to_owned()), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_counted_not_kept_and_calls_still_get_through() {
    let mut bench = Bench::with(HostRates { noise_lines_per_minute: 10, ..HostRates::default() });
    bench.host.install(installation(&demo())).await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    for _ in 0..5000 {
        plugin.say("spam").await;
    }
    assert_eq!(plugin.call(1, "kv.get", r#"{"key":"k"}"#).await["result"], json!({"value": null}));
    let problem = bench.seen.problem().await;
    assert!(problem.contains("floods its output"), "{problem}");
    plugin.ack("e1").await;
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    plugin.say("calm again").await;
    bench
        .seen
        .next(|seen| {
            matches!(seen, bailey_host::Observation::Log { line, .. } if line.message == "calm again")
                .then_some(())
        })
        .await;
    let lines = bench.calls.0.lines(&demo());
    assert_eq!(lines.iter().filter(|line| *line == "stdout: spam").count(), 10);
    assert!(lines.iter().any(|line| line.contains("4990 lines of output were not kept")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn output_is_read_no_faster_than_its_rate() {
    let rates =
        HostRates { chatter_bytes_per_second: 10_000.0, chatter_burst: 10_000.0, ..HostRates::default() };
    let mut bench = Bench::with(rates);
    bench.host.install(installation(&demo())).await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let begun = tokio::time::Instant::now();
    let line = "x".repeat(5_000);
    for _ in 0..100 {
        plugin.say(&line).await;
    }
    plugin.call(1, "kv.get", r#"{"key":"k"}"#).await;
    assert!(begun.elapsed().as_secs() >= 45, "500 kB at 10 kB a second took {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_line_longer_than_a_line_may_be_is_answered_and_skipped() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin
        .say_bytes(br#"{"jsonrpc":"2.0","id":5,"method":"discord.send_message","params":{"content":""#)
        .await;
    let piece = vec![b'A'; 1 << 20];
    for _ in 0..=limits::LINE_BYTES >> 20 {
        plugin.say_bytes(&piece).await;
    }
    plugin.say_bytes(b"\"}}\n").await;
    let answer = plugin.json().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(5), &json!("VALIDATION_ERROR")));
    assert!(plugin.call(6, "kv.get", r#"{"key":"k"}"#).await.get("result").is_some());
}

#[tokio::test(start_paused = true)]
async fn acknowledging_what_was_not_given_changes_nothing() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1", "e2"]).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    for line in [
        r#"{"method":"event.ack","params":{"event_ids":["e2"]}}"#,
        r#"{"method":"event.ack","params":{"event_id":"x"}}"#,
        r#"{"method":"event.ack","params":{"event_ids":5}}"#,
        r#"{"method":"event.ack"}"#,
        r#"{"method":"event.fail","params":{}}"#,
        r#"{"method":"event.ack","params":[1]}"#,
        r#"{"method":"kv.put","params":{"key":"k","value":1}}"#,
    ] {
        plugin.say(line).await;
    }
    assert!(plugin.hears_nothing().await, "the window opened without an acknowledgement");
    plugin.ack("e1").await;
    assert_eq!(plugin.handle().await, "e2");
    bench.host.quiesced().await;
    assert_eq!(bench.calls.0.value(&demo(), "k"), None, "a notification was carried out as a call");
}
