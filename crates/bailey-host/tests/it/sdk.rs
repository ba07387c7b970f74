//! The supervisor with real SDKs, the oldest and the newest, in real processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bailey_host::{BreakerLimits, HostTimings, Observation, PluginCode, SessionState};
use bailey_protocol::Tenant;
use bailey_testkit::SDKS;

use crate::python::{Real, short, signal};
use crate::support::{demo, installation};

const SOON: Duration = Duration::from_millis(500);

fn moody() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/plugins/moody"))
}

/// The folders with the oldest and the newest SDK.
async fn packages() -> Vec<PathBuf> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdks");
    let mut folders = Vec::new();
    for sdk in [SDKS[0], SDKS[SDKS.len() - 1]] {
        folders.push(sdk.environment(&cache).await.join("packages"));
    }
    folders
}

/// A host with the plugin on one server.
async fn real(timings: HostTimings, packages: PathBuf) -> Real {
    let real = Real::new(timings);
    let mut installation = installation(&demo());
    installation.code = PluginCode { plugin_dir: moody().to_owned(), packages_dir: Some(packages) };
    real.host.install(installation).await;
    real
}

fn pid(real: &Real, tenant: &Tenant) -> u32 {
    real.calls.0.value(tenant, "pid").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_handler_that_hangs_is_told_from_a_process_that_does_not_answer() {
    for packages in packages().await {
        let timings = HostTimings { event_deadline: SOON, ping_patience: 2 * SOON, ..short() };
        let mut real = real(timings, packages).await;
        real.say(9001, "e1", "hang").await;
        let problem = real.seen.problem().await;
        assert!(problem.contains("while the process still answers, so it was ended"), "{problem}");
        // In a fresh process the same event is answered.
        real.quiet().await;
        assert_eq!(real.done(&demo()).as_deref(), Some("\"hang\""));

        signal(pid(&real, &demo()), "-STOP");
        real.say(9001, "e2", "hello").await;
        let problem = real.seen.problem().await;
        assert!(problem.contains("and the process does not answer at all, so it was ended"), "{problem}");
        real.quiet().await;
        assert_eq!(real.done(&demo()).as_deref(), Some("\"hello\""));
        real.host.shutdown().await;
    }
}

#[tokio::test]
async fn a_plugin_whose_handlers_raise_is_left_alone_and_tried_again() {
    for packages in packages().await {
        let breakers = BreakerLimits { open_for: SOON, ..BreakerLimits::default() };
        let mut real = real(HostTimings { breakers, ..short() }, packages).await;
        for number in 0..10 {
            real.say(9001, &format!("e{number}"), "raise").await;
            real.quiet().await;
        }
        let (_, reason) = real.seen.state(SessionState::Broken).await;
        assert!(reason.contains("10 of its last 10 events failed"), "{reason}");
        real.seen.state(SessionState::Cold).await;
        real.say(9001, "good", "hello").await;
        real.quiet().await;
        assert_eq!(real.done(&demo()).as_deref(), Some("\"hello\""));
        let view = &real.host.sessions()[0];
        assert_eq!((view.state, view.on_trial), (SessionState::Ready, false));
        real.host.shutdown().await;
    }
}

#[tokio::test]
async fn three_crashes_stop_it_and_a_good_event_brings_it_back() {
    for packages in packages().await {
        let breakers = BreakerLimits { open_for: SOON, ..BreakerLimits::default() };
        let mut real = real(HostTimings { breakers, ..short() }, packages).await;
        real.say(9001, "poison", "die").await;
        let (_, reason) = real.seen.state(SessionState::Broken).await;
        assert!(
            reason.contains("it crashed 3 times within 300s") && reason.contains("exit code 3"),
            "{reason}"
        );
        // Tried twice more, then put aside; it is not lost.
        assert_eq!(real.seen.dead_letter().await.0, "poison");
        real.seen.state(SessionState::Cold).await;
        real.say(9001, "good", "hello").await;
        real.quiet().await;
        assert_eq!(real.done(&demo()).as_deref(), Some("\"hello\""));
        real.host.shutdown().await;
    }
}

#[tokio::test]
async fn an_idle_process_is_unloaded_and_started_again_for_the_next_event() {
    for packages in packages().await {
        let mut real = real(HostTimings { idle_after: Some(SOON), ..short() }, packages).await;
        real.say(9001, "e1", "hello").await;
        real.quiet().await;
        let first = pid(&real, &demo());
        real.seen
            .next(|seen| {
                matches!(seen, Observation::SessionEnded { reason, .. } if reason.contains("was unloaded"))
                    .then_some(())
            })
            .await;
        assert!(!Path::new(&format!("/proc/{first}")).exists(), "process {first} is still there");
        real.say(9001, "e2", "again").await;
        real.quiet().await;
        assert_eq!(real.done(&demo()).as_deref(), Some("\"again\""));
        assert_ne!(pid(&real, &demo()), first);
        real.host.shutdown().await;
    }
}

#[tokio::test]
async fn a_shutdown_is_bounded_and_says_what_it_left() {
    let packages = packages().await.pop().unwrap();
    let mut real = real(HostTimings { drain_deadline: SOON, ..short() }, packages).await;
    real.say(9001, "e1", "hang").await;
    let stored = |seen| {
        matches!(seen, Observation::Call { method, .. } if method == "kv.put" || method == "kv.get")
            .then_some(())
    };
    real.seen.next(stored).await;
    let begun = tokio::time::Instant::now();
    let drained = real.host.shutdown().await;
    assert!(begun.elapsed() < SOON + Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(drained.cut_off[0].contains("the process of demo"), "{drained:?}");
    assert!(drained.cut_off[0].contains("1 events unacknowledged"), "{drained:?}");
}
