//! The same walls when the host is an ordinary user with control groups of its own.

use std::{
    ffi::OsStr,
    os::unix::{fs::chown, process::CommandExt},
    process::{Command, Stdio},
};

use bailey_sandbox::escape::ATTACKS;

use crate::{
    fixture::{PYTHON, readable_folder},
    groups::Groups,
};

/// Debian's `nobody`.
const NOBODY: u32 = 65_534;

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
    let run = |words: &[&OsStr]| {
        let output = Command::new(&program)
            .args(words)
            .arg(groups.name())
            .stdin(Stdio::null())
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (stdout, stderr) = run(&["attacks".as_ref(), PYTHON.as_ref(), cache.as_os_str()]);
    let lost: Vec<&str> = stdout.lines().filter(|line| !line.contains(r#""verdict":"held""#)).collect();
    assert_eq!((stdout.lines().count(), lost), (ATTACKS.len(), Vec::new()), "{stderr}");

    let bomb = crate::fixture::Plugin::new("kept = []\nwhile True: kept.append(b'x' * 1024 * 1024)\n");
    let (_, stderr) = run(&["run".as_ref(), PYTHON.as_ref(), cache.as_os_str(), bomb.path().as_os_str()]);
    assert_eq!(
        groups.members(),
        Vec::<std::path::PathBuf>::new(),
        "something is left of a host that ended well"
    );
    assert!(stderr.ends_with("memory: reached 128 MiB\n"), "{stderr}");
}
