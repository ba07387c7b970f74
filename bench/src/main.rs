//! How far Bailey is from the floor: each row is a ratio of two things measured in the same run, in
//! turn, so that a busy machine slows both.
//!
//! Run it with `make bench`; it needs root for the sandbox.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod plugin;
mod round_trip;
mod start;
mod stub;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bailey_builder::{Builder, BuilderConfig};
use bailey_sandbox::{NativeConfig, NativeSandbox, PythonRoot};

use crate::plugin::BenchError;

/// Starts of each kind, and plugins alive at once for the memory row.
const STARTS: usize = 40;
const ALIVE: usize = 20;

fn main() -> ExitCode {
    bailey_sandbox::launcher::run_if_requested();
    // As the binary does: half of the processors, the other half for plugins and database.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = (processors / 2).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let run = runtime.map_err(BenchError::from).and_then(|runtime| runtime.block_on(run()));
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BenchError> {
    let scratch = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let python = Path::new("/usr/bin/python3");
    let root = PythonRoot::build(python, &scratch.path().join("roots"))
        .map_err(|error| BenchError::part("python root")(error.into()))?;
    let sandbox = NativeSandbox::open(NativeConfig::new(root))
        .await
        .map_err(|error| BenchError::part("sandbox")(error.into()))?;
    let packages = packages(python, scratch.path()).await?;
    let plugin = readable_copy(scratch.path())?;

    println!("{:<58} {:>10} {:>10} {:>7} {:>8}", "what", "Bailey", "floor", "ratio", "target");
    let start = start::cold_start(&sandbox, python, &plugin, &packages, STARTS).await?;
    row("cold start to the first line, ms (floor: python -S)", start.ours, start.floor, 1.4);
    let memory = start::memory(&sandbox, python, &plugin, &packages, ALIVE).await?;
    row("idle plugin, MiB PSS, 20 alive (floor: plain process)", memory.ours, memory.floor, 1.05);

    for measured in round_trip::measure(&sandbox, python, &plugin, &packages, scratch.path()).await? {
        row(measured.what, measured.ours.median_us, measured.floor.median_us, measured.target);
        println!(
            "{:<58} {:>10.1} {:>10.1}",
            "  the same, 99th percentile", measured.ours.p99_us, measured.floor.p99_us
        );
    }
    sandbox.settle().await;
    Ok(())
}

fn row(what: &str, ours: f64, floor: f64, target: f64) {
    println!("{what:<58} {ours:>10.2} {floor:>10.2} {:>6.2}x {:>7}", ours / floor, format!("{target:.2}x"));
}

/// The SDK, as a plugin gets it.
async fn packages(python: &Path, scratch: &Path) -> Result<PathBuf, BenchError> {
    let path = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default();
    let uv = std::env::split_paths(&path)
        .map(|folder| folder.join("uv"))
        .find(|file| file.is_file())
        .ok_or_else(|| BenchError::Plugin("needs uv on PATH: run `make bench`".to_owned()))?;
    let builder = Builder::new(BuilderConfig {
        uv,
        python: python.to_owned(),
        cache: scratch.join("packages"),
        default_sdk: "yourbot-sdk==0.10.1".to_owned(),
        environment: std::env::vars().collect(),
    })
    .map_err(|error| BenchError::part("builder")(error.into()))?;
    let built = builder.build(None, None).await.map_err(|error| BenchError::part("builder")(error.into()))?;
    Ok(built.directory)
}

/// The measured plugin where a sandboxed user can read it.
fn readable_copy(scratch: &Path) -> Result<PathBuf, BenchError> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/round_trip/__main__.py");
    let folder = scratch.join("plugin");
    std::fs::create_dir(&folder)?;
    std::fs::copy(source, folder.join("__main__.py"))?;
    Ok(folder)
}
