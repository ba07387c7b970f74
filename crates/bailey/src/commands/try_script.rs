//! `bailey try`: play a script with a plugin, print the transcript, tell by the exit code.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bailey_host::Observer;
use bailey_protocol::{Clock, Timestamp};
use bailey_services::ServicesOptions;
use bailey_sim::ClockMode;

use crate::cli::{ClockChoice, Try};
use crate::clock::{ManualClock, SystemClock};
use crate::database::Choice;
use crate::error::CommandError;
use crate::places::Folders;
use crate::scenario::runner::Runner;
use crate::scenario::step::{self, Step};
use crate::simulated::{Simulated, SimulatedOptions};
use crate::{plugin, terminal};

/// When scenarios begin under the manual clock: 2026-01-01 00:00 UTC.
const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);

/// The customary exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;

pub(crate) async fn run(options: Try) -> Result<ExitCode, CommandError> {
    let steps = read_script(&options.script)?;
    let package = plugin::read(&options.plugin)?;
    let folders = Folders::choose(&options.places)?;
    let loaded = plugin::load(package, &options.plugins, &folders, false).await?;

    let manual =
        (options.clock == ClockChoice::Manual).then(|| Arc::new(ManualClock::starting_at(BEGINNING)));
    let clock: Arc<dyn Clock> = match &manual {
        Some(clock) => Arc::clone(clock) as _,
        None => Arc::new(SystemClock),
    };
    let simulator_clock = match &manual {
        Some(clock) => ClockMode::Manual { start_ms: u64::try_from(clock.now().0).unwrap_or(0) },
        None => ClockMode::Real,
    };
    let (observer, observations) = Observer::channel();
    let starting = Simulated::start(SimulatedOptions {
        folders: &folders,
        database: Choice::of(&options.places, Choice::Throwaway),
        // No Redis, whose clock cannot be moved; of other servers only what the script writes down.
        services: ServicesOptions::without_network().map_err(CommandError::failed)?,
        python: &options.plugins.python,
        walls: options.sandbox.into(),
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        servers: options.servers,
        sql_isolation: options.plugins.sql_isolation.map(Into::into),
        simulator_clock,
        clock,
        observer,
    });
    let stack = tokio::select! {
        stack = starting => stack?,
        interrupted = terminal::interrupted() => return interrupted.map(|()| INTERRUPTED.into()),
    };
    let runner = Runner {
        stack: &stack,
        observations,
        clock: manual.as_deref(),
        requests: 0,
        frames: 0,
        step_timeout: Duration::from_secs(options.step_timeout),
        tell: Box::new(terminal::print_json),
    };
    let playing = async {
        stack.install(&loaded).await?;
        Ok(runner.play(&steps).await.0.passed())
    };
    // Asked to stop, it stops what it started: nobody else knows of its database.
    let played = tokio::select! {
        passed = playing => passed.map(|passed| if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        interrupted = terminal::interrupted() => interrupted.map(|()| INTERRUPTED.into()),
    };
    stack.stop().await;
    played
}

/// Reads a script from a file.
pub(crate) fn read_script(path: &Path) -> Result<Vec<Step>, CommandError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("cannot read the script {shown}: {error}")))?;
    step::parse(&text).map_err(|error| CommandError::usage(format!("{shown}, {error}")))
}
