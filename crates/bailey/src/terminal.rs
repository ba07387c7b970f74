//! What people read in the terminal: transcripts as JSON lines, conversations in words, logs.
//!
//! Text that came from a plugin is printed with its control characters escaped: a plugin must not
//! be able to move the cursor, colour the screen or forge a line.

use std::io::{IsTerminal, Write};

use bailey_host::Observation;
use bailey_protocol::method::log::LogLevel;
use bailey_services::logs::is_harmful;
use bailey_sim::Observed;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::cli::Command;
use crate::error::CommandError;
use crate::places::environment;
use crate::plugin::LoadedPlugin;
use crate::scenario::runner;
use crate::scenario::transcript::{Entry, Message, Record};

/// Logs go to standard error: warnings, or what `BAILEY_LOG` asks for (`debug`, `bailey_host=trace`, ...).
pub(crate) fn start_logging(command: &Command) {
    // What a plugin logs, and what goes wrong with it, is part of the transcript or conversation already.
    let usual = match command {
        Command::Dev(_) | Command::Try(_) | Command::SqlHardening => "warn,bailey_host=error,plugin=off",
        Command::Sim(_)
        | Command::Doctor(_)
        | Command::Status(_)
        | Command::Commands(_)
        | Command::Audit(_)
        | Command::Secrets(_)
        | Command::Cron(_)
        | Command::DeadLetters(_) => "warn",
        // Its log is the operator's record; what plugins log is read with `bailey logs`.
        Command::Serve(_) => "info,plugin=off,refinery_core=warn",
        // Who follows is told once that the database is away, not each time it is asked.
        Command::Logs(logs) if logs.follow => "warn,bailey_services=off",
        Command::Logs(_) => "warn",
    };
    let mut filter = environment("BAILEY_LOG").unwrap_or_else(|| usual.to_owned());
    // The driver prints statements as they are: with the passwords of plugins' roles, their tokens and values.
    filter.push_str(",tokio_postgres=warn");
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// The wish of the person or the system that we stop.
pub(crate) struct Interruption {
    by_key: Signal,
    by_system: Signal,
}

impl Interruption {
    /// Listens from now on: before anybody is told that we run, or who stops us at once kills us.
    pub(crate) fn listen() -> Result<Self, CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|error| CommandError::failed(format!("cannot listen for signals: {error}")))
        };
        Ok(Self { by_key: listen(SignalKind::interrupt())?, by_system: listen(SignalKind::terminate())? })
    }

    /// Completes when it has come; and again, when it has come once more.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.by_key.recv() => {}
            _ = self.by_system.recv() => {}
        }
    }
}

/// Completes when the person or the system asks us to stop.
pub(crate) async fn interrupted() -> Result<(), CommandError> {
    Interruption::listen()?.received().await;
    Ok(())
}

/// A line of our own words; a reader that has gone away is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// JSON on one line that does nothing to a terminal, whatever texts it holds.
pub(crate) fn safe_json(value: &Value) -> String {
    let mut safe = String::new();
    for character in value.to_string().chars() {
        if is_harmful(character) {
            safe.push_str(&format!("\\u{:04x}", u32::from(character))); // inside a text, and below U+10000
        } else {
            safe.push(character);
        }
    }
    safe
}

/// One line of a transcript as JSON.
pub(crate) fn print_json(record: &Record) {
    match serde_json::to_string(record) {
        Ok(line) => say(&line),
        Err(error) => tracing::error!(%error, "a line of the transcript could not be written"),
    }
}

/// Says which plugin runs, with what.
pub(crate) fn announce(plugin: &LoadedPlugin, bare: bool) {
    let manifest = &plugin.package.manifest;
    let capabilities = manifest.capabilities.names();
    let dependencies: Vec<String> =
        plugin.dependencies.iter().map(|(name, version)| format!("{name} {version}")).collect();
    say(&format!(
        "{} {} is installed on the simulated Discord.\n  it may: {}\n  it runs with: {}\n  {}",
        clean(&manifest.name),
        clean(&manifest.version),
        if capabilities.is_empty() { "nothing but log".to_owned() } else { capabilities.join(", ") },
        dependencies.join(", "),
        if bare {
            "WITHOUT A SANDBOX: it can do to this machine whatever you can, and so could what resolved its packages"
        } else {
            "in a sandbox: no network, no files of this machine, 128 MB of memory"
        },
    ));
}

/// One line of a conversation in words.
pub(crate) fn print_conversation(record: &Record) {
    match &record.entry {
        Entry::Step { source } => say(&format!("\n  {}", describe(source))),
        Entry::Expectation { held: false, missing, expected } => say(&format!(
            "  NOT AS EXPECTED (line {}): {expected}: {}",
            record.step,
            missing.as_deref().unwrap_or_default()
        )),
        Entry::StepFailed { reason } => {
            say(&format!("  NOT PLAYED (line {}): {}", record.step, clean(reason)))
        }
        Entry::Result { steps, expectations, failures, .. } => say(&format!(
            "\n{} of {expectations} expectations and {steps} steps held.",
            if *failures == 0 { "All".to_owned() } else { format!("{failures} failures in the whole") }
        )),
        entry => print_entry(entry),
    }
}

/// What somebody saw.
pub(crate) fn print_sight(sight: &Observed) {
    print_entry(&runner::seen(&sight.what).0);
}

/// What the host saw, as far as an author wants to know.
pub(crate) fn print_observation(observation: &Observation) {
    if let Some(entry) = runner::observed(observation)
        && !matches!(entry, Entry::Call { error: None, .. })
    {
        print_entry(&entry);
    }
}

fn print_entry(entry: &Entry) {
    let line = match entry {
        Entry::Message(message) => describe_message(message),
        Entry::Deleted { channel, .. } => format!("  #{} a message was deleted", clean(channel)),
        Entry::Thinking { person, .. } => format!("  {} sees the bot thinking", clean(person)),
        Entry::Modal { person, title, fields, .. } => {
            let labels: Vec<String> = fields.iter().map(|field| clean(text(&field["label"]))).collect();
            format!("  {} sees the form \"{}\" [{}]", clean(person), clean(title), labels.join(", "))
        }
        Entry::Suggestions { person, choices } => {
            let names: Vec<String> = choices.iter().map(|name| clean(name)).collect();
            format!("  {} sees suggested [{}]", clean(person), names.join(", "))
        }
        Entry::Reaction { by, emoji, removed: false, .. } => {
            format!("  {} reacted {}", clean(by), clean(emoji))
        }
        Entry::Reaction { by, emoji, .. } => format!("  {} took back {}", clean(by), clean(emoji)),
        Entry::InteractionFailed { person, reason } => {
            format!("  {} sees \"this interaction failed\": {}", clean(person), clean(reason))
        }
        Entry::Member { person, server, joined } => {
            format!("  {} {} {}", clean(person), if *joined { "joined" } else { "left" }, clean(server))
        }
        Entry::Call { plugin, method, error: Some(error), .. } => {
            format!("  {plugin}: {} was refused: {}", clean(method), clean(&error.message))
        }
        Entry::Request(request) => format!("  -> {} {}", clean(&request.method), clean(&request.url)),
        Entry::Frame(frame) => format!("  -> {} {}", clean(&frame.url), clean(&frame.text)),
        Entry::Log { plugin, level, message, .. } if level != LogLevel::Debug.as_str() => {
            format!("  {plugin} {level}: {}", clean(message))
        }
        Entry::Problem { plugin, message, .. } => format!("  PROBLEM with {plugin}: {}", clean(message)),
        Entry::Life { plugin, what, .. } if !what.starts_with("started") => {
            format!("  {plugin} {}", clean(what))
        }
        _ => return,
    };
    say(&line);
}

fn describe_message(message: &Message) -> String {
    let mut line =
        format!("  #{} {}: {}", clean(&message.channel), clean(&message.author), clean(&message.content));
    if message.edited {
        line.push_str(" (edited)");
    }
    for embed in &message.embeds {
        line.push_str(&format!(" [embed: {}]", clean(text(&embed["title"]))));
    }
    for file in &message.files {
        line.push_str(&format!(" [file: {}]", clean(file)));
    }
    for label in message.components.iter().flat_map(labels) {
        line.push_str(&format!(" [{}]", clean(&label)));
    }
    if let Some(person) = &message.only_for {
        line.push_str(&format!(" (only {} sees this)", clean(person)));
    }
    line
}

/// The labels of the buttons and menus in a row.
fn labels(component: &Value) -> Vec<String> {
    match component["components"].as_array() {
        Some(inner) => inner.iter().flat_map(labels).collect(),
        None => ["label", "placeholder", "custom_id"]
            .into_iter()
            .find_map(|name| component[name].as_str())
            .map(str::to_owned)
            .into_iter()
            .collect(),
    }
}

/// A step in words.
fn describe(source: &Value) -> String {
    let person = source["as"].as_str().unwrap_or("alice");
    let what =
        match source.as_object().and_then(|fields| fields.keys().find(|name| STEPS.contains(&name.as_str())))
        {
            Some(name) if name == "say" => return format!("{person} types a message"),
            Some(name) if name == "command" => {
                let options = source["options"].as_object().map_or_else(String::new, |options| {
                    options.iter().map(|(name, value)| format!(" {name}: {value}")).collect()
                });
                format!("runs /{}{options}", text(&source["command"]))
            }
            Some(name) if name == "click" => format!("clicks \"{}\"", text(&source["click"])),
            Some(name) if name == "choose" => {
                format!("chooses {} in {}", source["values"], text(&source["choose"]))
            }
            Some(name) if name == "submit" => format!("submits the form: {}", source["submit"]["values"]),
            Some(name) if name == "react" => format!("reacts {}", text(&source["react"])),
            Some(name) if name == "advance" => return format!("time passes: {}", source["advance"]),
            Some(name) => return clean(&format!("{name}: {}", source[name.as_str()])),
            None => return clean(&source.to_string()),
        };
    clean(&format!("{person} {what}"))
}

const STEPS: &[&str] =
    &["say", "command", "click", "choose", "submit", "join", "leave", "react", "advance", "together"];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Foreign text on one line, without power over the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .flat_map(|character| match character {
            '\n' => " / ".chars().collect::<Vec<_>>(),
            _ if character.is_control() || is_formatting(character) => character.escape_default().collect(),
            _ => vec![character],
        })
        .collect()
}

/// Characters that reorder or hide text without being control characters.
fn is_formatting(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_write_to_the_terminal_beyond_its_line() {
        let dirty = "\u{1b}[2Jhello\r\nPROBLEM\u{202e}\u{7}";
        let shown = clean(dirty);
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(!shown.contains('\u{202e}'));
        assert!(shown.contains("hello") && !shown.contains('\n'));
    }

    #[test]
    fn labels_are_found_inside_rows() {
        let row = serde_json::json!({"type": 1, "components": [{"type": 2, "label": "More"}, {"type": 3, "custom_id": "c"}]});
        assert_eq!(labels(&row), ["More", "c"]);
    }
}
