//! What the host needs of a process: its three streams, its end, and three signals.
//!
//! The host does not care how a process is walled in; it is handed a [`Spawner`].

use std::fmt;
use std::sync::Arc;

use bailey_protocol::Tenant;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::installation::PluginCode;

/// Starts a process for a plugin.
pub type Spawner =
    Arc<dyn Fn(SpawnRequest) -> BoxFuture<'static, Result<RunningProcess, SpawnFailure>> + Send + Sync>;

/// Says how many bytes of memory a process takes right now; `None` when that cannot be told. Cheap.
pub type MemoryProbe = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// One process to start.
#[derive(Debug, Clone)]
pub struct SpawnRequest {
    /// Whose process it will be.
    pub tenant: Tenant,
    /// What it runs.
    pub code: PluginCode,
    /// Added to the process's environment.
    pub environment: Vec<(String, String)>,
}

/// A process that could not be started; the sentence says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpawnFailure(pub String);

/// A started process. Dropping `exit` kills it.
pub struct RunningProcess {
    /// As numbered by the machine; 0 where there is none.
    pub pid: u32,
    /// Its input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its output: the protocol stream.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error: free text.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Completes when it has ended. Signals are acted upon while this is being awaited.
    pub exit: BoxFuture<'static, Ended>,
    /// Sends it a signal; never blocks.
    pub signal: Box<dyn Fn(Signal) + Send + Sync>,
    /// Measures it, where that is possible.
    pub memory: Option<MemoryProbe>,
}

impl fmt::Debug for RunningProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningProcess").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// What a process is told from outside its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It has come to life: limits that would slow its start may begin.
    Started,
    /// Please end.
    Terminate,
    /// End now, with everything it started.
    Kill,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// A clause for people: `exit code 1`, `memory: reached 128 MiB`.
    pub description: String,
}

impl Ended {
    /// It ended by itself.
    pub fn with_code(code: i32) -> Self {
        Self { code: Some(code), description: format!("exit code {code}") }
    }
}
