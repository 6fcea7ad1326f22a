//! Cancelling: what was never sent is withdrawn at once and for good, and nothing else ever is.

use std::time::Duration;

use refunds::config::dev::OPERATOR_TOKEN;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{Attempt, CreateRefundRequest, Money, Outcome, Refund, Wait};
use serde_json::json;
use tonic::{Code, Status};

use super::airalo_batches::with_account;
use super::stream::{Seen, next, now, open, rest};
use super::support::app::{TestApp, esim, payment, request, with_token};
use super::support::on_every_app;
use super::support::people::{assert_state_forbids, faulty, named, resolution, why};

/// How far the clock is put forward to let held refunds go, seconds.
const HELD_S: i64 = 3_600;
/// How long nothing may happen to what is canceled.
const QUIET: Duration = Duration::from_millis(500);
/// Refunds that are canceled while they are dispatched.
const RACERS: usize = 100;

fn held(app: &TestApp, wish: CreateRefundRequest) -> CreateRefundRequest {
    CreateRefundRequest { not_before: Some(app.in_seconds(HELD_S)), ..wish }
}

fn let_go(app: &TestApp) {
    app.clock.advance(Duration::from_secs(HELD_S.unsigned_abs()));
}

/// Nothing of an order ever went to its provider.
async fn assert_untouched(app: &TestApp, order: &str) {
    assert_eq!(app.sandbox.posts(order).await, Vec::<serde_json::Value>::new(), "{order}");
    assert_eq!(app.effects(order).await.len(), 0, "{order}");
}

on_every_app! {
    async fn what_waits_for_its_time_is_canceled_at_once_and_told(app: &mut TestApp) {
        let mut wish = held(app, request("c1", "1001", 60_000));
        wish.captured_amount = Some(Money { currency_code: "AUD".to_owned(), amount_minor: 100_000 });
        let refund = app.accepted(wish.clone()).await;
        let mut stream = open(app, now(&refund.refund_id)).await.unwrap();
        assert_eq!(app.remaining(&wish).await, Some(40_000));

        let canceled = app.cancel(&refund.refund_id).await.unwrap();
        assert_eq!((canceled.state(), canceled.sequence), (State::Canceled, 2));
        assert_eq!(canceled.waits_for(), Wait::Unspecified);
        assert_eq!((canceled.next_check_time, canceled.overdue_time), (None, None));
        assert_eq!(app.remaining(&wish).await, Some(100_000), "the amount is free again");
        let again = app.accepted(request("c2", "1001", 100_000)).await;

        let told = next(&mut stream).await.unwrap().unwrap().0;
        assert_eq!(told, Seen::Status(State::Canceled, 2));
        assert_eq!(rest(stream).await, [], "and the stream ends");
        let full = app.full(&refund.refund_id).await;
        let last = full.events.last().unwrap();
        assert_eq!((last.previous_state(), last.state()), (State::Pending, State::Canceled));
        assert_eq!((last.actor.as_str(), last.trace_id.len()), ("dev", 32));
        assert_eq!((full.events.len(), full.attempts.len(), full.decisions.len()), (2, 0, 0));

        // The same again is answered as it is, and leaves nothing behind.
        assert_eq!(app.cancel(&refund.refund_id).await.unwrap(), canceled);
        assert_eq!(app.full(&refund.refund_id).await, full);
        let replayed = app.create(wish).await.unwrap();
        assert!(replayed.replayed && replayed.refund.unwrap().state() == State::Canceled);

        app.wait_for(&again.refund_id, State::Succeeded).await;
        let_go(app);
        tokio::time::sleep(QUIET).await;
        assert_eq!(app.get(&refund.refund_id).await, canceled);
        assert_eq!(app.effects("1001").await.len(), 1);
    }

    async fn what_waits_for_its_account_is_canceled(app: &mut TestApp) {
        app.hold_up("afterpay", None).await.unwrap();
        let refund = app.refund("p1", "1001").await;
        tokio::time::sleep(QUIET).await;
        assert_eq!(app.get(&refund.refund_id).await.waits_for(), Wait::AccountPaused);
        assert_eq!(app.cancel(&refund.refund_id).await.unwrap().state(), State::Canceled);
        app.let_go("afterpay").await;
        let other = app.refund("p2", "1002").await;
        app.wait_for(&other.refund_id, State::Succeeded).await;
        assert_eq!(app.states(&refund.refund_id).await, [State::Pending, State::Canceled]);
        assert_untouched(app, "1001").await;
    }

    async fn the_esims_of_a_canceled_refund_are_free_at_once(app: &mut TestApp) {
        let iccid = "8940000000001";
        let first = app.accepted(held(app, esim("e1", "airalo", iccid))).await;
        let status = app.create(esim("e2", "airalo", iccid)).await.unwrap_err();
        assert_eq!(why(&status), (Code::FailedPrecondition, "ESIM_TAKEN".to_owned()));
        app.cancel(&first.refund_id).await.unwrap();
        let second = app.accepted(esim("e2", "airalo", iccid)).await;
        app.wait_for(&second.refund_id, State::Succeeded).await;
        assert_eq!(app.effects(iccid).await.len(), 1);
    }

    async fn what_came_back_unsent_may_still_be_canceled(app: &mut TestApp) {
        // Airalo takes nothing of a call that it turns away: PENDING again, though it was tried.
        with_account(app, &[]).await;
        app.sandbox.settings(&json!({ "retry_after_s": 3_600 })).await;
        let iccid = "89992500000001";
        let refund = app.accepted(esim("b1", "shop", iccid)).await;
        let is_back = |refund: &Refund| refund.state() == State::Pending && refund.send_count == 1;
        app.wait_until(&refund.refund_id, "back", is_back).await;
        assert_eq!(app.cancel(&refund.refund_id).await.unwrap().state(), State::Canceled);
        let_go(app);
        tokio::time::sleep(QUIET).await;
        assert_eq!(app.sandbox.posts(iccid).await.len(), 1);
        assert_eq!(app.effects(iccid).await.len(), 0);
    }

    async fn in_every_other_state_it_is_refused_and_no_money_is_touched(app: &mut TestApp) {
        app.pause().await;
        app.set(&[
            ("REFUNDS__ACCOUNTS__AFTERPAY__TIMEOUTS__READ_MS", "15000"),
            ("REFUNDS__ACCOUNTS__WORLDLINE__WORLDLINE__REQUEST_ID_CONFIRMED", "false"),
        ]);
        app.resume().await;
        app.sandbox.settings(&json!({ "slow_ms": 6_000 })).await;
        let worldline = |order: &str| payment(order, "worldline", order, ("EUR", 100_000));
        let moyasar = "99830000-0000-7000-8000-000000000001";
        // What comes of it, and what then remains of 100000 minor units.
        let rows = [
            (request("s1", "9942001", 100_000), State::Sending, "sending", Some(0)),
            (worldline("wl-9943-1"), State::Unknown, "unknown", Some(0)),
            (payment("s3", "moyasar", moyasar, ("SAR", 1_000_000)), State::InReview, "in_review", Some(0)),
            (request("s4", "1001", 100_000), State::Succeeded, "succeeded", Some(0)),
            (worldline("wl-9991-1"), State::PartiallySucceeded, "partially_succeeded", None),
            (request("s6", "9910001", 100_000), State::Failed, "failed", Some(100_000)),
        ];
        for (wish, state, word, remaining) in rows {
            let refund = app.accepted(wish.clone()).await;
            app.wait_for(&refund.refund_id, state).await;
            assert_state_forbids(app.cancel(&refund.refund_id).await, word);
            let after = app.get(&refund.refund_id).await;
            assert!(after.state() == state || state == State::Sending, "{word}: {after:?}");
            let remains = app.remaining(&wish).await;
            assert!(remaining.is_none() || remains == remaining, "{word}: {remains:?}");
        }
        let reversed = app.accepted(worldline("wl-1-1")).await.refund_id;
        app.wait_for(&reversed, State::Succeeded).await;
        app.resolve(resolution(&reversed, Outcome::Reversed)).await.unwrap();
        assert_state_forbids(app.cancel(&reversed).await, "reversed");
        // What was on its way when it was to be canceled went on.
        let sent = app.create(request("s1", "9942001", 100_000)).await.unwrap().refund.unwrap();
        app.wait_for(&sent.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("9942001").await.len(), 1);
    }

    async fn another_callers_refund_is_not_found_and_an_operator_may(app: &mut TestApp) {
        let mut client = app.client().await;
        let wish = with_token(held(app, request("x1", "1001", 1_000)), OPERATOR_TOKEN);
        let theirs = client.create_refund(wish).await.unwrap().into_inner().refund.unwrap();
        let status = app.cancel(&theirs.refund_id).await.unwrap_err();
        let never_was = app.cancel("00000000-0000-7000-8000-000000000000").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (never_was.code(), never_was.message()));
        assert_eq!(why(&status), (Code::NotFound, "REFUND_NOT_FOUND".to_owned()));
        let malformed = app.cancel("none").await.unwrap_err();
        assert_eq!(malformed.code(), Code::InvalidArgument);
        assert_eq!(faulty(&malformed), ["refund_id"]);

        let ours = app.accepted(held(app, request("x2", "1002", 1_000))).await;
        for id in [&theirs.refund_id, &ours.refund_id] {
            assert_eq!(app.cancel_as_operator(id).await.state(), State::Canceled);
        }
        let last = app.full(&ours.refund_id).await.events.pop().unwrap();
        assert_eq!((last.state(), last.actor.as_str()), (State::Canceled, "operator"));
    }

    async fn of_cancel_and_send_at_once_one_wins(app: &mut TestApp) {
        let mut refunds = Vec::new();
        for n in 0..RACERS {
            let order = format!("1{n:05}");
            let refund = app.accepted(held(app, request(&format!("r{n}"), &order, 1_000))).await;
            refunds.push((refund.refund_id, order));
        }
        // All are due in one moment. While they go out, oldest first, they are canceled in another order.
        let_go(app);
        let shared = &*app;
        let hands = (0..4).map(|hand| {
            let refunds = &refunds;
            async move {
                let mut told = Vec::new();
                for turn in (hand..RACERS).step_by(4) {
                    let (id, order) = &refunds[turn * 61 % RACERS];
                    told.push((id, order, shared.cancel(id).await));
                }
                told
            }
        });
        let told: Vec<_> = futures::future::join_all(hands).await.into_iter().flatten().collect();
        assert_eq!(told.len(), RACERS);
        let (mut canceled, mut sent) = (Vec::new(), Vec::new());
        for (id, order, told) in told {
            match told {
                Ok(refund) => {
                    assert_eq!(refund.state(), State::Canceled);
                    canceled.push((id, order));
                }
                Err(status) => {
                    assert_went_on(&status);
                    sent.push((id, order));
                }
            }
        }
        assert!(!canceled.is_empty() && !sent.is_empty(), "{} canceled, {} sent", canceled.len(), sent.len());
        for (id, order) in &sent {
            app.wait_for(id, State::Succeeded).await;
            assert_eq!(app.effects(order).await.len(), 1, "{order}");
        }
        tokio::time::sleep(QUIET).await;
        let mut looked_at = 0;
        for (id, order) in &canceled {
            let full = app.full(id).await;
            let [first, .., last] = full.events.as_slice() else { panic!("{full:#?}") };
            assert_eq!((first.state(), last.state()), (State::Pending, State::Canceled));
            assert_eq!(last.previous_state(), State::Pending);
            // A send that came too late for its lease sent nothing, and left it PENDING.
            let sent_nothing =
                |attempt: &Attempt| attempt.kind == "preflight" || attempt.outcome == "not_sent";
            assert!(full.attempts.iter().all(sent_nothing), "{full:#?}");
            looked_at += usize::from(!full.attempts.is_empty());
            assert_untouched(app, order).await;
        }
        println!("{} canceled, {looked_at} of them while at work; {} sent", canceled.len(), sent.len());
    }
}

/// That it was too late to cancel.
fn assert_went_on(status: &Status) {
    assert_eq!(why(status), (Code::FailedPrecondition, "STATE_FORBIDS".to_owned()), "{status:?}");
    let state = named(status, "state");
    assert!(["sending", "succeeded"].contains(&state.as_str()), "{state}");
}
