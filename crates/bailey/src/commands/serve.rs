//! `bailey serve`: plugins on a Discord that others run, kept going until told to stop.

mod installed;

use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{BotToken, DiscordConfig, Endpoints, GatewayState};
use bailey_host::{HostTimings, Observer};
use bailey_protocol::limits;
use bailey_sandbox::Sandbox;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::installed::Installed;
use crate::cli::Serve;
use crate::clock::SystemClock;
use crate::commands::doctor::may_run_untrusted;
use crate::database::{Choice, Database};
use crate::error::{CommandError, chain};
use crate::operations::Operations;
use crate::outward;
use crate::places::{Folders, environment};
use crate::stack::{self, Stack, StackOptions};
use crate::terminal;
use crate::terminal::Interruption;
use crate::trace::Trace;
use crate::walls::Walls;

/// How long plugins wait to act by themselves while Discord tells of their servers.
const SERVERS_PATIENCE: Duration = Duration::from_secs(10);
/// How long Discord may take to let the bot in before that is said aloud.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);
/// Time between two tries to put plugins on a server, where the database did not let them.
const ARRIVE_AGAIN: Duration = Duration::from_secs(2);
/// Bytes a file with a token may have.
const TOKEN_BYTES: u64 = 4096;
/// The customary exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

pub(crate) async fn run(options: Serve) -> Result<ExitCode, CommandError> {
    let discord = DiscordConfig {
        shards: options.shards.and_then(NonZeroU32::new),
        writes_per_minute: options.discord_writes_per_minute,
        ..DiscordConfig::new(
            token(options.token_file.as_deref())?,
            endpoints(options.discord_url.as_deref())?,
        )
    };
    let redis = stack::redis_server(&options.long_lived)?;
    let chosen = installed::read(&options.install)?;
    let trace = options.trace.as_deref().map(Trace::open).transpose()?;
    let mut interruption = Interruption::listen()?;
    let operations = Operations::open(options.long_lived.operations).await?;

    let (observer, tracing) = observe(trace.clone());
    let starting = async {
        let folders = Folders::choose(&options.places)?;
        let kept = Choice::Kept(folders.data.clone());
        let (sandbox, database) = tokio::try_join!(
            untrusted_code_may_run(&options, &folders),
            Database::start(Choice::of(&options.places, kept), &folders),
        )?;
        let mut stack = Stack::start(StackOptions {
            database,
            sandbox,
            discord,
            services: outward::services(&options.outward, redis, &folders.data)?,
            sql_isolation: options.plugins.sql_isolation.map(Into::into),
            reserved_commands: options.reserve_command.clone(),
            timings: HostTimings::default(),
            clock: Arc::new(SystemClock),
            observer,
            trace,
        })
        .await?;
        let installed = Installed::begin(&stack, chosen, &options, &folders).await?;
        stack.go_on(&folders.data).await?;
        let endpoint = match (options.interactions_listen, &options.discord_public_key) {
            (Some(bind), Some(key)) => stack.take_interactions(bind, key.clone()).await?,
            _ => None,
        };
        Ok::<_, CommandError>((stack, installed, endpoint))
    };
    let (stack, mut installed, endpoint) = tokio::select! {
        started = starting => started?,
        () = interruption.received() => return Ok(ExitCode::from(INTERRUPTED as u8)),
    };
    if let Some(operations) = &operations {
        operations.watch(stack.parts_with_discord());
    }

    let ended = tokio::select! {
        ended = serve(&stack, &mut installed) => ended,
        () = interruption.received() => Ok(()),
    };
    if let Err(error) = &ended {
        tracing::error!("{error}");
    }
    if let Some(endpoint) = endpoint {
        endpoint.stop().await; // nothing new comes while plugins finish
    }
    drain(stack, interruption).await;
    if let Some(operations) = operations {
        operations.stop().await;
    }
    drop(tracing); // after the host: it has nothing more to tell
    ended.map(|()| ExitCode::SUCCESS)
}

/// Goes on until Discord refuses the bot for good.
async fn serve(stack: &Stack, installed: &mut Installed) -> Result<(), CommandError> {
    let mut gateway = stack.gateway();
    let settled = |state: GatewayState| matches!(state, GatewayState::Ready | GatewayState::Fatal(_));
    let waited = tokio::time::timeout(CONNECT_PATIENCE, gateway.wait_for(|status| settled(status.state())));
    if waited.await.is_err() {
        let (ready, all) = {
            let status = gateway.borrow();
            (status.ready(), status.states.len())
        };
        if all > 1 {
            tracing::warn!(
                "{ready} of {all} shards are connected to Discord yet; trying on. /readyz tells when all are"
            );
        } else {
            tracing::warn!("Discord has not let the bot in yet; trying on. /readyz tells when it has");
        }
    }
    let mut announced = false;
    // When plugins act by themselves although Discord has not told of all their servers: it may have none of them.
    let mut awake_at = None;
    let mut awake = false;
    loop {
        let state = gateway.borrow_and_update().state();
        if let GatewayState::Fatal(reason) = state {
            return Err(CommandError::failed(reason));
        }
        let mut arrived = true;
        // Later, a shard that is away is no reason for new servers of the others to wait.
        if announced || state == GatewayState::Ready {
            arrived = installed.arrivals(stack).await;
            if !std::mem::replace(&mut announced, true) {
                terminal::say(&installed.summary());
            }
            awake_at.get_or_insert_with(|| Instant::now() + SERVERS_PATIENCE);
        }
        let is_time = |at: Instant| at <= Instant::now() || installed.are_known(stack);
        if !awake && awake_at.is_some_and(is_time) {
            awake = true;
            stack.wake();
        }
        if !arrived {
            tokio::time::sleep(ARRIVE_AGAIN).await; // not at once with each event that comes
            continue;
        }
        let changed = tokio::select! {
            changed = gateway.changed() => changed,
            () = sleep_until(awake_at.unwrap_or_else(Instant::now)), if !awake && awake_at.is_some() => Ok(()),
        };
        if changed.is_err() {
            return Err(CommandError::failed("the connection to Discord has ended; hint: start again"));
        }
    }
}

/// Lets plugins finish what has reached us, then stops everything, within a bound. Asked a second time, it
/// ends at once: the next start cleans up.
async fn drain(stack: Stack, mut interruption: Interruption) {
    terminal::say("Stopping: plugins finish what has reached them. Once more, and it ends at once.");
    tokio::select! {
        finished = stack.stop(Some(limits::DRAIN_PATIENCE)) => if !finished {
            tracing::warn!(
                "not everything was finished in {:?}; what was left is put aside: bailey dead-letters list",
                limits::DRAIN_PATIENCE
            );
        },
        () = interruption.received() => {
            terminal::say("Ended at once.");
            std::process::exit(INTERRUPTED);
        }
        () = tokio::time::sleep(limits::STOP_PATIENCE) => {
            tracing::error!("stopping took longer than {:?}: ended at once", limits::STOP_PATIENCE);
            std::process::exit(1);
        }
    }
}

/// The sandbox, if every wall of it stands on this machine and holds against the attacks of the doctor's quick
/// form. There is no way around this in `serve`.
async fn untrusted_code_may_run(options: &Serve, folders: &Folders) -> Result<Sandbox, CommandError> {
    let sandbox = Walls::from(options.sandbox.clone()).put_up(&options.plugins.python, folders).await?;
    may_run_untrusted(&sandbox).await?;
    Ok(sandbox)
}

/// The bot's token: from the file that was named, else from the environment; never from the command line,
/// which every user of the machine can read.
pub(super) fn token(file: Option<&Path>) -> Result<BotToken, CommandError> {
    let Some(file) = file else {
        return environment("BAILEY_DISCORD_TOKEN").map(|text| BotToken::new(&text)).ok_or_else(|| {
            CommandError::usage(
                "no bot token; hint: name a file that holds it with --token-file, or set BAILEY_DISCORD_TOKEN. \
                 Discord's developer portal shows it under Bot; `bailey sim` prints its own",
            )
        });
    };
    let shown = file.display();
    let unreadable = |error: std::io::Error| {
        CommandError::usage(format!("cannot read the bot's token from {shown}: {error}"))
    };
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if metadata.len() > TOKEN_BYTES {
        return Err(CommandError::usage(format!(
            "{shown} holds more than a bot's token; hint: nothing else"
        )));
    }
    if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o007 != 0 {
        tracing::warn!("every user of this machine can read the bot's token; hint: chmod 600 {shown}");
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    if text.trim().is_empty() {
        return Err(CommandError::usage(format!("{shown} is empty; hint: it must hold the bot's token")));
    }
    Ok(BotToken::new(&text))
}

/// Which Discord is meant.
pub(super) fn endpoints(url: Option<&str>) -> Result<Endpoints, CommandError> {
    match url {
        Some(url) => Endpoints::at(url).map_err(|error| CommandError::usage(chain(&error))),
        None => Ok(Endpoints::discord()),
    }
}

/// Who watches the host: the trace, if there is one.
fn observe(trace: Option<Trace>) -> (Observer, JoinSet<()>) {
    let mut following = JoinSet::new();
    let Some(trace) = trace else { return (Observer::default(), following) };
    let (observer, observations) = Observer::channel();
    following.spawn(trace.follow(observations));
    (observer, following)
}
