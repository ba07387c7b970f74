//! Plays a script step by step and tells, in order, everything that came of each step.

use std::time::Duration;

use bailey_host::Observation;
use bailey_services::secrets::SecretScope;
use bailey_sim::{
    Administer, Choose, Click, CommandUse, ControlError, InVoice, Membership, Observed, React, Say, Sight,
    Submit,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::step::{Action, Scene, Step};
use super::transcript::{CallFailure, Entry, Message, Record};
use crate::clock::ManualClock;
use crate::simulated::Simulated;

/// What a run needs.
pub(crate) struct Runner<'a> {
    pub(crate) stack: &'a Simulated,
    /// What the host saw.
    pub(crate) observations: mpsc::UnboundedReceiver<Observation>,
    /// The clock that `advance` moves; `None` on the machine's clock.
    pub(crate) clock: Option<&'a ManualClock>,
    /// How long a step may take.
    pub(crate) step_timeout: Duration,
    /// Requests to other servers that were told of.
    pub(crate) requests: usize,
    /// Frames to other servers that were told of.
    pub(crate) frames: usize,
    /// Where each line of the transcript goes.
    pub(crate) tell: Box<dyn FnMut(&Record) + 'a>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Steps played.
    pub(crate) steps: usize,
    /// Expectations checked.
    pub(crate) expectations: usize,
    /// Expectations that did not hold and steps that could not be played.
    pub(crate) failures: usize,
}

impl Outcome {
    /// Whether everything held.
    pub(crate) fn passed(self) -> bool {
        self.failures == 0
    }
}

impl Runner<'_> {
    /// Plays the whole script; a step that fails does not stop the rest.
    pub(crate) async fn play(mut self, steps: &[Step]) -> (Outcome, mpsc::UnboundedReceiver<Observation>) {
        let mut outcome = Outcome { steps: 0, expectations: 0, failures: 0 };
        let mut seen = self.stack.control().observed_since(0).last().map_or(0, |item| item.index);
        let mut happened: Vec<Record> = Vec::new();
        let mut after_expect = false;
        // The start belongs to no step.
        if let Err(reason) = self.gather(0, &mut seen, &mut happened).await {
            outcome.failures += 1;
            self.emit(&mut happened, Record { step: 0, entry: Entry::StepFailed { reason } });
        }
        for step in steps {
            outcome.steps += 1;
            if let Action::Expect { expectations } = &step.action {
                for (expected, expectation) in expectations {
                    outcome.expectations += 1;
                    let missing = expectation.check(&happened).err();
                    outcome.failures += usize::from(missing.is_some());
                    let entry =
                        Entry::Expectation { held: missing.is_none(), missing, expected: expected.clone() };
                    (self.tell)(&Record { step: step.line, entry });
                }
                after_expect = true;
                continue;
            }
            if after_expect {
                happened.clear();
                after_expect = false;
            }
            (self.tell)(&Record { step: step.line, entry: Entry::Step { source: shown(step) } });
            let played = match step.action.sets_the_scene() {
                true => self.set_the_scene(&step.action).await,
                false => self.act(step),
            };
            let settled = self.gather(step.line, &mut seen, &mut happened).await;
            if let Err(reason) = played.and(settled) {
                outcome.failures += 1;
                self.emit(&mut happened, Record { step: step.line, entry: Entry::StepFailed { reason } });
            }
        }
        let entry = Entry::Result {
            steps: outcome.steps,
            expectations: outcome.expectations,
            failures: outcome.failures,
            passed: outcome.passed(),
        };
        (self.tell)(&Record { step: steps.last().map_or(0, |step| step.line), entry });
        (outcome, self.observations)
    }

    fn emit(&mut self, happened: &mut Vec<Record>, record: Record) {
        (self.tell)(&record);
        happened.push(record);
    }

    /// Waits until the step has had its whole effect, then tells of it.
    async fn gather(
        &mut self,
        step: usize,
        seen: &mut u64,
        happened: &mut Vec<Record>,
    ) -> Result<(), String> {
        let settled = self.stack.settled(self.step_timeout).await;
        let sights = self.stack.control().observed_since(*seen);
        *seen = sights.last().map_or(*seen, |item| item.index);
        let requests = self.stack.fixtures().map(|fixtures| fixtures.seen()).unwrap_or_default();
        for request in requests.into_iter().skip(self.requests) {
            self.requests += 1;
            self.emit(happened, Record { step, entry: Entry::Request(request) });
        }
        let frames = self.stack.fixtures().map(|fixtures| fixtures.told()).unwrap_or_default();
        for frame in frames.into_iter().skip(self.frames) {
            self.frames += 1;
            self.emit(happened, Record { step, entry: Entry::Frame(frame) });
        }
        let mut observations = Vec::new();
        while let Ok(observation) = self.observations.try_recv() {
            observations.push(observation);
        }
        for entry in in_order(&sights, &observations) {
            self.emit(happened, Record { step, entry });
        }
        if settled {
            return Ok(());
        }
        Err(format!(
            "the plugin was not finished after {} s: {}",
            self.step_timeout.as_secs(),
            self.stack.under_way()
        ))
    }

    /// Prepares what comes.
    async fn set_the_scene(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::AnswerHttp { fixture } => {
                let real =
                    "here plugins reach the real internet; answers can be written down for `bailey try`";
                self.stack.fixtures().ok_or(real)?.add(fixture.clone())
            }
            Action::AnswerSocket { fixture } => {
                let real =
                    "here plugins reach the real internet; servers can be written down for `bailey try`";
                self.stack.fixtures().ok_or(real)?.add_socket(fixture.clone());
                Ok(())
            }
            Action::SetSecret { name, value, host } => {
                let host = host.as_ref().map(ToString::to_string);
                for plugin in self.stack.plugins().await? {
                    let scope = SecretScope { plugin, guild: None };
                    let set = self.stack.secrets().put(&scope, name, host.as_deref(), value).await;
                    set.map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Does what the step says, as a person in the simulated Discord.
    fn act(&self, step: &Step) -> Result<(), String> {
        if let Action::Push { url, frame } = &step.action {
            return self.push(url, frame.as_deref());
        }
        self.act_as_a_person(step)
    }

    /// Does what a server does whose plugin is connected to it.
    fn push(&self, url: &str, frame: Option<&str>) -> Result<(), String> {
        let real = "here plugins reach the real internet";
        let fixtures = self.stack.fixtures().ok_or(real)?;
        let reached = match frame {
            Some(frame) => fixtures.push(url, frame),
            None => fixtures.drop_sockets(url),
        };
        if reached == 0 { Err(format!("nobody is connected to {url}")) } else { Ok(()) }
    }

    fn act_as_a_person(&self, step: &Step) -> Result<(), String> {
        let failed = |error: ControlError| error.to_string();
        let control = self.stack.control();
        let Scene { person, channel, server } = step.scene.clone();
        let guild = server.map(|server| self.stack.server_name(&server));
        match step.action.clone() {
            Action::Say { content, reply } => {
                let reply_to =
                    if reply { self.newest_message(guild.as_deref(), channel.as_deref()) } else { None };
                control
                    .say(Say { person, guild, channel, content, reply_to, attachments: Vec::new() })
                    .map_err(failed)?;
            }
            Action::Command { name, options, target, focused } => {
                control
                    .command(CommandUse { person, guild, channel, name, options, target, focused })
                    .map_err(failed)?;
            }
            Action::Click { target } => {
                let by_id =
                    Click { person, guild, custom_id: Some(target.clone()), label: None, message: None };
                let by_label = Click { custom_id: None, label: Some(target), ..by_id.clone() };
                control.click(&by_id).or_else(|_| control.click(&by_label)).map_err(failed)?;
            }
            Action::Choose { target, values } => {
                control
                    .choose(&Choose { person, guild, custom_id: target, values, message: None })
                    .map_err(failed)?;
            }
            Action::Submit { target, values } => {
                control.submit(&Submit { person, custom_id: target, values }).map_err(failed)?;
            }
            Action::Join { person } => {
                control.join(&Membership { name: person, guild }).map_err(failed)?;
            }
            Action::Leave { person } => {
                control.leave(&Membership { name: person, guild }).map_err(failed)?;
            }
            Action::Administer { change } => {
                control.administer(&Administer { guild, change }).map_err(failed)?;
            }
            Action::Voice { channel, mute, deaf, stream, video } => {
                control
                    .voice(&InVoice { person, guild, channel, mute, deaf, stream, video })
                    .map_err(failed)?;
            }
            Action::React { emoji } => {
                control.react(React { person, guild, channel, emoji, message: None }).map_err(failed)?;
            }
            Action::Advance { by } => {
                control.advance(by).map_err(failed)?;
                if let Some(clock) = self.clock {
                    clock.advance(by);
                }
            }
            Action::Together { steps } => {
                for step in &steps {
                    self.act(step)?;
                }
            }
            Action::AnswerHttp { .. }
            | Action::AnswerSocket { .. }
            | Action::Push { .. }
            | Action::SetSecret { .. }
            | Action::Expect { .. } => {}
        }
        Ok(())
    }

    /// The message a reply goes to.
    fn newest_message(&self, guild: Option<&str>, channel: Option<&str>) -> Option<bailey_sim::Snowflake> {
        self.stack.control().observed_since(0).into_iter().rev().find_map(|item| match item.what {
            Sight::MessagePosted { message } => {
                let here = channel.is_none_or(|name| message.channel == name);
                let there =
                    guild.is_none_or(|name| self.stack.server_of(message.guild_id).as_deref() == Some(name));
                (here && there).then_some(message.id)
            }
            _ => None,
        })
    }
}

/// The step as written, but for secrets.
fn shown(step: &Step) -> Value {
    let mut source = step.source.clone();
    if let (Action::SetSecret { .. }, Some(value)) = (&step.action, source.get_mut("value")) {
        *value = "(not shown)".into();
    }
    source
}

/// Both accounts of one step in one order: what people did, then what the plugin did, each message
/// after the call that sent it, then what else was seen.
fn in_order(sights: &[Observed], observations: &[Observation]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut later: Vec<(Option<String>, Entry)> = Vec::new();
    for sight in sights {
        let (entry, by_a_person) = seen(&sight.what);
        match (&entry, by_a_person) {
            (_, true) => entries.push(entry),
            (Entry::Message(message), false) => later.push((Some(message.message_id.clone()), entry)),
            _ => later.push((None, entry)),
        }
    }
    for observation in observations {
        let Some(entry) = observed(observation) else { continue };
        let sent = match &entry {
            Entry::Call { result: Some(result), .. } => result["message_id"].as_str().map(str::to_owned),
            _ => None,
        };
        entries.push(entry);
        if let Some(sent) = sent
            && let Some(at) = later.iter().position(|(id, _)| id.as_deref() == Some(sent.as_str()))
        {
            entries.push(later.remove(at).1);
        }
    }
    entries.extend(later.into_iter().map(|(_, entry)| entry));
    entries
}

/// A sight as an entry, and whether a person (not the bot) made it.
pub(crate) fn seen(sight: &Sight) -> (Entry, bool) {
    let entry = match sight {
        Sight::MessagePosted { message } => return (Entry::Message(text(message, false)), !message.bot),
        Sight::MessageEdited { message } => return (Entry::Message(text(message, true)), !message.bot),
        Sight::MessageDeleted { message_id, channel, .. } => {
            Entry::Deleted { channel: channel.clone(), message_id: message_id.to_string() }
        }
        Sight::Thinking { person, ephemeral, .. } => {
            Entry::Thinking { person: person.clone(), only_for: ephemeral.then(|| person.clone()) }
        }
        Sight::ModalOpened { person, custom_id, title, fields, .. } => Entry::Modal {
            person: person.clone(),
            title: title.clone(),
            custom_id: custom_id.clone(),
            fields: fields.iter().map(|field| json!(field)).collect(),
        },
        Sight::Choices { person, choices, .. } => Entry::Suggestions {
            person: person.clone(),
            choices: choices.iter().map(|choice| choice["name"].as_str().unwrap_or("").to_owned()).collect(),
        },
        Sight::ReactionAdded { message_id, person, emoji, bot } => {
            let entry = reaction(message_id, person, *bot, emoji, false);
            return (entry, !bot);
        }
        Sight::ReactionRemoved { message_id, person, emoji, bot } => {
            let entry = reaction(message_id, person, *bot, emoji, true);
            return (entry, !bot);
        }
        Sight::InteractionFailed { person, reason, .. } => {
            Entry::InteractionFailed { person: person.clone(), reason: reason.clone() }
        }
        Sight::MemberJoined { guild, person } => {
            return (Entry::Member { person: person.clone(), server: guild.clone(), joined: true }, true);
        }
        Sight::MemberLeft { guild, person } => {
            return (Entry::Member { person: person.clone(), server: guild.clone(), joined: false }, true);
        }
        Sight::Audited { guild, action, target, reason } => Entry::Audited {
            server: guild.clone(),
            action: action.clone(),
            target: target.clone(),
            reason: reason.clone(),
        },
        other => Entry::Seen { what: json!(other) },
    };
    (entry, false)
}

fn reaction(message_id: &bailey_sim::Snowflake, by: &str, bot: bool, emoji: &str, removed: bool) -> Entry {
    Entry::Reaction {
        by: by.to_owned(),
        bot,
        emoji: emoji.to_owned(),
        message_id: message_id.to_string(),
        removed,
    }
}

fn text(message: &bailey_sim::SeenMessage, edited: bool) -> Message {
    Message {
        message_id: message.id.to_string(),
        author: message.author.clone(),
        bot: message.bot,
        server: message.guild_id.to_string(),
        channel: message.channel.clone(),
        content: message.content.clone(),
        embeds: message.embeds.clone(),
        components: message.components.clone(),
        files: message.files.iter().map(|file| file.name.clone()).collect(),
        pings: message.pings.clone(),
        only_for: message.ephemeral_to.clone(),
        edited,
    }
}

/// An observation as an entry; what only a host's developer wants to know is left out.
pub(crate) fn observed(observation: &Observation) -> Option<Entry> {
    let who = |tenant: &bailey_protocol::Tenant| (tenant.plugin.to_string(), tenant.guild.to_string());
    let life = |tenant: &bailey_protocol::Tenant, what: String| {
        let (plugin, server) = who(tenant);
        Some(Entry::Life { plugin, server, what })
    };
    match observation {
        Observation::SessionStarted { tenant, .. } => life(tenant, "started".to_owned()),
        Observation::SessionEnded { tenant, reason } => life(tenant, format!("ended: {reason}")),
        Observation::EventFailed { tenant, event, reason } => {
            life(tenant, format!("failed to handle {event}: {reason}"))
        }
        Observation::EventRedelivered { tenant, event, attempt } => {
            life(tenant, format!("was given {event} again, attempt {attempt}"))
        }
        Observation::EventDeadLettered { tenant, event, reason } => {
            life(tenant, format!("will not be given {event} again: {reason}"))
        }
        Observation::EventRefused { tenant, event, reason } => {
            life(tenant, format!("is not given {event}: {reason}"))
        }
        Observation::SessionChanged { .. }
        | Observation::EventDelivered { .. }
        | Observation::EventAcked { .. } => None,
        Observation::Call { tenant, method, params, outcome, .. } => {
            let (plugin, server) = who(tenant);
            let (result, error) = match outcome {
                Ok(result) => (Some(json_or_text(result)), None),
                Err(error) => {
                    let failure = CallFailure { code: error.code.to_owned(), message: error.message.clone() };
                    (None, Some(failure))
                }
            };
            let params = json_or_text(params);
            Some(Entry::Call { plugin, server, method: method.clone(), params, result, error })
        }
        Observation::Log { tenant, line } => {
            let (plugin, server) = who(tenant);
            Some(Entry::Log {
                plugin,
                server,
                level: line.level.as_str().to_owned(),
                message: line.message.clone(),
                tags: line.tags.clone(),
                extra: json!(line.extra),
            })
        }
        Observation::Problem { tenant, message } => {
            let (plugin, server) = who(tenant);
            Some(Entry::Problem { plugin, server, message: message.clone() })
        }
    }
}

/// JSON as it is; text that was cut, as text.
fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
