//! `bailey audit`: what plugins did on Discord, and what came of it.

use bailey_testkit::example;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::serve::Place;
use crate::support::http_client;

#[tokio::test]
async fn what_a_plugin_did_is_shown_beside_bailey_and_after_it() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let plugin = example("channels");
    let (bailey, _) = place.serve(&["--plugin", plugin.to_str().unwrap(), "--server", &server]).await;
    place.sim.people.say(json!({"content": "!rules Be kind: secret words."})).await;
    place.sim.people.hear("Be kind: secret words.", 1).await;
    // Nobody may do that with a channel that is not there.
    place.sim.people.say(json!({"content": "!close"})).await;
    let looking = async {
        loop {
            let (code, said, errors) = place.run(&["audit", "--json", "--plugin", "channels"]).await;
            assert_eq!(code, Some(0), "{errors}");
            let entries: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if entries.iter().any(|entry| entry["method"] == "discord.pin_message") {
                return (said, entries);
            }
        }
    };
    let (said, entries) = tokio::time::timeout(crate::support::PATIENCE, looking).await.unwrap();
    assert!(!said.contains("secret"), "{said}");
    let sent = entries.iter().find(|entry| entry["method"] == "discord.send_message").unwrap();
    let url = format!("{}/sim/api/observed?after=0", place.sim.people.base);
    let seen: Value = http_client().get(url).send().await.unwrap().json().await.unwrap();
    let message = seen.as_array().unwrap().iter().find(|seen| seen["message"]["bot"] == true).unwrap();
    assert_eq!((&sent["server"], &sent["error"]), (&json!(server), &Value::Null));
    assert_eq!(sent["targets"]["made"], message["message"]["id"]);
    let pinned = entries.iter().find(|entry| entry["method"] == "discord.pin_message").unwrap();
    assert_eq!(pinned["targets"]["message_id"], sent["targets"]["made"]);

    assert!(bailey.end_by(Signal::TERM).await.success());
    let (code, table, _) = place.run(&["audit", "--method", "discord.pin_message"]).await;
    assert!(code == Some(0) && table.starts_with("TIME") && table.lines().count() == 2, "{table}");
    assert!(table.contains("done") && table.contains(&server), "{table}");
    let (code, nothing, errors) = place.run(&["audit", "--plugin", "nobody"]).await;
    assert!(code == Some(0) && nothing.is_empty() && errors.contains("no such entries"), "{errors}");
}
