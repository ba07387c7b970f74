//! Connections kept for plugins, by real SDKs in the sandbox.

use bailey_testkit::{SDKS, example};
use futures_util::future::join_all;

use crate::support::try_file;

/// Under the newest SDK, and the oldest that has connections.
#[tokio::test]
async fn a_connection_outlives_the_process_and_is_made_again() {
    let plugin = example("live_feed");
    let script = plugin.join("live_feed.jsonl");
    join_all([SDKS[SDKS.len() - 1].requirement(), "yourbot-sdk==0.8.5".to_owned()].map(|sdk| {
        let (plugin, script) = (&plugin, &script);
        async move {
            let transcript = try_file(plugin, script, &["--sdk", &sdk]).await;
            transcript.must_pass();
            // What people and servers wrote themselves aside, nobody reads the secret.
            let told = transcript.lines.iter().filter(|line| line["kind"] != "step");
            for line in told.map(ToString::to_string) {
                assert!(!line.contains("t0p-secret"), "{line}");
            }
        }
    }))
    .await;
}
