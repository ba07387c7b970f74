//! What a builder works with.

use std::path::PathBuf;

use bailey_sandbox::{CgroupParent, DEFAULT_TOOL_UID, Launcher};

/// What a builder works with.
#[derive(Clone)]
pub struct BuilderConfig {
    /// The uv program.
    pub uv: PathBuf,
    /// The interpreter whose version and platform packages must fit.
    pub python: PathBuf,
    /// The folder for built packages and downloads. Made when missing; may be shared by processes.
    pub cache: PathBuf,
    /// The SDK of a plugin that names none, for example `yourbot-sdk==0.10.1`.
    pub default_sdk: String,
    /// The caller's environment. Of it the builder reads the index (`UV_DEFAULT_INDEX`,
    /// `UV_INDEX_URL`), the proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) and the
    /// certificates (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
    pub environment: Vec<(String, String)>,
    /// Hosts besides the index's own that its files lie on, as `host` or `host:port` (443 if not
    /// given). For the public index, `files.pythonhosted.org` is known.
    pub file_hosts: Vec<String>,
    /// What uv and the interpreter run behind.
    pub walls: Walls,
}

/// Without the values of the environment, among which are passwords.
impl std::fmt::Debug for BuilderConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { uv, python, cache, default_sdk, environment, file_hosts, walls } = self;
        let names: Vec<&String> = environment.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("BuilderConfig")
            .field("uv", uv)
            .field("python", python)
            .field("cache", cache)
            .field("default_sdk", default_sdk)
            .field("environment", &names)
            .field("file_hosts", file_hosts)
            .field("walls", walls)
            .finish()
    }
}

/// What uv and the interpreter run behind.
#[derive(Debug, Clone)]
pub enum Walls {
    /// A jail. Boxed because the other choice is empty.
    Jail(Box<Jail>),
    /// Nothing: they run as the host's user with the host's files and network. For one's own plugins
    /// during development only.
    None,
}

/// The jail of a builder.
#[derive(Debug, Clone)]
pub struct Jail {
    /// How the program is started that puts up the walls.
    pub launcher: Launcher,
    /// The folder for the read-only roots with the interpreter; the same as for plugins will do.
    pub roots: PathBuf,
    /// Where the control groups are made.
    pub cgroup_parent: CgroupParent,
    /// The user id inside, when the host is root.
    pub uid: u32,
}

impl Jail {
    /// The defaults: this program as launcher, [`CgroupParent::Auto`], [`DEFAULT_TOOL_UID`].
    pub fn new(roots: impl Into<PathBuf>) -> Self {
        Self {
            launcher: Launcher::this_program(),
            roots: roots.into(),
            cgroup_parent: CgroupParent::Auto,
            uid: DEFAULT_TOOL_UID,
        }
    }
}

impl From<Jail> for Walls {
    fn from(jail: Jail) -> Self {
        Self::Jail(Box::new(jail))
    }
}
