//! Deliveries that do harm are stopped, on one server and everywhere, and tried again.

use std::time::Duration;

use bailey_host::{BreakerLimits, HostRates, HostTimings, Observation, RoomLimits, SessionState, Unanswered};
use bailey_protocol::limits;
use tokio::time::Instant;

use crate::fake::Fake;
use crate::support::{Bench, command, demo, installation, tenant};

/// Ten events of `demo` on server 9001 fail, and its process ends in good order.
async fn fail_ten(bench: &mut Bench) -> Fake {
    let ids: Vec<String> = (1..=10).map(|number| format!("f{number}")).collect();
    bench.publish(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut plugin = bench.starts.next_ready().await;
    for _ in 0..10 {
        plugin.fail().await;
    }
    plugin.end().await;
    plugin
}

#[tokio::test(start_paused = true)]
async fn ten_failures_stop_deliveries_and_one_good_event_resumes_them() {
    let mut bench = Bench::installed().await;
    fail_ten(&mut bench).await;
    let problem = bench.seen.problem().await;
    assert!(
        problem.contains("10 of its last 10 events failed: the next try is not before 60 s"),
        "{problem}"
    );
    let (_, reason) = bench.seen.state(SessionState::Broken).await;
    assert!(reason.contains("10 of its last 10 events failed"), "{reason}");
    let view = bench.view(&demo());
    assert_eq!((view.state, view.on_trial), (SessionState::Broken, false));
    assert_eq!(view.until, Some(view.since + limits::BREAKER_OPEN));
    // Messages are counted, people are told.
    bench.publish(&["m1", "m2"]).await;
    bench.host.publish(command("i1", 300)).await.unwrap();
    bench.host.quiesced().await;
    assert!(bench.starts.none());
    assert_eq!(bench.view(&demo()).refused, 3);
    assert!(bench.host.dead_letters().is_empty());
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::NotRunning)]);
    let refused = async |bench: &mut Bench| {
        bench
            .seen
            .next(|seen| match seen {
                Observation::EventRefused { event, reason, .. } => Some((event.to_string(), reason)),
                _ => None,
            })
            .await
    };
    for id in ["m1", "m2", "i1"] {
        let (event, why) = refused(&mut bench).await;
        assert!(event == id && why.contains("10 of its last 10"), "{event}: {why}");
    }
    // One event is tried, alone.
    bench.seen.state(SessionState::Cold).await;
    assert!(bench.view(&demo()).on_trial);
    bench.publish(&["t0", "t1", "t2", "t3"]).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "t0");
    // That nothing in the plugin handles it decides nothing.
    plugin.say(r#"{"jsonrpc":"2.0","method":"event.ack","params":{"event_id":"t0"}}"#).await;
    assert_eq!(plugin.event().await, "t1");
    assert!(bench.view(&demo()).reason.contains("a trial"));
    assert!(plugin.hears_nothing().await, "more than one event was tried");
    plugin.ack("t1").await;
    assert_eq!((plugin.event().await, plugin.event().await), ("t2".to_owned(), "t3".to_owned()));
    assert!(!bench.view(&demo()).on_trial);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_fails_stops_them_for_twice_as_long() {
    let mut bench = Bench::installed().await;
    fail_ten(&mut bench).await;
    bench.seen.state(SessionState::Cold).await;
    bench.publish(&["t1", "t2"]).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.fail().await, "t1");
    plugin.end().await;
    bench.seen.state(SessionState::Broken).await;
    let begun = Instant::now();
    assert_eq!(bench.seen.dead_letter().await.0, "t2", "it was accepted and not delivered");
    bench.seen.state(SessionState::Cold).await;
    assert_eq!(begun.elapsed().as_secs(), 2 * limits::BREAKER_OPEN.as_secs());
    // A crash on trial, too.
    bench.publish(&["t3"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.exit(1);
    bench.seen.state(SessionState::Broken).await;
    let begun = Instant::now();
    tokio::time::sleep(3 * limits::BREAKER_OPEN).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.handle().await, "t3", "what was given and not acknowledged is the next trial");
    assert_eq!(begun.elapsed().as_secs(), 4 * limits::BREAKER_OPEN.as_secs());
    bench.host.quiesced().await;
}

#[tokio::test(start_paused = true)]
async fn failures_among_successes_and_a_new_version_do_not_stop_it() {
    let mut bench = Bench::installed().await;
    let mut plugin = {
        bench.publish(&["e0"]).await;
        bench.starts.next_ready().await
    };
    plugin.handle().await;
    for number in 1..60 {
        bench.publish(&[&format!("e{number}")]).await;
        match number % 3 {
            0 => plugin.fail().await,
            _ => plugin.handle().await,
        };
    }
    assert_eq!(bench.view(&demo()).state, SessionState::Ready);
    // Stopped, then another version: it begins anew.
    for number in 0..10 {
        bench.publish(&[&format!("f{number}")]).await;
        plugin.fail().await;
        bench.host.quiesced().await;
        if bench.view(&demo()).state != SessionState::Ready {
            break;
        }
    }
    plugin.end().await;
    bench.seen.state(SessionState::Broken).await;
    let mut new_version = installation(&demo());
    new_version.version = "2.0.0".to_owned();
    bench.host.install(new_version).await;
    bench.publish(&["e1"]).await;
    assert_eq!(bench.starts.next_ready().await.handle().await, "e1");
}

/// Three starts fail on a server.
async fn fail_to_start(bench: &mut Bench, guild: u64) {
    bench.say(guild, &format!("e{guild}")).await;
    for _ in 0..3 {
        let mut plugin = bench.starts.next().await;
        assert_eq!(plugin.request.tenant.guild.0, guild);
        plugin.exit(1);
    }
    bench.seen.state(SessionState::Broken).await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_fails_on_five_servers_is_started_on_none_until_one_tried_it() {
    let mut bench = Bench::new();
    bench.install_on(1..=7).await;
    bench.say(6, "before").await;
    let mut running = bench.starts.next_ready().await;
    running.handle().await;
    for guild in 1..=5 {
        fail_to_start(&mut bench, guild).await;
    }
    // A server that had nothing to do with it is told why; one whose process runs is not touched.
    let view = bench.view(&tenant("demo", 7));
    assert_eq!(view.state, SessionState::Broken);
    assert!(
        view.reason.contains("it is paused on all servers: it was stopped on 5 servers"),
        "{}",
        view.reason
    );
    bench.say(7, "refused").await;
    bench.say(6, "still served").await;
    assert_eq!(running.handle().await, "still served");
    bench.host.quiesced().await;
    assert!(bench.starts.none());
    assert_eq!(bench.view(&tenant("demo", 7)).refused, 1);
    let told = |seen| {
        matches!(seen, Observation::Problem { tenant, message } if tenant.guild.0 == 7 && message.contains("only counted")).then_some(())
    };
    bench.seen.next(told).await;
    // After a minute one server tries it.
    tokio::time::advance(limits::BREAKER_OPEN + Duration::from_secs(1)).await;
    bench.say(7, "trial").await;
    let mut trial = bench.starts.next_ready().await;
    assert_eq!(trial.event().await, "trial");
    bench.install_on([8]).await;
    bench.say(8, "too early").await;
    bench.say(6, "served too").await;
    running.handle().await;
    assert!(bench.starts.none(), "a second server tried it at the same time");
    assert_eq!(bench.view(&tenant("demo", 8)).refused, 1);
    trial.ack("trial").await;
    bench.host.quiesced().await;
    bench.say(8, "welcome").await;
    assert_eq!(bench.starts.next_ready().await.handle().await, "welcome");
}

#[tokio::test(start_paused = true)]
async fn every_change_is_told_with_its_reason_and_times() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.exit(3);
    let mut plugin = bench.starts.next_ready().await;
    plugin.handle().await;
    bench.host.quiesced().await;
    let view = bench.view(&demo());
    assert_eq!((view.restarts, view.failed_in_a_row), (1, 1));
    assert!(view.last_exit.unwrap().contains("exit code 3"));
    assert!(view.started_at.is_some() && view.last_event_at.is_some() && view.memory.is_some());
    let host = bench.host.clone();
    tokio::join!(host.shutdown(), plugin.end());
    let mut states = Vec::new();
    while states.last() != Some(&SessionState::Cold) {
        let change = bench.seen.next(|seen| match seen {
            Observation::SessionChanged { state, reason, since, until, .. } => {
                assert!(!reason.is_empty() && until.is_none_or(|until| until >= since));
                Some(state)
            }
            _ => None,
        });
        states.push(change.await);
    }
    use SessionState::{Backoff, Cold, Draining, Ready, Starting};
    assert_eq!(states, [Starting, Ready, Backoff, Starting, Ready, Draining, Cold]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_unacknowledged_event_has_an_age() {
    let mut bench = Bench::timed(HostRates::default(), HostTimings::default());
    bench.install_on([9001]).await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let age = bench.view(&demo()).oldest_unacknowledged.unwrap();
    assert_eq!(age.as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn those_in_line_are_not_started_either_once_a_plugin_is_paused_everywhere() {
    let room = RoomLimits { starts_at_once: 1, ..RoomLimits::default() };
    let breakers = BreakerLimits { failed_starts: 1, ..BreakerLimits::default() };
    let timings = HostTimings { breakers, ..HostTimings::default() };
    let mut bench = Bench::timed(HostRates { room, ..HostRates::default() }, timings);
    bench.install_on(1..=7).await;
    for guild in 1..=7 {
        bench.say(guild, &format!("e{guild}")).await;
    }
    for _ in 1..=limits::PLUGIN_BREAKER_SERVERS {
        bench.starts.next().await.exit(1);
    }
    bench.host.quiesced().await;
    assert!(bench.starts.none(), "it was started once more, although it fails everywhere");
    let paused = bench.host.sessions().into_iter().filter(|view| view.reason.contains("on all servers"));
    assert_eq!(paused.count(), 2);
}
