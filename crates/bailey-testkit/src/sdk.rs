//! Environments with each released SDK, and starter plugins written by their own tools.

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::places::{self, PYTHON};

/// Time to wait for another test that makes the same environment.
const LOCK_DEADLINE: Duration = Duration::from_secs(180);
/// Time for one command.
const COMMAND_DEADLINE: Duration = Duration::from_secs(120);

/// A released SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sdk {
    /// The distribution's name.
    pub distribution: &'static str,
    /// The version.
    pub version: &'static str,
    /// Its command line tool.
    pub tool: &'static str,
}

const fn mmo_maid(version: &'static str) -> Sdk {
    Sdk { distribution: "mmo-maid-sdk", version, tool: "mmo" }
}

const fn yourbot(version: &'static str) -> Sdk {
    Sdk { distribution: "yourbot-sdk", version, tool: "yourbot" }
}

/// The SDKs Bailey answers for, oldest first.
pub const SDKS: [Sdk; 6] = [
    mmo_maid("0.5.2"),
    mmo_maid("0.5.4"),
    yourbot("0.6.1"),
    yourbot("0.8.5"),
    yourbot("0.9.0"),
    yourbot("0.10.1"),
];

impl Sdk {
    /// As a requirement: `yourbot-sdk==0.9.0`.
    pub fn requirement(&self) -> String {
        format!("{}=={}", self.distribution, self.version)
    }

    /// A folder with this SDK in `packages` and its tool in `bin`, made below `cache` when it is not there
    /// yet: the packages come out of the builder's jail, like a plugin's. Tests may ask for the same one
    /// at once, also from several processes.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn environment(&self, cache: &Path) -> PathBuf {
        let name = self.requirement().replace("==", "-");
        fs::create_dir_all(cache).unwrap_or_else(|error| panic!("no folder `{}`: {error}", cache.display()));
        let cache = std::path::absolute(cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
        let folder = cache.join(&name);
        // The tool names the packages' folder, so it is made in its place, under a lock, and counts only
        // once this file is there.
        let complete = folder.join(".complete");
        let _lock = lock(&cache.join(format!("{name}.lock"))).await;
        if complete.is_file() {
            return folder;
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("half an environment stays: {error}"));
        }
        let built = places::builder(&cache.join("packages"))
            .build(None, Some(&self.requirement()))
            .await
            .unwrap_or_else(|error| panic!("no {}: {error}", self.requirement()));
        // Copied, because a cache may be swept.
        copy(&built.directory, &folder.join("packages"));
        let tool = folder.join("bin").join(self.tool);
        let text = format!(
            "#!{PYTHON} -I\nimport sys\nsys.path.insert(0, {packages:?})\n\
             from importlib.metadata import distribution\n\
             points = distribution({distribution:?}).entry_points\n\
             [point] = [point for point in points if point.name == {tool:?}]\n\
             sys.exit(point.load()())\n",
            packages = folder.join("packages").display().to_string(),
            distribution = self.distribution,
            tool = self.tool,
        );
        fs::create_dir_all(folder.join("bin"))
            .and_then(|()| fs::write(&tool, text))
            .and_then(|()| fs::set_permissions(&tool, Permissions::from_mode(0o755)))
            .unwrap_or_else(|error| panic!("`{}`: {error}", tool.display()));
        fs::write(&complete, "").unwrap_or_else(|error| panic!("`{}`: {error}", complete.display()));
        folder
    }
}

/// A starter plugin the SDKs' tools can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Template {
    /// `!ping` is answered with `Pong!`.
    Basic,
    /// `/hello` greets whoever runs it.
    Slash,
    /// New members are greeted in the channel where `/welcome-channel` was run.
    Welcome,
    /// A daily summary in the channel where `/summary-channel` was run.
    Cron,
}

/// Every starter.
pub const TEMPLATES: [Template; 4] = [Template::Basic, Template::Slash, Template::Welcome, Template::Cron];

impl Template {
    /// The tools' name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Slash => "slash",
            Self::Welcome => "welcome",
            Self::Cron => "cron",
        }
    }
}

/// Has the SDK's own tool write a starter plugin to `target`, which must not exist or be empty. Its
/// id is `starter_<template>`.
///
/// # Panics
/// When the tool cannot be had or fails.
pub async fn starter(cache: &Path, sdk: Sdk, template: Template, target: &Path) {
    let environment = sdk.environment(cache).await;
    let mut tool = command(&environment.join("bin").join(sdk.tool));
    tool.arg("new").arg(format!("starter_{}", template.name()));
    tool.args(["--template", template.name(), "--target"]).arg(target);
    run(&mut tool).await;
}

fn command(program: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the test kit runs uv and the SDKs' own tools")]
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn run(command: &mut Command) {
    let shown = format!("{:?}", command.as_std());
    let output = timeout(COMMAND_DEADLINE, command.output())
        .await
        .unwrap_or_else(|_| panic!("{shown} took longer than {COMMAND_DEADLINE:?}"))
        .unwrap_or_else(|error| panic!("{shown} did not start: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown} failed with {}: {words}", output.status);
}

/// Copies a folder of folders and files.
fn copy(from: &Path, to: &Path) {
    let copied = fs::create_dir_all(to).and_then(|()| fs::read_dir(from)).and_then(|entries| {
        for entry in entries {
            let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
            if entry.is_dir() {
                copy(&entry, &target);
            } else {
                fs::copy(&entry, &target)?;
            }
        }
        Ok(())
    });
    copied.unwrap_or_else(|error| panic!("`{}` cannot be copied: {error}", from.display()));
}

/// Holds a lock file until dropped; the system lets go of it if the process dies.
async fn lock(path: &Path) -> File {
    let shown = path.display();
    let file = File::create(path).unwrap_or_else(|error| panic!("`{shown}`: {error}"));
    let give_up = Instant::now() + LOCK_DEADLINE;
    loop {
        match file.try_lock() {
            Ok(()) => return file,
            Err(TryLockError::WouldBlock) => {
                assert!(Instant::now() < give_up, "`{shown}` is held for longer than {LOCK_DEADLINE:?}");
                sleep(Duration::from_millis(50)).await; // a file lock cannot be awaited
            }
            Err(TryLockError::Error(error)) => panic!("`{shown}` cannot be locked: {error}"),
        }
    }
}
