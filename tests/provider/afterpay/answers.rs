//! Whole answers: each row of the table, and what no row knows.

use std::time::Duration;

use refunds::domain::answer::{BlockCause, Face, FailurePhase, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::sight::Sight;
use refunds::provider::afterpay::Afterpay;

use super::fixture::error_body;
use crate::answers::{Answers, HTML};
use crate::listener::{Listener, http, json};
use crate::wire::{Wire, assert_doubt, assert_phase, look_up};

impl Answers for Afterpay {
    const NOT_NOW: &[u16] = &[408, 425, 500, 502, 503, 504, 524, 599];
    const REFUSED_AT: &[u16] = &[404, 422];
    const AT_429: (Face, u64) = (Face::Unknown, 30);
    const FOREIGN: &[&str] = &[r#"{"error":"x"}"#];
    const MISSHAPEN: &[&str] = &[
        r#""invalid_amount""#,
        r#"{"errorCode":"invalid_amount"}{}"#,
        r#"{"errorCode":["invalid_amount"]}"#,
        r#"{"code":"invalid_amount","message":"x"}"#,
        // The status in the body is another one.
        concat!(
            r#"{"errorCode":"invalid_amount","errorId":"0123456789abcdef","message":"Said.","#,
            r#""httpStatusCode":500}"#
        ),
    ];

    fn refusals(status: u16) -> Vec<String> {
        ["invalid_amount", "precondition_failed", "too_many_requests"]
            .map(|code| error_body(status, code))
            .to_vec()
    }

    fn refused_account() -> Vec<(u16, String, BlockCause)> {
        let rows = [
            (400, "invalid_json", BlockCause::Configuration),
            (401, "unauthorized", BlockCause::Credentials),
            (401, "insufficient_permissions", BlockCause::Permission),
            (403, "anything", BlockCause::Permission),
            (405, "method_not_allowed", BlockCause::Configuration),
            (406, "error", BlockCause::Configuration),
            (415, "error", BlockCause::Configuration),
        ];
        rows.map(|(status, code, cause)| (status, error_body(status, code), cause)).to_vec()
    }

    fn unlisted() -> Vec<(u16, String, Option<&'static str>)> {
        let rows = [
            (400, "invalid_object"),
            (402, "declined"),
            (404, "precondition_failed"),
            (410, "payment_captured"),
            (412, "invalid_state"),
            (422, "something_new"),
            (422, "INVALID_AMOUNT"),
        ];
        rows.map(|(status, code)| (status, error_body(status, code), Some(code))).to_vec()
    }
}

#[tokio::test]
async fn a_conflict_leaves_doubt_and_is_no_trouble() {
    for body in ["", &error_body(409, "conflict")] {
        let answer = Afterpay::sent(json(409, body)).await;
        assert_eq!(answer.faces, [Face::Unknown]);
        assert_eq!(answer.signals, []);
        assert_phase(&answer.evidence, FailurePhase::NotNow, Some(409));
    }
}

#[tokio::test]
async fn each_listed_refusal_declines_and_is_never_conclusive() {
    for (status, code, reason) in [
        (404, "not_found", FailureReason::OrderNotFound),
        (412, "precondition_failed", FailureReason::OrderNotRefundable),
        (422, "invalid_amount", FailureReason::AmountExceedsRefundable),
        (422, "invalid_object", FailureReason::RequestRejected),
        (422, "refund_timelimit_exceeded", FailureReason::RefundWindowExpired),
        (422, "unsupported_currency", FailureReason::CurrencyMismatch),
    ] {
        let answer = Afterpay::sent(json(status, &error_body(status, code))).await;
        let [Face::Declined { failure, conclusive: false }] = answer.faces.as_slice() else {
            panic!("{status} {code}: {answer:?}")
        };
        assert_eq!(failure.reason, reason, "{code}");
        assert_eq!(failure.provider_code.as_deref(), Some(code));
        assert_eq!(failure.text.as_deref(), Some("Said."));
        assert_eq!(answer.signals, [Signal::Healthy]);
        assert_eq!(answer.evidence.phase, None);
        assert_eq!(answer.evidence.http_status, Some(status));
        assert_eq!(answer.evidence.provider_code.as_deref(), Some(code));
        assert_eq!(answer.evidence.correlation_id.as_deref(), Some("0123456789abcdef"));
    }
}

#[tokio::test]
async fn a_success_that_is_not_ours_proves_nothing() {
    let ours = Afterpay::success_body();
    let bodies = [
        String::new(),
        HTML.to_owned(),
        "{}".to_owned(),
        error_body(201, "precondition_failed"),
        ours.replace("\"requestId\" : \"0", "\"requestId\" : \"1"),
        ours.replace("\"merchantReference\" : \"0", "\"merchantReference\" : \"1"),
        ours.replace("10.50", "10.51"),
        ours.replace("10.50", "10,50"),
        ours.replace("\"10.50\"", "10.50"),
        ours.replace("AUD", "NZD"),
        ours.replace("67890123", ""),
        ours.replace("\"67890123\"", "null"),
        ours.replace("refundId", "id"),
        format!("{ours}{ours}"),
    ];
    for body in bodies {
        let answer = Afterpay::sent(json(201, &body)).await;
        assert_doubt(&answer, FailurePhase::Parse, Some(201));
        assert!(answer.evidence.provider_text.is_some());
    }
    for status in [200, 202, 203] {
        assert_doubt(&Afterpay::sent(json(status, &ours)).await, FailurePhase::Parse, Some(status));
    }
    assert_doubt(&Afterpay::sent(b"HTTP/1.1 204 X\r\n\r\n".to_vec()).await, FailurePhase::Parse, Some(204));
}

#[tokio::test]
async fn what_only_describes_a_success_may_be_odd() {
    let ours = Afterpay::success_body();
    for body in [
        ours.replace("2023-01-01T00:00:00.000Z", "now"),
        ours.replace("\"2023-01-01T00:00:00.000Z\"", "null"),
        ours.replace("\"10.50\"", "\"10.5\""),
        ours.replace("requestId", "other1").replace("\"merchantReference", "\"other2"),
        ours.replace("0191f5a7-5555", "0191f5a7-6666"),
        ours.replace("\"refundId\"", "\"new\" : [1], \"refundId\""),
    ] {
        let answer = Afterpay::sent(json(201, &body)).await;
        assert!(matches!(answer.faces[0], Face::Succeeded(_)), "{body} {answer:?}");
    }
}

#[tokio::test]
async fn a_lookup_sees_an_order_no_order_or_nothing() {
    let cases: [(Vec<u8>, Sight, Vec<Signal>); 9] = [
        (json(404, &error_body(404, "not_found")), Sight::NoOrder, vec![Signal::Healthy]),
        (json(404, HTML), Sight::Nothing, vec![Signal::Trouble]),
        (json(404, &error_body(404, "other")), Sight::Nothing, vec![]),
        (json(200, "{}"), Sight::Nothing, vec![Signal::Trouble]),
        (json(201, "{}"), Sight::Nothing, vec![Signal::Trouble]),
        (
            json(401, &error_body(401, "unauthorized")),
            Sight::Nothing,
            vec![Signal::Block(BlockCause::Credentials)],
        ),
        (json(403, HTML), Sight::Nothing, vec![Signal::Block(BlockCause::Configuration)]),
        (http(429, "Retry-After: 5\r\n", ""), Sight::Nothing, vec![Signal::Throttle(Duration::from_secs(5))]),
        (json(500, ""), Sight::Nothing, vec![Signal::Trouble]),
    ];
    for (bytes, sight, signals) in cases {
        let listener = Listener::answer(bytes).await;
        let answer = look_up(&Afterpay::at(listener.address())).await;
        assert_eq!((&answer.sight, &answer.signals), (&sight, &signals), "{answer:?}");
        assert!(answer.evidence.http_status.is_some());
        assert_eq!(listener.requests().len(), 1);
    }
}
