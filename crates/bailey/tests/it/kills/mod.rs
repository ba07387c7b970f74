//! Random deaths under traffic: of the host, of plugins, of PostgreSQL, of a process that is being started.
//! After each, what Bailey promises is checked against what the host and the plugin wrote down.
//!
//! `BAILEY_KILL_ROUNDS` says how many deaths (50), `BAILEY_KILL_SEED` plays a run again.

mod judge;
mod remains;
mod scene;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use self::scene::Scene;

const ROUNDS: usize = 50;
const SERVERS: u16 = 5;

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Victim {
    Host,
    Plugin,
    Postgres,
    Start,
}

/// All of them in random order, again and again. PostgreSQL less often: it takes seconds to come back, because
/// after a crash it has every file forced to the disk.
struct Victims(Vec<Victim>);

impl Victims {
    fn next(&mut self, rng: &mut StdRng) -> Victim {
        if self.0.is_empty() {
            use Victim::{Host, Plugin, Postgres, Start};
            self.0 = vec![Host, Host, Plugin, Plugin, Start, Start, Postgres];
            self.0.shuffle(rng);
        }
        self.0.pop().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_repeated_whoever_dies() {
    let rounds = setting("BAILEY_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize);
    let seed = setting("BAILEY_KILL_SEED").unwrap_or_else(|| rand::make_rng::<StdRng>().random());
    println!("{rounds} rounds; to play them again: BAILEY_KILL_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut victims = Victims(Vec::new());
    let began = tokio::time::Instant::now();
    let mut scene = Scene::set(SERVERS, seed).await;
    for round in 1..=rounds {
        let victim = victims.next(&mut rng);
        let started = tokio::time::Instant::now();
        scene.play(victim, &mut rng).await;
        scene.settle().await;
        scene.check().await;
        println!("round {round}: {victim:?}, {:.1} s; {}", started.elapsed().as_secs_f64(), scene.tally());
    }
    scene.end().await;
    let took = began.elapsed();
    println!("{rounds} rounds in {:.0} s (seed {seed}): {}", took.as_secs_f64(), scene.tally());
}

#[expect(clippy::disallowed_methods, reason = "how the people who run it choose")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// A random time within a second or so: when it happens is what a run is about.
fn moment(rng: &mut StdRng, most: u64) -> Duration {
    Duration::from_millis(rng.random_range(0..most))
}
