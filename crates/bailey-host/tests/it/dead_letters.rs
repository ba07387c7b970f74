//! Events put aside: whom they are handed to, how one is tried again, and what a host that ends leaves behind.

use std::sync::{Arc, Mutex};

use bailey_host::{
    DeadLetter, DeadLetters, Host, HostConfig, HostRates, HostTimings, Observer, RedeliverError, Settled,
    Signal,
};
use bailey_protocol::{Clock, limits};
use futures_util::poll;

use crate::fake::{Fake, Starts, spawner};
use crate::memory_calls::Shared;
use crate::support::{HandClock, command, demo, installation, message, tenant};

/// Keeps what it is given in memory.
#[derive(Default)]
struct Kept(Mutex<Vec<DeadLetter>>);

impl Kept {
    fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|letter| letter.event.id.to_string()).collect()
    }
}

impl DeadLetters for Kept {
    fn keep(&self, letter: DeadLetter) {
        self.0.lock().unwrap().push(letter);
    }
}

async fn host() -> (Host, Starts, Arc<Kept>) {
    let ((spawner, starts), kept) = (spawner(), Arc::new(Kept::default()));
    let host = Host::start(HostConfig {
        spawner,
        calls: Arc::new(Shared::default()),
        dead_letters: Some(Arc::clone(&kept) as Arc<dyn DeadLetters>),
        cron_claims: None,
        clock: Arc::new(HandClock::default()) as Arc<dyn Clock>,
        timings: HostTimings::default(),
        rates: HostRates::default(),
        observer: Observer::default(),
    });
    host.install(installation(&demo())).await;
    (host, starts, kept)
}

async fn dies_when_killed(plugin: &mut Fake) {
    while plugin.signal().await != Signal::Kill {}
    plugin.exit(137);
}

#[tokio::test(start_paused = true)]
async fn an_event_tried_again_goes_under_its_id_until_it_is_acknowledged() {
    let (host, mut starts, kept) = host().await;
    let demo = demo();
    let trying = host.redeliver(&demo, message("e1"));
    let plugin = async {
        let mut first = starts.next_ready().await;
        assert_eq!(first.event().await, "e1");
        first.exit(1);
        let mut second = starts.next_ready().await;
        assert_eq!(second.event().await, "e1");
        second.ack("e1").await;
    };
    let (settled, ()) = tokio::join!(trying, plugin);
    assert_eq!(settled, Ok(Settled::Acknowledged));
    assert!(kept.ids().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_again_is_handed_over_again() {
    let (host, mut starts, kept) = host().await;
    let demo = demo();
    let trying = host.redeliver(&demo, message("poison"));
    let plugin = async {
        loop {
            let mut plugin = starts.next_ready().await;
            assert_eq!(plugin.event().await, "poison");
            plugin.exit(1);
            if kept.ids() == ["poison"] {
                return;
            }
        }
    };
    // Whoever waits for a sixth process waits in vain.
    let settled =
        tokio::select! { settled = trying => settled, () = plugin => panic!("kept before it was said") };
    assert_eq!(settled, Ok(Settled::PutAside));
    let letters = kept.0.lock().unwrap();
    assert_eq!((letters.len(), letters[0].attempts), (1, limits::DELIVERY_ATTEMPTS));
}

#[tokio::test(start_paused = true)]
async fn interactions_and_strangers_are_refused() {
    let (host, mut starts, _) = host().await;
    assert_eq!(host.redeliver(&demo(), command("i1", 1)).await, Err(RedeliverError::Interaction));
    let other = tenant("other", 9001);
    assert_eq!(host.redeliver(&other, message("e1")).await, Err(RedeliverError::NotInstalled));
    assert!(starts.none());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_ends_puts_aside_what_was_not_done_and_gives_back_what_was_tried_again() {
    let (host, mut starts, kept) = host().await;
    let demo = demo();
    host.publish(message("e1")).await.unwrap();
    let mut plugin = starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    host.publish(message("e2")).await.unwrap();
    let trying = host.redeliver(&demo, message("old"));
    tokio::pin!(trying);
    assert!(poll!(trying.as_mut()).is_pending());
    while host.sessions()[0].queued < 2 {
        tokio::task::yield_now().await;
    }
    tokio::join!(host.shutdown(), dies_when_killed(&mut plugin));
    assert_eq!(trying.await, Err(RedeliverError::Dropped));
    assert_eq!(kept.ids(), ["e1", "e2"]);

    // An installation that is removed takes its events along.
    let (host, mut starts, kept) = self::host().await;
    host.publish(message("e1")).await.unwrap();
    let mut plugin = starts.next_ready().await;
    assert_eq!(plugin.event().await, "e1");
    tokio::join!(host.remove(&demo), dies_when_killed(&mut plugin));
    assert!(kept.ids().is_empty());
}
