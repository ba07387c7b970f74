//! `bailey dev`: a plugin in the simulated Discord, kept running while its author talks to it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bailey_host::{Observation, Observer};
use bailey_services::ServicesOptions;
use bailey_sim::ClockMode;
use tokio::sync::mpsc;

use crate::cli::Dev;
use crate::clock::SystemClock;
use crate::commands::try_script::read_script;
use crate::database::Choice;
use crate::error::CommandError;
use crate::operations::Operations;
use crate::places::Folders;
use crate::scenario::runner::Runner;
use crate::simulated::{Simulated, SimulatedOptions};
use crate::terminal::Interruption;
use crate::walls::Walls;
use crate::{outward, plugin, stack, terminal};

/// How long a step of the conversation may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn run(options: Dev) -> Result<ExitCode, CommandError> {
    let steps = options.conversation.as_deref().map(read_script).transpose()?;
    let redis = stack::redis_server(&options.long_lived)?;
    let package = plugin::read(&options.plugin)?;
    for warning in &package.warnings {
        terminal::say(&warning.to_string());
    }
    let operations = Operations::open(options.long_lived.operations).await?;
    let folders = Folders::choose(&options.places)?;
    let loaded = plugin::load(package, &options.plugins, &folders, options.unsafe_bare).await?;
    let (observer, mut observations) = Observer::channel();
    let kept = Choice::Kept(folders.data.clone());
    let stack = Simulated::start(SimulatedOptions {
        folders: &folders,
        database: Choice::of(&options.places, kept),
        services: ServicesOptions {
            record: options.record_http.as_deref().map(outward::record).transpose()?,
            ..outward::services(&options.outward, redis, &folders.data)?
        },
        python: &options.plugins.python,
        walls: if options.unsafe_bare { Walls::None } else { options.sandbox.into() },
        bind: options.bind,
        servers: options.servers,
        sql_isolation: options.plugins.sql_isolation.map(Into::into),
        simulator_clock: ClockMode::Real,
        clock: Arc::new(SystemClock),
        observer,
    })
    .await?;
    stack.install(&loaded).await?;
    if let Some(operations) = &operations {
        operations.watch(stack.parts());
    }
    terminal::announce(&loaded, options.unsafe_bare);

    let mut passed = true;
    let mut seen = 0;
    if let Some(steps) = steps {
        let runner = Runner {
            stack: &stack,
            observations,
            clock: None,
            requests: 0,
            frames: 0,
            step_timeout: STEP_TIMEOUT,
            tell: Box::new(terminal::print_conversation),
        };
        let (outcome, rest) = runner.play(&steps).await;
        observations = rest;
        passed = outcome.passed();
        seen = stack.control().observed_since(0).last().map_or(0, |item| item.index);
    }
    if !options.once {
        let mut interruption = Interruption::listen()?;
        terminal::say(&format!(
            "\nThe simulated Discord is at http://{}/sim/ : talk to the plugin there. Press Ctrl-C to stop.",
            stack.address()
        ));
        tokio::select! {
            () = interruption.received() => {}
            () = watch(&stack, &mut observations, seen) => {}
        }
    }
    if let Some(operations) = operations {
        operations.stop().await;
    }
    stack.stop().await;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what people see and what goes wrong, until dropped.
async fn watch(stack: &Simulated, observations: &mut mpsc::UnboundedReceiver<Observation>, mut seen: u64) {
    let control = stack.control();
    loop {
        tokio::select! {
            sights = control.wait_observed(seen, Duration::from_secs(3600)) => {
                for sight in sights {
                    seen = sight.index;
                    terminal::print_sight(&sight);
                }
            }
            observation = observations.recv() => match observation {
                Some(observation) => terminal::print_observation(&observation),
                None => return,
            },
        }
    }
}
