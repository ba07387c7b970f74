//! `bailey secrets` and `bailey cron`, beside a Bailey that runs and without one.

use std::io::Write;
use std::process::Stdio;

use bailey_testkit::example;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::serve::Place;
use crate::support::{PATIENCE, bailey};

/// Runs a command on the data of a place; what it says, and whether it succeeded.
async fn run(place: &Place, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = bailey();
    command.args(arguments).arg("--data-dir").arg(place.data.path()).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    std::io::stderr().write_all(&output.stderr).unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[tokio::test]
async fn an_operator_looks_after_secrets_and_schedules() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let (reminders, outside) = (example("reminders"), example("outside"));
    let install =
        ["--plugin", reminders.to_str().unwrap(), "--plugin", outside.to_str().unwrap(), "--server", &server];
    let (running, _) = place.serve(&install).await;

    let set = ["secrets", "set", "--plugin", "outside", "--host", "api.example.com", "API_KEY"];
    let (succeeded, said) = run(&place, &set, "hidden-value\n").await;
    assert!(succeeded && said.contains("shown to nobody"), "{said}");
    let own = ["secrets", "set", "--plugin", "outside", "--server", &server, "OWN"];
    assert!(run(&place, &own, "another").await.0);
    for (wrong, says) in [
        (vec!["secrets", "set", "--plugin", "outside", "A B"], "letters, digits"),
        (vec!["secrets", "set", "--plugin", "outside", "--host", "https://x", "KEY"], "is no host"),
        (vec!["secrets", "delete", "--plugin", "outside", "NONE"], "has no secret NONE"),
    ] {
        let (succeeded, said) = run(&place, &wrong, "x").await;
        assert!(!succeeded && said.contains(says), "{wrong:?}: {said}");
    }
    assert!(!run(&place, &set, "").await.0, "an empty secret");
    let (_, listed) = run(&place, &["secrets", "list", "--json"], "").await;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["host"], &listed[0]["server"], &listed[0]["key"]),
        (&"api.example.com".into(), &Value::Null, &1.into())
    );
    assert!(!listed.iter().any(|secret| secret.to_string().contains("hidden")));

    // Sealed anew beside the Bailey that runs, which reads it all the same.
    let (succeeded, said) = run(&place, &["secrets", "rotate"], "").await;
    assert!(succeeded && said.contains("sealed 2 secrets with key 2"), "{said}");
    place.sim.people.say(serde_json::json!({"content": "!read OWN"})).await;
    place.sim.people.hear("It has 7 characters.", 1).await;
    // Lines are written together, a moment later.
    let logged = async {
        loop {
            let (_, log) = run(&place, &["logs", "outside"], "").await;
            assert!(!log.contains("another"), "{log}");
            if log.contains("the value is [secret]") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, logged).await.expect("the line was not kept");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(place.data.path().join("secret-keys")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    let (succeeded, said) = run(&place, &["cron", "list", "--json"], "").await;
    assert!(succeeded, "{said}");
    let schedules: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(schedules.len(), 2);
    assert!(schedules[0]["next"].as_str().unwrap().ends_with("T09:00:00.000Z"), "{said}");
    assert!(running.end_by(Signal::TERM).await.success());
    let (_, said) = run(&place, &["secrets", "list"], "").await;
    assert!(said.contains("API_KEY") && said.contains("every"), "{said}");
}
