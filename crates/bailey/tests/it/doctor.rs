//! `bailey doctor`: green on this machine, and red, naming what is missing, on one that lacks something.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Output;

use bailey_testkit::docker;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{PATIENCE, bailey};

/// Python that forbids one system call to itself and becomes the program named after it.
const WITHOUT: &str = r#"
import ctypes, errno, os, platform, struct, sys
NUMBERS = {"landlock_create_ruleset": (444, 444), "unshare": (272, 97), "setresuid": (117, 147), "seccomp": (317, 277)}
call, answer, program = NUMBERS[sys.argv[1]][platform.machine() != "x86_64"], getattr(errno, sys.argv[2]), sys.argv[3:]
rows = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (6, 0, 0, 0x00050000 | answer), (6, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(rows), ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
os.execv(program[0], program)
"#;

async fn output(mut command: Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output()).await.expect("bailey doctor did not end").unwrap()
}

async fn doctor(arguments: &[&str]) -> Output {
    let mut command = bailey();
    command.arg("doctor").args(arguments);
    output(command).await
}

/// The doctor on a machine where a system call does not work.
#[expect(clippy::disallowed_methods, reason = "the tests start the binary")]
async fn doctor_without(call: &str, answer: &str, arguments: &[&str]) -> Output {
    let usual = bailey();
    let mut command = Command::new("/usr/bin/python3");
    command
        .args(["-ISc", WITHOUT, call, answer])
        .arg(usual.as_std().get_program())
        .arg("doctor")
        .args(arguments);
    command.env_clear();
    for (name, value) in usual.as_std().get_envs() {
        command.env(name, value.unwrap());
    }
    output(command).await
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The names in a list of rows whose `field` is `value`.
fn those<'a>(report: &'a Value, list: &str, name: &str, field: &str, value: &str) -> Vec<&'a str> {
    let rows = report[list].as_array().unwrap().iter().filter(|row| row[field] == value);
    rows.map(|row| row[name].as_str().unwrap()).collect()
}

/// Values replaced by their kinds, lists by their elements' common shape.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null | Value::String(_) => json!("text or null"),
        Value::Bool(_) => json!("truth"),
        Value::Number(_) => json!("number"),
        Value::Array(rows) => {
            let mut shapes: Vec<Value> = rows.iter().map(shape).collect();
            shapes.dedup();
            json!(shapes)
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
    }
}

#[tokio::test]
async fn this_machine_may_run_untrusted_code() {
    let output = doctor(&["--json"]).await;
    let report = read(&output);
    assert_eq!((output.status.code(), &report["untrusted_code"]), (Some(0), &json!(true)), "{report:#}");
    let text = "text or null";
    let expected = json!({
        "version": text,
        "sandbox": text,
        "untrusted_code": "truth",
        "host": [{"check": text, "state": text, "found": text, "change": text}],
        "layers": [{"layer": text, "state": text, "reason": text, "change": text}],
        "attacks": [{"name": text, "group": text, "claim": text, "verdict": text, "detail": text}],
    });
    assert_eq!(shape(&report), expected);
    let checks: Vec<&str> =
        report["host"].as_array().unwrap().iter().map(|row| row["check"].as_str().unwrap()).collect();
    assert_eq!(checks, ["kernel", "control groups", "landlock", "identity", "python", "postgresql"]);
    assert_eq!(
        those(&report, "layers", "layer", "state", "stands"),
        [
            "launcher",
            "cgroup-limits",
            "identity",
            "namespaces",
            "file-system",
            "proc",
            "tmp",
            "resource-limits",
            "capabilities",
            "no-new-privileges",
            "parent-death",
            "landlock",
            "seccomp",
            "program",
        ]
    );
    let attacks = report["attacks"].as_array().unwrap().len();
    assert_eq!(those(&report, "attacks", "name", "verdict", "held").len(), attacks);
    assert!((20..50).contains(&attacks), "{attacks} attacks in the quick form");
}

#[tokio::test]
async fn a_machine_without_something_is_told_what() {
    for (call, answer, layer) in [
        ("landlock_create_ruleset", "ENOSYS", "landlock"),
        ("unshare", "EPERM", "namespaces"),
        ("setresuid", "EPERM", "identity"),
        ("seccomp", "EINVAL", "seccomp"),
    ] {
        let output = doctor_without(call, answer, &["--json"]).await;
        let report = read(&output);
        assert_eq!((output.status.code(), &report["untrusted_code"]), (Some(1), &json!(false)), "{report:#}");
        assert_eq!(those(&report, "layers", "layer", "state", "fails"), [layer], "{report:#}");
        assert!(
            those(&report, "layers", "layer", "state", "stands").len() >= 9,
            "the others are tried: {report:#}"
        );
        assert_eq!(report["attacks"], json!([]), "nothing of a plugin's runs behind walls with a gap");
        let row = report["layers"].as_array().unwrap().iter().find(|row| row["layer"] == layer).unwrap();
        assert!(row["reason"].as_str().is_some() && row["change"].as_str().is_some(), "{row}");
    }
}

#[tokio::test]
async fn people_read_a_table() {
    let output = doctor_without("landlock_create_ruleset", "ENOSYS", &[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "  FAILS      landlock              this kernel has no landlock",
        "  ok         seccomp\n",
        "-> ",
        "none was tried: every layer has to stand first",
        "Untrusted plugins must NOT run on this machine: landlock.",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    let output = doctor(&[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    for part in
        ["  held       tcp_connect           reach a server", "Untrusted plugins may run on this machine."]
    {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

#[tokio::test]
async fn a_python_that_is_none_is_told() {
    let output = doctor(&["--json", "--python", "/no/such/python"]).await;
    let report = read(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(those(&report, "host", "check", "state", "fails"), ["python"]);
}

#[tokio::test]
async fn user_ids_are_the_operators_to_choose() {
    let report = read(&doctor(&["--json", "--sandbox-uids", "300000-300009"]).await);
    let identity = report["host"].as_array().unwrap().iter().find(|row| row["check"] == "identity").unwrap();
    assert!(identity["found"].as_str().unwrap().contains("300000-300009"), "{identity}");
    assert_eq!(report["untrusted_code"], true, "{report:#}");
    let output = doctor(&["--sandbox-uids", "0-5"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs two user ids"));
}

#[tokio::test]
async fn the_control_group_is_the_operators_to_choose() {
    let groups = bailey_testkit::Groups::new();
    let report = read(&doctor(&["--json", "--control-group", groups.name()]).await);
    let found =
        report["host"].as_array().unwrap().iter().find(|row| row["check"] == "control groups").unwrap();
    assert!(found["found"].as_str().unwrap().contains(groups.name()), "{found}");
    assert_eq!(report["untrusted_code"], true, "{report:#}");
    assert!(groups.members().is_empty(), "groups are left: {:?}", groups.members());
    let output = doctor(&["--json", "--control-group", "no/such/group"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report = read(&output);
    assert_eq!(those(&report, "layers", "layer", "state", "fails"), ["cgroup-limits"]);
    let row =
        report["layers"].as_array().unwrap().iter().find(|row| row["layer"] == "cgroup-limits").unwrap();
    assert!(row["change"].as_str().unwrap().starts_with("make the group no/such/group"), "{row}");
}

/// The doctor for plugins in containers.
async fn doctor_of_docker(socket: &Path, arguments: &[&str]) -> Output {
    let socket = socket.to_str().unwrap();
    doctor(&[&["--sandbox", "docker", "--docker-socket", socket], arguments].concat()).await
}

#[tokio::test]
async fn containers_may_run_untrusted_code_and_their_known_differences_are_told() {
    let Some(daemon) = docker::shared() else { return };
    let output = doctor_of_docker(&daemon.socket(), &["--json"]).await;
    let report = read(&output);
    assert_eq!((output.status.code(), &report["untrusted_code"]), (Some(0), &json!(true)), "{report:#}");
    assert_eq!(report["sandbox"], "docker");
    assert_eq!(
        those(&report, "host", "check", "state", "ok"),
        ["kernel", "docker daemon", "docker runtime", "control groups", "identity", "python", "postgresql"]
    );
    let stands = those(&report, "layers", "layer", "state", "stands");
    assert_eq!(stands.len(), report["layers"].as_array().unwrap().len(), "{report:#}");
    for layer in ["daemon", "image", "parent-death", "seccomp", "identity", "resource-limits"] {
        assert!(stands.contains(&layer), "{layer}: {stands:?}");
    }
    let known = those(&report, "attacks", "name", "verdict", "known");
    assert_eq!(known, ["own_score", "exec_again"]);
    let held = those(&report, "attacks", "name", "verdict", "held").len();
    assert_eq!(held + known.len(), report["attacks"].as_array().unwrap().len(), "{report:#}");
    let said = doctor_of_docker(&daemon.socket(), &[]).await.stdout;
    let said = String::from_utf8(said).unwrap();
    for part in [
        "  known      exec_again ",
        "-> the runtime installs the filter before",
        "  ok         docker runtime        runc: plugins talk to this machine's kernel",
        "Untrusted plugins may run on this machine.",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

#[tokio::test]
async fn a_daemon_that_is_not_there_or_leaves_a_wall_out_is_told() {
    let check = async |socket: &Path, arguments: &[&str], layer: &str, words: &[&str]| {
        let output = doctor_of_docker(socket, &[&["--json"], arguments].concat()).await;
        let report = read(&output);
        assert_eq!((output.status.code(), &report["untrusted_code"]), (Some(1), &json!(false)), "{report:#}");
        assert_eq!(those(&report, "layers", "layer", "state", "fails"), [layer], "{report:#}");
        assert_eq!(report["attacks"], json!([]));
        let row = report["layers"].as_array().unwrap().iter().find(|row| row["layer"] == layer).unwrap();
        for word in words {
            assert!(row.to_string().contains(word), "{word}: {row}");
        }
        report
    };
    let words = ["/nowhere/docker.sock", "start the Docker daemon, or name the socket"];
    check(Path::new("/nowhere/docker.sock"), &[], "daemon", &words).await;
    let Some(daemon) = docker::shared() else { return };
    let unknown = ["--docker-runtime", "kata"];
    check(&daemon.socket(), &unknown, "daemon", &["no runtime `kata`", "runtimes"]).await;
    let leaky = ["--docker-runtime", "without-seccomp"];
    let report = check(&daemon.socket(), &leaky, "seccomp", &["Seccomp: is 0"]).await;
    assert_eq!(those(&report, "layers", "layer", "state", "stands"), ["daemon"]);
}

/// Debian's `nobody`, to whom nothing is handed over.
const NOBODY: u32 = 65_534;

#[tokio::test]
async fn an_ordinary_user_without_control_groups_is_told_how_to_get_them() {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (program, cache) = (home.path().join("bailey"), home.path().join("cache"));
    std::fs::copy(env!("CARGO_BIN_EXE_bailey"), &program).unwrap();
    std::fs::create_dir(&cache).unwrap();
    chown(&cache, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = output(as_nobody(&program, &cache)).await;
    let report = read(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert_eq!(those(&report, "layers", "layer", "state", "fails"), ["cgroup-limits"], "{report:#}");
    assert!(those(&report, "layers", "layer", "state", "stands").contains(&"user-namespace"), "{report:#}");
    let layers = report["layers"].as_array().unwrap();
    let change =
        layers.iter().find(|row| row["layer"] == "cgroup-limits").unwrap()["change"].as_str().unwrap();
    assert!(["Delegate=yes", "chown", "--cgroupns"].iter().any(|way| change.contains(way)), "{change}");
}

#[expect(clippy::disallowed_methods, reason = "the tests start the binary")]
fn as_nobody(program: &Path, cache: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["doctor", "--json"]).env_clear().env("BAILEY_CACHE_DIR", cache).current_dir("/");
    command.uid(NOBODY).gid(NOBODY);
    command
}
