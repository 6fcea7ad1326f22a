//! Whole answers to a call for one refund: each row of the table, and what no row knows.

use refunds::domain::answer::{BlockCause, Face, FailurePhase, Signal};
use refunds::domain::reason::FailureReason;
use refunds::provider::airalo::Airalo;

use super::fixture::{A, B, FOREIGN_A, TAKEN, after_token, in_review, refund_of, refused, sent_all};
use crate::answers::{Answers, HTML};
use crate::listener::{Listener, Step, closing, http, json};
use crate::wire::{NOT_SENT, Wire, assert_doubt, assert_phase, prepare_and_send};

pub(super) fn meta(message: &str) -> String {
    format!(r#"{{"data":[],"meta":{{"message":"{message}"}}}}"#)
}

pub(super) fn fields(fields: &str) -> String {
    format!(r#"{{"data":{{{fields}}},"meta":{{"message":"the parameter is invalid"}}}}"#)
}

pub(super) fn coded(code: u64) -> String {
    format!(r#"{{"code":{code},"reason":"Said."}}"#)
}

impl Answers for Airalo {
    const NOT_NOW: &[u16] = &[408, 409, 425, 500, 502, 503, 504, 599];
    const REFUSED_AT: &[u16] = &[422];
    /// Too many calls took nothing.
    const AT_429: (Face, u64) = (NOT_SENT, 300);
    const FOREIGN: &[&str] = &[r#"{"error":"x"}"#];
    const MISSHAPEN: &[&str] = &[
        r#""The iccids field is required.""#,
        r#"{"meta":{"message":["The iccids field is required."]}}"#,
        r#"{"meta":"The iccids field is required."}"#,
        r#"{"error":"The iccids field is required."}"#,
    ];

    fn refusals(_: u16) -> Vec<String> {
        let too_many = r#"{"message":"Too Many Attempts."}"#.to_owned();
        vec![meta("The iccids field is required."), FOREIGN_A.to_owned(), too_many]
    }

    fn refused_account() -> Vec<(u16, String, BlockCause)> {
        let expired = "Authentication failed. This could be due to an expired token";
        vec![
            (401, meta(expired), BlockCause::Credentials),
            (401, r#"{"message":"Unauthenticated."}"#.to_owned(), BlockCause::Credentials),
            (403, coded(89), BlockCause::Configuration),
            (422, coded(89), BlockCause::Configuration),
            (403, meta("Forbidden"), BlockCause::Permission),
            (403, coded(1), BlockCause::Permission),
        ]
    }

    fn unlisted() -> Vec<(u16, String, Option<&'static str>)> {
        vec![
            (400, meta("The iccids field is required."), None),
            (404, meta("messages.resource_not_found"), None),
            (405, r#"{"message":"The POST method is not supported."}"#.to_owned(), None),
            (422, r#"{"message":"The given data was invalid."}"#.to_owned(), None),
            (422, coded(11), Some("11")),
            (422, coded(33), Some("33")),
            (422, coded(999), Some("999")),
        ]
    }
}

#[tokio::test]
async fn a_code_that_says_not_now_leaves_doubt() {
    for code in [13, 53] {
        assert_doubt(&Airalo::sent(json(422, &coded(code))).await, FailurePhase::NotNow, Some(422));
    }
}

#[tokio::test]
async fn each_listed_refusal_declines_and_is_never_conclusive() {
    let rejected = FailureReason::RequestRejected;
    for (body, reason, code) in [
        (FOREIGN_A.to_owned(), FailureReason::OrderNotFound, None),
        (meta("The iccids field is required."), rejected, None),
        (fields(r#""reason":"The selected reason is invalid. It must be one of …""#), rejected, None),
        (fields(r#""notes":["The notes field is required."]"#), rejected, None),
        (fields(r#""email":"The email must be a valid email address.""#), rejected, None),
        (fields(r#""iccids.0":"The iccids.0 must be digits.""#), rejected, None),
        (meta("Something about the eSIM."), rejected, None),
        (coded(14), rejected, Some("14")),
        (coded(43), rejected, Some("43")),
        (coded(73), FailureReason::OrderNotRefundable, Some("73")),
    ] {
        let answer = Airalo::sent(json(422, &body)).await;
        assert_eq!(refused(&answer.faces[0]), Some(reason), "{body} {answer:?}");
        assert_eq!(answer.signals, [Signal::Healthy]);
        assert_eq!((answer.evidence.phase, answer.evidence.http_status), (None, Some(422)));
        assert_eq!(answer.evidence.provider_code.as_deref(), code);
        let Face::Declined { failure, .. } = &answer.faces[0] else { panic!("{answer:?}") };
        assert_eq!(failure.provider_code.as_deref(), code);
        assert!(failure.text.as_deref().is_some_and(|text| !text.is_empty()));
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_fields() {
    let answer = Airalo::sent(json(422, &fields(r#""reason":"No.","notes":["Too","long."]"#))).await;
    let Face::Declined { failure, .. } = &answer.faces[0] else { panic!("{answer:?}") };
    let text = failure.text.as_deref().unwrap();
    assert!(text.starts_with("the parameter is invalid; "), "{text}");
    assert!(text.contains("reason: No.") && text.contains("notes: Too long."), "{text}");
}

#[tokio::test]
async fn a_complaint_about_esims_that_were_not_sent_answers_nothing() {
    for message in [
        format!("The following ICCIDs do not belong to your company: {B}"),
        format!("The following ICCIDs do not belong to your company: {A}7, 1{A}"),
        "The following ICCIDs do not belong to your company:".to_owned(),
    ] {
        let answer = Airalo::sent(json(422, &meta(&message))).await;
        assert_eq!(answer.faces, [Face::Unknown], "{message}");
        assert_phase(&answer.evidence, FailurePhase::Parse, Some(422));
    }
}

#[tokio::test]
async fn a_202_without_a_number_proves_nothing() {
    for body in [
        "",
        HTML,
        "{}",
        "[]",
        r#"{"data":[],"meta":{"message":"success"}}"#,
        &TAKEN.replace("12345", ""),
        &TAKEN.replace("\"12345\"", "null"),
        &TAKEN.replace("\"12345\"", "[1]"),
        &TAKEN.replace("refund_id", "id"),
        &TAKEN[..TAKEN.len() - 1],
        &format!("{TAKEN}{TAKEN}"),
    ] {
        assert_doubt(&Airalo::sent(json(202, body)).await, FailurePhase::Parse, Some(202));
    }
    for status in [200, 201, 203] {
        assert_doubt(&Airalo::sent(json(status, TAKEN)).await, FailurePhase::Parse, Some(status));
    }
    assert_doubt(&Airalo::sent(b"HTTP/1.1 204 X\r\n\r\n".to_vec()).await, FailurePhase::Parse, Some(204));
}

#[tokio::test]
async fn what_only_describes_a_202_may_be_odd() {
    for body in [
        TAKEN.replace("\"2024-10-12 09:30\"", "null"),
        TAKEN.replace("\"12345\"", "12345"),
        TAKEN.replace("success", "failure"),
        r#"{"data":{"refund_id":"12345","status":"pending"}}"#.to_owned(),
    ] {
        assert_eq!(Airalo::sent(json(202, &body)).await.faces, [in_review(&[A])], "{body}");
    }
}

#[tokio::test]
async fn a_token_call_that_redirects_is_not_followed() {
    let target = Listener::answer(json(200, "{}")).await;
    let headers = format!("Location: http://{}/v2/token\r\n", target.address());
    let listener = Listener::play(vec![vec![Step::Read, Step::Write(http(307, &headers, ""))]]).await;
    let client = Airalo::at(listener.address());
    assert!(refunds::provider::Provider::prepare(&client).await.is_some());
    assert_eq!((target.connections(), listener.requests().len()), (0, 1));
}

#[tokio::test]
async fn a_refund_of_several_esims_may_have_been_taken_in_part() {
    let two = [refund_of(&[A, B])];
    for body in [FOREIGN_A.to_owned(), meta("Something about an eSIM."), coded(43)] {
        let answer = sent_all(&two, json(422, &body), true).await;
        assert!(refused(&answer.faces[0]).is_some(), "{body}");
        let answer = sent_all(&two, json(422, &body), false).await;
        assert_eq!(answer.faces, [Face::Unknown], "{body}");
        let answer = sent_all(&[Airalo::refund()], json(422, &body), false).await;
        assert!(refused(&answer.faces[0]).is_some(), "{body}");
    }
}

#[tokio::test]
async fn a_second_call_waits_for_nothing_but_its_own_answer() {
    let script = |body: &str| vec![Step::Read, Step::Write(closing(&json(202, body)))];
    let listener = after_token(vec![script(TAKEN), script(TAKEN)]).await;
    let client = Airalo::at(listener.address());
    for _ in 0..2 {
        assert_eq!(prepare_and_send(&client).await.faces, [in_review(&[A])]);
    }
    assert_eq!(listener.requests().len(), 3, "one token serves both");
}
