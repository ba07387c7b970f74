//! A client nobody here wrote: discord.py logs in, registers a command, answers a person and a slash command, and
//! survives a reconnect. It is installed once into a venv under the target directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bailey_sim::{Click, ClockMode, Control, Observed, SeenMessage, Sight, SimConfig, Simulator};
use serde_json::json;

use crate::support::{say, using};

/// The held-out client and its version.
const CLIENT: &str = "discord.py==2.7.1";
const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "a test starts the foreign client")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    command.kill_on_drop(true).env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}

/// A Python with the client in it, made when it is not there yet.
async fn python() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("discord-py-2.7.1");
    let python = home.join("bin/python");
    if home.join("complete").exists() {
        return python;
    }
    // Built aside and renamed, so that an interrupted or parallel run leaves nothing half-made.
    let building = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let aside = building.path().join("venv");
    let run = async |program: &Path, arguments: &[&str]| {
        let output = command(program).args(arguments).output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{} {arguments:?}: {error}", program.display());
    };
    run(Path::new("python3"), &["-m", "venv", aside.to_str().unwrap()]).await;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT];
    run(&aside.join("bin/python"), &pip).await;
    std::fs::write(aside.join("complete"), "").unwrap();
    std::fs::remove_dir_all(&home).ok();
    if std::fs::rename(&aside, &home).is_err() {
        assert!(home.join("complete").exists(), "the venv cannot be moved to {}", home.display());
    }
    python
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

#[tokio::test]
async fn discord_py_logs_in_talks_and_answers_interactions() {
    let python = python().await;
    let config = SimConfig { clock: ClockMode::Real, ..SimConfig::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let control = simulator.control();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/discord_py_bot.py");
    let arguments = [simulator.http_base(), simulator.gateway_url(), simulator.bot_token()];
    let bot =
        command(&python).arg(script).args(arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut index = 0;
    let story = async {
        assert!(control.wait_for_client(PATIENCE).await, "the bot never identified");
        // The bot says so itself once it saw the server and registered its command.
        sees(&control, &mut index, "the bot's greeting", by_bot("ready in Test Server with 4 members")).await;
        control.say(say("!ping")).unwrap();
        let pong = sees(&control, &mut index, "Pong", by_bot("Pong!")).await;
        assert_eq!(pong.embeds[0]["title"], "an embed");
        assert_eq!(pong.files[0].name, "file.txt");

        control.command(using("greet", json!({"who": "bob", "times": 2}))).unwrap();
        let greeting = sees(&control, &mut index, "the greeting", by_bot("hello bob x2")).await;
        assert_eq!(greeting.ephemeral_to.as_deref(), Some("alice"));
        let click = Click { label: Some("Press".to_owned()), ..Click::default() };
        control.click(&click).unwrap();
        sees(&control, &mut index, "the button's update", by_bot("pressed by alice")).await;

        control.command(using("slow", json!({}))).unwrap();
        sees(&control, &mut index, "thinking", |seen| {
            matches!(seen.what, Sight::Thinking { .. }).then_some(())
        })
        .await;
        sees(&control, &mut index, "the late answer", by_bot("done thinking")).await;
        sees(&control, &mut index, "the follow-up", by_bot("and more")).await;

        control.command(using("form", json!({}))).unwrap();
        sees(&control, &mut index, "the form", |seen| {
            matches!(seen.what, Sight::ModalOpened { .. }).then_some(())
        })
        .await;
        let values = json!({"Name": "Ada"}).as_object().unwrap().clone();
        control.submit(&bailey_sim::Submit { values, ..Default::default() }).unwrap();
        sees(&control, &mut index, "the form's answer", by_bot("your name is Ada")).await;

        // Told to reconnect, it resumes the same session and hears what it missed.
        let session = control.sessions()[0].session_id.clone();
        control.drop_connection(None);
        control.say(say("!ping")).unwrap();
        sees(&control, &mut index, "Pong after resuming", by_bot("Pong!")).await;
        assert_eq!(control.sessions()[0].session_id, session, "the session was resumed, not made anew");
    };
    let bot_output = bot.wait_with_output();
    tokio::select! {
        () = story => {}
        output = bot_output => {
            let output = output.unwrap();
            panic!("the bot ended ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
    }
    simulator.shutdown().await;
}
