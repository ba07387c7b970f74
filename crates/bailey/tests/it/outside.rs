//! What plugins ask other servers, by real SDKs in the sandbox.

use bailey_testkit::{SDKS, example};
use futures_util::future::join_all;

use crate::support::try_file;

#[tokio::test]
async fn other_servers_are_asked_under_the_oldest_and_the_newest_sdk() {
    let plugin = example("outside");
    let script = plugin.join("outside.jsonl");
    join_all([SDKS[0], SDKS[SDKS.len() - 1]].map(|sdk| {
        let (plugin, script) = (&plugin, &script);
        async move {
            let transcript = try_file(plugin, script, &["--sdk", &sdk.requirement()]).await;
            transcript.must_pass();
        }
    }))
    .await;
}

/// A secret that is bound to a host is in nothing the plugin or anybody reads.
#[tokio::test]
async fn secrets_go_out_and_do_not_come_back() {
    let plugin = example("outside");
    let transcript = try_file(&plugin, &plugin.join("secrets.jsonl"), &[]).await;
    transcript.must_pass();
    for line in &transcript.lines {
        // What people wrote themselves, and what the other server was written down to answer.
        if line["kind"] == "step" || line["kind"] == "message" && line["bot"] == false {
            continue;
        }
        let text = line.to_string();
        assert!(!text.contains("s3cret-k3y") && !text.contains("hook-0123456789"), "{text}");
    }
    assert!(!transcript.stderr.contains("s3cret-k3y"), "{}", transcript.stderr);
}
