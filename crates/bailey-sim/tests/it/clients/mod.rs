//! Clients nobody here wrote: discord.py, hikari and discord.js log in, register commands, answer people, commands,
//! buttons, menus and forms, send a file, moderate, and survive what Discord does to connections. Between them they
//! speak zstd, zlib and no compression, and each reads payloads in its own way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bailey_sim::{
    Choose, Click, ClockMode, Control, Fault, FaultRule, Observed, Recording, Replay, SeenMessage, Sight,
    SimConfig, Simulator,
};
use serde_json::json;
use tokio::process::Command;

use crate::support::{say, using};

const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "a test starts the foreign client")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}

/// A folder below the target directory that `fill` has filled, now or earlier.
async fn installed(name: &str, fill: impl AsyncFnOnce(&Path)) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if home.join("complete").exists() {
        return home;
    }
    // Built aside and renamed, so that an interrupted or parallel run leaves nothing half-made.
    let building = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let aside = building.path().join("client");
    fill(&aside).await;
    std::fs::write(aside.join("complete"), "").unwrap();
    std::fs::remove_dir_all(&home).ok();
    if std::fs::rename(&aside, &home).is_err() {
        assert!(home.join("complete").exists(), "the client cannot be moved to {}", home.display());
    }
    home
}

async fn run(program: &Path, arguments: &[&str]) {
    let output = command(program).args(arguments).output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{} {arguments:?}: {error}", program.display());
}

/// A Python with a client in it.
async fn python(client: &str) -> Command {
    let home = installed(&client.replace("==", "-"), async |aside| {
        run(Path::new("python3"), &["-m", "venv", aside.to_str().unwrap()]).await;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", client];
        run(&aside.join("bin/python"), &pip).await;
    })
    .await;
    command(home.join("bin/python"))
}

/// A bot's source beside this file.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(name)
}

/// Waits for something in the feed after `index`.
async fn sees<T>(
    control: &Control,
    index: &mut u64,
    what: &str,
    wanted: impl Fn(&Observed) -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        assert!(!left.is_zero(), "nobody saw {what}; the feed: {:?}", control.observed_since(0));
        for seen in control.wait_observed(*index, left).await {
            *index = seen.index;
            if let Some(found) = wanted(&seen) {
                return found;
            }
        }
    }
}

/// Looks again and again until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let look = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, look).await.is_ok(), "never happened: {what}");
}

fn by_bot(content: &'static str) -> impl Fn(&Observed) -> Option<SeenMessage> {
    move |seen| match &seen.what {
        Sight::MessagePosted { message } | Sight::MessageEdited { message }
            if message.bot && message.content == content =>
        {
            Some(message.clone())
        }
        _ => None,
    }
}

/// What every client goes through.
async fn story(control: &Control) {
    let mut index = 0;
    let index = &mut index;
    assert!(control.wait_for_client(PATIENCE).await, "the bot never identified");
    // The bot says so itself once it saw the server and registered its commands.
    sees(control, index, "the bot's greeting", by_bot("ready in Test Server with 4 members")).await;
    control.say(say("!ping")).unwrap();
    let pong = sees(control, index, "Pong", by_bot("Pong!")).await;
    assert_eq!(pong.embeds[0]["title"], "an embed");
    assert_eq!((pong.files[0].name.as_str(), pong.files[0].size), ("file.txt", 4));

    control.command(using("greet", json!({"who": "bob", "times": 2}))).unwrap();
    let greeting = sees(control, index, "the greeting", by_bot("hello bob x2")).await;
    assert_eq!(greeting.ephemeral_to.as_deref(), Some("alice"));
    let click = Click { label: Some("Press".to_owned()), ..Click::default() };
    control.click(&click).unwrap();
    sees(control, index, "the button's update", by_bot("pressed by alice")).await;

    control.command(using("slow", json!({}))).unwrap();
    sees(control, index, "thinking", |seen| matches!(seen.what, Sight::Thinking { .. }).then_some(())).await;
    sees(control, index, "the late answer", by_bot("done thinking")).await;
    sees(control, index, "the follow-up", by_bot("and more")).await;

    control.command(using("form", json!({}))).unwrap();
    sees(control, index, "the form", |seen| matches!(seen.what, Sight::ModalOpened { .. }).then_some(()))
        .await;
    let values = json!({"Name": "Ada"}).as_object().unwrap().clone();
    control.submit(&bailey_sim::Submit { values, ..Default::default() }).unwrap();
    sees(control, index, "the form's answer", by_bot("your name is Ada")).await;

    control.command(using("pick", json!({}))).unwrap();
    let menu = sees(control, index, "the menu", by_bot("which?")).await;
    let custom_id = menu.components[0]["components"][0]["custom_id"].as_str().unwrap().to_owned();
    control.choose(&Choose { custom_id, values: vec!["Blue".to_owned()], ..Choose::default() }).unwrap();
    sees(control, index, "the choice", by_bot("picked blue")).await;

    // The owner cannot be kicked; carol can.
    control.command(using("kick", json!({"who": "alice"}))).unwrap();
    sees(control, index, "the refusal", by_bot("refused: 50013")).await;
    control.command(using("kick", json!({"who": "carol"}))).unwrap();
    let kicked = |seen: &Observed| match &seen.what {
        Sight::Audited { action, target, reason, .. } => {
            Some((action.clone(), target.clone(), reason.clone()))
        }
        _ => None,
    };
    let audited = sees(control, index, "the audit log", kicked).await;
    assert_eq!(audited, ("kicked".to_owned(), "carol".to_owned(), Some("noise".to_owned())));
    sees(control, index, "the confirmation", by_bot("kicked carol")).await;

    // Told to wait, it asks again later, and once only.
    let too_many = Fault::RateLimit { retry_after: 0.2, scope: "user".to_owned(), global: false };
    let route = "/channels/*/messages".to_owned();
    control.fault(FaultRule { method: Some("POST".to_owned()), route, times: 1, fault: too_many }).unwrap();
    control.say(say("!ping")).unwrap();
    sees(control, index, "Pong after waiting", by_bot("Pong!")).await;

    // A line cut, a request to reconnect, and a close that keeps the session: it resumes and hears what it missed.
    let session = control.sessions()[0].session_id.clone();
    let connection = || control.sessions().iter().rev().find_map(|one| one.connection);
    for (what, happens) in [
        ("a cut line", (|control| drop(control.drop_connection(None))) as fn(&Control)),
        ("a request to reconnect", |control| drop(control.reconnect())),
        ("a close with 4000", |control| drop(control.drop_connection(Some(4000)))),
    ] {
        let before = connection();
        happens(control);
        control.say(say("!ping")).unwrap();
        until(&format!("a new connection after {what}"), || {
            connection().is_some_and(|now| Some(now) != before)
        })
        .await;
        sees(control, index, &format!("Pong after {what}"), by_bot("Pong!")).await;
        assert_eq!(control.sessions()[0].session_id, session, "after {what} it began a new session");
    }
    // A session that is no more: it begins a new one.
    control.invalidate_session(false);
    until("a new session", || {
        control.sessions().iter().any(|one| one.session_id != session && one.connected)
    })
    .await;
    control.say(say("!ping")).unwrap();
    sees(control, index, "Pong in a new session", by_bot("Pong!")).await;
    let pongs = control.observed_since(0).iter().filter(|seen| by_bot("Pong!")(seen).is_some()).count();
    assert_eq!(pongs, 6, "each ping is answered once");
}

/// Plays the story with a bot, which must not end meanwhile, into a recording.
async fn play(mut bot: Command, recording: &Path) {
    let config = SimConfig { clock: ClockMode::Real, ..SimConfig::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let control = simulator.control();
    control.start_recording(recording).unwrap();
    let bot = bot
        .args([simulator.http_base(), simulator.gateway_url(), simulator.bot_token()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let ended = bot.wait_with_output();
    tokio::select! {
        () = story(&control) => {}
        output = ended => {
            let output = output.unwrap();
            panic!("the bot ended ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
    }
    simulator.shutdown().await;
}

/// Lets a bot meet what was recorded of it, and tells what it did otherwise.
async fn meet_again(mut bot: Command, recording: &Path) -> Vec<String> {
    let recording = Recording::read(recording).unwrap();
    let bind = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let replay = Replay::start(&recording, bind, PATIENCE).await.unwrap();
    let bot = bot
        .args([replay.http_base(), replay.gateway_url(), "MTAw.any.token".to_owned()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    tokio::select! {
        finished = replay.finished(PATIENCE) => assert!(finished, "{:?}", replay.differences()),
        output = bot.wait_with_output() => {
            let output = output.unwrap();
            panic!("the bot ended ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
    }
    replay.differences()
}

/// The story, and the story again from its recording.
async fn play_twice(bot: impl AsyncFn() -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    play(bot().await, &recording).await;
    assert_eq!(meet_again(bot().await, &recording).await, Vec::<String>::new());
}

#[tokio::test]
async fn discord_py() {
    play_twice(async || {
        let mut bot = python("discord.py==2.7.1").await;
        bot.arg(script("discord_py_bot.py"));
        bot
    })
    .await;
}

#[tokio::test]
async fn hikari() {
    play_twice(async || {
        let mut bot = python("hikari==2.7.0").await;
        bot.arg(script("hikari_bot.py"));
        bot
    })
    .await;
}

#[tokio::test]
async fn discord_js() {
    let home = installed("discord.js-14.28.1", async |aside| {
        std::fs::create_dir(aside).unwrap();
        let folder = aside.to_str().unwrap();
        let options = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"];
        let npm = ["install", "--prefix", folder];
        run(Path::new("npm"), &[&npm[..], &options, &["discord.js@14.28.1"]].concat()).await;
    })
    .await;
    // Modules are looked for beside the file that wants them.
    let bot_script = home.join("bot.mjs");
    std::fs::copy(script("discord_js_bot.mjs"), &bot_script).unwrap();
    play_twice(async || {
        let mut bot = command("node");
        bot.arg(&bot_script);
        bot
    })
    .await;
}
