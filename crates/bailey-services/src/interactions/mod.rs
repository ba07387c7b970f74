//! `interaction.*`: answers to a command, a click, a choice or a form.
//!
//! An interaction is answered once and may then be added to; which request to Discord that takes is
//! `state::plan`. Several plugins may be told of the same interaction and share its state. A command
//! nobody answered within two seconds is deferred in the plugins' place, for everybody to see; an
//! answer that is for one person then appears as a message of its own, once the "thinking" is gone. What
//! people read when no plugin will answer is in `unanswered`.

pub mod commands;
mod openers;
mod requests;
mod state;
mod table;
mod unanswered;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bailey_discord::{CallbackBody, DiscordError, Rest};
use bailey_protocol::capability::InteractionRespond;
use bailey_protocol::event::{Interaction, InteractionKind};
use bailey_protocol::method::Done;
use bailey_protocol::method::discord::Sent;
use bailey_protocol::method::interaction::{Defer, Respond, Responded, SendModal, no_active_interaction};
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{CallError, Clock, Event, Grant, GuildId, InteractionId, Tenant, Timestamp, limits};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::commands::{Offer, Offered};
use self::openers::Openers;
use self::requests::{Answer, not_private};
use self::state::{Asked, State, Step, Wish, is_half_way, plan};
use self::table::{Entry, Table};
pub use self::unanswered::Unanswered;

/// Discord's codes for an interaction that can no longer be answered: unknown webhook, unknown
/// interaction, invalid webhook token.
const GONE: [u64; 3] = [10015, 10062, 50027];
/// Discord's code for an interaction that somebody has answered already.
const ACKNOWLEDGED: u64 = 40060;
/// Discord's code for a message that is gone, or that the bot's token does not reach.
const UNKNOWN_MESSAGE: u64 = 10008;
/// Discord's code for the original of an interaction that nobody has answered.
const NO_ANSWER_YET: u64 = 10015;
/// Requests one call may take. The plan needs at most five; a Discord that contradicts itself
/// meets this bound.
const MOST_STEPS: usize = 8;

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
    offered: RwLock<Offered>,
    /// Options being typed whose suggestions are on their way.
    suggesting: watch::Sender<usize>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Interactions {
    /// The service, with times from `clock`.
    pub fn new(rest: Rest, clock: Arc<dyn Clock>) -> Self {
        Self { rest, clock, shared: Arc::default() }
    }

    /// Remembers which commands a server is offered, to know them again in [`Interactions::take_in`].
    pub fn offer(&self, guild: GuildId, offer: &Offer) {
        self.shared.offered.write().unwrap_or_else(PoisonError::into_inner).set(guild, offer);
    }

    /// What of an event plugins are told: a command under the name its plugin knows, and nothing of an option
    /// that is being typed. That is answered here and at once, with what the manifest lists, because no SDK
    /// has handlers for it, and silence shows as a failure. Must be called inside a Tokio runtime.
    pub fn take_in(&self, event: Event) -> Option<Event> {
        let offered = self.shared.offered.read().unwrap_or_else(PoisonError::into_inner);
        let Some(typed) = event.interaction.as_ref().filter(|one| one.kind == InteractionKind::Autocomplete)
        else {
            return Some(offered.translated(event));
        };
        let (id, token) = (typed.id, typed.token.clone());
        let body = CallbackBody::Suggestions { choices: offered.suggestions(&event) };
        let (rest, shared) = (self.rest.clone(), Arc::clone(&self.shared));
        shared.suggesting.send_modify(|count| *count += 1);
        self.shared.tasks.spawn(async move {
            // Who types on is asked anew with the next letter.
            if let Err(error) = rest.interaction_callback(id, &token, body).await {
                tracing::debug!(%error, interaction = %id, "no suggestions were shown");
            }
            shared.suggesting.send_modify(|count| *count -= 1);
        });
        None
    }

    /// Waits until everybody who was typing an option has been answered.
    pub async fn suggestions_shown(&self) {
        let _ = self.shared.suggesting.subscribe().wait_for(|count| *count == 0).await; // its sender is here
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
        let answer = Answer { wish: Wish::Defer, parts, ephemeral, modal: None, by: Some(grant.tenant()) };
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
        let answer = Answer {
            wish: Wish::Modal,
            parts,
            ephemeral: false,
            modal: Some(params),
            by: Some(grant.tenant()),
        };
        self.answer(&entry, &answer).await?;
        if let Some(command) = &entry.interaction.command {
            lock(&self.shared.openers).learn(&grant.tenant().plugin, command);
        }
        Ok(Done::OK)
    }

    /// An interaction a tenant was told of, while it can be answered.
    pub fn told(&self, tenant: &Tenant, id: InteractionId) -> Option<Interaction> {
        let entry = lock(&self.shared.table).find(tenant, id, self.clock.now())?;
        Some(entry.interaction.clone())
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
        let sent = self
            .answer(&entry, &Answer { wish, parts, ephemeral, modal: None, by: Some(grant.tenant()) })
            .await?;
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
        let mut progress = entry.progress.lock().await;
        let message = entry.interaction.message;
        let mut reaches_message = message.is_some_and(|message| !message.ephemeral);
        for _ in 0..MOST_STEPS {
            let (state, whisper) = (progress.state, progress.whisper);
            if state == State::New && self.is_late(entry) {
                return Err(no_active_interaction());
            }
            let private = match answer.wish {
                Wish::Update => message.is_some_and(|message| message.ephemeral),
                _ => answer.ephemeral || whisper,
            };
            let asked = Asked { wish: answer.wish, kind: entry.interaction.kind, private, reaches_message };
            let (step, next) = plan(state, asked)?;
            let taken = match step {
                Step::Look => self.look(entry).await.map(|found| (None, found)),
                _ => self.take(step, entry, answer, private).await.map(|sent| (sent, next)),
            };
            if step == Step::Defer && taken.is_ok() {
                progress.deferred_by = answer.by.cloned();
            }
            match taken {
                Ok((_, next)) if is_half_way(answer.wish, step) => progress.state = next,
                Ok((sent, next)) => {
                    progress.state =
                        if step == Step::EditMessage { self.tidy(entry, state).await } else { next };
                    progress.heard(answer.wish, answer.ephemeral);
                    return Ok(sent);
                }
                // An earlier answer of ours arrived though we never heard so.
                Err(DiscordError::Refused { code: ACKNOWLEDGED, .. }) if state == State::New => {
                    progress.state = State::Unclear;
                }
                Err(DiscordError::Refused { code, .. }) if GONE.contains(&code) => {
                    return Err(no_active_interaction());
                }
                // Somebody removed the "thinking"; what was to take its place becomes a message.
                Err(DiscordError::Refused { code: UNKNOWN_MESSAGE, .. })
                    if step == Step::EditOriginal && state != State::Responded =>
                {
                    progress.state = State::Cleared;
                }
                // Interactions also come from channels the bot itself may not look into.
                Err(DiscordError::Refused { status: 403, .. }) if step == Step::EditMessage => {
                    reaches_message = false;
                }
                Err(error) if step == Step::RemoveThinking => return Err(not_private(error)),
                Err(error) => return Err(error.into()),
            }
        }
        tracing::error!(interaction = %entry.interaction.id, "Discord contradicts itself about an interaction");
        Err(CallError::Internal)
    }

    fn is_late(&self, entry: &Entry) -> bool {
        self.clock.now().since(entry.received_at) >= limits::INTERACTION_FIRST_ANSWER
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
        let mut progress = entry.progress.lock().await; // a plugin's answer may be on its way
        if progress.state != State::New || self.is_late(entry) || opens_form {
            return;
        }
        let Interaction { id, token, .. } = &entry.interaction;
        progress.state = match self
            .rest
            .interaction_callback(*id, token, CallbackBody::Defer { ephemeral: false })
            .await
        {
            Ok(()) => State::AutoDeferred,
            Err(DiscordError::Refused { code: ACKNOWLEDGED, .. }) => State::Unclear,
            Err(error) => {
                tracing::warn!(%error, interaction = %id, "could not defer a command in time");
                match error {
                    // It may have arrived: the next answer looks.
                    DiscordError::Timeout | DiscordError::Unreachable(_) => State::Unclear,
                    _ => State::New,
                }
            }
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
