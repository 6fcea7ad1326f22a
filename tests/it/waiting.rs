//! What a refund waits for, its place, and when it can be sent at the earliest; and from when on it takes too
//! long.

use std::time::Duration;

use prost_types::Timestamp;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, Outcome, Refund, Wait};

use super::airalo_batches::with_account;
use super::support::app::{TestApp, esim, payment, request};
use super::support::on_every_app;
use super::support::people::resolution;

/// Five minutes, as Airalo counts.
const WINDOW: (&str, &str) = ("REFUNDS__ACCOUNTS__SHOP__RATE__PER_MS", "300000");
/// The time between two slots of that window: what a connection may take comes on top, and two seconds.
const SLOTS_APART_MS: i64 = 300_000 + 500 + 2_000;
/// What an estimate may be off by, milliseconds.
const NEARLY_MS: i64 = 5_000;
/// Ten minutes.
const LONG_MS: &str = "600000";

fn ms(at: &Timestamp) -> i64 {
    at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000
}

/// How many milliseconds after a time an estimate is.
fn after(refund: &Refund, from_ms: i64) -> i64 {
    ms(refund.estimated_send_time.as_ref().unwrap_or_else(|| panic!("no estimate: {refund:?}"))) - from_ms
}

fn is_near(at_ms: i64, wanted_ms: i64) -> bool {
    (at_ms - wanted_ms).abs() <= NEARLY_MS
}

fn now_ms(app: &TestApp) -> i64 {
    app.clock.now().micros() / 1_000
}

/// What a refund waits for, and its place, without an estimate.
fn assert_undecided(refund: &Refund, wait: Wait, place: i64) {
    assert_eq!((refund.state(), refund.waits_for(), refund.queue_place), (State::Pending, wait, place));
    assert_eq!(refund.estimated_send_time, None, "{refund:?}");
}

/// Waits until a refund was sent.
async fn sent(app: &TestApp, refund: &Refund) -> Refund {
    let was_sent = |refund: &Refund| refund.send_count == 1 && refund.state() != State::Sending;
    app.wait_until(&refund.refund_id, "sent", was_sent).await
}

on_every_app! {
    async fn in_a_queue_for_slots_the_place_grows_and_each_full_call_ahead_takes_a_window(app: &mut TestApp) {
        with_account(app, &[WINDOW]).await;
        let first = app.accepted(esim("q0", "shop", "8940000000000")).await;
        let first = sent(app, &first).await;
        let send = app.full(&first.refund_id).await.attempts.into_iter().find(|a| a.kind == "send").unwrap();
        let slot_ms = ms(&send.start_time.unwrap()) + SLOTS_APART_MS;
        let mut waiting = Vec::new();
        for number in 1..=12 {
            let wish = esim(&format!("q{number}"), "shop", &format!("89400000000{number:02}"));
            waiting.push(app.accepted(wish).await.refund_id);
        }
        for (id, place) in waiting.iter().zip(1..) {
            let refund = app.get(id).await;
            assert_eq!((refund.waits_for(), refund.queue_place), (Wait::Slot, place));
            let calls_ahead = (place - 1) / 5;
            let at_ms = after(&refund, slot_ms);
            assert!(is_near(at_ms, calls_ahead * SLOTS_APART_MS), "place {place}: {at_ms}");
        }
        // Who leaves makes room.
        app.cancel(&waiting[1]).await.unwrap();
        let places = [(0, 1), (2, 2), (5, 5), (6, 6), (11, 11)];
        for (number, place) in places {
            let refund = app.get(&waiting[number]).await;
            assert_eq!(refund.queue_place, place);
            let at_ms = after(&refund, slot_ms);
            assert!(is_near(at_ms, (place - 1) / 5 * SLOTS_APART_MS), "place {place}: {at_ms}");
        }
        // Only where it is asked for by itself.
        let replayed = app.create(esim("q3", "shop", "8940000000003")).await.unwrap().refund.unwrap();
        assert_eq!((replayed.queue_place, replayed.estimated_send_time), (0, None));
        // As time goes on the estimate is met: five go in the call of the slot.
        let wait_ms = slot_ms - now_ms(app) + NEARLY_MS;
        app.clock.advance(Duration::from_millis(wait_ms.unsigned_abs()));
        for number in [0, 2, 3, 4, 5] {
            let gone = app.get(&waiting[number]).await;
            let gone = sent(app, &gone).await;
            assert_eq!((gone.queue_place, gone.estimated_send_time), (0, None));
        }
        let next = app.get(&waiting[6]).await;
        assert_eq!((next.waits_for(), next.queue_place), (Wait::Slot, 1));
    }

    async fn accounts_that_share_a_budget_share_a_queue(app: &mut TestApp) {
        app.pause().await;
        app.add_account("neighbour", "airalo");
        with_account(app, &[
            ("REFUNDS__ACCOUNTS__NEIGHBOUR__AIRALO__EGRESS", "shop"),
            ("REFUNDS__ACCOUNTS__NEIGHBOUR__RATE__PER_MS", "300000"),
            WINDOW,
        ]).await;
        let first = app.accepted(esim("n0", "shop", "8940000000000")).await;
        sent(app, &first).await;
        for (number, account) in [(1, "shop"), (2, "neighbour"), (3, "shop")] {
            let wish = esim(&format!("n{number}"), account, &format!("894000000000{number}"));
            let refund = app.accepted(wish).await;
            assert_eq!(app.get(&refund.refund_id).await.queue_place, number);
        }
    }

    async fn where_only_a_person_or_another_refund_decides_there_is_no_estimate(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__WORLDLINE__WORLDLINE__REQUEST_ID_CONFIRMED", "false")]);
        app.resume().await;
        app.hold_up("afterpay", None).await.unwrap();
        let paused = app.refund("p1", "1001").await.refund_id;
        let behind = app.refund("p2", "1002").await.refund_id;
        assert_undecided(&app.get(&paused).await, Wait::AccountPaused, 1);
        assert_undecided(&app.get(&behind).await, Wait::AccountPaused, 2);

        let wish = |id: &str| payment(id, "worldline", "wl-9943-1", ("EUR", 1_000));
        let busy = app.accepted(wish("w1")).await;
        app.wait_for(&busy.refund_id, State::Unknown).await;
        let waits = app.accepted(wish("w2")).await.refund_id;
        let for_order = |refund: &Refund| refund.waits_for() == Wait::Order;
        assert_undecided(&app.wait_until(&waits, "waiting for its order", for_order).await, Wait::Order, 1);
        // Whatever holds up the account besides.
        app.hold_up("worldline", Some(app.in_seconds(3_600))).await.unwrap();
        assert_undecided(&app.get(&waits).await, Wait::Order, 1);
        app.let_go("worldline").await;
        app.clock.advance(Duration::from_secs(1));
        app.resolve(resolution(&busy.refund_id, Outcome::Failed)).await.unwrap();
        app.wait_for(&waits, State::Succeeded).await;
    }

    async fn a_time_that_is_said_is_the_estimate(app: &mut TestApp) {
        let (soon, later) = (app.in_seconds(600), app.in_seconds(3_600));
        let held = |id: &str, at| CreateRefundRequest { not_before: Some(at), ..request(id, "1001", 1_000) };
        let early = app.accepted(held("t1", soon)).await.refund_id;
        let late = app.accepted(held("t2", later)).await.refund_id;
        for (id, at, place) in [(&early, soon, 1), (&late, later, 2)] {
            let refund = app.get(id).await;
            assert_eq!((refund.waits_for(), refund.queue_place), (Wait::NotBefore, place));
            assert_eq!(refund.estimated_send_time, Some(at));
        }
        // A pause with an end: whichever is later.
        let until = app.in_seconds(1_800);
        app.hold_up("afterpay", Some(until)).await.unwrap();
        let plain = app.refund("t3", "1002").await.refund_id;
        let told = async |id: &str| {
            let refund = app.get(id).await;
            (refund.waits_for(), refund.estimated_send_time)
        };
        assert_eq!(told(&plain).await, (Wait::AccountPaused, Some(until)));
        assert_eq!(told(&early).await, (Wait::NotBefore, Some(until)));
        assert_eq!(told(&late).await, (Wait::NotBefore, Some(later)));
        // A time that has passed is nothing to wait for.
        app.clock.advance(Duration::from_mins(15));
        assert_eq!(told(&early).await, (Wait::AccountPaused, Some(until)));
        app.clock.advance(Duration::from_mins(15));
        for id in [&plain, &early] {
            let done = app.wait_for(id, State::Succeeded).await;
            assert_eq!((done.queue_place, done.estimated_send_time), (0, None));
        }
        assert_eq!(app.get(&late).await.queue_place, 1);
    }

    async fn a_blocked_account_is_tried_when_its_probe_is(app: &mut TestApp) {
        app.pause().await;
        app.set(&[
            ("REFUNDS__ACCOUNTS__AFTERPAY__SCHEDULE__PROBE_MIN_MS", LONG_MS),
            ("REFUNDS__ACCOUNTS__AFTERPAY__SCHEDULE__PROBE_MAX_MS", LONG_MS),
        ]);
        app.resume().await;
        let refused = app.refund("b1", "9986001").await.refund_id;
        let is_blocked = |refund: &Refund| refund.waits_for() == Wait::AccountBlocked;
        app.wait_until(&refused, "blocked", is_blocked).await;
        let other = app.refund("b2", "1001").await.refund_id;
        for (id, place) in [(&refused, 1), (&other, 2)] {
            // Whoever had it in hand when the block came may look once more.
            let refund = app.wait_until(id, "blocked", is_blocked).await;
            assert_eq!(refund.queue_place, place);
            let at_ms = after(&refund, now_ms(app));
            assert!((540_000..=600_000).contains(&at_ms), "{at_ms}");
        }
        // Somebody who pauses it decides before any probe.
        app.hold_up("afterpay", None).await.unwrap();
        assert_undecided(&app.get(&refused).await, Wait::AccountPaused, 1);
        assert_undecided(&app.get(&other).await, Wait::AccountPaused, 2);
    }

    async fn behind_an_open_breaker_the_estimate_is_when_one_tries(app: &mut TestApp) {
        app.pause().await;
        app.set(&[
            ("REFUNDS__ACCOUNTS__AFTERPAY__SCHEDULE__BREAKER_FAILURES", "1"),
            ("REFUNDS__ACCOUNTS__AFTERPAY__SCHEDULE__BREAKER_OPEN_MS", LONG_MS),
        ]);
        app.resume().await;
        let failing = app.refund("k1", "9981001").await.refund_id;
        app.wait_for(&failing, State::Unknown).await;
        let open_ms = now_ms(app);
        let refund = app.refund("k2", "1001").await.refund_id;
        let refund = app.get(&refund).await;
        assert_eq!(refund.waits_for(), Wait::Breaker);
        assert_eq!(refund.queue_place, 1, "what was sent is not ahead");
        let at_ms = after(&refund, open_ms);
        assert!((540_000..=601_000).contains(&at_ms), "{at_ms}");
    }

    async fn a_review_is_overdue_after_its_days_however_often_it_is_looked_at(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__MOYASAR__SCHEDULE__REVIEW_OVERDUE_DAYS", "3")]);
        app.resume().await;
        let order = "99830000-0000-7000-8000-000000000001";
        let refund = app.accepted(payment("r1", "moyasar", order, ("SAR", 1_000))).await;
        let review = app.wait_for(&refund.refund_id, State::InReview).await;
        let days = 3 * 86_400_000;
        let overdue_ms = ms(&review.overdue_time.unwrap());
        assert_eq!(overdue_ms - ms(&review.update_time.unwrap()), days);
        assert_eq!((review.waits_for(), review.queue_place), (Wait::Review, 0));
        for (hours, is_overdue) in [(71, false), (2, true)] {
            app.clock.advance(Duration::from_hours(hours));
            let looks = app.looks(&refund.refund_id).await;
            app.looked_up(&refund.refund_id, looks + 2).await;
            let now = app.get(&refund.refund_id).await;
            assert_eq!((now.state(), ms(&now.overdue_time.unwrap())), (State::InReview, overdue_ms));
            assert_eq!(overdue_ms <= now_ms(app), is_overdue);
            assert!(now.next_check_time.is_some(), "and it is never forgotten");
        }
    }
}
