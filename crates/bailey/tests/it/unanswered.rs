//! Nobody is left with "thinking" or "did not respond" by a plugin that dies, fails or is stopped: what people
//! read then, in the simulated Discord.

use bailey_testkit::{SDKS, fixture};

use crate::support::{Transcript, data_directory, try_script, try_with};

async fn play(script: &str, arguments: &[&str]) -> Transcript {
    try_script(&fixture("leaves_people_waiting"), script, arguments).await
}

#[tokio::test]
async fn a_command_whose_plugin_dies_each_time_is_answered_by_the_host() {
    let script = r#"
        {"command": "die"}
        {"expect": {"message": "This plugin is not running at the moment.", "ephemeral": true}}
        {"command": "button"}
        {"expect": {"message": "This plugin is not running at the moment.", "ephemeral": true}}
    "#;
    play(script, &[]).await.must_pass();
}

#[tokio::test]
async fn a_thinking_the_plugin_asked_for_is_ended_by_the_host() {
    let script = r#"
        {"command": "defer_and_die"}
        {"expect": [{"thinking": true}, {"message": "This plugin is not running at the moment."}]}
    "#;
    play(script, &[]).await.must_pass();
}

#[tokio::test]
async fn a_thinking_of_the_host_is_ended_by_the_host() {
    let script = r#"
        {"command": "die_late"}
        {"expect": [{"thinking": true}, {"message": "This plugin stopped before it could answer."}]}
    "#;
    play(script, &["--clock", "real"]).await.must_pass();
}

#[tokio::test]
async fn a_handler_that_raises_is_answered_for_with_the_oldest_and_the_newest_sdk() {
    let script = r#"
        {"command": "raise"}
        {"expect": {"message": "This plugin ran into an error", "ephemeral": true}}
        {"command": "button"}
        {"click": "go"}
        {"expect": {"message": "This plugin ran into an error", "ephemeral": true}}
    "#;
    for sdk in [SDKS[0], SDKS[SDKS.len() - 1]] {
        try_with(sdk, &fixture("leaves_people_waiting"), script).await.must_pass();
    }
}

/// SDKs say when nothing handles commands and clicks at all; which command a handler is for they keep to themselves.
#[tokio::test]
async fn a_command_of_a_plugin_without_handlers_is_answered_for_with_the_oldest_and_the_newest_sdk() {
    let folder = data_directory();
    let manifest = r#"{"id": "forgetful", "name": "Forgetful", "version": "1.0.0",
        "slash_commands": [{"name": "forgotten", "description": "Nothing handles it"}]}"#;
    std::fs::write(folder.path().join("manifest.json"), manifest).unwrap();
    let code = "try:\n    from yourbot_sdk import Plugin\nexcept ModuleNotFoundError:\n    from mmo_maid_sdk import \
                Plugin\nPlugin().run()\n";
    std::fs::write(folder.path().join("__main__.py"), code).unwrap();
    let script = r#"
        {"command": "forgotten"}
        {"expect": {"message": "This plugin has no answer to that.", "ephemeral": true}}
    "#;
    for sdk in [SDKS[0], SDKS[SDKS.len() - 1]] {
        try_with(sdk, folder.path(), script).await.must_pass();
    }
}
