//! Trying a refund again, as a refund of its own.

use refunds::grpc::proto::refund::{State, Target};
use refunds::grpc::proto::{CreateRefundRequest, FailureReason, Outcome, Refund, RetryRefundRequest};
use serde_json::json;
use tonic::Code;

use super::super::airalo_batches::with_account;
use super::super::support::app::{TestApp, esim, payment, request};
use super::super::support::on_every_app;
use super::super::support::people::{assert_state_forbids, eur, faulty, named, resolution, retry_of, why};
use super::{ANSWER, WHOLE, at_worldline, came_to, in_doubt, unknown};

fn amount_of(refund: &Refund) -> i64 {
    match &refund.target {
        Some(Target::Payment(payment)) => payment.amount.as_ref().unwrap().amount_minor,
        other => panic!("no payment: {other:?}"),
    }
}

on_every_app! {
    async fn a_failure_is_tried_again_as_a_refund_of_its_own(app: &mut TestApp) {
        app.sandbox.order("1001", &json!({ "behaviours": ["invalid_amount", "ok"] })).await;
        let mut wish = request("t1", "1001", 7_000);
        wish.metadata = [("ticket".to_owned(), "17".to_owned())].into();
        wish.notes = "late".to_owned();
        let first = came_to(app, wish, State::Failed).await;
        let told = app.retry(retry_of("again", &first.refund_id)).await.unwrap();
        assert!(!told.replayed);
        let second = told.refund.unwrap();
        assert_eq!(second.retry_of, first.refund_id);
        assert_ne!(second.provider_key, first.provider_key, "no key is sent for two refunds");
        assert_eq!((second.caller.as_str(), second.request_id.as_str()), ("operator", "again"));
        assert_eq!((&second.target, &second.account), (&first.target, &first.account));
        assert_eq!((&second.metadata, &second.notes), (&first.metadata, &first.notes));
        // Its own caller may read it, and not withdraw it.
        let done = app.wait_for(&second.refund_id, State::Succeeded).await;
        assert_eq!(done.amount_succeeded.unwrap().amount_minor, 7_000);
        assert_eq!(app.effects("1001").await.len(), 1);
        let status = app.cancel(&second.refund_id).await.unwrap_err();
        assert_eq!(why(&status), (Code::PermissionDenied, "RIGHT_MISSING".to_owned()));

        let full = app.full(&first.refund_id).await;
        assert_eq!(full.refund.as_ref().unwrap().state(), State::Failed, "a final refund stays");
        assert_eq!(full.retried_as, [second.refund_id.as_str()]);
        let [decision] = full.decisions.as_slice() else { panic!("{full:#?}") };
        assert_eq!((decision.kind.as_str(), decision.actor.as_str()), ("retry", "operator"));
        assert_eq!(decision.retried_as, second.refund_id);
        assert_eq!(decision.note, "The customer waits.");

        // The same key again is the same refund, as it stands.
        let again = app.retry(retry_of("again", &first.refund_id)).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.refund.unwrap(), app.get(&second.refund_id).await);
        assert_eq!(app.full(&first.refund_id).await, full);
    }

    async fn the_key_of_a_retry_is_used_once(app: &mut TestApp) {
        let mut failed = Vec::new();
        for order in ["9910001", "9910002"] {
            failed.push(came_to(app, request(order, order, 7_000), State::Failed).await.refund_id);
        }
        let first = app.retry(retry_of("key", &failed[0])).await.unwrap().refund.unwrap();
        let reused = async |request: RetryRefundRequest| {
            let status = app.retry(request).await.unwrap_err();
            assert_eq!(why(&status), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()), "{status:?}");
            assert_eq!(named(&status, "refund_id"), first.refund_id);
            named(&status, "fields")
        };
        assert_eq!(reused(retry_of("key", &failed[1])).await, "retry_of");
        let aud = |minor| Some(refunds::grpc::proto::Money {
            currency_code: "AUD".to_owned(),
            amount_minor: minor,
        });
        let less = RetryRefundRequest { amount: aud(6_999), ..retry_of("key", &failed[0]) };
        assert_eq!(reused(less).await, "payment.amount");
        let same = RetryRefundRequest { amount: aud(7_000), ..retry_of("key", &failed[0]) };
        assert!(app.retry(same).await.unwrap().replayed);
        assert_eq!(app.full(&failed[1]).await.retried_as, Vec::<String>::new());
        // Another key tries it once more.
        let second = app.retry(retry_of("key-2", &failed[0])).await.unwrap().refund.unwrap();
        assert_eq!(app.full(&failed[0]).await.retried_as, [first.refund_id, second.refund_id]);
    }

    async fn of_a_part_the_rest_is_tried_again(app: &mut TestApp) {
        let first = came_to(app, at_worldline("wl-9991-1", WHOLE), State::PartiallySucceeded).await;
        let rest = WHOLE - first.amount_succeeded.unwrap().amount_minor;
        assert!((1..WHOLE).contains(&rest));
        for wrong in [rest + 1, WHOLE] {
            let wrong = RetryRefundRequest { amount: Some(eur(wrong)), ..retry_of("w", &first.refund_id) };
            let status = app.retry(wrong).await.unwrap_err();
            assert_eq!((status.code(), faulty(&status)), (Code::InvalidArgument, vec!["amount".to_owned()]));
        }
        app.hold_up("worldline", None).await.unwrap();
        let some = RetryRefundRequest { amount: Some(eur(300)), ..retry_of("s", &first.refund_id) };
        let some = app.retry(some).await.unwrap().refund.unwrap();
        assert_eq!(amount_of(&some), 300);
        app.cancel_as_operator(&some.refund_id).await;
        let all = app.retry(retry_of("a", &first.refund_id)).await.unwrap().refund.unwrap();
        assert_eq!((amount_of(&all), all.retry_of), (rest, first.refund_id));
    }

    async fn of_a_doubt_it_is_first_recorded_that_nothing_was_effected(app: &mut TestApp) {
        in_doubt(app).await;
        let wish = at_worldline("wl-9943-1", WHOLE);
        let first = came_to(app, wish.clone(), State::Unknown).await;
        let with_evidence = RetryRefundRequest {
            evidence: "Ticket 4711.".to_owned(),
            ..retry_of("again", &first.refund_id)
        };
        let status = app.retry(with_evidence.clone()).await.unwrap_err();
        assert_eq!(why(&status), (Code::FailedPrecondition, "ATTEMPT_ON_ITS_WAY".to_owned()));
        app.clock.advance(ANSWER);
        let status = app.retry(retry_of("again", &first.refund_id)).await.unwrap_err();
        assert_eq!((status.code(), faulty(&status)), (Code::InvalidArgument, vec!["evidence".to_owned()]));
        assert_eq!(app.get(&first.refund_id).await.state(), State::Unknown);

        let second = app.retry(with_evidence.clone()).await.unwrap().refund.unwrap();
        let full = app.full(&first.refund_id).await;
        let failed = full.refund.clone().unwrap();
        assert_eq!(failed.state(), State::Failed);
        assert_eq!(failed.failure.unwrap().reason(), FailureReason::ResolvedByOperator);
        assert_eq!(full.events.last().unwrap().actor, "operator");
        let kinds: Vec<_> = full.decisions.iter().map(|d| (d.kind.as_str(), d.evidence.as_str())).collect();
        assert_eq!(kinds, [("resolve", "Ticket 4711."), ("retry", "Ticket 4711.")]);
        assert_eq!(full.decisions[1].retried_as, second.refund_id);
        // The whole of the order: what the first one held was freed.
        app.wait_for(&second.refund_id, State::Succeeded).await;
        assert_eq!(app.sandbox.posts("wl-9943-1").await.len(), 2);
        assert_eq!(app.effects("wl-9943-1").await.len(), 1);
        assert!(app.retry(with_evidence).await.unwrap().replayed);
        assert_eq!(app.full(&first.refund_id).await.decisions, full.decisions);
    }

    async fn what_would_be_refused_for_its_age_decides_nothing_of_a_doubt(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__WORLDLINE__REFUND_WINDOW_DAYS", "10")]);
        in_doubt(app).await;
        let mut wish = at_worldline("wl-9943-1", WHOLE);
        wish.purchase_time = Some(app.in_seconds(-9 * 86_400));
        let first = unknown(app, wish).await;
        app.clock.advance(std::time::Duration::from_hours(48));
        let retry = RetryRefundRequest { evidence: "Asked.".to_owned(), ..retry_of("r", &first.refund_id) };
        let status = app.retry(retry).await.unwrap_err();
        assert_eq!(why(&status), (Code::FailedPrecondition, "REFUND_WINDOW_EXPIRED".to_owned()));
        let full = app.full(&first.refund_id).await;
        assert_eq!((full.refund.unwrap().state(), full.decisions.len()), (State::Unknown, 0));
    }

    async fn what_went_back_or_is_open_is_not_tried_again(app: &mut TestApp) {
        in_doubt(app).await;
        let pending = CreateRefundRequest {
            not_before: Some(app.in_seconds(3_600)),
            ..at_worldline("wl-1-1", 1_000)
        };
        let pending = app.accepted(pending).await;
        let review = "99830000-0000-7000-8000-000000000001";
        let review = came_to(app, payment("m1", "moyasar", review, ("SAR", 1_000)), State::InReview).await;
        let succeeded = came_to(app, at_worldline("wl-1-2", WHOLE), State::Succeeded).await;
        for (refund, word) in [(&pending, "pending"), (&review, "in_review"), (&succeeded, "succeeded")] {
            let wish = RetryRefundRequest {
                evidence: "None.".to_owned(),
                ..retry_of("r", &refund.refund_id)
            };
            assert_state_forbids(app.retry(wish).await, word);
            let full = app.full(&refund.refund_id).await;
            assert_eq!((full.decisions.len(), full.retried_as.len()), (0, 0));
        }
        // What was taken back may be, once it can be refunded again; what was withdrawn at once.
        app.resolve(resolution(&succeeded.refund_id, Outcome::Reversed)).await.unwrap();
        let status = app.retry(retry_of("r", &succeeded.refund_id)).await.unwrap_err();
        assert_eq!(why(&status), (Code::FailedPrecondition, "AMOUNT_EXCEEDS_REMAINING".to_owned()));
        app.cancel(&pending.refund_id).await.unwrap();
        let again = app.retry(retry_of("r", &pending.refund_id)).await.unwrap().refund.unwrap();
        assert_eq!(again.not_before, None, "the time that it waited for was the first one's");
        app.wait_for(&again.refund_id, State::Succeeded).await;

        let nobodys = app.retry(retry_of("n", "00000000-0000-7000-8000-000000000000")).await.unwrap_err();
        assert_eq!(why(&nobodys), (Code::NotFound, "REFUND_NOT_FOUND".to_owned()));
        let wrong = RetryRefundRequest { amount: Some(eur(-1)), ..RetryRefundRequest::default() };
        let status = app.retry(wrong).await.unwrap_err();
        assert_eq!(faulty(&status), ["request_id", "refund_id", "amount.amount_minor", "note"]);
    }

    async fn esims_are_tried_again_whole(app: &mut TestApp) {
        with_account(app, &[("REFUNDS__ACCOUNTS__SHOP__TIMEOUTS__READ_MS", "15000")]).await;
        let iccid = "89994300000001";
        let first = unknown(app, esim("e1", "shop", iccid)).await;
        let retry = RetryRefundRequest { evidence: "Asked.".to_owned(), ..retry_of("e2", &first.refund_id) };
        let sum = RetryRefundRequest { amount: Some(eur(1)), ..retry.clone() };
        let no_evidence = RetryRefundRequest { evidence: String::new(), ..sum.clone() };
        assert_eq!(faulty(&app.retry(sum).await.unwrap_err()), ["amount"]);
        assert_eq!(faulty(&app.retry(no_evidence).await.unwrap_err()), ["evidence", "amount"]);
        let still = app.get(&first.refund_id).await;
        assert_eq!(still.state(), State::Unknown, "a refused retry decides nothing");
        let second = app.retry(retry).await.unwrap().refund.unwrap();
        assert_eq!(second.target, first.target);
        app.wait_for(&second.refund_id, State::Succeeded).await;
        assert_eq!(app.effects(iccid).await.len(), 1);
    }
}
