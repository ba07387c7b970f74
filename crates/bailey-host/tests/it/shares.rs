//! No plugin takes the host from the others: what one may have in flight, alone and on all its servers.

use bailey_host::HostRates;
use bailey_protocol::limits;
use serde_json::json;

use crate::support::{Bench, installation, tenant};

#[tokio::test(start_paused = true)]
async fn bytes_in_flight_are_bounded_by_reading_no_further() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let large = "x".repeat(limits::CALL_BYTES_IN_FLIGHT / 2 - 4096);
    for id in 1..=2 {
        let params = format!(r#"{{"key":"never","pad":"{large}"}}"#);
        plugin.say(&format!(r#"{{"id":{id},"method":"kv.get","params":{params}}}"#)).await;
    }
    let params = format!(r#"{{"key":"k","pad":"{}"}}"#, "x".repeat(64 * 1024));
    plugin.say(&format!(r#"{{"id":3,"method":"kv.get","params":{params}}}"#)).await;
    assert!(plugin.hears_nothing().await, "a call was carried out beyond the bound");
    assert_eq!(plugin.json().await["error"]["code"], "TIMEOUT");
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_of_a_plugin_are_bounded_over_all_its_servers() {
    let mut bench = Bench::with(HostRates { plugin_calls_in_flight: 3, ..HostRates::default() });
    bench.install_on([1, 2]).await;
    bench.host.install(installation(&tenant("other", 1))).await;
    bench.say(2, "e2").await;
    let mut greedy = bench.starts.next_ready().await;
    greedy.event().await;
    bench.say(1, "e1").await;
    let (mut same, mut other) = (bench.starts.next_ready().await, bench.starts.next_ready().await);
    if same.request.tenant.plugin.as_str() == "other" {
        std::mem::swap(&mut same, &mut other);
    }
    same.event().await;
    other.event().await;
    for id in 1..=3 {
        greedy.say(&format!(r#"{{"id":{id},"method":"kv.get","params":{{"key":"never"}}}}"#)).await;
    }
    assert!(greedy.hears_nothing().await);
    same.say(r#"{"id":1,"method":"kv.get","params":{"key":"k"}}"#).await;
    assert!(same.hears_nothing().await, "the plugin took more than its share");
    assert_eq!(other.call(1, "kv.get", r#"{"key":"k"}"#).await["result"], json!({"value": null}));
    greedy.exit(1); // its calls end with their deadline, and leave the room to the others
    assert_eq!(same.json().await["result"], json!({"value": null}));
}

#[tokio::test(start_paused = true)]
async fn standard_error_is_read_no_faster_than_its_rate() {
    let rates = HostRates { chatter_bytes_per_second: 1000.0, chatter_burst: 1000.0, ..HostRates::default() };
    let mut bench = Bench::with(rates);
    bench.install_on([9001]).await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.handle().await;
    let begun = tokio::time::Instant::now();
    for _ in 0..300 {
        plugin.say_stderr(&"x".repeat(1000)).await; // waits once the pipe is full
    }
    assert!(begun.elapsed() > std::time::Duration::from_secs(100), "{:?}", begun.elapsed());
}
