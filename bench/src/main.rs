//! How far Bailey is from the floor: each row is a ratio of two things measured in the same run, in
//! turn, so that a busy machine slows both. README.md says what each row means.
//!
//! `make bench` runs everything; `make bench ROWS="kv.put kv.get"` the rows whose names hold one of
//! these words; `make bench ROWS=--quick` little of each. It needs root for the sandbox.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod arguments;
mod bench;
mod calls;
mod clock;
mod container;
mod cron;
mod crowd;
mod discord;
mod ephemeral;
mod kv;
mod logs;
mod metrics;
mod neighbours;
mod outbound;
mod pgbench;
mod plugin;
mod rootless;
mod round_trip;
mod sql;
mod start;
mod stub;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::bench::Bench;
use crate::plugin::BenchError;
use crate::table::Table;

fn main() -> ExitCode {
    bailey_sandbox::launcher::run_if_requested();
    let threads = host_threads();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let run = runtime.map_err(BenchError::from).and_then(|runtime| match rootless::requested() {
        Some(asked) => runtime.block_on(rootless::run(asked)),
        None => runtime.block_on(run(Arguments::parse())),
    });
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// As in the binary: half of the processors, the other half for plugins and database.
fn host_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (processors / 2).max(1)
}

/// A module a line: each asks the bench which of its rows are wanted, and puts them into the table.
async fn run(asked: Arguments) -> Result<(), BenchError> {
    let (bench, mut table) = (Bench::new(asked)?, Table::default());
    start::measure(&bench, &mut table).await?;
    rootless::measure(&bench, &mut table).await?;
    container::measure(&bench, &mut table).await?;
    crowd::measure(&bench, &mut table).await?;
    round_trip::measure(&bench, &mut table).await?;
    kv::measure(&bench, &mut table).await?;
    sql::measure(&bench, &mut table).await?;
    ephemeral::measure(&bench, &mut table).await?;
    logs::measure(&bench, &mut table).await?;
    metrics::measure(&bench, &mut table).await?;
    discord::measure(&bench, &mut table).await?;
    outbound::measure(&bench, &mut table).await?;
    cron::measure(&bench, &mut table).await?;
    neighbours::measure(&bench, &mut table).await?;
    bench.check_wanted()?;
    table.finish();
    bench.stop().await
}
