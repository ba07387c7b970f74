//! What plugins do on Discord, by real SDKs in the sandbox: the examples of each area, with their scripts.

use bailey_testkit::{SDKS, example};
use futures_util::future::join_all;

use crate::support::try_file;

/// Plays an example's script under the oldest and the newest SDK.
async fn plays(name: &str) {
    let plugin = example(name);
    let script = plugin.join(format!("{name}.jsonl"));
    join_all([SDKS[0], SDKS[SDKS.len() - 1]].map(|sdk| {
        let (plugin, script) = (&plugin, &script);
        async move {
            let transcript = try_file(plugin, script, &["--sdk", &sdk.requirement()]).await;
            transcript.must_pass();
        }
    }))
    .await;
}

#[tokio::test]
async fn moderators_are_helped() {
    plays("moderation").await;
}

/// Every event there is reaches a plugin that tells of it.
#[tokio::test]
async fn what_happens_is_told() {
    plays("server_log").await;
}

#[tokio::test]
async fn rooms_come_and_go() {
    plays("channels").await;
}
