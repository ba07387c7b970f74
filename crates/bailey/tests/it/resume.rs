//! What happens on Discord while no Bailey runs: the next one hears of it, once.

use bailey_testkit::demo;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::serve::Place;
use crate::support::http_client;

impl Place {
    async fn look(&self, path: &str) -> Vec<Value> {
        let url = format!("{}/sim/api/{path}", self.sim.people.base);
        http_client().get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn gateway_sessions(&self) -> Vec<Value> {
        self.look("sessions").await
    }

    pub(crate) async fn pongs(&self) -> usize {
        let seen = self.look("observed?after=0").await;
        seen.iter().filter(|seen| seen["message"]["content"] == "Pong!").count()
    }

    async fn ping(&self) {
        self.sim.people.say(json!({"content": "!ping"})).await;
    }
}

#[tokio::test]
async fn nothing_is_missed_between_two_baileys_and_nothing_comes_twice() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let demo = demo();
    let (bailey, _) = place.serve(&["--plugin", demo.to_str().unwrap(), "--server", &server]).await;
    place.ping().await;
    place.sim.people.hear("Pong!", 1).await;
    assert!(bailey.end_by(Signal::TERM).await.success());

    // Nobody is there to hear it.
    place.ping().await;
    let (bailey, _) = place.serve(&[]).await;
    place.sim.people.hear("Pong!", 2).await;

    // This one is killed, after it has answered.
    place.ping().await;
    place.sim.people.hear("Pong!", 3).await;
    assert!(!bailey.end_by(Signal::KILL).await.success());
    place.ping().await;
    let (bailey, _) = place.serve(&[]).await;
    place.sim.people.hear("Pong!", 4).await;
    assert_eq!(place.gateway_sessions().await.len(), 1, "Discord saw one session all the time");

    // Without its own account of how far it was, it begins anew rather than tell things twice.
    place.ping().await;
    place.sim.people.hear("Pong!", 5).await;
    assert!(!bailey.end_by(Signal::KILL).await.success());
    std::fs::remove_file(place.data.path().join("gateway-position-0-1")).unwrap();
    let (bailey, _) = place.serve(&[]).await;
    assert_eq!(place.gateway_sessions().await.len(), 2);
    place.ping().await;
    place.sim.people.hear("Pong!", 6).await;
    assert!(bailey.end_by(Signal::TERM).await.success());
    assert_eq!(place.pongs().await, 6, "each is answered once");
}
