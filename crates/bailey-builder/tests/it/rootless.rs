//! The same jail when the host is an ordinary user with control groups of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bailey_builder::{BuildError, Builder, BuilderConfig, CgroupParent, Jail, Launcher};
use bailey_testkit::Groups;

use crate::attacks::Target;
use crate::{config, launcher, uv};

/// Debian's `nobody`.
const NOBODY: u32 = 65_534;
/// The test that runs as that user, in a process of its own.
const INSIDE: &str = "rootless::as_an_ordinary_user";

#[test]
#[expect(clippy::disallowed_methods, reason = "the test needs a host process of another user")]
fn an_ordinary_user_builds_in_the_jail_too() {
    let (home, groups) = (tempfile::tempdir().unwrap(), Groups::new());
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    groups.give_to(NOBODY);
    // That user may not be able to read where the workspace lies.
    let copy = |from: &Path, name: &str| fs::copy(from, home.path().join(name)).unwrap();
    copy(&std::env::current_exe().unwrap(), "test");
    copy(&launcher().program, "bailey-sandbox-launcher");
    copy(&fs::canonicalize(uv()).unwrap(), "uv");
    let output = Command::new(home.path().join("test"))
        .args(["--exact", INSIDE, "--ignored", "--nocapture"])
        .env("BAILEY_TEST_HOME", home.path())
        .env("BAILEY_TEST_GROUP", groups.name())
        .env("PATH", home.path())
        .current_dir(home.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "is run by the test above, as another user"]
async fn as_an_ordinary_user() {
    let variable = |wanted: &str| {
        let found = std::env::vars().find(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value));
        found.expect(wanted)
    };
    let home = variable("BAILEY_TEST_HOME");
    let jail = Jail {
        launcher: Launcher::program(home.join("bailey-sandbox-launcher")),
        cgroup_parent: CgroupParent::Named(variable("BAILEY_TEST_GROUP")),
        ..Jail::new(home.join("roots"))
    };
    let cache = home.join("cache");
    let config = |uv: PathBuf| BuilderConfig { uv, walls: jail.clone().into(), ..config(&cache) };
    for attack in
        ["write_outside", "read_secrets", "reach_the_host", "kernel_doors", "fork_bomb", "through_the_proxy"]
    {
        let target = Target::new();
        let builder = Builder::new(config(target.program(attack, &cache))).unwrap();
        match builder.build(None, None).await.unwrap_err() {
            BuildError::Unresolvable { words, .. } | BuildError::NotTheIndex { words, .. } => {
                assert_eq!(words, "HELD", "{attack}");
            }
            other => panic!("{attack}: {other}"),
        }
    }
    let built = Builder::new(config(home.join("uv"))).unwrap().build(Some("idna==3.7"), None).await.unwrap();
    assert!(built.directory.join("idna/__init__.py").is_file());
}
