//! What people see when plugins will not answer: in every state of an interaction, with one plugin and with two.

use std::time::Duration;

use bailey_protocol::Clock;
use bailey_services::interactions::Unanswered;
use bailey_sim::Fault;

use super::trouble::callbacks;
use super::{Call, D, DeferToOne, M, Person, PressedAButton, R, RanACommand, SentAForm, Stage, Waited};
use crate::support::grant;

const WHY: Unanswered = Unanswered::Died;

/// What people see after `calls` when the plugin then gives up.
async fn check(stage: &Stage, person: Person, calls: &[Call], seen: &[&str]) {
    let interaction = stage.begin(person).await;
    for call in calls {
        stage.says(&interaction, *call).await.unwrap();
    }
    let mark = stage.simulated.mark();
    stage.interactions.give_up(stage.grant.tenant(), interaction.id, WHY).await;
    let words: Vec<String> = seen.iter().map(|seen| seen.replace("WHY", WHY.words())).collect();
    assert_eq!(stage.simulated.seen_since(mark), words, "{person:?} {calls:?}");
    // Once is enough.
    stage.interactions.give_up(stage.grant.tenant(), interaction.id, WHY).await;
    assert_eq!(stage.simulated.seen_since(mark), words, "{person:?} {calls:?}, twice");
}

#[tokio::test]
async fn every_state_is_answered_in_its_own_form() {
    let stage = Stage::new().await;
    check(&stage, Waited, &[], &["posted WHY"]).await;
    check(&stage, Waited, &[R("a")], &[]).await;
    // From the first form on, the command is not deferred any more.
    for person in [RanACommand, PressedAButton, SentAForm] {
        check(&stage, person, &[], &["posted WHY to one"]).await;
        check(&stage, person, &[D], &["posted WHY"]).await;
        check(&stage, person, &[DeferToOne], &["posted WHY to one"]).await;
        check(&stage, person, &[R("a")], &[]).await;
        check(&stage, person, &[D, R("a")], &[]).await;
    }
    check(&stage, RanACommand, &[M], &[]).await;
}

#[tokio::test]
async fn it_is_silent_when_it_is_too_late() {
    let stage = Stage::new().await;
    let pressed = stage.begin(PressedAButton).await;
    stage.simulated.advance(Duration::from_secs(3));
    let mark = stage.simulated.mark();
    let before = stage.simulated.control.requests().len();
    stage.interactions.give_up(stage.grant.tenant(), pressed.id, WHY).await;
    assert!(stage.simulated.seen_since(mark).is_empty());
    assert_eq!(stage.simulated.control.requests().len(), before, "Discord was asked in vain");
    let waited = stage.begin(Waited).await;
    stage.simulated.advance(Duration::from_secs(15 * 60));
    stage.interactions.give_up(stage.grant.tenant(), waited.id, WHY).await;
    assert_eq!(stage.simulated.control.requests().len(), before + 1, "only \"thinking\" was asked for");
}

#[tokio::test]
async fn an_answer_whose_receipt_got_lost_is_not_answered_again() {
    let stage = Stage::new().await;
    let interaction = stage.begin(RanACommand).await;
    let mark = stage.simulated.mark();
    stage.simulated.control.fault(callbacks(Fault::Delay { milliseconds: 60_000 })).unwrap();
    tokio::select! {
        _ = stage.says(&interaction, R("a")) => panic!("the receipt was not held back"),
        seen = stage.simulated.wait_seen(mark) => assert_eq!(seen, ["posted a"]),
    }
    stage.interactions.give_up(stage.grant.tenant(), interaction.id, WHY).await;
    assert_eq!(stage.simulated.seen_since(mark), ["posted a"]);
}

#[tokio::test]
async fn the_last_of_several_plugins_decides() {
    let stage = Stage::new().await;
    let other = grant(&stage.simulated.tenant("other"));
    let (one, two) = (stage.grant.tenant(), other.tenant());
    let both = async |person| {
        let interaction = stage.begin(person).await;
        stage.interactions.admit(two, &interaction, stage.simulated.clock.now());
        (interaction, stage.simulated.mark())
    };
    // One gives up; the other has nothing to say, and then nobody is left.
    let (interaction, mark) = both(PressedAButton).await;
    stage.interactions.give_up(one, interaction.id, WHY).await;
    assert!(stage.simulated.seen_since(mark).is_empty(), "another may still answer");
    stage.interactions.handled(two, interaction.id).await;
    assert_eq!(stage.simulated.seen_since(mark), [format!("posted {} to one", WHY.words())]);
    // The other answers.
    let (interaction, mark) = both(PressedAButton).await;
    stage.interactions.give_up(one, interaction.id, WHY).await;
    stage.call(&other, Some(interaction.id), R("mine")).await.unwrap();
    stage.interactions.handled(two, interaction.id).await;
    assert_eq!(stage.simulated.seen_since(mark), ["posted mine"]);
    // Nobody gives up: a plugin may answer after its handler.
    let (interaction, mark) = both(PressedAButton).await;
    stage.interactions.handled(one, interaction.id).await;
    stage.interactions.handled(two, interaction.id).await;
    assert!(stage.simulated.seen_since(mark).is_empty());
    // A "thinking" is ended for whoever asked for it, and for nobody else.
    let (interaction, mark) = both(PressedAButton).await;
    stage.says(&interaction, D).await.unwrap();
    stage.interactions.handled(one, interaction.id).await;
    stage.interactions.give_up(two, interaction.id, WHY).await;
    assert_eq!(stage.simulated.seen_since(mark), ["thinking"]);
    stage.interactions.give_up(one, interaction.id, WHY).await;
    assert_eq!(stage.simulated.seen_since(mark), ["thinking".to_owned(), format!("posted {}", WHY.words())]);
}

#[tokio::test]
async fn one_that_has_no_handler_is_heard_only_where_nobody_had_one() {
    const NONE: Unanswered = Unanswered::NoHandler;
    let stage = Stage::new().await;
    let (one, two) = (stage.grant.tenant(), &stage.simulated.tenant("other"));
    for (first, second, told) in [
        (Some(NONE), Some(NONE), Some(NONE)),
        (Some(NONE), Some(WHY), Some(WHY)),
        (Some(WHY), Some(NONE), Some(WHY)),
        (Some(NONE), None, None), // it may answer after its handler
        (None, Some(NONE), None),
    ] {
        let interaction = stage.begin(PressedAButton).await;
        stage.interactions.admit(two, &interaction, stage.simulated.clock.now());
        let mark = stage.simulated.mark();
        for (tenant, how) in [(one, first), (two, second)] {
            match how {
                Some(why) => stage.interactions.give_up(tenant, interaction.id, why).await,
                None => stage.interactions.handled(tenant, interaction.id).await,
            }
        }
        let expected: Vec<String> = told.iter().map(|why| format!("posted {} to one", why.words())).collect();
        assert_eq!(stage.simulated.seen_since(mark), expected, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_plugin_that_was_not_asked_has_no_say() {
    let stage = Stage::new().await;
    let interaction = stage.begin(RanACommand).await;
    let mark = stage.simulated.mark();
    stage.interactions.give_up(&stage.simulated.tenant("stranger"), interaction.id, WHY).await;
    assert!(stage.simulated.seen_since(mark).is_empty());
}
