//! Orders read back over the wire.

use std::time::Duration;

use refunds::domain::answer::{BlockCause, FailurePhase, Finding, LookupAnswer, Signal};
use refunds::domain::id::Iccid;
use refunds::domain::refund::Refund;
use refunds::domain::sight::{Baseline, EsimOrder, EsimSight, Sight};
use refunds::provider::Provider;
use refunds::provider::airalo::Airalo;

use super::answers::{coded, meta};
use super::fixture::{A, B, after_token, refund_of};
use crate::listener::{Listener, Step, closing, http, json};
use crate::wire::{Wire, assert_phase};

/// A page with one order of one eSIM.
pub(super) fn page(iccid: &str, id: u32, status: &str) -> String {
    format!(
        r#"{{"data":[{{"id":{id},"quantity":1,"sims":[{{"id":1,"iccid":"{iccid}"}}],
        "status":{{"name":"X","slug":"{status}"}}}}],
        "meta":{{"message":"success","last_page":1,"total":1}}}}"#
    )
}

pub(super) fn sight(iccid: &str, id: u32, status: &str) -> EsimSight {
    let order = EsimOrder { id: id.to_string(), status: status.to_owned(), esims: 1 };
    EsimSight { iccid: Iccid::parse(iccid).unwrap(), orders: vec![order] }
}

pub(super) async fn looked_up(refund: &Refund, answers: &[Vec<u8>]) -> (LookupAnswer, Listener) {
    let script = |bytes: &Vec<u8>| vec![Step::Read, Step::Write(bytes.clone())];
    let listener = after_token(answers.iter().map(script).collect()).await;
    (Airalo::at(listener.address()).look_up(refund).await, listener)
}

#[tokio::test]
async fn each_esim_is_asked_for_by_itself() {
    let answers = [closing(&json(200, &page(A, 1, "completed"))), closing(&json(200, &page(B, 2, "failed")))];
    let (answer, listener) = looked_up(&refund_of(&[A, B]), &answers).await;
    assert_eq!(answer.sight, Sight::Esims(vec![sight(A, 1, "completed"), sight(B, 2, "failed")]));
    assert_eq!(answer.finding, Finding::Absent, "before the first send nothing can have changed");
    assert_eq!(answer.signals, [Signal::Healthy]);
    assert_eq!((answer.evidence.phase, answer.evidence.http_status), (None, Some(200)));
    let requests = listener.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests[1].contains(&format!("iccid%5D={A}&")) && requests[2].contains(&format!("iccid%5D={B}&"))
    );
}

#[tokio::test]
async fn a_change_since_the_send_is_found() {
    let mut refund = refund_of(&[A, B]);
    let before = vec![sight(A, 1, "completed"), sight(B, 2, "completed")];
    refund.baseline = Baseline { transactions: Vec::new(), esims: before };
    let answers = |a, b| [closing(&json(200, &page(A, 1, a))), closing(&json(200, &page(B, 2, b)))];
    let (answer, _) = looked_up(&refund, &answers("refunded", "refunded")).await;
    assert!(matches!(answer.finding, Finding::Succeeded(_)), "{answer:?}");
    let (answer, _) = looked_up(&refund, &answers("refunded", "partially_refunded")).await;
    assert!(matches!(answer.finding, Finding::PartlySucceeded(_)), "{answer:?}");
    let (answer, _) = looked_up(&refund, &answers("refunded", "completed")).await;
    assert!(matches!(answer.finding, Finding::InReview(_)), "{answer:?}");
    let (answer, _) = looked_up(&refund, &answers("completed", "completed")).await;
    assert_eq!(answer.finding, Finding::Absent);
}

#[tokio::test]
async fn an_esim_without_orders_is_not_the_companys() {
    let (answer, _) =
        looked_up(&Airalo::refund(), &[closing(&json(200, r#"{"data":[],"meta":{"total":0}}"#))]).await;
    let Sight::Esims(esims) = &answer.sight else { panic!("{answer:?}") };
    assert!(esims[0].orders.is_empty() && esims[0].objection().is_some());
}

#[tokio::test]
async fn one_esim_that_cannot_be_read_teaches_nothing_of_any() {
    let fine = closing(&json(200, &page(A, 1, "completed")));
    for bad in [json(500, ""), json(200, "{}"), json(404, "")] {
        let (answer, listener) = looked_up(&refund_of(&[A, B]), &[fine.clone(), bad.clone()]).await;
        assert_eq!((answer.sight, answer.finding), (Sight::Nothing, Finding::Nothing));
        assert_eq!(listener.requests().len(), 3);
        let (answer, listener) = looked_up(&refund_of(&[A, B]), &[bad, fine.clone()]).await;
        assert_eq!((answer.sight, answer.finding), (Sight::Nothing, Finding::Nothing));
        assert_eq!(listener.requests().len(), 2, "the rest is not asked for");
    }
}

#[tokio::test]
async fn a_lookup_that_is_refused_teaches_nothing() {
    let cases: [(Vec<u8>, Vec<Signal>, FailurePhase); 11] = [
        (json(200, "<html>"), vec![Signal::Trouble], FailurePhase::Parse),
        (json(202, &page(A, 1, "refunded")), vec![], FailurePhase::Parse),
        (json(404, &meta("messages.resource_not_found")), vec![], FailurePhase::Parse),
        (json(404, "<html>"), vec![Signal::Trouble], FailurePhase::Parse),
        (json(422, &meta("the parameter is invalid")), vec![], FailurePhase::Parse),
        (json(401, &meta("x")), vec![Signal::Block(BlockCause::Credentials)], FailurePhase::Parse),
        (json(403, &coded(89)), vec![Signal::Block(BlockCause::Configuration)], FailurePhase::Parse),
        (json(403, "<html>"), vec![Signal::Block(BlockCause::Configuration)], FailurePhase::Parse),
        (
            http(429, "Retry-After: 5\r\n", ""),
            vec![Signal::Throttle(Duration::from_secs(5))],
            FailurePhase::NotNow,
        ),
        (http(429, "", ""), vec![Signal::Throttle(Duration::from_mins(1))], FailurePhase::NotNow),
        (json(500, ""), vec![Signal::Trouble], FailurePhase::NotNow),
    ];
    for (bytes, signals, phase) in cases {
        let status = std::str::from_utf8(&bytes[9..12]).unwrap().parse().unwrap();
        let (answer, listener) = looked_up(&Airalo::refund(), &[bytes]).await;
        assert_eq!((&answer.sight, &answer.finding), (&Sight::Nothing, &Finding::Nothing), "{answer:?}");
        assert_eq!(answer.signals, signals);
        assert_phase(&answer.evidence, phase, Some(status));
        assert_eq!(listener.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_refund_without_esims_is_not_looked_up() {
    let (answer, listener) = looked_up(&refund_of(&[]), &[]).await;
    assert_eq!((answer.sight, answer.finding), (Sight::Nothing, Finding::Nothing));
    assert_eq!(listener.connections(), 0);
}
