//! Plugins that are broken: each gives one clear message, and none hurts what runs beside it.

use bailey_testkit::fixture;

use crate::support::{Transcript, try_script};

const HELLO: &str = r#"{"say": "hello"}"#;

async fn play(name: &str, script: &str, arguments: &[&str]) -> Transcript {
    try_script(&fixture(name), script, arguments).await
}

/// Wrong before anything runs: exit code 2, one sentence with the hint, an empty transcript.
async fn refused(name: &str, sentence: &str) {
    let transcript = play(name, HELLO, &[]).await;
    assert_eq!(transcript.code, Some(2), "{transcript}");
    assert!(transcript.stderr.contains(sentence), "{transcript}");
    assert!(!transcript.stderr.contains("panicked"), "{transcript}");
    assert!(transcript.lines.is_empty(), "{transcript}");
}

/// Wrong when it runs: one problem that says so.
async fn reported(name: &str, sentence: &str) {
    let transcript = play(name, HELLO, &[]).await;
    let problems = transcript.of("problem");
    assert_eq!(problems.len(), 1, "{transcript}");
    assert!(problems[0]["message"].as_str().unwrap().contains(sentence), "{transcript}");
    assert_eq!(transcript.lines.last().unwrap()["kind"], "result", "{transcript}");
}

#[tokio::test]
async fn a_folder_without_a_manifest() {
    refused("no_manifest", "manifest.json").await;
}

#[tokio::test]
async fn a_manifest_that_is_no_json() {
    refused("broken_json", "manifest.json:").await;
}

#[tokio::test]
async fn a_folder_without_an_entry_point() {
    refused("no_main", "__main__.py").await;
}

#[tokio::test]
async fn a_path_that_is_not_there() {
    let transcript = try_script(std::path::Path::new("/nothing/of/that/name"), HELLO, &[]).await;
    assert_eq!(transcript.code, Some(2), "{transcript}");
    assert!(transcript.stderr.contains("cannot read the plugin /nothing/of/that/name"), "{transcript}");
}

#[tokio::test]
async fn a_plugin_that_never_calls_run() {
    reported("never_runs", "plugin.run()").await;
}

#[tokio::test]
async fn a_plugin_that_exits_at_import() {
    reported("exits_at_import", "exit code").await;
}

#[tokio::test]
async fn a_plugin_that_floods_its_output() {
    let script = r#"
        {"together": [{"say": "!flood"}, {"say": "hello", "on": "2"}]}
        {"expect": {"message": "flooded"}}
    "#;
    let transcript = play("floods_stdout", script, &["--servers", "2"]).await;
    transcript.must_pass();
    // The flood is cut to a bounded number of lines, and said to have been.
    assert!(transcript.of("log").len() < 5_000, "{} lines", transcript.of("log").len());
    assert_eq!(transcript.lines.last().unwrap()["kind"], "result", "{transcript}");
}

#[tokio::test]
async fn a_plugin_that_sleeps_for_ever_is_named_and_does_not_keep_others_from_answering() {
    let script = r#"
        {"say": "!sleep"}
        {"say": "!awake", "on": "2"}
        {"expect": {"message": {"equals": "awake"}}}
    "#;
    let transcript = play("sleeps_forever", script, &["--step-timeout", "3", "--servers", "2"]).await;
    assert_eq!(transcript.code, Some(1), "{transcript}");
    let reason = transcript.of("step_failed")[0]["reason"].as_str().unwrap();
    assert!(reason.contains("1 not acknowledged"), "{transcript}");
    assert_eq!(transcript.of("expectation")[0]["held"], true, "{transcript}");
}

#[tokio::test]
async fn noise_and_bad_numbers_are_answered() {
    let script = r#"
        {"say": "!noise"}
        {"expect": {"message": "stored None None None NaN, half True"}}
    "#;
    play("noisy", script, &[]).await.must_pass();
}

#[tokio::test]
async fn what_was_not_asked_for_is_refused() {
    let script = r#"
        {"say": "!try"}
        {"expect": [{"call": "kv.get", "error": "CAPABILITY_DENIED"}, {"call": "sql.query", "error": "CAPABILITY_DENIED"}]}
    "#;
    play("without_grants", script, &[]).await.must_pass();
}

#[tokio::test]
async fn a_script_with_a_mistake_names_the_line() {
    let transcript = play("counter", "{\"say\": \"a\"}\n{\"shout\": \"b\"}", &[]).await;
    assert_eq!(transcript.code, Some(2), "{transcript}");
    assert!(transcript.stderr.contains("line 2"), "{transcript}");
}
