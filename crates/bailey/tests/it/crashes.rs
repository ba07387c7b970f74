//! Death in the middle of things: of the plugin, and of Bailey itself.

use bailey_testkit::fixture;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Dev, PATIENCE, data_directory, try_script};

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

#[tokio::test]
async fn an_interrupted_try_leaves_nothing_behind() {
    let scratch = data_directory();
    let script = scratch.path().join("script.jsonl");
    std::fs::write(&script, "{\"say\": \"!sleep\"}").unwrap();
    let temporary = scratch.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = crate::support::bailey();
    command
        .arg("try")
        .arg(fixture("sleeps_forever"))
        .arg("--script")
        .arg(&script)
        .args(["--step-timeout", "600"]);
    let mut child = command.env("TMPDIR", &temporary).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let playing = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("\"step\"") && line.contains("!sleep") {
                return;
            }
        }
        panic!("it ended without playing the step");
    };
    tokio::time::timeout(PATIENCE, playing).await.unwrap();
    assert!(std::fs::read_dir(&temporary).unwrap().next().is_some(), "its database is elsewhere");

    let pid = rustix::process::Pid::from_raw(child.id().unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}
