//! Which operating-system account runs PostgreSQL, and starting programs as it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::unistd::{Uid, User};
use tokio::process::Command;

use super::ClusterError;

/// The account PostgreSQL runs as: ours, or another when we are root (which PostgreSQL refuses).
#[derive(Debug, Clone)]
pub(super) struct Account {
    name: String,
    /// Set when we must change to it.
    switch_to: Option<(u32, u32)>,
    /// Who Bailey is, as PostgreSQL's `peer` authentication will see it.
    bailey: String,
}

impl Account {
    /// Decides on the account; `wanted` defaults to `postgres` for root and to ourselves otherwise.
    pub(super) fn resolve(wanted: Option<&str>) -> Result<Self, ClusterError> {
        let ourselves = Uid::effective();
        let bailey = look_up_own_name(ourselves);
        if !ourselves.is_root() {
            return match wanted {
                Some(name) if name != bailey => Err(ClusterError::UnusableAccount {
                    name: name.to_owned(),
                    why: "only root can start it as somebody else; leave the account out, or run as root",
                }),
                _ => Ok(Self { name: bailey.clone(), switch_to: None, bailey }),
            };
        }
        let name = wanted.unwrap_or("postgres");
        let user = User::from_name(name)
            .ok()
            .flatten()
            .ok_or_else(|| ClusterError::NoAccount { name: name.to_owned() })?;
        if user.uid.is_root() {
            let why = "PostgreSQL refuses root; name an ordinary account";
            return Err(ClusterError::UnusableAccount { name: name.to_owned(), why });
        }
        Ok(Self { name: user.name, switch_to: Some((user.uid.as_raw(), user.gid.as_raw())), bailey })
    }

    /// Bailey's own account name, for the server's map of who may be which role.
    pub(super) fn bailey_name(&self) -> &str {
        &self.bailey
    }

    /// The user id PostgreSQL's files belong to.
    pub(super) fn uid(&self) -> u32 {
        self.switch_to.map_or_else(|| Uid::effective().as_raw(), |(uid, _)| uid)
    }

    /// Gives a file or folder to the account, without following a link.
    pub(super) fn own(&self, path: &Path) -> Result<(), ClusterError> {
        let Some((uid, gid)) = self.switch_to else { return Ok(()) };
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).map_err(ClusterError::file("give away", path))
    }

    /// Makes sure that the account can enter `directory`; the error names the folder that is closed.
    pub(super) async fn check_reach(&self, directory: &Path) -> Result<(), ClusterError> {
        if self.switch_to.is_none() || self.can_enter(directory).await {
            return Ok(());
        }
        let mut ancestors: Vec<&Path> = directory.ancestors().collect();
        ancestors.reverse();
        let mut closed = directory;
        for ancestor in ancestors {
            if !self.can_enter(ancestor).await {
                closed = ancestor;
                break;
            }
        }
        Err(ClusterError::Unreachable { account: self.name.clone(), directory: closed.to_owned() })
    }

    /// Asks the kernel, as the account, instead of guessing from permission bits.
    async fn can_enter(&self, directory: &Path) -> bool {
        let mut command = self.command(Path::new("/bin/true"));
        command.current_dir(directory).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().await.is_ok_and(|status| status.success())
    }

    /// Runs one of PostgreSQL's programs to its end and returns what it said on success.
    pub(super) async fn run<S: AsRef<OsStr>>(
        &self,
        program: &Path,
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
        limit: Duration,
        log: &Path,
    ) -> Result<String, ClusterError> {
        let mut command = self.command(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::time::timeout(limit, command.output())
            .await
            .map_err(|_| ClusterError::TooSlow { program: name, seconds: limit.as_secs(), log: log.into() })?
            .map_err(ClusterError::file("run", program))?;
        let said = said(&output);
        if output.status.success() {
            Ok(said)
        } else {
            Err(ClusterError::Failed { program: name, output: said })
        }
    }

    fn command(&self, program: &Path) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is where PostgreSQL's programs start")]
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
        if let Some((uid, gid)) = self.switch_to {
            command.uid(uid).gid(gid); // also drops root's supplementary groups
        }
        command
    }
}

fn look_up_own_name(uid: Uid) -> String {
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

/// Both streams, cut to what fits an error message.
fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let printed = String::from_utf8_lossy(&output.stdout);
    if !printed.trim().is_empty() {
        text.push('\n');
        text.push_str(printed.trim());
    }
    text.chars().take(4000).collect()
}

/// Makes a folder only the account may enter. One that exists must already be exactly that:
/// somebody else's folder of this name, or a link, is refused.
pub(super) fn private_directory(account: &Account, path: &Path) -> Result<PathBuf, ClusterError> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => account.own(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(path).map_err(ClusterError::file("look at", path))?;
            if !found.is_dir() || found.mode() & 0o077 != 0 || found.uid() != account.uid() {
                let reason = std::io::Error::other(
                    "something with this name exists and is not a private folder of PostgreSQL's account; remove it",
                );
                return Err(ClusterError::file("use", path)(reason));
            }
        }
        Err(error) => return Err(ClusterError::file("create", path)(error)),
    }
    Ok(path.to_owned())
}
