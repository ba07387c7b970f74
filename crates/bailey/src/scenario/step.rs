//! The script: JSON lines, one step each. Reads text, finds every mistake with its line.

use std::time::Duration;

use bailey_outbound::Host;
use bailey_outbound::fixtures::{Fixture, SocketFixture};
use bailey_protocol::method::secrets::{SecretName, SecretValue};
use bailey_sim::Change;
use serde_json::{Map, Value};

use super::expect::{Expectation, TextMatch};

/// One line of a script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// The line as written, for the transcript.
    pub(crate) source: Value,
    /// What to do.
    pub(crate) action: Action,
    /// Who does it, where.
    pub(crate) scene: Scene,
}

/// Who acts and where; what is `None` is the simulator's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Scene {
    /// `as`: a person's name.
    pub(crate) person: Option<String>,
    /// `in`: a channel's name.
    pub(crate) channel: Option<String>,
    /// `on`: a server's name.
    pub(crate) server: Option<String>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Type a message.
    Say { content: String, reply: bool },
    /// Run a command, subcommands separated by spaces; one of a menu on a person or a message. With `focused` it is
    /// not run: this option is being typed.
    Command { name: String, options: Map<String, Value>, target: Option<String>, focused: Option<String> },
    /// Press the button with this custom id or label.
    Click { target: String },
    /// Choose from the menu with this custom id.
    Choose { target: String, values: Vec<String> },
    /// Submit the form that is open, or the one with this custom id.
    Submit { target: Option<String>, values: Map<String, Value> },
    /// A new person joins.
    Join { person: String },
    /// A person leaves.
    Leave { person: String },
    /// Change the server, as its people do.
    Administer { change: Change },
    /// Come into a voice channel, or go (`None`).
    Voice { channel: Option<String>, mute: bool, deaf: bool, stream: bool, video: bool },
    /// React to the newest message.
    React { emoji: String },
    /// Let time pass.
    Advance { by: Duration },
    /// Write down what another server answers from now on.
    AnswerHttp { fixture: Fixture },
    /// Write down a server for WebSockets.
    AnswerSocket { fixture: SocketFixture },
    /// Have the server of an address send a frame, or (`None`) end its connections.
    Push { url: String, frame: Option<String> },
    /// Give the plugin a secret, as whoever runs Bailey does; bound to a host, or readable by the plugin.
    SetSecret { name: SecretName, value: SecretValue, host: Option<Host> },
    /// Do all of these without waiting in between.
    Together { steps: Vec<Step> },
    /// Check what came of the steps since the last check: all must hold. Each as written, and read.
    Expect { expectations: Vec<(Value, Expectation)> },
}

impl Action {
    /// Whether it prepares what comes, and nobody does it.
    pub(crate) fn sets_the_scene(&self) -> bool {
        matches!(self, Self::AnswerHttp { .. } | Self::AnswerSocket { .. } | Self::SetSecret { .. })
    }
}

/// A mistake in a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct ScriptError {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong and what to write instead.
    pub(crate) what: String,
}

const STEPS: &str = "say, command, click, choose, submit, join, leave, react, voice, make_channel, rename_channel, \
                     delete_channel, make_role, rename_role, delete_role, give_role, take_role, nickname, advance, \
                     http, socket, push, drop, secret, together or expect";

/// Reads a script. Blank lines and lines starting with `#` are skipped.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, ScriptError> {
    let mut steps = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let text = text.trim();
        if !text.is_empty() && !text.starts_with('#') {
            let line = index + 1;
            steps.push(parse_line(line, text).map_err(|what| ScriptError { line, what })?);
        }
    }
    if steps.is_empty() {
        return Err(ScriptError {
            line: 1,
            what: format!("no steps; write one JSON object a line: {STEPS}"),
        });
    }
    Ok(steps)
}

fn parse_line(line: usize, text: &str) -> Result<Step, String> {
    let source: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    parse_step(line, source)
}

fn parse_step(line: usize, source: Value) -> Result<Step, String> {
    let Value::Object(fields) = &source else {
        return Err("not a JSON object, such as {\"say\": \"!ping\"}".to_owned());
    };
    let mut fields = Fields(fields.clone());
    let scene = Scene {
        person: fields.take_text("as")?,
        channel: fields.take_text("in")?,
        server: fields.take_text("on")?,
    };
    let action = action(line, &mut fields)?;
    fields.nothing_left()?;
    Ok(Step { line, source, action, scene })
}

fn action(line: usize, fields: &mut Fields) -> Result<Action, String> {
    if let Some(content) = fields.take_text("say")? {
        return Ok(Action::Say { content, reply: fields.take_flag("reply")? });
    }
    if let Some(name) = fields.take_text("command")? {
        let options = fields.take_object("options")?.unwrap_or_default();
        let (target, focused) = (fields.take_text("target")?, fields.take_text("typing")?);
        return Ok(Action::Command { name, options, target, focused });
    }
    if let Some(target) = fields.take_text("click")? {
        return Ok(Action::Click { target });
    }
    if let Some(target) = fields.take_text("choose")? {
        let values = fields.take_texts("values")?.ok_or("`choose` needs `values`, a list of strings")?;
        return Ok(Action::Choose { target, values });
    }
    if let Some(form) = fields.take_object("submit")? {
        let mut form = Fields(form);
        let target = form.take_text("custom_id")?;
        let values = form.take_object("values")?.unwrap_or_default();
        form.nothing_left()?;
        return Ok(Action::Submit { target, values });
    }
    if let Some(person) = fields.take_text("join")? {
        return Ok(Action::Join { person });
    }
    if let Some(person) = fields.take_text("leave")? {
        return Ok(Action::Leave { person });
    }
    if let Some(emoji) = fields.take_text("react")? {
        return Ok(Action::React { emoji });
    }
    if let Some(channel) = fields.0.shift_remove("voice") {
        let channel = match channel {
            Value::String(channel) => Some(channel),
            Value::Null => None,
            _ => return Err("`voice` needs a channel's name, or null to leave".to_owned()),
        };
        let mut flag = |name: &str| fields.take_flag(name);
        let (mute, deaf) = (flag("mute")?, flag("deaf")?);
        return Ok(Action::Voice { channel, mute, deaf, stream: flag("stream")?, video: flag("video")? });
    }
    if let Some(change) = change(fields)? {
        return Ok(Action::Administer { change });
    }
    if let Some(by) = fields.0.shift_remove("advance") {
        return Ok(Action::Advance { by: duration(&by)? });
    }
    if let Some(fixture) = fields.take_object("http")? {
        let fixture =
            serde_json::from_value(Value::Object(fixture)).map_err(|error| format!("`http`: {error}"))?;
        return Ok(Action::AnswerHttp { fixture });
    }
    if let Some(fixture) = fields.take_object("socket")? {
        let fixture =
            serde_json::from_value(Value::Object(fixture)).map_err(|error| format!("`socket`: {error}"))?;
        return Ok(Action::AnswerSocket { fixture });
    }
    if let Some(url) = fields.take_text("push")? {
        let frame = match fields.0.shift_remove("frame") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => return Err("`push` needs `frame`, a string or JSON".to_owned()),
        };
        return Ok(Action::Push { url, frame: Some(frame) });
    }
    if let Some(url) = fields.take_text("drop")? {
        return Ok(Action::Push { url, frame: None });
    }
    if let Some(name) = fields.take_text("secret")? {
        let wrong = |error: bailey_protocol::CallError| format!("`secret`: {error}");
        let value = fields.take_text("value")?.ok_or("`secret` needs `value`, a string")?;
        let host = fields.take_text("host")?.map(|host| host.parse::<Host>()).transpose();
        return Ok(Action::SetSecret {
            name: name.parse().map_err(wrong)?,
            value: SecretValue::new(value).map_err(wrong)?,
            host: host.map_err(|error| format!("`host`: {error}"))?,
        });
    }
    match fields.0.shift_remove("together") {
        Some(Value::Array(items)) => {
            let steps: Vec<Step> =
                items.into_iter().map(|item| parse_step(line, item)).collect::<Result<_, _>>()?;
            let alone = |step: &Step| {
                let Step { action, .. } = step;
                matches!(action, Action::Together { .. } | Action::Expect { .. }) || action.sets_the_scene()
            };
            if steps.is_empty() || steps.iter().any(alone) {
                return Err(
                    "`together` needs a list of steps other than `together`, `expect`, `http`, `socket` and `secret`"
                        .to_owned(),
                );
            }
            return Ok(Action::Together { steps });
        }
        Some(_) => return Err("`together` needs a list of steps".to_owned()),
        None => {}
    }
    match fields.0.shift_remove("expect") {
        Some(Value::Array(items)) if items.is_empty() => Err("`expect` expects nothing".to_owned()),
        Some(Value::Array(items)) => expectations(items),
        Some(item) => expectations(vec![item]),
        None => Err(format!("no step; write one of {STEPS}")),
    }
}

/// A change of the server: the step names what is changed, another field what it becomes.
fn change(fields: &mut Fields) -> Result<Option<Change>, String> {
    if let Some(name) = fields.take_text("make_channel")? {
        return Ok(Some(Change::MakeChannel { name, kind: fields.take_text("kind")? }));
    }
    if let Some(name) = fields.take_text("delete_channel")? {
        return Ok(Some(Change::DeleteChannel { name }));
    }
    if let Some(name) = fields.take_text("make_role")? {
        return Ok(Some(Change::MakeRole { name }));
    }
    if let Some(name) = fields.take_text("delete_role")? {
        return Ok(Some(Change::DeleteRole { name }));
    }
    if let Some(of) = fields.take_text("nickname")? {
        return Ok(Some(Change::Nickname { of, to: fields.take_text("to")? }));
    }
    let mut with = |step: &str, other: &str| -> Result<Option<(String, String)>, String> {
        let Some(name) = fields.take_text(step)? else { return Ok(None) };
        let needed = || format!("`{step}` needs `{other}`, a string");
        Ok(Some((name, fields.take_text(other)?.ok_or_else(needed)?)))
    };
    if let Some((name, to)) = with("rename_channel", "to")? {
        return Ok(Some(Change::RenameChannel { name, to }));
    }
    if let Some((name, to)) = with("rename_role", "to")? {
        return Ok(Some(Change::RenameRole { name, to }));
    }
    if let Some((name, to)) = with("give_role", "to")? {
        return Ok(Some(Change::GiveRole { name, to }));
    }
    Ok(with("take_role", "from")?.map(|(name, from)| Change::TakeRole { name, from }))
}

fn expectations(items: Vec<Value>) -> Result<Action, String> {
    let read = |item: Value| Expectation::parse(&item).map(|expectation| (item, expectation));
    Ok(Action::Expect { expectations: items.into_iter().map(read).collect::<Result<_, _>>()? })
}

/// Seconds as a number, or a text such as `"90s"`, `"15m"`, `"2h"`, `"1d"`.
fn duration(value: &Value) -> Result<Duration, String> {
    let wrong = || "`advance` needs seconds or a text such as \"90s\", \"15m\", \"2h\" or \"1d\"".to_owned();
    let most = 366.0 * 86_400.0;
    let seconds = match value {
        Value::Number(number) => number.as_f64().ok_or_else(wrong)?,
        Value::String(text) => {
            let unit = match text.chars().last() {
                Some('s') => 1.0,
                Some('m') => 60.0,
                Some('h') => 3600.0,
                Some('d') => 86_400.0,
                _ => return Err(wrong()),
            };
            text[..text.len() - 1].parse::<f64>().map_err(|_| wrong())? * unit
        }
        _ => return Err(wrong()),
    };
    if (0.0..=most).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

/// The members of an object, taken one by one so that what nobody knows is found.
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    pub(crate) fn take_text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}` must be a string")),
        }
    }

    pub(crate) fn take_flag(&mut self, name: &str) -> Result<bool, String> {
        Ok(self.take_optional_flag(name)?.unwrap_or(false))
    }

    pub(crate) fn take_optional_flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(format!("`{name}` must be true or false")),
        }
    }

    fn take_object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, String> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(format!("`{name}` must be an object")),
        }
    }

    fn take_texts(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text),
                    _ => Err(format!("`{name}` must be a list of strings")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(format!("`{name}` must be a list of strings")),
        }
    }

    pub(crate) fn take_match(&mut self, name: &str) -> Result<Option<TextMatch>, String> {
        self.0.shift_remove(name).map(|value| TextMatch::parse(name, &value)).transpose()
    }

    pub(crate) fn nothing_left(&self) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("`{name}` means nothing here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Step, ScriptError> {
        parse(text).map(|mut steps| steps.remove(0))
    }

    #[test]
    fn the_smallest_step_is_a_said_text() {
        let step = one(r#"{"say":"!ping"}"#).unwrap();
        assert_eq!(step.action, Action::Say { content: "!ping".into(), reply: false });
        assert_eq!(step.scene, Scene::default());
    }

    #[test]
    fn comments_and_blank_lines_keep_line_numbers_right() {
        let error = parse("# hello\n\n{\"say\":\"a\"}\n{\"shout\":\"b\"}").unwrap_err();
        assert_eq!(error.line, 4);
        assert!(error.what.contains("say, command"), "{}", error.what);
    }

    #[test]
    fn what_other_servers_answer_and_secrets_are_set() {
        let step = one(r#"{"http":{"url":"https://api.example.com/*","json":{"a":1}}}"#).unwrap();
        assert!(step.action.sets_the_scene());
        let step = one(r#"{"secret":"KEY","value":"hidden","host":"api.example.com"}"#).unwrap();
        assert!(step.action.sets_the_scene() && !format!("{:?}", step.action).contains("hidden"));
        for wrong in [
            r#"{"http":{"json":1}}"#,
            r#"{"http":{"url":"x","stats":1}}"#,
            r#"{"secret":"KEY"}"#,
            r#"{"secret":"a b","value":"x"}"#,
            r#"{"secret":"KEY","value":"x","host":"https://x"}"#,
            r#"{"together":[{"http":{"url":"https://a.b"}}]}"#,
        ] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, hint) in [
            ("{", "not JSON"),
            ("[1]", "not a JSON object"),
            (r#"{"say":5}"#, "`say` must be a string"),
            (r#"{"say":"a","sa":1}"#, "`sa` means nothing"),
            (r#"{"choose":"x"}"#, "needs `values`"),
            (r#"{"submit":{"fields":{}}}"#, "`fields` means nothing"),
            (r#"{"advance":"soon"}"#, "15m"),
            (r#"{"advance":-1}"#, "15m"),
            (r#"{"expect":{"mesage":"x"}}"#, "`mesage` means nothing"),
            (r#"{"as":"bob"}"#, "no step"),
            (r#"{"together":{"say":"a"}}"#, "list of steps"),
            (r#"{"together":[{"expect":"a"}]}"#, "other than"),
            (r#"{"together":[]}"#, "needs a list"),
        ] {
            let what = one(text).unwrap_err().what;
            assert!(what.contains(hint), "{text}: {what}");
        }
        assert!(parse("").is_err());
    }

    #[test]
    fn times_are_seconds_or_a_number_with_a_unit() {
        for (text, seconds) in
            [("90", 90), ("\"90s\"", 90), ("\"15m\"", 900), ("\"2h\"", 7200), ("\"1d\"", 86_400)]
        {
            let step = one(&format!("{{\"advance\":{text}}}")).unwrap();
            assert_eq!(step.action, Action::Advance { by: Duration::from_secs(seconds) });
        }
    }
}
