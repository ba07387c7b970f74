//! One plugin exercises every call with six SDK versions; what people see must be the same.

use bailey_testkit::{SDKS, fixture};

use crate::support::{Transcript, try_file};

#[tokio::test]
async fn every_sdk_version_gets_the_same_answers() {
    let plugin = fixture("conformance");
    let mut first: Option<(String, Vec<String>)> = None;
    for sdk in SDKS {
        let arguments = ["--sdk", &sdk.requirement(), "--step-timeout", "120"];
        let transcript = try_file(&plugin, &plugin.join("conform.jsonl"), &arguments).await;
        transcript.must_pass();
        let shown = shown(&transcript);
        assert!(shown.len() > 20, "too little was shown: {transcript}");
        match &first {
            None => first = Some((sdk.requirement(), shown)),
            Some((reference, expected)) => {
                assert_eq!(&shown, expected, "{} differs from {reference}", sdk.requirement());
            }
        }
    }
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
