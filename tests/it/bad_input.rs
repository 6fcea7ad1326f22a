//! Bad input gets a clear error that names every field and its rule, and nothing is kept.

use std::collections::HashMap;

use prost_types::Timestamp;
use refunds::grpc::proto::create_refund_request::Target;
use refunds::grpc::proto::{
    CreateRefundRequest, Esims, GetRefundRequest, Money, Payment, StreamRefundStatusRequest,
};
use refunds::grpc::proto::{StreamStart, stream_refund_status_request};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::support::app::{TestApp, request};
use super::support::on_every_app;

type Wish = CreateRefundRequest;
/// A case: what is wrong, the wish, and the fields that must be named, each once.
type Case = (&'static str, Box<dyn Fn(&mut Wish)>, &'static [&'static str]);

fn payment(w: &mut Wish, order_id: &str, currency_code: &str, amount_minor: i64) {
    let amount = Some(Money { currency_code: currency_code.to_owned(), amount_minor });
    let payment = Payment { order_id: order_id.to_owned(), transaction_id: String::new(), amount };
    w.target = Some(Target::Payment(payment));
}

fn metadata(entries: &[(&str, &str)]) -> HashMap<String, String> {
    entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// What is wrong about the target.
fn target_cases() -> Vec<Case> {
    const ORDER: &str = "payment.order_id";
    const MINOR: &str = "payment.amount.amount_minor";
    const CODE: &str = "payment.amount.currency_code";
    vec![
        ("empty", Box::new(|w| *w = Wish::default()), &["request_id", "account", "target"]),
        ("zero", Box::new(|w| payment(w, "1001", "AUD", 0)), &[MINOR]),
        ("negative", Box::new(|w| payment(w, "1001", "AUD", -1)), &[MINOR]),
        ("huge", Box::new(|w| payment(w, "1001", "AUD", i64::MAX)), &[MINOR]),
        ("no currency", Box::new(|w| payment(w, "1001", "", 1)), &[CODE]),
        ("lower case", Box::new(|w| payment(w, "1001", "aud", 1)), &[CODE]),
        ("no minor unit", Box::new(|w| payment(w, "1001", "XAU", 1)), &[CODE]),
        ("not taken by the account", Box::new(|w| payment(w, "1001", "JPY", 1)), &[CODE]),
        ("both", Box::new(|w| payment(w, "", "??", 0)), &[ORDER, MINOR, CODE]),
        ("no number", Box::new(|w| payment(w, "order-1", "AUD", 1)), &[ORDER]),
        ("a path", Box::new(|w| payment(w, "../1001", "AUD", 1)), &[ORDER]),
        ("a long order", Box::new(|w| payment(w, &"1".repeat(65), "AUD", 1)), &[ORDER]),
        (
            "no amount",
            Box::new(|w| {
                w.target = Some(Target::Payment(Payment { order_id: "1".to_owned(), ..Payment::default() }));
            }),
            &["payment.amount"],
        ),
        (
            "a transaction",
            Box::new(|w| {
                if let Some(Target::Payment(payment)) = &mut w.target {
                    "t1".clone_into(&mut payment.transaction_id);
                }
            }),
            &["payment.transaction_id"],
        ),
        (
            "the wrong shape",
            Box::new(|w| {
                w.target = Some(Target::Esims(Esims { iccids: vec!["894000000000001".to_owned()] }));
            }),
            &["esims"],
        ),
        ("no iccids", Box::new(|w| w.target = Some(Target::Esims(Esims::default()))), &["esims.iccids"]),
        (
            "bad iccids",
            Box::new(|w| {
                let iccids = ["1", "1", "x"].map(str::to_owned).to_vec();
                w.target = Some(Target::Esims(Esims { iccids }));
            }),
            &["esims.iccids[1]", "esims.iccids[2]"],
        ),
    ]
}

/// What is wrong about everything but the target.
fn other_cases() -> Vec<Case> {
    vec![
        ("a long key", Box::new(|w| w.request_id = "k".repeat(65)), &["request_id"]),
        ("a key with a space", Box::new(|w| w.request_id = "a b".to_owned()), &["request_id"]),
        ("an account with capitals", Box::new(|w| w.account = "Afterpay".to_owned()), &["account"]),
        ("an unknown reason", Box::new(|w| w.reason = 99), &["reason"]),
        ("other without notes", Box::new(|w| w.reason = 13), &["notes"]),
        ("a bell in the notes", Box::new(|w| w.notes = "a\u{7}b".to_owned()), &["notes"]),
        ("long notes", Box::new(|w| w.notes = "n".repeat(256)), &["notes"]),
        ("a card in the notes", Box::new(|w| w.notes = "card 4111 1111 1111 1111".to_owned()), &["notes"]),
        (
            "a card as provider reason",
            Box::new(|w| w.provider_reason = "378282246310005".to_owned()),
            &["provider_reason"],
        ),
        ("a bad email", Box::new(|w| w.email = "nobody".to_owned()), &["email"]),
        (
            "a card in metadata",
            Box::new(|w| w.metadata = metadata(&[("pan", "4111-1111-1111-1111")])),
            &["metadata[\"pan\"]"],
        ),
        ("a card as a key", Box::new(|w| w.metadata = metadata(&[("4111111111111111", "x")])), &["metadata"]),
        (
            "a newline in metadata",
            Box::new(|w| w.metadata = metadata(&[("k", "a\nb")])),
            &["metadata[\"k\"]"],
        ),
        (
            "a long value",
            Box::new(|w| w.metadata = metadata(&[("k", &"v".repeat(501))])),
            &["metadata[\"k\"]"],
        ),
        ("an empty key", Box::new(|w| w.metadata = metadata(&[("", "v")])), &["metadata"]),
        (
            "too much metadata",
            Box::new(|w| {
                w.metadata = (0..21).map(|n| (format!("k{n}"), "v".to_owned())).collect();
            }),
            &["metadata"],
        ),
    ]
}

/// What is wrong in the light of the account and of time.
fn rule_cases() -> Vec<Case> {
    vec![
        (
            "another currency",
            Box::new(|w| {
                w.captured_amount = Some(Money { currency_code: "NZD".to_owned(), amount_minor: 5 });
            }),
            &["captured_amount.currency_code"],
        ),
        (
            "a purchase to come",
            Box::new(|w| {
                w.purchase_time = Some(Timestamp { seconds: 253_402_300_799, nanos: 0 });
            }),
            &["purchase_time"],
        ),
        (
            "no time",
            Box::new(|w| {
                w.not_before = Some(Timestamp { seconds: 1, nanos: -1 });
            }),
            &["not_before"],
        ),
        (
            "too late",
            Box::new(|w| w.send_before = Some(Timestamp { seconds: 1, nanos: 0 })),
            &["send_before"],
        ),
        (
            "upside down",
            Box::new(|w| {
                w.send_before = Some(Timestamp { seconds: 253_402_300_798, nanos: 0 });
                w.not_before = Some(Timestamp { seconds: 253_402_300_799, nanos: 0 });
            }),
            &["not_before"],
        ),
    ]
}

on_every_app! {
    async fn every_fault_of_a_create_is_named_and_nothing_is_kept(app: &mut TestApp) {
        let cases = target_cases().into_iter().chain(other_cases()).chain(rule_cases());
        for (what, spoil, fields) in cases {
            let mut wish = request("bad", "1001", 1_000);
            spoil(&mut wish);
            let status = app.create(wish).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
            assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_FIELD", "{what}");
            let violations = status.get_details_bad_request().unwrap().field_violations;
            let mut named: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
            named.sort_unstable();
            let mut wanted = fields.to_vec();
            wanted.sort_unstable();
            assert_eq!(named, wanted, "{what}");
            assert!(violations.iter().all(|v| !v.description.is_empty()), "{what}");
            assert!(!format!("{status:?}").contains("4111111111111111"), "{what}");
        }
        // The key was not used up by any of them.
        assert!(!app.create(request("bad", "1001", 1_000)).await.unwrap().replayed);
    }

    async fn unknown_accounts_and_refunds_are_not_found(app: &mut TestApp) {
        let mut wish = request("u1", "1001", 1_000);
        wish.account = "nowhere".to_owned();
        let status = app.create(wish).await.unwrap_err();
        assert_eq!((status.code(), status.get_details_error_info().unwrap().reason.as_str()), (Code::NotFound, "ACCOUNT_NOT_FOUND"));
        let mut client = app.client().await;
        let get = GetRefundRequest { refund_id: "no uuid".to_owned(), view: 9 };
        let status = client.get_refund(get).await.unwrap_err();
        let named: Vec<_> =
            status.get_details_bad_request().unwrap().field_violations.into_iter().map(|v| v.field).collect();
        assert_eq!(named, ["refund_id", "view"]);
    }

    async fn a_stream_request_is_checked_too(app: &mut TestApp) {
        let refund = app.refund("s1", "1001").await;
        let mut client = app.client().await;
        let target = |id: &str| Some(stream_refund_status_request::Target::RefundId(id.to_owned()));
        let of = |id: &str| StreamRefundStatusRequest { target: target(id), ..StreamRefundStatusRequest::default() };
        let nowhere = "00000000-0000-7000-8000-000000000000";
        let status = client.stream_refund_status(of(nowhere)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        let mut cases = vec![
            (StreamRefundStatusRequest::default(), "target"),
            (of("x"), "refund_id"),
            (StreamRefundStatusRequest { resume_token: "x".to_owned(), ..of(&refund.refund_id) }, "resume_token"),
            (StreamRefundStatusRequest { start: 7, ..of(&refund.refund_id) }, "start"),
        ];
        let start = StreamStart::Now.into();
        cases.push((StreamRefundStatusRequest { start, resume_token: "x".to_owned(), ..of(&refund.refund_id) }, "start"));
        for (message, field) in cases {
            let status = client.stream_refund_status(message).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
        }
    }

    async fn what_the_transport_refuses_has_details_too(app: &mut TestApp) {
        let mut wish = request("big", "1001", 1_000);
        wish.metadata = (0..400).map(|n| (format!("k{n}"), "v".repeat(400))).collect();
        let status = app.create(wish).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");

        let mut channel = tonic::client::Grpc::new(app.channel().await);
        channel.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/refunds.v1.RefundService/Nonsense");
        let codec = tonic_prost::ProstCodec::<GetRefundRequest, GetRefundRequest>::default();
        let status = channel.unary(Request::new(GetRefundRequest::default()), path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.get_details_error_info().unwrap().reason, "UNKNOWN_METHOD");

        // Field 1 of a create is text; these bytes say that it is a number.
        channel.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/refunds.v1.RefundService/CreateRefund");
        let codec = tonic_prost::ProstCodec::<StreamOfNumbers, GetRefundRequest>::default();
        let status = channel.unary(Request::new(StreamOfNumbers { n: 7 }), path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "MALFORMED_MESSAGE");
    }

    async fn a_deadline_that_passed_is_told_as_such(app: &mut TestApp) {
        // Past tonic's client, which acts on the deadline itself.
        let path = "/refunds.v1.RefundService/CreateRefund";
        let message = request("late", "1001", 1_000);
        let headers = unary_past_the_client(&app.address, path, &message, "1n").await;
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "DEADLINE_EXCEEDED");
        assert!(status.get_details_retry_info().is_some());
        // Whatever became of it, the same key is right.
        app.create(request("late", "1001", 1_000)).await.unwrap();
    }
}

/// Sends a gRPC message by plain HTTP/2 and gives the head of the answer.
#[expect(clippy::disallowed_methods, reason = "a client that does not know gRPC's deadlines is the point")]
async fn unary_past_the_client(
    address: &str,
    path: &str,
    message: &impl prost::Message,
    timeout: &str,
) -> http::HeaderMap {
    let encoded = message.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(encoded.len()).unwrap().to_be_bytes());
    body.extend(encoded);
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let request = client
        .post(format!("{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .body(body);
    request.send().await.unwrap().headers().clone()
}

/// A message whose first field is a number.
#[derive(Clone, PartialEq, prost::Message)]
struct StreamOfNumbers {
    #[prost(int32, tag = "1")]
    n: i32,
}
