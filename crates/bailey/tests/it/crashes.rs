//! Death in the middle of things: of the plugin, and of Bailey itself.

use bailey_testkit::fixture;
use rustix::process::Signal;

use crate::support::{Dev, data_directory, try_script};

#[tokio::test]
async fn a_plugin_that_dies_in_the_middle_of_an_event_is_given_it_once_more() {
    let script = r#"
        {"say": "!crash"}
        {"expect": {"message": {"equals": "answered at attempt 2"}}}
    "#;
    let transcript = try_script(&fixture("crash_once"), script, &[]).await;
    transcript.must_pass();
    let again: Vec<_> = transcript
        .of("life")
        .into_iter()
        .filter(|life| life["what"].as_str().unwrap().contains("again"))
        .collect();
    assert_eq!(again.len(), 1, "{transcript}");
    assert_eq!(transcript.said().len(), 1, "{transcript}");
}

#[tokio::test]
async fn what_was_saved_survives_the_death_of_bailey() {
    let data = data_directory();
    let plugin = fixture("counter");
    let mut dev = Dev::start(&plugin, data.path(), &[]).await;
    for number in 1..=3 {
        dev.say("!count").await;
        dev.line_with(&format!("count {number}")).await;
    }
    let status = dev.end_by(Signal::KILL).await;
    assert!(!status.success());

    let mut dev = Dev::start(&plugin, data.path(), &[]).await;
    dev.say("!count").await;
    dev.line_with("count 4").await;
    let status = dev.end_by(Signal::TERM).await;
    assert!(status.success(), "asked to stop, it ended with {status}");
}

#[tokio::test]
async fn a_second_bailey_on_the_same_data_is_refused() {
    let data = data_directory();
    let plugin = fixture("counter");
    let dev = Dev::start(&plugin, data.path(), &[]).await;
    let mut second = crate::support::bailey();
    second.arg("dev").arg(&plugin).args(["--bind", "127.0.0.1:0"]).env("BAILEY_DATA_DIR", data.path());
    let output = tokio::time::timeout(crate::support::PATIENCE, second.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("another") || said.contains("already"), "{said}");
    assert!(dev.end_by(Signal::INT).await.success());
}
