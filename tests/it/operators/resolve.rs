//! Resolving: what became of a refund, as a person found out.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{
    CreateRefundRequest, FailureReason, Money, Outcome, ResolveRefundRequest, StreamRefundStatusRequest, Wait,
};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt;

use super::super::airalo_batches::with_account;
use super::super::stream::{Seen, next, now, open};
use super::super::support::app::{TestApp, esim, payment};
use super::super::support::on_every_app;
use super::super::support::people::{assert_state_forbids, eur, faulty, resolution, why};
use super::{ANSWER, WHOLE, at_worldline, came_to, in_doubt, unknown};

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

fn reference(request: ResolveRefundRequest) -> ResolveRefundRequest {
    ResolveRefundRequest { provider_refund_id: "their-77".to_owned(), ..request }
}

on_every_app! {
    async fn what_became_of_a_doubt_is_recorded_with_what_shows_it(app: &mut TestApp) {
        in_doubt(app).await;
        let rows = [
            (Outcome::Failed, None, State::Failed, None, WHOLE),
            (Outcome::Succeeded, None, State::Succeeded, Some(60_000), 40_000),
            (Outcome::Succeeded, Some(60_000), State::Succeeded, Some(60_000), 40_000),
            (Outcome::PartiallySucceeded, Some(25_000), State::PartiallySucceeded, Some(25_000), 75_000),
        ];
        for (number, (outcome, told, state, moved, remains)) in rows.into_iter().enumerate() {
            let order = format!("wl-9943-{number}");
            let wish = at_worldline(&order, 60_000);
            let refund = unknown(app, wish.clone()).await;
            assert_eq!(app.remaining(&wish).await, Some(WHOLE - 60_000), "held while nobody knows");
            let mut request = reference(resolution(&refund.refund_id, outcome));
            request.amount_succeeded = told.map(eur);
            let resolved = app.resolve(request.clone()).await.unwrap();
            assert_eq!(resolved.state(), state);
            assert_eq!(resolved.amount_succeeded, moved.map(eur));
            assert_eq!((resolved.waits_for(), resolved.next_check_time), (Wait::Unspecified, None));
            assert_eq!(app.get(&refund.refund_id).await, resolved);
            match &resolved.failure {
                Some(failure) => {
                    assert_eq!(failure.reason(), FailureReason::ResolvedByOperator);
                    assert_eq!((outcome, &failure.text), (Outcome::Failed, &request.note));
                }
                None => assert_eq!(resolved.provider_refund_id, "their-77"),
            }
            assert_eq!(app.remaining(&wish).await, Some(remains), "{outcome:?}");

            let full = app.full(&refund.refund_id).await;
            let last = full.events.last().unwrap();
            assert_eq!((last.previous_state(), last.state()), (State::Unknown, state));
            assert_eq!((last.actor.as_str(), last.trace_id.len()), ("operator", 32));
            assert_eq!(last.sequence, resolved.sequence);
            let [decision] = full.decisions.as_slice() else { panic!("{full:#?}") };
            assert_eq!((decision.kind.as_str(), decision.actor.as_str()), ("resolve", "operator"));
            assert_eq!((decision.outcome(), &decision.amount_succeeded), (state, &told.map(eur)));
            assert_eq!((&decision.evidence, &decision.note), (&request.evidence, &request.note));
            let kept = if outcome == Outcome::Failed { "" } else { "their-77" };
            assert_eq!(decision.provider_refund_id, kept);
            assert_eq!((&decision.trace_id, decision.time), (&last.trace_id, last.time));
            assert_eq!(app.sandbox.posts(&order).await.len(), 1, "nothing is sent for it");
        }
    }

    async fn what_may_be_on_its_way_is_left_alone(app: &mut TestApp) {
        in_doubt(app).await;
        app.sandbox.settings(&json!({ "slow_ms": 8_000 })).await;
        for (order, state) in [("wl-9942-1", State::Sending), ("wl-9943-1", State::Unknown)] {
            let refund = came_to(app, at_worldline(order, WHOLE), state).await;
            for outcome in [Outcome::Failed, Outcome::Succeeded] {
                let status = app.resolve(resolution(&refund.refund_id, outcome)).await.unwrap_err();
                let told = (Code::FailedPrecondition, "ATTEMPT_ON_ITS_WAY".to_owned());
                assert_eq!(why(&status), told, "{status:?}");
                let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
                let lease = if state == State::Sending { 3 } else { 0 };
                assert!(!wait.is_zero() && wait.as_secs() <= ANSWER.as_secs() + lease, "{wait:?}");
            }
            let full = app.full(&refund.refund_id).await;
            assert_eq!(full.decisions, []);
            assert!(full.events.iter().all(|event| event.actor != "operator"), "{full:#?}");
        }
        let sent = app.create(at_worldline("wl-9942-1", WHOLE)).await.unwrap().refund.unwrap();
        app.wait_for(&sent.refund_id, State::Succeeded).await;
        let unknown = app.create(at_worldline("wl-9943-1", WHOLE)).await.unwrap().refund.unwrap();
        app.clock.advance(ANSWER);
        let resolved = app.resolve(resolution(&unknown.refund_id, Outcome::Failed)).await.unwrap();
        assert_eq!(resolved.state(), State::Failed);
    }

    async fn a_review_is_resolved_and_its_esims_are_kept_or_freed(app: &mut TestApp) {
        with_account(app, &[]).await;
        let iccids = ["89996200000001", "89996200000002", "89996200000003"];
        let outcomes = [Outcome::Failed, Outcome::Succeeded, Outcome::PartiallySucceeded];
        for (iccid, outcome) in iccids.into_iter().zip(outcomes) {
            let refund = came_to(app, esim(iccid, "shop", iccid), State::InReview).await;
            let resolved = app.resolve(resolution(&refund.refund_id, outcome)).await.unwrap();
            assert_eq!(resolved.amount_succeeded, None);
            let again = esim(&format!("again-{iccid}"), "shop", iccid);
            if outcome == Outcome::Failed {
                assert!(app.validate(again).await.accepted);
                continue;
            }
            let status = app.create(again.clone()).await.unwrap_err();
            assert_eq!(why(&status).1, "ESIM_TAKEN");
            let reversed = app.resolve(resolution(&refund.refund_id, Outcome::Reversed)).await.unwrap();
            assert_eq!(reversed.state(), State::Reversed);
            assert!(app.validate(again).await.accepted, "{outcome:?}");
        }
    }

    async fn a_doubt_of_an_esim_is_resolved_and_not_looked_at_any_more(app: &mut TestApp) {
        with_account(app, &[("REFUNDS__ACCOUNTS__SHOP__TIMEOUTS__READ_MS", "15000")]).await;
        // The answer is lost, the effect is there, and no lookup ever shows it.
        let (lost, other) = ("89997100000001", "89994300000001");
        app.sandbox.settings(&json!({ "hold_ms": 100 })).await;
        let refund = unknown(app, esim("e1", "shop", lost)).await;
        let status = app.create(esim("e2", "shop", lost)).await.unwrap_err();
        assert_eq!(why(&status).1, "ESIM_TAKEN");
        app.resolve(resolution(&refund.refund_id, Outcome::Succeeded)).await.unwrap();
        let status = app.create(esim("e2", "shop", lost)).await.unwrap_err();
        assert_eq!(why(&status).1, "ESIM_TAKEN", "it went back");
        assert_eq!((app.effects(lost).await.len(), app.sandbox.posts(lost).await.len()), (1, 1));

        let refund = unknown(app, esim("o1", "shop", other)).await;
        app.resolve(resolution(&refund.refund_id, Outcome::Failed)).await.unwrap();
        let again = came_to(app, esim("o2", "shop", other), State::InReview).await;
        app.wait_for(&again.refund_id, State::Succeeded).await;
        assert_eq!(app.effects(other).await.len(), 1);
    }

    async fn states_that_leave_nothing_to_say_refuse_it(app: &mut TestApp) {
        in_doubt(app).await;
        let held = CreateRefundRequest {
            not_before: Some(app.in_seconds(3_600)),
            ..at_worldline("wl-1-1", 1_000)
        };
        let pending = app.accepted(held).await;
        let canceled = app.accepted(CreateRefundRequest {
            not_before: Some(app.in_seconds(3_600)),
            ..at_worldline("wl-1-2", 1_000)
        }).await;
        app.cancel(&canceled.refund_id).await.unwrap();
        let failed = came_to(app, at_worldline("wl-9901-1", 1_000), State::Failed).await;
        let succeeded = came_to(app, at_worldline("wl-1-3", 1_000), State::Succeeded).await;
        let partly = came_to(app, at_worldline("wl-9991-1", WHOLE), State::PartiallySucceeded).await;
        let doubt = unknown(app, at_worldline("wl-9943-1", 1_000)).await;
        let review = "99830000-0000-7000-8000-000000000001";
        let review = came_to(app, payment("m1", "moyasar", review, ("SAR", 1_000)), State::InReview).await;
        let decided = [Outcome::Succeeded, Outcome::Failed];
        let all = [Outcome::Succeeded, Outcome::Failed, Outcome::Reversed];
        let rows = [
            (&pending, "pending", all.as_slice()),
            (&canceled, "canceled", &all),
            (&failed, "failed", &all),
            (&succeeded, "succeeded", &decided),
            (&partly, "partially_succeeded", &decided),
            (&doubt, "unknown", &[Outcome::Reversed]),
            (&review, "in_review", &[Outcome::Reversed]),
        ];
        for (refund, word, outcomes) in rows {
            let before = app.full(&refund.refund_id).await;
            for outcome in outcomes {
                let told = app.resolve(resolution(&refund.refund_id, *outcome)).await;
                assert_state_forbids(told, word);
            }
            let after = app.full(&refund.refund_id).await;
            assert_eq!((after.events, after.decisions), (before.events, before.decisions), "{word}");
        }
        let nobodys = app.resolve(resolution(NOBODY, Outcome::Failed)).await.unwrap_err();
        assert_eq!(why(&nobodys), (Code::NotFound, "REFUND_NOT_FOUND".to_owned()));
    }

    async fn a_success_may_be_said_to_be_taken_back_and_frees_nothing_yet(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__WORLDLINE__SCHEDULE__FOLLOW_SCHEDULE_MS", "3600000,7200000")]);
        in_doubt(app).await;
        let wish = at_worldline("wl-1-1", 70_000);
        let refund = came_to(app, wish.clone(), State::Succeeded).await;
        let follow = StreamRefundStatusRequest { follow_reversals: true, ..now(&refund.refund_id) };
        let mut stream = open(app, follow).await.unwrap();
        let mut request = resolution(&refund.refund_id, Outcome::Reversed);
        request.evidence = "The bank sent it back.".to_owned();
        let reversed = app.resolve(request).await.unwrap();
        assert_eq!((reversed.state(), reversed.amount_freed), (State::Reversed, false));
        assert_eq!(reversed.amount_succeeded, Some(eur(70_000)));
        assert_eq!(next(&mut stream).await.unwrap().unwrap().0, Seen::Status(State::Reversed, 4));
        let last = app.full(&refund.refund_id).await.events.pop().unwrap();
        assert_eq!((last.actor.as_str(), last.note.as_str()), ("operator", "The bank sent it back."));
        // The provider's figures say that it stands, whatever a person says, as often as they are looked at.
        let before = app.looks(&refund.refund_id).await;
        for look in 1..=2 {
            app.clock.advance(Duration::from_hours(1));
            app.looked_up(&refund.refund_id, before + look).await;
        }
        assert!(!app.get(&refund.refund_id).await.amount_freed);
        assert_eq!(app.remaining(&wish).await, Some(30_000));
        let more = CreateRefundRequest { request_id: "more".to_owned(), ..at_worldline("wl-1-1", 30_001) };
        assert_eq!(why(&app.create(more).await.unwrap_err()).1, "AMOUNT_EXCEEDS_REMAINING");
    }

    async fn the_same_again_is_answered_as_it_is(app: &mut TestApp) {
        in_doubt(app).await;
        let refund = unknown(app, at_worldline("wl-9943-1", 60_000)).await;
        let mut part = resolution(&refund.refund_id, Outcome::PartiallySucceeded);
        part.amount_succeeded = Some(eur(1));
        let resolved = app.resolve(part.clone()).await.unwrap();
        // A look that was under way may still leave its answer.
        let told = async || {
            let full = app.full(&refund.refund_id).await;
            (full.events, full.decisions)
        };
        let before = told().await;
        assert_eq!(app.resolve(part.clone()).await.unwrap(), resolved);
        assert_eq!(told().await, before, "it leaves nothing behind");
        let others = [
            ResolveRefundRequest { amount_succeeded: Some(eur(2)), ..part.clone() },
            ResolveRefundRequest { evidence: "Another ticket.".to_owned(), ..part.clone() },
            ResolveRefundRequest { note: "Another note.".to_owned(), ..part.clone() },
            reference(part),
        ];
        for other in others {
            assert_state_forbids(app.resolve(other).await, "partially_succeeded");
        }
        assert_eq!(told().await, before);
    }

    async fn all_faults_of_a_resolution_are_told_at_once(app: &mut TestApp) {
        in_doubt(app).await;
        let id = unknown(app, at_worldline("wl-9943-1", 60_000)).await.refund_id;
        let money = |code: &str, minor| Some(Money { currency_code: code.to_owned(), amount_minor: minor });
        let part = |amount_succeeded| ResolveRefundRequest {
            amount_succeeded,
            ..resolution(&id, Outcome::PartiallySucceeded)
        };
        let with_a_cent = |outcome| ResolveRefundRequest {
            amount_succeeded: money("EUR", 1),
            ..resolution(&id, outcome)
        };
        let amount = ["amount_succeeded"].as_slice();
        let rows: Vec<(ResolveRefundRequest, &[&str])> = vec![
            (ResolveRefundRequest::default(), &["refund_id", "outcome", "evidence", "note"]),
            (
                ResolveRefundRequest {
                    refund_id: "x".to_owned(),
                    outcome: 99,
                    amount_succeeded: money("EUR ", -1),
                    provider_refund_id: "p".repeat(256),
                    evidence: "e".repeat(1_001),
                    note: "card 4111 1111 1111 1111".to_owned(),
                },
                &["refund_id", "amount_succeeded.currency_code", "provider_refund_id", "outcome", "evidence",
                    "note"],
            ),
            (ResolveRefundRequest { note: "  ".to_owned(), ..part(money("EUR", 1)) }, &["note"]),
            (with_a_cent(Outcome::Failed), amount),
            (with_a_cent(Outcome::Reversed), amount),
            (with_a_cent(Outcome::Succeeded), amount),
            (part(None), amount),
            (part(money("EUR", 60_000)), amount),
            (part(money("USD", 1)), amount),
        ];
        for (request, fields) in rows {
            let status = app.resolve(request.clone()).await.unwrap_err();
            assert_eq!(why(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()), "{request:?}");
            assert_eq!(faulty(&status), fields, "{request:?}");
        }
        // A fault is told before what the state forbids, and nothing was decided.
        assert_eq!(app.full(&id).await.decisions, []);
        let longest = ResolveRefundRequest {
            provider_refund_id: "p".repeat(255),
            evidence: "e".repeat(1_000),
            note: "n".repeat(1_000),
            ..part(money("EUR", 59_999))
        };
        assert_eq!(app.resolve(longest).await.unwrap().state(), State::PartiallySucceeded);
    }
}
