//! The life of an interaction: asked, acknowledged within three seconds, answered for fifteen minutes.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::State;
use super::feed::{SeenField, Sight};
use super::messages::Posting;
use super::model::{Draft, Origin, flag};
use super::sessions::Dispatch;
use crate::clock::Snowflake;
use crate::endpoint::Delivery;
use crate::error::{ApiError, FieldErrors};
use crate::payload;

/// How long the first answer may take.
const ACKNOWLEDGE_MS: u64 = 3_000;
/// How long the token works.
const TOKEN_MS: u64 = 15 * 60 * 1000;
/// Interactions remembered; the oldest give way.
const MOST_INTERACTIONS: usize = 1000;

/// All interactions, and the forms open in front of people.
#[derive(Debug, Default)]
pub(crate) struct Interactions {
    by_id: IndexMap<Snowflake, Interaction>,
    pub(crate) modals: HashMap<Snowflake, Modal>,
}

/// Discord's interaction types, the ones a bot is sent.
pub(crate) mod kind {
    pub(crate) const COMMAND: u8 = 2;
    pub(crate) const COMPONENT: u8 = 3;
    pub(crate) const AUTOCOMPLETE: u8 = 4;
    pub(crate) const MODAL_SUBMIT: u8 = 5;
}

#[derive(Debug, Clone)]
pub(crate) struct Interaction {
    pub(crate) id: Snowflake,
    token: String,
    pub(crate) kind: u8,
    pub(crate) user: Snowflake,
    pub(crate) guild: Snowflake,
    pub(crate) channel: Snowflake,
    created_ms: u64,
    phase: Phase,
    /// The message that `@original` means.
    pub(crate) original: Option<Snowflake>,
    /// The message whose component was used.
    source: Option<Snowflake>,
    name: Option<String>,
    opened_by: Option<Box<Origin>>,
}

impl Interaction {
    fn origin(&self) -> Origin {
        Origin {
            interaction: self.id,
            kind: self.kind,
            user: self.user,
            name: self.name.clone(),
            interacted_message: self.source,
            original: None,
            opened_by: self.opened_by.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody has answered yet.
    Waiting,
    /// Acknowledged, perhaps with more to come.
    Answered,
    /// Nobody answered in time.
    Failed,
}

/// A form in front of a person.
#[derive(Debug, Clone)]
pub(crate) struct Modal {
    pub(crate) custom_id: String,
    pub(crate) components: Vec<Value>,
    pub(crate) fields: Vec<SeenField>,
    pub(crate) guild: Snowflake,
    pub(crate) channel: Snowflake,
    pub(crate) source: Option<Snowflake>,
    pub(crate) opened_by: Origin,
}

/// What is being asked of the bot.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) kind: u8,
    pub(crate) user: Snowflake,
    pub(crate) guild: Snowflake,
    pub(crate) channel: Snowflake,
    pub(crate) data: Value,
    pub(crate) source: Option<Snowflake>,
    pub(crate) name: Option<String>,
    /// What opened the form, for forms.
    pub(crate) opened_by: Option<Box<Origin>>,
}

impl State {
    /// Sends INTERACTION_CREATE and gives the interaction's id.
    pub(crate) fn ask(&mut self, asking: Asking) -> Option<Snowflake> {
        let id = self.new_id();
        let token = self.random_hex(32);
        self.recorder.learn("interaction", &token);
        let guild = self.guilds.get(&asking.guild)?;
        let channel = self.channels.get(&asking.channel)?;
        let mut data = self.interaction_surroundings(guild, channel, asking.user);
        data.insert("id".to_owned(), json!(id));
        data.insert("type".to_owned(), json!(asking.kind));
        data.insert("token".to_owned(), json!(token));
        data.insert("data".to_owned(), asking.data);
        if let Some(message) = asking.source.and_then(|source| self.message(asking.channel, source)) {
            data.insert("message".to_owned(), self.render_message(message));
        }
        let interaction = Interaction {
            id,
            token: token.clone(),
            kind: asking.kind,
            user: asking.user,
            guild: asking.guild,
            channel: asking.channel,
            created_ms: self.clock.steady_ms(),
            phase: Phase::Waiting,
            original: None,
            source: asking.source,
            name: asking.name,
            opened_by: asking.opened_by,
        };
        if self.interactions.by_id.len() >= MOST_INTERACTIONS {
            self.interactions.by_id.shift_remove_index(0);
        }
        self.interactions.by_id.insert(id, interaction);
        if let (Some(url), Some(deliveries)) = (self.endpoint.clone(), &self.deliveries) {
            let body = Value::Object(data).to_string().into_bytes();
            // It fails only once the simulator stops.
            let _ = deliveries.send(Delivery { url, interaction: id, token, body });
            return Some(id);
        }
        let guild = Some(asking.guild);
        let event = "INTERACTION_CREATE";
        self.dispatch(&Dispatch { event, guild, intents: 0, data: Value::Object(data), strip: false });
        Some(id)
    }

    /// Fails what nobody answered in time. Called whenever time has passed.
    pub(crate) fn expire(&mut self) {
        let now = self.clock.steady_ms();
        let late = |at: &Interaction, window: u64| now >= at.created_ms.saturating_add(window);
        let mut failed = Vec::new();
        for interaction in self.interactions.by_id.values_mut() {
            if interaction.phase == Phase::Waiting && late(interaction, ACKNOWLEDGE_MS) {
                interaction.phase = Phase::Failed;
                failed.push((interaction.id, interaction.user, "nobody answered within 3 seconds"));
            } else if interaction.phase == Phase::Answered && late(interaction, TOKEN_MS) {
                interaction.phase = Phase::Failed;
                let loading = interaction
                    .original
                    .and_then(|id| self.channels.get(&interaction.channel)?.messages.get(&id))
                    .is_some_and(|message| message.flags & flag::LOADING != 0);
                if loading {
                    failed.push((
                        interaction.id,
                        interaction.user,
                        "the answer did not follow within 15 minutes",
                    ));
                }
            }
        }
        for (interaction_id, user, reason) in failed {
            let sight = Sight::InteractionFailed {
                interaction_id,
                person: self.name_of(user),
                reason: reason.to_owned(),
            };
            self.feed.push(now, sight);
        }
    }

    /// Whether the bot has acknowledged it; `None` for one that is unknown.
    pub(crate) fn is_answered(&self, id: Snowflake) -> Option<bool> {
        self.interactions.by_id.get(&id).map(|interaction| interaction.phase != Phase::Waiting)
    }

    /// The first answer. Gives the interaction as it is afterwards.
    pub(crate) fn answer(
        &mut self,
        id: Snowflake,
        token: &str,
        body: &Value,
        uploads: Vec<super::model::Upload>,
    ) -> Result<Interaction, ApiError> {
        self.expire();
        let known = self.interactions.by_id.get(&id).filter(|known| known.token == token).cloned();
        let known = known.ok_or_else(ApiError::unknown_interaction)?;
        match known.phase {
            Phase::Waiting => {}
            Phase::Answered => return Err(ApiError::already_acknowledged()),
            Phase::Failed => return Err(ApiError::unknown_interaction()),
        }
        let Some(callback) = body.get("type").and_then(Value::as_u64) else {
            let mut errors = FieldErrors::default();
            errors.required("type");
            errors.finish()?;
            return Err(ApiError::invalid_json());
        };
        let allowed: &[u64] = match known.kind {
            kind::COMMAND => &[4, 5, 9],
            kind::COMPONENT => &[4, 5, 6, 7, 9],
            kind::AUTOCOMPLETE => &[8],
            _ if known.source.is_some() => &[4, 5, 6, 7],
            _ => &[4, 5],
        };
        if !allowed.contains(&callback) {
            let names: Vec<String> = allowed.iter().map(u64::to_string).collect();
            let mut errors = FieldErrors::default();
            errors.choices("type", &names.join(", "));
            errors.finish()?;
        }
        let data = body.get("data").cloned().unwrap_or_else(|| json!({}));
        let original = match callback {
            4 => Some(self.answer_with_message(&known, payload::message(&data, uploads, "data")?)?),
            5 => Some(self.answer_with_thinking(&known, &data)?),
            6 => {
                let sight = Sight::Acknowledged { interaction_id: id, person: self.name_of(known.user) };
                self.feed.push(self.clock.steady_ms(), sight);
                known.source
            }
            7 => {
                let source = known.source.ok_or_else(ApiError::unknown_message)?;
                let draft = payload::edit(&data, uploads, "data")?;
                self.edit(known.channel, source, draft)?;
                Some(source)
            }
            8 => {
                self.show_choices(&known, &data)?;
                None
            }
            _ => {
                self.open_modal(&known, &data)?;
                None
            }
        };
        let Some(kept) = self.interactions.by_id.get_mut(&id) else {
            return Err(ApiError::unknown_interaction());
        };
        kept.phase = Phase::Answered;
        kept.original = original;
        Ok(kept.clone())
    }

    fn answer_with_message(&mut self, at: &Interaction, draft: Draft) -> Result<Snowflake, ApiError> {
        let ephemeral = draft.flags & flag::EPHEMERAL != 0;
        self.post(self.posting(at, ephemeral), draft)
    }

    fn answer_with_thinking(&mut self, at: &Interaction, data: &Value) -> Result<Snowflake, ApiError> {
        let flags = data.get("flags").and_then(Value::as_u64).unwrap_or(0) & flag::SETTABLE;
        let ephemeral = flags & flag::EPHEMERAL != 0;
        let mut posting = self.posting(at, ephemeral);
        posting.flags = flag::LOADING;
        let id = self.post(posting, Draft { flags, ..Draft::default() })?;
        let sight = Sight::Thinking {
            interaction_id: at.id,
            person: self.name_of(at.user),
            channel: self.channel_name(at.channel),
            ephemeral,
        };
        self.feed.push(self.clock.steady_ms(), sight);
        Ok(id)
    }

    fn posting(&self, at: &Interaction, ephemeral: bool) -> Posting {
        Posting {
            channel: at.channel,
            author: self.application.id,
            kind: (at.kind == kind::COMMAND).then_some(20),
            origin: Some(at.origin()),
            ephemeral_to: ephemeral.then_some(at.user),
            flags: 0,
            webhook_name: None,
        }
    }

    fn show_choices(&mut self, at: &Interaction, data: &Value) -> Result<(), ApiError> {
        let choices = payload::choices(data)?;
        let sight = Sight::Choices { interaction_id: at.id, person: self.name_of(at.user), choices };
        self.feed.push(self.clock.steady_ms(), sight);
        Ok(())
    }

    fn open_modal(&mut self, at: &Interaction, data: &Value) -> Result<(), ApiError> {
        let (custom_id, title, components, fields) = payload::modal(data)?;
        let modal = Modal {
            custom_id: custom_id.clone(),
            components,
            fields: fields.clone(),
            guild: at.guild,
            channel: at.channel,
            source: at.source,
            opened_by: at.origin(),
        };
        self.interactions.modals.insert(at.user, modal);
        let sight = Sight::ModalOpened {
            interaction_id: at.id,
            person: self.name_of(at.user),
            custom_id,
            title,
            fields,
        };
        self.feed.push(self.clock.steady_ms(), sight);
        Ok(())
    }

    /// The acknowledged interaction behind a webhook token that still works.
    pub(crate) fn by_token(&mut self, application: Snowflake, token: &str) -> Result<Interaction, ApiError> {
        self.expire();
        if application != self.application.id {
            return Err(ApiError::unknown_webhook());
        }
        let known = self.interactions.by_id.values().find(|known| known.token == token);
        let known = known.ok_or_else(ApiError::invalid_webhook_token)?;
        match known.phase {
            Phase::Answered => Ok(known.clone()),
            Phase::Waiting => Err(ApiError::unknown_webhook()),
            Phase::Failed => Err(ApiError::invalid_webhook_token()),
        }
    }

    /// A further message; the first one after "thinking" takes its place, as on Discord.
    pub(crate) fn follow_up(&mut self, at: &Interaction, draft: Draft) -> Result<Snowflake, ApiError> {
        if let Some(original) = at.original
            && self.message(at.channel, original).is_some_and(|message| message.flags & flag::LOADING != 0)
        {
            let flags = draft.flags & !flag::EPHEMERAL;
            self.edit(at.channel, original, Draft { flags, ..draft })?;
            return Ok(original);
        }
        let ephemeral = draft.flags & flag::EPHEMERAL != 0;
        let mut posting = self.posting(at, ephemeral);
        posting.kind = Some(if at.original.is_some() { 19 } else { 0 });
        if let Some(origin) = &mut posting.origin {
            origin.original = at.original;
        }
        let reference = None;
        self.post(posting, Draft { reference, ..draft })
    }

    /// The message `which` (an id or `@original`) of an interaction.
    pub(crate) fn interaction_message(&self, at: &Interaction, which: &str) -> Result<Snowflake, ApiError> {
        let id = if which == "@original" { at.original } else { which.parse().ok() };
        id.filter(|id| {
            let message = self.message(at.channel, *id);
            let of_this = |message: &super::model::Message| {
                Some(message.id) == at.original
                    || message.origin.as_ref().is_some_and(|origin| origin.interaction == at.id)
            };
            message.is_some_and(of_this)
        })
        .ok_or_else(ApiError::unknown_message)
    }
}
