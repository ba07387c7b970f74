//! Nobody waits for a plugin that will not answer: the host gives its interactions up, each way it can fail.

use std::time::Duration;

use bailey_host::{SessionState, Unanswered};
use bailey_protocol::limits;

use crate::support::{Bench, command, demo};

async fn given(bench: &mut Bench) -> crate::fake::Fake {
    bench.host.publish(command("i1", 300)).await.unwrap();
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "i1");
    plugin
}

#[tokio::test(start_paused = true)]
async fn what_a_process_was_given_and_can_not_be_given_again_is_given_up() {
    let mut bench = Bench::installed().await;
    let mut plugin = given(&mut bench).await;
    bench.clock.advance(Duration::from_secs(4));
    plugin.exit(1);
    bench.host.quiesced().await;
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::Died)]);
}

#[tokio::test(start_paused = true)]
async fn what_it_was_done_with_and_might_have_answered_later_is_given_up_too() {
    let mut bench = Bench::installed().await;
    let mut plugin = given(&mut bench).await;
    plugin.ack("i1").await;
    bench.host.quiesced().await;
    assert_eq!(bench.calls.0.given_up(), []);
    plugin.exit(1);
    bench.seen.state(SessionState::Backoff).await;
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::Died)]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_raised_will_not_answer() {
    let mut bench = Bench::installed().await;
    bench.host.publish(command("i1", 300)).await.unwrap();
    let mut plugin = bench.starts.next_ready().await;
    plugin.fail().await;
    bench.host.quiesced().await;
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::Failed)]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_start_soon_will_not_answer() {
    let mut bench = Bench::installed().await;
    // It waits for 1, 2 and then 5 s: the last is more than a person should.
    bench.host.publish(command("i1", 300)).await.unwrap();
    for _ in 0..2 {
        bench.starts.next().await.exit(1);
    }
    bench.starts.next().await.exit(1);
    bench.seen.state(SessionState::Broken).await;
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::NotRunning)]);
    bench.host.publish(command("i2", 301)).await.unwrap();
    bench.host.quiesced().await;
    assert_eq!(bench.calls.0.given_up().last(), Some(&(301, Unanswered::NotRunning)));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_in_a_long_back_off_will_not_answer() {
    use bailey_host::{BreakerLimits, HostRates, HostTimings};
    let breakers = BreakerLimits { crashes: 100, ..BreakerLimits::default() };
    let mut bench = Bench::timed(HostRates::default(), HostTimings { breakers, ..HostTimings::default() });
    bench.install_on([9001]).await;
    bench.publish(&["e1"]).await;
    for _ in 0..3 {
        let mut plugin = bench.starts.next_ready().await;
        plugin.event().await;
        plugin.exit(1);
    }
    loop {
        bench.seen.state(SessionState::Backoff).await;
        if bench.view(&demo()).until.is_some_and(|until| until.0 >= 5000) {
            break;
        }
    }
    bench.host.publish(command("i1", 300)).await.unwrap();
    tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::NotRunning)]);
    assert!(bench.starts.none());
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_stopped_will_not_answer() {
    let mut bench = Bench::installed().await;
    let mut plugin = given(&mut bench).await;
    bench.host.publish(command("i2", 301)).await.unwrap(); // waits: the first event goes alone
    let host = bench.host.clone();
    let stopping = async {
        assert_eq!(plugin.json().await["method"], "host.shutdown");
        assert_eq!(plugin.line().await, None);
        plugin.exit(0);
    };
    tokio::join!(host.shutdown(), stopping);
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::Stopped), (301, Unanswered::Stopped)]);
}

#[tokio::test(start_paused = true)]
async fn everybody_is_admitted_before_one_gives_up() {
    let mut bench = Bench::installed().await;
    bench.host.install(crate::support::installation(&crate::support::tenant("other", 9001))).await;
    bench.publish(&["e1"]).await;
    let mut bad = bench.starts.next_ready().await;
    let mut good = bench.starts.next_ready().await;
    if bad.request.tenant != demo() {
        std::mem::swap(&mut bad, &mut good);
    }
    good.handle().await;
    bad.fail().await;
    for number in 2..=10 {
        bench.publish(&[&format!("e{number}")]).await;
        bad.fail().await;
        good.handle().await;
    }
    bad.end().await;
    bench.seen.state(SessionState::Broken).await;
    let mut pressed = command("i1", 300);
    pressed.interaction.as_mut().unwrap().command = None;
    bench.host.publish(pressed).await.unwrap();
    assert_eq!(good.handle().await, "i1");
    bench.host.quiesced().await;
    assert_eq!(bench.calls.0.admitted_by_then(), [2, 2], "one gave up before the other was known");
    let left: Vec<_> = bench
        .calls
        .0
        .all_left()
        .into_iter()
        .map(|(tenant, id, why)| (tenant.plugin.to_string(), id.0, why))
        .collect();
    assert_eq!(
        left,
        [("demo".to_owned(), 300, Some(Unanswered::NotRunning)), ("other".to_owned(), 300, None)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_from_a_full_queue_is_given_up() {
    use bailey_host::HostRates;
    let mut bench = Bench::with(HostRates { bus_capacity: 10_000, ..HostRates::default() });
    bench.install_on([9001]).await;
    for number in 0..=limits::DELIVERY_QUEUE as u64 {
        bench.host.publish(command(&format!("i{number}"), number + 1)).await.unwrap();
    }
    let _starting = bench.starts.next().await;
    assert_eq!(bench.seen.dead_letter().await.0, "i0");
    assert_eq!(bench.calls.0.given_up(), [(1, Unanswered::Busy)]);
}

#[tokio::test(start_paused = true)]
async fn what_nothing_in_a_plugin_handles_is_given_up() {
    let mut bench = Bench::installed().await;
    let mut plugin = given(&mut bench).await;
    plugin.say(r#"{"jsonrpc":"2.0","method":"event.ack","params":{"event_id":"i1"}}"#).await;
    bench.host.quiesced().await;
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::NoHandler)]);
}
