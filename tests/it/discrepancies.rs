//! Money that moves on a refund that a person called failed: noticed once, counted, settled; the state stays.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, Discrepancy, FailureReason, Money, Outcome, Refund};
use serde_json::json;
use tokio::time::Instant;
use tonic::Code;

use super::airalo_batches::with_account;
use super::support::app::{PATIENCE, TestApp, esim, payment, request};
use super::support::on_every_app;
use super::support::people::{faulty, resolution, why};

/// How long no look teaches anything by itself.
const LATER_MS: &str = "3600000";
/// When what was given up is looked at again, hours.
const FOLLOW_HOURS: u64 = 2;
/// How long nothing more is noticed.
const QUIET: Duration = Duration::from_millis(700);

const SETTINGS: &[(&str, &str)] = &[
    ("FIRST_CHECK_MS", LATER_MS),
    ("CHECK_SCHEDULE_MS", LATER_MS),
    ("FOLLOW_SCHEDULE_MS", "7200000,14400000,21600000"),
];

/// Has nobody look before a person has decided.
async fn unhurried(app: &mut TestApp, accounts: &[&str]) {
    app.pause().await;
    for account in accounts {
        for (setting, value) in SETTINGS {
            app.set(&[(&format!("REFUNDS__ACCOUNTS__{account}__SCHEDULE__{setting}"), value)]);
        }
    }
    app.resume().await;
}

/// A refund whose answer was lost and that a person called failed.
async fn given_up(app: &TestApp, wish: CreateRefundRequest) -> Refund {
    let refund = app.accepted(wish).await;
    app.wait_for(&refund.refund_id, State::Unknown).await;
    app.clock.advance(Duration::from_secs(2));
    let failed = app.resolve(resolution(&refund.refund_id, Outcome::Failed)).await.unwrap();
    assert_eq!(failed.failure.as_ref().unwrap().reason(), FailureReason::ResolvedByOperator);
    failed
}

fn follow_up(app: &TestApp) {
    app.clock.advance(Duration::from_hours(FOLLOW_HOURS));
}

/// Waits for the one discrepancy of a refund.
async fn noticed(app: &TestApp, refund: &Refund) -> Discrepancy {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let full = app.full(&refund.refund_id).await;
        if let [one] = full.discrepancies.as_slice() {
            return one.clone();
        }
        assert!(full.discrepancies.is_empty() && Instant::now() < deadline, "{full:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// That a refund that moved after all says failed, has one discrepancy, and that the rest of its order and no
/// more can be refunded.
async fn assert_noticed(app: &TestApp, wish: CreateRefundRequest, (code, amount, rest): (&str, i64, i64)) {
    let failed = given_up(app, wish.clone()).await;
    assert_eq!(app.remaining(&wish).await, Some(amount + rest), "all of it seems to be left");
    tokio::time::sleep(QUIET).await;
    assert_eq!(app.full(&failed.refund_id).await.discrepancies, []);
    follow_up(app);
    let one = noticed(app, &failed).await;
    let full = app.full(&failed.refund_id).await;
    let money = Money { currency_code: code.to_owned(), amount_minor: amount };
    assert_eq!((&one.refund_id, &one.account), (&failed.refund_id, &wish.account));
    assert_eq!(one.amount, Some(money));
    assert!(!one.provider_refund_id.is_empty() && one.open_time.is_some());
    assert_eq!(one.discrepancy_id, format!("{}:{}", failed.refund_id, full.history_number));
    assert_eq!((one.close_time, one.closed_by.as_str(), one.close_note.as_str()), (None, "", ""));
    assert_eq!(full.refund.unwrap(), failed, "the state stays");

    // It counts as refunded, once.
    assert_eq!(app.remaining(&wish).await, Some(rest));
    let of = |id: &str, minor| {
        let order = match &wish.target {
            Some(refunds::grpc::proto::create_refund_request::Target::Payment(p)) => p.order_id.clone(),
            other => panic!("no payment: {other:?}"),
        };
        payment(&format!("{}-{id}", wish.request_id), &wish.account, &order, (code, minor))
    };
    let status = app.create(of("beyond", rest + 1)).await.unwrap_err();
    assert_eq!(why(&status), (Code::FailedPrecondition, "AMOUNT_EXCEEDS_REMAINING".to_owned()));

    // However often it is seen again there is one.
    follow_up(app);
    let looks = app.looks(&failed.refund_id).await;
    app.check(&failed.refund_id).await.unwrap();
    app.looked_up(&failed.refund_id, looks + 1).await;
    let within = app.accepted(of("within", rest)).await;
    app.wait_for(&within.refund_id, State::Succeeded).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(noticed(app, &failed).await, one);
    assert_eq!(app.remaining(&wish).await, Some(0));
}

on_every_app! {
    async fn what_moyasar_effected_after_all_is_noticed_once_and_counted(app: &mut TestApp) {
        unhurried(app, &["MOYASAR"]).await;
        let order = "99410000-0000-7000-8000-000000000001";
        let wish = payment("m1", "moyasar", order, ("SAR", 600_000));
        assert_noticed(app, wish, ("SAR", 600_000, 400_000)).await;
        assert_eq!(app.effects(order).await.len(), 2);
    }

    async fn what_afterpay_effected_after_all_is_noticed_once_and_counted(app: &mut TestApp) {
        unhurried(app, &["AFTERPAY"]).await;
        assert_noticed(app, request("a1", "9941001", 70_000), ("AUD", 70_000, 30_000)).await;
        assert_eq!(app.effects("9941001").await.len(), 2);
    }

    async fn a_look_for_another_refund_of_the_order_finds_it_too(app: &mut TestApp) {
        unhurried(app, &["AFTERPAY"]).await;
        let failed = given_up(app, request("o1", "9941001", 70_000)).await;
        // Long before it is looked at by itself; and too much for what is really left.
        let other = app.accepted(request("o2", "9941001", 40_000)).await;
        noticed(app, &failed).await;
        assert_eq!(app.looks(&failed.refund_id).await, 1);
        // What was seen so soon may be no news yet.
        follow_up(app);
        let other = app.wait_for(&other.refund_id, State::Failed).await;
        assert_eq!(other.failure.unwrap().reason(), FailureReason::RemainingChanged);
        assert_eq!(app.remaining(&request("o3", "9941001", 1)).await, Some(30_000));
        assert_eq!(app.effects("9941001").await.len(), 1);
    }

    async fn what_never_moved_is_looked_at_in_vain(app: &mut TestApp) {
        unhurried(app, &["MOYASAR"]).await;
        let order = "99400000-0000-7000-8000-000000000001";
        let wish = payment("n1", "moyasar", order, ("SAR", 600_000));
        let failed = given_up(app, wish.clone()).await;
        for looks in 1..=3 {
            follow_up(app);
            app.looked_up(&failed.refund_id, looks).await;
        }
        follow_up(app);
        tokio::time::sleep(QUIET).await;
        let full = app.full(&failed.refund_id).await;
        assert_eq!((full.discrepancies.len(), full.refund.unwrap()), (0, failed.clone()));
        assert_eq!(app.looks(&failed.refund_id).await, 3);
        assert_eq!(app.remaining(&wish).await, Some(1_000_000));
    }

    async fn an_esim_that_was_refunded_after_all_is_noticed_without_a_sum(app: &mut TestApp) {
        let of_shop: Vec<_> = SETTINGS
            .iter()
            .map(|(setting, value)| (format!("REFUNDS__ACCOUNTS__SHOP__SCHEDULE__{setting}"), *value))
            .collect();
        let of_shop: Vec<_> = of_shop.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        with_account(app, &of_shop).await;
        app.sandbox.settings(&json!({ "review_ms": 200 })).await;
        let iccid = "89994100000001";
        let failed = given_up(app, esim("e1", "shop", iccid)).await;
        follow_up(app);
        let one = noticed(app, &failed).await;
        assert_eq!((one.amount, one.account.as_str()), (None, "shop"));
        assert_eq!(app.get(&failed.refund_id).await, failed);
        // Nobody can refund it again: its order says that it was.
        let again = app.accepted(esim("e2", "shop", iccid)).await;
        app.wait_for(&again.refund_id, State::Failed).await;
        assert_eq!(app.effects(iccid).await.len(), 1);
    }

    async fn one_is_settled_once_with_who_and_what_was_done(app: &mut TestApp) {
        unhurried(app, &["AFTERPAY"]).await;
        let failed = given_up(app, request("c1", "9941001", 70_000)).await;
        follow_up(app);
        let one = noticed(app, &failed).await;
        let closed = app.close(&one.discrepancy_id, "Booked by hand.").await.unwrap();
        assert_eq!((closed.closed_by.as_str(), closed.close_note.as_str()), ("operator", "Booked by hand."));
        assert!(closed.close_time.is_some());
        let open = Discrepancy {
            close_time: None,
            closed_by: String::new(),
            close_note: String::new(),
            ..closed.clone()
        };
        assert_eq!(open, one);
        let full = app.full(&failed.refund_id).await;
        assert_eq!(full.discrepancies, std::slice::from_ref(&closed));
        let decision = full.decisions.last().unwrap();
        assert_eq!((decision.kind.as_str(), decision.actor.as_str()), ("close", "operator"));
        assert_eq!((decision.note.as_str(), decision.time), ("Booked by hand.", closed.close_time));
        // Twice answers as it is.
        assert_eq!(app.close(&one.discrepancy_id, "Another word.").await.unwrap(), closed);
        assert_eq!(app.full(&failed.refund_id).await, full);
        assert_eq!(app.remaining(&request("c2", "9941001", 1)).await, Some(30_000), "what moved has moved");

        let never = format!("{}:{}", failed.refund_id, full.history_number + 1);
        let nobodys = format!("00000000-0000-7000-8000-000000000000:{}", full.history_number);
        for id in [never, nobodys] {
            let status = app.close(&id, "x").await.unwrap_err();
            assert_eq!(why(&status), (Code::NotFound, "DISCREPANCY_NOT_FOUND".to_owned()), "{id}");
        }
        for id in [failed.refund_id.clone(), format!("{}:0", failed.refund_id), ":1".to_owned()] {
            let status = app.close(&id, " ").await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert_eq!(faulty(&status), ["discrepancy_id", "note"], "{id}");
        }
    }
}
