//! A host that is an ordinary user and may speak to the daemon, and one that may not.

use std::{
    ffi::OsStr,
    os::unix::{fs::PermissionsExt, fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::fixture::{PYTHON, Plugin, readable_folder};

/// Debian's `nobody`.
const NOBODY: u32 = 65_534;

#[test]
fn an_ordinary_user_needs_the_socket_and_nothing_else() {
    // A daemon of its own: the socket's mode is changed.
    if bailey_testkit::docker::shared().is_none() {
        return;
    }
    let daemon = bailey_testkit::docker::Docker::start().unwrap();
    let socket = daemon.socket();
    let home = readable_folder();
    let program = home.path().join("program");
    std::fs::copy(env!("CARGO_BIN_EXE_bailey-sandbox-launcher"), &program).unwrap();
    let cache = home.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    chown(&cache, Some(NOBODY), Some(NOBODY)).unwrap();
    let folder = socket.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();

    let plugin = Plugin::new("print('hello', flush=True)\n");
    let words = [
        "run-docker".as_ref(),
        PYTHON.as_ref(),
        cache.as_os_str(),
        plugin.path().as_os_str(),
        socket.as_os_str(),
    ];
    let (_, said) = run(&program, &words);
    assert!(
        said.contains("Permission denied") && said.contains("hint: run as root or as a member"),
        "{said}"
    );

    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    let (said, complained) = run(&program, &words);
    assert_eq!(said, "hello\n", "{complained}");
}

#[expect(clippy::disallowed_methods, reason = "the test needs a host process of another user")]
fn run(program: &Path, words: &[&OsStr]) -> (String, String) {
    let mut command = Command::new(program);
    command.args(words).arg("ordinary").stdin(Stdio::null()).current_dir("/").uid(NOBODY).gid(NOBODY);
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}
