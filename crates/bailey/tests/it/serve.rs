//! `bailey serve` on a Discord in another process, and what an operator looks at beside it: `bailey status` and
//! `bailey dead-letters`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bailey_store::{Cluster, ClusterConfig};
use bailey_testkit::{demo, fixture, postgres};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PATIENCE, Running, Sim, bailey, data_directory, database_url, http_client};

/// A place where a Bailey keeps its data, and the Discord it serves.
pub(crate) struct Place {
    pub(crate) sim: Sim,
    pub(crate) data: TempDir,
    cache: Option<TempDir>,
}

impl Place {
    pub(crate) async fn new(servers: u16) -> Self {
        Self { sim: Sim::start(servers).await, data: data_directory(), cache: None }
    }

    /// Starts `bailey serve` and waits until it serves; with what it said.
    pub(crate) async fn serve(&self, arguments: &[&str]) -> (Running, String) {
        let mut command = self.command(&["serve", "--discord-url", &self.sim.people.base]);
        command.args(arguments).env("BAILEY_DISCORD_TOKEN", &self.sim.token).stderr(Stdio::inherit());
        let mut running = Running::start(&mut command);
        let said = running.lines_until("Bailey serves").await.join("\n");
        (running, said)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = bailey();
        command.args(arguments).env("BAILEY_DATA_DIR", self.data.path());
        if let Some(cache) = &self.cache {
            command.env("BAILEY_CACHE_DIR", cache.path());
        }
        command
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = tokio::time::timeout(PATIENCE, self.command(arguments).output()).await;
        let output = output.expect("the command did not end").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// What `bailey status` says, once it is as wanted.
    pub(crate) async fn status(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let (code, said, errors) = self.run(&["status", "--json"]).await;
                assert_eq!(code, Some(0), "{errors}");
                let status: Value = serde_json::from_str(&said).unwrap();
                if wanted(&status) {
                    return status;
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("the status never was as wanted")
    }

    /// The letters, once there are so many.
    async fn letters(&self, count: usize) -> Vec<Value> {
        let looking = async {
            loop {
                let (code, said, errors) = self.run(&["dead-letters", "list", "--json"]).await;
                assert_eq!(code, Some(0), "{errors}");
                let letters: Vec<Value> =
                    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                if letters.len() == count {
                    return letters;
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("there never were as many letters as wanted")
    }
}

#[tokio::test]
async fn a_message_on_another_discord_is_answered_and_installations_are_remembered() {
    let mut place = Place::new(2).await;
    let cache = data_directory();
    place.cache = Some(cache);
    let servers = place.sim.people.servers().await;
    let demo = demo();
    let demo = demo.to_str().unwrap();
    let (bailey, said) =
        place.serve(&["--plugin", demo, "--server", &servers[0], "--operations", "127.0.0.1:0"]).await;
    assert!(said.contains("serves 1 plugin on 1 server"), "{said}");
    place.sim.people.say(json!({"content": "!ping"})).await;
    place.sim.people.hear("Pong!", 1).await;

    let probes = said.split("answered at ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let ready = http_client().get(format!("{probes}/readyz")).send().await.unwrap();
    assert_eq!(ready.json::<Value>().await.unwrap()["components"]["discord"]["status"], "ok");
    let status = place.status(|status| status["sessions"][0]["state"] == "ready").await;
    let (host, session) = (&status["hosts"][0], &status["sessions"][0]);
    assert_eq!((&host["state"], &host["pid"]), (&json!("running"), &json!(bailey.pid())));
    assert_eq!((&session["plugin"], &session["server"]), (&json!("demo"), &json!(servers[0])));
    assert!(
        session["pid"].as_u64().unwrap() > 1 && session["memory_bytes"].as_u64().unwrap() > 1 << 20,
        "{session}"
    );
    let (_, said, _) = place.run(&["status", "--plugin", "demo", "--server", &servers[1]]).await;
    assert!(said.contains("No plugin runs here"), "{said}");

    // Stopped in good order, nothing is left of it; started again, it knows what was installed.
    assert!(bailey.end_by(Signal::TERM).await.success());
    let (code, said, _) = place.run(&["status"]).await;
    assert!(code == Some(0) && said.contains("No Bailey runs"), "{said}");
    let (bailey, said) = place.serve(&[]).await;
    assert!(said.contains("serves 1 plugin on 1 server"), "{said}");
    place.sim.people.say(json!({"content": "!ping"})).await;
    place.sim.people.hear("Pong!", 2).await;

    // Killed, it is shown as gone, and so is what it ran.
    place.status(|status| status["sessions"][0]["state"] == "ready").await;
    assert!(!bailey.end_by(Signal::KILL).await.success());
    let status = place.status(|status| status["hosts"][0]["state"] == "gone").await;
    assert_eq!(status["sessions"][0]["state"], "gone", "{status}");

    // Every server, one by its name, the other because the bot is there.
    let (bailey, _) = place.serve(&["--plugin", demo, "--all-servers"]).await;
    let is_there = |session: &Value| session["server"] == servers[1] && session["state"] != "gone";
    place.status(|status| status["sessions"].as_array().unwrap().iter().any(is_there)).await;
    place.sim.people.say(json!({"content": "!ping", "guild": servers[1]})).await;
    place.sim.people.hear("Pong!", 3).await;
    assert!(bailey.end_by(Signal::INT).await.success());

    // Without its code it is named, and Bailey runs on.
    std::fs::remove_dir_all(place.cache.as_ref().unwrap().path().join("plugins")).unwrap();
    let (bailey, said) = place.serve(&[]).await;
    assert!(said.contains("serves no plugin yet") && said.contains("2 installations do not run"), "{said}");
    assert!(bailey.end_by(Signal::INT).await.success());
}

/// A plugin that does not start misses what happens. Mended, it is given what it missed.
#[tokio::test]
async fn what_a_broken_plugin_missed_is_delivered_once_it_is_mended() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let (code, _, said) = place.run(&["dead-letters", "list"]).await;
    assert!(code == Some(1) && said.contains("no Bailey has kept anything"), "{said}");
    let broken = fixture("exits_at_import");
    let (bailey, _) = place.serve(&["--plugin", broken.to_str().unwrap(), "--server", &server]).await;
    place.sim.people.say(json!({"content": "!one"})).await;
    place.sim.people.say(json!({"content": "!two"})).await;
    let letters = place.letters(2).await;
    let newest = &letters[0];
    assert_eq!((&newest["plugin"], &newest["server"]), (&json!("exits_at_import"), &json!(server)));
    assert_eq!((&newest["kind"], &newest["status"]), (&json!("message_create"), &json!("kept")));
    assert!(newest["reason"].as_str().unwrap().contains("the_setting_nobody_made"), "{newest}");
    let status = place.status(|status| status["sessions"][0]["state"] == "broken").await;
    assert!(status["sessions"][0]["reason"].as_str().unwrap().contains("exit code 1"), "{status}");
    let (_, said, _) = place.run(&["status"]).await;
    assert!(said.contains("broken"), "{said}");
    let number = letters[1]["number"].to_string();
    let (_, said, _) = place.run(&["dead-letters", "show", &number]).await;
    assert!(said.contains("\"content\": \"!one\"") && said.contains("status     kept"), "{said}");

    // While it is broken, what is to be delivered once more waits: it would only come back.
    let (code, said, _) = place.run(&["dead-letters", "redrive", &number]).await;
    assert!(
        code == Some(0) && said.contains("1 event will be delivered when that plugin is tried"),
        "{said}"
    );
    let waits = place.letters(2).await.into_iter().find(|letter| letter["status"] == "wanted").unwrap();
    assert_eq!((waits["number"].to_string(), &waits["times"]), (number.clone(), &json!(1)));
    assert!(bailey.end_by(Signal::TERM).await.success());

    // Nobody runs: it is said, and remembered. The mended one is another version of the same plugin.
    let (_, said, _) = place.run(&["dead-letters", "redrive", "--plugin", "exits_at_import"]).await;
    assert!(said.contains("1 event will be delivered when a Bailey runs that plugin"), "{said}");
    assert!(said.contains("1 event was to be delivered already"), "{said}");
    let mended = mended(&broken);
    let (bailey, _) = place.serve(&["--plugin", mended.path().to_str().unwrap(), "--server", &server]).await;
    place.sim.people.hear("heard !one", 1).await;
    place.sim.people.hear("heard !two", 1).await;
    place.letters(0).await;
    for action in ["redrive", "drop", "show"] {
        let (code, _, said) = place.run(&["dead-letters", action, &number]).await;
        assert!(code == Some(1) && said.contains("bailey dead-letters list"), "{said}");
    }
    assert!(bailey.end_by(Signal::TERM).await.success());
}

/// The same plugin, which starts and answers.
fn mended(broken: &Path) -> TempDir {
    let folder = data_directory();
    std::fs::copy(broken.join("manifest.json"), folder.path().join("manifest.json")).unwrap();
    let code = "from yourbot_sdk import Plugin\n\nplugin = Plugin()\n\n\n@plugin.on_event(\"message_create\")\n\
                def hear(ctx, event):\n    if event[\"content\"].startswith(\"!\"):\n        \
                ctx.discord.send_message(channel_id=event[\"channel_id\"], content=\"heard \" + event[\"content\"])\n\n\n\
                plugin.run()\n";
    std::fs::write(folder.path().join("__main__.py"), code).unwrap();
    folder
}

/// With its database away Bailey goes on, and what is put aside then is kept once the database is back.
#[tokio::test]
async fn what_is_put_aside_while_the_database_is_away_is_kept_later() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let folder = postgres::scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(folder.path())).await.unwrap();
    let url = database_url(&cluster);
    let trace = place.data.path().join("trace.jsonl");
    let broken = fixture("exits_at_import");
    let arguments = ["--plugin", broken.to_str().unwrap(), "--server", &server, "--database-url", &url];
    let (bailey, _) = place.serve(&[&arguments[..], &["--trace", trace.to_str().unwrap()]].concat()).await;
    cluster.stop().await.unwrap();
    let message = place.sim.people.say(json!({"content": "!one"})).await;
    let looking = async {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        loop {
            looks.tick().await;
            let lines = std::fs::read_to_string(&trace).unwrap();
            if lines.lines().any(|line| line.contains("put_aside") && line.contains(&message)) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the event was not put aside");

    let cluster = Cluster::start(ClusterConfig::kept(folder.path())).await.unwrap();
    let looking = async {
        loop {
            let (_, said, _) = place.run(&["dead-letters", "list", "--json", "--database-url", &url]).await;
            if said.contains(&message) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the letter was lost");
    assert!(bailey.end_by(Signal::TERM).await.success());
    cluster.stop().await.unwrap();
}

/// What a plugin had not finished when Bailey was stopped is put aside; an operator may forget it. Asked twice,
/// Bailey does not wait.
#[tokio::test]
async fn stopping_waits_for_plugins_but_not_for_ever() {
    let place = Place::new(1).await;
    let server = place.sim.people.servers().await.remove(0);
    let sleeper = fixture("sleeps_forever");
    let (mut bailey, _) = place.serve(&["--plugin", sleeper.to_str().unwrap(), "--server", &server]).await;
    place.sim.people.say(json!({"content": "!sleep"})).await;
    place.status(|status| status["sessions"][0]["in_flight"] == 1).await;
    bailey.signal(Signal::TERM);
    bailey.line_with("Stopping").await;
    assert!(bailey.ended().await.success());
    let letters = place.letters(1).await;
    assert!(letters[0]["reason"].as_str().unwrap().contains("Bailey was stopped"), "{letters:?}");
    let (code, said, _) = place.run(&["dead-letters", "drop", "--plugin", "sleeps_forever"]).await;
    assert!(code == Some(0) && said.contains("1 event is forgotten"), "{said}");

    let (mut bailey, _) = place.serve(&[]).await;
    place.sim.people.say(json!({"content": "!sleep"})).await;
    place.status(|status| status["sessions"][0]["in_flight"] == 1).await;
    bailey.signal(Signal::TERM);
    bailey.line_with("Stopping").await;
    bailey.signal(Signal::INT);
    let ended = tokio::time::timeout(Duration::from_secs(10), bailey.ended()).await;
    assert_eq!(ended.expect("it waited all the same").code(), Some(130));
}

/// A database that refuses an installation on a server the bot joined does not end what runs; it is tried again.
#[tokio::test]
async fn servers_that_could_not_be_recorded_are_tried_again() {
    let place = Place::new(1).await;
    let folder = postgres::scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(folder.path())).await.unwrap();
    let url = database_url(&cluster);
    let elsewhere =
        ["--plugin", demo().to_str().unwrap(), "--server", "1", "--database-url", &url].map(str::to_owned);
    let (bailey, _) = place.serve(&elsewhere.each_ref().map(String::as_str)).await;
    assert!(bailey.end_by(Signal::TERM).await.success());
    let config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let work = async {
        // A sequence counts also what is taken back.
        let refuse = "SET search_path = bailey_platform;
            CREATE SEQUENCE tries;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM nextval('bailey_platform.tries'); RAISE 'refused'; END $$;
            CREATE TRIGGER refused BEFORE INSERT ON installations FOR EACH ROW EXECUTE FUNCTION refuse()";
        client.batch_execute(refuse).await.unwrap();
        let everywhere = ["--plugin", &elsewhere[1], "--all-servers", "--database-url", &url];
        let (bailey, _) = place.serve(&everywhere).await;
        let tried = async {
            while client.query_one("SELECT last_value FROM tries", &[]).await.unwrap().get::<_, i64>(0) < 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE / 3, tried).await.expect("it was not tried again");
        client.batch_execute("DROP TRIGGER refused ON installations").await.unwrap();
        let answered = async {
            loop {
                place.sim.people.say(json!({"content": "!ping"})).await;
                let heard = place.sim.people.hear("Pong!", 1);
                if tokio::time::timeout(Duration::from_secs(3), heard).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("the server was given up");
        assert!(bailey.end_by(Signal::TERM).await.success());
    };
    tokio::select! {
        () = work => {}
        ended = connection => panic!("{ended:?}"),
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_served_is_said_before_anything_starts() {
    let place = Place::new(1).await;
    let demo = demo();
    let demo = demo.to_str().unwrap();
    let base = place.sim.people.base.clone();
    let token = place.data.path().join("token");
    std::fs::write(&token, "hunter2").unwrap();
    let token = token.to_str().unwrap();
    let empty = place.data.path().join("empty");
    std::fs::write(&empty, " \n").unwrap();
    let empty = empty.to_str().unwrap();
    for (arguments, code, words) in [
        (vec!["--discord-url", &base], 2, "BAILEY_DISCORD_TOKEN"),
        (vec!["--discord-url", "http://chat.example", "--token-file", token], 2, "https://HOST"),
        (vec!["--token-file", "/nowhere/token"], 2, "/nowhere/token"),
        (vec!["--token-file", empty], 2, "is empty"),
        (vec!["--token-file", token, "--plugin", demo], 2, "--server"),
        (vec!["--token-file", token, "--plugin", demo, "--server", "1", "--all-servers"], 2, "--all-servers"),
        (vec!["--token-file", token, "--plugin", demo, "--plugin", demo, "--server", "1"], 2, "given twice"),
        (vec!["--token-file", token, "--unsafe-bare"], 2, "--unsafe-bare"),
        (
            vec!["--discord-url", &base, "--token-file", token, "--python", "/nowhere/python3"],
            1,
            "/nowhere/python3",
        ),
        (vec!["--discord-url", &base, "--token-file", token], 1, "token"),
    ] {
        let (ended, said, errors) = place.run(&[&["serve"], &arguments[..]].concat()).await;
        assert_eq!(ended, Some(code), "{arguments:?}: {said}{errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
        assert!(!errors.contains("hunter2") && !said.contains("hunter2"), "{arguments:?}: {errors}");
    }
}
