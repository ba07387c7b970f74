//! Plugins that act by themselves, by real SDKs in the sandbox.

use std::time::Duration;

use bailey_protocol::Timestamp;
use bailey_store::{Cluster, ClusterConfig};
use bailey_testkit::{SDKS, example, postgres};
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::serve::Place;
use crate::support::{PATIENCE, database_url, try_file, try_script};

#[tokio::test]
async fn time_is_told_under_the_oldest_and_the_newest_sdk() {
    let plugin = example("reminders");
    let script = plugin.join("reminders.jsonl");
    join_all([SDKS[0], SDKS[SDKS.len() - 1]].map(|sdk| {
        let (plugin, script) = (&plugin, &script);
        async move {
            let transcript = try_file(plugin, script, &["--sdk", &sdk.requirement()]).await;
            transcript.must_pass();
        }
    }))
    .await;
}

/// A plugin of two files.
fn plugin(manifest: &serde_json::Value, code: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(folder.path().join("__main__.py"), code).unwrap();
    folder
}

/// The newest SDK calls the function of the schedule's name, and nobody else's.
#[tokio::test]
async fn the_function_of_the_schedules_name_is_called_on_each_server() {
    let manifest = json!({"id": "clockwork", "name": "Clockwork", "version": "1.0.0", "cron": [
        {"spec": "30 * * * *", "name": "half_past"}, {"spec": "0 12 * * 4", "name": "thursday_noon"}]});
    let code = "from yourbot_sdk import Plugin\nplugin = Plugin()\n\
        @plugin.cron('30 * * * *')\ndef half_past(ctx):\n    ctx.log('half past on ' + ctx.server_id)\n\
        @plugin.cron('0 12 * * 4')\ndef thursday_noon(ctx):\n    ctx.log('noon on ' + ctx.server_id)\n\
        plugin.run()\n";
    let folder = plugin(&manifest, code);
    let script = "{\"advance\": \"31m\"}\n{\"expect\": {\"log\": \"half past\"}}\n\
                  {\"advance\": \"29m\"}\n{\"advance\": \"11h\"}\n{\"expect\": {\"log\": \"noon\"}}\n";
    let transcript = try_script(folder.path(), script, &["--servers", "2"]).await;
    transcript.must_pass();
    let logged = |text: &str| {
        let lines = transcript.of("log").into_iter();
        lines.filter(|line| line["message"].as_str().unwrap().starts_with(text)).count()
    };
    assert_eq!((logged("half past"), logged("noon")), (2 * 12, 2));
}

/// What was told to a process that died is not told again: it is put aside, with the reason.
#[tokio::test]
async fn a_time_is_told_at_most_once() {
    let manifest = json!({"id": "clockwork", "name": "Clockwork", "version": "1.0.0",
        "cron": [{"spec": "30 * * * *", "name": "half_past"}]});
    let code = "import os\nfrom yourbot_sdk import Plugin\nplugin = Plugin()\n\
        @plugin.on_event('cron')\ndef on_time(ctx, event):\n    ctx.log('told ' + event['scheduled_at'])\n    \
        os._exit(3)\nplugin.run()\n";
    let folder = plugin(&manifest, code);
    let transcript = try_script(folder.path(), "{\"advance\": \"31m\"}\n", &[]).await;
    let told =
        transcript.of("log").into_iter().filter(|line| line["message"].as_str().unwrap().starts_with("told"));
    assert_eq!(told.count(), 1, "{transcript}");
    let lives = transcript.of("life");
    let aside = lives.iter().any(|life| life["what"].as_str().unwrap().contains("a time is not told twice"));
    assert!(aside, "{transcript}");
}

/// Missed while no Bailey ran: made up for once if the plugin wants, whatever happens to Bailey then; and shown.
#[tokio::test]
async fn what_was_missed_while_nothing_ran_is_made_up_for_once() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let folder = postgres::scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(folder.path())).await.unwrap();
    let url = database_url(&cluster);
    let config: tokio_postgres::Config = url.parse().unwrap();
    let (database, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);

    // Due half an hour ago, and in half an hour: not while this test runs.
    let minute = "SELECT extract(epoch FROM now())::bigint / 60 - 30";
    let missed: i64 = database.query_one(minute, &[]).await.unwrap().get(0);
    let spec = format!("{} * * * *", missed % 60);
    let manifest = json!({"id": "clockwork", "name": "Clockwork", "version": "1.0.0",
        "capabilities_required": ["events:message_content", "discord:send_message", "storage:kv"],
        "cron": [{"spec": spec, "name": "made_up", "missed": "run_once"}, {"spec": spec, "name": "skipped"}]});
    let code = "from yourbot_sdk import Plugin\nplugin = Plugin()\n\
        @plugin.on_event('message_create')\ndef on_message(ctx, event):\n    \
        if event['content'] == '!here':\n        ctx.kv.set('channel', event['channel_id'])\n        \
        ctx.discord.send_message(channel_id=event['channel_id'], content='I am here.')\n\
        @plugin.on_event('cron')\ndef on_time(ctx, event):\n    \
        ctx.discord.send_message(channel_id=ctx.kv.get('channel'), content='told of ' + event['name'])\n\
        plugin.run()\n";
    let plugin = plugin(&manifest, code);
    let chosen = ["--plugin", plugin.path().to_str().unwrap(), "--server", &server, "--database-url", &url];
    let list = async |more: &[&str]| {
        let arguments = [&["cron", "list", "--json", "--database-url", &url], more].concat();
        let (code, said, errors) = place.run(&arguments).await;
        assert_eq!(code, Some(0), "{errors}");
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };

    let (bailey, _) = place.serve(&chosen).await;
    place.sim.people.say(json!({"content": "!here"})).await;
    place.sim.people.hear("I am here.", 1).await;
    let known = async {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let row = "SELECT FROM bailey_platform.cron_told WHERE schedule = 'made_up'";
        while database.query_opt(row, &[]).await.unwrap().is_none() {
            looks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("the schedule was not made known");
    assert!(bailey.end_by(Signal::TERM).await.success());
    let two_hours_ago = "UPDATE bailey_platform.cron_told SET minute = minute - 120";
    assert_eq!(database.execute(two_hours_ago, &[]).await.unwrap(), 1);

    let (bailey, _) = place.serve(&chosen[4..]).await;
    place.sim.people.hear("told of made_up", 1).await;
    assert!(!bailey.end_by(Signal::KILL).await.success());
    let (bailey, _) = place.serve(&chosen[4..]).await;
    place.sim.people.say(json!({"content": "!here"})).await;
    place.sim.people.hear("I am here.", 2).await;
    assert_eq!(place.sim.people.heard("told of made_up").await, 1);
    assert_eq!(place.sim.people.heard("told of skipped").await, 0);

    let at = |minute: i64| Timestamp(minute * 60_000).to_string();
    let shown = |name: &str, missed_is: &str, last: Option<String>| {
        json!({"plugin": "clockwork", "server": server, "name": name, "spec": spec, "missed": missed_is,
            "enabled": true, "next": at(missed + 60), "last": last})
    };
    let both = [shown("made_up", "run_once", Some(at(missed))), shown("skipped", "skip", None)];
    assert_eq!(list(&["--plugin", "clockwork", "--server", &server]).await, both);
    assert!(list(&["--server", "1"]).await.is_empty());
    let (code, said, _) = place.run(&["cron", "list", "--database-url", &url]).await;
    assert!(code == Some(0) && said.contains("WHEN (UTC)") && said.contains(&at(missed)), "{said}");
    assert!(bailey.end_by(Signal::TERM).await.success());
    cluster.stop().await.unwrap();
}
