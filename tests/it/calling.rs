//! What a calling team is promised.

use refunds::grpc::proto::Refund;
use refunds::grpc::proto::refund::State;

use super::faults::wish;
use super::support::app::TestApp;
use super::support::on_every_app;

async fn created(app: &TestApp, request_id: &str, account: &str, order: &str) -> Refund {
    app.create(wish(request_id, account, order)).await.unwrap().refund.unwrap()
}

on_every_app! {
    async fn a_refund_in_review_names_the_providers_case(app: &mut TestApp) {
        let reviewed = [
            ("airalo", "899962000000001"),
            ("moyasar", "99830000-0000-7000-8000-000000000001"),
            ("worldline", "wl-9990-1"),
        ];
        for (account, order) in reviewed {
            let id = created(app, &format!("r-{account}"), account, order).await.refund_id;
            let refund = app.wait_for(&id, State::InReview).await;
            assert!(!refund.provider_refund_id.is_empty(), "{account}: {refund:#?}");
        }
    }
}
