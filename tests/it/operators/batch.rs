//! Many resolutions in one call: each on its own.

use refunds::grpc::proto::batch_resolve_result::Result as Told;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, Outcome, Refund, Refusal, ResolveRefundRequest};
use tonic::Code;

use super::super::support::app::TestApp;
use super::super::support::on_every_app;
use super::super::support::people::{eur, faulty, resolution, why};
use super::{ANSWER, at_worldline, came_to, in_doubt, unknown};

fn nobodys(number: usize) -> ResolveRefundRequest {
    resolution(&format!("00000000-0000-7000-8000-{number:012}"), Outcome::Failed)
}

fn refund(told: Option<Told>) -> Refund {
    match told {
        Some(Told::Refund(refund)) => refund,
        other => panic!("refused: {other:?}"),
    }
}

fn refusal(told: Option<Told>) -> Refusal {
    match told {
        Some(Told::Refusal(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// The code and the reason of a refusal.
fn code_of(refusal: &Refusal) -> (Code, &str) {
    (Code::from_i32(refusal.code), refusal.reason.as_str())
}

on_every_app! {
    async fn each_is_answered_on_its_own_in_the_order_asked(app: &mut TestApp) {
        in_doubt(app).await;
        let pending = CreateRefundRequest {
            not_before: Some(app.in_seconds(3_600)),
            ..at_worldline("wl-1-1", 1_000)
        };
        let pending = app.accepted(pending).await.refund_id;
        let failed = unknown(app, at_worldline("wl-9943-1", 60_000)).await.refund_id;
        let partly = unknown(app, at_worldline("wl-9943-2", 60_000)).await.refund_id;
        let on_its_way = came_to(app, at_worldline("wl-9943-3", 60_000), State::Unknown).await.refund_id;
        let mut part = resolution(&partly, Outcome::PartiallySucceeded);
        part.amount_succeeded = Some(eur(10));
        let mut faulty_one = resolution(&pending.replace('-', "+"), Outcome::Unspecified);
        faulty_one.note.clear();
        let requests = vec![
            resolution(&failed, Outcome::Failed),
            resolution(&pending, Outcome::Failed),
            faulty_one,
            nobodys(1),
            part.clone(),
            resolution(&on_its_way, Outcome::Succeeded),
        ];
        let told = app.batch_resolve(requests.clone()).await.unwrap();
        let asked: Vec<_> = requests.iter().map(|request| request.refund_id.clone()).collect();
        assert_eq!(told.iter().map(|told| told.refund_id.clone()).collect::<Vec<_>>(), asked);
        let mut told = told.into_iter().map(|told| told.result);
        let mut next = || told.next().unwrap();
        let first = refund(next());
        assert_eq!(first.state(), State::Failed);
        let forbidden = refusal(next());
        assert_eq!(code_of(&forbidden), (Code::FailedPrecondition, "STATE_FORBIDS"));
        assert_eq!(forbidden.metadata["state"], "pending");
        let invalid = refusal(next());
        assert_eq!(code_of(&invalid), (Code::InvalidArgument, "INVALID_FIELD"));
        let fields: Vec<_> = invalid.field_violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["refund_id", "outcome", "note"]);
        assert_eq!(code_of(&refusal(next())), (Code::NotFound, "REFUND_NOT_FOUND"));
        let part_done = refund(next());
        let moved = part_done.amount_succeeded.clone();
        assert_eq!((part_done.state(), moved), (State::PartiallySucceeded, Some(eur(10))));
        let later = refusal(next());
        assert_eq!(code_of(&later), (Code::FailedPrecondition, "ATTEMPT_ON_ITS_WAY"));
        let wait = later.retry_delay.unwrap().seconds;
        assert!((0..=ANSWER.as_secs().cast_signed()).contains(&wait), "{wait}");
        assert!(later.message.contains("on its way"), "{}", later.message);
        assert_eq!(app.full(&failed).await.events.last().unwrap().actor, "operator");
        assert_eq!(app.get(&pending).await.state(), State::Pending);

        // Again, later: what was done is answered as it is, what could not be said then is done now.
        app.clock.advance(ANSWER);
        let again = app.batch_resolve(requests).await.unwrap();
        assert_eq!(refund(again[0].result.clone()), first);
        assert_eq!(refund(again[4].result.clone()), part_done);
        assert_eq!(refund(again[5].result.clone()).state(), State::Succeeded);
        assert_eq!(app.full(&failed).await.decisions.len(), 1);
    }

    async fn one_to_a_hundred_each_of_another_refund(app: &mut TestApp) {
        let invalid = async |requests: Vec<ResolveRefundRequest>| {
            let status = app.batch_resolve(requests).await.unwrap_err();
            assert_eq!(why(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
            faulty(&status)
        };
        assert_eq!(invalid(Vec::new()).await, ["requests"]);
        assert_eq!(invalid((0..101).map(nobodys).collect()).await, ["requests"]);
        let twice = vec![nobodys(1), nobodys(2), nobodys(1), nobodys(3), nobodys(2)];
        assert_eq!(invalid(twice).await, ["requests[2].refund_id", "requests[4].refund_id"]);
        let told = app.batch_resolve((0..100).map(nobodys).collect()).await.unwrap();
        assert_eq!(told.len(), 100);
        for told in told {
            assert_eq!(code_of(&refusal(told.result)), (Code::NotFound, "REFUND_NOT_FOUND"));
        }
        assert_eq!(app.batch_resolve(vec![nobodys(7)]).await.unwrap().len(), 1);
    }
}
