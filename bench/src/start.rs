//! Cold start and memory: the sandbox against a plain process booting the same plugin.

use std::path::Path;

use bailey_sandbox::{NativeSandbox, Process, ProcessSpec};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

use crate::plugin::BenchError;
use crate::stub::Stub;

/// Two times of the same thing, milliseconds.
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) floor: f64,
}

/// Milliseconds from the request to start until the first line, medians of `rounds` taken in turn.
pub(crate) async fn cold_start(
    sandbox: &NativeSandbox,
    python: &Path,
    plugin: &Path,
    packages: &Path,
    rounds: usize,
) -> Result<Pair, BenchError> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // One of each first, so that neither pays for cold files.
    for round in 0..=rounds {
        let began = Instant::now();
        let mut plain = Stub::start(python, plugin, packages)?;
        plain.first_line()?;
        let plain_took = began.elapsed().as_secs_f64() * 1000.0;
        drop(plain);

        let began = Instant::now();
        let process = sandboxed(sandbox, plugin, packages).await?;
        let took = began.elapsed().as_secs_f64() * 1000.0;
        drop(process);
        if round > 0 {
            floor.push(plain_took);
            ours.push(took);
        }
    }
    Ok(Pair { ours: median(&mut ours), floor: median(&mut floor) })
}

/// Proportional set size per idle plugin, MiB, with `count` of each kind alive.
pub(crate) async fn memory(
    sandbox: &NativeSandbox,
    python: &Path,
    plugin: &Path,
    packages: &Path,
    count: usize,
) -> Result<Pair, BenchError> {
    let mut plain = Vec::new();
    for _ in 0..count {
        let mut stub = Stub::start(python, plugin, packages)?;
        stub.first_line()?;
        plain.push(stub);
    }
    let floor = mean(plain.iter().map(|stub| pss_mib(stub.pid())))?;
    drop(plain);
    let mut alive = Vec::new();
    for _ in 0..count {
        alive.push(sandboxed(sandbox, plugin, packages).await?);
    }
    let ours = mean(alive.iter().map(|(process, _)| pss_mib(process.pid())))?;
    Ok(Pair { ours, floor })
}

/// A sandboxed plugin that has written its first line, and the pipes that keep it alive.
async fn sandboxed(
    sandbox: &NativeSandbox,
    plugin: &Path,
    packages: &Path,
) -> Result<(Process, impl Sized), BenchError> {
    let spec = ProcessSpec::python_plugin("bench", plugin, Some(packages.to_owned()));
    let mut process = sandbox.spawn(spec).await.map_err(|error| BenchError::part("sandbox")(error.into()))?;
    let stdio = process.take_stdio().ok_or_else(|| BenchError::Plugin("no pipes".to_owned()))?;
    let mut lines = BufReader::new(stdio.stdout).lines();
    let first = lines.next_line().await?;
    if first.is_none() {
        return Err(BenchError::Plugin(format!("it ended: {}", process.wait().await)));
    }
    process.started();
    Ok((process, (stdio.stdin, lines, stdio.stderr)))
}

fn pss_mib(pid: u32) -> Result<f64, BenchError> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|text| text.parse::<f64>().ok())
        .ok_or_else(|| BenchError::Plugin("no Pss in smaps_rollup".to_owned()))?;
    Ok(kib / 1024.0)
}

fn mean(values: impl Iterator<Item = Result<f64, BenchError>>) -> Result<f64, BenchError> {
    let values = values.collect::<Result<Vec<_>, _>>()?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
