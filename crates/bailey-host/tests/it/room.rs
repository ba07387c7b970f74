//! Processes that have nothing to do go, and those that must start wait for room, in turn.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bailey_host::{HostRates, HostTimings, RoomLimits, SessionState, Unanswered};
use bailey_protocol::host_message::Mode;
use bailey_protocol::limits;
use tokio::time::Instant;

use crate::fake::Fake;
use crate::support::{Bench, command, demo, installation, tenant};

const MEBIBYTE: u64 = 1024 * 1024;

/// Room for so many processes of 32 MiB.
fn room_for(processes: u64) -> Bench {
    let room = RoomLimits {
        memory_bytes: Some(processes * limits::START_MEMORY_BYTES),
        starts_at_once: 100,
        ..RoomLimits::default()
    };
    Bench::with(HostRates { room, ..HostRates::default() })
}

/// A process that has handled an event of its server, takes as much as it was reckoned with, and works on.
async fn at_work(bench: &mut Bench, guild: u64) -> Fake {
    bench.say(guild, &format!("work{guild}")).await;
    let mut plugin = bench.starts.next().await;
    plugin.bytes.store(limits::START_MEMORY_BYTES, Ordering::SeqCst);
    plugin.boot().await;
    assert_eq!(plugin.event().await, format!("work{guild}"));
    plugin
}

#[tokio::test(start_paused = true)]
async fn a_process_without_work_is_unloaded_and_comes_back_for_the_next_event() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.handle().await;
    tokio::time::sleep(limits::IDLE_UNLOAD - Duration::from_secs(1)).await;
    plugin.call(1, "kv.get", r#"{"key":"k"}"#).await; // a thread of its own is work, too
    let begun = Instant::now();
    tokio::time::sleep(limits::IDLE_UNLOAD - Duration::from_secs(1)).await;
    assert!(plugin.hears_nothing().await);
    plugin.end().await;
    assert_eq!(begun.elapsed().as_secs(), limits::IDLE_UNLOAD.as_secs());
    let (_, reason) = bench.seen.state(SessionState::Cold).await;
    assert!(reason.contains("unloaded: it had nothing to do for 600s"), "{reason}");
    let view = bench.view(&demo());
    assert_eq!((view.pid, view.restarts, view.memory), (None, 0, None));
    bench.publish(&["e2"]).await;
    assert_eq!(bench.starts.next_ready().await.handle().await, "e2");
}

#[tokio::test(start_paused = true)]
async fn what_works_holds_something_or_has_threads_of_its_own_stays() {
    // An event in work: it is the event's patience that ends first. A call in flight is covered above.
    let timings = HostTimings { idle_after: Some(Duration::from_secs(20)), ..HostTimings::default() };
    let mut bench = Bench::timed(HostRates::default(), timings);
    bench.install_on([1, 2]).await;
    let mut single = installation(&tenant("demo", 3));
    single.mode = Mode::Single;
    bench.host.install(single).await;
    let mut working = at_work(&mut bench, 1).await;
    let mut holding = at_work(&mut bench, 2).await;
    holding.call(1, "kv.put", r#"{"key":"socket","value":1}"#).await;
    holding.ack("work2").await;
    let mut threads = at_work(&mut bench, 3).await;
    threads.ack("work3").await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    for plugin in [&mut working, &mut holding, &mut threads] {
        assert!(plugin.hears_nothing().await, "it was ended");
    }
    working.ack("work1").await;
    working.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_process_makes_room() {
    let mut bench = room_for(2);
    bench.install_on(1..=3).await;
    let (mut one, mut two) = (at_work(&mut bench, 1).await, at_work(&mut bench, 2).await);
    two.ack("work2").await;
    bench.seen.acked().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    one.ack("work1").await;
    bench.host.quiesced().await;
    bench.say(3, "e3").await;
    let (who, reason) = bench.seen.state(SessionState::Draining).await;
    assert_eq!((who.guild.0, reason.as_str()), (2, "unloading: others need its memory"));
    assert!(bench.starts.none(), "it started before there was room");
    let view = bench.view(&tenant("demo", 3));
    assert_eq!((view.state, view.reason.as_str()), (SessionState::Starting, "waiting for memory"));
    assert!(view.until.is_some());
    two.end().await;
    assert_eq!(bench.starts.next_ready().await.handle().await, "e3");
    assert!(one.hears_nothing().await, "one was enough");
}

#[tokio::test(start_paused = true)]
async fn with_everyone_at_work_one_waits_and_people_go_first() {
    let mut bench = room_for(1);
    bench.install_on([1, 2, 9001]).await;
    let mut one = at_work(&mut bench, 1).await;
    bench.say(2, "e2").await;
    bench.seen.state(SessionState::Starting).await;
    bench.host.publish(command("i1", 300)).await.unwrap();
    while bench.view(&demo()).state != SessionState::Starting {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(bench.starts.none());
    one.ack("work1").await;
    one.end().await;
    let mut first = bench.starts.next().await;
    first.bytes.store(limits::START_MEMORY_BYTES, Ordering::SeqCst);
    first.boot().await;
    assert_eq!(first.event().await, "i1");
    assert!(bench.starts.none());
    first.ack("i1").await;
    first.end().await;
    assert_eq!(bench.starts.next_ready().await.handle().await, "e2");
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_bounded_and_people_are_told() {
    let mut bench = room_for(1);
    bench.install_on([1, 9001]).await;
    let mut one = at_work(&mut bench, 1).await;
    bench.publish(&["e1"]).await;
    let mut pressed = command("i1", 300);
    pressed.interaction.as_mut().unwrap().command = None;
    bench.host.publish(pressed).await.unwrap();
    bench.host.publish(command("i2", 301)).await.unwrap();
    let begun = Instant::now();
    // A button must be answered now; a command is covered by "thinking" until the wait is over.
    assert_eq!(bench.seen.dead_letter().await.0, "i1");
    assert_eq!(begun.elapsed(), limits::INTERACTION_AUTO_DEFER);
    assert_eq!(bench.seen.dead_letter().await.0, "i2");
    assert_eq!(begun.elapsed(), limits::START_PATIENCE);
    assert_eq!(bench.calls.0.given_up(), [(300, Unanswered::Busy), (301, Unanswered::Busy)]);
    let (_, reason) = bench.seen.state(SessionState::Backoff).await;
    assert_eq!(reason, "waiting for memory for 30s was in vain");
    assert_eq!(bench.view(&demo()).queued, 1, "the message waits on");
    one.ack("work1").await;
    one.end().await;
    assert_eq!(bench.starts.next_ready().await.handle().await, "e1");
}

#[tokio::test(start_paused = true)]
async fn events_that_keep_coming_do_not_put_the_end_of_the_wait_off() {
    let mut bench = room_for(1);
    bench.install_on([1, 9001]).await;
    let _one = at_work(&mut bench, 1).await;
    for second in 0..=limits::START_PATIENCE.as_secs() {
        bench.publish(&[&format!("e{second}")]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(bench.view(&demo()).reason, "waiting for memory for 30s was in vain");
}

#[tokio::test(start_paused = true)]
async fn one_that_grows_beyond_the_budget_costs_an_idle_one_its_place() {
    let mut bench = room_for(2);
    bench.install_on([1, 2]).await;
    let (one, mut two) = (at_work(&mut bench, 1).await, at_work(&mut bench, 2).await);
    two.ack("work2").await;
    bench.seen.acked().await;
    one.bytes.store(limits::START_MEMORY_BYTES + MEBIBYTE, Ordering::SeqCst);
    two.end().await;
    let view = bench.view(&tenant("demo", 1));
    assert_eq!((view.state, view.memory), (SessionState::Ready, Some(limits::START_MEMORY_BYTES + MEBIBYTE)));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_start_at_once() {
    let room = RoomLimits { starts_at_once: 2, ..RoomLimits::default() };
    let mut bench = Bench::with(HostRates { room, ..HostRates::default() });
    bench.install_on(1..=4).await;
    for guild in 1..=4 {
        bench.say(guild, "e").await;
    }
    let mut one = bench.starts.next().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(bench.starts.none(), "one plugin took every turn");
    assert_eq!(bench.view(&tenant("demo", 3)).reason, "waiting for its turn to start");
    // Another plugin does not wait for it.
    bench.host.install(installation(&tenant("other", 5))).await;
    bench.say(5, "e").await;
    let other = bench.starts.next_ready().await;
    assert_eq!(other.request.tenant, tenant("other", 5));
    one.boot().await;
    let _hangs = bench.starts.next().await;
    let begun = Instant::now();
    let _next = bench.starts.next().await;
    assert_eq!(begun.elapsed(), limits::START_TURN, "a start that hangs holds up the rest");
}

#[tokio::test(start_paused = true)]
async fn the_line_is_bounded() {
    let room = RoomLimits { starts_at_once: 1, waiting: 2, ..RoomLimits::default() };
    let mut bench = Bench::with(HostRates { room, ..HostRates::default() });
    bench.install_on(1..=3).await;
    for guild in 1..=3 {
        bench.say(guild, "e").await;
    }
    let (who, reason) = bench.seen.state(SessionState::Backoff).await;
    assert_eq!(
        (who.guild.0, reason.as_str()),
        (3, "it waits for its turn to start on 1 other servers already")
    );
    for (plugin, guild) in [("other", 4), ("third", 5)] {
        bench.host.install(installation(&tenant(plugin, guild))).await;
        bench.say(guild, "e").await;
    }
    let (who, reason) = bench.seen.state(SessionState::Backoff).await;
    assert_eq!((who.guild.0, reason.as_str()), (5, "more than 2 plugins wait for their turn to start"));
    for _ in 1..=5 {
        bench.starts.next_ready().await.handle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_those_who_wait() {
    let mut bench = room_for(1);
    bench.install_on([1, 2]).await;
    let mut one = at_work(&mut bench, 1).await;
    bench.say(2, "e2").await;
    bench.seen.state(SessionState::Starting).await;
    let host = bench.host.clone();
    let ending = async {
        one.ack("work1").await;
        one.end().await;
    };
    let (drained, ()) = tokio::join!(host.shutdown(), ending);
    assert!(drained.cut_off.is_empty(), "{drained:?}");
    assert!(bench.starts.none());
}
