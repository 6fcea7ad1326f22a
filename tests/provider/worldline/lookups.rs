//! Orders read back: figures for the guard, and what becomes of transactions that are known as ours.

use std::time::Duration;

use refunds::domain::answer::{BlockCause, FailurePhase, Finding, LookupAnswer, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Doubt, Failure, ItemState, Refund, Refusal, State, Wait};
use refunds::domain::sight::Sight;
use refunds::domain::timestamp::Timestamp;
use refunds::provider::Provider;
use refunds::provider::worldline::Worldline;
use serde_json::{Value, json};

use super::fixture::{credit, error_body, order, refund_with};
use crate::listener::{Listener, http, json as json_answer};
use crate::wire::{Wire, assert_phase, look_up};

const NEW: u64 = 5_986_910_001;
const OURS: &str = "5986910001";

async fn seen(refund: &Refund, transactions: &[Value]) -> LookupAnswer {
    let listener = Listener::answer(json_answer(200, &order(transactions).to_string())).await;
    let answer = Worldline::at(listener.address()).look_up(refund).await;
    assert_eq!(listener.requests().len(), 1);
    assert_eq!(answer.signals, [Signal::Healthy]);
    assert!(matches!(answer.sight, Sight::Order(_)));
    answer
}

#[tokio::test]
async fn the_figures_count_what_was_asked_for_and_the_ids_are_all() {
    let mut foreign = credit(NEW + 3, "Processed", 0, "1.00");
    foreign["currency"] = json!("SEK");
    let transactions = [
        credit(NEW, "Registered", 0, "3.00"),
        credit(NEW + 1, "Declined", 22_027, "4.00"),
        credit(NEW + 2, "System Error", 22_037, "5.00"),
        foreign,
    ];
    let answer = seen(&Worldline::refund(), &transactions).await;
    let Sight::Order(order) = answer.sight else { panic!() };
    assert_eq!(order.currency.code(), "EUR");
    assert_eq!(order.transactions.len(), 6);
    let listed: Vec<_> = order.refunds.iter().map(|r| r.amount_minor).collect();
    assert_eq!(listed, [100, 300, 500]);
    assert!(order.refunds.iter().all(|r| r.key.is_none() && r.reference.is_none()));
    assert_eq!(order.effects_of(&refund_with(&[OURS, "5986910003"])), 0, "parts are not effects");
}

#[tokio::test]
async fn new_transactions_that_are_not_known_as_ours_are_a_hint_only() {
    let answer = seen(&Worldline::refund(), &[credit(NEW, "Processed", 0, "10.50")]).await;
    assert_eq!(answer.finding, Finding::Absent);
    assert!(answer.evidence.provider_text.unwrap().contains(OURS));
    let answer = seen(&Worldline::refund(), &[credit(NEW, "Declined", 22_027, "10.50")]).await;
    assert_eq!((answer.finding, answer.evidence.provider_text), (Finding::Absent, None));
}

#[tokio::test]
async fn a_refusal_on_record_does_not_end_while_new_money_is_unexplained() {
    let failure = Failure { reason: FailureReason::AmountExceedsRefundable, provider_code: None, text: None };
    let refusal = Some(Refusal { failure, time: Timestamp::EPOCH });
    let doubt = Doubt { first_sent: Timestamp::EPOCH, refusal, checks: 0 };
    let refused = Refund { state: State::Unknown { wait: Wait::Check, doubt }, ..Worldline::refund() };
    for status in ["Processed", "Registered", "System Error"] {
        let answer = seen(&refused, &[credit(NEW, status, 0, "10.50")]).await;
        assert_eq!(answer.finding, Finding::Nothing, "{status}");
    }
    assert_eq!(seen(&refused, &[]).await.finding, Finding::Absent);
    let answer = seen(&refused, &[credit(NEW, "Declined", 22_027, "10.50")]).await;
    assert_eq!(answer.finding, Finding::Absent);
}

#[tokio::test]
async fn transactions_that_are_known_as_ours_are_followed_to_their_end() {
    let ours = refund_with(&[OURS]);
    let foreign = credit(NEW + 7, "Processed", 0, "2.00");
    let answer = seen(&ours, &[credit(NEW, "Processed", 0, "10.50"), foreign.clone()]).await;
    let Finding::Succeeded(success) = answer.finding else { panic!("{answer:?}") };
    assert_eq!((success.amount_minor, success.items.len()), (Some(1_050), 1));

    let answer = seen(&ours, &[credit(NEW, "Registered", 0, "10.50"), foreign.clone()]).await;
    let Finding::InReview(review) = answer.finding else { panic!("{answer:?}") };
    assert_eq!((review.reference.as_deref(), review.items.len()), (Some(OURS), 1));

    let answer = seen(&ours, &[credit(NEW, "Declined", 22_027, "10.50"), foreign]).await;
    let Finding::Declined(failure) = answer.finding else { panic!("{answer:?}") };
    assert_eq!((failure.reason, failure.provider_code.as_deref()), (FailureReason::Declined, Some("22027")));
    assert_eq!(answer.evidence.provider_code.as_deref(), Some("22027"));
}

#[tokio::test]
async fn parts_of_a_refund_end_together() {
    let ours = refund_with(&[OURS, "5986910002"]);
    let done = credit(NEW, "Processed", 0, "6.00");
    let answer = seen(&ours, &[done.clone(), credit(NEW + 1, "Declined", 22_027, "4.50")]).await;
    let Finding::Succeeded(success) = answer.finding else { panic!("{answer:?}") };
    assert_eq!((success.amount_minor, success.items.len()), (Some(600), 2));

    let answer = seen(&ours, &[done.clone(), credit(NEW + 1, "Registered", 0, "4.50")]).await;
    let Finding::InReview(review) = answer.finding else { panic!("{answer:?}") };
    let states: Vec<_> = review.items.iter().map(|item| item.state).collect();
    assert_eq!(states, [ItemState::Succeeded, ItemState::Pending]);

    let answer = seen(&ours, std::slice::from_ref(&done)).await;
    assert_eq!(answer.finding, Finding::Nothing, "one of ours is not listed");
    let answer = seen(&ours, &[credit(NEW + 1, "Registered", 0, "4.50")]).await;
    let Finding::InReview(review) = answer.finding else { panic!("{answer:?}") };
    assert_eq!(review.items.len(), 2, "none of ours is forgotten");
    assert_eq!(seen(&ours, &[]).await.finding, Finding::Absent);
}

#[tokio::test]
async fn what_is_unclear_proves_nothing_and_blocks_nobody() {
    let ours = refund_with(&[OURS]);
    for (transaction, finding) in [
        // No proof of anything: the same key may be sent again where that is proven safe.
        (credit(NEW, "System Error", 22_037, "10.50"), Finding::Absent),
        (credit(NEW, "Paid", 0, "10.50"), Finding::Absent),
        (credit(NEW, "Declined", 99_999, "10.50"), Finding::Absent),
        (credit(NEW, "Declined", 33_017, "10.50"), Finding::Absent),
        (credit(NEW, "Declined", 22_014, "10.50"), Finding::Absent),
        (credit(NEW, "Processed", 0, "10.51"), Finding::Nothing),
        (credit(NEW, "Processed", 0, "null"), Finding::Nothing),
    ] {
        let answer = seen(&ours, std::slice::from_ref(&transaction)).await;
        assert_eq!(answer.finding, finding, "{transaction}");
        assert!(answer.evidence.provider_text.is_some());
    }
}

#[tokio::test]
async fn a_figure_that_cannot_be_trusted_makes_the_sight_useless() {
    let faults: [(&str, Value); 11] = [
        ("/orderId", json!("another")),
        ("/mid", json!(7)),
        ("/currency", Value::Null),
        ("/currency", json!("eur")),
        ("/capturedAmount", Value::Null),
        ("/capturedAmount", json!("30.001")),
        ("/refundedAmount", Value::Null),
        ("/transactionReferences", Value::Null),
        ("/transactionReferences", json!([])),
        ("/transactionReferences/0/transactionId", Value::Null),
        ("/transactionReferences/1/transactionType", json!("Capture")),
    ];
    for (place, value) in faults {
        let mut body = order(&[]);
        *body.pointer_mut(place).unwrap() = value;
        let listener = Listener::answer(json_answer(200, &body.to_string())).await;
        let answer = look_up(&Worldline::at(listener.address())).await;
        assert_eq!((&answer.sight, &answer.finding), (&Sight::Nothing, &Finding::Nothing), "{place}");
        assert_eq!(answer.signals, [Signal::Trouble]);
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(200));
    }
}

#[tokio::test]
async fn a_lookup_sees_an_order_no_order_or_nothing() {
    let cases: [(Vec<u8>, Sight, Vec<Signal>); 12] = [
        (json_answer(404, &error_body("22026")), Sight::NoOrder, vec![Signal::Healthy]),
        (json_answer(400, &error_body("22026")), Sight::NoOrder, vec![Signal::Healthy]),
        (json_answer(404, "<html>"), Sight::Nothing, vec![Signal::Trouble]),
        (json_answer(404, &error_body("x")), Sight::Nothing, vec![]),
        (json_answer(400, &error_body("22041")), Sight::Nothing, vec![]),
        (json_answer(200, "{}"), Sight::Nothing, vec![Signal::Trouble]),
        (json_answer(201, &Worldline::success_body()), Sight::Nothing, vec![Signal::Trouble]),
        (json_answer(401, "{}"), Sight::Nothing, vec![Signal::Block(BlockCause::Credentials)]),
        (json_answer(403, &error_body("x")), Sight::Nothing, vec![Signal::Block(BlockCause::Permission)]),
        (http(429, "Retry-After: 5\r\n", ""), Sight::Nothing, vec![Signal::Throttle(Duration::from_secs(5))]),
        (json_answer(500, &error_body("22026")), Sight::Nothing, vec![Signal::Trouble]),
        (http(302, "Location: /\r\n", ""), Sight::Nothing, vec![Signal::Trouble]),
    ];
    for (bytes, sight, signals) in cases {
        let listener = Listener::answer(bytes).await;
        let answer = look_up(&Worldline::at(listener.address())).await;
        assert_eq!((&answer.sight, &answer.signals), (&sight, &signals), "{answer:?}");
        let expected = if sight == Sight::NoOrder { Finding::Absent } else { Finding::Nothing };
        assert_eq!(answer.finding, expected);
        assert!(answer.evidence.http_status.is_some());
        assert_eq!(listener.requests().len(), 1);
    }
}
