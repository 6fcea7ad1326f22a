//! Answers that are no order: each row of the table, and what no row knows.

use refunds::domain::answer::{BlockCause, Face, Signal};
use refunds::domain::reason::FailureReason;
use refunds::provider::worldline::Worldline;

use super::fixture::error_body;
use crate::answers::Answers;
use crate::listener::json;
use crate::wire::{NOT_SENT, Wire};

impl Answers for Worldline {
    const NOT_NOW: &[u16] = &[408, 409, 425, 500, 502, 503, 504, 524, 599];
    const REFUSED_AT: &[u16] = &[400, 404];
    const AT_429: (Face, u64) = (Face::Unknown, 30);
    const FOREIGN: &[&str] = &[r#"{"error":"x"}"#];
    const MISSHAPEN: &[&str] = &[
        r#""22041""#,
        r#"{"code":"22041"}{}"#,
        r#"{"code":["22041"]}"#,
        r#"{"error":"22041"}"#,
        r#"{"transactionReferences":[{"statusCode":22041,"status":"Declined"}]}"#,
    ];

    fn refusals(_: u16) -> Vec<String> {
        ["22041", "22026", "22014"].map(error_body).to_vec()
    }

    fn refused_account() -> Vec<(u16, String, BlockCause)> {
        let rows = [
            (400, "22050", BlockCause::Configuration),
            (400, "39002", BlockCause::Configuration),
            (401, "invalid_token", BlockCause::Credentials),
            (401, "22026", BlockCause::Credentials),
            (403, "anything", BlockCause::Permission),
            (404, "24001", BlockCause::Configuration),
        ];
        rows.map(|(status, code, cause)| (status, error_body(code), cause)).to_vec()
    }

    fn unlisted() -> Vec<(u16, String, Option<&'static str>)> {
        let rows = [
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
        ];
        rows.map(|(status, code)| (status, error_body(code), Some(code))).to_vec()
    }
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
            let answer = Worldline::sent(json(status, &body)).await;
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
async fn an_error_that_says_that_nothing_went_to_the_acquirer_was_not_sent() {
    let answer = Worldline::sent(json(400, &error_body("22014"))).await;
    assert_eq!(answer.faces, [NOT_SENT]);
    assert_eq!(answer.signals, [Signal::Trouble]);
}
