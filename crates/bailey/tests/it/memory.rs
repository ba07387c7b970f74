//! Plugins share the memory the operator gives them: real processes, measured in their control groups.

use bailey_testkit::fixture;

use crate::support::{Transcript, try_script_with};

/// Plays a script on two servers with so much memory for all plugins.
async fn play(mebibytes: &str, script: &str) -> Transcript {
    let set = |command: &mut tokio::process::Command| {
        command.env("BAILEY_PLUGIN_MEMORY_MIB", mebibytes);
    };
    try_script_with(&fixture("counter"), script, &["--servers", "2"], set).await
}

const IN_TURNS: &str = r#"
    {"say": "!count"}
    {"expect": {"message": "count 1"}}
    {"say": "!count", "on": "2"}
    {"expect": {"message": "count 1"}}
    {"say": "!count"}
    {"expect": {"message": "count 2"}}
"#;

fn evictions(transcript: &Transcript) -> usize {
    let lives = transcript.of("life");
    let evicted =
        |life: &&&serde_json::Value| life["what"].as_str().unwrap().contains("others need its memory");
    lives.iter().filter(evicted).count()
}

#[tokio::test]
async fn with_memory_for_one_process_two_servers_are_served_in_turns() {
    let transcript = play("33", IN_TURNS).await;
    transcript.must_pass();
    // The second server's messages at the installation, and each change of server after that.
    assert!(evictions(&transcript) >= 3, "{transcript}");
}

#[tokio::test]
async fn with_memory_enough_nobody_makes_room() {
    let transcript = play("0", IN_TURNS).await;
    transcript.must_pass();
    assert_eq!(evictions(&transcript), 0, "{transcript}");
}

#[tokio::test]
async fn a_number_that_is_none_is_refused_with_a_hint() {
    let transcript = play("a lot", IN_TURNS).await;
    assert_eq!(transcript.code, Some(2), "{transcript}");
    assert!(transcript.stderr.contains("BAILEY_PLUGIN_MEMORY_MIB is \"a lot\""), "{transcript}");
    assert!(transcript.stderr.contains("hint: 2048"), "{transcript}");
}
