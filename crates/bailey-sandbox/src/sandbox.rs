//! The choice between walls and none, behind one `spawn`.

use crate::{
    bare::BareSandbox, error::SpawnError, native::NativeSandbox, process::Process, spec::ProcessSpec,
};

/// How processes are started.
#[derive(Debug, Clone)]
pub enum Sandbox {
    /// Behind every wall.
    Native(NativeSandbox),
    /// Without any: for development on one's own code only.
    Bare(BareSandbox),
}

impl Sandbox {
    /// Starts a process.
    pub async fn spawn(&self, spec: ProcessSpec) -> Result<Process, SpawnError> {
        match self {
            Self::Native(native) => native.spawn(spec).await,
            Self::Bare(bare) => bare.spawn(spec).await,
        }
    }
}
