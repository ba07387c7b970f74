//! Cold start and memory: the sandbox against a plain process booting the same plugin.

use std::path::Path;

use bailey_sandbox::{Process, ProcessSpec, Sandbox};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

use crate::bench::{Bench, Plugin};
use crate::plugin::BenchError;
use crate::stub::Stub;
use crate::table::{Table, Target, median};

/// Starts of each kind.
const STARTS: usize = 40;
/// Plugins alive at once while their memory is measured.
pub(crate) const ALIVE: usize = 20;

const COLD_START: &str = "cold start to the first line, ms";
const MEMORY: &str = "idle plugin of 20, MiB PSS";

/// Both rows.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    if bench.wants(COLD_START) {
        let (ours, floor) = cold_start(bench.plugin().await?).await?;
        table.row(COLD_START, ours, floor, Target::AtMost(1.4));
    }
    if bench.wants(MEMORY) {
        let (ours, floor) = memory(bench.plugin().await?).await?;
        table.row(MEMORY, ours, floor, Target::AtMost(1.05));
    }
    Ok(())
}

/// Milliseconds from the request to start until the first line, medians of starts taken in turn.
pub(crate) async fn cold_start(plugin: &Plugin) -> Result<(f64, f64), BenchError> {
    let Plugin { sandbox, python, folder, packages } = plugin;
    let sandbox = &Sandbox::Native(sandbox.clone());
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // One of each first, so that neither pays for cold files.
    for round in 0..=STARTS {
        let began = Instant::now();
        let mut plain = Stub::start(python, folder, packages)?;
        plain.first_line()?;
        let plain_took = began.elapsed().as_secs_f64() * 1000.0;
        drop(plain);

        let began = Instant::now();
        let process = sandboxed(sandbox, folder, packages).await?;
        let took = began.elapsed().as_secs_f64() * 1000.0;
        drop(process);
        if round > 0 {
            floor.push(plain_took);
            ours.push(took);
        }
    }
    Ok((median(&mut ours), median(&mut floor)))
}

/// Proportional set size per idle plugin, MiB, with [`ALIVE`] of each kind alive.
async fn memory(plugin: &Plugin) -> Result<(f64, f64), BenchError> {
    let Plugin { sandbox, python, folder, packages } = plugin;
    let sandbox = &Sandbox::Native(sandbox.clone());
    let mut plain = Vec::new();
    for _ in 0..ALIVE {
        let mut stub = Stub::start(python, folder, packages)?;
        stub.first_line()?;
        plain.push(stub);
    }
    let floor = mean(plain.iter().map(|stub| pss_mib(stub.pid())))?;
    drop(plain);
    let mut alive = Vec::new();
    for _ in 0..ALIVE {
        alive.push(sandboxed(sandbox, folder, packages).await?);
    }
    let ours = mean(alive.iter().map(|(process, _)| pss_mib(process.pid())))?;
    Ok((ours, floor))
}

/// A sandboxed plugin that has written its first line, and the pipes that keep it alive.
pub(crate) async fn sandboxed(
    sandbox: &Sandbox,
    folder: &Path,
    packages: &Path,
) -> Result<(Process, impl Sized), BenchError> {
    let spec = ProcessSpec::python_plugin("bench", folder, Some(packages.to_owned()));
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

pub(crate) fn pss_mib(pid: u32) -> Result<f64, BenchError> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|text| text.parse::<f64>().ok())
        .ok_or_else(|| BenchError::Plugin("no Pss in smaps_rollup".to_owned()))?;
    Ok(kib / 1024.0)
}

pub(crate) fn mean(values: impl Iterator<Item = Result<f64, BenchError>>) -> Result<f64, BenchError> {
    let values = values.collect::<Result<Vec<_>, _>>()?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}
