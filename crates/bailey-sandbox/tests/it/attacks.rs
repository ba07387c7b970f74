//! Escapes. Each file in `attacks/` states what a plugin can do; in the sandbox it must turn out
//! false (`HELD`), and without a sandbox true (`OPEN`), or the attack itself is broken.

use std::{
    net::TcpListener,
    os::{fd::AsRawFd, unix::net::UnixListener},
    path::Path,
};

use bailey_sandbox::{Exit, ProcessSpec, Sandbox};

use crate::fixture::{Outcome, Plugin, bare, finish, native, readable_folder, run, within};

/// Things on the host that an attack aims at.
struct Target {
    listener: TcpListener,
    folder: tempfile::TempDir,
    _socket: UnixListener,
}

impl Target {
    fn new() -> Self {
        let folder = readable_folder();
        std::fs::write(folder.path().join("secret"), "the host's secret").unwrap();
        let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), folder, _socket }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        vec![
            ("CANARY_PORT".into(), self.listener.local_addr().unwrap().port().to_string()),
            ("CANARY_FILE".into(), path("secret")),
            ("CANARY_SOCKET".into(), path("socket")),
            ("CANARY_PID".into(), std::process::id().to_string()),
        ]
    }
}

/// An attack as a plugin.
pub(crate) fn attack(name: &str) -> Plugin {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let plugin = Plugin::new(&read(&format!("{name}.py")));
    plugin.file("doors.py", &read("doors.py"));
    plugin
}

async fn verdict(sandbox: &Sandbox, name: &str) -> Outcome {
    let (plugin, target) = (attack(name), Target::new());
    let spec = ProcessSpec { environment: target.environment(), ..plugin.spec() };
    finish(within(sandbox.spawn(spec)).await.unwrap(), "").await
}

/// Held inside, open outside.
async fn check(name: &str) {
    let inside = verdict(&Sandbox::Native(native().await), name).await;
    assert_eq!(inside.stdout.trim(), "HELD", "{name} in the sandbox: {inside:?}");
    let outside = verdict(&bare(), name).await;
    assert!(
        outside.stdout.starts_with("OPEN"),
        "{name} proves nothing, it fails without a sandbox: {outside:?}"
    );
}

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(#[tokio::test] async fn $name() { check(stringify!($name)).await; })*
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

attacks!(
    become_root,
    clone3,
    devices,
    exec_again,
    exec_from_tmp,
    foreign_pids,
    host_file,
    kernel_doors,
    memfd_exec,
    namespaces,
    new_process,
    sockets,
    tcp_connect,
    thread_bomb,
    tmp_bytes,
    tmp_inodes,
    tracing,
    write_outside,
);

/// A descriptor the host forgot to close stays out. In its own test: it leaks into every process
/// that is started meanwhile, which the others must survive.
#[tokio::test]
async fn leaked_descriptors() {
    let leak = rustix::io::dup(std::io::stderr()).unwrap(); // without close-on-exec
    assert!(leak.as_raw_fd() > 2);
    check("leaked_descriptors").await;
}

#[test]
fn every_attack_is_tried() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/attacks");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".py")?.to_owned()))
        .filter(|name| name != "doors" && name != "leaked_descriptors")
        .collect();
    found.sort();
    assert_eq!(found, NAMES);
}

#[tokio::test]
async fn a_memory_bomb_ends_with_the_limit_in_the_sentence() {
    let plugin = Plugin::new("kept = []\nwhile True: kept.append(b'x' * 1024 * 1024)\n");
    let outcome = run(plugin.spec(), "").await;
    assert_eq!(outcome.exit, Exit::OutOfMemory { limit_bytes: 128 * 1024 * 1024 });
    assert_eq!(outcome.exit.to_string(), "memory: reached 128 MiB");
}

#[tokio::test]
async fn the_environment_is_exactly_the_clean_one() {
    let plugin = Plugin::new("import json, os\nprint(json.dumps(dict(os.environ), sort_keys=True))\n");
    let mut spec = plugin.spec();
    spec.environment = vec![("GREETING".into(), "hello".into())];
    let outcome = run(spec, "").await;
    assert_eq!(
        outcome.stdout.trim(),
        r#"{"GREETING": "hello", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "TMPDIR": "/tmp"}"#
    );
}
