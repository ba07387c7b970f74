//! What the machine offers beside the walls: a kernel, control groups, user ids, Python, PostgreSQL.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bailey_sandbox::{DockerFacts, PythonRoot, RootError};

use super::report::{HostRow, State};
use crate::cli::SandboxChoice;
use crate::error::chain;

pub(super) fn kernel() -> HostRow {
    let names = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let found = format!("{} {} ({})", text(names.sysname()), text(names.release()), text(names.machine()));
    HostRow::new("kernel", State::Ok, found)
}

pub(super) fn control_groups(found: Option<&(u8, Vec<PathBuf>)>) -> HostRow {
    match found {
        Some((version, places)) => {
            let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
            HostRow::new(
                "control groups",
                State::Ok,
                format!("version {version}, below {}", places.join(", ")),
            )
        }
        None => HostRow::new("control groups", State::Fails, "none that can be used".to_owned()),
    }
}

/// What landlock guards since which version, beyond reading, writing and executing.
const LANDLOCK: &[(u32, &str)] =
    &[(3, "truncation"), (4, "TCP"), (5, "device controls"), (6, "signals and abstract sockets")];

/// An older landlock guards less; other walls stand behind each of its rules.
pub(super) fn landlock(found: Option<(u32, u32)>) -> HostRow {
    let Some((version, newest)) = found else {
        return HostRow::new("landlock", State::Fails, "not in this kernel, or not switched on".to_owned());
    };
    let unguarded: Vec<&str> =
        LANDLOCK.iter().filter(|(since, _)| *since > version).map(|(_, what)| *what).collect();
    let mut found = format!("version {version} (rules up to version {newest} are used)");
    if !unguarded.is_empty() {
        found.push_str(&format!("; does not guard {} yet: a newer kernel does", unguarded.join(", ")));
    }
    HostRow::new("landlock", State::Ok, found)
}

pub(super) fn identity(sandbox: SandboxChoice, range: &Range<u32>) -> HostRow {
    let user = rustix::process::geteuid();
    let who = if user.is_root() { "root".to_owned() } else { format!("user {}", user.as_raw()) };
    let gets = if user.is_root() || sandbox == SandboxChoice::Docker {
        format!("a user id of its own, {}-{}", range.start, range.end - 1)
    } else {
        "a user namespace of its own".to_owned()
    };
    HostRow::new("identity", State::Ok, format!("{who}: each process gets {gets}"))
}

/// What a Docker daemon says of itself. Whether that is enough is a matter of the walls.
pub(super) fn docker(daemon: &DockerFacts, socket: &Path) -> [HostRow; 3] {
    let DockerFacts { release, interface, runtime, is_gvisor, control_groups, .. } = daemon;
    let namespace = if daemon.remaps_users { ", with a user namespace for its containers" } else { "" };
    let found = format!("{release}, interface {interface}, at {}{namespace}", socket.display());
    let kernel = if *is_gvisor { "gVisor's kernel" } else { "this machine's kernel" };
    let groups = match control_groups {
        Some((version, by)) => {
            HostRow::new("control groups", State::Ok, format!("version {version}, made by {by}"))
        }
        None => HostRow::new("control groups", State::Fails, "the daemon uses none".to_owned()),
    };
    [
        HostRow::new("docker daemon", State::Ok, found),
        HostRow::new("docker runtime", State::Ok, format!("{runtime}: plugins talk to {kernel}")),
        groups,
    ]
}

pub(super) fn python(path: &Path, root: &Result<PythonRoot, RootError>) -> HostRow {
    match root {
        Ok(root) => {
            HostRow::new("python", State::Ok, format!("{} ({})", root.python_version(), path.display()))
        }
        Err(error) => {
            let (found, change) = split_hint(&chain(error));
            HostRow::new("python", State::Fails, found).with_change(change)
        }
    }
}

/// PostgreSQL has no part in whether untrusted code may run, so its absence is only a warning.
pub(super) async fn postgresql(external: bool) -> HostRow {
    if external {
        return HostRow::new("postgresql", State::Ok, "yours, by --database-url (not tried here)".to_owned());
    }
    match bailey_store::cluster::installed().await {
        Ok((major, program)) => {
            HostRow::new("postgresql", State::Ok, format!("{major} ({})", program.display()))
        }
        Err(error) => {
            let (found, change) = split_hint(&chain(&error));
            HostRow::new("postgresql", State::Missing, found).with_change(change)
        }
    }
}

/// Our errors say what happened, and after `hint: ` what to do.
fn split_hint(text: &str) -> (String, Option<String>) {
    match text.split_once("; hint: ") {
        Some((what, hint)) => (what.to_owned(), Some(hint.to_owned())),
        None => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_landlock_says_what_it_does_not_guard() {
        let said = |found| format!("{:?}", landlock(found));
        assert!(!said(Some((7, 7))).contains("does not guard"));
        assert!(
            said(Some((4, 7))).contains("does not guard device controls, signals and abstract sockets yet")
        );
        assert!(said(None).contains("Fails"));
    }
}
