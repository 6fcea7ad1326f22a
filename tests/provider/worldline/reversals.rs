//! Successes looked at again: what takes one back, and what does not.

use refunds::domain::answer::{Face, Finding, LookupAnswer, Reversal};
use refunds::domain::refund::{Refund, Success};
use refunds::domain::sight::OrderSnapshot;
use refunds::provider::Provider;
use refunds::provider::worldline::{Worldline, capabilities};
use serde_json::{Value, json};

use super::fixture::{credit, order, sent_with};
use crate::listener::{Listener, json as json_answer};
use crate::refund::{no_successes, successes};
use crate::wire::Wire;

const NEW: u64 = 5_986_910_001;

/// The refund of 10.50 as it is once these transactions were its answer, and its success.
async fn made(transactions: &[Value]) -> (Refund, Success) {
    let faces = sent_with(transactions).await.faces;
    let [Face::Succeeded(success)] = faces.as_slice() else { panic!("{faces:?}") };
    (Refund { items: success.items.clone(), ..Worldline::refund() }, success.clone())
}

async fn whole() -> (Refund, Success) {
    made(&[credit(NEW, "Processed", 0, "10.50")]).await
}

async fn halves() -> (Refund, Success) {
    made(&[credit(NEW, "Processed", 0, "6.00"), credit(NEW + 1, "Processed", 0, "4.50")]).await
}

async fn seen(refund: &Refund, order: &Value) -> LookupAnswer {
    let listener = Listener::answer(json_answer(200, &order.to_string())).await;
    Worldline::at(listener.address()).look_up(refund).await
}

fn snapshot(answer: &LookupAnswer) -> &OrderSnapshot {
    answer.sight.order().unwrap()
}

/// What cancels a transaction.
fn cancel(id: u64, of: u64, status: &str, amount: &str) -> Value {
    let mut cancel = credit(id, status, 0, amount);
    cancel["transactionType"] = json!("Cancel");
    cancel["refTransactionId"] = json!(of);
    cancel
}

/// How every form of the success is found by this order, always the same.
async fn found((refund, success): &(Refund, Success), transactions: &[Value]) -> LookupAnswer {
    let order = order(transactions);
    let mut answers = Vec::new();
    for refund in successes(refund, success) {
        answers.push(seen(&refund, &order).await);
    }
    let first = answers.remove(0);
    assert!(answers.iter().all(|other| *other == first), "{first:?} {answers:?}");
    first
}

fn reversed(code: Option<&str>, text: &str) -> Finding {
    Finding::Reversed(Reversal { provider_code: code.map(str::to_owned), text: text.to_owned() })
}

#[tokio::test]
async fn a_success_that_is_declined_or_canceled_now_is_reversed() {
    let can = capabilities(&Worldline::settings("https://a.example"));
    assert!(can.shows_reversals && !can.person_reviews);
    let declined = [credit(NEW, "Declined", 22_039, "10.50")];
    let canceled = [credit(NEW, "Processed", 0, "10.50"), cancel(NEW + 9, NEW, "Processed", "10.50")];
    let twice = [
        credit(NEW, "Processed", 0, "10.50"),
        cancel(NEW + 8, NEW, "Processed", "10"),
        cancel(NEW + 9, NEW, "Processed", "0.50"),
    ];
    for (transactions, code, text) in [
        (&declined[..], Some("22039"), "the transaction 5986910001 was processed and is declined now"),
        (&canceled[..], None, "the transaction 5986910001 was processed and then canceled"),
        (&twice[..], None, "the transaction 5986910001 was processed and then canceled"),
    ] {
        let whole = whole().await;
        let answer = found(&whole, transactions).await;
        assert_eq!(answer.finding, reversed(code, text));
        assert_eq!(answer.evidence.provider_text.as_deref(), Some(text));
        assert_eq!(answer.evidence.provider_code.as_deref(), code);
        let listed: Vec<_> = snapshot(&answer).refunds.iter().map(|seen| seen.amount_minor).collect();
        assert_eq!(listed, [100], "the old one alone took effect");
        assert_eq!(snapshot(&answer).refunded_minor, 100);
        for refund in no_successes(&whole.0) {
            let answer = seen(&refund, &order(transactions)).await;
            assert!(matches!(answer.finding, Finding::Declined(_) | Finding::Succeeded(_)), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_success_of_parts_is_reversed_when_all_that_succeeded_is_gone() {
    let gone = [
        credit(NEW, "Declined", 22_039, "6.00"),
        credit(NEW + 1, "Processed", 0, "4.50"),
        cancel(NEW + 9, NEW + 1, "Processed", "4.50"),
    ];
    let text = "the transaction 5986910001 was processed and is declined now; \
                the transaction 5986910002 was processed and then canceled";
    assert_eq!(found(&halves().await, &gone).await.finding, reversed(Some("22039"), text));

    // A part that had never moved anything takes no part.
    let declined = credit(NEW, "Declined", 22_027, "6.00");
    let partial = made(&[declined.clone(), credit(NEW + 1, "Processed", 0, "4.50")]).await;
    let answer = found(&partial, &[declined.clone(), gone[1].clone(), gone[2].clone()]).await;
    assert_eq!(answer.finding, reversed(None, "the transaction 5986910002 was processed and then canceled"));
    let answer = found(&partial, &[declined, gone[1].clone()]).await;
    assert!(matches!(answer.finding, Finding::Succeeded(_)), "{answer:?}");
}

#[tokio::test]
async fn a_part_that_is_gone_is_told_to_people_alone() {
    let processed = [credit(NEW, "Processed", 0, "6.00"), credit(NEW + 1, "Processed", 0, "4.50")];
    let text = "taken back in part: the transaction 5986910001 was processed and is declined now";
    for (transactions, left, text) in [
        (vec![credit(NEW, "Declined", 22_039, "6.00"), processed[1].clone()], vec![100, 450], text),
        (
            [&processed[..], &[cancel(NEW + 9, NEW, "Processed", "6.00")]].concat(),
            vec![100, 450],
            "taken back in part: the transaction 5986910001 was processed and then canceled",
        ),
        (
            [&processed[..], &[cancel(NEW + 9, NEW, "Processed", "1.00")]].concat(),
            vec![100, 500, 450],
            "taken back in part: 100 minor units of the transaction 5986910001 were canceled",
        ),
    ] {
        let answer = found(&halves().await, &transactions).await;
        assert!(matches!(answer.finding, Finding::Succeeded(_)), "{answer:?}");
        assert_eq!(answer.evidence.provider_text.as_deref(), Some(text));
        let listed: Vec<_> = snapshot(&answer).refunds.iter().map(|seen| seen.amount_minor).collect();
        assert_eq!(listed, left);
    }
}

#[tokio::test]
async fn nothing_else_takes_a_success_back() {
    let done = || credit(NEW, "Processed", 0, "10.50");
    let canceled = |change: &dyn Fn(&mut Value)| {
        let mut cancel = cancel(NEW + 9, NEW, "Processed", "10.50");
        change(&mut cancel);
        vec![done(), cancel]
    };
    for transactions in [
        vec![],
        vec![done()],
        vec![credit(NEW, "Registered", 0, "10.50")],
        vec![credit(NEW, "System Error", 22_037, "10.50")],
        // Codes of no refusal, and of none that is listed.
        vec![credit(NEW, "Declined", 99_999, "10.50")],
        vec![credit(NEW, "Declined", 11_001, "10.50")],
        vec![credit(NEW, "Declined", 33_017, "10.50")],
        vec![credit(NEW, "Declined", 22_014, "10.50")],
        vec![credit(NEW, "Processed", 22_039, "10.50")],
        vec![credit(NEW, "Cancelled", 0, "10.50")],
        vec![done(), done()],
        vec![done(), credit(NEW + 1, "Declined", 22_039, "10.50")],
        canceled(&|cancel| cancel["status"] = json!("Registered")),
        canceled(&|cancel| cancel["status"] = json!("Declined")),
        canceled(&|cancel| cancel["statusCode"] = json!(22_027)),
        canceled(&|cancel| cancel["refTransactionId"] = json!(5_986_909_900_u64)),
        canceled(&|cancel| cancel["refTransactionId"] = Value::Null),
        canceled(&|cancel| cancel["transactionType"] = json!("Debit")),
        canceled(&|cancel| cancel["amount"] = json!(10.49)),
        canceled(&|cancel| cancel["amount"] = Value::Null),
        canceled(&|cancel| cancel["currency"] = json!("SEK")),
    ] {
        let answer = found(&whole().await, &transactions).await;
        assert!(!matches!(answer.finding, Finding::Reversed(_)), "{transactions:?} {answer:?}");
    }
    // A part of a success that is not listed is not known to be gone.
    let one = [credit(NEW, "Declined", 22_039, "6.00")];
    assert_eq!(found(&halves().await, &one).await.finding, Finding::Nothing);
    // What was never seen to succeed was not taken back.
    let (refund, success) = whole().await;
    let unseen = (Refund { items: Vec::new(), ..refund }, success);
    let answer = found(&unseen, &[credit(NEW, "Declined", 22_039, "10.50")]).await;
    assert_eq!(answer.finding, Finding::Absent);
}

#[tokio::test]
async fn an_order_that_cannot_be_read_takes_nothing_back() {
    let (refund, success) = whole().await;
    for place in ["/refundedAmount", "/currency", "/transactionReferences"] {
        let mut body = order(&[credit(NEW, "Declined", 22_039, "10.50")]);
        *body.pointer_mut(place).unwrap() = Value::Null;
        for refund in successes(&refund, &success) {
            assert_eq!(seen(&refund, &body).await.finding, Finding::Nothing, "{place}");
        }
    }
}

#[cfg(feature = "sandbox")]
mod beside_the_sandbox {
    use refunds::domain::money::{Currency, Money};
    use refunds::provider::worldline::{Auth, Settings};
    use secrecy::SecretString;

    use super::super::fixture::MID;
    use super::*;
    use crate::refund::{KEY, of_payment, payment};
    use crate::sandbox::{Running, reversal};

    #[tokio::test]
    async fn a_processed_refund_that_is_canceled_or_bounces_later() {
        for (order, code) in [("wl-9977-1", None), ("wl-9978-1", Some("22039"))] {
            let sandbox = Running::start().await;
            sandbox.settings(&json!({"reversal_ms": 60_000})).await;
            let base = sandbox.base_url("worldline").parse().unwrap();
            let auth = Auth::Bearer(SecretString::from("sandbox-token"));
            let client = Worldline::new(Settings::new(base, MID.to_owned(), auth)).unwrap();
            let amount = Money::parse_major(Currency::parse("EUR").unwrap(), "10.00").unwrap();
            let provider = refunds::domain::account::ProviderKind::Worldline;
            let mut refund = of_payment(provider, MID, KEY, payment(order, None, amount));
            refund.baseline = client.look_up(&refund).await.sight.baseline(&[]);
            let faces = client.send(std::slice::from_ref(&refund), 0).await.faces;
            let [Face::Succeeded(success)] = faces.as_slice() else { panic!("{faces:?}") };
            refund.items.clone_from(&success.items);
            for refund in successes(&refund, success) {
                let answer = client.look_up(&refund).await;
                assert_eq!(answer.finding, Finding::Succeeded(success.clone()));
                assert_eq!((snapshot(&answer).refunded_minor, snapshot(&answer).refunds.len()), (1_000, 1));
            }

            sandbox.settings(&json!({"clock_offset_s": 61})).await;
            for refund in successes(&refund, success) {
                let answer = client.look_up(&refund).await;
                assert_eq!(reversal(&answer).provider_code.as_deref(), code);
                assert_eq!((snapshot(&answer).refunded_minor, snapshot(&answer).refunds.len()), (0, 0));
            }
            for refund in no_successes(&refund) {
                let answer = client.look_up(&refund).await;
                assert!(!matches!(answer.finding, Finding::Reversed(_)), "{answer:?}");
            }
        }
    }
}
