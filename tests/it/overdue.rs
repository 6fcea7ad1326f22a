//! Listing what takes too long.

use std::time::Duration;

use refunds::grpc::proto::operator_service_client::OperatorServiceClient;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{ListOverdueRequest, ListOverdueResponse, Refund, Wait};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::support::app::{TestApp, payment, request, with_token};
use super::support::callers::install;
use super::support::on_every_app;

async fn overdue(
    client: &mut OperatorServiceClient<Channel>,
    token: &str,
    asked: ListOverdueRequest,
) -> Result<ListOverdueResponse, Status> {
    client.list_overdue(with_token(asked, token)).await.map(tonic::Response::into_inner)
}

fn named(listed: &ListOverdueResponse) -> Vec<&str> {
    listed.refunds.iter().map(|refund| refund.request_id.as_str()).collect()
}

/// Takes the credentials of `afterpay` away: a blocked account keeps its refunds waiting.
pub(crate) async fn blocked(app: &mut TestApp) -> Refund {
    app.pause().await;
    app.set(&[("REFUNDS_DEV_AFTERPAY_SECRET", "rotated away")]);
    app.resume().await;
    let refund = app.refund("blocked", "1001").await;
    let waits = |refund: &Refund| refund.waits_for() == Wait::AccountBlocked;
    app.wait_until(&refund.refund_id, "blocked", waits).await;
    refund
}

on_every_app! {
    async fn operators_alone_list_what_is_overdue_the_longest_first(app: &mut TestApp) {
        let _file = install(app).await;
        blocked(app).await;
        app.create(request("o1", "1002", 1)).await.unwrap();
        app.create(request("o2", "1003", 1)).await.unwrap();
        let done = app.create(payment("done", "worldline", "order_example_1", ("EUR", 1))).await.unwrap();
        app.wait_for(&done.refund.unwrap().refund_id, State::Succeeded).await;
        let mut client = OperatorServiceClient::new(app.channel().await);
        let any = ListOverdueRequest::default;
        assert_eq!(named(&overdue(&mut client, "boss-token", any()).await.unwrap()), [""; 0]);

        app.clock.advance(Duration::from_hours(25));
        app.create(request("young", "1004", 1)).await.unwrap();
        let listed = overdue(&mut client, "boss-token", any()).await.unwrap();
        assert_eq!((named(&listed), listed.next_page_token.as_str()), (vec!["blocked", "o1", "o2"], ""));
        assert!(listed.refunds.iter().all(|refund| refund.caller == "dev"));
        let first = ListOverdueRequest { page_size: 2, account: "afterpay".to_owned(), ..any() };
        let listed = overdue(&mut client, "boss-token", first.clone()).await.unwrap();
        assert_eq!(named(&listed), ["blocked", "o1"]);
        let page_token = listed.next_page_token;
        let next = ListOverdueRequest { page_token: page_token.clone(), ..first };
        let listed = overdue(&mut client, "boss-token", next.clone()).await.unwrap();
        assert_eq!((named(&listed), listed.next_page_token.as_str()), (vec!["o2"], ""));
        let of_worldline = ListOverdueRequest { account: "worldline".to_owned(), ..any() };
        assert_eq!(named(&overdue(&mut client, "boss-token", of_worldline).await.unwrap()), [""; 0]);

        for token in ["desk-token", "reader-token", "nobody-token"] {
            let status = overdue(&mut client, token, any()).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied, "{token}");
            assert_eq!(status.get_details_error_info().unwrap().metadata["right"], "operate");
        }
        let (account, page_token_of_none) = ("No Such".to_owned(), "x".to_owned());
        let wrong = ListOverdueRequest { account, page_size: -1, page_token: page_token_of_none };
        let foreign = ListOverdueRequest { page_token, ..any() };
        let faulty: [(ListOverdueRequest, &[&str]); 2] =
            [(wrong, &["account", "page_size", "page_token"]), (foreign, &["page_token"])];
        for (asked, fields) in faulty {
            let status = overdue(&mut client, "boss-token", asked).await.unwrap_err();
            let violations = status.get_details_bad_request().unwrap().field_violations;
            assert!(violations.iter().map(|v| v.field.as_str()).eq(fields.iter().copied()), "{violations:?}");
        }
    }
}
