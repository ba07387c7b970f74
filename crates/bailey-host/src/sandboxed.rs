//! A spawner backed by the sandbox: the one the platform uses.

use std::sync::Arc;

use bailey_sandbox::{Exit, Process, ProcessSpec, Sandbox};
use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::spawn::{Ended, MemoryProbe, RunningProcess, Signal, SpawnFailure, SpawnRequest, Spawner};

/// Starts plugins in `sandbox`.
pub fn sandbox_spawner(sandbox: Sandbox) -> Spawner {
    Arc::new(move |request| {
        let sandbox = sandbox.clone();
        async move { start(&sandbox, request).await }.boxed()
    })
}

async fn start(sandbox: &Sandbox, request: SpawnRequest) -> Result<RunningProcess, SpawnFailure> {
    let SpawnRequest { tenant, code, environment } = request;
    let label = format!("{}-{}", tenant.plugin, tenant.guild);
    let mut spec = ProcessSpec::python_plugin(label, code.plugin_dir, code.packages_dir);
    spec.environment = environment;
    let mut process = sandbox.spawn(spec).await.map_err(|error| SpawnFailure(error.to_string()))?;
    let pipes = process.take_stdio().ok_or_else(|| SpawnFailure("the process has no pipes".to_owned()))?;
    // One signal of each kind is all that is ever sent; room for more costs nothing.
    let (sender, signals) = mpsc::channel(8);
    let memory = process.memory().map(|memory| -> MemoryProbe { Arc::new(move || memory.bytes()) });
    Ok(RunningProcess {
        memory,
        pid: process.pid(),
        stdin: Box::new(pipes.stdin),
        stdout: Box::new(pipes.stdout),
        stderr: Box::new(pipes.stderr),
        exit: watch(process, signals).boxed(),
        signal: Box::new(move |signal| {
            let _ = sender.try_send(signal); // a full channel already holds a kill
        }),
    })
}

/// Waits for the end, acting on signals meanwhile. Dropping this kills what is left.
async fn watch(mut process: Process, mut signals: mpsc::Receiver<Signal>) -> Ended {
    let exit = loop {
        tokio::select! {
            exit = process.wait() => break exit,
            Some(signal) = signals.recv() => match signal {
                Signal::Started => process.started(),
                Signal::Terminate => process.terminate(),
                Signal::Kill => process.kill(),
            },
        }
    };
    match exit {
        Exit::Code(code) => Ended::with_code(code),
        exit => Ended { code: None, description: exit.to_string() },
    }
}
