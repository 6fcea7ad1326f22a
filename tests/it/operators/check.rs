//! Having a refund looked up now, and not when the schedule says.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CheckRefundRequest, CreateRefundRequest};
use serde_json::json;
use tonic::Code;

use super::super::support::app::{TestApp, payment, request, with_token};
use super::super::support::on_every_app;
use super::super::support::people::{assert_state_forbids, faulty, why};
use super::came_to;

/// Longer than any test: the schedule alone would never look.
const LATER_MS: &str = "3600000";
/// How long nobody is seen to look by himself.
const QUIET: Duration = Duration::from_millis(700);

/// Has nobody look at anything but when asked.
async fn unhurried(app: &mut TestApp) {
    app.pause().await;
    for account in ["AFTERPAY", "MOYASAR", "WORLDLINE"] {
        for setting in ["FIRST_CHECK_MS", "CHECK_SCHEDULE_MS"] {
            app.set(&[(&format!("REFUNDS__ACCOUNTS__{account}__SCHEDULE__{setting}"), LATER_MS)]);
        }
    }
    app.resume().await;
}

on_every_app! {
    async fn a_doubt_is_looked_up_at_once(app: &mut TestApp) {
        unhurried(app).await;
        let refund = came_to(app, request("k1", "9944001", 1_000), State::Unknown).await;
        let planned = refund.next_check_time.unwrap().seconds;
        assert!(planned > app.in_seconds(3_000).seconds);
        tokio::time::sleep(QUIET).await;
        assert_eq!((app.looks(&refund.refund_id).await, app.effects("9944001").await.len()), (0, 1));

        let asked = app.check(&refund.refund_id).await.unwrap();
        assert_eq!(asked.state(), State::Unknown);
        assert!(asked.next_check_time.unwrap().seconds <= app.in_seconds(1).seconds);
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!(app.effects("9944001").await.len(), 1);
        let full = app.full(&refund.refund_id).await;
        let [decision] = full.decisions.as_slice() else { panic!("{full:#?}") };
        assert_eq!((decision.kind.as_str(), decision.actor.as_str()), ("check", "operator"));
        assert_eq!((decision.note.as_str(), decision.outcome()), ("The customer asks.", State::Unspecified));
        assert_eq!(full.events.last().unwrap().actor, "dispatcher", "the machine found out");
    }

    async fn a_review_is_looked_up_at_once(app: &mut TestApp) {
        unhurried(app).await;
        app.sandbox.settings(&json!({ "later_ms": 100 })).await;
        let order = "99810000-0000-7000-8000-000000000001";
        let refund = came_to(app, payment("k1", "moyasar", order, ("SAR", 1_000)), State::InReview).await;
        tokio::time::sleep(QUIET).await;
        assert_eq!(app.get(&refund.refund_id).await.state(), State::InReview);
        app.check(&refund.refund_id).await.unwrap();
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!(app.looks(&refund.refund_id).await, 1);
    }

    async fn a_doubt_is_sent_again_within_the_rules_at_once(app: &mut TestApp) {
        unhurried(app).await;
        // Nothing was effected, and Afterpay heeds the key.
        let refund = came_to(app, request("k1", "9943001", 1_000), State::Unknown).await;
        app.check(&refund.refund_id).await.unwrap();
        app.wait_for(&refund.refund_id, State::Succeeded).await;
        assert_eq!((app.sandbox.posts("9943001").await.len(), app.effects("9943001").await.len()), (2, 1));
    }

    async fn what_is_final_is_looked_at_again_when_asked(app: &mut TestApp) {
        unhurried(app).await;
        app.sandbox.settings(&json!({ "later_ms": 1_000 })).await;
        let stays = "01910000-0000-7000-8000-000000000001";
        let stays = came_to(app, payment("k1", "moyasar", stays, ("SAR", 1_000)), State::Succeeded).await;
        let goes = "99880000-0000-7000-8000-000000000001";
        let goes = came_to(app, payment("k2", "moyasar", goes, ("SAR", 1_000)), State::Succeeded).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        for (refund, state) in [(&stays, State::Succeeded), (&goes, State::Reversed)] {
            assert_eq!(app.looks(&refund.refund_id).await, 0);
            let asked = app.check(&refund.refund_id).await.unwrap();
            assert_eq!((asked.state(), asked.next_check_time), (State::Succeeded, None));
            app.looked_up(&refund.refund_id, 1).await;
            assert_eq!(app.get(&refund.refund_id).await.state(), state);
        }
        app.check(&stays.refund_id).await.unwrap();
        app.looked_up(&stays.refund_id, 2).await;
        let full = app.full(&stays.refund_id).await;
        assert_eq!((full.events.len(), full.decisions.len()), (3, 2));
    }

    async fn what_cannot_be_looked_up_refuses_it(app: &mut TestApp) {
        unhurried(app).await;
        app.pause().await;
        app.set(&[("REFUNDS__ACCOUNTS__AFTERPAY__TIMEOUTS__READ_MS", "15000")]);
        app.resume().await;
        app.sandbox.settings(&json!({ "slow_ms": 6_000 })).await;
        let held = || CreateRefundRequest {
            not_before: Some(app.in_seconds(3_600)),
            ..request("p1", "1001", 1_000)
        };
        let pending = app.accepted(held()).await;
        assert_state_forbids(app.check(&pending.refund_id).await, "pending");
        app.cancel(&pending.refund_id).await.unwrap();
        assert_state_forbids(app.check(&pending.refund_id).await, "canceled");
        let sending = came_to(app, request("p2", "9942001", 1_000), State::Sending).await;
        assert_state_forbids(app.check(&sending.refund_id).await, "sending");
        // Its preflight refused it: nothing was ever sent.
        let unsent = came_to(app, request("p3", "2001", 1_000), State::Failed).await;
        assert_state_forbids(app.check(&unsent.refund_id).await, "failed");
        for refund in [&pending, &sending, &unsent] {
            assert_eq!(app.full(&refund.refund_id).await.decisions, []);
        }
        let nobodys = app.check("00000000-0000-7000-8000-000000000000").await.unwrap_err();
        assert_eq!(why(&nobodys), (Code::NotFound, "REFUND_NOT_FOUND".to_owned()));
        let wrong = CheckRefundRequest { refund_id: String::new(), note: "n".repeat(1_001) };
        let wrong = with_token(wrong, refunds::config::dev::OPERATOR_TOKEN);
        let status = app.operators().await.check_refund(wrong).await.unwrap_err();
        assert_eq!(faulty(&status), ["refund_id", "note"]);
        app.wait_for(&sending.refund_id, State::Succeeded).await;
    }
}
