//! The native sandbox: Linux namespaces, control groups, landlock and seccomp.

use std::sync::Arc;

use crate::{
    cgroup,
    config::NativeConfig,
    error::{Layer, LayerError, SpawnError},
    identity::Identities,
    probe,
    process::Process,
    spec::ProcessSpec,
    start::{self, Workshop},
};

/// Starts processes behind every wall of the crate. Cheap to clone; clones share the user ids.
#[derive(Debug, Clone)]
pub struct NativeSandbox {
    workshop: Arc<Workshop>,
}

impl NativeSandbox {
    /// Starts a process. It runs Python when this returns: every wall is up. The caller reads the
    /// pipes, and calls [`Process::started`] at the first sign of life.
    pub async fn spawn(&self, spec: ProcessSpec) -> Result<Process, SpawnError> {
        let label = spec.safe_label();
        let host = |attempt, source| SpawnError::Host { label: label.clone(), attempt, source };
        let workshop = Arc::clone(&self.workshop);
        // If this future is dropped, the start still runs to its end, and the result is dropped,
        // which kills the process.
        let started = tokio::task::spawn_blocking(move || start::start(&workshop, &spec))
            .await
            .map_err(|error| host("the start was interrupted", std::io::Error::other(error)))??;
        Process::watch(started).map_err(|source| host("cannot watch the process", source))
    }

    /// Waits until everything that belonged to dropped processes is gone. Call it before the host
    /// ends, or the next host finds their control groups and removes them.
    pub async fn settle(&self) {
        // An interrupted wait is only possible while the runtime itself ends.
        let _interrupted = tokio::task::spawn_blocking(crate::janitor::settle).await;
    }

    /// Finds the control groups, clears what dead hosts left behind, and proves on this machine
    /// that every wall holds, by running a small program that looks at itself from inside.
    pub async fn open(config: NativeConfig) -> Result<Self, LayerError> {
        let workshop = tokio::task::spawn_blocking(move || prepare(config)).await.map_err(|error| {
            LayerError::new(Layer::Launcher, format!("the preparation was interrupted: {error}"))
        })??;
        let sandbox = Self { workshop: Arc::new(workshop) };
        probe::run(&sandbox, sandbox.workshop.config.root.path()).await?;
        Ok(sandbox)
    }
}

/// Finds the control groups and clears what dead hosts left behind. Blocking.
pub(crate) fn prepare(config: NativeConfig) -> Result<Workshop, LayerError> {
    let hierarchy = cgroup::find(&config.cgroup_parent)?;
    let swept = cgroup::sweep(&hierarchy);
    if swept > 0 {
        tracing::info!(groups = swept, "removed what a host that no longer runs left behind");
    }
    if config.uid_range.is_empty() || config.uid_range.contains(&0) {
        return Err(LayerError::new(
            Layer::Identity,
            format!("the user id range {:?} cannot be used", config.uid_range),
        ));
    }
    let identities = Identities::new(config.uid_range.clone(), std::process::id());
    Ok(Workshop { config, hierarchy, identities })
}
