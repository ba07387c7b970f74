//! Which request to Discord an answer takes, by what was answered before. Pure: the whole table is
//! [`plan`].

use bailey_protocol::CallError;
use bailey_protocol::event::InteractionKind;

/// What Discord has been told so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing; Discord waits three seconds.
    New,
    /// That an answer will come; the person sees "thinking".
    Deferred,
    /// An answer.
    Responded,
}

/// What a plugin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Show a message.
    Respond,
    /// Replace the message the component sits on.
    Update,
    /// Have the person see "thinking".
    Defer,
    /// Show one more message.
    Followup,
    /// Open a form.
    Modal,
}

/// A request to Discord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Callback 4: a message.
    Reply,
    /// Callback 5: "thinking".
    Defer,
    /// Callback 7: replace the component's message.
    Update,
    /// Callback 9: a form.
    Modal,
    /// Change the first answer, or fill in the "thinking".
    EditOriginal,
    /// One more message; the first after a "thinking" takes its place.
    Followup,
    /// None: it is as the plugin wants it.
    Nothing,
}

/// The next request for a wish, and the state once it succeeded. [`Step::Defer`] for
/// [`Wish::Followup`] is only the first half: plan again from the new state.
pub(super) fn plan(state: State, kind: InteractionKind, wish: Wish) -> Result<(Step, State), CallError> {
    use State::{Deferred, New, Responded};
    if wish == Wish::Update && kind != InteractionKind::Component {
        return Err(CallError::validation("update_message", "an interaction of a button or a menu"));
    }
    if wish == Wish::Modal && kind == InteractionKind::ModalSubmit {
        return Err(CallError::validation("call", "an interaction that is not itself a submitted form"));
    }
    Ok(match (wish, state) {
        (Wish::Respond, New) => (Step::Reply, Responded),
        (Wish::Respond, Deferred) => (Step::EditOriginal, Responded),
        (Wish::Respond, Responded) => (Step::Followup, Responded),
        (Wish::Update, New) => (Step::Update, Responded),
        (Wish::Update, Deferred | Responded) => (Step::EditOriginal, Responded),
        (Wish::Defer | Wish::Followup, New) => (Step::Defer, Deferred),
        (Wish::Defer, Deferred | Responded) => (Step::Nothing, state),
        (Wish::Followup, Deferred | Responded) => (Step::Followup, Responded),
        (Wish::Modal, New) => (Step::Modal, Responded),
        (Wish::Modal, Deferred | Responded) => {
            let rule = "the modal must be the first response, an unanswered interaction";
            return Err(CallError::validation("call", rule));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use InteractionKind::{Command, Component, ModalSubmit};
        use State::{Deferred, New, Responded};
        let rows = [
            (Wish::Respond, New, Ok((Step::Reply, Responded))),
            (Wish::Respond, Deferred, Ok((Step::EditOriginal, Responded))),
            (Wish::Respond, Responded, Ok((Step::Followup, Responded))),
            (Wish::Update, New, Ok((Step::Update, Responded))),
            (Wish::Update, Deferred, Ok((Step::EditOriginal, Responded))),
            (Wish::Update, Responded, Ok((Step::EditOriginal, Responded))),
            (Wish::Defer, New, Ok((Step::Defer, Deferred))),
            (Wish::Defer, Deferred, Ok((Step::Nothing, Deferred))),
            (Wish::Defer, Responded, Ok((Step::Nothing, Responded))),
            (Wish::Followup, New, Ok((Step::Defer, Deferred))),
            (Wish::Followup, Deferred, Ok((Step::Followup, Responded))),
            (Wish::Followup, Responded, Ok((Step::Followup, Responded))),
            (Wish::Modal, New, Ok((Step::Modal, Responded))),
            (Wish::Modal, Deferred, Err("an unanswered interaction is required")),
            (Wish::Modal, Responded, Err("an unanswered interaction is required")),
        ];
        for (wish, state, expected) in rows {
            for kind in [Command, Component, ModalSubmit] {
                let found = plan(state, kind, wish).map_err(|error| error.to_string());
                let expected = match (wish, kind) {
                    (Wish::Update, Command | ModalSubmit) => Err("a button or a menu is required"),
                    (Wish::Modal, ModalSubmit) => Err("not itself a submitted form is required"),
                    _ => expected,
                };
                match (found, expected) {
                    (Err(found), Err(words)) => assert!(found.ends_with(words), "{found}"),
                    (found, expected) => {
                        assert_eq!(found, expected.map_err(str::to_owned), "{wish:?} {state:?} {kind:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_late_modal_is_refused_in_words_every_sdk_understands() {
        let refused = plan(State::Deferred, InteractionKind::Command, Wish::Modal).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid call: the modal must be the first response, an unanswered interaction is required"
        );
    }
}
