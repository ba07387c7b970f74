//! `interaction.*`: answers to a command, a click, a choice or a form.
//!
//! An interaction is answered once and may then be added to; which request to Discord that takes is
//! `state::plan`. Several plugins may be told of the same interaction and share its state. A command
//! nobody answered within two seconds is deferred in the plugins' place.

mod openers;
mod state;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bailey_discord::{CallbackBody, DiscordError, Rest};
use bailey_protocol::capability::InteractionRespond;
use bailey_protocol::event::{Interaction, InteractionKind};
use bailey_protocol::method::Done;
use bailey_protocol::method::discord::Sent;
use bailey_protocol::method::interaction::{Defer, Respond, Responded, SendModal, no_active_interaction};
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{CallError, Clock, Grant, InteractionId, Tenant, Timestamp, limits};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::openers::Openers;
use self::state::{State, Step, Wish, plan};
use self::table::{Entry, Table};

/// Discord's codes for an interaction that can no longer be answered: unknown webhook, unknown
/// interaction, invalid webhook token.
const GONE: [u64; 3] = [10015, 10062, 50027];
/// Discord's code for an interaction that somebody has answered already.
const ACKNOWLEDGED: u64 = 40060;

/// The interaction service. A cheap clone; all clones share one table.
#[derive(Clone)]
pub struct Interactions {
    rest: Rest,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    openers: Mutex<Openers>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What an answer carries; which part is used depends on the step.
struct Answer<'a> {
    wish: Wish,
    parts: MessageParts,
    ephemeral: bool,
    modal: Option<&'a SendModal>,
}

impl Interactions {
    /// The service, with times from `clock`.
    pub fn new(rest: Rest, clock: Arc<dyn Clock>) -> Self {
        Self { rest, clock, shared: Arc::default() }
    }

    /// Lets a tenant answer an interaction it is being told of, and sees to it that a command is not
    /// left unanswered. Must be called inside a Tokio runtime.
    pub fn admit(&self, tenant: &Tenant, interaction: &Interaction, received_at: Timestamp) {
        let admitted = lock(&self.shared.table).admit(tenant, interaction, received_at, self.clock.now());
        let Some(entry) = admitted else { return };
        if interaction.kind == InteractionKind::Command {
            let interactions = self.clone();
            self.shared.tasks.spawn(async move { interactions.defer_when_due(&entry).await });
        }
    }

    /// `interaction.respond`. `current` is the interaction of the event the process is handling, for
    /// calls that name none.
    ///
    /// # Errors
    /// [`CallError::Validation`] when there is no interaction to answer or it does not allow this
    /// answer; otherwise what Discord said.
    pub async fn respond(
        &self,
        grant: &Grant<InteractionRespond>,
        params: &Respond,
        current: Option<InteractionId>,
    ) -> Result<Responded, CallError> {
        let wish = if params.update_message { Wish::Update } else { Wish::Respond };
        self.message(grant, params, current, wish).await
    }

    /// `interaction.followup`: one more message. An interaction not yet answered is deferred first.
    ///
    /// # Errors
    /// As [`Interactions::respond`].
    pub async fn followup(
        &self,
        grant: &Grant<InteractionRespond>,
        params: &Respond,
        current: Option<InteractionId>,
    ) -> Result<Responded, CallError> {
        if params.parts.is_empty() {
            return Err(CallError::validation("content", "a text, an embed or a component"));
        }
        self.message(grant, params, current, Wish::Followup).await
    }

    /// `interaction.defer`: the person sees "thinking". Nothing to do once there is an answer.
    ///
    /// # Errors
    /// As [`Interactions::respond`].
    pub async fn defer(
        &self,
        grant: &Grant<InteractionRespond>,
        params: &Defer,
        current: Option<InteractionId>,
    ) -> Result<Done, CallError> {
        let entry = self.find(grant.tenant(), params.interaction, current)?;
        let (parts, ephemeral) = (MessageParts::default(), params.ephemeral);
        let answer = Answer { wish: Wish::Defer, parts, ephemeral, modal: None };
        self.answer(&entry, &answer).await.map(|_| Done::OK)
    }

    /// `interaction.send_modal`: opens a form, as the first answer only.
    ///
    /// # Errors
    /// As [`Interactions::respond`].
    pub async fn send_modal(
        &self,
        grant: &Grant<InteractionRespond>,
        params: &SendModal,
        current: Option<InteractionId>,
    ) -> Result<Done, CallError> {
        let entry = self.find(grant.tenant(), params.interaction, current)?;
        let parts = MessageParts::default();
        let answer = Answer { wish: Wish::Modal, parts, ephemeral: false, modal: Some(params) };
        self.answer(&entry, &answer).await?;
        if let Some(command) = &entry.interaction.command {
            lock(&self.shared.openers).learn(&grant.tenant().plugin, command);
        }
        Ok(Done::OK)
    }

    /// Ends the tasks that wait to defer.
    pub async fn shut_down(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    async fn message(
        &self,
        grant: &Grant<InteractionRespond>,
        params: &Respond,
        current: Option<InteractionId>,
        wish: Wish,
    ) -> Result<Responded, CallError> {
        let entry = self.find(grant.tenant(), params.interaction, current)?;
        let (parts, ephemeral) = (params.parts.clone(), params.ephemeral);
        let sent = self.answer(&entry, &Answer { wish, parts, ephemeral, modal: None }).await?;
        let ids = sent.map(|sent| (sent.message_id, sent.channel_id)).unzip();
        Ok(Responded { ok: true, message_id: ids.0, channel_id: ids.1 })
    }

    /// The interaction a call means: the one it names, or the current one if it names none. A named
    /// one that cannot be answered is not replaced by another: its words are not for other eyes.
    fn find(
        &self,
        tenant: &Tenant,
        named: Option<InteractionId>,
        current: Option<InteractionId>,
    ) -> Result<Arc<Entry>, CallError> {
        let id = named.or(current).ok_or_else(no_active_interaction)?;
        lock(&self.shared.table).find(tenant, id, self.clock.now()).ok_or_else(no_active_interaction)
    }

    /// Takes the steps a wish needs. A step Discord refuses leaves the state as it was.
    async fn answer(&self, entry: &Entry, answer: &Answer<'_>) -> Result<Option<Sent>, CallError> {
        let mut state = entry.state.lock().await;
        loop {
            if *state == State::New && self.is_late(entry) {
                return Err(no_active_interaction());
            }
            let (step, next) = plan(*state, entry.interaction.kind, answer.wish)?;
            match self.take(step, entry, answer).await {
                Ok(sent) => {
                    *state = next;
                    let half_way = answer.wish == Wish::Followup && step == Step::Defer;
                    if !half_way {
                        return Ok(sent);
                    }
                }
                // An earlier answer of ours arrived though we never heard so. Only a first answer
                // can be told this, so the second round is the last.
                Err(DiscordError::Refused { code: ACKNOWLEDGED, .. }) if *state == State::New => {
                    *state = State::Responded;
                }
                Err(DiscordError::Refused { code, .. }) if GONE.contains(&code) => {
                    return Err(no_active_interaction());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_late(&self, entry: &Entry) -> bool {
        self.clock.now().since(entry.received_at) >= limits::INTERACTION_FIRST_ANSWER
    }

    /// Makes one request.
    async fn take(
        &self,
        step: Step,
        entry: &Entry,
        answer: &Answer<'_>,
    ) -> Result<Option<Sent>, DiscordError> {
        let Interaction { id, application, token, .. } = &entry.interaction;
        let (parts, ephemeral) = (&answer.parts, answer.ephemeral);
        let callback = match step {
            Step::Nothing => return Ok(None),
            Step::EditOriginal => return self.rest.edit_original(*application, token, parts).await.map(Some),
            Step::Followup => {
                return self.rest.create_followup(*application, token, parts, ephemeral).await.map(Some);
            }
            Step::Reply => CallbackBody::Message { parts: parts.clone(), ephemeral },
            Step::Defer => CallbackBody::Defer { ephemeral },
            Step::Update => CallbackBody::UpdateMessage { parts: parts.clone() },
            Step::Modal => {
                let Some(modal) = answer.modal else { return Ok(None) };
                CallbackBody::Modal {
                    title: modal.title.clone(),
                    custom_id: modal.custom_id.clone(),
                    components: modal.components.clone(),
                }
            }
        };
        self.rest.interaction_callback(*id, token, callback).await.map(|()| None)
    }

    /// Waits two seconds and answers "thinking" if nobody has answered, for everybody to see, as
    /// nobody has said otherwise. Left alone when a plugin is known to open a form on this command.
    async fn defer_when_due(&self, entry: &Entry) {
        let due = entry.received_at + limits::INTERACTION_AUTO_DEFER;
        tokio::select! {
            biased; // what is due is done, also at a shutdown
            () = self.clock.sleep_until(due) => {}
            () = self.shared.stop.cancelled() => return,
        }
        let command = entry.interaction.command.as_deref().unwrap_or_default();
        let opens_form = {
            let table = lock(&self.shared.table);
            lock(&self.shared.openers).any(table.tenants(entry.interaction.id), command)
        };
        let mut state = entry.state.lock().await; // a plugin's answer may be on its way
        if *state != State::New || self.is_late(entry) || opens_form {
            return;
        }
        let Interaction { id, token, .. } = &entry.interaction;
        match self.rest.interaction_callback(*id, token, CallbackBody::Defer { ephemeral: false }).await {
            Ok(()) => *state = State::Deferred,
            Err(DiscordError::Refused { code: ACKNOWLEDGED, .. }) => *state = State::Responded,
            Err(error) => tracing::warn!(%error, interaction = %id, "could not defer a command in time"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
