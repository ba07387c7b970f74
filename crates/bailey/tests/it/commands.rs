//! The commands of a server: offered by `bailey serve`, looked at and written anew with `bailey commands`.

use std::path::Path;

use bailey_store::{Cluster, ClusterConfig, Store};
use bailey_testkit::postgres;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serve::Place;
use crate::support::{data_directory, database_url};

/// A plugin that says its name when its `/ticket` is used.
fn plugin(id: &str, more: Value) -> TempDir {
    let folder = data_directory();
    let ticket = json!({"name": "ticket", "description": "Opens a ticket"});
    let commands: Vec<Value> = std::iter::once(ticket).chain(more.as_array().unwrap().clone()).collect();
    let manifest = json!({"id": id, "name": id, "version": "1.0.0",
        "capabilities_required": ["interaction:respond"], "slash_commands": commands});
    std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    let code = format!(
        "from yourbot_sdk import Plugin\n\nplugin = Plugin()\n\n\n@plugin.on_slash_command(\"ticket\")\n\
         def ticket(ctx, event):\n    ctx.interaction.respond(content=\"{id} was asked for \" + event[\"command_name\"])\n\n\n\
         plugin.run()\n"
    );
    std::fs::write(folder.path().join("__main__.py"), code).unwrap();
    folder
}

fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

async fn status(place: &Place, url: &str) -> Value {
    let (code, said, errors) = place.run(&["commands", "status", "--json", "--database-url", url]).await;
    assert_eq!(code, Some(0), "{errors}");
    serde_json::from_str::<Value>(&said).unwrap()["servers"][0].take()
}

#[tokio::test]
async fn two_plugins_with_one_name_are_both_heard_and_one_mistake_stays_alone() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let folder = postgres::scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(folder.path())).await.unwrap();
    let url = database_url(&cluster);
    let token = place.data.path().join("token");
    std::fs::write(&token, &place.sim.token).unwrap();
    let odd = json!({"name": "odd", "description": "d", "options": [
        {"type": 3, "name": "a", "description": "d"},
        {"type": 3, "name": "b", "description": "d", "required": true}]});
    let unheard = json!({"name": "unheard", "description": "d", "name_localizations": {"xx": "x"}});
    let first = plugin("desk", json!([odd]));
    let second = plugin("helpdesk", json!([unheard, {"name": "Open A Ticket", "type": 3}]));
    let install =
        ["--plugin", path(&first), "--plugin", path(&second), "--server", &server, "--database-url", &url];
    let (bailey, _) = place.serve(&install).await;

    place.sim.people.command(json!({"name": "ticket"})).await;
    place.sim.people.hear("desk was asked for ticket", 1).await;
    place.sim.people.command(json!({"name": "helpdesk-ticket"})).await;
    place.sim.people.hear("helpdesk was asked for ticket", 1).await;
    let shown = status(&place, &url).await;
    assert_eq!((&shown["server"], &shown["error"]), (&json!(server), &Value::Null));
    let words = |command: &Value| {
        let problem = command["problem"].as_str().and_then(|text| text.split(':').next()).unwrap_or_default();
        format!(
            "{} {} {}",
            command["plugin"].as_str().unwrap(),
            command["shown_as"].as_str().unwrap_or("-"),
            problem
        )
    };
    let found: Vec<String> = shown["commands"].as_array().unwrap().iter().map(words).collect();
    let expected = [
        "desk ticket ",
        "desk - options.1",
        "helpdesk helpdesk-ticket ",
        "helpdesk - Discord",
        "helpdesk Open A Ticket ",
    ];
    assert_eq!(found, expected);
    let (_, said, _) = place.run(&["commands", "status", "--database-url", &url]).await;
    assert!(said.contains("/helpdesk-ticket") && said.contains("Open A Ticket (on messages)"), "{said}");
    assert!(bailey.end_by(Signal::TERM).await.success());

    // Nothing changed, so nothing is written: not at the next start, not by hand.
    let writes = place.sim.people.done("PUT").await;
    let (bailey, _) = place.serve(&["--database-url", &url]).await;
    assert!(bailey.end_by(Signal::TERM).await.success());
    let sync = ["commands", "sync", "--database-url", &url, "--discord-url", &place.sim.people.base];
    let sync = [&sync[..], &["--token-file", token.to_str().unwrap()]].concat();
    let run = async |more: &[&str]| {
        let (code, said, errors) = place.run(&[&sync[..], more].concat()).await;
        assert_eq!(code, Some(0), "{said}{errors}");
        said
    };
    let said = run(&["--server", &server]).await;
    assert!(said.contains("in sync") && said.contains("/unheard of helpdesk is left out"), "{said}");
    assert_eq!(place.sim.people.done("PUT").await, writes);

    // What is uninstalled goes, and who is left gets the name.
    let store = Store::connect(&url.parse().unwrap()).await.unwrap();
    let tenants = store.installations().await.unwrap().into_iter().map(|record| record.tenant);
    let [desk, helpdesk] = <[_; 2]>::try_from(tenants.collect::<Vec<_>>()).unwrap();
    assert!(store.uninstall(&desk).await.unwrap());
    let said = run(&["--dry-run"]).await;
    assert!(said.contains("would be written") && said.contains("gone: helpdesk-ticket"), "{said}");
    assert_eq!(place.sim.people.done("PUT").await, writes, "it was only to be said");
    let said = run(&[]).await;
    assert!(said.contains("gone: helpdesk-ticket"), "{said}");
    assert!(store.uninstall(&helpdesk).await.unwrap());
    let said = run(&[]).await;
    assert!(said.contains("gone: ") && said.contains("Open A Ticket"), "{said}");
    assert_eq!(status(&place, &url).await["commands"], json!([]));
    store.close();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let place = Place::new(1).await;
    let (code, _, errors) = place.run(&["commands", "status"]).await;
    assert!(code == Some(1) && errors.contains("no Bailey has kept anything"), "{errors}");
    let folder = postgres::scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(folder.path())).await.unwrap();
    let url = database_url(&cluster);
    let (code, said, _) = place.run(&["commands", "status", "--database-url", &url]).await;
    assert!(code == Some(0) && said.contains("No server was offered commands yet"), "{said}");
    let (code, _, errors) = place.run(&["commands", "sync", "--database-url", &url]).await;
    assert!(code == Some(2) && errors.contains("BAILEY_DISCORD_TOKEN"), "{errors}");
    assert!(Path::new(folder.path()).is_dir());
    cluster.stop().await.unwrap();
}
