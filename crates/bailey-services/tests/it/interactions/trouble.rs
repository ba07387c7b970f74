//! Answers that Discord refuses, receipts that get lost, and what people see all the same.

use bailey_protocol::CallError;
use bailey_sim::{Fault, FaultRule};

use super::Call;
use super::{
    D, DeferToOne, F, FollowupToOne, M, PressedAButton, R, RanACommand, RespondToOne, Row, Stage, U, Waited,
    check,
};

fn fault(method: &str, route: &str, times: u32, fault: Fault) -> FaultRule {
    FaultRule { method: Some(method.into()), route: route.into(), times, fault }
}

pub(super) fn callbacks(with: Fault) -> FaultRule {
    fault("POST", "/interactions/", 1, with)
}

#[tokio::test]
async fn what_discord_refuses_can_be_said_again() {
    let stage = Stage::new().await;
    for calls in [[D, R("a")], [M, R("a")], [F("x"), R("a")]] {
        let interaction = stage.begin(RanACommand).await;
        let mark = stage.simulated.mark();
        stage.simulated.control.fault(callbacks(Fault::Status { status: 400, body: None })).unwrap();
        let refused = stage.call(&stage.grant, Some(interaction.id), calls[0]).await.unwrap_err();
        assert!(matches!(refused, CallError::Discord { status: 400, .. }), "{refused:?}");
        stage.call(&stage.grant, Some(interaction.id), calls[1]).await.unwrap();
        assert_eq!(stage.simulated.seen_since(mark), ["posted a"], "as the first answer");
    }
}

#[tokio::test]
async fn an_answer_whose_receipt_got_lost_counts_as_given() {
    let stage = Stage::new().await;
    let interaction = stage.begin(RanACommand).await;
    let mark = stage.simulated.mark();
    stage.simulated.control.fault(callbacks(Fault::Delay { milliseconds: 60_000 })).unwrap();
    tokio::select! {
        _ = stage.call(&stage.grant, Some(interaction.id), R("a")) => panic!("the receipt was not held back"),
        seen = stage.simulated.wait_seen(mark) => assert_eq!(seen, ["posted a"]),
    }
    stage.call(&stage.grant, Some(interaction.id), R("b")).await.unwrap();
    assert_eq!(stage.simulated.seen_since(mark), ["posted a", "posted b"]);
    let refused = stage.call(&stage.grant, Some(interaction.id), M).await.unwrap_err().to_string();
    assert!(refused.contains("the modal must be the first response"), "{refused}");
}

fn refusal(status: u16) -> Fault {
    Fault::Status { status, body: None }
}

/// As [`check`], with a fault in the way of the calls.
async fn check_with(stage: &Stage, rule: FaultRule, row: &Row) {
    stage.simulated.control.fault(rule.clone()).unwrap();
    let (person, calls, seen, requests, refused) = row;
    check(stage, *person, calls, seen, requests, *refused).await;
    stage.simulated.control.clear_faults();
}

#[tokio::test]
async fn a_private_answer_is_refused_rather_than_shown_to_all() {
    let stage = Stage::new().await;
    let kept = Some("nothing was shown: the answer is for one person");
    let remove = |times, with| fault("DELETE", "/webhooks/", times, with);
    let more = |times, with| fault("POST", "/webhooks/", times, with);
    let removed: &[&str] = &["removed", "posted a to one"];
    let cases: &[(FaultRule, Row)] = &[
        (remove(3, refusal(500)), (Waited, &[RespondToOne("a")], &[], "remove remove remove", kept)),
        (remove(1, refusal(403)), (Waited, &[FollowupToOne("a")], &[], "remove", kept)),
        (remove(1, refusal(403)), (Waited, &[DeferToOne, R("a")], &[], "remove", kept)),
        (
            remove(1, refusal(403)),
            (Waited, &[RespondToOne("x"), RespondToOne("a")], removed, "remove remove more", kept),
        ),
        (
            remove(1, refusal(403)),
            (Waited, &[DeferToOne, R("x"), R("a")], removed, "remove remove more", kept),
        ),
        (remove(1, refusal(403)), (Waited, &[RespondToOne("x"), R("a")], &["posted a"], "remove edit", kept)),
        (
            remove(1, Fault::AppliedBut { status: 502 }),
            (Waited, &[RespondToOne("a")], removed, "remove remove more", None),
        ),
        (
            more(1, refusal(400)),
            (Waited, &[RespondToOne("x"), RespondToOne("a")], removed, "remove more more", Some("400")),
        ),
        (
            more(1, refusal(400)),
            (Waited, &[DeferToOne, R("x"), R("a")], removed, "remove more more", Some("400")),
        ),
    ];
    for (rule, row) in cases {
        check_with(&stage, rule.clone(), row).await;
    }
}

#[tokio::test]
async fn an_update_that_meets_resistance_still_shows_something() {
    let stage = Stage::new().await;
    let remove = fault("DELETE", "/webhooks/", 1, refusal(403));
    let change = |status| fault("PATCH", "/channels/", 1, refusal(status));
    let cases: &[(FaultRule, Row)] = &[
        (
            remove.clone(),
            (PressedAButton, &[D, U("a")], &["thinking", "edited a"], "callback change remove", None),
        ),
        (
            remove.clone(),
            (
                PressedAButton,
                &[D, U("a"), R("b")],
                &["thinking", "edited a", "posted b"],
                "callback change remove edit",
                None,
            ),
        ),
        (
            remove,
            (
                PressedAButton,
                &[D, U("a"), U("b")],
                &["thinking", "edited a", "edited b", "removed"],
                "callback change remove change remove",
                None,
            ),
        ),
        (
            change(403),
            (PressedAButton, &[D, U("a")], &["thinking", "posted a"], "callback change edit", None),
        ),
        (
            change(400),
            (
                PressedAButton,
                &[D, U("x"), U("a")],
                &["thinking", "edited a", "removed"],
                "callback change change remove",
                Some("400"),
            ),
        ),
    ];
    for (rule, row) in cases {
        check_with(&stage, rule.clone(), row).await;
    }
}

#[tokio::test]
async fn a_deferral_whose_receipt_got_lost_is_looked_up() {
    let stage = Stage::new().await;
    let cases: [(Call, &[&str]); 3] = [
        (RespondToOne("a"), &["thinking", "removed", "posted a to one"]),
        (R("a"), &["thinking", "posted a"]),
        (F("a"), &["thinking", "posted a"]),
    ];
    for (call, seen) in cases {
        let mark = stage.simulated.mark();
        let lost = fault("POST", "/interactions/", 3, Fault::AppliedBut { status: 502 });
        stage.simulated.control.fault(lost).unwrap();
        let interaction = stage.begin(Waited).await;
        stage.says(&interaction, call).await.unwrap();
        assert_eq!(stage.simulated.seen_since(mark), seen, "{call:?}");
    }
}

#[tokio::test]
async fn an_answer_appears_although_somebody_removed_the_thinking() {
    let stage = Stage::new().await;
    for person in [Waited, RanACommand] {
        let interaction = stage.begin(person).await;
        stage.says(&interaction, D).await.unwrap();
        let mark = stage.simulated.mark();
        stage.simulated.rest.delete_original(interaction.application, &interaction.token).await.unwrap();
        stage.says(&interaction, R("a")).await.unwrap();
        assert_eq!(stage.simulated.seen_since(mark), ["removed", "posted a"], "{person:?}");
    }
}
