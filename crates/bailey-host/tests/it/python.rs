//! The host with real processes: Debian's Python, without a sandbox.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bailey_host::{
    BreakerLimits, Host, HostConfig, HostRates, HostTimings, Observation, Observer, PluginCode, SessionState,
    sandbox_spawner,
};
use bailey_protocol::{EventKind, Tenant};
use bailey_sandbox::{BareConfig, BareSandbox, Sandbox};
use serde_json::json;
use tokio::time::timeout;

use crate::memory_calls::Shared;
use crate::support::{HandClock, Seen, demo, event, installation, tenant};

pub(crate) struct Real {
    pub(crate) host: Host,
    pub(crate) calls: Shared,
    pub(crate) seen: Seen,
}

impl Real {
    pub(crate) fn new(timings: HostTimings) -> Self {
        let sandbox = Sandbox::Bare(BareSandbox::new(BareConfig { python: "/usr/bin/python3".into() }));
        let (observer, seen) = Observer::channel();
        let calls = Shared::default();
        let host = Host::start(HostConfig {
            spawner: sandbox_spawner(sandbox),
            calls: Arc::new(calls.clone()),
            dead_letters: None,
            cron_claims: None,
            clock: Arc::new(HandClock::default()),
            timings,
            rates: HostRates::default(),
            observer,
        });
        Self { host, calls, seen: Seen(seen) }
    }

    async fn install(&self, tenant: &Tenant, plugin_dir: &Path) {
        let mut installation = installation(tenant);
        installation.code = PluginCode { plugin_dir: plugin_dir.to_owned(), packages_dir: None };
        self.host.install(installation).await;
    }

    pub(crate) async fn say(&self, guild: u64, id: &str, content: &str) {
        let message = event(guild, id, EventKind::MessageCreate, json!({"content": content}));
        self.host.publish(message).await.unwrap();
    }

    pub(crate) async fn quiet(&self) {
        timeout(Duration::from_secs(60), self.host.quiesced()).await.expect("the host never became quiet");
    }

    pub(crate) fn done(&self, tenant: &Tenant) -> Option<String> {
        self.calls.0.value(tenant, "done")
    }
}

fn scripted() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/plugins/scripted"))
}

/// Short where waiting is the subject; the machine may be slow where it is not.
pub(crate) fn short() -> HostTimings {
    let moment = Duration::from_millis(50);
    HostTimings { back_off: vec![moment], write_stall: Duration::from_millis(300), ..HostTimings::default() }
}

/// The first failed start counts.
fn at_once() -> HostTimings {
    HostTimings { breakers: BreakerLimits { failed_starts: 1, ..BreakerLimits::default() }, ..short() }
}

/// A plugin of one file.
fn written(source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("__main__.py"), source).unwrap();
    folder
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_an_event_is_replaced_and_the_event_answered() {
    let mut real = Real::new(short());
    real.install(&demo(), scripted()).await;
    real.say(9001, "e1", "once").await;
    // It has stored its mark and hangs: the moment to kill it from outside.
    real.seen
        .next(|seen| match seen {
            Observation::Call { method, .. } if method == "kv.put" => Some(()),
            _ => None,
        })
        .await;
    let pid = real.host.sessions()[0].pid.unwrap();
    signal(pid, "-9");
    real.quiet().await;
    let attempt = real.seen.next(|seen| match seen {
        Observation::EventRedelivered { event, attempt, .. } => Some((event.to_string(), attempt)),
        _ => None,
    });
    assert_eq!(attempt.await, ("e1".to_owned(), 2));
    let done = real.done(&demo()).unwrap();
    assert!(done.starts_with("\"once in ") && !done.contains(&pid.to_string()), "{done} after killing {pid}");
    assert!(real.host.dead_letters().is_empty());
    real.host.shutdown().await;
}

#[tokio::test]
async fn a_plugin_that_hangs_leaves_the_other_server_alone() {
    let mut real = Real::new(HostTimings { event_deadline: Duration::from_millis(500), ..short() });
    let (one, two) = (tenant("demo", 9001), tenant("demo", 9002));
    real.install(&one, scripted()).await;
    real.install(&two, scripted()).await;
    real.say(9001, "a1", "once").await;
    real.say(9002, "b1", "hello").await;
    assert_eq!(real.seen.acked().await.0, "b1");
    real.quiet().await;
    let problem = real.seen.problem().await;
    assert!(problem.contains("did not finish event.message_create (a1)"), "{problem}");
    assert!(real.done(&one).is_some() && real.done(&two).is_some());
    real.host.shutdown().await;
}

#[tokio::test]
async fn a_plugin_that_floods_or_does_not_read_is_contained() {
    let mut real = Real::new(short());
    real.install(&demo(), scripted()).await;
    real.say(9001, "e1", "flood").await;
    real.quiet().await;
    assert!(real.done(&demo()).unwrap().starts_with("\"flood in"));
    assert!(real.seen.problem().await.contains("floods its output"));
    assert!(real.calls.0.lines(&demo()).len() < 1000, "the flood was kept");
    real.say(9001, "e2", "large").await;
    real.say(9001, "e3", "deaf").await;
    let problem = real.seen.problem().await;
    assert!(problem.contains("its input"), "{problem}");
    real.host.shutdown().await;
}

#[tokio::test]
async fn each_way_not_to_start_gets_its_own_message() {
    for (source, expected) in [
        ("x = 1", "ended without calling plugin.run()"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("import time\nwhile True: time.sleep(1)", "did not call plugin.run() within"),
        ("def broken(:", "SyntaxError"),
    ] {
        let mut real = Real::new(HostTimings { boot_deadline: Duration::from_secs(2), ..at_once() });
        let plugin = written(source);
        real.install(&demo(), plugin.path()).await;
        real.say(9001, "e1", "hello").await;
        let problem = real.seen.problem().await;
        assert!(problem.starts_with("plugin `demo` ") && problem.contains(expected), "{source}: {problem}");
        real.quiet().await;
        assert!(matches!(real.host.sessions()[0].state, SessionState::Broken));
        real.host.shutdown().await;
    }
    let mut real = Real::new(at_once());
    real.install(&demo(), Path::new("/no/such/folder")).await;
    real.say(9001, "e1", "hello").await;
    let problem = real.seen.problem().await;
    assert!(problem.contains("could not be started"), "{problem}");
}

#[tokio::test]
async fn a_shutdown_ends_the_process_by_closing_its_input() {
    let mut real = Real::new(HostTimings::default());
    real.install(&demo(), scripted()).await;
    real.say(9001, "e1", "hello").await;
    real.quiet().await;
    let pid = real.host.sessions()[0].pid.unwrap();
    let begun = tokio::time::Instant::now();
    real.host.shutdown().await;
    assert!(begun.elapsed() < HostTimings::default().shutdown_grace, "it had to be killed");
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    let reason = real.seen.next(|seen| match seen {
        Observation::SessionEnded { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, "it was asked to");
}

/// Sends a signal, as an operator or the kernel would.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests are about processes killed and stopped from outside"
)]
pub(crate) fn signal(pid: u32, signal: &str) {
    let status = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}
