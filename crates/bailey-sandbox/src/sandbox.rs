//! The choice between walls and none, behind one `spawn`.

use crate::{
    bare::BareSandbox, docker::DockerSandbox, error::SpawnError, native::NativeSandbox, process::Process,
    spec::ProcessSpec,
};

/// How processes are started.
#[derive(Debug, Clone)]
pub enum Sandbox {
    /// Behind every wall, put up by ourselves.
    Native(NativeSandbox),
    /// In a container of its own, made by a Docker daemon.
    Docker(DockerSandbox),
    /// Without any wall: for development on one's own code only.
    Bare(BareSandbox),
}

impl Sandbox {
    /// Starts a process.
    pub async fn spawn(&self, spec: ProcessSpec) -> Result<Process, SpawnError> {
        match self {
            Self::Native(native) => native.spawn(spec).await,
            Self::Docker(docker) => docker.spawn(spec).await,
            Self::Bare(bare) => bare.spawn(spec).await,
        }
    }

    /// Waits until everything that belonged to dropped processes is gone. Call it before the host
    /// ends, or the next host finds what is left of them and removes it.
    pub async fn settle(&self) {
        match self {
            Self::Native(native) => native.settle().await,
            Self::Docker(docker) => docker.settle().await,
            Self::Bare(_) => {}
        }
    }
}
