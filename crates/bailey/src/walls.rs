//! Who puts up the walls around plugins: the operator's choice.

use std::path::{Path, PathBuf};

use bailey_sandbox::{
    BareConfig, BareSandbox, DockerConfig, DockerSandbox, NativeConfig, NativeSandbox, PythonRoot, Sandbox,
};

use crate::cli::{SandboxChoice, SandboxOptions};
use crate::error::{CommandError, chain};
use crate::places::Folders;

/// Who puts them up.
#[derive(Debug)]
pub(crate) enum Walls {
    /// We do.
    Native,
    /// A Docker daemon does.
    Docker {
        /// Where it listens.
        socket: PathBuf,
        /// What it starts containers with, if not its default.
        runtime: Option<String>,
    },
    /// Nobody: must have been asked for.
    None,
}

impl From<SandboxOptions> for Walls {
    fn from(options: SandboxOptions) -> Self {
        match options.sandbox {
            SandboxChoice::Native => Self::Native,
            SandboxChoice::Docker => {
                Self::Docker { socket: options.docker_socket, runtime: options.docker_runtime }
            }
        }
    }
}

impl Walls {
    /// The sandbox, every layer tried out on this machine.
    pub(crate) async fn put_up(self, python: &Path, folders: &Folders) -> Result<Sandbox, CommandError> {
        if matches!(self, Self::None) {
            tracing::warn!("NO SANDBOX: the plugin can do to this machine whatever you can");
            return Ok(Sandbox::Bare(BareSandbox::new(BareConfig { python: python.to_owned() })));
        }
        let (python, roots) = (python.to_owned(), folders.roots());
        let (uid_range, cgroup_parent) = (folders.sandbox_uids.clone(), folders.control_group.clone());
        let root = tokio::task::spawn_blocking(move || PythonRoot::build(&python, &roots))
            .await
            .map_err(|error| CommandError::failed(format!("building the sandbox's Python failed: {error}")))?
            .map_err(|error| CommandError::failed(chain(&error)))?;
        let opened = match self {
            Self::Docker { socket, runtime } => {
                let config = DockerConfig { socket, runtime, uid_range, ..DockerConfig::new(root) };
                DockerSandbox::open(config).await.map(Sandbox::Docker)
            }
            Self::Native | Self::None => {
                let config = NativeConfig { uid_range, cgroup_parent, ..NativeConfig::new(root) };
                NativeSandbox::open(config).await.map(Sandbox::Native)
            }
        };
        opened.map_err(|error| {
            CommandError::failed(format!(
                "the sandbox cannot be built on this machine (`bailey doctor`, with the same flags, says more): {}",
                chain(&error)
            ))
        })
    }
}
