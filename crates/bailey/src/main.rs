//! The `bailey` binary: read the command line, run one command, say how it went.
//!
//! No product rule lives here. `commands` has a file per command; `stack` puts the parts together, `simulated`
//! adds a Discord to them; `records` keeps what other commands look at; `scenario` plays scripts; `operations`
//! answers the operator's probes.

mod cli;
mod clock;
mod commands;
mod database;
mod error;
mod incoming;
mod link;
mod memory;
mod offers;
mod operations;
mod outward;
mod places;
mod plugin;
mod records;
mod scenario;
mod simulated;
mod stack;
mod standing;
mod table;
mod terminal;
mod trace;
mod walls;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    // Before anything else, and before there is a second thread: this process may be a plugin to be.
    bailey_sandbox::launcher::run_if_requested();

    let cli = Cli::parse();
    terminal::start_logging(&cli.command);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bailey: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Dev(options) => commands::dev::run(*options).await,
            Command::Try(options) => commands::try_script::run(options).await,
            Command::Sim(options) => commands::sim::run(options).await,
            Command::SqlHardening => commands::sql_hardening::run(),
            Command::Serve(options) => commands::serve::run(*options).await,
            Command::Status(options) => commands::status::run(options).await,
            Command::Commands(options) => commands::commands::run(options.action).await,
            Command::DeadLetters(options) => commands::dead_letters::run(options.action).await,
            Command::Cron(options) => commands::cron::run(options.action).await,
            Command::Secrets(options) => commands::secrets::run(options.action).await,
            Command::Logs(options) => commands::logs::run(options).await,
            Command::Audit(options) => commands::audit::run(options).await,
            Command::Doctor(options) => commands::doctor::run(options).await,
        }
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bailey: {error}");
            error.exit_code()
        }
    }
}

/// Half of the processors for Bailey, at least one; the other half is for the plugins and the
/// database it waits for. More threads make it slower, not faster: a call then wanders between
/// processors, which on a busy machine of two was measured to cost three times what answering it costs.
/// `BAILEY_WORKER_THREADS` decides otherwise.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = places::environment("BAILEY_WORKER_THREADS").and_then(|text| text.parse().ok());
    let threads = wanted.filter(|threads| (1..=1024).contains(threads)).unwrap_or((processors / 2).max(1));
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}
