//! `bailey sim`: the simulated Discord alone, for a bot of any make.

use std::process::ExitCode;

use bailey_sim::{ClockMode, SimConfig, Simulator};

use crate::cli::Sim;
use crate::error::{CommandError, chain};
use crate::terminal::Interruption;
use crate::{simulated, terminal};

pub(crate) async fn run(options: Sim) -> Result<ExitCode, CommandError> {
    let simulator = Simulator::start(SimConfig {
        clock: ClockMode::Real,
        seed: 0,
        bind: options.bind,
        world: simulated::world(options.servers),
        ..SimConfig::default()
    })
    .await
    .map_err(|error| CommandError::failed(chain(&error)))?;
    let mut interruption = Interruption::listen()?;
    terminal::say(&format!(
        "The simulated Discord is at {base} (status page: {base}/sim/, REST: {base}/api/v10, gateway: {gateway}).\n\
         Its bot's token is {token}\n\
         Press Ctrl-C to stop.",
        base = simulator.http_base(),
        gateway = simulator.gateway_url(),
        token = simulator.bot_token(),
    ));
    interruption.received().await;
    simulator.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
