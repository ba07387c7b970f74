//! Why packages could not be built, and what the author or operator can do about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why packages could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A line of the requirements is not a plain name with versions.
    #[error(
        "requirements.txt, line {line}: `{text}` {why}\n  \
         hint: name packages and versions only, like `package>=1.2`"
    )]
    Requirement {
        /// The line, from 1.
        line: usize,
        /// Its beginning.
        text: String,
        /// What is wrong: completes the sentence.
        why: &'static str,
    },
    /// The requirements as a whole are too much.
    #[error("requirements.txt: {0}")]
    Requirements(String),
    /// The SDK to use is not an exact version of an SDK.
    #[error("`{0}` names no SDK version\n  hint: write `yourbot-sdk==0.10.1` or `mmo-maid-sdk==0.5.4`")]
    Sdk(String),
    /// The interpreter could not be asked what it is.
    #[error("the Python interpreter `{path}` could not be used: {why}\n  hint: install python3, or configure the path of one", path = path.display())]
    Interpreter {
        /// Its path.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// uv could not be started.
    #[error("uv could not be started from `{path}`: {source}\n  hint: install uv, or configure its path", path = path.display())]
    UvMissing {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// uv found no set of wheels that fits.
    #[error(
        "the requirements cannot be resolved:\n{words}\n  hint: only wheels for {python} are used; packages that must be compiled are not"
    )]
    Unresolvable {
        /// uv's words, trimmed.
        words: String,
        /// The interpreter, for example `Python 3.11.2`.
        python: String,
    },
    /// The configured index cannot be used.
    #[error(
        "the configured package index cannot be used: {0}\n  hint: look at UV_DEFAULT_INDEX and the package file hosts"
    )]
    Index(String),
    /// The configured index was not reached.
    #[error(
        "the package index ({index}) cannot be reached: {why}\n{words}\n  \
         hint: try again, or look at the connection and at HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    )]
    IndexUnreachable {
        /// The index, without credentials.
        index: String,
        /// What stood in the way.
        why: String,
        /// What uv said, trimmed.
        words: String,
    },
    /// A wall of the builder's jail could not be put up; nothing was run.
    #[error("requirements are resolved in a jail, and it cannot be put up: {0}")]
    Jail(#[source] bailey_sandbox::SpawnError),
    /// The interpreter's read-only root could not be made.
    #[error("the builder's jail has no Python: {0}")]
    Root(#[source] bailey_sandbox::RootError),
    /// Something asked for an address that is not the index.
    #[error(
        "{who} tried to reach {targets}, which is not the configured index ({index}):\n{words}\n  \
         hint: remove the package that lies there; if the host holds files of your index, name it with \
         --package-file-host"
    )]
    NotTheIndex {
        /// The resolver, or the file of a package.
        who: String,
        /// Hosts and ports.
        targets: String,
        /// The index, without credentials.
        index: String,
        /// What uv said, trimmed.
        words: String,
    },
    /// uv wrote a lock that says too little or too much.
    #[error("what uv resolved cannot be read: {0}\n  hint: this Bailey is written for uv 0.13; install that")]
    Lock(String),
    /// A file of a package could not be fetched.
    #[error(
        "the file of {package} cannot be fetched: {why}\n  hint: try again, or look at the connection to the package index"
    )]
    Fetch {
        /// Name and version.
        package: String,
        /// What happened.
        why: String,
    },
    /// A package is not one that plugins may use.
    #[error(
        "the package {package} is refused: it {why}\n  hint: remove it from the requirements, or what needs it"
    )]
    Package {
        /// Name and version.
        package: String,
        /// Completes the sentence.
        why: String,
    },
    /// A tool in the jail reached a limit.
    #[error("{what} {limit}\n  hint: require fewer or smaller packages, with narrower versions")]
    Exceeded {
        /// The resolver or the compiler.
        what: &'static str,
        /// Which limit, as the end of the sentence.
        limit: String,
    },
    /// It took too long.
    #[error("{what} took longer than {} seconds\n  hint: try again, or look at the connection to the package index", after.as_secs())]
    Deadline {
        /// What was being done.
        what: &'static str,
        /// After how long it was given up.
        after: Duration,
    },
    /// Something is among the finished packages that cannot be used there.
    #[error("the finished packages have `{file}`, which {why}\n  hint: remove the package that brings it")]
    Refused {
        /// The file or folder, relative to the packages.
        file: String,
        /// Why it is refused: completes the sentence.
        why: &'static str,
    },
    /// The packages are too large.
    #[error("the installed packages exceed {limit}\n  hint: use fewer or smaller packages")]
    TooLarge {
        /// The limit, in words.
        limit: String,
    },
    /// The cache could not be read or written.
    #[error("could not {what} `{path}`: {source}", path = path.display())]
    Cache {
        /// What was attempted.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl BuildError {
    /// For `map_err`: an error of the cache, with the path it is about.
    pub(crate) fn cache(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Cache { what, path, source }
    }
}
