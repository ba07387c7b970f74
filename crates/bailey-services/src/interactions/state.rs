//! Which request to Discord an answer takes, by what was answered before. Pure: the whole table is
//! [`plan`].

use bailey_protocol::CallError;
use bailey_protocol::event::InteractionKind;

/// What Discord has been told so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing; Discord waits three seconds.
    New,
    /// Perhaps something: a receipt got lost.
    Unclear,
    /// That an answer will come; the person sees "thinking". A plugin chose who else sees it.
    Deferred,
    /// The same, by the host and for everybody to see: no plugin was asked.
    AutoDeferred,
    /// An answer; it can be changed as the original.
    Responded,
    /// "Thinking" that is gone again: answers are messages of their own, there is no original.
    Cleared,
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

/// A wish and what matters of its circumstances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// What.
    pub(super) wish: Wish,
    /// Of what.
    pub(super) kind: InteractionKind,
    /// Only the person who asked may see the answer.
    pub(super) private: bool,
    /// The component's message is known, and the bot can change it.
    pub(super) reaches_message: bool,
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
    /// Change the component's message as any message of the bot's, and take the "thinking" away.
    EditMessage,
    /// Take the "thinking" away.
    RemoveThinking,
    /// One more message; the first after a "thinking" takes its place.
    Followup,
    /// See what Discord has been told.
    Look,
    /// None: it is as the plugin wants it.
    Nothing,
}

/// The next request for a wish, and the state once it succeeded. After [`is_half_way`] plan again
/// from the new state.
///
/// A message that takes the place of "thinking" is seen by whoever saw the "thinking", whatever it
/// says itself. So a private answer never goes where the host said "thinking" to everybody: that is
/// removed first, and when it cannot be removed there is no answer.
pub(super) fn plan(state: State, asked: Asked) -> Result<(Step, State), CallError> {
    use State::{AutoDeferred, Cleared, Deferred, New, Responded, Unclear};
    let Asked { wish, kind, private, reaches_message } = asked;
    if wish == Wish::Update && kind != InteractionKind::Component {
        return Err(CallError::validation("update_message", "an interaction of a button or a menu"));
    }
    if wish == Wish::Modal && kind == InteractionKind::ModalSubmit {
        return Err(CallError::validation("call", "an interaction that is not itself a submitted form"));
    }
    Ok(match (wish, state) {
        (_, Unclear) => (Step::Look, Unclear),
        (Wish::Respond, New) => (Step::Reply, Responded),
        (Wish::Update, New) => (Step::Update, Responded),
        (Wish::Modal, New) => (Step::Modal, Responded),
        (Wish::Defer | Wish::Followup, New) => (Step::Defer, Deferred),
        (Wish::Defer, _) => (Step::Nothing, state),
        (Wish::Modal, _) => {
            let rule = "the modal must be the first response, an unanswered interaction";
            return Err(CallError::validation("call", rule));
        }
        (Wish::Update, Deferred | AutoDeferred | Cleared) if reaches_message => (Step::EditMessage, Cleared),
        (_, AutoDeferred) if private => (Step::RemoveThinking, Cleared),
        // For an update: the component's message is out of reach, so people see a new one instead.
        (Wish::Respond | Wish::Update, Deferred | AutoDeferred) => (Step::EditOriginal, Responded),
        (Wish::Followup, Deferred | AutoDeferred) => (Step::Followup, Responded),
        (Wish::Update, Responded) => (Step::EditOriginal, Responded),
        (Wish::Respond | Wish::Followup, Responded) => (Step::Followup, Responded),
        (Wish::Respond | Wish::Followup | Wish::Update, Cleared) => (Step::Followup, Cleared),
    })
}

/// Whether a wish needs more than this step.
pub(super) fn is_half_way(wish: Wish, step: Step) -> bool {
    match step {
        Step::Look | Step::RemoveThinking => true,
        Step::Defer => wish == Wish::Followup,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step and the state after it, with the component's message within reach or not.
    fn planned(
        wish: Wish,
        state: State,
        kind: InteractionKind,
        private: bool,
        reaches_message: bool,
    ) -> Result<(Step, State), String> {
        plan(state, Asked { wish, kind, private, reaches_message }).map_err(|error| error.to_string())
    }

    #[test]
    fn the_table() {
        use InteractionKind::{Command, Component, ModalSubmit};
        use State::{AutoDeferred, Cleared, Deferred, New, Responded, Unclear};
        let late = Err("an unanswered interaction is required");
        let rows = [
            (Wish::Respond, New, Ok((Step::Reply, Responded))),
            (Wish::Respond, Unclear, Ok((Step::Look, Unclear))),
            (Wish::Respond, Deferred, Ok((Step::EditOriginal, Responded))),
            (Wish::Respond, AutoDeferred, Ok((Step::EditOriginal, Responded))),
            (Wish::Respond, Responded, Ok((Step::Followup, Responded))),
            (Wish::Respond, Cleared, Ok((Step::Followup, Cleared))),
            (Wish::Update, New, Ok((Step::Update, Responded))),
            (Wish::Update, Unclear, Ok((Step::Look, Unclear))),
            (Wish::Update, Deferred, Ok((Step::EditMessage, Cleared))),
            (Wish::Update, AutoDeferred, Ok((Step::EditMessage, Cleared))),
            (Wish::Update, Responded, Ok((Step::EditOriginal, Responded))),
            (Wish::Update, Cleared, Ok((Step::EditMessage, Cleared))),
            (Wish::Defer, New, Ok((Step::Defer, Deferred))),
            (Wish::Defer, Unclear, Ok((Step::Look, Unclear))),
            (Wish::Defer, Deferred, Ok((Step::Nothing, Deferred))),
            (Wish::Defer, AutoDeferred, Ok((Step::Nothing, AutoDeferred))),
            (Wish::Defer, Responded, Ok((Step::Nothing, Responded))),
            (Wish::Defer, Cleared, Ok((Step::Nothing, Cleared))),
            (Wish::Followup, New, Ok((Step::Defer, Deferred))),
            (Wish::Followup, Unclear, Ok((Step::Look, Unclear))),
            (Wish::Followup, Deferred, Ok((Step::Followup, Responded))),
            (Wish::Followup, AutoDeferred, Ok((Step::Followup, Responded))),
            (Wish::Followup, Responded, Ok((Step::Followup, Responded))),
            (Wish::Followup, Cleared, Ok((Step::Followup, Cleared))),
            (Wish::Modal, New, Ok((Step::Modal, Responded))),
            (Wish::Modal, Unclear, Ok((Step::Look, Unclear))),
            (Wish::Modal, Deferred, late),
            (Wish::Modal, AutoDeferred, late),
            (Wish::Modal, Responded, late),
            (Wish::Modal, Cleared, late),
        ];
        for (wish, state, expected) in rows {
            for kind in [Command, Component, ModalSubmit] {
                let found = planned(wish, state, kind, false, true);
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
    fn what_is_private_never_takes_a_place_that_everybody_sees() {
        use State::{AutoDeferred, Cleared, Deferred, New, Responded, Unclear};
        for wish in [Wish::Respond, Wish::Followup, Wish::Update] {
            let found = planned(wish, AutoDeferred, InteractionKind::Component, true, false);
            assert_eq!(found, Ok((Step::RemoveThinking, Cleared)), "{wish:?}");
        }
        for state in [New, Unclear, Deferred, Responded, Cleared] {
            for wish in [Wish::Respond, Wish::Followup] {
                let private = planned(wish, state, InteractionKind::Command, true, false);
                let public = planned(wish, state, InteractionKind::Command, false, false);
                assert_eq!(private, public, "{wish:?} {state:?}: what is made anew is seen as it says");
            }
        }
    }

    #[test]
    fn an_update_out_of_reach_appears_as_a_new_message() {
        use State::{AutoDeferred, Cleared, Deferred, Responded};
        for (state, expected) in [
            (Deferred, (Step::EditOriginal, Responded)),
            (AutoDeferred, (Step::EditOriginal, Responded)),
            (Cleared, (Step::Followup, Cleared)),
        ] {
            let found = planned(Wish::Update, state, InteractionKind::Component, false, false);
            assert_eq!(found, Ok(expected), "{state:?}");
        }
    }

    #[test]
    fn a_late_modal_is_refused_in_words_every_sdk_understands() {
        let refused = planned(Wish::Modal, State::Deferred, InteractionKind::Command, false, false);
        assert_eq!(
            refused.unwrap_err(),
            "invalid call: the modal must be the first response, an unanswered interaction is required"
        );
    }
}
