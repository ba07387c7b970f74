//! Why the private PostgreSQL could not be had, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the private PostgreSQL. Each message ends with a way forward.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No usable programs were found.
    #[error(
        "no PostgreSQL {needed} found (looked in {searched}); hint: `apt-get install postgresql`, or name the folder of its programs, or the URL of a running server"
    )]
    NoBinaries {
        /// Which version would do, for example `15 or later`.
        needed: String,
        /// Where we looked.
        searched: String,
    },
    /// Bailey runs as root and the account PostgreSQL should run as does not exist.
    #[error(
        "PostgreSQL refuses to run as root and there is no account `{name}`; hint: `apt-get install postgresql` makes one, or name another account"
    )]
    NoAccount {
        /// The account's name.
        name: String,
    },
    /// The account is root, or another than ours without us being root.
    #[error("PostgreSQL cannot run as `{name}`: {why}")]
    UnusableAccount {
        /// The account's name.
        name: String,
        /// The reason and the way out.
        why: &'static str,
    },
    /// The account may not enter a folder on the way to the data.
    #[error(
        "the account `{account}`, which runs PostgreSQL, may not enter {directory}; hint: use a data directory elsewhere (for example below /var/lib), or `chmod o+x {directory}`"
    )]
    Unreachable {
        /// The account's name.
        account: String,
        /// The first folder that is closed to it.
        directory: PathBuf,
    },
    /// Another Bailey lives in the data directory.
    #[error(
        "the data directory {directory} is in use by another Bailey (process {holder}); hint: stop it, or use another data directory"
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The other's process id, as it wrote it.
        holder: String,
    },
    /// A file or folder could not be read, made or changed.
    #[error("could not {what} {path}")]
    File {
        /// The attempt, for example `create`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// For example `initdb`.
        program: &'static str,
        /// What it said, and the end of the server's log.
        output: String,
    },
    /// One of PostgreSQL's programs did not come to an end.
    #[error("{program} did not finish within {seconds} s; hint: see {log}")]
    TooSlow {
        /// For example `pg_ctl start`.
        program: &'static str,
        /// How long we waited.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },
    /// The server runs and cannot be talked to.
    #[error("PostgreSQL in {directory} runs but did not answer; hint: see postgresql.log there")]
    NoAnswer {
        /// The cluster's folder.
        directory: PathBuf,
        /// The driver's reason.
        source: Option<tokio_postgres::Error>,
    },
    /// Roles or databases could not be made.
    #[error("could not prepare the databases of the private PostgreSQL")]
    Prepare(#[source] tokio_postgres::Error),
}

impl ClusterError {
    /// For `map_err` on an I/O result.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}
