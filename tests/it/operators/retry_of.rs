//! A caller's own refund that says which one it tries again.

use refunds::config::dev::OPERATOR_TOKEN;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{CreateRefundRequest, Refund};
use serde_json::json;
use tonic::{Code, Status};

use super::super::support::app::{TestApp, request, with_token};
use super::super::support::on_every_app;
use super::super::support::people::{assert_state_forbids, faulty, named, why};
use super::{at_worldline, came_to, in_doubt};

fn again(request_id: &str, order: &str, first: &str) -> CreateRefundRequest {
    CreateRefundRequest { retry_of: first.to_owned(), ..request(request_id, order, 1_000) }
}

/// That the field is at fault, and what of it.
fn assert_wrong(told: Result<impl std::fmt::Debug, Status>, rule: &str) {
    let status = told.unwrap_err();
    assert_eq!(why(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()), "{status:?}");
    assert_eq!(faulty(&status), ["retry_of"]);
    assert!(status.message().contains(rule), "{status:?}");
}

async fn of_operator(app: &TestApp, wish: CreateRefundRequest) -> Refund {
    let told = app.client().await.create_refund(with_token(wish, OPERATOR_TOKEN)).await;
    told.unwrap().into_inner().refund.unwrap()
}

on_every_app! {
    async fn ones_own_failure_is_named_and_names_it(app: &mut TestApp) {
        app.sandbox.order("1001", &json!({ "behaviours": ["invalid_amount", "ok"] })).await;
        let first = came_to(app, request("a1", "1001", 1_000), State::Failed).await.refund_id;
        let second = app.accepted(again("a2", "1001", &first)).await;
        assert_eq!((second.retry_of.as_str(), second.caller.as_str()), (first.as_str(), "dev"));
        app.wait_for(&second.refund_id, State::Succeeded).await;
        let full = app.full(&first).await;
        assert_eq!(full.retried_as, [second.refund_id]);
        assert_eq!(full.decisions, [], "no operator decided it");
        assert!(app.create(again("a2", "1001", &first)).await.unwrap().replayed);
        // It is a part of the content.
        let status = app.create(request("a2", "1001", 1_000)).await.unwrap_err();
        assert_eq!(why(&status), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
        assert_eq!(named(&status, "fields"), "retry_of");
    }

    async fn only_what_did_not_go_back_is_tried_again(app: &mut TestApp) {
        in_doubt(app).await;
        let held = CreateRefundRequest {
            not_before: Some(app.in_seconds(3_600)),
            ..request("p1", "1001", 1_000)
        };
        let pending = app.accepted(held).await.refund_id;
        let succeeded = came_to(app, request("s1", "1002", 1_000), State::Succeeded).await.refund_id;
        let doubt = came_to(app, at_worldline("wl-9943-1", 1_000), State::Unknown).await.refund_id;
        let of_doubt = CreateRefundRequest { retry_of: doubt.clone(), ..at_worldline("wl-1-9", 1_000) };
        let rows = [
            (&pending, again("x1", "1009", &pending), "pending"),
            (&succeeded, again("x1", "1009", &succeeded), "succeeded"),
            (&doubt, of_doubt, "unknown"),
        ];
        for (first, wish, word) in rows {
            assert_state_forbids(app.create(wish).await, word);
            assert_eq!(app.full(first).await.retried_as, Vec::<String>::new());
        }
        app.cancel(&pending).await.unwrap();
        let second = app.accepted(again("x1", "1001", &pending)).await;
        assert_eq!(second.retry_of, pending);
    }

    async fn anothers_refund_and_another_accounts_are_not_named(app: &mut TestApp) {
        let theirs = of_operator(app, request("o1", "9910001", 1_000)).await.refund_id;
        let ours = came_to(app, request("o2", "9910002", 1_000), State::Failed).await.refund_id;
        let nobodys = "00000000-0000-7000-8000-000000000000";
        for first in [theirs.as_str(), nobodys] {
            assert_wrong(app.create(again("y1", "1001", first)).await, "that you may read");
        }
        assert_wrong(app.create(again("y1", "1001", "none")).await, "");
        let elsewhere = CreateRefundRequest {
            retry_of: ours.clone(),
            ..at_worldline("wl-1-1", 1_000)
        };
        assert_wrong(app.create(elsewhere).await, "of the same account");
        // Who may read it may name it.
        let by_operator = of_operator(app, again("y1", "1001", &ours)).await;
        assert_eq!(by_operator.retry_of, ours);
        assert_eq!(app.full(&ours).await.retried_as, [by_operator.refund_id]);
    }
}
