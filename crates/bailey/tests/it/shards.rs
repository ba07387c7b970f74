//! A bot whose servers are spread over several connections, in one Bailey.

use std::fs::File;
use std::path::PathBuf;

use bailey_testkit::demo;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::serve::Place;
use crate::support::Running;

/// The two servers of the simulated Discord live on different ones of four.
const SHARDS: &str = "4";

impl Place {
    /// Says something on each server that the demo answers.
    async fn ping_everywhere(&self, servers: &[String]) {
        for server in servers {
            self.sim.people.say(json!({"content": "!ping", "guild": server})).await;
        }
    }

    /// Starts `bailey serve` with what it logs in a file, and waits until it serves.
    async fn serve_and_log(&self, arguments: &[&str]) -> (Running, PathBuf) {
        let log = self.data.path().join("log");
        let mut command = self.command(&["serve", "--discord-url", &self.sim.people.base]);
        command.args(arguments).env("BAILEY_DISCORD_TOKEN", &self.sim.token);
        let mut running = Running::start(command.stderr(File::create(&log).unwrap()));
        running.lines_until("Bailey serves").await;
        (running, log)
    }

    fn positions(&self, shards: &str) -> usize {
        let entries = std::fs::read_dir(self.data.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("gateway-position-") && name.ends_with(&format!("-{shards}")))
            .count()
    }
}

fn ready(status: &Value) -> bool {
    let shards = status["shards"].as_array().unwrap();
    !shards.is_empty() && shards.iter().all(|shard| shard["state"] == "ready")
}

#[tokio::test]
async fn every_shard_is_gone_on_with_and_another_number_of_them_begins_anew() {
    let place = Place::new(2).await;
    let servers = place.sim.people.servers().await;
    let home = |server: &String| (server.parse::<u64>().unwrap() >> 22) % SHARDS.parse::<u64>().unwrap();
    assert_ne!(home(&servers[0]), home(&servers[1]), "the servers live on one shard");
    let demo = demo();
    let plugin = ["--plugin", demo.to_str().unwrap(), "--server", &servers[0], "--server", &servers[1]];
    let (bailey, _) = place.serve(&[&plugin[..], &["--shards", SHARDS]].concat()).await;
    place.ping_everywhere(&servers).await;
    place.sim.people.hear("Pong!", 2).await;
    let status = place
        .status(|status| {
            let heard = |shard: &Value| shard["servers"] == 0 || shard["last_event_at"].is_string();
            ready(status) && status["shards"].as_array().unwrap().iter().all(heard)
        })
        .await;
    let shards = status["shards"].as_array().unwrap();
    let each: Vec<_> =
        shards.iter().map(|shard| (shard["shard"].as_u64(), shard["shards"].as_u64())).collect();
    assert_eq!(each, [0, 1, 2, 3].map(|number| (Some(number), Some(4))));
    for server in &servers {
        assert_eq!(shards[home(server) as usize]["servers"], 1, "{status}");
    }
    let (_, said, _) = place.run(&["status"]).await;
    assert!(said.contains("3 of 4"), "{said}");
    assert!(bailey.end_by(Signal::TERM).await.success());

    // Nobody is there to hear it, then one hears it who is killed.
    place.ping_everywhere(&servers).await;
    let (bailey, _) = place.serve(&["--shards", SHARDS]).await;
    place.sim.people.hear("Pong!", 4).await;
    place.ping_everywhere(&servers).await;
    place.sim.people.hear("Pong!", 6).await;
    assert!(!bailey.end_by(Signal::KILL).await.success());
    place.ping_everywhere(&servers).await;
    let (bailey, _) = place.serve(&["--shards", SHARDS]).await;
    place.sim.people.hear("Pong!", 8).await;
    assert_eq!(place.gateway_sessions().await.len(), 4, "Discord saw the same four sessions all the time");
    assert_eq!(place.positions(SHARDS), 4);
    assert!(bailey.end_by(Signal::TERM).await.success());

    // With as many as Discord recommends, which is one, the old places are of no use.
    let (bailey, log) = place.serve_and_log(&[]).await;
    place.ping_everywhere(&servers).await;
    place.sim.people.hear("Pong!", 10).await;
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("ran with 4 shards, this one runs with 1"), "{said}");
    assert_eq!((place.positions(SHARDS), place.positions("1")), (0, 1));
    assert!(bailey.end_by(Signal::TERM).await.success());
    let (bailey, log) = place.serve_and_log(&[]).await;
    let said = std::fs::read_to_string(log).unwrap();
    assert!(!said.contains("not heard"), "{said}");
    assert!(bailey.end_by(Signal::TERM).await.success());
    assert_eq!(place.pongs().await, 10, "each is answered once");
}
