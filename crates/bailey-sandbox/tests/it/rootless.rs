//! The same walls when the host is an ordinary user with control groups of its own.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    attacks::attack,
    fixture::{PYTHON, readable_folder},
    groups::Groups,
};

/// Debian's `nobody`.
const NOBODY: u32 = 65_534;

/// Attacks that need nothing of the host to aim at.
const ATTACKS: &[&str] = &[
    "become_root",
    "exec_again",
    "exec_from_tmp",
    "kernel_doors",
    "namespaces",
    "thread_bomb",
    "tracing",
    "write_outside",
];

#[test]
#[expect(clippy::disallowed_methods, reason = "the test needs a host process of another user")]
fn an_ordinary_users_plugin_is_held_too() {
    let (home, groups) = (readable_folder(), Groups::new());
    let program = home.path().join("program");
    std::fs::copy(env!("CARGO_BIN_EXE_bailey-sandbox-launcher"), &program).unwrap();
    let cache = home.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    chown(&cache, Some(NOBODY), Some(NOBODY)).unwrap();
    groups.give_to(NOBODY);
    let run = |plugin: &Path| {
        let output = Command::new(&program)
            .arg("run")
            .args([PYTHON.as_ref(), cache.as_os_str(), plugin.as_os_str(), groups.name().as_ref()])
            .stdin(Stdio::null())
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for name in ATTACKS {
        let (stdout, stderr) = run(attack(name).path());
        assert_eq!(stdout, "HELD\n", "{name}: {stderr}");
    }
    let bomb = crate::fixture::Plugin::new("kept = []\nwhile True: kept.append(b'x' * 1024 * 1024)\n");
    let (_, stderr) = run(bomb.path());
    assert_eq!(
        groups.members(),
        Vec::<std::path::PathBuf>::new(),
        "something is left of a host that ended well"
    );
    assert!(stderr.ends_with("memory: reached 128 MiB\n"), "{stderr}");
}
