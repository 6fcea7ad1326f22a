//! The bytes that are sent, and the answer that they are meant to get.

use refunds::domain::answer::{Evidence, Face, Finding, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::Success;
use refunds::domain::sight::Sight;
use refunds::domain::timestamp::Timestamp;
use refunds::provider::Provider;
use refunds::provider::afterpay::{Afterpay, capabilities};

use super::fixture::{TOKEN, refund_of};
use crate::listener::{Listener, http, json};
use crate::refund::{KEY, REFUND_ID, successes};
use crate::wire::{NOT_SENT, Wire, look_up, send};

#[tokio::test]
async fn a_refund_is_these_bytes_and_a_201_is_its_success() {
    let listener = Listener::answer(Afterpay::success()).await;
    let address = listener.address();
    let answer = send(&Afterpay::at(address)).await;

    let (order, version) = (Afterpay::ORDER, env!("CARGO_PKG_VERSION"));
    let body = format!(
        concat!(
            r#"{{"requestId":"{}","amount":{{"amount":"10.50","currency":"AUD"}},"#,
            r#""merchantReference":"{}","refundMerchantReference":"{}"}}"#
        ),
        KEY, KEY, REFUND_ID
    );
    let expected = format!(
        "POST /v2/payments/{order}/refund HTTP/1.1\r\n\
         authorization: Basic {TOKEN}\r\n\
         accept: application/json\r\n\
         content-type: application/json\r\n\
         user-agent: refunds/{version} (rust; Merchant/600032000) https://shop.example\r\n\
         host: {address}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(listener.requests(), [expected]);

    let success = Success {
        amount_minor: Some(1_050),
        provider_refund_id: Some("67890123".to_owned()),
        completed: Timestamp::parse_rfc3339("2023-01-01T00:00:00.000Z"),
        items: Vec::new(),
    };
    assert_eq!(answer.faces, [Face::Succeeded(success)]);
    assert_eq!(answer.signals, [Signal::Healthy]);
    assert_eq!(answer.evidence, Evidence { http_status: Some(201), ..Evidence::default() });
}

#[tokio::test]
async fn a_lookup_is_these_bytes() {
    let listener = Listener::answer(json(
        200,
        r#"{"id":"100101768366","created":"2026-01-01T00:00:00.000Z","paymentState":"CAPTURED",
        "originalAmount":{"amount":"30.00","currency":"AUD"},"refunds":[],
        "events":[{"type":"CAPTURED","created":"2026-01-01T00:00:00.000Z",
                   "amount":{"amount":"30.00","currency":"AUD"}}]}"#,
    ))
    .await;
    let address = listener.address();
    let answer = look_up(&Afterpay::at(address)).await;

    let (order, version) = (Afterpay::ORDER, env!("CARGO_PKG_VERSION"));
    let expected = format!(
        "GET /v2/payments/{order} HTTP/1.1\r\n\
         authorization: Basic {TOKEN}\r\n\
         accept: application/json\r\n\
         user-agent: refunds/{version} (rust; Merchant/600032000) https://shop.example\r\n\
         host: {address}\r\n\r\n"
    );
    assert_eq!(listener.requests(), [expected]);
    let Sight::Order(order) = answer.sight else { panic!("{answer:?}") };
    assert_eq!((order.captured_minor, order.refunded_minor), (3_000, 0));
    assert_eq!(answer.signals, [Signal::Healthy]);
}

#[tokio::test]
async fn no_payment_shows_a_success_taken_back() {
    let can = capabilities(&Afterpay::settings("https://a.example"));
    assert!(!can.shows_reversals && !can.person_reviews);
    let success = Success {
        amount_minor: Some(1_050),
        provider_refund_id: Some("67890123".to_owned()),
        completed: None,
        items: Vec::new(),
    };
    let payment = |state: &str, refunds: &str| {
        format!(
            r#"{{"id":"{order}","originalAmount":{{"amount":"30.00","currency":"AUD"}},"refunds":[{refunds}],
            "paymentState":"{state}","events":[{{"id":"1","created":"2023-01-01T00:00:00Z","type":"CAPTURED",
            "amount":{{"amount":"30.00","currency":"AUD"}}}}]}}"#,
            order = Afterpay::ORDER
        )
    };
    let ours = Afterpay::success_body();
    for refund in successes(&Afterpay::refund(), &success) {
        for (body, is_listed) in [
            (payment("CAPTURED", &ours), true),
            (payment("VOIDED", &ours), true),
            (payment("CAPTURED", ""), false),
            (payment("VOIDED", &ours.replace(KEY, "another")), false),
        ] {
            let listener = Listener::answer(json(200, &body)).await;
            let answer = Afterpay::at(listener.address()).look_up(&refund).await;
            assert_eq!(matches!(answer.finding, Finding::Succeeded(_)), is_listed, "{answer:?}");
            assert_eq!(answer.finding == Finding::Absent, !is_listed, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_order_id_stays_one_segment_below_the_base_path() {
    let listener = Listener::answer(Afterpay::success()).await;
    let base = format!("http://{}/afterpay/", listener.address());
    let client = Afterpay::new(Afterpay::settings(&base)).unwrap();
    client.send(&[refund_of("../a/b?c=#%2e")], 0).await;
    let request = listener.requests().remove(0);
    let line = request.lines().next().unwrap();
    assert_eq!(line, "POST /afterpay/v2/payments/..%2Fa%2Fb%3Fc%3D%23%252e/refund HTTP/1.1");
}

#[tokio::test]
async fn an_order_id_that_names_no_path_is_never_sent() {
    let listener = Listener::answer(Afterpay::success()).await;
    let client = Afterpay::at(listener.address());
    for order in [".", ".."] {
        let answer = client.send(&[refund_of(order)], 0).await;
        let [Face::Declined { failure, conclusive: true }] = answer.faces.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!(failure.reason, FailureReason::OrderNotFound);
        assert_eq!(client.look_up(&refund_of(order)).await.sight, Sight::NoOrder);
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn a_call_without_exactly_one_refund_sends_nothing() {
    let listener = Listener::answer(Afterpay::success()).await;
    let client = Afterpay::at(listener.address());
    let two = [refund_of("1"), refund_of("2")];
    assert_eq!(client.send(&two, 0).await.faces, [NOT_SENT, NOT_SENT]);
    assert_eq!(client.send(&[], 0).await.faces, []);
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn the_providers_names_of_the_exchange_are_kept() {
    let headers = "Http-Correlation-Id: corr-1\r\nCf-Ray: ray-1\r\nSet-Cookie: a=b\r\n";
    let listener = Listener::answer(http(201, headers, &Afterpay::success_body())).await;
    let answer = send(&Afterpay::at(listener.address())).await;
    assert_eq!(answer.evidence.correlation_id.as_deref(), Some("corr-1"));
    let listener = Listener::answer(http(502, "Cf-Ray: ray-1\r\n", "<html>")).await;
    let answer = send(&Afterpay::at(listener.address())).await;
    assert_eq!(answer.evidence.correlation_id.as_deref(), Some("ray-1"));
}
