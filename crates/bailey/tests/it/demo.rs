//! The demo: what a newcomer sees first.

use bailey_testkit::demo;
use rustix::process::Signal;

use crate::support::{Dev, bailey, data_directory, http_client, try_file};

#[tokio::test]
async fn the_conversation_of_the_demo_holds() {
    try_file(&demo(), &demo().join("conversation.jsonl"), &[]).await.must_pass();
}

#[tokio::test]
async fn the_demo_shows_the_conversation_and_ends_well_twice_over_the_same_data() {
    let data = data_directory();
    for _ in 0..2 {
        let mut command = bailey();
        command.arg("dev").arg(demo()).arg("--conversation").arg(demo().join("conversation.jsonl"));
        command.args(["--once", "--bind", "127.0.0.1:0"]).env("BAILEY_DATA_DIR", data.path());
        let output = tokio::time::timeout(crate::support::PATIENCE, command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        for text in ["alice types a message", "Pong!", "Hello, Ada!", "[Tell me more]", "sees the form"] {
            assert!(said.contains(text), "{text:?} is missing from\n{said}");
        }
    }
}

#[tokio::test]
async fn a_conversation_that_does_not_hold_fails_the_demo() {
    let data = data_directory();
    let script = data.path().join("wrong.jsonl");
    std::fs::write(&script, "{\"say\": \"!ping\"}\n{\"expect\": \"Pang!\"}\n").unwrap();
    let mut command = bailey();
    command.arg("dev").arg(demo()).arg("--conversation").arg(&script).args([
        "--once",
        "--bind",
        "127.0.0.1:0",
    ]);
    let output = command.env("BAILEY_DATA_DIR", data.path()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOT AS EXPECTED (line 2)"));
}

#[tokio::test]
async fn the_status_page_is_up_and_shows_the_conversation() {
    let data = data_directory();
    let mut dev = Dev::start(&demo(), data.path(), &[]).await;
    dev.say("!ping").await;
    dev.line_with("Pong!").await;
    let page = http_client().get(format!("{}/sim/", dev.base())).send().await.unwrap();
    assert!(page.status().is_success());
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(dev.end_by(Signal::TERM).await.success());
}
