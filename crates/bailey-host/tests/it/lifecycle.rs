//! Install, enable and their siblings.

use bailey_host::AnnounceError;
use bailey_protocol::host_message::Lifecycle;
use serde_json::json;

use crate::support::{Bench, demo, tenant};

#[tokio::test(start_paused = true)]
async fn lifecycle_messages_are_requests_that_go_before_the_events() {
    let mut bench = Bench::installed().await;
    let tenant = demo();
    let announcing = async {
        bench.host.announce(&tenant, Lifecycle::Install).await.unwrap();
        bench.host.announce(&tenant, Lifecycle::Enable).await
    };
    let answering = async {
        let mut plugin = bench.starts.next_ready().await;
        for name in ["install", "enable"] {
            let message = plugin.json().await;
            assert_eq!(message["method"], format!("host.{name}"));
            assert_eq!(message["params"]["lifecycle"], name);
            assert_eq!(message["params"]["discord_srv_id"], "9001");
            let id = &message["id"];
            assert!(id.is_string() && *id == message["params"]["_event_id"]);
            // What the handler stores counts for this server.
            plugin.call(1, "kv.put", &json!({"key": name, "value": 1, "_event_id": id}).to_string()).await;
            plugin.say(&json!({"jsonrpc": "2.0", "id": id, "result": null}).to_string()).await;
        }
        plugin
    };
    let (announced, mut plugin) = tokio::join!(announcing, answering);
    announced.unwrap();
    assert!(bench.calls.0.value(&tenant, "enable").is_some());
    bench.publish(&["e1"]).await;
    assert_eq!(plugin.handle().await, "e1");
    bench.host.quiesced().await;
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_lifecycle_message_does_not_block_events() {
    let mut bench = Bench::installed().await;
    let tenant = demo();
    let announcing = bench.host.announce(&tenant, Lifecycle::Install);
    let silent = async {
        let mut plugin = bench.starts.next_ready().await;
        assert_eq!(plugin.json().await["method"], "host.install");
        bench.host.publish(crate::support::message("e1")).await.unwrap();
        assert_eq!(plugin.handle().await, "e1");
        // Too late is no noise either.
        plugin.say(r#"{"jsonrpc":"2.0","id":"h-install-1","result":null}"#).await;
    };
    let (announced, ()) = tokio::join!(announcing, silent);
    assert!(matches!(announced, Err(AnnounceError::TimedOut(_))), "{announced:?}");
    bench.host.quiesced().await;
    assert!(!bench.calls.0.lines(&tenant).iter().any(|line| line.starts_with("stdout")));
}

#[tokio::test(start_paused = true)]
async fn announcements_to_nobody_say_why() {
    let mut bench = Bench::installed().await;
    let nobody = bench.host.announce(&tenant("nobody", 1), Lifecycle::Enable).await;
    assert_eq!(nobody, Err(AnnounceError::NotInstalled));
    let tenant = demo();
    let announcing = bench.host.announce(&tenant, Lifecycle::Enable);
    let dying = async { bench.starts.next().await.exit(3) };
    let (announced, ()) = tokio::join!(announcing, dying);
    let error = announced.unwrap_err().to_string();
    assert!(error.contains("exit code 3"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_removed_plugin_ends_and_hears_nothing_more() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.handle().await;
    bench.host.quiesced().await;
    let tenant = demo();
    let removing = bench.host.remove(&tenant);
    let ending = async {
        assert_eq!(plugin.json().await["method"], "host.shutdown");
        assert_eq!(plugin.line().await, None);
        plugin.exit(0);
    };
    assert!(tokio::join!(removing, ending).0);
    assert!(bench.host.sessions().is_empty());
    assert!(!bench.host.remove(&demo()).await);
    bench.publish(&["e2"]).await;
    bench.host.quiesced().await;
    assert!(bench.starts.none());
}
