//! Whole answers to a refund: each row of the tables, and what no row knows.

use refunds::domain::answer::{BlockCause, Evidence, Face, FailurePhase, Review, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::Failure;
use refunds::provider::moyasar::Moyasar;

use super::fixture::{EXAMPLE, KEY, ORDER, error_body, field_body, with_status};
use crate::answers::{Answers, HTML};
use crate::listener::{http, json};
use crate::wire::{Wire, assert_doubt, assert_phase};

impl Answers for Moyasar {
    const NOT_NOW: &[u16] = &[408, 409, 425, 500, 502, 503, 504, 524, 599];
    const REFUSED_AT: &[u16] = &[400, 404, 422];
    const AT_429: (Face, u64) = (Face::Unknown, 30);
    const FOREIGN: &[&str] = &[r#"{"message":""}"#, r#"{"message":1}"#];
    const MISSHAPEN: &[&str] = &[
        "\"Not Found\"",
        r#"{"message":""}"#,
        r#"{"message":["Not Found"]}"#,
        r#"{"error":"Not Found","errors":{"amount":["wrong"]}}"#,
        r#"{"message":"Not Found"}{}"#,
    ];

    fn refusals(_: u16) -> Vec<String> {
        vec![field_body("amount", "wrong"), error_body("Declined"), error_body("Too many")]
    }

    fn refused_account() -> Vec<(u16, String, BlockCause)> {
        vec![
            (401, error_body("Missing authentication information"), BlockCause::Credentials),
            (403, error_body("Unauthorized"), BlockCause::Permission),
        ]
    }

    fn unlisted() -> Vec<(u16, String, Option<&'static str>)> {
        let rows = [
            (402, error_body("Payment required")),
            (405, error_body("Method not allowed")),
            (410, error_body("Gone")),
            (422, error_body("Data validation failed")),
            (422, r#"{"message":"Data validation failed","errors":{}}"#.to_owned()),
            (422, r#"{"message":"Data validation failed","errors":["amount"]}"#.to_owned()),
        ];
        rows.map(|(status, body)| (status, body, None)).to_vec()
    }
}

#[tokio::test]
async fn a_refused_account_is_told_in_the_providers_words() {
    for (status, text) in [(401, "Missing authentication information"), (403, "Unauthorized")] {
        let answer = Moyasar::sent(json(status, &error_body(text))).await;
        assert_eq!(answer.evidence.provider_text.as_deref(), Some(text));
    }
}

#[tokio::test]
async fn our_own_transaction_decides_whatever_the_2xx() {
    let failure = Failure {
        reason: FailureReason::Declined,
        provider_code: Some("00".to_owned()),
        text: Some("Said.".to_owned()),
    };
    let review = Review { reference: Some(KEY.to_owned()), items: Vec::new() };
    for status in [200, 201, 202] {
        for (word, face) in [
            ("failed", Face::Declined { failure: failure.clone(), conclusive: true }),
            ("initiated", Face::InReview(review.clone())),
        ] {
            let answer = Moyasar::sent(json(status, &with_status(word))).await;
            assert_eq!(answer.faces, [face]);
            assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyHeeded]);
            assert_eq!(
                answer.evidence,
                Evidence {
                    phase: None,
                    http_status: Some(status),
                    provider_code: Some("00".to_owned()),
                    provider_text: Some("Said.".to_owned()),
                    correlation_id: Some("242590000001".to_owned()),
                }
            );
        }
    }
}

#[tokio::test]
async fn a_transaction_that_the_provider_lost_sight_of_leaves_doubt() {
    for word in ["timeout", "system_error"] {
        let answer = Moyasar::sent(json(200, &with_status(word))).await;
        assert_eq!(answer.faces, [Face::Unknown]);
        assert_eq!(answer.signals, [Signal::Trouble, Signal::KeyHeeded]);
        assert_phase(&answer.evidence, FailurePhase::NotNow, Some(200));
        let text = answer.evidence.provider_text.unwrap();
        assert_eq!(text, format!("our transaction is `{word}`: Said."));
    }
}

#[tokio::test]
async fn our_transaction_with_something_odd_shows_the_key_and_no_success() {
    let (before, ours) = EXAMPLE.split_once(KEY).unwrap();
    let odd = |from: &str, to: &str| format!("{before}{KEY}{}", ours.replacen(from, to, 1));
    for body in [
        with_status("reversed"),
        with_status("APPROVED"),
        odd("\"refund\"", "\"void\""),
        odd("262346", "262345"),
        odd("262346", "\"262346\""),
        odd("\"reverse_reason\": null", "\"reverse_reason\": \"timeout\""),
        EXAMPLE.replace("SAR", "USD"),
    ] {
        let answer = Moyasar::sent(json(200, &body)).await;
        assert_eq!(answer.faces, [Face::Unknown], "{body}");
        assert_eq!(answer.signals, [Signal::KeyHeeded]);
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(200));
    }
}

#[tokio::test]
async fn a_success_without_our_transaction_or_with_two_says_that_the_key_is_ignored() {
    let twice = EXAMPLE.replace("0191f5a7-44ab-7fbb-ab3c-1e1a98a5166e", KEY);
    for body in [EXAMPLE.replace(KEY, ORDER), r#"{"transactions": []}"#.to_owned(), twice] {
        let answer = Moyasar::sent(json(200, &body)).await;
        assert_eq!(answer.faces, [Face::Unknown], "{body}");
        assert_eq!(answer.signals, [Signal::KeyIgnored]);
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(200));
    }
}

#[tokio::test]
async fn a_2xx_that_is_no_order_proves_nothing_and_says_nothing_of_the_key() {
    let cut = EXAMPLE.trim_end();
    for body in [
        "",
        HTML,
        "{}",
        "null",
        "[]",
        &error_body("Refund accepted"),
        r#"{"transactions": {}}"#,
        r#"{"transactions": [null]}"#,
        &EXAMPLE.replace(KEY, "").replace("44ab-7fbb-ab3c-1e1a98a5166e", ""),
        &format!("[{EXAMPLE},{EXAMPLE}]"),
        &format!("{EXAMPLE}{EXAMPLE}"),
        &cut[..cut.len() - 1],
    ] {
        let answer = Moyasar::sent(json(200, body)).await;
        assert_doubt(&answer, FailurePhase::Parse, Some(200));
        assert!(answer.evidence.provider_text.is_some());
    }
    assert_doubt(&Moyasar::sent(b"HTTP/1.1 204 X\r\n\r\n".to_vec()).await, FailurePhase::Parse, Some(204));
}

#[tokio::test]
async fn what_only_describes_a_success_may_be_odd() {
    let nothing_else = format!(
        r#"{{"transactions":[{{"id":"{KEY}","type":"refund","status":"approved","amount":262346}}]}}"#
    );
    for body in [
        nothing_else,
        format!("\n [{EXAMPLE}]"),
        EXAMPLE.replace("2024-09-15T12:27:45Z", "yesterday"),
        EXAMPLE.replace("\"00\"", "0").replace("\"APPROVED\"", "{}"),
        EXAMPLE.replace("\"SAR\"", "null"),
        EXAMPLE.replace("0191f5a7-44a9", "0191f5a7-44d3"),
        EXAMPLE.replace("\"month\": 12", "\"month\": \"12\"").replace("merchant", "shop"),
        EXAMPLE.replace(KEY, &KEY.to_uppercase()),
    ] {
        let answer = Moyasar::sent(json(200, &body)).await;
        assert!(matches!(answer.faces[0], Face::Succeeded(_)), "{body} {answer:?}");
        assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyHeeded]);
    }
}

#[tokio::test]
async fn still_processing_means_wait_however_it_is_written() {
    for text in [
        "Initial request is still processing.",
        "  initial REQUEST is still processing. ",
        "The first request is still processing",
        "Processing",
    ] {
        let answer = Moyasar::sent(json(400, &error_body(text))).await;
        assert_eq!(answer.faces, [Face::Unknown], "{text}");
        assert_eq!(answer.signals, []);
        assert_phase(&answer.evidence, FailurePhase::NotNow, Some(400));
        assert_eq!(answer.evidence.provider_text.as_deref(), Some(text.trim()));
    }
}

#[tokio::test]
async fn each_listed_refusal_declines_and_is_never_conclusive() {
    let at_least = "The value must be greater than or equal to 1.";
    for (status, body, reason, text) in [
        (400, error_body("Amount is too large"), FailureReason::Declined, "Amount is too large".to_owned()),
        (404, error_body("Not Found"), FailureReason::OrderNotFound, "Not Found".to_owned()),
        (
            422,
            field_body("amount", at_least),
            FailureReason::RequestRejected,
            format!("Data validation failed; amount: {at_least}"),
        ),
    ] {
        let answer = Moyasar::sent(json(status, &body)).await;
        let [Face::Declined { failure, conclusive: false }] = answer.faces.as_slice() else {
            panic!("{status}: {answer:?}")
        };
        assert_eq!(*failure, Failure { reason, provider_code: None, text: Some(text) });
        assert_eq!(answer.signals, [Signal::Healthy]);
        assert_eq!((answer.evidence.phase, answer.evidence.http_status), (None, Some(status)));
        assert_eq!(answer.evidence.provider_text, failure.text);
    }
}

#[tokio::test]
async fn a_key_that_may_be_known_already_is_no_refusal() {
    for status in [400, 422] {
        let answer =
            Moyasar::sent(json(status, &field_body("transaction_id", "has already been taken"))).await;
        assert_eq!(answer.faces, [Face::Unknown]);
        assert_eq!(answer.signals, []);
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(status));
    }
}

#[tokio::test]
async fn the_name_of_the_exchange_is_kept() {
    for (headers, name) in [
        ("X-Request-Id: req-1\r\nCf-Ray: ray-1\r\n", "req-1"),
        ("Cf-Ray: ray-1\r\nSet-Cookie: a=b\r\n", "ray-1"),
    ] {
        let answer = Moyasar::sent(http(502, headers, HTML)).await;
        assert_eq!(answer.evidence.correlation_id.as_deref(), Some(name));
    }
}
