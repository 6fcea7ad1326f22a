//! Answers that are no order: each row of the table, and what no row knows.

use std::time::Duration;

use refunds::domain::answer::{Answer, BlockCause, Face, FailurePhase, Signal};
use refunds::domain::reason::FailureReason;

use super::fixture::{assert_doubt, assert_phase, error_body, refund, success_body};
use super::listener::{Listener, http, json};

const HTML: &str = "<html><body>Bad Gateway</body></html>";

async fn sent(answer: Vec<u8>) -> Answer {
    super::fixture::sent(answer, refund(), true, 1).await
}

#[tokio::test]
async fn each_listed_refusal_declines_and_is_never_conclusive() {
    for (status, code, reason) in [
        (400, "11023", FailureReason::RequestRejected),
        (400, "22041", FailureReason::AmountExceedsRefundable),
        (400, "22047", FailureReason::CurrencyMismatch),
        (400, "22026", FailureReason::OrderNotFound),
        (404, "22026", FailureReason::OrderNotFound),
        (404, "33023", FailureReason::OrderNotFound),
    ] {
        for body in [
            error_body(code),
            error_body(code).replace("code", "statusCode"),
            error_body(code).replace("code", "errorCode").replace("description", "message"),
            error_body(code).replace(&format!("\"{code}\""), code),
        ] {
            let answer = sent(json(status, &body)).await;
            let [Face::Declined { failure, conclusive: false }] = answer.faces.as_slice() else {
                panic!("{status} {body}: {answer:?}")
            };
            assert_eq!(failure.reason, reason, "{code}");
            assert_eq!(failure.provider_code.as_deref(), Some(code));
            assert_eq!(failure.text.as_deref(), Some("Said."));
            assert_eq!(answer.signals, [Signal::Healthy]);
            assert_eq!((answer.evidence.phase, answer.evidence.http_status), (None, Some(status)));
        }
    }
}

#[tokio::test]
async fn a_refused_account_blocks_and_fails_no_refund() {
    for (status, code, cause) in [
        (400, "22050", BlockCause::Configuration),
        (400, "39002", BlockCause::Configuration),
        (401, "invalid_token", BlockCause::Credentials),
        (401, "22026", BlockCause::Credentials),
        (403, "anything", BlockCause::Permission),
        (404, "24001", BlockCause::Configuration),
    ] {
        let answer = sent(json(status, &error_body(code))).await;
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
async fn an_error_that_says_that_nothing_went_to_the_acquirer_was_not_sent() {
    let answer = sent(json(400, &error_body("22014"))).await;
    assert_eq!(answer.faces, [Face::NotSent { alone: false }]);
    assert_eq!(answer.signals, [Signal::Trouble]);
}

#[tokio::test]
async fn not_now_is_never_a_failure() {
    for status in [408, 409, 425, 500, 502, 503, 504, 524, 599] {
        for body in [HTML, "", &error_body("22026"), &error_body("22014"), &success_body()] {
            assert_doubt(&sent(json(status, body)).await, FailurePhase::NotNow, Some(status));
        }
    }
}

#[tokio::test]
async fn a_429_keeps_the_account_quiet_for_as_long_as_it_says() {
    for (headers, quiet_s) in [("", 30), ("Retry-After: 7\r\n", 7), ("Retry-After: x\r\n", 30)] {
        let answer = sent(http(429, headers, &error_body("22026"))).await;
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
        (400, "11001"),
        (400, "33018"),
        (400, "22037"),
        (400, "33020"),
        (400, "0"),
        (400, "99999"),
        (400, "bad_request"),
        (402, "22027"),
        (404, "22041"),
        (404, "22014"),
        (405, "11023"),
        (410, "22026"),
        (412, "22026"),
        (422, "22041"),
    ] {
        let answer = sent(json(status, &error_body(code))).await;
        assert_eq!(answer.faces, [Face::Unknown], "{status} {code}");
        assert_eq!(answer.signals, [], "the provider is well, our table is not");
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(status));
        assert_eq!(answer.evidence.provider_code.as_deref(), Some(code));
    }
}

#[tokio::test]
async fn a_refusal_in_any_other_shape_is_none() {
    let cut = error_body("22041");
    for body in [
        HTML,
        "",
        "null",
        "[]",
        r#""22041""#,
        r#"{"code":"22041"}{}"#,
        r#"{"code":["22041"]}"#,
        r#"{"error":"22041"}"#,
        r#"{"transactionReferences":[{"statusCode":22041,"status":"Declined"}]}"#,
        &cut[..cut.len() - 1],
    ] {
        assert_doubt(&sent(json(400, body)).await, FailurePhase::Parse, Some(400));
        assert_doubt(&sent(json(404, body)).await, FailurePhase::Parse, Some(404));
    }
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let target = Listener::answer(json(200, &success_body())).await;
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let headers = format!("Location: http://{}/refunds\r\n", target.address());
        assert_doubt(&sent(http(status, &headers, "")).await, FailurePhase::Parse, Some(status));
    }
    assert_eq!(target.connections(), 0);
}
