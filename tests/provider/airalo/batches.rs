//! Several refunds in one call: each has its own face.

use std::time::Duration;

use refunds::domain::answer::{BlockCause, Face, FailurePhase, Signal};
use refunds::domain::reason::FailureReason;
use refunds::provider::Provider;
use refunds::provider::airalo::Airalo;

use super::answers::{coded, fields, meta};
use super::fixture::{A, B, C, FOREIGN_A, after_token, in_review, refund_of, refused, sent_all};
use crate::listener::{Step, http, json};
use crate::wire::{Wire, assert_phase};

const ALONE: Face = Face::NotSent { alone: true };
const BACK: Face = Face::NotSent { alone: false };

/// A refund of one eSIM, and one of two.
fn two() -> [refunds::domain::refund::Refund; 2] {
    [refund_of(&[A]), refund_of(&[B, C])]
}

#[tokio::test]
async fn one_call_holds_the_esims_of_all_in_order() {
    let listener = after_token(vec![vec![Step::Read, Step::Write(Airalo::success())]]).await;
    let client = Airalo::at(listener.address());
    assert_eq!(client.prepare().await, None);
    let answer = client.send(&two(), 0).await;
    assert_eq!(answer.faces, [in_review(&[A]), in_review(&[B, C])]);
    let request = listener.requests().remove(1);
    assert!(request.contains(&format!("\r\n\r\n[\"{A}\",  \"{B}\",  \"{C}\"]\r\n")), "{request}");
    assert_eq!(listener.requests().len(), 2);
}

#[tokio::test]
async fn foreign_esims_fail_the_refunds_that_hold_them() {
    let answer = sent_all(&two(), json(422, FOREIGN_A), true).await;
    assert_eq!(refused(&answer.faces[0]), Some(FailureReason::OrderNotFound));
    assert_eq!(answer.faces[1], BACK);
    assert_eq!(answer.signals, [Signal::Healthy]);
    let answer = sent_all(&two(), json(422, FOREIGN_A), false).await;
    assert_eq!(refused(&answer.faces[0]), Some(FailureReason::OrderNotFound));
    assert_eq!(answer.faces[1], Face::Unknown);

    let c = meta(&format!("The following ICCIDs do not belong to your company: {C}"));
    let answer = sent_all(&two(), json(422, &c), true).await;
    assert_eq!(answer.faces[0], BACK);
    assert_eq!(refused(&answer.faces[1]), Some(FailureReason::OrderNotFound));
    let answer = sent_all(&two(), json(422, &c), false).await;
    assert_eq!(answer.faces, [Face::Unknown, Face::Unknown], "its other eSIM may have been taken");

    let all = meta(&format!("The following ICCIDs do not belong to your company: {A}, {B}, {C}"));
    for atomic in [true, false] {
        let answer = sent_all(&two(), json(422, &all), atomic).await;
        assert!(answer.faces.iter().all(|face| refused(face) == Some(FailureReason::OrderNotFound)));
    }
}

#[tokio::test]
async fn nobody_is_told_of_anothers_esims() {
    let body = meta(&format!("The following ICCIDs do not belong to your company: {A}, {C}"));
    let answer = sent_all(&two(), json(422, &body), true).await;
    let texts = answer.faces.iter().map(|face| match face {
        Face::Declined { failure, .. } => failure.text.clone().unwrap(),
        other => panic!("{other:?}"),
    });
    let texts: Vec<String> = texts.into_iter().collect();
    assert!(texts[0].ends_with(&format!(": {A}")), "{texts:?}");
    assert!(texts[1].ends_with(&format!(": {C}")), "{texts:?}");
}

#[tokio::test]
async fn a_fault_of_what_all_share_fails_all() {
    for body in [
        meta("The iccids field is required."),
        meta("The reason field is required."),
        fields(r#""reason":"The selected reason is invalid.""#),
        fields(r#""notes":"The notes may not be greater than 255 characters.""#),
        fields(r#""email":"The email must be a valid email address.""#),
        fields(r#""iccids":["The iccids field is required."]"#),
        fields(r#""iccids.1":"Not a string.","reason":"No.""#),
    ] {
        for atomic in [true, false] {
            let answer = sent_all(&two(), json(422, &body), atomic).await;
            let all = answer.faces.iter().all(|face| refused(face) == Some(FailureReason::RequestRejected));
            assert!(all && answer.faces.len() == 2, "{body} {answer:?}");
        }
    }
}

#[tokio::test]
async fn any_other_refusal_sends_each_alone() {
    for body in [
        meta("Something about an eSIM."),
        fields(r#""iccids.1":"The iccids.1 must be digits.""#),
        fields(r#""iccids":"One of them is too long.""#),
        coded(14),
        coded(43),
        coded(73),
    ] {
        let answer = sent_all(&two(), json(422, &body), true).await;
        assert_eq!(answer.faces, [ALONE, ALONE], "{body}");
        assert_eq!(answer.signals, [Signal::Healthy]);
        let answer = sent_all(&two(), json(422, &body), false).await;
        assert_eq!(answer.faces, [Face::Unknown, Face::Unknown], "{body}");
    }
}

#[tokio::test]
async fn the_record_of_a_shared_call_names_no_esim() {
    let body = meta("The following ICCIDs do not belong to your company: 894000000000001, 894000000000009");
    let answer = sent_all(&two(), json(422, &body), true).await;
    let text = answer.evidence.provider_text.unwrap();
    assert_eq!(text, "The following ICCIDs do not belong to your company: ... ...");
    let alone = sent_all(&two()[..1], json(422, &body), true).await;
    assert!(alone.evidence.provider_text.unwrap().contains("894000000000001"));
}

#[tokio::test]
async fn what_concerns_no_refund_concerns_all() {
    let quiet = Signal::Throttle(Duration::from_mins(5));
    for (bytes, face, signals) in [
        (http(429, "", ""), BACK, vec![quiet]),
        (
            json(401, &meta("Authentication failed.")),
            Face::Blocked(BlockCause::Credentials),
            vec![Signal::Block(BlockCause::Credentials)],
        ),
        (
            json(403, &coded(89)),
            Face::Blocked(BlockCause::Configuration),
            vec![Signal::Block(BlockCause::Configuration)],
        ),
        (json(500, ""), Face::Unknown, vec![Signal::Trouble]),
        (json(202, "{}"), Face::Unknown, vec![Signal::Trouble]),
        (json(422, &coded(53)), Face::Unknown, vec![Signal::Trouble]),
        (json(422, ""), Face::Unknown, vec![Signal::Trouble]),
    ] {
        let answer = sent_all(&two(), bytes, true).await;
        assert_eq!(answer.faces, vec![face; 2]);
        assert_eq!(answer.signals, signals);
    }
}

#[tokio::test]
async fn a_refused_connection_sends_none_of_them() {
    let listener = after_token(vec![]).await;
    let client = Airalo::at(listener.address());
    assert_eq!(client.prepare().await, None);
    let _deaf = listener.close().await;
    let answer = client.send(&two(), 0).await;
    assert_eq!(answer.faces, [BACK, BACK], "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble]);
    assert_phase(&answer.evidence, FailurePhase::Connect, None);
}

#[tokio::test]
async fn a_lost_answer_puts_every_member_in_doubt() {
    let listener = after_token(vec![vec![Step::Read, Step::Reset]]).await;
    let client = Airalo::at(listener.address());
    assert_eq!(client.prepare().await, None);
    assert_eq!(client.send(&two(), 0).await.faces, [Face::Unknown, Face::Unknown]);
    assert_eq!(listener.requests().len(), 2);
}
