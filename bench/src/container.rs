//! The Docker sandbox against the native one: cold start and memory of the same plugin, in turn.

use bailey_sandbox::{DockerConfig, DockerSandbox, PythonRoot, Sandbox};
use bailey_testkit::docker;
use tokio::time::Instant;

use crate::bench::{Bench, Plugin};
use crate::plugin::BenchError;
use crate::start::{mean, pss_mib, sandboxed};
use crate::table::{Table, Target, median};

/// Starts of each kind.
const STARTS: usize = 20;
/// Containers alive at once while their memory is measured.
const ALIVE: usize = 10;

const COLD_START: &str = "cold start in a container, ms";
const MEMORY: &str = "idle plugin of 10 in containers, MiB PSS";

/// Both rows, where a Docker daemon can be started.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let (start, memory) = (bench.wants(COLD_START), bench.wants(MEMORY));
    if !start && !memory {
        return Ok(());
    }
    let daemon = match docker::Docker::start() {
        Ok(daemon) => daemon,
        Err(reason) => {
            eprintln!("bench: no rows of containers: {reason}");
            return Ok(());
        }
    };
    let plugin = bench.plugin().await?;
    let failed = BenchError::part("docker");
    let root = PythonRoot::build(&plugin.python, &bench.roots()).map_err(|error| failed(error.into()))?;
    let config = DockerConfig { socket: daemon.socket(), ..DockerConfig::new(root) };
    let failed = BenchError::part("docker");
    let container = DockerSandbox::open(config).await.map_err(|error| failed(error.into()))?;
    let sandboxes = (Sandbox::Docker(container), Sandbox::Native(plugin.sandbox.clone()));
    if start {
        let (ours, floor) = cold_start(plugin, &sandboxes).await?;
        table.row(COLD_START, ours, floor, Target::None);
    }
    if memory {
        let (ours, floor) = idle(plugin, &sandboxes).await?;
        table.row(MEMORY, ours, floor, Target::None);
    }
    sandboxes.0.settle().await;
    Ok(())
}

/// Milliseconds until the first line, medians: in a container, and in the native sandbox.
async fn cold_start(plugin: &Plugin, sandboxes: &(Sandbox, Sandbox)) -> Result<(f64, f64), BenchError> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // One of each first, so that neither pays for cold files.
    for round in 0..=STARTS {
        for (sandbox, times) in [(&sandboxes.0, &mut ours), (&sandboxes.1, &mut floor)] {
            let began = Instant::now();
            let process = sandboxed(sandbox, &plugin.folder, &plugin.packages).await?;
            let took = began.elapsed().as_secs_f64() * 1000.0;
            drop(process);
            sandbox.settle().await; // a removal must not slow down the next start
            if round > 0 {
                times.push(took);
            }
        }
    }
    Ok((median(&mut ours), median(&mut floor)))
}

/// MiB per idle plugin: of a container with the process that stands between it and the daemon, and of
/// a native process, which has none.
async fn idle(plugin: &Plugin, sandboxes: &(Sandbox, Sandbox)) -> Result<(f64, f64), BenchError> {
    let mut alive = Vec::new();
    for _ in 0..ALIVE {
        alive.push(sandboxed(&sandboxes.0, &plugin.folder, &plugin.packages).await?);
    }
    let ours = mean(
        alive.iter().map(|(process, _)| Ok(pss_mib(process.pid())? + pss_mib(parent(process.pid())?)?)),
    )?;
    drop(alive);
    sandboxes.0.settle().await;
    let mut alive = Vec::new();
    for _ in 0..ALIVE {
        alive.push(sandboxed(&sandboxes.1, &plugin.folder, &plugin.packages).await?);
    }
    Ok((ours, mean(alive.iter().map(|(process, _)| pss_mib(process.pid())))?))
}

fn parent(pid: u32) -> Result<u32, BenchError> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    parent.ok_or_else(|| BenchError::Plugin("no PPid in status".to_owned()))
}
