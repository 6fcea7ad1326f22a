//! Orders in answer to a refund: what their transactions say.

use refunds::domain::answer::{Answer, BlockCause, Face, FailurePhase, Signal};
use refunds::domain::reason::FailureReason as Reason;
use refunds::domain::refund::ItemState;
use refunds::provider::worldline::Worldline;
use serde_json::{Value, json};

use super::fixture::{credit, order, refund_with, sent, sent_codes, sent_each, sent_with};
use crate::listener::json as json_answer;
use crate::wire::{NOT_SENT, Wire, assert_doubt, assert_phase};

const NEW: u64 = 5_986_910_001;

/// Every code that declines, and why.
const REFUSALS: &[(Reason, &[u32])] = &[
    (Reason::RequestRejected, &[11_011, 24_009, 33_039, 11_013, 11_023, 23_008, 33_037, 38_002, 38_003]),
    (Reason::RequestRejected, &[22_033, 33_026, 33_033, 36_021, 33_027]),
    (Reason::OrderNotFound, &[22_026, 24_010, 33_023, 33_046]),
    (Reason::AmountExceedsRefundable, &[22_041, 33_019, 36_020]),
    (Reason::CurrencyMismatch, &[22_047, 22_070, 33_021, 36_019]),
    (Reason::OrderNotRefundable, &[22_044, 22_045, 33_012, 33_013, 22_022, 33_050, 34_011]),
    (Reason::Declined, &[22_027, 22_028, 22_029, 22_030, 22_031, 22_032, 22_039, 22_040, 22_052]),
    (Reason::Declined, &[27_001, 34_001, 39_004, 22_053, 24_027, 24_028, 39_003]),
];
const MERCHANT: &[u32] = &[22_050, 22_069, 33_017, 24_001, 33_034, 36_003, 39_002];
const NOTHING_SENT: &[u32] = &[22_014, 22_017, 22_042, 22_051, 22_062, 22_074, 33_001, 33_002, 33_010];
const UNSETTLED: &[u32] = &[
    22_002, 22_020, 22_021, 22_035, 22_036, 22_038, 22_048, 33_015, 33_038, 23_007, 22_037, 33_004, 27_041,
    34_007, 34_010,
];

#[tokio::test]
async fn each_listed_code_of_a_declined_transaction_declines() {
    for (reason, codes) in REFUSALS {
        for (code, answer) in sent_codes("Declined", codes).await {
            let [Face::Declined { failure, conclusive: false }] = answer.faces.as_slice() else {
                panic!("{code}: {answer:?}")
            };
            assert_eq!(failure.reason, *reason, "{code}");
            assert_eq!(failure.provider_code, Some(code.to_string()));
            assert_eq!(failure.text.as_deref(), Some("Said."));
            assert_eq!(answer.signals, [Signal::Healthy]);
            assert_eq!((answer.evidence.phase, answer.evidence.http_status), (None, Some(200)));
            assert_eq!(answer.evidence.provider_code, Some(code.to_string()));
        }
    }
}

#[tokio::test]
async fn a_decline_is_conclusive_once_the_key_is_confirmed() {
    for status in ["Declined", "Rejected"] {
        let body = order(&[credit(NEW, status, 22_027, "10.50")]).to_string();
        let answer = sent(json_answer(200, &body), Worldline::refund(), true, 1).await;
        assert!(matches!(answer.faces[0], Face::Declined { conclusive: true, .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn codes_of_the_merchant_block_and_fail_no_refund() {
    for (code, answer) in sent_codes("Declined", MERCHANT).await {
        assert_eq!(answer.faces, [Face::Blocked(BlockCause::Configuration)], "{code}");
        assert_eq!(answer.signals, [Signal::Block(BlockCause::Configuration)]);
    }
}

#[tokio::test]
async fn what_never_went_to_the_acquirer_was_not_sent() {
    for status in ["Declined", "System Error"] {
        for (code, answer) in sent_codes(status, NOTHING_SENT).await {
            assert_eq!(answer.faces, [NOT_SENT], "{code}");
            assert_eq!(answer.signals, [Signal::Trouble]);
        }
    }
    for (code, answer) in sent_codes("Processed", NOTHING_SENT).await {
        assert_eq!(answer.faces, [Face::Unknown], "{code}");
    }
}

#[tokio::test]
async fn codes_that_settle_nothing_leave_the_outcome_open() {
    for status in ["Declined", "System Error", "Processed"] {
        for (code, answer) in sent_codes(status, UNSETTLED).await {
            assert_doubt(&answer, FailurePhase::NotNow, Some(200));
            assert_eq!(answer.evidence.provider_code, Some(code.to_string()));
        }
    }
    for (_, answer) in sent_codes("Declined", &[33_020, 36_027, 38_004]).await {
        assert_eq!((answer.faces.as_slice(), answer.signals.as_slice()), (&[Face::Unknown][..], &[][..]));
        assert_phase(&answer.evidence, FailurePhase::NotNow, Some(200));
    }
    // Perhaps our own success, or not in the list.
    for (_, answer) in sent_codes("Declined", &[11_001, 24_021, 33_024, 33_018, 99_999, 0]).await {
        assert_eq!((answer.faces.as_slice(), answer.signals.as_slice()), (&[Face::Unknown][..], &[][..]));
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(200));
    }
}

#[tokio::test]
async fn a_status_that_is_not_known_with_its_code_decides_nothing() {
    for (status, code) in [
        ("Processed", 22_027),
        ("processed", 0),
        ("Paid", 0),
        ("System Error", 22_027),
        ("System Error", 22_050),
        ("", 0),
        ("Cancelled", 0),
    ] {
        let answer = sent_with(&[credit(NEW, status, code, "10.50")]).await;
        assert_eq!(answer.faces, [Face::Unknown], "{status} {code}");
    }
    let mut odd = credit(NEW, "Processed", 0, "10.50");
    odd["statusCode"] = Value::Null;
    assert_eq!(sent_with(&[odd]).await.faces, [Face::Unknown]);
    let mut odd = credit(NEW, "System Error", 0, "10.50");
    odd["statusCode"] = Value::Null;
    assert_doubt(&sent_with(&[odd]).await, FailurePhase::NotNow, Some(200));
}

#[tokio::test]
async fn a_registered_transaction_is_in_review_with_all_of_ours() {
    for code in [0, 34_010, 22_037] {
        let others =
            [("Processed", 0, "4.00"), ("Declined", 22_027, "2.00"), ("System Error", 22_037, "1.00")];
        let mut transactions = vec![credit(NEW, "Registered", code, "3.50")];
        let others = (NEW + 1..).zip(others);
        transactions.extend(others.map(|(id, (status, code, amount))| credit(id, status, code, amount)));
        let answer = sent_with(&transactions).await;
        let [Face::InReview(review)] = answer.faces.as_slice() else { panic!("{answer:?}") };
        assert_eq!(review.reference.as_deref(), Some("5986910001"));
        let states: Vec<_> = review.items.iter().map(|item| (item.id.as_str(), item.state)).collect();
        let expected = [
            ("5986910001", ItemState::Pending),
            ("5986910002", ItemState::Succeeded),
            ("5986910003", ItemState::Failed),
            ("5986910004", ItemState::Pending),
        ];
        assert_eq!(states, expected);
        assert_eq!(answer.signals, [Signal::Healthy]);
    }
}

#[tokio::test]
async fn an_order_may_be_refunded_in_several_transactions() {
    let mut payout = credit(NEW + 1, "Processed", 0, "4.50");
    payout["transactionType"] = json!("Payout");
    let answer = sent_with(&[credit(NEW, "Processed", 0, "6"), payout]).await;
    let [Face::Succeeded(success)] = answer.faces.as_slice() else { panic!("{answer:?}") };
    assert_eq!(success.amount_minor, Some(1_050));
    assert_eq!(success.items.len(), 2);
}

#[tokio::test]
async fn part_of_the_transactions_is_part_of_the_money() {
    for (status, code) in [("Declined", 22_027), ("Declined", 33_017), ("System Error", 22_014)] {
        let parts = [credit(NEW, status, code, "6.00"), credit(NEW + 1, "Processed", 0, "4.50")];
        let answer = sent_with(&parts).await;
        let [Face::Succeeded(success)] = answer.faces.as_slice() else { panic!("{answer:?}") };
        assert_eq!(success.amount_minor, Some(450));
        assert_eq!(success.provider_refund_id.as_deref(), Some("5986910002"));
        assert_eq!(success.items[0].state, ItemState::Failed);
    }
    let parts = [credit(NEW, "System Error", 22_037, "6.00"), credit(NEW + 1, "Processed", 0, "4.50")];
    assert_eq!(sent_with(&parts).await.faces, [Face::Unknown]);
    let parts = [credit(NEW, "Declined", 33_017, "6.00"), credit(NEW + 1, "Declined", 22_027, "4.50")];
    assert!(matches!(sent_with(&parts).await.faces[0], Face::Declined { .. }));
    let parts = [credit(NEW, "Declined", 22_014, "6.00"), credit(NEW + 1, "Declined", 33_017, "4.50")];
    assert_eq!(sent_with(&parts).await.faces, [Face::Blocked(BlockCause::Configuration)]);
}

#[tokio::test]
async fn what_was_there_before_the_first_send_is_not_ours() {
    assert_doubt(&sent_with(&[]).await, FailurePhase::Parse, Some(200));
    for kind in ["Capture", "Debit", "Authorize", "Cancel", "OriginalCredit", "StoreToken", "credit"] {
        let mut other = credit(NEW, "Processed", 0, "10.50");
        other["transactionType"] = json!(kind);
        assert_doubt(&sent_with(&[other]).await, FailurePhase::Parse, Some(200));
    }
    let mut forgotten = Worldline::refund();
    forgotten.baseline.transactions.clear();
    let answer = sent(Worldline::success(), forgotten, true, 1).await;
    assert_doubt(&answer, FailurePhase::Parse, Some(200));
}

#[tokio::test]
async fn a_replay_shows_transactions_that_are_known_as_ours() {
    let mut known = refund_with(&["5986910001"]);
    let body = Worldline::success();
    assert!(matches!(sent(body.clone(), known.clone(), true, 1).await.faces[0], Face::Succeeded(_)));
    known.baseline.transactions.clear();
    assert!(matches!(sent(body, known, true, 1).await.faces[0], Face::Succeeded(_)));
}

#[tokio::test]
async fn more_than_was_asked_proves_nothing_and_after_a_resend_accuses_the_key() {
    for second in ["Processed", "Registered", "System Error"] {
        let body = order(&[credit(NEW, "Processed", 0, "10.50"), credit(NEW + 1, second, 0, "10.50")]);
        let bytes = json_answer(200, &body.to_string());
        let excess = |answer: &Answer, signal: Signal| {
            assert_eq!(
                (answer.faces.as_slice(), answer.signals.as_slice()),
                (&[Face::Unknown][..], &[signal][..])
            );
            assert!(answer.evidence.provider_text.as_deref().unwrap().contains("2100 minor units"));
        };
        excess(&sent(bytes.clone(), Worldline::refund(), true, 0).await, Signal::Trouble);
        excess(&sent(bytes, Worldline::refund(), true, 1).await, Signal::KeyIgnored);
    }
    // The second send was refused for the sake of the first.
    let body = order(&[credit(NEW, "Processed", 0, "10.50"), credit(NEW + 1, "Declined", 22_041, "10.50")]);
    let answer = sent(json_answer(200, &body.to_string()), Worldline::refund(), true, 1).await;
    let [Face::Succeeded(success)] = answer.faces.as_slice() else { panic!("{answer:?}") };
    assert_eq!(success.amount_minor, Some(1_050));
}

#[tokio::test]
async fn an_order_that_cannot_be_trusted_proves_nothing() {
    let with = |place: &str, value: Value| {
        let mut body = order(&[credit(NEW, "Processed", 0, "10.50")]);
        *body.pointer_mut(place).unwrap() = value;
        body.to_string()
    };
    let whole = Worldline::success_body();
    let bodies = [
        String::new(),
        "<html>".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        format!("[{whole}]"),
        format!("{whole}{whole}"),
        whole[..whole.len() - 1].to_owned(),
        with("/orderId", json!("order_example_2")),
        with("/mid", json!(1)),
        with("/transactionReferences", Value::Null),
        with("/transactionReferences", json!({})),
        with("/transactionReferences/2", json!(5)),
        with("/transactionReferences/0/transactionId", Value::Null),
        with("/transactionReferences/0/transactionType", Value::Null),
        with("/transactionReferences/2/amount", Value::Null),
        with("/transactionReferences/2/amount", json!("x")),
        with("/transactionReferences/2/amount", json!(0)),
        with("/transactionReferences/2/amount", json!(-10)),
        with("/transactionReferences/2/currency", json!("SEK")),
        with("/transactionReferences/2/currency", Value::Null),
    ];
    for status in [200, 201, 202] {
        let bodies: Vec<_> = bodies.iter().map(|body| (status, body.clone())).collect();
        for answer in sent_each(&bodies, true).await {
            assert_doubt(&answer, FailurePhase::Parse, Some(status));
            assert!(answer.evidence.provider_text.is_some());
        }
    }
    let answer = sent(b"HTTP/1.1 204 X\r\n\r\n".to_vec(), Worldline::refund(), true, 0).await;
    assert_doubt(&answer, FailurePhase::Parse, Some(204));
}

#[tokio::test]
async fn what_only_describes_may_be_odd_and_any_2xx_will_do() {
    let with = |place: &str, value: Value| {
        let mut body = order(&[credit(NEW, "Processed", 0, "10.50")]);
        *body.pointer_mut(place).unwrap() = value;
        body.to_string()
    };
    let bodies = [
        with("/transactionReferences/2/transactionDate", json!("now")),
        with("/transactionReferences/2/transactionDesc", json!([1])),
        with("/transactionReferences/2/statusCode", json!("0")),
        with("/transactionReferences/2/transactionId", json!("5986910001")),
        with("/transactionReferences/2/amount", json!("10.5")),
        with("/transactionReferences/1/amount", Value::Null),
        with("/transactionReferences/0/statusCode", json!({})),
        with("/refundedAmount", Value::Null),
        with("/orderId", Value::Null),
        with("/mid", json!("1570616552")),
        with("/currency", json!("SEK")),
    ];
    for status in [200, 201, 299] {
        let bodies: Vec<_> = bodies.iter().map(|body| (status, body.clone())).collect();
        for ((_, body), answer) in bodies.iter().zip(sent_each(&bodies, false).await) {
            assert!(matches!(answer.faces[0], Face::Succeeded(_)), "{body} {answer:?}");
        }
    }
}
