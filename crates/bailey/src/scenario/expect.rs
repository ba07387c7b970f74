//! Expectations: what must have been seen, called, logged or reported since the last action.

use regex::Regex;
use serde_json::Value;

use super::step::Fields;
use super::transcript::{Entry, Record};

/// One expectation. Every part given must hold; parts about a message must hold of one message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Expectation {
    /// `message`: a message appeared (or, with `edited`, changed) with this text.
    message: Option<TextMatch>,
    /// `embed`: with an embed whose JSON has this text.
    embed: Option<TextMatch>,
    /// `button`: with a button or menu of this label or custom id.
    button: Option<TextMatch>,
    /// `file`: with a file of this name.
    file: Option<TextMatch>,
    /// `channel`: in this channel.
    channel: Option<TextMatch>,
    /// `ephemeral`: only the person who asked sees it, or everyone does.
    ephemeral: Option<bool>,
    /// `edited`: the message was changed, not new.
    edited: bool,
    /// `pings`: the names it pings, exactly.
    pings: Option<Vec<String>>,
    /// `modal`: a form opened with this title.
    modal: Option<TextMatch>,
    /// `reaction`: the bot reacted with this emoji.
    reaction: Option<TextMatch>,
    /// `suggested`: while an option was typed, a choice of this name was shown.
    suggested: Option<TextMatch>,
    /// `audited`: the server's audit log has this: `kicked bob (plugin demo: spam)`.
    audited: Option<TextMatch>,
    /// `thinking`: the bot is shown thinking.
    thinking: bool,
    /// `call`: the plugin called this method.
    call: Option<TextMatch>,
    /// `error`: and was refused with this code or message.
    error: Option<TextMatch>,
    /// `request`: another server was asked this: `GET https://…`, then headers, an empty line and the body.
    request: Option<TextMatch>,
    /// `frame`: another server was sent this over a WebSocket.
    frame: Option<TextMatch>,
    /// `log`: a log line with this text.
    log: Option<TextMatch>,
    /// `problem`: Bailey reported this about the plugin.
    problem: Option<TextMatch>,
    /// `nothing`: the bot showed nothing to anybody.
    nothing: bool,
}

/// How a text is compared: a plain string means "contains".
#[derive(Debug, Clone)]
pub(crate) enum TextMatch {
    /// `{"equals": ".."}`
    Equals(String),
    /// `".."` or `{"contains": ".."}`
    Contains(String),
    /// `{"matches": "regular expression"}`
    Matches(Regex),
}

impl PartialEq for TextMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(left), Self::Equals(right)) | (Self::Contains(left), Self::Contains(right)) => {
                left == right
            }
            (Self::Matches(left), Self::Matches(right)) => left.as_str() == right.as_str(),
            _ => false,
        }
    }
}

impl TextMatch {
    pub(crate) fn parse(name: &str, value: &Value) -> Result<Self, String> {
        if let Value::String(text) = value {
            return Ok(Self::Contains(text.clone()));
        }
        let wrong =
            || format!("`{name}` must be a string, or an object with one of `equals`, `contains`, `matches`");
        let object = value.as_object().filter(|object| object.len() == 1).ok_or_else(wrong)?;
        let (how, text) = object.iter().next().ok_or_else(wrong)?;
        let text = text.as_str().ok_or_else(wrong)?;
        match how.as_str() {
            "equals" => Ok(Self::Equals(text.to_owned())),
            "contains" => Ok(Self::Contains(text.to_owned())),
            "matches" => Regex::new(text).map(Self::Matches).map_err(|error| format!("`{name}`: {error}")),
            _ => Err(wrong()),
        }
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(wanted) => text == wanted,
            Self::Contains(wanted) => text.contains(wanted.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }
}

/// A part that is absent holds of everything.
fn holds(part: Option<&TextMatch>, text: &str) -> bool {
    part.is_none_or(|part| part.holds(text))
}

impl Expectation {
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        if let Value::String(_) = value {
            return Ok(Self { message: Some(TextMatch::parse("expect", value)?), ..Self::default() });
        }
        let object = value.as_object().ok_or("`expect` must be an object, a string or a list of these")?;
        let mut fields = Fields(object.clone());
        let pings = match fields.0.shift_remove("pings") {
            None => None,
            Some(value) => {
                Some(serde_json::from_value(value).map_err(|_| "`pings` must be a list of names")?)
            }
        };
        let expectation = Self {
            message: fields.take_match("message")?,
            embed: fields.take_match("embed")?,
            button: fields.take_match("button")?,
            file: fields.take_match("file")?,
            channel: fields.take_match("channel")?,
            ephemeral: fields.take_optional_flag("ephemeral")?,
            edited: fields.take_flag("edited")?,
            pings,
            modal: fields.take_match("modal")?,
            reaction: fields.take_match("reaction")?,
            suggested: fields.take_match("suggested")?,
            audited: fields.take_match("audited")?,
            thinking: fields.take_flag("thinking")?,
            call: fields.take_match("call")?,
            error: fields.take_match("error")?,
            request: fields.take_match("request")?,
            frame: fields.take_match("frame")?,
            log: fields.take_match("log")?,
            problem: fields.take_match("problem")?,
            nothing: fields.take_flag("nothing")?,
        };
        fields.nothing_left()?;
        if expectation == Self::default() {
            return Err("`expect` expects nothing; for silence write {\"nothing\": true}".to_owned());
        }
        Ok(expectation)
    }

    /// Whether it holds of what happened; if not, what was missing.
    pub(crate) fn check(&self, happened: &[Record]) -> Result<(), String> {
        let any = |test: &dyn Fn(&Entry) -> bool| happened.iter().any(|record| test(&record.entry));
        let lacks = |wanted: &Option<TextMatch>, text: &dyn Fn(&Entry) -> Option<&str>| {
            wanted
                .as_ref()
                .is_some_and(|wanted| !any(&|entry| text(entry).is_some_and(|text| wanted.holds(text))))
        };
        let failures = [
            (self.nothing && any(&Entry::is_shown_by_the_bot), "the bot showed something"),
            (self.speaks_of_a_message() && !any(&|entry| self.message_holds(entry)), "no such message"),
            (lacks(&self.modal, &Entry::modal_title), "no such form"),
            (
                self.audited.as_ref().is_some_and(|wanted| {
                    !any(&|entry| entry.audited().is_some_and(|line| wanted.holds(&line)))
                }),
                "nothing like that in the audit log",
            ),
            (
                self.suggested.as_ref().is_some_and(|wanted| {
                    !any(&|entry| entry.suggested().is_some_and(|names| wanted.holds(&names)))
                }),
                "no such suggestion",
            ),
            (lacks(&self.reaction, &Entry::bots_reaction), "no such reaction"),
            (
                self.thinking && !any(&|entry| matches!(entry, Entry::Thinking { .. })),
                "the bot was not shown thinking",
            ),
            (self.speaks_of_a_call() && !any(&|entry| self.call_holds(entry)), "no such call"),
            (
                self.request.as_ref().is_some_and(|wanted| {
                    !any(&|entry| entry.requested().is_some_and(|text| wanted.holds(&text)))
                }),
                "no such request to another server",
            ),
            (lacks(&self.frame, &Entry::framed), "no such frame to another server"),
            (lacks(&self.log, &Entry::logged), "no such log line"),
            (lacks(&self.problem, &Entry::problem), "no such problem was reported"),
        ];
        match failures.into_iter().find(|(failed, _)| *failed) {
            Some((_, missing)) => Err(missing.to_owned()),
            None => Ok(()),
        }
    }

    fn speaks_of_a_call(&self) -> bool {
        self.call.is_some() || self.error.is_some()
    }

    fn speaks_of_a_message(&self) -> bool {
        self.message.is_some()
            || self.embed.is_some()
            || self.button.is_some()
            || self.file.is_some()
            || self.ephemeral.is_some()
            || self.edited
            || self.pings.is_some()
            || self.channel.is_some()
    }

    fn message_holds(&self, entry: &Entry) -> bool {
        let Entry::Message(message) = entry else { return false };
        message.bot
            && message.edited == self.edited
            && holds(self.message.as_ref(), &message.content)
            && holds(self.channel.as_ref(), &message.channel)
            && self.ephemeral.is_none_or(|wanted| wanted == message.only_for.is_some())
            && self.pings.as_ref().is_none_or(|wanted| *wanted == message.pings)
            && self
                .embed
                .as_ref()
                .is_none_or(|wanted| message.embeds.iter().any(|embed| wanted.holds(&embed.to_string())))
            && self.file.as_ref().is_none_or(|wanted| message.files.iter().any(|file| wanted.holds(file)))
            && self
                .button
                .as_ref()
                .is_none_or(|wanted| message.components.iter().any(|row| component_holds(wanted, row)))
    }

    fn call_holds(&self, entry: &Entry) -> bool {
        let Entry::Call { method, error, .. } = entry else { return false };
        holds(self.call.as_ref(), method)
            && self.error.as_ref().is_none_or(|wanted| {
                error.as_ref().is_some_and(|error| wanted.holds(&error.code) || wanted.holds(&error.message))
            })
    }
}

/// Whether a component, or one inside it, has the label or custom id.
fn component_holds(wanted: &TextMatch, component: &Value) -> bool {
    let text = |name: &str| component.get(name).and_then(Value::as_str);
    [text("label"), text("custom_id"), text("placeholder")]
        .into_iter()
        .flatten()
        .any(|text| wanted.holds(text))
        || component
            .get("components")
            .and_then(Value::as_array)
            .is_some_and(|inner| inner.iter().any(|component| component_holds(wanted, component)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::transcript::{CallFailure, Message};

    fn message(content: &str) -> Message {
        Message { content: content.into(), bot: true, channel: "general".into(), ..Message::default() }
    }

    fn check(expectation: Value, entries: Vec<Entry>) -> bool {
        let records: Vec<Record> = entries.into_iter().map(|entry| Record { step: 1, entry }).collect();
        Expectation::parse(&expectation).unwrap().check(&records).is_ok()
    }

    #[test]
    fn a_message_is_found_by_its_text() {
        let seen = || vec![Entry::Message(message("Pong!"))];
        assert!(check(json!("Pong"), seen()));
        assert!(check(json!({"message": {"equals": "Pong!"}}), seen()));
        assert!(check(json!({"message": {"matches": "^P.ng!$"}}), seen()));
        assert!(!check(json!({"message": {"equals": "Pong"}}), seen()));
        assert!(!check(json!({"message": "Ping"}), seen()));
        assert!(!check(json!({"message": "Pong"}), vec![]));
    }

    #[test]
    fn parts_must_hold_of_one_message() {
        let mut second = message("other");
        second.only_for = Some("alice".into());
        let seen = || vec![Entry::Message(message("Pong!")), Entry::Message(second.clone())];
        assert!(check(json!({"message": "other", "ephemeral": true}), seen()));
        assert!(!check(json!({"message": "Pong!", "ephemeral": true}), seen()));
    }

    #[test]
    fn what_people_say_themselves_does_not_count() {
        let mut said = message("!ping");
        said.bot = false;
        assert!(!check(json!({"message": "!ping"}), vec![Entry::Message(said.clone())]));
        assert!(check(json!({"nothing": true}), vec![Entry::Message(said)]));
        assert!(!check(json!({"nothing": true}), vec![Entry::Message(message("Pong!"))]));
    }

    #[test]
    fn buttons_are_found_at_any_depth() {
        let mut with = message("");
        with.components =
            vec![json!({"type": 1, "components": [{"type": 2, "label": "More", "custom_id": "m1"}]})];
        assert!(check(json!({"button": "More"}), vec![Entry::Message(with.clone())]));
        assert!(check(json!({"button": {"equals": "m1"}}), vec![Entry::Message(with.clone())]));
        assert!(!check(json!({"button": "Less"}), vec![Entry::Message(with)]));
    }

    #[test]
    fn refused_calls_are_found_by_code_or_message() {
        let failure = CallFailure { code: "CAPABILITY_DENIED".into(), message: "capability x".into() };
        let call = || Entry::Call {
            plugin: "p".into(),
            server: "1".into(),
            method: "kv.get".into(),
            params: json!({}),
            result: None,
            error: Some(failure.clone()),
        };
        assert!(check(json!({"call": "kv.get", "error": "CAPABILITY_DENIED"}), vec![call()]));
        assert!(!check(json!({"call": "kv.put", "error": "CAPABILITY_DENIED"}), vec![call()]));
        assert!(!check(json!({"error": "VALIDATION_ERROR"}), vec![call()]));
    }

    #[test]
    fn empty_and_misspelt_expectations_are_refused() {
        assert!(Expectation::parse(&json!({})).is_err());
        assert!(Expectation::parse(&json!({"mesage": "x"})).is_err());
        assert!(Expectation::parse(&json!({"message": {"like": "x"}})).is_err());
        assert!(Expectation::parse(&json!({"message": {"matches": "("}})).is_err());
        assert!(Expectation::parse(&json!(5)).is_err());
    }
}
