//! Listing refunds: whose, which, page by page.

use std::collections::HashMap;
use std::time::Duration;

use prost_types::Timestamp;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::grpc::proto::{CreateRefundRequest, ListRefundsRequest, ListRefundsResponse, Refund, Wait};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::overdue::blocked;
use super::support::app::{TestApp, esim, payment, request, with_token};
use super::support::callers::install;
use super::support::on_every_app;

/// A refund that waits for tomorrow.
fn later(app: &TestApp, mut wish: CreateRefundRequest) -> CreateRefundRequest {
    let seconds = app.clock.now().plus(Duration::from_hours(24)).micros() / 1_000_000;
    wish.not_before = Some(Timestamp { seconds, nanos: 0 });
    wish
}

async fn create(app: &TestApp, token: &str, wish: CreateRefundRequest) -> Refund {
    let mut client = app.client().await;
    client.create_refund(with_token(later(app, wish), token)).await.unwrap().into_inner().refund.unwrap()
}

async fn list(
    client: &mut RefundServiceClient<Channel>,
    token: Option<&str>,
    asked: &ListRefundsRequest,
) -> Result<ListRefundsResponse, Status> {
    let listed = match token {
        Some(token) => client.list_refunds(with_token(asked.clone(), token)).await,
        None => client.list_refunds(asked.clone()).await,
    };
    listed.map(tonic::Response::into_inner)
}

fn asked(change: impl FnOnce(&mut ListRefundsRequest)) -> ListRefundsRequest {
    let mut asked = ListRefundsRequest::default();
    change(&mut asked);
    asked
}

/// The request ids of a page.
fn named(listed: Result<ListRefundsResponse, Status>) -> Vec<String> {
    listed.unwrap().refunds.into_iter().map(|refund| refund.request_id).collect()
}

fn reason(status: &Status) -> (String, HashMap<String, String>) {
    let info = status.get_details_error_info().unwrap();
    (info.reason, info.metadata)
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!((status.code(), reason(status).0.as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

on_every_app! {
    async fn a_caller_lists_its_own_refunds_and_with_the_right_everyones(app: &mut TestApp) {
        let _file = install(app).await;
        let mut client = app.client().await;
        for (n, token) in ["desk", "dev", "desk"].iter().enumerate() {
            // `dev` has no token.
            let wish = later(app, request(&format!("{token}-{n}"), "1001", 1));
            let created = match *token {
                "dev" => client.create_refund(wish).await,
                desk => client.create_refund(with_token(wish, &format!("{desk}-token"))).await,
            };
            created.unwrap();
        }
        let of = |caller: &str| asked(|asked| asked.caller = caller.to_owned());
        let all = ["desk-2", "dev-1", "desk-0"];
        assert_eq!(named(list(&mut client, None, &of("")).await), ["dev-1"]);
        assert_eq!(named(list(&mut client, None, &of("dev")).await), ["dev-1"]);
        assert_eq!(named(list(&mut client, Some("desk-token"), &of("")).await), ["desk-2", "desk-0"]);
        for token in ["reader-token", "boss-token"] {
            assert_eq!(named(list(&mut client, Some(token), &of("")).await), all);
            assert_eq!(named(list(&mut client, Some(token), &of("dev")).await), ["dev-1"]);
            assert_eq!(named(list(&mut client, Some(token), &of("never-was")).await), [""; 0]);
        }
        // The same is said of a caller that there is and of one that never was.
        for other in ["desk", "never-was"] {
            let status = list(&mut client, None, &of(other)).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied);
            let right = HashMap::from([("right".to_owned(), "read_all".to_owned())]);
            assert_eq!(reason(&status), ("RIGHT_MISSING".to_owned(), right));
        }
        let status = list(&mut client, Some("nobody-token"), &of("")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).0.as_str()), (Code::PermissionDenied, "RIGHT_MISSING"));
    }

    async fn pages_follow_each_other_and_their_tokens_are_bound(app: &mut TestApp) {
        let _file = install(app).await;
        let mut client = app.client().await;
        for n in 0..5 {
            create(app, "desk-token", request(&format!("d{n}"), "1001", 1)).await;
        }
        let afterpays = ListRefundsRequest {
            account: "afterpay".to_owned(),
            states: vec![State::Pending.into(), State::Failed.into()],
            page_size: 2,
            ..ListRefundsRequest::default()
        };
        let first = list(&mut client, Some("desk-token"), &afterpays).await.unwrap();
        let token = first.next_page_token.clone();
        assert_eq!(named(Ok(first)), ["d4", "d3"]);
        let next = |change: &dyn Fn(&mut ListRefundsRequest)| {
            let mut next = ListRefundsRequest { page_token: token.clone(), ..afterpays.clone() };
            change(&mut next);
            next
        };
        // Another size is no other list, nor is another order of the states.
        let other_size = next(&|next| {
            next.page_size = 200;
            next.states.reverse();
        });
        create(app, "desk-token", request("d5", "1001", 1)).await;
        let rest = list(&mut client, Some("desk-token"), &other_size).await.unwrap();
        assert_eq!(rest.next_page_token, "");
        assert_eq!(named(Ok(rest)), ["d2", "d1", "d0"]);
        for foreign in [
            next(&|next| next.account.clear()),
            next(&|next| next.provider = "afterpay".to_owned()),
            next(&|next| next.states = vec![State::Pending.into()]),
            next(&|next| next.order_id = "1001".to_owned()),
            next(&|next| next.caller = "desk".to_owned()),
            next(&|next| next.create_time_from = Some(Timestamp::default())),
            next(&|next| (next.metadata_key, next.metadata_value) = ("a".to_owned(), "b".to_owned())),
            next(&|next| next.page_token = "nonsense".to_owned()),
        ] {
            let status = list(&mut client, Some("desk-token"), &foreign).await.unwrap_err();
            assert_eq!(fields(&status), ["page_token"], "{foreign:?}");
        }
        let status = list(&mut client, Some("reader-token"), &next(&|_| {})).await.unwrap_err();
        assert_eq!(fields(&status), ["page_token"]);
    }

    async fn all_faults_of_a_list_are_told_at_once(app: &mut TestApp) {
        let mut client = app.client().await;
        let wrong = ListRefundsRequest {
            account: "No Such".to_owned(),
            provider: "stripe".to_owned(),
            order_id: "a b".to_owned(),
            iccid: "x".to_owned(),
            states: vec![State::Pending.into(), 0, 77],
            create_time_from: Some(Timestamp { seconds: 2, nanos: 0 }),
            create_time_until: Some(Timestamp { seconds: 2, nanos: 0 }),
            metadata_key: "k".to_owned(),
            caller: "No Such".to_owned(),
            page_size: -1,
            page_token: "nonsense".to_owned(),
            ..ListRefundsRequest::default()
        };
        let expected = [
            "account", "provider", "order_id", "iccid", "states[1]", "states[2]", "create_time_until",
            "metadata_value", "caller", "page_size", "page_token",
        ];
        assert_eq!(fields(&list(&mut client, None, &wrong).await.unwrap_err()), expected);
        let wrong = ListRefundsRequest {
            order_id: "1001".to_owned(),
            metadata_value: "4111111111111111".to_owned(),
            create_time_from: Some(Timestamp { seconds: -1, nanos: 0 }),
            ..ListRefundsRequest::default()
        };
        let status = list(&mut client, None, &wrong).await.unwrap_err();
        assert_eq!(fields(&status), ["account", "create_time_from", "metadata_key", "metadata_value"]);
        assert!(!format!("{status:?}").contains("4111"), "{status:?}");
    }

    async fn filters_find_what_a_person_has_at_hand(app: &mut TestApp) {
        let _file = install(app).await;
        let mut client = app.client().await;
        let done = app.refund("done", "1001").await;
        let done = app.wait_for(&done.refund_id, State::Succeeded).await;
        let mut labelled = request("labelled", "1002", 1);
        labelled.metadata = HashMap::from([("ticket".to_owned(), "A-7".to_owned())]);
        let mut wishes = vec![labelled, esim("esim", "airalo", "894000000000001")];
        wishes.push(payment("euros", "worldline", "1001", ("EUR", 1)));
        for wish in wishes {
            app.create(later(app, wish)).await.unwrap();
        }
        let of_order = |account: &str, order_id: &str| {
            asked(|asked| {
                account.clone_into(&mut asked.account);
                order_id.clone_into(&mut asked.order_id);
            })
        };
        let found: Vec<(ListRefundsRequest, &[&str])> = vec![
            (asked(|_| ()), &["euros", "esim", "labelled", "done"]),
            (asked(|asked| asked.account = "afterpay".to_owned()), &["labelled", "done"]),
            (asked(|asked| asked.provider = "airalo".to_owned()), &["esim"]),
            // Another spelling of the same order, and not the same id of another merchant.
            (of_order("afterpay", "0001001"), &["done"]),
            (of_order("worldline", "1001"), &["euros"]),
            (asked(|asked| asked.iccid = "894000000000001".to_owned()), &["esim"]),
            (asked(|asked| asked.provider_refund_id = done.provider_refund_id.clone()), &["done"]),
            (asked(|asked| asked.states = vec![State::Succeeded.into()]), &["done"]),
            (
                asked(|asked| {
                    asked.states = vec![State::Pending.into()];
                    asked.provider = "worldline".to_owned();
                }),
                &["euros"],
            ),
            (
                asked(|asked| {
                    asked.metadata_key = "ticket".to_owned();
                    asked.metadata_value = "A-7".to_owned();
                }),
                &["labelled"],
            ),
            (asked(|asked| asked.create_time_until = done.create_time), &[]),
            (
                asked(|asked| {
                    asked.create_time_from = done.create_time;
                    asked.account = "afterpay".to_owned();
                }),
                &["labelled", "done"],
            ),
        ];
        for (asked, expected) in found {
            assert_eq!(named(list(&mut client, None, &asked).await), expected, "{asked:?}");
        }
        // What is listed is what is read.
        let listed = list(&mut client, None, &asked(|_| ())).await.unwrap().refunds;
        for refund in listed {
            // The place in the queue is told of one refund alone.
            let read = app.get(&refund.refund_id).await;
            let read = Refund { queue_place: 0, estimated_send_time: None, ..read };
            assert_eq!(refund, read);
        }
        // An order id means nothing at an account that there is not, or that the caller may not use.
        for (token, account) in [("boss-token", "afterpay-nz"), ("desk-token", "worldline")] {
            let status = list(&mut client, Some(token), &of_order(account, "1001")).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).0.as_str()), (Code::NotFound, "ACCOUNT_NOT_FOUND"));
        }
    }

    async fn a_list_tells_what_each_account_keeps_its_refunds_waiting_for(app: &mut TestApp) {
        blocked(app).await;
        for n in 1..4 {
            app.refund(&format!("b{n}"), "1001").await;
        }
        let held = later(app, request("held", "1001", 1));
        app.create(held).await.unwrap();
        let listed = list(&mut app.client().await, None, &ListRefundsRequest::default()).await.unwrap();
        let told: Vec<_> = listed.refunds.iter().map(|r| (r.request_id.as_str(), r.waits_for())).collect();
        assert_eq!(told[0], ("held", Wait::NotBefore));
        let names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["held", "b3", "b2", "b1", "blocked"]);
        // The one that tries is on its way now and then.
        let blocked = told.iter().filter(|(_, wait)| *wait == Wait::AccountBlocked).count();
        assert!(blocked >= 3, "{told:?}");
    }
}
