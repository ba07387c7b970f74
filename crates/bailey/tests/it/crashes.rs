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
async fn a_kill_takes_no_more_metrics_along_than_the_next_start_says() {
    let data = data_directory();
    let plugin = fixture("steady");
    let mut dev = Dev::start(&plugin, data.path(), &[]).await;
    dev.say("!begin").await;
    // "recorded 123 by 1767225600000", several times a second.
    let mut steps: Vec<(i64, i64)> = Vec::new();
    while steps.len() < 25 {
        let line = dev.line_with("recorded ").await;
        let numbers: Vec<i64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        steps.push((numbers[0], numbers[1]));
    }
    dev.end_by(Signal::KILL).await;

    let log = data.path().join("stderr");
    let (mut dev, _) = Dev::start_with(&plugin, data.path(), &[], std::fs::File::create(&log).unwrap()).await;
    dev.say("!total").await;
    let kept: i64 =
        dev.line_with("kept ").await.split("kept ").nth(1).unwrap().trim_end_matches('.').parse().unwrap();
    assert!(dev.end_by(Signal::TERM).await.success());
    let said = std::fs::read_to_string(&log).unwrap();
    let warning = said.lines().find(|line| line.contains("a host ended without warning")).expect(&said);
    let word_after = |text: &str| warning.split(text).nth(1).unwrap().split(' ').next().unwrap();
    let seconds: f64 = word_after("up to ").parse().unwrap();
    let after: bailey_protocol::Timestamp = word_after("of metrics after ").parse().unwrap();

    // What was recorded before the time it names is there, and that time is not long before the end.
    let (last, ended_at) = *steps.last().unwrap();
    let sure = steps.iter().filter(|(_, at)| *at <= after.0).map(|(recorded, _)| *recorded).max();
    assert!(kept >= sure.unwrap_or(0), "kept {kept} of {steps:?}; {warning}");
    assert!(
        sure.is_some_and(|sure| sure > 0),
        "it says that everything may be missing: {steps:?}; {warning}"
    );
    assert!(ended_at - after.0 < 5000 && (0.0..10.0).contains(&seconds), "{ended_at}; {warning}");
    assert!(kept <= last + 20_000, "more was kept than recorded: {kept}, {last}");
}

#[tokio::test]
async fn a_plugin_that_hangs_does_not_keep_bailey_from_stopping() {
    let data = data_directory();
    let mut dev = Dev::start(&fixture("sleeps_forever"), data.path(), &[]).await;
    dev.say("!awake").await; // the first event goes alone
    dev.line_with(": awake").await;
    dev.say("!sleep").await;
    dev.say("!awake").await; // answered beside the one that sleeps, which has begun by then
    dev.line_with(": awake").await;
    let begun = tokio::time::Instant::now();
    let status = dev.end_by(Signal::TERM).await;
    assert!(status.success(), "asked to stop, it ended with {status}");
    let most = bailey_protocol::limits::DRAIN_DEADLINE + std::time::Duration::from_secs(20);
    assert!(begun.elapsed() < most, "it took {:?}", begun.elapsed());
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
