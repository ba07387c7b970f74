//! Answers to interactions, against a simulated Discord: what people see for each order of calls.
//! What they see when something goes wrong on the way is in `trouble`, when no plugin answers in `unanswered`.

mod trouble;
mod unanswered;

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::capability::InteractionRespond;
use bailey_protocol::event::Interaction;
use bailey_protocol::method::interaction::{Defer, Respond, SendModal, no_active_interaction};
use bailey_protocol::{CallError, Clock, Grant, InteractionId};
use bailey_services::Interactions;
use bailey_sim::Snowflake;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::simulated::Simulated;
use crate::support::{grant, params};

/// A call as a test writes it.
#[derive(Debug, Clone, Copy)]
enum Call {
    Respond(&'static str),
    RespondToOne(&'static str),
    Update(&'static str),
    Defer,
    DeferToOne,
    Followup(&'static str),
    FollowupToOne(&'static str),
    Modal,
}
use Call::{
    Defer as D, DeferToOne, Followup as F, FollowupToOne, Modal as M, Respond as R, RespondToOne, Update as U,
};

/// What the person did.
#[derive(Debug, Clone, Copy)]
enum Person {
    RanACommand,
    PressedAButton,
    /// On a message that only this person sees.
    PressedAPrivateButton,
    SentAForm,
    /// And for two seconds no plugin answered.
    Waited,
}
use Person::{PressedAButton, PressedAPrivateButton, RanACommand, SentAForm, Waited};

struct Stage {
    simulated: Simulated,
    interactions: Interactions,
    grant: Grant<InteractionRespond>,
}

impl Stage {
    async fn new() -> Self {
        let simulated = Simulated::start().await;
        let interactions = Interactions::new(simulated.rest.clone(), Arc::new(simulated.clock.clone()));
        let grant = grant(&simulated.tenant("demo"));
        Self { simulated, interactions, grant }
    }

    fn admit(&self, interaction: &Interaction) {
        self.interactions.admit(self.grant.tenant(), interaction, self.simulated.clock.now());
    }

    /// Has alice do it and the plugin be told.
    async fn begin(&self, person: Person) -> Interaction {
        let interaction = match person {
            RanACommand | Waited => self.simulated.command().await,
            PressedAButton | PressedAPrivateButton => {
                let command = self.simulated.command().await;
                self.admit(&command);
                let button = json!([{"type": 1, "components": [
                    {"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}]);
                let private = matches!(person, PressedAPrivateButton);
                let message = json!({"content": "press", "components": button, "ephemeral": private});
                let respond = Respond::parse(&params(message)).unwrap();
                self.interactions.respond(&self.grant, &respond, Some(command.id)).await.unwrap();
                self.simulated.click("go").await
            }
            SentAForm => {
                let command = self.simulated.command().await;
                self.admit(&command);
                self.call(&self.grant, Some(command.id), M).await.unwrap();
                self.simulated.submit().await
            }
        };
        let mark = self.simulated.mark();
        self.admit(&interaction);
        if matches!(person, Waited) {
            self.simulated.advance(Duration::from_secs(2));
            assert_eq!(self.simulated.wait_seen(mark).await, ["thinking"]);
        }
        interaction
    }

    async fn says(&self, interaction: &Interaction, call: Call) -> Result<(), CallError> {
        self.call(&self.grant, Some(interaction.id), call).await
    }

    async fn call(
        &self,
        grant: &Grant<InteractionRespond>,
        current: Option<InteractionId>,
        call: Call,
    ) -> Result<(), CallError> {
        let respond = |value: Value| Respond::parse(&params(value)).unwrap();
        let defer = |ephemeral: bool| Defer::parse(&params(json!({ "ephemeral": ephemeral }))).unwrap();
        let interactions = &self.interactions;
        match call {
            R(text) => {
                interactions.respond(grant, &respond(json!({ "content": text })), current).await.map(drop)
            }
            RespondToOne(text) => {
                let respond = respond(json!({"content": text, "ephemeral": true}));
                interactions.respond(grant, &respond, current).await.map(drop)
            }
            U(text) => {
                let respond = respond(json!({"content": text, "update_message": true}));
                interactions.respond(grant, &respond, current).await.map(drop)
            }
            D => interactions.defer(grant, &defer(false), current).await.map(drop),
            DeferToOne => interactions.defer(grant, &defer(true), current).await.map(drop),
            F(text) => {
                let sent =
                    interactions.followup(grant, &respond(json!({ "content": text })), current).await?;
                assert!(sent.message_id.is_some() && sent.channel_id.is_some());
                Ok(())
            }
            FollowupToOne(text) => {
                let followup = respond(json!({"content": text, "ephemeral": true}));
                interactions.followup(grant, &followup, current).await.map(drop)
            }
            M => {
                let field = json!({"type": 4, "custom_id": "name", "style": 1, "label": "Name"});
                let form = json!({"title": "Form", "custom_id": "form",
                                  "components": [{"type": 1, "components": [field]}]});
                let form = SendModal::parse(&params(form)).unwrap();
                interactions.send_modal(grant, &form, current).await.map(drop)
            }
        }
    }
}

/// What people see after `calls`, which requests that took, and the words of the last refusal if
/// there was one.
async fn check(
    stage: &Stage,
    person: Person,
    calls: &[Call],
    seen: &[&str],
    requests: &str,
    refused: Option<&str>,
) {
    let interaction = stage.begin(person).await;
    let (mark, before) = (stage.simulated.mark(), stage.simulated.control.requests().len());
    let mut words = None;
    for call in calls {
        if let Err(error) = stage.call(&stage.grant, Some(interaction.id), *call).await {
            words = Some(error.to_string());
        }
    }
    assert_eq!(stage.simulated.seen_since(mark), seen, "{person:?} {calls:?} {words:?}");
    let made: Vec<&str> = stage.simulated.control.requests()[before..]
        .iter()
        .map(|request| request_word(&request.method, &request.path))
        .collect();
    assert_eq!(made.join(" "), requests, "{person:?} {calls:?}");
    match (words, refused) {
        (Some(words), Some(refused)) => assert!(words.contains(refused), "{person:?} {calls:?}: {words}"),
        (words, refused) => assert_eq!(words.as_deref(), refused, "{person:?} {calls:?}"),
    }
}

fn request_word(method: &str, path: &str) -> &'static str {
    match (method, path) {
        (_, path) if path.ends_with("/callback") => "callback",
        ("GET", path) if path.ends_with("/messages/@original") => "look",
        ("DELETE", path) if path.ends_with("/messages/@original") => "remove",
        ("PATCH", path) if path.ends_with("/messages/@original") => "edit",
        ("PATCH", _) => "change",
        _ => "more",
    }
}

/// Who did what, the calls, what people see, the requests made, the words of the refusal.
type Row = (Person, &'static [Call], &'static [&'static str], &'static str, Option<&'static str>);

#[tokio::test]
async fn every_order_of_calls_shows_what_it_should() {
    let stage = Stage::new().await;
    let first = Some("the modal must be the first response");
    let button = Some("an interaction of a button or a menu is required");
    let rows: &[Row] = &[
        (RanACommand, &[R("a")], &["posted a"], "callback", None),
        (RanACommand, &[RespondToOne("a")], &["posted a to one"], "callback", None),
        (RanACommand, &[R("a"), R("b")], &["posted a", "posted b"], "callback more", None),
        (RanACommand, &[D, R("a")], &["thinking", "posted a"], "callback edit", None),
        (RanACommand, &[DeferToOne, R("a")], &["thinking to one", "posted a to one"], "callback edit", None),
        (RanACommand, &[D, D, R("a"), D], &["thinking", "posted a"], "callback edit", None),
        (
            RanACommand,
            &[D, R("a"), R("b")],
            &["thinking", "posted a", "posted b"],
            "callback edit more",
            None,
        ),
        (RanACommand, &[F("a")], &["thinking", "posted a"], "callback more", None),
        (RanACommand, &[F("a"), F("b")], &["thinking", "posted a", "posted b"], "callback more more", None),
        (
            RanACommand,
            &[D, F("a"), F("b")],
            &["thinking", "posted a", "posted b"],
            "callback more more",
            None,
        ),
        (RanACommand, &[R("a"), F("b")], &["posted a", "posted b"], "callback more", None),
        (RanACommand, &[M], &["form Form"], "callback", None),
        (RanACommand, &[M, R("a")], &["form Form", "posted a"], "callback more", None),
        (RanACommand, &[R("a"), M], &["posted a"], "callback", first),
        (RanACommand, &[D, M], &["thinking"], "callback", first),
        (RanACommand, &[U("a")], &[], "", button),
        (RanACommand, &[U("a"), R("b")], &["posted b"], "callback", button),
        (PressedAButton, &[R("a")], &["posted a"], "callback", None),
        (PressedAButton, &[U("a")], &["edited a"], "callback", None),
        (PressedAButton, &[U("a"), U("b")], &["edited a", "edited b"], "callback edit", None),
        (PressedAButton, &[U("a"), F("b")], &["edited a", "posted b"], "callback more", None),
        (PressedAButton, &[R("a"), U("b")], &["posted a", "edited b"], "callback edit", None),
        (PressedAButton, &[D, U("a")], &["thinking", "edited a", "removed"], "callback change remove", None),
        (
            PressedAButton,
            &[DeferToOne, U("a"), U("b")],
            &["thinking to one", "edited a", "removed", "edited b"],
            "callback change remove change",
            None,
        ),
        (
            PressedAButton,
            &[D, U("a"), R("b"), F("c"), D],
            &["thinking", "edited a", "removed", "posted b", "posted c"],
            "callback change remove more more",
            None,
        ),
        (
            PressedAButton,
            &[D, U("a"), M],
            &["thinking", "edited a", "removed"],
            "callback change remove",
            first,
        ),
        (
            PressedAButton,
            &[D, R("a"), U("b")],
            &["thinking", "posted a", "edited b"],
            "callback edit edit",
            None,
        ),
        (PressedAPrivateButton, &[U("a")], &["edited a to one"], "callback", None),
        (PressedAPrivateButton, &[D, U("a")], &["thinking", "posted a"], "callback edit", None),
        (
            PressedAPrivateButton,
            &[DeferToOne, U("a"), U("b")],
            &["thinking to one", "posted a to one", "edited b to one"],
            "callback edit edit",
            None,
        ),
        (PressedAButton, &[M], &["form Form"], "callback", None),
        (SentAForm, &[R("a")], &["posted a"], "callback", None),
        (SentAForm, &[D, R("a")], &["thinking", "posted a"], "callback edit", None),
        (SentAForm, &[M], &[], "", Some("not itself a submitted form")),
        (SentAForm, &[U("a")], &[], "", button),
    ];
    for (person, calls, seen, requests, refused) in rows {
        check(&stage, *person, calls, seen, requests, *refused).await;
    }
    stage.interactions.shut_down().await;
}

#[tokio::test]
async fn a_command_nobody_answers_is_deferred_in_time() {
    let stage = Stage::new().await;
    let interaction = stage.begin(RanACommand).await;
    let mark = stage.simulated.mark();
    stage.simulated.advance(Duration::from_secs(2));
    assert_eq!(stage.simulated.wait_seen(mark).await, ["thinking"]);
    stage.simulated.advance(Duration::from_secs(60));
    stage.call(&stage.grant, Some(interaction.id), R("late")).await.unwrap();
    assert_eq!(stage.simulated.seen_since(mark), ["thinking", "posted late"]);
}

#[tokio::test]
async fn an_update_after_thinking_changes_the_message_the_button_is_on() {
    let stage = Stage::new().await;
    let pressed = stage.begin(PressedAButton).await;
    let at = pressed.message.unwrap();
    let messages = || {
        let messages = stage.simulated.control.messages(Snowflake(at.channel.0));
        messages.iter().map(|message| (message.id.0, message.content.clone())).collect::<Vec<_>>()
    };
    let before = messages();
    assert_eq!(before.last(), Some(&(at.message.0, "press".to_owned())));
    stage.says(&pressed, D).await.unwrap();
    assert_eq!(messages().len(), before.len() + 1);
    stage.says(&pressed, U("a")).await.unwrap();
    assert_eq!(messages().len(), before.len(), "\"thinking\" is left");
    assert_eq!(messages().last(), Some(&(at.message.0, "a".to_owned())));
}

#[tokio::test]
async fn what_follows_a_deferral_by_the_host_is_seen_by_those_it_is_for() {
    let stage = Stage::new().await;
    let first = Some("the modal must be the first response");
    let rows: &[Row] = &[
        (Waited, &[R("a")], &["posted a"], "edit", None),
        (Waited, &[F("a")], &["posted a"], "more", None),
        (Waited, &[D, R("a")], &["posted a"], "edit", None),
        (Waited, &[M], &[], "", first),
        (Waited, &[RespondToOne("a")], &["removed", "posted a to one"], "remove more", None),
        (Waited, &[FollowupToOne("a")], &["removed", "posted a to one"], "remove more", None),
        (Waited, &[R("a"), RespondToOne("b")], &["posted a", "posted b to one"], "edit more", None),
        (
            Waited,
            &[RespondToOne("a"), D, R("b"), RespondToOne("c")],
            &["removed", "posted a to one", "posted b", "posted c to one"],
            "remove more more more",
            None,
        ),
        (
            Waited,
            &[DeferToOne, R("a"), R("b")],
            &["removed", "posted a to one", "posted b"],
            "remove more more",
            None,
        ),
        (Waited, &[DeferToOne, F("a")], &["removed", "posted a to one"], "remove more", None),
        (Waited, &[RespondToOne("a"), M], &["removed", "posted a to one"], "remove more", first),
    ];
    for (person, calls, seen, requests, refused) in rows {
        check(&stage, *person, calls, seen, requests, *refused).await;
    }
}

#[tokio::test]
async fn only_an_unanswered_command_is_deferred() {
    let stage = Stage::new().await;
    let answered = stage.begin(RanACommand).await;
    stage.call(&stage.grant, Some(answered.id), R("a")).await.unwrap();
    let clicked = stage.begin(PressedAButton).await;
    let mark = stage.simulated.mark();
    let unanswered = stage.begin(RanACommand).await;
    stage.simulated.advance(Duration::from_secs(2));
    stage.simulated.wait_seen(mark).await;
    stage.call(&stage.grant, Some(clicked.id), R("b")).await.unwrap(); // as the first answer
    stage.call(&stage.grant, Some(unanswered.id), R("c")).await.unwrap(); // in place of "thinking"
    assert_eq!(stage.simulated.seen_since(mark), ["thinking", "posted b", "posted c"]);
}

#[tokio::test]
async fn a_plugin_that_opens_forms_is_not_deferred_again() {
    let stage = Stage::new().await;
    let first = stage.begin(RanACommand).await;
    stage.call(&stage.grant, Some(first.id), M).await.unwrap();
    let mark = stage.simulated.mark();
    let second = stage.begin(RanACommand).await;
    stage.simulated.advance(Duration::from_millis(2_500));
    stage.interactions.shut_down().await; // the waiting tasks have run or never will
    stage.call(&stage.grant, Some(second.id), M).await.unwrap();
    assert_eq!(stage.simulated.seen_since(mark), ["form Form"]);
}

#[tokio::test]
async fn a_first_answer_has_three_seconds_and_all_have_a_quarter_of_an_hour() {
    let stage = Stage::new().await;
    let clicked = stage.begin(PressedAButton).await;
    let answered = stage.begin(RanACommand).await;
    stage.call(&stage.grant, Some(answered.id), R("a")).await.unwrap();
    stage.simulated.advance(Duration::from_secs(3));
    let requests = stage.simulated.control.requests().len();
    let refused = stage.call(&stage.grant, Some(clicked.id), R("b")).await;
    assert_eq!(refused, Err(no_active_interaction()));
    assert_eq!(stage.simulated.control.requests().len(), requests, "Discord was asked all the same");
    let left = Duration::from_secs(15 * 60 - 3);
    stage.simulated.advance(left - Duration::from_millis(1));
    stage.call(&stage.grant, Some(answered.id), R("c")).await.unwrap();
    stage.simulated.advance(Duration::from_millis(1));
    assert_eq!(stage.call(&stage.grant, Some(answered.id), R("d")).await, Err(no_active_interaction()));
}

#[tokio::test]
async fn only_those_told_of_it_may_answer_and_they_share_it() {
    let stage = Stage::new().await;
    let interaction = stage.begin(RanACommand).await;
    let mark = stage.simulated.mark();
    let other = grant::<InteractionRespond>(&stage.simulated.tenant("other"));
    let refused = stage.call(&other, Some(interaction.id), R("a")).await;
    assert_eq!(refused, Err(no_active_interaction()));
    stage.interactions.admit(other.tenant(), &interaction, stage.simulated.clock.now());
    stage.call(&stage.grant, Some(interaction.id), R("b")).await.unwrap();
    stage.call(&other, Some(interaction.id), R("c")).await.unwrap();
    assert_eq!(stage.simulated.seen_since(mark), ["posted b", "posted c"]);
}

#[tokio::test]
async fn a_call_answers_what_it_names_and_nothing_else() {
    let stage = Stage::new().await;
    let named = stage.begin(RanACommand).await;
    let current = stage.begin(RanACommand).await;
    let mark = stage.simulated.mark();
    let respond = |id: &str| Respond::parse(&params(json!({"content": "a", "_interaction_id": id}))).unwrap();
    let (interactions, grant) = (&stage.interactions, &stage.grant);
    interactions.respond(grant, &respond(&named.id.to_string()), Some(current.id)).await.unwrap();
    let unknown = interactions.respond(grant, &respond("12345"), Some(current.id)).await;
    assert_eq!(unknown, Err(no_active_interaction()));
    assert_eq!(interactions.respond(grant, &respond(""), None).await, Err(no_active_interaction()));
    let posted = stage.simulated.control.observed_since(mark);
    assert_eq!(posted.len(), 1);
    interactions.respond(grant, &respond(""), Some(current.id)).await.unwrap();
    assert_eq!(stage.simulated.seen_since(mark), ["posted a", "posted a"]);
    assert_eq!(no_active_interaction().to_string(), "invalid interaction: an active interaction is required");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_at_once_and_the_deferral_take_turns() {
    let stage = Arc::new(Stage::new().await);
    let interaction = stage.begin(RanACommand).await;
    let mark = stage.simulated.mark();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (stage, id) = (Arc::clone(&stage), interaction.id);
        tasks.spawn(async move { stage.call(&stage.grant, Some(id), R("a")).await });
    }
    stage.simulated.advance(Duration::from_secs(2));
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    stage.interactions.shut_down().await;
    let seen = stage.simulated.seen_since(mark);
    assert_eq!(seen.iter().filter(|words| words.ends_with(" a")).count(), 4, "{seen:?}");
    assert!(seen.iter().filter(|words| *words == "thinking").count() <= 1, "{seen:?}");
}
