//! `bailey logs` beside a running Bailey and after it: choices, following, and nothing raw on the terminal.

use std::path::Path;

use bailey_testkit::fixture;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::support::{Dev, PATIENCE, bailey, data_directory, try_with};

/// What `bailey logs` says about the plugin `logs`.
async fn logs(data: &Path, arguments: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let mut command = bailey();
    command.args(["logs", "logs"]).args(arguments).env("BAILEY_DATA_DIR", data);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said.lines().map(str::to_owned).collect(), complaint)
}

async fn found(data: &Path, arguments: &[&str]) -> Vec<String> {
    let (code, lines, complaint) = logs(data, arguments).await;
    assert_eq!(code, Some(0), "{complaint}");
    lines
}

/// A `bailey logs --follow`.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = bailey();
        command.args(["logs", "logs", "--follow"]).args(arguments).env("BAILEY_DATA_DIR", data);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn next(&mut self) -> String {
        let next = tokio::time::timeout(PATIENCE, self.lines.next_line());
        next.await.expect("nothing came").unwrap().expect("it ended")
    }

    async fn interrupt(mut self) {
        let pid = Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn lines_are_found_and_followed_while_bailey_runs_and_after() {
    let data = data_directory();
    let data = data.path();
    let mut dev = Dev::start(&fixture("logs"), data, &["--servers", "2"]).await;
    dev.say("!log").await;
    dev.line_with("done").await;
    // Standard error takes a road of its own, and the table a moment.
    let everything = async {
        loop {
            let lines = found(data, &["--since", "1h"]).await;
            let (of_the_sdk, ours): (Vec<_>, Vec<_>) =
                lines.into_iter().partition(|line| line.contains("plugin process started"));
            if ours.len() == 6 && !of_the_sdk.is_empty() {
                return ours;
            }
        }
    };
    let lines = tokio::time::timeout(PATIENCE, everything).await.unwrap();
    let forged: Vec<&String> = lines.iter().filter(|line| line.contains("all is lost")).collect();
    assert!(
        forged[0].contains("forged\\n2026-01-01T00:00:00.000Z ERROR 1 all is lost \\u{1b}[2J"),
        "{forged:?}"
    );
    for line in &lines {
        assert!(!line.chars().any(|character| character.is_control() || character == '\u{202e}'), "{line:?}");
    }
    let debug = lines.iter().find(|line| line.contains("said at debug")).unwrap();
    assert!(debug.ends_with("said at debug #greeting #debug Request=\"Q-42 100%\""), "{debug}");

    assert_eq!(found(data, &["--level", "warning"]).await.len(), 3);
    assert_eq!(found(data, &["--level", "error"]).await.len(), 1);
    assert_eq!(found(data, &["--tag", "greeting"]).await.len(), 4);
    assert_eq!(found(data, &["--grep", "SAID AT i"]).await.len(), 1);
    assert_eq!(found(data, &["--grep", "q-42 100%"]).await.len(), 4);
    assert_eq!(found(data, &["--grep", "said%"]).await.len(), 0);
    assert_eq!(found(data, &["--limit", "3"]).await, lines[3..]);
    assert_eq!(found(data, &["--since", "2999-01-01"]).await.len(), 0);
    let json = found(data, &["--json", "--tag", "error"]).await;
    let error: Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!((&error["level"], &error["extra"]["Request"]), (&"error".into(), &"Q-42 100%".into()));
    let server = error["server"].as_str().unwrap();
    assert!(found(data, &["--server", server]).await.len() > 6);
    assert_eq!(found(data, &["--server", "1"]).await.len(), 0);

    let mut follower = Follower::start(data, &["--level", "error", "--limit", "1"]);
    assert!(follower.next().await.contains("said at error"));
    dev.say("!log").await;
    assert!(follower.next().await.contains("said at error"));
    assert!(dev.end_by(Signal::TERM).await.success());

    // Nobody runs: the server is started for the question, and the follower waits for the next Bailey.
    assert_eq!(found(data, &["--level", "error"]).await.len(), 2);
    let mut dev = Dev::start(&fixture("logs"), data, &[]).await;
    dev.say("!log").await;
    assert!(follower.next().await.contains("said at error"));
    follower.interrupt().await;

    // Too much is cut off, and said.
    dev.say("!flood").await;
    dev.line_with("done").await;
    assert!(dev.end_by(Signal::TERM).await.success());
    let flood = found(data, &["--tag", "flood"]).await;
    assert!((50..=60).contains(&flood.len()), "{}", flood.len());
    let summary = found(data, &["--grep", "you dropped"]).await;
    assert_eq!(summary.len(), 1, "{summary:?}");
    assert!(summary[0].contains(&format!("WARNING {server} you dropped")), "{summary:?}");
}

#[tokio::test]
async fn a_follower_that_comes_first_hears_the_bailey_that_comes_next() {
    let data = data_directory();
    let data = data.path();
    let dev = Dev::start(&fixture("logs"), data, &[]).await;
    assert!(dev.end_by(Signal::TERM).await.success());
    let mut follower = Follower::start(data, &["--tag", "greeting", "--level", "error"]);
    // It holds the data directory for a moment only, and then says that it waits.
    let mut said = BufReader::new(follower.child.stderr.take().unwrap()).lines();
    let waiting = async { while !said.next_line().await.unwrap().unwrap().contains("waiting for it") {} };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    let mut dev = Dev::start(&fixture("logs"), data, &[]).await;
    dev.say("!log").await;
    dev.line_with("done").await;
    assert!(follower.next().await.contains("said at error"));
    follower.interrupt().await;
    assert!(dev.end_by(Signal::TERM).await.success());
}

#[tokio::test]
async fn where_nothing_is_kept_it_says_so_and_leaves_nothing() {
    let data = data_directory();
    let missing = data.path().join("missing");
    let (code, lines, complaint) = logs(&missing, &[]).await;
    assert_eq!((code, lines.len()), (Some(1), 0));
    assert!(
        complaint.contains("no Bailey has kept anything in")
            && complaint.contains("hint: name the --data-dir")
    );
    assert!(!missing.exists());
    for wrong in [&["--since", "yesterday"][..], &["--level", "loud"], &["--limit", "0"], &["--server", "x"]]
    {
        let (code, _, complaint) = logs(&missing, wrong).await;
        assert_eq!(code, Some(2), "{complaint}");
    }
}

#[tokio::test]
async fn every_sdk_generation_logs_the_same() {
    for sdk in [bailey_testkit::SDKS[0], bailey_testkit::SDKS[bailey_testkit::SDKS.len() - 1]] {
        let script = "{\"say\": \"!log\"}\n{\"expect\": {\"message\": {\"equals\": \"done\"}}}";
        let transcript = try_with(sdk, &fixture("logs"), script).await;
        let logged: Vec<&str> = transcript
            .must_pass()
            .of("log")
            .into_iter()
            .filter(|line| line["message"].as_str().unwrap().starts_with("said at"))
            .map(|line| line["level"].as_str().unwrap())
            .collect();
        assert_eq!(logged, ["debug", "info", "warning", "error"], "{transcript}");
    }
}
