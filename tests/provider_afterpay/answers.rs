//! Whole answers: each row of the table, and what no row knows.

use std::time::Duration;

use refunds::domain::answer::{Answer, BlockCause, Face, FailurePhase, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::sight::Sight;

use super::fixture::{assert_doubt, assert_phase, client_at, error_body, look_up, send, success_body};
use super::listener::{Listener, http, json};

const HTML: &str = "<html><body>Attention Required! | Cloudflare</body></html>";

async fn sent(answer: Vec<u8>) -> Answer {
    let listener = Listener::answer(answer).await;
    let answer = send(&client_at(listener.address())).await;
    assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
    answer
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
        let answer = sent(json(status, &error_body(status, code))).await;
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
async fn a_refused_account_blocks_and_fails_no_refund() {
    for (status, code, cause) in [
        (400, "invalid_json", BlockCause::Configuration),
        (401, "unauthorized", BlockCause::Credentials),
        (401, "insufficient_permissions", BlockCause::Permission),
        (403, "anything", BlockCause::Permission),
        (405, "method_not_allowed", BlockCause::Configuration),
        (406, "error", BlockCause::Configuration),
        (415, "error", BlockCause::Configuration),
    ] {
        let answer = sent(json(status, &error_body(status, code))).await;
        assert_eq!(answer.faces, [Face::Blocked(cause)], "{status} {code}");
        assert_eq!(answer.signals, [Signal::Block(cause)]);
    }
}

#[tokio::test]
async fn a_page_before_the_provider_blocks_the_account_and_leaves_the_outcome_open() {
    for (status, cause) in [(401, BlockCause::Credentials), (403, BlockCause::Configuration)] {
        for body in [HTML, "", "{}", r#"{"error":"x"}"#] {
            let answer = sent(http(status, "Content-Type: text/html\r\n", body)).await;
            assert_eq!(answer.faces, [Face::Unknown], "{status} {body}");
            assert_eq!(answer.signals, [Signal::Block(cause)]);
            assert_phase(&answer.evidence, FailurePhase::Parse, Some(status));
        }
    }
}

#[tokio::test]
async fn not_now_is_never_a_failure() {
    for status in [408, 425, 500, 502, 503, 504, 524, 599] {
        for body in [HTML, "", &error_body(status, "precondition_failed")] {
            assert_doubt(&sent(json(status, body)).await, FailurePhase::NotNow, Some(status));
        }
    }
    for body in ["", &error_body(409, "conflict")] {
        let answer = sent(json(409, body)).await;
        assert_eq!(answer.faces, [Face::Unknown]);
        assert_eq!(answer.signals, []);
        assert_phase(&answer.evidence, FailurePhase::NotNow, Some(409));
    }
}

#[tokio::test]
async fn a_429_keeps_the_account_quiet_for_as_long_as_it_says() {
    let dated = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
    for (headers, quiet_s) in [("", 30), ("Retry-After: 7\r\n", 7), (dated, 60), ("Retry-After: x\r\n", 30)] {
        let answer = sent(http(429, headers, &error_body(429, "too_many_requests"))).await;
        assert_eq!(answer.faces, [Face::Unknown]);
        assert_eq!(answer.signals, [Signal::Throttle(Duration::from_secs(quiet_s))], "{headers}");
        assert_phase(&answer.evidence, FailurePhase::NotNow, Some(429));
    }
    let answer = sent(http(503, "Retry-After: 9\r\n", "")).await;
    assert_eq!(answer.signals, [Signal::Trouble, Signal::Throttle(Duration::from_secs(9))]);
}

#[tokio::test]
async fn an_error_that_no_row_knows_is_no_refusal() {
    for (status, code) in [
        (400, "invalid_object"),
        (402, "declined"),
        (404, "precondition_failed"),
        (410, "payment_captured"),
        (412, "invalid_state"),
        (422, "something_new"),
        (422, "INVALID_AMOUNT"),
    ] {
        let answer = sent(json(status, &error_body(status, code))).await;
        assert_eq!(answer.faces, [Face::Unknown], "{status} {code}");
        assert_eq!(answer.signals, [], "the provider is well, our table is not");
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(status));
        assert_eq!(answer.evidence.provider_code.as_deref(), Some(code));
    }
}

#[tokio::test]
async fn a_refusal_in_any_other_shape_is_none() {
    let cut = error_body(422, "invalid_amount");
    for body in [
        HTML,
        "",
        "null",
        "[]",
        r#""invalid_amount""#,
        r#"{"errorCode":"invalid_amount"}{}"#,
        r#"{"errorCode":["invalid_amount"]}"#,
        r#"{"code":"invalid_amount","message":"x"}"#,
        &error_body(500, "invalid_amount"),
        &cut[..cut.len() - 1],
    ] {
        assert_doubt(&sent(json(422, body)).await, FailurePhase::Parse, Some(422));
    }
    assert_doubt(&sent(json(404, HTML)).await, FailurePhase::Parse, Some(404));
}

#[tokio::test]
async fn a_success_that_is_not_ours_proves_nothing() {
    let ours = success_body();
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
        let answer = sent(json(201, &body)).await;
        assert_doubt(&answer, FailurePhase::Parse, Some(201));
        assert!(answer.evidence.provider_text.is_some());
    }
    for status in [200, 202, 203] {
        assert_doubt(&sent(json(status, &ours)).await, FailurePhase::Parse, Some(status));
    }
    assert_doubt(&sent(b"HTTP/1.1 204 X\r\n\r\n".to_vec()).await, FailurePhase::Parse, Some(204));
}

#[tokio::test]
async fn what_only_describes_a_success_may_be_odd() {
    let ours = success_body();
    for body in [
        ours.replace("2023-01-01T00:00:00.000Z", "now"),
        ours.replace("\"2023-01-01T00:00:00.000Z\"", "null"),
        ours.replace("\"10.50\"", "\"10.5\""),
        ours.replace("requestId", "other1").replace("\"merchantReference", "\"other2"),
        ours.replace("0191f5a7-5555", "0191f5a7-6666"),
        ours.replace("\"refundId\"", "\"new\" : [1], \"refundId\""),
    ] {
        let answer = sent(json(201, &body)).await;
        assert!(matches!(answer.faces[0], Face::Succeeded(_)), "{body} {answer:?}");
    }
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let target = Listener::answer(json(201, &success_body())).await;
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let headers = format!("Location: http://{}/v2/payments/1/refund\r\n", target.address());
        assert_doubt(&sent(http(status, &headers, "")).await, FailurePhase::Parse, Some(status));
    }
    assert_eq!(target.connections(), 0);
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
        let answer = look_up(&client_at(listener.address())).await;
        assert_eq!((&answer.sight, &answer.signals), (&sight, &signals), "{answer:?}");
        assert!(answer.evidence.http_status.is_some());
        assert_eq!(listener.requests().len(), 1);
    }
}
