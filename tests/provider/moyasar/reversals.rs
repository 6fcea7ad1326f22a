//! Successes looked at again: what takes one back, and what does not.

use refunds::domain::answer::{Finding, LookupAnswer, Reversal, Signal};
use refunds::domain::refund::{Refund, Success};
use refunds::domain::sight::Sight;
use refunds::provider::Provider;
use refunds::provider::moyasar::{Moyasar, capabilities};

use super::fixture::{AMOUNT_MINOR, EXAMPLE, KEY, error_body, with_status};
use crate::listener::{Listener, json};
use crate::refund::{no_successes, successes};
use crate::wire::Wire;

fn success() -> Success {
    Success {
        amount_minor: Some(AMOUNT_MINOR),
        provider_refund_id: Some(KEY.to_owned()),
        completed: None,
        items: Vec::new(),
    }
}

async fn looked(refund: &Refund, answer: Vec<u8>) -> LookupAnswer {
    let listener = Listener::answer(answer).await;
    Moyasar::at(listener.address()).look_up(refund).await
}

/// The example, whose other transaction is one that takes ours back.
fn taken_back(status: &str) -> String {
    let (before, ours) = EXAMPLE.split_once(KEY).unwrap();
    let reversal = before
        .replacen("\"reversed_transaction_id\": null", &format!("\"reversed_transaction_id\": \"{KEY}\""), 1)
        .replacen("\"reverse_reason\": null", "\"reverse_reason\": \"suspected_fraud\"", 1)
        .replacen("\"approved\"", &format!("\"{status}\""), 1)
        .replacen("\"refunded_amount\": 262346", "\"refunded_amount\": 0", 1);
    format!("{reversal}{KEY}{ours}")
}

#[tokio::test]
async fn a_success_that_the_order_shows_taken_back_is_reversed() {
    let can = capabilities(&Moyasar::settings("https://a.example"));
    assert!(can.shows_reversals && !can.person_reviews);
    let told = |code: &str, text: &str| {
        Finding::Reversed(Reversal { provider_code: Some(code.to_owned()), text: text.to_owned() })
    };
    let by = "our transaction was approved and reversed by 0191f5a7-44ab-7fbb-ab3c-1e1a98a5166e: \
              suspected_fraud";
    let failed = "our transaction was approved and is `failed` now: Said.";
    for (body, expected) in
        [(taken_back("approved"), told("suspected_fraud", by)), (with_status("failed"), told("00", failed))]
    {
        for refund in successes(&Moyasar::refund(), &success()) {
            let answer = looked(&refund, json(200, &body)).await;
            assert_eq!(answer.finding, expected);
            assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyHeeded]);
            let Finding::Reversed(reversal) = &answer.finding else { panic!() };
            assert_eq!(answer.evidence.provider_text.as_ref(), Some(&reversal.text));
            assert_eq!(answer.evidence.provider_code, reversal.provider_code);
            assert_eq!(answer.sight.order().unwrap().refunds, []);
        }
        for refund in no_successes(&Moyasar::refund()) {
            let answer = looked(&refund, json(200, &body)).await;
            assert!(matches!(answer.finding, Finding::Nothing | Finding::Declined(_)), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn nothing_else_takes_a_success_back() {
    for body in [
        EXAMPLE.to_owned(),
        taken_back("initiated"),
        taken_back("failed"),
        EXAMPLE.replace(KEY, "another").replace("\"refunded_amount\": 262346", "\"refunded_amount\": 0"),
        EXAMPLE.replace("\"refunded_amount\": 262346", "\"refunded_amount\": 0"),
        with_status("initiated"),
        with_status("timeout"),
        with_status("system_error"),
        with_status("reversed"),
        // An order that cannot be trusted.
        taken_back("approved").replace("0191f5a7-44a9", "0191f5a7-44d3"),
        taken_back("approved").replace("\"captured_amount\": 262346", "\"captured_amount\": null"),
        with_status("failed").replace("\"SAR\"", "null"),
        taken_back("approved").replace("\"SAR\"", "\"KWD\""),
        taken_back("approved").replace("\"type\": \"refund\"", "\"type\": \"void\""),
    ] {
        for refund in successes(&Moyasar::refund(), &success()) {
            let answer = looked(&refund, json(200, &body)).await;
            assert!(!matches!(answer.finding, Finding::Reversed(_)), "{body} {answer:?}");
        }
    }
    for bytes in [json(404, &error_body("Not Found")), json(200, "{}"), json(500, ""), json(401, "")] {
        for refund in successes(&Moyasar::refund(), &success()) {
            let answer = looked(&refund, bytes.clone()).await;
            assert!(matches!(answer.finding, Finding::Absent | Finding::Nothing), "{answer:?}");
            assert!(matches!(answer.sight, Sight::NoOrder | Sight::Nothing));
        }
    }
}

#[tokio::test]
async fn a_success_that_was_not_read_from_our_transaction_is_not_taken_back_by_it() {
    for id in [None, Some("bank-statement-7".to_owned())] {
        let success = Success { provider_refund_id: id, ..success() };
        for refund in successes(&Moyasar::refund(), &success) {
            for body in [taken_back("approved"), with_status("failed")] {
                let answer = looked(&refund, json(200, &body)).await;
                assert!(!matches!(answer.finding, Finding::Reversed(_)), "{answer:?}");
            }
        }
    }
}

#[cfg(feature = "sandbox")]
mod beside_the_sandbox {
    use refunds::domain::answer::Face;
    use refunds::provider::moyasar::Settings;
    use secrecy::SecretString;
    use serde_json::json;

    use super::super::fixture::refund_of;
    use super::*;
    use crate::sandbox::{Running, reversal};

    async fn client() -> (Running, Moyasar) {
        let sandbox = Running::start().await;
        let base = sandbox.base_url("moyasar").parse().unwrap();
        let client = Moyasar::new(Settings::new(base, SecretString::from("sandbox-key"))).unwrap();
        sandbox.settings(&json!({"later_ms": 60_000})).await;
        (sandbox, client)
    }

    #[tokio::test]
    async fn an_approved_refund_that_is_reversed_later() {
        let (sandbox, client) = client().await;
        let refund = refund_of("99880000-0000-7000-8000-000000000001", "SAR", 1_000);
        let faces = client.send(std::slice::from_ref(&refund), 0).await.faces;
        let [Face::Succeeded(success)] = faces.as_slice() else { panic!("{faces:?}") };
        for refund in successes(&refund, success) {
            let answer = client.look_up(&refund).await;
            assert_eq!(answer.finding, Finding::Succeeded(success.clone()));
            assert_eq!(answer.sight.order().unwrap().refunded_minor, 1_000);
        }

        sandbox.settings(&json!({"clock_offset_s": 61})).await;
        for refund in successes(&refund, success) {
            let answer = client.look_up(&refund).await;
            assert_eq!(reversal(&answer).provider_code.as_deref(), Some("suspected_fraud"));
            let order = answer.sight.order().unwrap();
            assert_eq!((order.refunded_minor, order.refunds.len()), (0, 0));
        }
        for refund in no_successes(&refund) {
            assert_eq!(client.look_up(&refund).await.finding, Finding::Nothing);
        }
    }

    #[tokio::test]
    async fn a_refund_that_never_took_effect_is_not_reversed_whatever_names_it() {
        let (sandbox, client) = client().await;
        let refund = refund_of("99860000-0000-7000-8000-000000000001", "SAR", 1_000);
        assert_eq!(client.send(std::slice::from_ref(&refund), 0).await.faces, [Face::Unknown]);
        sandbox.settings(&json!({"clock_offset_s": 61})).await;
        for refund in successes(&refund, &success()).iter().chain(&no_successes(&refund)) {
            let answer = client.look_up(refund).await;
            assert_eq!(answer.finding, Finding::Nothing, "{answer:?}");
            assert_eq!(answer.sight.order().unwrap().transactions.len(), 3, "the reversal is there");
        }
    }
}
