//! The bytes that are sent, and the answer that they are meant to get.

use refunds::domain::account::KeyProof;
use refunds::domain::answer::{Evidence, Face, Finding, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::{Item, ItemState, Success};
use refunds::domain::sight::Sight;
use refunds::domain::timestamp::Timestamp;
use refunds::provider::Provider;
use refunds::provider::worldline::{RequestIdPlace, Worldline, capabilities};

use super::fixture::{CAPTURE, MID, OLD_CREDIT, ORDER, TOKEN, order, refund_of};
use crate::listener::{Listener, json};
use crate::refund::KEY;
use crate::wire::{NOT_SENT, Wire, look_up, send};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test]
async fn a_refund_is_these_bytes_and_its_new_transaction_is_its_success() {
    let listener = Listener::answer(Worldline::success()).await;
    let address = listener.address();
    let answer = send(&Worldline::at(address)).await;

    let body = format!(r#"{{"amount":{{"amount":10.50,"currency":"EUR"}},"requestId":"{KEY}"}}"#);
    let expected = format!(
        "POST /api/v2/merchants/{MID}/orders/{ORDER}/refunds HTTP/1.1\r\n\
         authorization: Bearer {TOKEN}\r\n\
         accept: application/json\r\n\
         content-type: application/json\r\n\
         user-agent: refunds/{VERSION}\r\n\
         host: {address}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(listener.requests(), [expected]);

    let success = Success {
        amount_minor: Some(1_050),
        provider_refund_id: Some("5986910001".to_owned()),
        completed: Timestamp::parse_rfc3339("2019-10-04T14:25:00.000Z"),
        items: vec![Item {
            id: "5986910001".to_owned(),
            state: ItemState::Succeeded,
            amount_minor: Some(1_050),
            provider_code: Some("0".to_owned()),
        }],
    };
    assert_eq!(answer.faces, [Face::Succeeded(success)]);
    assert_eq!(answer.signals, [Signal::Healthy]);
    assert_eq!(answer.evidence, Evidence { http_status: Some(200), ..Evidence::default() });
}

#[tokio::test]
async fn a_lookup_is_these_bytes() {
    let listener = Listener::answer(json(200, &order(&[]).to_string())).await;
    let address = listener.address();
    let answer = look_up(&Worldline::at(address)).await;

    let expected = format!(
        "GET /api/v2/merchants/{MID}/orders/{ORDER} HTTP/1.1\r\n\
         authorization: Bearer {TOKEN}\r\n\
         accept: application/json\r\n\
         user-agent: refunds/{VERSION}\r\n\
         host: {address}\r\n\r\n"
    );
    assert_eq!(listener.requests(), [expected]);
    let Sight::Order(order) = answer.sight else { panic!("{answer:?}") };
    assert_eq!((order.captured_minor, order.refunded_minor), (3_000, 100));
    assert_eq!(order.transactions, [CAPTURE, OLD_CREDIT]);
    assert_eq!(answer.finding, Finding::Absent);
    assert_eq!(answer.signals, [Signal::Healthy]);
}

/// The body and the head of the request for this refund.
async fn request_of(place: RequestIdPlace, refund: refunds::domain::refund::Refund) -> (String, String) {
    let listener = Listener::answer(Worldline::success()).await;
    let mut settings = Worldline::settings(&format!("http://{}", listener.address()));
    settings.request_id_place = place;
    Worldline::new(settings).unwrap().send(&[refund], 0).await;
    let request = listener.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_key_stands_where_the_configuration_says() {
    let (head, body) = request_of(RequestIdPlace::Amount, Worldline::refund()).await;
    assert_eq!(body, format!(r#"{{"amount":{{"amount":10.50,"currency":"EUR","requestId":"{KEY}"}}}}"#));
    assert!(!head.contains(KEY));
    let (head, body) =
        request_of(RequestIdPlace::Header("X-Request-Id".to_owned()), Worldline::refund()).await;
    assert_eq!(body, r#"{"amount":{"amount":10.50,"currency":"EUR"}}"#);
    assert!(head.contains(&format!("\r\nx-request-id: {KEY}\r\n")), "{head}");
}

#[tokio::test]
async fn an_amount_has_exactly_the_digits_of_its_currency() {
    for (currency, amount, expected) in [
        ("JPY", "1050", "1050"),
        ("KWD", "10.5", "10.500"),
        ("CLF", "0.0001", "0.0001"),
        ("EUR", "0.01", "0.01"),
        ("EUR", "10", "10.00"),
        ("EUR", "9999999999999.99", "9999999999999.99"),
    ] {
        let (_, body) = request_of(RequestIdPlace::Body, refund_of(ORDER, None, currency, amount)).await;
        let expected = format!(r#"{{"amount":{{"amount":{expected},"currency":"{currency}"}},"#);
        assert!(body.starts_with(&expected), "{body}");
    }
}

#[tokio::test]
async fn a_transaction_is_named_by_its_number() {
    let refund = refund_of(ORDER, Some(CAPTURE), "EUR", "10.50");
    let (_, body) = request_of(RequestIdPlace::Body, refund).await;
    let expected = format!(
        r#"{{"amount":{{"amount":10.50,"currency":"EUR"}},"requestId":"{KEY}","transactionId":{CAPTURE}}}"#
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn an_order_id_stays_one_segment_below_the_base_path() {
    let listener = Listener::answer(Worldline::success()).await;
    let base = format!("http://{}/hub/", listener.address());
    let client = Worldline::new(Worldline::settings(&base)).unwrap();
    client.send(&[refund_of("../a/b?c=#%2e", None, "EUR", "1")], 0).await;
    let request = listener.requests().remove(0);
    let line = request.lines().next().unwrap();
    let path = "..%2Fa%2Fb%3Fc%3D%23%252e";
    assert_eq!(line, format!("POST /hub/api/v2/merchants/{MID}/orders/{path}/refunds HTTP/1.1"));
}

#[tokio::test]
async fn ids_that_name_nothing_are_never_sent() {
    let listener = Listener::answer(Worldline::success()).await;
    let client = Worldline::at(listener.address());
    for (order, transaction, reason) in [
        (".", None, FailureReason::OrderNotFound),
        ("..", None, FailureReason::OrderNotFound),
        (ORDER, Some("x"), FailureReason::RequestRejected),
        (ORDER, Some("007"), FailureReason::RequestRejected),
        (ORDER, Some("1.5"), FailureReason::RequestRejected),
        (ORDER, Some("+5"), FailureReason::RequestRejected),
        (ORDER, Some("9223372036854775808"), FailureReason::RequestRejected),
    ] {
        let answer = client.send(&[refund_of(order, transaction, "EUR", "1")], 0).await;
        let [Face::Declined { failure, conclusive: true }] = answer.faces.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!(failure.reason, reason);
    }
    assert_eq!(client.look_up(&refund_of("..", None, "EUR", "1")).await.sight, Sight::NoOrder);
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn a_call_without_exactly_one_refund_sends_nothing() {
    let listener = Listener::answer(Worldline::success()).await;
    let client = Worldline::at(listener.address());
    assert_eq!(client.send(&[Worldline::refund(), Worldline::refund()], 0).await.faces, [NOT_SENT, NOT_SENT]);
    assert_eq!(client.send(&[], 0).await.faces, []);
    assert_eq!(listener.connections(), 0);
}

#[test]
fn only_the_configuration_says_that_the_key_is_heeded() {
    let mut settings = Worldline::settings("https://api.test.payments.worldline.com");
    assert_eq!(capabilities(&settings).key, KeyProof::WhenConfirmed(false));
    settings.request_id_confirmed = true;
    let capabilities = capabilities(&settings);
    assert_eq!(capabilities.key, KeyProof::WhenConfirmed(true));
    assert_eq!(capabilities.resend_window, Some(std::time::Duration::from_hours(1)));
    assert!(!capabilities.echoes_key && capabilities.takes_transaction_id);
}
