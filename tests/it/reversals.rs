//! Successes that their providers take back: found by looks on a schedule, told, and free again.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, Refund, StreamRefundStatusRequest, Wait};
use serde_json::json;

use super::airalo_batches::with_account;
use super::stream::{Seen, next, now, open};
use super::support::app::{TestApp, esim, payment, request};
use super::support::on_every_app;
use super::support::people::why;

/// When final refunds are looked at again: after one hour, three and seven.
const FOLLOWS_MS: &str = "3600000,10800000,25200000";
/// How long nobody is seen to look.
const QUIET: Duration = Duration::from_millis(700);

/// Has final refunds looked at by that schedule alone, and has what is taken back taken back in half an hour.
async fn follow(app: &mut TestApp) {
    app.pause().await;
    for account in ["AFTERPAY", "AIRALO", "MOYASAR", "WORLDLINE"] {
        app.set(&[(&format!("REFUNDS__ACCOUNTS__{account}__SCHEDULE__FOLLOW_SCHEDULE_MS"), FOLLOWS_MS)]);
    }
    app.resume().await;
    app.sandbox.settings(&json!({ "later_ms": 1_800_000, "reversal_ms": 1_800_000 })).await;
}

/// Lets hours pass, here and at the providers.
async fn pass(app: &TestApp, hours: &mut u64, until: u64) {
    app.sandbox.settings(&json!({ "clock_offset_s": until * 3_600 })).await;
    app.clock.advance(Duration::from_hours(until - *hours));
    *hours = until;
}

async fn succeeded(app: &TestApp, wish: CreateRefundRequest) -> Refund {
    let refund = app.accepted(wish).await;
    app.wait_for(&refund.refund_id, State::Succeeded).await
}

/// That a refund succeeded, is taken back within the hour, and that all of its order can be refunded then and
/// not before.
async fn assert_taken_back(app: &TestApp, wish: CreateRefundRequest, hours: &mut u64) {
    let refund = succeeded(app, wish.clone()).await;
    let looks = app.looks(&refund.refund_id).await;
    let follows = StreamRefundStatusRequest { follow_reversals: true, ..now(&refund.refund_id) };
    let mut stream = open(app, follows).await.unwrap();
    let again = CreateRefundRequest { request_id: format!("{}-again", wish.request_id), ..wish };
    assert_eq!(why(&app.create(again.clone()).await.unwrap_err()).1, "AMOUNT_EXCEEDS_REMAINING");
    tokio::time::sleep(QUIET).await;
    assert_eq!(app.looks(&refund.refund_id).await, looks, "not before its time");

    pass(app, hours, *hours + 1).await;
    let reversed = app.wait_for(&refund.refund_id, State::Reversed).await;
    assert_eq!(next(&mut stream).await.unwrap().unwrap().0, Seen::Status(State::Reversed, reversed.sequence));
    assert_eq!(reversed.sequence, refund.sequence + 1);
    assert_eq!(reversed.amount_succeeded, refund.amount_succeeded, "what had gone back");
    assert_eq!(reversed.provider_refund_id, refund.provider_refund_id);
    assert_eq!((reversed.waits_for(), reversed.next_check_time), (Wait::Unspecified, None));
    let last = app.full(&refund.refund_id).await.events.pop().unwrap();
    assert_eq!((last.previous_state(), last.state()), (State::Succeeded, State::Reversed));
    assert_eq!((last.actor.as_str(), last.note.is_empty()), ("dispatcher", false), "{last:?}");
    app.wait_until(&refund.refund_id, "free", |refund| refund.amount_freed).await;
    let second = succeeded(app, again).await;
    assert_eq!(second.amount_succeeded, refund.amount_succeeded);
}

on_every_app! {
    async fn at_moyasar_a_reversal_is_told_and_frees_the_amount(app: &mut TestApp) {
        follow(app).await;
        let order = "99880000-0000-7000-8000-000000000001";
        let wish = payment("m1", "moyasar", order, ("SAR", 1_000_000));
        assert_taken_back(app, wish, &mut 0).await;
    }

    async fn at_worldline_a_cancel_or_a_bounce_is_told_and_frees_the_amount(app: &mut TestApp) {
        follow(app).await;
        let mut hours = 0;
        for order in ["wl-9977-1", "wl-9978-1"] {
            let wish = payment(order, "worldline", order, ("EUR", 100_000));
            assert_taken_back(app, wish, &mut hours).await;
        }
    }

    async fn at_airalo_an_order_that_is_completed_again_frees_its_esim(app: &mut TestApp) {
        let follows = ("REFUNDS__ACCOUNTS__SHOP__SCHEDULE__FOLLOW_SCHEDULE_MS", FOLLOWS_MS);
        with_account(app, &[follows]).await;
        app.sandbox.settings(&json!({ "review_ms": 300, "reversal_ms": 1_800_000 })).await;
        let iccid = "89996300000001";
        let refund = succeeded(app, esim("e1", "shop", iccid)).await;
        let follows = StreamRefundStatusRequest { follow_reversals: true, ..now(&refund.refund_id) };
        let mut stream = open(app, follows).await.unwrap();
        let status = app.create(esim("e2", "shop", iccid)).await.unwrap_err();
        assert_eq!(why(&status).1, "ESIM_TAKEN");
        pass(app, &mut 0, 1).await;
        let reversed = app.wait_for(&refund.refund_id, State::Reversed).await;
        let told = next(&mut stream).await.unwrap().unwrap().0;
        assert_eq!(told, Seen::Status(State::Reversed, reversed.sequence));
        assert_eq!(reversed.sequence, refund.sequence + 1);
        let second = app.accepted(esim("e2", "shop", iccid)).await;
        app.wait_for(&second.refund_id, State::InReview).await;
    }

    async fn a_success_that_stays_is_looked_at_as_the_schedule_says_and_never_changes(app: &mut TestApp) {
        follow(app).await;
        let order = "01910000-0000-7000-8000-000000000001";
        let refund = succeeded(app, payment("s1", "moyasar", order, ("SAR", 1_000_000))).await;
        let before = app.looks(&refund.refund_id).await;
        let mut hours = 0;
        for (hour, looks) in [(1, 1), (2, 1), (3, 2), (6, 2), (7, 3), (8, 3), (1_000, 3)] {
            pass(app, &mut hours, hour).await;
            app.looked_up(&refund.refund_id, before + looks).await;
            tokio::time::sleep(QUIET).await;
            assert_eq!(app.looks(&refund.refund_id).await, before + looks, "after {hour} h");
        }
        let full = app.full(&refund.refund_id).await;
        assert_eq!(full.refund.unwrap(), refund);
        assert_eq!((full.events.len(), full.discrepancies.len()), (3, 0));
        assert_eq!(app.effects(order).await.len(), 1);
    }

    async fn where_nothing_is_ever_taken_back_nobody_looks(app: &mut TestApp) {
        follow(app).await;
        let refund = succeeded(app, request("a1", "1001", 1_000)).await;
        let calls = app.sandbox.calls("1001").await.len();
        let mut hours = 0;
        for hour in [1, 3, 7, 1_000] {
            pass(app, &mut hours, hour).await;
            tokio::time::sleep(QUIET).await;
        }
        assert_eq!(app.sandbox.calls("1001").await.len(), calls);
        assert_eq!(app.full(&refund.refund_id).await.attempts.len(), 2);
    }
}
