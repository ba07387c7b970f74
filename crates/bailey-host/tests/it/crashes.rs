//! Processes that die, hang, do not start or do not read.

use std::time::Duration;

use bailey_host::{Observation, SessionState, Signal};
use bailey_protocol::limits;
use tokio::time::Instant;

use crate::support::{Bench, command, demo, installation};

#[tokio::test(start_paused = true)]
async fn an_event_whose_process_died_is_delivered_once_more_with_the_same_id() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1", "e2", "e3"]).await;
    let mut first = bench.starts.next_ready().await;
    first.handle().await;
    assert_eq!((first.event().await, first.event().await), ("e2".to_owned(), "e3".to_owned()));
    first.say_stderr("Traceback (most recent call last):").await;
    first.say_stderr("MemoryError").await;
    first.ack("e3").await;
    first.exit(137);
    let problem = bench.seen.problem().await;
    assert!(problem.contains("plugin `demo` ended unexpectedly: exit code 137"), "{problem}");
    assert!(
        problem.contains("Its last words: Traceback (most recent call last): | MemoryError"),
        "{problem}"
    );
    let mut second = bench.starts.next_ready().await;
    assert_eq!(second.event().await, "e2", "e3 was acknowledged with its last breath");
    let attempt = bench.seen.next(|seen| match seen {
        Observation::EventRedelivered { attempt, .. } => Some(attempt),
        _ => None,
    });
    assert_eq!(attempt.await, 2);
    second.ack("e2").await;
    bench.host.quiesced().await;
    assert!(second.hears_nothing().await, "delivered more than once more");
}

#[tokio::test(start_paused = true)]
async fn after_five_attempts_an_event_is_put_aside() {
    let mut bench = Bench::installed().await;
    bench.publish(&["poison"]).await;
    let begun = Instant::now();
    for _ in 0..limits::DELIVERY_ATTEMPTS {
        let mut plugin = bench.starts.next_ready().await;
        assert_eq!(plugin.event().await, "poison");
        plugin.exit(1);
    }
    let (event, reason) = bench.seen.dead_letter().await;
    assert_eq!(event, "poison");
    assert!(reason.contains("5 times"), "{reason}");
    bench.host.quiesced().await;
    assert_eq!(bench.host.dead_letters()[0].event.id.as_str(), "poison");
    // Two short waits, then the breaker is open for a minute, then for two.
    let waited = begun.elapsed();
    assert!(
        waited >= Duration::from_secs(1 + 2 + 60 + 120) && waited < Duration::from_secs(190),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_interaction_is_not_delivered_again_when_it_is_too_late() {
    let mut bench = Bench::installed().await;
    bench.host.publish(command("i1", 300)).await.unwrap();
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "i1");
    bench.clock.advance(Duration::from_secs(4));
    plugin.exit(1);
    assert_eq!(bench.seen.dead_letter().await.0, "i1");
    bench.host.quiesced().await;
}

#[tokio::test(start_paused = true)]
async fn an_interaction_that_was_answered_lives_for_fifteen_minutes() {
    let mut bench = Bench::installed().await;
    bench.host.publish(command("i1", 300)).await.unwrap();
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.call(1, "interaction.respond", r#"{"_interaction_id":"300","content":"wait"}"#).await;
    bench.clock.advance(Duration::from_secs(600));
    plugin.exit(1);
    let mut second = bench.starts.next_ready().await;
    assert_eq!(second.event().await, "i1");
    bench.clock.advance(Duration::from_secs(600));
    second.exit(1);
    assert_eq!(bench.seen.dead_letter().await.0, "i1");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_hangs_gets_its_process_replaced() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    let begun = Instant::now();
    assert_eq!(plugin.signal().await, Signal::Kill);
    assert_eq!(begun.elapsed().as_secs(), (limits::EVENT_DEADLINE + limits::PING_PATIENCE).as_secs());
    drop(plugin);
    let problem = bench.seen.problem().await;
    assert!(problem.contains("did not finish event.message_create (e1) within 60s"), "{problem}");
    assert!(problem.contains("for 65s by now, and the process does not answer at all"), "{problem}");
    assert_eq!(bench.starts.next_ready().await.handle().await, "e1");
    bench.host.quiesced().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_in_a_process_that_answers_is_told_apart() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    let begun = Instant::now();
    let ping = plugin.json().await;
    assert_eq!((&ping["method"], begun.elapsed()), (&"host.ping".into(), limits::EVENT_DEADLINE));
    plugin
        .say(&format!(r#"{{"id":{},"error":{{"message":"unknown method: host.ping"}}}}"#, ping["id"]))
        .await;
    assert_eq!(plugin.signal().await, Signal::Kill);
    let problem = bench.seen.problem().await;
    assert!(problem.contains("its handler has run for 60s while the process still answers"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_ends_after_the_ping_is_no_hang() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    assert_eq!(plugin.json().await["method"], "host.ping");
    plugin.ack("e1").await;
    bench.host.quiesced().await;
    bench.publish(&["e2"]).await;
    assert_eq!(plugin.handle().await, "e2");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_slow_answers_of_ours_is_not_held_against_a_plugin() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let begun = Instant::now();
    // Three calls that take us 25 s each: 75 s in all.
    for id in 1..=3 {
        assert_eq!(plugin.call(id, "kv.get", r#"{"key":"never"}"#).await["error"]["code"], "TIMEOUT");
    }
    assert_eq!(plugin.json().await["method"], "host.ping");
    assert_eq!(begun.elapsed().as_secs(), 75 + limits::EVENT_DEADLINE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn quick_calls_without_end_buy_no_time() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let begun = Instant::now();
    for id in 1.. {
        plugin.say(&format!(r#"{{"id":{id},"method":"kv.get","params":{{"key":"k"}}}}"#)).await;
        if plugin.json().await["method"] == "host.ping" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    assert!(begun.elapsed() < limits::EVENT_DEADLINE + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_never_calls_run_is_told_so() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    bench.starts.next().await.exit(0);
    let problem = bench.seen.problem().await;
    assert!(problem.contains("its __main__.py ended without calling plugin.run()"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_fails_at_import_is_quoted_and_left_alone_after_three_starts() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    for start in 1..=3 {
        let mut plugin = bench.starts.next().await;
        plugin.say_stderr("ModuleNotFoundError: No module named 'numpy'").await;
        plugin.exit(1);
        let problem = bench.seen.problem().await;
        assert!(
            problem.contains("ended before it was ready: exit code 1. Its last words: ModuleNotFoundError")
        );
        assert_eq!(problem.contains("3 starts in a row failed: the next try"), start == 3, "{problem}");
    }
    bench.host.quiesced().await;
    let reason = bench.seen.state(SessionState::Broken).await.1;
    assert!(
        reason.contains("3 starts in a row failed") && reason.contains("No module named 'numpy'"),
        "{reason}"
    );
    assert_eq!(bench.host.dead_letters().len(), 1);
    // While it is broken, events are counted, which is told once, and nothing is started.
    bench.publish(&["e2", "e2b"]).await;
    bench.host.quiesced().await;
    assert!(bench.starts.none());
    assert_eq!((bench.view(&demo()).refused, bench.host.dead_letters().len()), (2, 1));
    // Later the next event is a new try, and a success closes the breaker.
    tokio::time::advance(Duration::from_secs(61)).await;
    bench.publish(&["e3"]).await;
    assert_eq!(bench.starts.next_ready().await.handle().await, "e3");
    bench.host.quiesced().await;
    assert_eq!(bench.host.sessions()[0].state, SessionState::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_says_nothing_is_given_up_after_the_boot_deadline() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next().await;
    plugin.say("loading a very large model").await; // noise is no sign of life
    let begun = Instant::now();
    assert_eq!(plugin.signal().await, Signal::Kill);
    assert!(begun.elapsed() >= limits::BOOT_DEADLINE - Duration::from_secs(1));
    drop(plugin);
    let problem = bench.seen.problem().await;
    assert!(problem.contains("did not call plugin.run() within 30s"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_read_is_ended_and_blocks_nobody() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    // Answers of 60 kB each, and nobody reads them: the pipe holds one.
    let large = "x".repeat(60_000);
    plugin.call(1, "kv.put", &format!(r#"{{"key":"k","value":"{large}"}}"#)).await;
    for id in 2..10 {
        plugin.say(&format!(r#"{{"id":{id},"method":"kv.get","params":{{"key":"k"}}}}"#)).await;
    }
    assert_eq!(plugin.signal().await, Signal::Kill);
    drop(plugin);
    let problem = bench.seen.problem().await;
    assert!(problem.contains("stopped reading its input for 10s"), "{problem}");
    assert_eq!(bench.starts.next_ready().await.handle().await, "e1");
    bench.host.quiesced().await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_closes_its_output_and_lives_on_is_ended() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.close_stdout();
    assert_eq!(plugin.signal().await, Signal::Kill);
    assert!(bench.seen.problem().await.contains("closed its output without ending"));
}

#[tokio::test(start_paused = true)]
async fn shutdown_says_so_once_closes_the_input_then_terminates_then_kills() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    let host = bench.host.clone();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(async move { host.shutdown().await });
    let begun = Instant::now();
    // The event is waited for, but not forever.
    assert_eq!(plugin.json().await["method"], "host.shutdown");
    assert!(begun.elapsed() >= limits::SHUTDOWN_GRACE);
    assert_eq!(plugin.line().await, None, "the input stays open");
    assert_eq!(plugin.signal().await, Signal::Terminate);
    assert_eq!(plugin.signal().await, Signal::Kill);
    drop(plugin);
    running.join_next().await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(bench.host.publish(crate::support::message("late")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_new_version_gets_a_fresh_process_and_the_waiting_events() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut old = bench.starts.next_ready().await;
    assert_eq!(old.event().await, "e1");
    bench.publish(&["e2"]).await;
    let mut new_version = installation(&demo());
    new_version.version = "2.0.0".to_owned();
    let replacing = bench.host.install(new_version);
    let host = bench.host.clone();
    let ending = async {
        draining(&host).await;
        old.ack("e1").await;
        assert_eq!(old.json().await["method"], "host.shutdown");
        assert_eq!(old.line().await, None);
        old.exit(0);
    };
    tokio::join!(replacing, ending);
    let mut new = bench.starts.next().await;
    new.say(crate::fake::FIRST_LINE).await;
    assert_eq!(new.json().await["params"]["version"], "2.0.0");
    new.say(r#"{"id":"h-boot","result":null}"#).await;
    assert_eq!(new.handle().await, "e2");
    bench.host.quiesced().await;
    assert!(bench.host.dead_letters().is_empty());
}

/// Lets the others run until the session takes nothing more.
async fn draining(host: &bailey_host::Host) {
    for _ in 0..1000 {
        if host.sessions()[0].state == SessionState::Draining {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the session was not told to end: {:?}", host.sessions());
}

#[tokio::test(start_paused = true)]
async fn last_words_are_harmless_where_they_are_quoted() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.event().await;
    plugin.say_stderr("gone\rERROR bailey: all is lost \u{1b}[2J\u{202e}").await;
    plugin.say_stderr("    ~~~~~~^^^^^^^").await;
    plugin.exit(1);
    let problem = bench.seen.problem().await;
    assert!(!problem.contains('~'), "{problem}");
    assert!(problem.contains(r"gone\rERROR") && !problem.contains('\u{202e}'), "{problem}");
    assert!(!problem.chars().any(char::is_control), "{problem:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_at_rest_remembers_how_its_last_process_ended() {
    let mut bench = Bench::installed().await;
    bench.publish(&["e1"]).await;
    let mut plugin = bench.starts.next_ready().await;
    plugin.handle().await;
    plugin.exit(3);
    bench.seen.state(SessionState::Backoff).await;
    let (_, reason) = bench.seen.state(SessionState::Cold).await;
    assert_eq!(reason, "the last process ended unexpectedly: exit code 3");
}
