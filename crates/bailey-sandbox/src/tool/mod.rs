//! Running a program of our own choice (not a plugin) on a stranger's input: trusted, but contained.
//!
//! A tool gets the same walls as a plugin, put up by the same launcher in the same order, with three
//! differences: it may execute the programs it is shown, it may write to the folders it is given, and
//! if it needs a network, it gets a loopback on which one port is answered by the host. What is
//! answered there is the host's business. Start reading at [`ToolSandbox::spawn`].

mod spec;
mod start;

use std::net::TcpListener;
use std::sync::Arc;

pub use spec::{Access, Shown, ToolSpec};

use crate::{
    config::{CgroupParent, Launcher, NativeConfig},
    error::{Layer, LayerError, SpawnError},
    native, probe,
    process::Process,
    root::PythonRoot,
    start::Workshop,
};

/// The user id of tools when the host runs as root: just above the ones plugins get.
pub const DEFAULT_TOOL_UID: u32 = 265_535;

/// Configuration of a [`ToolSandbox`].
#[derive(Debug, Clone)]
pub struct ToolConfig {
    /// How to start the launcher.
    pub launcher: Launcher,
    /// What every tool sees below `/`: an interpreter with its library.
    pub root: PythonRoot,
    /// The user (and group) id of every tool when the host runs as root. One for all, because they
    /// share folders; each is alone in its process namespace. Must not be a plugin's.
    pub uid: u32,
    /// Where the control groups are made.
    pub cgroup_parent: CgroupParent,
}

/// Starts tools behind walls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ToolSandbox {
    workshop: Arc<Workshop>,
    uid: u32,
}

/// A running tool.
#[derive(Debug)]
pub struct Tool {
    /// The process. Dropping it kills the tool and all it started.
    pub process: Process,
    /// Answers at the port of the tool's loopback, if [`ToolSpec::port`] asked for one.
    pub listener: Option<TcpListener>,
}

impl ToolSandbox {
    /// Starts a tool. It runs when this returns: every wall is up.
    ///
    /// # Errors
    /// [`SpawnError::Layer`] names the wall that could not be put up.
    pub async fn spawn(&self, spec: ToolSpec) -> Result<Tool, SpawnError> {
        let label = spec.label.clone();
        let host = |attempt, source| SpawnError::Host { label: label.clone(), attempt, source };
        let (workshop, uid) = (Arc::clone(&self.workshop), self.uid);
        let (started, listener) = tokio::task::spawn_blocking(move || start::start(&workshop, uid, &spec))
            .await
            .map_err(|error| host("the start was interrupted", std::io::Error::other(error)))??;
        let process = Process::watch(started).map_err(|source| host("cannot watch the process", source))?;
        process.started();
        Ok(Tool { process, listener })
    }

    /// The user id that must be able to write to the folders tools are given; `None` when that is the
    /// host's own user.
    pub fn writer(&self) -> Option<u32> {
        rustix::process::geteuid().is_root().then_some(self.uid)
    }

    /// The interpreter, as a path inside.
    pub fn interpreter(&self) -> &std::path::Path {
        self.workshop.config.root.interpreter()
    }

    /// Waits until everything that belonged to dropped tools is gone.
    pub async fn settle(&self) {
        // An interrupted wait is only possible while the runtime itself ends.
        let _interrupted = tokio::task::spawn_blocking(crate::janitor::settle).await;
    }

    /// Finds the control groups and proves on this machine that every wall holds, by running a small
    /// program that looks at itself from inside.
    ///
    /// # Errors
    /// The wall that could not be put up.
    pub async fn open(config: ToolConfig) -> Result<Self, LayerError> {
        let ToolConfig { launcher, root, uid, cgroup_parent } = config;
        let config = NativeConfig { launcher, root, uid_range: uid..uid.saturating_add(1), cgroup_parent };
        let workshop =
            tokio::task::spawn_blocking(move || native::prepare(config)).await.map_err(|error| {
                LayerError::new(Layer::Launcher, format!("the preparation was interrupted: {error}"))
            })??;
        let sandbox = Self { workshop: Arc::new(workshop), uid };
        let mut spec = ToolSpec::new("probe", sandbox.interpreter());
        spec.arguments = ["-I", "-S", "-c", probe::PROGRAM].map(Into::into).to_vec();
        // With a network, so that this wall is tried as well.
        spec.port = Some(1);
        probe::examine(sandbox.spawn(spec).await.map(|tool| tool.process)).await?;
        Ok(sandbox)
    }
}
