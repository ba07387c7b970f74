//! Time: what a process is told of it, and what becomes of that when the process dies.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bailey_host::cron::{Due, ToldUntil};
use bailey_host::{CronClaims, DeadLetter, DeadLetters, Host, HostConfig, HostRates, HostTimings, Observer};
use bailey_protocol::schedule::Missed;
use bailey_protocol::{Clock, Schedule, Tenant, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;

use crate::fake::{Starts, spawner};
use crate::memory_calls::Shared;
use crate::support::{demo, installation, message, tenant};

/// A clock moved by hand, which wakes those who wait.
struct Waking(watch::Sender<Timestamp>);

impl Clock for Waking {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            let _clock_is_there = now.wait_for(|now| *now >= deadline).await;
        })
    }
}

/// Gives everything to whoever asks, and counts it: one host is alone here.
#[derive(Default)]
struct Alone(AtomicUsize);

impl CronClaims for Alone {
    fn claim(&self, _minute: Timestamp, due: Vec<Due>) -> BoxFuture<'_, Result<Vec<Due>, String>> {
        self.0.fetch_add(due.len(), Ordering::SeqCst);
        async { Ok(due) }.boxed()
    }

    fn told_until(
        &self,
        minute: Timestamp,
        schedules: Vec<Due>,
    ) -> BoxFuture<'_, Result<Vec<ToldUntil>, String>> {
        async move { Ok(schedules.into_iter().map(|due| ToldUntil { due, minute }).collect()) }.boxed()
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<DeadLetter>>);

impl DeadLetters for Kept {
    fn keep(&self, letter: DeadLetter) {
        self.0.lock().unwrap().push(letter);
    }
}

struct Place {
    host: Host,
    starts: Starts,
    clock: Arc<Waking>,
    claims: Arc<Alone>,
    kept: Arc<Kept>,
}

impl Place {
    fn new() -> Self {
        let ((spawner, starts), kept) = (spawner(), Arc::new(Kept::default()));
        let claims = Arc::new(Alone::default());
        let clock = Arc::new(Waking(watch::Sender::new(at("2026-01-01T08:59:30"))));
        let host = Host::start(HostConfig {
            spawner,
            calls: Arc::new(Shared::default()),
            dead_letters: Some(Arc::clone(&kept) as Arc<dyn DeadLetters>),
            cron_claims: Some(Arc::clone(&claims) as Arc<dyn CronClaims>),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            timings: HostTimings::default(),
            rates: HostRates::default(),
            observer: Observer::default(),
        });
        host.begin_to_tell_time();
        Self { host, starts, clock, claims, kept }
    }

    async fn install(&self, tenant: &Tenant, spec: &str) {
        let schedule =
            Schedule { name: "tick".to_owned(), spec: spec.parse().unwrap(), missed: Missed::Skip };
        let mut installation = installation(tenant);
        installation.schedules = vec![schedule];
        self.host.install(installation).await;
    }

    async fn move_to(&self, now: &str) {
        self.clock.0.send_replace(at(now));
        self.host.told_the_time(at(now)).await;
    }

    fn queued(&self) -> usize {
        self.host.sessions().iter().map(|session| session.queued).sum()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const ID: &str = "cron-demo-9001-tick-29454300";

#[tokio::test(start_paused = true)]
async fn the_installation_alone_whose_schedule_is_due_is_told() {
    let mut place = Place::new();
    place.install(&demo(), "0 9 * * *").await;
    place.install(&tenant("demo", 9002), "30 9 * * *").await;
    place.host.install(installation(&tenant("other", 9001))).await;
    place.move_to("2026-01-01T09:00:00").await;
    let mut plugin = place.starts.next_ready().await;
    assert_eq!(plugin.request.tenant, demo());
    let told = plugin.json().await;
    assert_eq!(told["method"], "event.cron");
    assert_eq!(
        (&told["params"]["event_id"], &told["params"]["discord_srv_id"]),
        (&json!(ID), &json!("9001"))
    );
    let expected = json!({"type": "cron", "guild_id": "9001", "name": "tick", "spec": "0 9 * * *",
        "scheduled_at": "2026-01-01T09:00:00.000Z"});
    assert_eq!(told["params"]["event"], expected);
    plugin.ack(ID).await;
    place.host.quiesced().await;
    assert!(place.starts.none(), "somebody else was told");

    // What is removed is told nothing more.
    place.host.remove(&tenant("demo", 9002)).await;
    place.move_to("2026-01-01T09:30:00").await;
    place.host.quiesced().await;
    assert!(place.starts.none(), "it was removed");
    assert_eq!(place.claims.0.load(Ordering::SeqCst), 1, "what is removed is claimed");
}

#[tokio::test(start_paused = true)]
async fn what_a_process_died_with_is_put_aside_and_told_again_only_when_an_operator_wants() {
    let mut place = Place::new();
    place.install(&demo(), "0 9 * * *").await;
    place.move_to("2026-01-01T09:00:00").await;
    let mut first = place.starts.next_ready().await;
    assert_eq!(first.event().await, ID);
    place.host.publish(message("m1")).await.unwrap();
    while place.queued() == 0 {
        tokio::task::yield_now().await;
    }
    first.exit(137);
    // The next process is given what waited behind it, and not the time.
    let mut second = place.starts.next_ready().await;
    assert_eq!(second.event().await, "m1");
    second.ack("m1").await;
    let letter = {
        let kept = place.kept.0.lock().unwrap();
        assert_eq!(kept.len(), 1);
        assert!(kept[0].reason.contains("a time is not told twice"), "{}", kept[0].reason);
        kept[0].event.clone()
    };
    assert_eq!(letter.id.to_string(), ID);

    let demo = demo();
    let (settled, ()) = tokio::join!(place.host.redeliver(&demo, letter), async {
        assert_eq!(second.event().await, ID);
        second.ack(ID).await;
    });
    assert_eq!(settled, Ok(bailey_host::Settled::Acknowledged));
}

/// Death before it was handed over changes nothing: the usual rules hold.
#[tokio::test(start_paused = true)]
async fn what_no_process_was_told_yet_waits_for_the_next() {
    let mut place = Place::new();
    place.install(&demo(), "0 9 * * *").await;
    place.host.publish(message("m1")).await.unwrap();
    let mut first = place.starts.next_ready().await;
    assert_eq!(first.event().await, "m1"); // alone
    place.move_to("2026-01-01T09:00:00").await;
    while place.queued() == 0 {
        tokio::task::yield_now().await;
    }
    first.exit(1);
    let mut second = place.starts.next_ready().await;
    assert_eq!(second.event().await, "m1");
    second.ack("m1").await;
    assert_eq!(second.event().await, ID);
    second.ack(ID).await;
    place.host.quiesced().await;
    assert!(place.kept.0.lock().unwrap().is_empty());
}
