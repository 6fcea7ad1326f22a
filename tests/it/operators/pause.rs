//! Holding up an account: what is in flight finishes, nothing new goes out, refunds are accepted and wait.

use std::time::Duration;

use refunds::config::dev::OPERATOR_TOKEN;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{PauseAccountRequest, Refund, ResumeAccountRequest, Wait};
use serde_json::json;
use tokio::time::Instant;
use tonic::Code;

use super::super::support::app::{PATIENCE, TestApp, request, with_token};
use super::super::support::on_every_app;
use super::super::support::people::{faulty, why};
use super::{at_worldline, came_to};

/// How long nothing is seen to go out.
const QUIET: Duration = Duration::from_secs(1);

/// Accepts refunds that have to wait, and sees them wait.
async fn wait_there(app: &TestApp, orders: &[&str]) -> Vec<Refund> {
    let mut waiting = Vec::new();
    for order in orders {
        waiting.push(app.accepted(request(order, order, 1_000)).await);
    }
    tokio::time::sleep(QUIET).await;
    for (refund, order) in waiting.iter().zip(orders) {
        let now = app.get(&refund.refund_id).await;
        assert_eq!((now.state(), now.waits_for()), (State::Pending, Wait::AccountPaused));
        assert_eq!(app.sandbox.calls(order).await.len(), 0, "not even looked at");
    }
    waiting
}

async fn all_go(app: &TestApp, waiting: &[Refund], orders: &[&str]) {
    for (refund, order) in waiting.iter().zip(orders) {
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!(app.effects(order).await.len(), 1);
    }
}

on_every_app! {
    async fn while_it_is_paused_nothing_new_goes_out_and_what_is_in_flight_finishes(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__AFTERPAY__TIMEOUTS__READ_MS", "15000")]);
        app.resume().await;
        app.sandbox.settings(&json!({ "slow_ms": 5_000, "hold_ms": 5_000 })).await;
        let doubt = came_to(app, request("f0", "9971001", 1_000), State::Sending).await;
        let in_flight = came_to(app, request("f1", "9942001", 1_000), State::Sending).await;
        app.hold_up("afterpay", None).await.unwrap();
        let orders = ["1001", "1002", "1003"];
        let waiting = wait_there(app, &orders).await;
        // What was sent is answered, and what is not known is looked up.
        app.wait_for(&in_flight.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("9942001").await.len(), 1);
        app.wait_for(&doubt.refund_id, State::Unknown).await;
        let gets = async || {
            let calls = app.sandbox.calls("9971001").await;
            calls.iter().filter(|call| call["method"] == "GET").count()
        };
        let looked = gets().await;
        let deadline = Instant::now() + PATIENCE;
        while gets().await < looked + 2 {
            assert!(Instant::now() < deadline, "the doubt was not looked up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // A pause outlives the process.
        app.pause().await;
        app.resume().await;
        tokio::time::sleep(QUIET).await;
        for (refund, order) in waiting.iter().zip(orders) {
            assert_eq!(app.get(&refund.refund_id).await.waits_for(), Wait::AccountPaused);
            assert_eq!(app.effects(order).await.len(), 0);
        }
        // Another account is not held up.
        let wish = at_worldline("wl-1-1", 1_000);
        came_to(app, wish, State::Succeeded).await;
        app.let_go("afterpay").await;
        all_go(app, &waiting, &orders).await;
    }

    async fn a_pause_ends_by_itself_when_it_says(app: &mut TestApp) {
        app.hold_up("afterpay", Some(app.in_seconds(3_600))).await.unwrap();
        let orders = ["1001", "1002"];
        let waiting = wait_there(app, &orders).await;
        app.clock.advance(Duration::from_mins(50));
        tokio::time::sleep(QUIET).await;
        assert_eq!(app.get(&waiting[0].refund_id).await.waits_for(), Wait::AccountPaused);
        app.clock.advance(Duration::from_mins(10));
        all_go(app, &waiting, &orders).await;
    }

    async fn the_later_pause_counts_and_resuming_ends_it_early(app: &mut TestApp) {
        app.hold_up("afterpay", Some(app.in_seconds(60))).await.unwrap();
        app.hold_up("afterpay", Some(app.in_seconds(7_200))).await.unwrap();
        app.clock.advance(Duration::from_hours(1));
        let orders = ["1001"];
        let waiting = wait_there(app, &orders).await;
        app.let_go("afterpay").await;
        all_go(app, &waiting, &orders).await;
        // Nothing to resume is no fault.
        app.let_go("afterpay").await;
    }

    async fn what_cannot_be_meant_is_refused(app: &mut TestApp) {
        let invalid = |status: tonic::Status| {
            assert_eq!(why(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()), "{status:?}");
            faulty(&status)
        };
        for until in [app.in_seconds(-1), app.in_seconds(-86_400)] {
            let status = app.hold_up("afterpay", Some(until)).await.unwrap_err();
            assert_eq!(invalid(status), ["until"]);
        }
        let mut client = app.operators().await;
        let until = Some(prost_types::Timestamp { seconds: -1, nanos: 0 });
        let pause = PauseAccountRequest { account: "No!".to_owned(), note: String::new(), until };
        let status = client.pause_account(with_token(pause, OPERATOR_TOKEN)).await.unwrap_err();
        assert_eq!(invalid(status), ["account", "note", "until"]);
        let resume = ResumeAccountRequest { note: "n".repeat(1_001), ..ResumeAccountRequest::default() };
        let status = client.resume_account(with_token(resume, OPERATOR_TOKEN)).await.unwrap_err();
        assert_eq!(invalid(status), ["account", "note"]);
        let status = app.hold_up("nowhere", None).await.unwrap_err();
        assert_eq!(why(&status), (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
        // None of them held anything up.
        let refund = app.refund("g1", "1001").await;
        app.wait_for(&refund.refund_id, State::Succeeded).await;
    }
}
