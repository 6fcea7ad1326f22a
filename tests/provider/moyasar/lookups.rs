//! Whole answers to a lookup: what was seen of the order, and what it says of our refund.

use std::time::Duration;

use refunds::domain::answer::{BlockCause, FailurePhase, Finding, LookupAnswer, Review, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::Failure;
use refunds::domain::sight::Sight;
use refunds::provider::Provider;
use refunds::provider::moyasar::Moyasar;

use super::fixture::{AMOUNT_MINOR, EXAMPLE, KEY, ORDER, error_body, field_body, refund_of, with_status};
use crate::listener::{Listener, http, json};
use crate::wire::{Wire, look_up};

async fn looked(answer: Vec<u8>) -> LookupAnswer {
    let listener = Listener::answer(answer).await;
    let answer = look_up(&Moyasar::at(listener.address())).await;
    assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
    assert!(answer.evidence.http_status.is_some());
    answer
}

fn refunds_seen(answer: &LookupAnswer) -> usize {
    answer.sight.order().unwrap().refunds.len()
}

#[tokio::test]
async fn our_own_transaction_decides() {
    let failure = Failure {
        reason: FailureReason::Declined,
        provider_code: Some("00".to_owned()),
        text: Some("Said.".to_owned()),
    };
    let review = Review { reference: Some(KEY.to_owned()), items: Vec::new() };
    for (status, finding) in [
        ("failed", Finding::Declined(failure)),
        ("initiated", Finding::InReview(review)),
        ("timeout", Finding::Nothing),
        ("system_error", Finding::Nothing),
        ("reversed", Finding::Nothing),
    ] {
        let answer = looked(json(200, &with_status(status))).await;
        assert_eq!(answer.finding, finding, "{status}");
        assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyHeeded]);
        assert_eq!(refunds_seen(&answer), 0, "only what is approved is in the totals");
        assert_eq!(answer.evidence.correlation_id.as_deref(), Some("242590000001"));
    }
}

#[tokio::test]
async fn a_refund_that_was_taken_back_tells_nothing_and_is_not_listed() {
    let (before, ours) = EXAMPLE.split_once(KEY).unwrap();
    let mark = "\"reversed_transaction_id\": null";
    let taken_back = format!(
        "{}{KEY}{ours}",
        before.replacen(mark, &format!("\"reversed_transaction_id\": \"{KEY}\""), 1)
    );
    let answer = looked(json(200, &taken_back)).await;
    assert_eq!(answer.finding, Finding::Nothing);
    assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyHeeded]);
    assert_eq!(refunds_seen(&answer), 0);
    let text = answer.evidence.provider_text.unwrap();
    assert!(text.contains("approved and reversed"), "{text}");
}

#[tokio::test]
async fn an_order_that_does_not_show_ours_says_so_and_no_more() {
    let answer = looked(json(200, &EXAMPLE.replace(KEY, "another"))).await;
    assert_eq!(answer.finding, Finding::Absent);
    assert_eq!(answer.signals, [Signal::Healthy], "a lookup may lag: it never says that the key is ignored");
    assert_eq!(refunds_seen(&answer), 1);
}

#[tokio::test]
async fn two_transactions_with_our_id_say_that_the_key_is_ignored() {
    let twice = EXAMPLE.replace("0191f5a7-44ab-7fbb-ab3c-1e1a98a5166e", KEY);
    let answer = looked(json(200, &twice.replace("\"capture\"", "\"refund\""))).await;
    assert_eq!(answer.finding, Finding::Nothing);
    assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyIgnored]);
    assert_eq!(refunds_seen(&answer), 2);
}

#[tokio::test]
async fn our_transaction_counts_even_where_the_figures_do_not() {
    for body in [
        EXAMPLE.replace("0191f5a7-44a9", "0191f5a7-44d3"),
        EXAMPLE.replace("\"captured_amount\": 262346", "\"captured_amount\": null"),
        EXAMPLE.replace("\"SAR\"", "null"),
    ] {
        let answer = looked(json(200, &body)).await;
        assert_eq!(answer.sight, Sight::Nothing, "{body}");
        assert!(matches!(answer.finding, Finding::Succeeded(_)), "{answer:?}");
        assert_eq!(answer.signals, [Signal::Trouble, Signal::KeyHeeded]);
        assert_eq!(answer.evidence.phase, Some(FailurePhase::Parse));
        let answer = looked(json(200, &body.replace(KEY, "another"))).await;
        assert_eq!((answer.sight, answer.finding), (Sight::Nothing, Finding::Nothing), "{body}");
        assert_eq!(answer.signals, [Signal::Trouble]);
    }
}

#[tokio::test]
async fn an_order_in_another_currency_is_seen_and_proves_no_success() {
    let listener = Listener::answer(Moyasar::success()).await;
    let refund = refund_of(ORDER, "KWD", AMOUNT_MINOR);
    let answer = Moyasar::at(listener.address()).look_up(&refund).await;
    assert_eq!(answer.finding, Finding::Nothing);
    let objection =
        answer.sight.order().unwrap().objection(refund.content.payment().unwrap().amount.currency());
    assert_eq!(objection.unwrap().reason, FailureReason::CurrencyMismatch);
}

#[tokio::test]
async fn no_order_or_nothing() {
    let nothing = || (Sight::Nothing, Finding::Nothing);
    for (bytes, (sight, finding), signals) in [
        (json(404, &error_body("Not Found")), (Sight::NoOrder, Finding::Absent), vec![Signal::Healthy]),
        (json(404, "<html>"), nothing(), vec![Signal::Trouble]),
        (json(400, &error_body("No")), nothing(), vec![]),
        (json(400, &error_body("Initial request is still processing.")), nothing(), vec![]),
        (json(422, &field_body("id", "is wrong")), nothing(), vec![]),
        (json(200, "{}"), nothing(), vec![Signal::Trouble]),
        (json(200, "<html>"), nothing(), vec![Signal::Trouble]),
        (json(401, &error_body("No")), nothing(), vec![Signal::Block(BlockCause::Credentials)]),
        (json(403, &error_body("No")), nothing(), vec![Signal::Block(BlockCause::Permission)]),
        (json(403, "<html>"), nothing(), vec![Signal::Block(BlockCause::Configuration)]),
        (http(429, "Retry-After: 5\r\n", ""), nothing(), vec![Signal::Throttle(Duration::from_secs(5))]),
        (http(302, "Location: /\r\n", ""), nothing(), vec![Signal::Trouble]),
        (json(500, ""), nothing(), vec![Signal::Trouble]),
    ] {
        let answer = looked(bytes).await;
        assert_eq!((&answer.sight, &answer.finding), (&sight, &finding), "{answer:?}");
        assert_eq!(answer.signals, signals, "{answer:?}");
        assert_eq!(answer.evidence.phase.is_none(), sight == Sight::NoOrder);
    }
}
