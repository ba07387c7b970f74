//! Everything people can ask a plugin for, answered by real SDKs: suggestions, menus on people and messages, the five
//! kinds of select menu, forms, changed messages and follow-ups.

use bailey_testkit::{SDKS, example};
use futures_util::future::join_all;

use crate::support::{try_file, try_script};

#[tokio::test]
async fn every_kind_of_interaction_is_answered_under_the_oldest_and_the_newest_sdk() {
    let plugin = example("interactions");
    let script = plugin.join("interactions.jsonl");
    join_all([SDKS[0], SDKS[SDKS.len() - 1]].map(|sdk| {
        let (plugin, script) = (&plugin, &script);
        async move {
            let transcript = try_file(plugin, script, &["--sdk", &sdk.requirement()]).await;
            transcript.must_pass();
            assert!(transcript.of("interaction_failed").is_empty(), "{transcript}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_button_changes_its_message() {
    let plugin = example("interactions");
    try_file(&plugin, &plugin.join("update.jsonl"), &[]).await.must_pass();
}

/// A plugin whose process starts only now, or that is slow, never shows as failed: while somebody types, the host
/// answers by itself.
#[tokio::test]
async fn nothing_fails_while_somebody_types() {
    let script = "{\"command\": \"weather\", \"typing\": \"city\"}\n\
                  {\"expect\": [{\"suggested\": \"Oslo\"}, {\"nothing\": true}]}\n\
                  {\"advance\": 20}\n{\"expect\": {\"nothing\": true}}\n\
                  {\"command\": \"weather\", \"options\": {\"city\": \"Atlantis\"}}\n\
                  {\"expect\": \"It rains in Atlantis.\"}\n";
    let transcript = try_script(&example("interactions"), script, &[]).await;
    transcript.must_pass();
    assert!(transcript.of("interaction_failed").is_empty(), "{transcript}");
    assert!(transcript.of("life").iter().all(|life| !life["what"].as_str().unwrap().contains("killed")));
}
