//! One plugin exercises every call with six SDK versions; what people see must be the same.

use bailey_testkit::{SDKS, Sdk, fixture};
use futures_util::future::join_all;

use crate::support::{Transcript, try_file};

#[tokio::test]
async fn every_sdk_version_gets_the_same_answers() {
    let runs = join_all(SDKS.map(play)).await;
    let reference = shown(&runs[0]);
    assert!(reference.len() > 20, "too little was shown: {}", runs[0]);
    for (sdk, transcript) in SDKS.iter().zip(&runs) {
        assert_eq!(
            shown(transcript),
            reference,
            "{} differs from {}",
            sdk.requirement(),
            SDKS[0].requirement()
        );
    }
}

async fn play(sdk: Sdk) -> Transcript {
    let plugin = fixture("conformance");
    let arguments = ["--sdk", &sdk.requirement(), "--step-timeout", "120"];
    let transcript = try_file(&plugin, &plugin.join("conform.jsonl"), &arguments).await;
    transcript.must_pass();
    transcript
}

/// What people saw of the bot, without what differs by nature: ids.
fn shown(transcript: &Transcript) -> Vec<String> {
    let kinds = ["message", "modal", "thinking", "reaction"];
    let lines = transcript.lines.iter().filter(|line| kinds.iter().any(|kind| line["kind"] == *kind));
    lines
        .map(|line| {
            let mut line = line.clone();
            line.as_object_mut().unwrap().remove("message_id");
            line.to_string()
        })
        .collect()
}
