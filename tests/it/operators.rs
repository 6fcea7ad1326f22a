//! What operators decide: of refunds that the machine may not decide, and of accounts.

mod batch;
mod check;
mod pause;
mod resolve;
mod retry;
mod retry_of;

use std::fmt::Debug;
use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{
    BatchResolveRefundsRequest, CheckRefundRequest, CloseDiscrepancyRequest, CreateRefundRequest,
    ListDiscrepanciesRequest, ListOverdueRequest, Outcome, PauseAccountRequest, Refund, ResumeAccountRequest,
};
use tonic::{Code, Status};

use super::support::app::{TestApp, payment, request};
use super::support::on_every_app;
use super::support::people::{named, resolution, retry_of, why};

/// How long an answer of Worldline may be on its way here.
const ANSWER: Duration = Duration::from_secs(15);
/// The whole of an order of Worldline, in cents.
const WHOLE: i64 = 100_000;

/// Has Worldline not heed our key and take its time, so that what is not known stays so.
async fn in_doubt(app: &mut TestApp) {
    app.pause().await;
    app.set(&[
        ("REFUNDS__ACCOUNTS__WORLDLINE__WORLDLINE__REQUEST_ID_CONFIRMED", "false"),
        ("REFUNDS__ACCOUNTS__WORLDLINE__TIMEOUTS__READ_MS", "15000"),
    ]);
    app.resume().await;
}

/// A refund of so many cents at Worldline. Of an order `wl-9943-..` the answer is lost and nothing is
/// effected, of one `wl-9944-..` all of it is.
fn at_worldline(order: &str, amount_minor: i64) -> CreateRefundRequest {
    payment(order, "worldline", order, ("EUR", amount_minor))
}

/// A refund that came to a state.
async fn came_to(app: &TestApp, wish: CreateRefundRequest, state: State) -> Refund {
    let refund = app.accepted(wish).await;
    app.wait_for(&refund.refund_id, state).await
}

/// A refund of which nobody knows what became of it, and whose answer cannot be on its way any more.
async fn unknown(app: &TestApp, wish: CreateRefundRequest) -> Refund {
    let refund = came_to(app, wish, State::Unknown).await;
    app.clock.advance(ANSWER);
    refund
}

fn assert_not_theirs<T: Debug>(told: Result<T, Status>) {
    let status = told.unwrap_err();
    assert_eq!(why(&status), (Code::PermissionDenied, "RIGHT_MISSING".to_owned()), "{status:?}");
    assert_eq!(named(&status, "right"), "operate");
}

on_every_app! {
    async fn without_the_right_nobody_operates(app: &mut TestApp) {
        app.hold_up("afterpay", None).await.unwrap();
        let id = app.refund("r1", "1001").await.refund_id;
        let before = app.full(&id).await;
        let mut client = app.operators().await;
        let (account, note) = ("afterpay".to_owned(), "Why not.".to_owned());
        assert_not_theirs(client.list_overdue(ListOverdueRequest::default()).await);
        assert_not_theirs(client.resolve_refund(resolution(&id, Outcome::Failed)).await);
        let requests = vec![resolution(&id, Outcome::Failed)];
        assert_not_theirs(client.batch_resolve_refunds(BatchResolveRefundsRequest { requests }).await);
        assert_not_theirs(client.retry_refund(retry_of("r2", &id)).await);
        let check = CheckRefundRequest { refund_id: id.clone(), note: note.clone() };
        assert_not_theirs(client.check_refund(check).await);
        let pause = PauseAccountRequest { account: account.clone(), note: note.clone(), until: None };
        assert_not_theirs(client.pause_account(pause).await);
        let resume = ResumeAccountRequest { account, note: note.clone(), key_heeded: true };
        assert_not_theirs(client.resume_account(resume).await);
        assert_not_theirs(client.list_discrepancies(ListDiscrepanciesRequest::default()).await);
        let close = CloseDiscrepancyRequest { discrepancy_id: format!("{id}:1"), note };
        assert_not_theirs(client.close_discrepancy(close).await);
        assert_eq!(app.full(&id).await, before, "and nothing of it was done");
        // The key of the refused retry is not used up.
        assert!(!app.create(request("r2", "1002", 1_000)).await.unwrap().replayed);
    }
}
