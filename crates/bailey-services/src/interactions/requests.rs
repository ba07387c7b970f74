//! The requests to Discord that a step of the plan takes. What a refusal means for the interaction
//! is decided where the answer is given.

use bailey_discord::{CallbackBody, DiscordError};
use bailey_protocol::event::Interaction;
use bailey_protocol::method::discord::Sent;
use bailey_protocol::method::interaction::SendModal;
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{CallError, Tenant};

use super::state::{State, Step, Wish};
use super::table::Entry;
use super::{Interactions, NO_ANSWER_YET, UNKNOWN_MESSAGE};

/// What an answer carries; which part is used depends on the step.
pub(super) struct Answer<'a> {
    pub(super) wish: Wish,
    pub(super) parts: MessageParts,
    pub(super) ephemeral: bool,
    pub(super) modal: Option<&'a SendModal>,
    /// Whose it is; the host's own has no author.
    pub(super) by: Option<&'a Tenant>,
}

impl Interactions {
    /// Makes one request. `private`: a message made by it is for the person who asked only.
    pub(super) async fn take(
        &self,
        step: Step,
        entry: &Entry,
        answer: &Answer<'_>,
        private: bool,
    ) -> Result<Option<Sent>, DiscordError> {
        let Interaction { id, application, token, message, .. } = &entry.interaction;
        let (application, parts) = (*application, &answer.parts);
        let callback = match step {
            Step::Nothing | Step::Look => return Ok(None),
            Step::EditOriginal => return self.rest.edit_original(application, token, parts).await.map(Some),
            Step::EditMessage => {
                let Some(at) = message else { return Ok(None) };
                return self.rest.edit_message(at.channel, at.message, parts).await.map(Some);
            }
            Step::RemoveThinking => {
                return self.rest.delete_original(application, token).await.map(|()| None);
            }
            Step::Followup => {
                return self.rest.create_followup(application, token, parts, private).await.map(Some);
            }
            Step::Reply => CallbackBody::Message { parts: parts.clone(), ephemeral: private },
            Step::Defer => CallbackBody::Defer { ephemeral: private },
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

    /// Finds out what Discord has been told, after a receipt got lost.
    pub(super) async fn look(&self, entry: &Entry) -> Result<State, DiscordError> {
        let Interaction { application, token, .. } = &entry.interaction;
        match self.rest.get_original(*application, token).await {
            Ok(original) if original.thinking && original.ephemeral => Ok(State::Deferred),
            // Perhaps a plugin's own wish; taken for the host's, which keeps private answers private.
            Ok(original) if original.thinking => Ok(State::AutoDeferred),
            // No original: the answer was a form.
            Ok(_) | Err(DiscordError::Refused { code: UNKNOWN_MESSAGE, .. }) => Ok(State::Responded),
            Err(DiscordError::Refused { code: NO_ANSWER_YET, .. }) if !self.is_late(entry) => Ok(State::New),
            Err(error) => Err(error),
        }
    }

    /// Takes a "thinking" away that nothing will follow. If that fails it stays, for the next answer
    /// to fill: the state is returned accordingly.
    pub(super) async fn tidy(&self, entry: &Entry, state: State) -> State {
        if state == State::Cleared {
            return state;
        }
        let Interaction { id, application, token, .. } = &entry.interaction;
        match self.rest.delete_original(*application, token).await {
            Ok(()) => State::Cleared,
            Err(error) => {
                tracing::warn!(%error, interaction = %id, "a message was updated, but \"thinking\" is left beside it");
                state
            }
        }
    }
}

/// What a plugin is told when "thinking" is in the way of an answer for one person.
pub(super) fn not_private(error: DiscordError) -> CallError {
    let message = |why: &str| {
        format!(
            "nothing was shown: the answer is for one person, and the public \"thinking\" message could \
             not be removed first ({why}); call respond again"
        )
    };
    match CallError::from(error) {
        CallError::Discord { status, code, message: why } => {
            CallError::Discord { status, code, message: message(&why) }
        }
        CallError::Timeout { .. } => {
            CallError::Discord { status: 504, code: 0, message: message("no answer in time") }
        }
        other => other, // a rate limit says itself when to try again
    }
}
