//! A hundred idle plugins: all the memory they take, the host's growth included, against as many plain processes.

use std::sync::Arc;

use bailey_host::{
    Host, HostConfig, HostRates, HostTimings, Installation, Observer, PluginCode, SessionState,
    sandbox_spawner,
};
use bailey_protocol::host_message::{Lifecycle, Mode};
use bailey_protocol::{Grants, GuildId, Tenant};
use bailey_sandbox::Sandbox;

use crate::bench::{Bench, Plugin};
use crate::calls::{FromMemory, one_value};
use crate::clock::WallClock;
use crate::plugin::BenchError;
use crate::start::pss_mib;
use crate::stub::Stub;
use crate::table::{Table, Target};

/// How many.
const CROWD: u64 = 100;
const MEMORY: &str = "100 idle plugins and their host, MiB";

/// The row.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    if !bench.wants(MEMORY) {
        return Ok(());
    }
    let plugin = bench.plugin().await?;
    let floor = plain(plugin)?;
    let ours = hosted(plugin).await?;
    table.row(MEMORY, ours, floor, Target::AtMost(1.1));
    Ok(())
}

/// MiB of as many plain processes, booted.
fn plain(plugin: &Plugin) -> Result<f64, BenchError> {
    let mut alive = Vec::new();
    for _ in 0..CROWD {
        let mut stub = Stub::start(&plugin.python, &plugin.folder, &plugin.packages)?;
        stub.boot()?;
        alive.push(stub);
    }
    alive.iter().map(|stub| pss_mib(stub.pid())).sum()
}

/// MiB of the plugins' processes, and what this process grew by for having them.
async fn hosted(plugin: &Plugin) -> Result<f64, BenchError> {
    let before = own_mib()?;
    let host = Host::start(HostConfig {
        spawner: sandbox_spawner(Sandbox::Native(plugin.sandbox.clone())),
        calls: Arc::new(FromMemory(one_value)),
        clock: Arc::new(WallClock),
        timings: HostTimings { idle_after: None, ..HostTimings::default() },
        rates: HostRates::default(),
        observer: Observer::default(),
        dead_letters: None,
        cron_claims: None,
    });
    let code = PluginCode { plugin_dir: plugin.folder.clone(), packages_dir: Some(plugin.packages.clone()) };
    for guild in 1..=CROWD {
        let plugin = "idle".parse().map_err(|_| BenchError::Plugin("no plugin id".to_owned()))?;
        let tenant = Tenant { plugin, guild: GuildId(guild) };
        host.install(Installation {
            grants: Grants::new(tenant.clone(), std::iter::empty().collect()),
            version: "1.0.0".to_owned(),
            code: code.clone(),
            mode: Mode::Pool,
            commands: Vec::new(),
            schedules: Vec::new(),
        })
        .await;
        let announced = host.announce(&tenant, Lifecycle::Enable).await;
        announced.map_err(|error| BenchError::part("host")(error.into()))?;
    }
    let sessions = host.sessions();
    let ready = sessions.iter().filter(|session| session.state == SessionState::Ready).count();
    if ready as u64 != CROWD {
        return Err(BenchError::Plugin(format!("only {ready} of {CROWD} are ready")));
    }
    let plugins: f64 =
        sessions.iter().filter_map(|session| session.pid).map(pss_mib).sum::<Result<f64, _>>()?;
    let grown = own_mib()? - before;
    host.shutdown().await;
    plugin.sandbox.settle().await;
    Ok(plugins + grown.max(0.0))
}

fn own_mib() -> Result<f64, BenchError> {
    pss_mib(std::process::id())
}
