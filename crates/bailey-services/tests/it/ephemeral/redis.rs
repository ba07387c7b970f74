//! What only Redis brings: hosts that count together, and a server that goes away and comes back,
//! really killed, frozen, full or never there.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailey_protocol::limits::{EPHEMERAL_REDIS_PATIENCE, EPHEMERAL_REDIS_RETRY};
use bailey_services::ephemeral::{Keeping, Usage};
use bailey_testkit::Redis;
use redis::Commands;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing_subscriber::fmt::MakeWriter;

use super::desk::Desk;
use crate::support::tenant;

/// What a machine under load may add to any wait.
const SLACK: Duration = Duration::from_secs(2);

/// The log of this test, as an operator reads it.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Screen {
    /// Everything logged in this thread from now on, warnings and worse.
    fn here() -> (Self, tracing::subscriber::DefaultGuard) {
        let screen = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(screen.clone())
            .with_ansi(false)
            .with_max_level(tracing::Level::WARN)
            .finish();
        (screen, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    /// Each line must hold the text in its place, and there must be no other.
    fn must_say(&self, texts: &[&str]) {
        let lines = self.lines();
        assert_eq!(lines.len(), texts.len(), "{lines:#?}");
        for (line, text) in lines.iter().zip(texts) {
            assert!(line.contains("WARN") && line.contains(text), "{text} is not in {line}");
        }
    }
}

/// Waits until a desk's state is kept where it should be.
async fn until(desk: &Desk, wanted: impl Fn(&Keeping) -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let waiting = async {
        while !wanted(&desk.ephemeral.keeping()) {
            looks.tick().await;
        }
    };
    let waited = timeout(EPHEMERAL_REDIS_RETRY + 2 * EPHEMERAL_REDIS_PATIENCE + SLACK, waiting).await;
    assert!(waited.is_ok(), "it stayed at {:?}", desk.ephemeral.keeping());
}

fn away(keeping: &Keeping) -> bool {
    matches!(keeping, Keeping::ProcessInstead { .. })
}

/// A call of each kind; the count. None may fail or keep its caller waiting.
async fn one_of_each(desk: &Desk, key: &str) -> u64 {
    let given = json!({ "key": key });
    let mut count = 0;
    for method in ["counter", "cooldown_set", "cooldown_check", "dedup", "flag_set", "flag_check"] {
        let began = Instant::now();
        let answer: Value = serde_json::from_str(&desk.call(method, given.clone()).await).unwrap();
        let took = began.elapsed();
        assert!(took < EPHEMERAL_REDIS_PATIENCE + SLACK, "{method} took {took:?}");
        count = answer["count"].as_u64().unwrap_or(count);
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hosts_count_as_one_and_two_tenants_as_two() {
    let redis = Redis::start();
    let hosts = [Desk::sharing(&redis), Desk::sharing(&redis)];
    let mut tasks = JoinSet::new();
    for task in 0..60 {
        let desk = hosts[task % 2].of(tenant("demo", 1 + task as u64 / 2 % 2));
        tasks.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..20 {
                told.push(desk.call("counter", json!({"key": "a"})).await);
            }
            (task / 2 % 2, told, desk.call("dedup", json!({"key": "a"})).await)
        });
    }
    let done = tasks.join_all().await;
    for tenant in [0, 1] {
        let of_tenant = || done.iter().filter(|(whose, ..)| *whose == tenant);
        let mut told: Vec<&String> = of_tenant().flat_map(|(_, told, _)| told).collect();
        told.sort();
        let mut expected: Vec<String> = (1..=600).map(|count| format!("{{\"count\":{count}}}")).collect();
        expected.sort();
        assert!(told == expected.iter().collect::<Vec<_>>(), "a number was told twice, or not at all");
        assert_eq!(of_tenant().filter(|(.., sighting)| sighting.contains("true")).count(), 1);
    }
    hosts.iter().for_each(Desk::must_have_been_in_redis);
}

#[tokio::test]
async fn a_killed_redis_fails_no_call_and_is_in_use_again_by_itself() {
    let (screen, _guard) = Screen::here();
    let mut redis = Redis::start();
    let (one, other) = (Desk::sharing(&redis), Desk::sharing(&redis));
    assert_eq!(one_of_each(&one, "a").await, 1);
    assert_eq!(one_of_each(&other, "a").await, 2, "hosts count together");
    screen.must_say(&[]);

    redis.kill();
    for count in 1..=20 {
        assert_eq!(one_of_each(&one, "a").await, count, "a host alone counts what it sees");
    }
    assert_eq!(one_of_each(&other, "a").await, 1);
    let Keeping::ProcessInstead { reason } = one.ephemeral.keeping() else { panic!("Redis was killed") };
    assert!(reason.starts_with("Redis at /") && reason.contains("is away: "), "{reason}");
    // Each tries again and again, and does not say so again and again.
    let socket = redis.url().replace("redis+unix://", "");
    std::fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    for _ in 0..6 {
        timeout(EPHEMERAL_REDIS_RETRY + SLACK, listener.accept()).await.expect("it gave up").unwrap();
    }
    drop(listener);
    assert_eq!(one_of_each(&one, "a").await, 21);
    screen.must_say(&["is away", "is away"]);

    redis.start_again();
    for desk in [&one, &other] {
        until(desk, |keeping| *keeping == Keeping::Redis).await;
        assert_eq!(desk.ephemeral.usage(), Usage::default(), "what was kept meanwhile is let go");
    }
    assert_eq!(one_of_each(&one, "a").await, 1, "a Redis that starts anew is empty");
    assert_eq!(one_of_each(&other, "a").await, 2);
    screen.must_say(&["is away", "is away", "is back", "is back"]);

    redis.kill();
    until(&one, away).await; // noticed though nobody called
    assert_eq!(one_of_each(&one, "a").await, 1, "each time alone begins with nothing");
}

#[tokio::test]
async fn a_frozen_redis_keeps_calls_waiting_once_and_briefly() {
    let (screen, _guard) = Screen::here();
    let redis = Redis::start();
    let desk = Desk::sharing(&redis);
    assert_eq!(one_of_each(&desk, "a").await, 1);
    redis.freeze();
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let desk = desk.clone();
        tasks.spawn(async move { desk.call("counter", json!({"key": "a"})).await });
    }
    assert_eq!(tasks.join_all().await.len(), 200);
    assert!(began.elapsed() < EPHEMERAL_REDIS_PATIENCE + SLACK, "{:?}", began.elapsed());
    assert!(away(&desk.ephemeral.keeping()), "who waited in vain did not say so");
    // Nobody waits any more: a wait for each of these would take far longer.
    let began = Instant::now();
    for count in 201..=400 {
        desk.check("counter", json!({"key": "a"}), json!({"count": count})).await;
    }
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    screen.must_say(&["is away: it did not answer in time"]);
    redis.thaw();
    until(&desk, |keeping| *keeping == Keeping::Redis).await;
    screen.must_say(&["is away", "is back"]);
    desk.check("dedup", json!({"key": "a"}), json!({"is_new": false})).await; // it froze, it lost nothing
}

#[tokio::test]
async fn a_redis_that_is_not_there_yet_is_used_once_it_is() {
    let (screen, _guard) = Screen::here();
    let mut redis = Redis::start();
    redis.kill();
    let desk = Desk::sharing(&redis);
    assert!(away(&desk.ephemeral.keeping()));
    assert_eq!(one_of_each(&desk, "a").await, 1);
    assert_eq!(one_of_each(&desk, "a").await, 2);
    screen.must_say(&["is away"]);
    redis.start_again();
    until(&desk, |keeping| *keeping == Keeping::Redis).await;
    assert_eq!(one_of_each(&desk, "a").await, 1);
    screen.must_say(&["is away", "is back"]);
}

#[tokio::test]
async fn the_first_call_waits_for_the_connection_instead_of_counting_alone() {
    let redis = Redis::start();
    let desk = Desk::sharing(&redis);
    assert_ne!(desk.ephemeral.keeping(), Keeping::Redis, "nothing has run yet");
    one_of_each(&desk, "a").await;
    desk.must_have_been_in_redis();
}

#[tokio::test]
async fn a_redis_that_is_full_or_refuses_us_is_away_with_its_reason() {
    let redis = Redis::start();
    let mut door = side_door(&redis);
    let desk = Desk::sharing(&redis);
    assert_eq!(one_of_each(&desk, "a").await, 1);
    let (screen, _guard) = Screen::here();
    let forbidding = ["ACL", "SETUSER", "default", "-evalsha"];
    let allowing = ["ACL", "SETUSER", "default", "+evalsha"];
    let full = ["CONFIG", "SET", "maxmemory", "1"];
    let roomy = ["CONFIG", "SET", "maxmemory", "0"];
    for (round, (trouble, relief, reason)) in
        [(&full[..], &roomy[..], "maxmemory"), (&forbidding, &allowing, "permission")].into_iter().enumerate()
    {
        tell(&mut door, trouble);
        assert_eq!(one_of_each(&desk, "a").await, 1, "{reason}");
        let Keeping::ProcessInstead { reason: found } = desk.ephemeral.keeping() else { panic!("{reason}") };
        assert!(found.contains(reason), "{found}");
        // It connects, sees that this is no use, and stays where it is.
        let tried = connections(&mut door);
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while connections(&mut door) < tried + 2 {
            looks.tick().await;
        }
        assert!(away(&desk.ephemeral.keeping()));
        tell(&mut door, relief);
        until(&desk, |keeping| *keeping == Keeping::Redis).await;
        assert_eq!(one_of_each(&desk, "a").await, 2 + round as u64, "it lost nothing");
    }
    screen.must_say(&["maxmemory", "is back", "permission", "is back"]);
}

#[tokio::test]
async fn the_rights_the_reference_names_are_enough() {
    let reference = include_str!("../../../../../docs/reference/ephemeral.md");
    let line = reference.lines().find(|line| line.contains("ACL SETUSER")).unwrap();
    let redis = Redis::start();
    let mut door = side_door(&redis);
    tell(&mut door, &line.trim().trim_matches('`').split(' ').collect::<Vec<_>>());
    tell(&mut door, &["ACL", "SETUSER", "default", "off"]);
    let desk = Desk::at(&format!("{}?user=bailey&pass=PASSWORD", redis.url()));
    for count in 1..=3 {
        assert_eq!(one_of_each(&desk, "a").await, count);
    }
    desk.must_have_been_in_redis();
    let refused = Desk::at(&format!("{}?user=bailey&pass=wrong", redis.url()));
    assert_eq!(one_of_each(&refused, "a").await, 1);
    let Keeping::ProcessInstead { reason } = refused.ephemeral.keeping() else { panic!("a wrong password") };
    assert!(reason.contains("authentication") && !reason.contains("wrong"), "{reason}");
}

#[tokio::test]
async fn a_redis_that_forgets_scripts_or_keys_is_told_again() {
    let redis = Redis::start();
    let mut door = side_door(&redis);
    let desk = Desk::sharing(&redis);
    assert_eq!(one_of_each(&desk, "a").await, 1);
    tell(&mut door, &["SCRIPT", "FLUSH"]);
    assert_eq!(one_of_each(&desk, "a").await, 2);
    // A server told to make room by itself may drop any of these.
    let shelf = "bailey:ephemeral:{demo:9001}";
    tell(&mut door, &["DEL", &format!("{shelf}:hits:a")]);
    assert_eq!(one_of_each(&desk, "a").await, 1);
    tell(&mut door, &["DEL", &format!("{shelf}:usage")]);
    assert_eq!(one_of_each(&desk, "a").await, 2);
    tell(&mut door, &["DEL", shelf]);
    assert_eq!(one_of_each(&desk, "a").await, 1);
    let cost: i64 = door.hget(format!("{shelf}:usage"), "").unwrap();
    assert_eq!(cost, 4 * 257 + 10, "four keys of one letter and a hit");
    desk.must_have_been_in_redis();
}

#[tokio::test]
async fn what_a_tenant_costs_is_bounded_by_what_it_is_charged_for() {
    let desk = Desk::in_redis();
    for number in 0..300 {
        let key = format!("{number}{}", "x".repeat(number % 200));
        one_of_each(&desk, &key).await;
    }
    for _ in 0..3000 {
        desk.call("counter", json!({"key": "busy"})).await;
    }
    let mut door = side_door(desk.redis());
    let keys: Vec<String> = door.keys("bailey:ephemeral:{demo:9001}*").unwrap();
    assert_eq!(keys.len(), 2 + 301, "a shelf, its usage, and the hits of each counter");
    let memory: usize = keys
        .iter()
        .map(|key| {
            let asking = redis::cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0).to_owned();
            asking.query::<usize>(&mut door).unwrap()
        })
        .sum();
    let charged: usize = door.hget("bailey:ephemeral:{demo:9001}:usage", "").unwrap();
    assert!(memory <= charged && charged < 4 * memory, "{memory} bytes are charged as {charged}");

    // All of it expires. A counter used again before it was cleared away is not charged twice.
    desk.pass(3_600_000);
    desk.call("counter", json!({"key": "busy"})).await;
    for _ in 0..100 {
        desk.call("flag_set", json!({"key": "a"})).await;
    }
    let charged: usize = door.hget("bailey:ephemeral:{demo:9001}:usage", "").unwrap();
    assert_eq!(charged, (256 + 4 + 10) + (256 + 1), "one counter with one hit, and one flag");
    desk.pass(3_600_001); // Redis removes a key one millisecond after its time
    let keys: Vec<String> = door.keys("bailey:ephemeral:{demo:9001}*").unwrap();
    assert!(keys.is_empty(), "a tenant that falls silent leaves {keys:?}");
}

/// A connection beside the services', to look and to meddle.
fn side_door(redis: &Redis) -> redis::Connection {
    redis::Client::open(redis.url()).unwrap().get_connection().unwrap()
}

fn tell(door: &mut redis::Connection, words: &[&str]) {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    command.query::<redis::Value>(door).unwrap();
}

/// How many connections a server has taken so far.
fn connections(door: &mut redis::Connection) -> u64 {
    let said: String = redis::cmd("INFO").arg("stats").query(door).unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
    line.parse().unwrap()
}
