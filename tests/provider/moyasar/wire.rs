//! The bytes that are sent, and the answer that they are meant to get.

use refunds::domain::account::KeyProof;
use refunds::domain::answer::{Evidence, Face, FailurePhase, Finding, Signal};
use refunds::domain::reason::FailureReason;
use refunds::domain::refund::Success;
use refunds::domain::sight::Sight;
use refunds::domain::timestamp::Timestamp;
use refunds::provider::Provider;
use refunds::provider::moyasar::{AMOUNT_MINOR_MAX, Moyasar};

use super::fixture::{AMOUNT_MINOR, KEY, ORDER, SECRET, refund_of};
use crate::listener::Listener;
use crate::wire::{NOT_SENT, Wire, look_up, send};

const AGENT: &str = concat!("refunds/", env!("CARGO_PKG_VERSION"), " (rust)");

fn success() -> Success {
    Success {
        amount_minor: Some(AMOUNT_MINOR),
        provider_refund_id: Some(KEY.to_owned()),
        completed: Timestamp::parse_rfc3339("2024-09-15T12:27:45Z"),
        items: Vec::new(),
    }
}

#[tokio::test]
async fn a_refund_is_these_bytes_and_the_contracts_example_is_its_success() {
    let listener = Listener::answer(Moyasar::success()).await;
    let address = listener.address();
    let answer = send(&Moyasar::at(address)).await;

    let body = format!(r#"{{"amount":262346,"transaction_id":"{KEY}"}}"#);
    let expected = format!(
        "POST /v1/orders/{ORDER}/refund HTTP/1.1\r\n\
         authorization: Bearer {SECRET}\r\n\
         accept: application/json\r\n\
         content-type: application/json\r\n\
         user-agent: {AGENT}\r\n\
         host: {address}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(listener.requests(), [expected]);

    assert_eq!(answer.faces, [Face::Succeeded(success())]);
    assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyHeeded]);
    let evidence = Evidence {
        phase: None,
        http_status: Some(200),
        provider_code: Some("00".to_owned()),
        provider_text: Some("APPROVED".to_owned()),
        correlation_id: Some("242590000001".to_owned()),
    };
    assert_eq!(answer.evidence, evidence);
}

#[tokio::test]
async fn a_lookup_is_these_bytes_and_reads_the_contracts_example() {
    let listener = Listener::answer(Moyasar::success()).await;
    let address = listener.address();
    let answer = look_up(&Moyasar::at(address)).await;

    let expected = format!(
        "GET /v1/orders/{ORDER} HTTP/1.1\r\n\
         authorization: Bearer {SECRET}\r\n\
         accept: application/json\r\n\
         user-agent: {AGENT}\r\n\
         host: {address}\r\n\r\n"
    );
    assert_eq!(listener.requests(), [expected]);
    let Sight::Order(order) = answer.sight else { panic!("{answer:?}") };
    assert_eq!(
        (order.currency.code(), order.captured_minor, order.refunded_minor),
        ("SAR", 262_346, 262_346)
    );
    assert_eq!(order.transactions, ["0191f5a7-44ab-7fbb-ab3c-1e1a98a5166e", KEY]);
    let [seen] = order.refunds.as_slice() else { panic!("{order:?}") };
    assert_eq!((seen.key.as_deref(), seen.amount_minor), (Some(KEY), AMOUNT_MINOR));
    assert!(seen.is_of(&Moyasar::refund()));
    assert_eq!(answer.finding, Finding::Succeeded(success()));
    assert_eq!(answer.signals, [Signal::Healthy, Signal::KeyHeeded]);
    assert_eq!(answer.evidence.phase, None);
}

#[tokio::test]
async fn an_amount_goes_out_as_minor_units_whatever_the_currency() {
    for (currency, minor) in [("SAR", 1), ("KWD", 1_000), ("JPY", AMOUNT_MINOR_MAX)] {
        let listener = Listener::answer(Moyasar::success()).await;
        Moyasar::at(listener.address()).send(&[refund_of(ORDER, currency, minor)], 0).await;
        let request = listener.requests().remove(0);
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, format!(r#"{{"amount":{minor},"transaction_id":"{KEY}"}}"#));
    }
}

#[tokio::test]
async fn an_order_id_stays_one_segment_below_the_base_path() {
    let listener = Listener::answer(Moyasar::success()).await;
    let base = format!("http://{}/pg/", listener.address());
    let client = Moyasar::new(Moyasar::settings(&base)).unwrap();
    client.send(&[refund_of("../a/b?c=#%2e", "SAR", 1)], 0).await;
    let request = listener.requests().remove(0);
    let line = request.lines().next().unwrap();
    assert_eq!(line, "POST /pg/v1/orders/..%2Fa%2Fb%3Fc%3D%23%252e/refund HTTP/1.1");
}

#[tokio::test]
async fn what_the_provider_can_never_take_is_declined_and_never_sent() {
    let listener = Listener::answer(Moyasar::success()).await;
    let client = Moyasar::at(listener.address());
    for (refund, reason) in [
        (refund_of(".", "SAR", 1), FailureReason::OrderNotFound),
        (refund_of("..", "SAR", 1), FailureReason::OrderNotFound),
        (refund_of(ORDER, "SAR", AMOUNT_MINOR_MAX + 1), FailureReason::RequestRejected),
    ] {
        let answer = client.send(&[refund], 0).await;
        let [Face::Declined { failure, conclusive: true }] = answer.faces.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!(failure.reason, reason);
        assert!(failure.text.is_some());
        assert_eq!((answer.evidence.phase, answer.signals), (Some(FailurePhase::BeforeSend), Vec::new()));
    }
    let answer = client.look_up(&refund_of("..", "SAR", 1)).await;
    assert_eq!((answer.sight, answer.finding), (Sight::NoOrder, Finding::Absent));
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn a_call_without_exactly_one_refund_sends_nothing() {
    let listener = Listener::answer(Moyasar::success()).await;
    let client = Moyasar::at(listener.address());
    assert_eq!(client.send(&[Moyasar::refund(), Moyasar::refund()], 0).await.faces, [NOT_SENT, NOT_SENT]);
    assert_eq!(client.send(&[], 0).await.faces, []);
    assert_eq!(listener.connections(), 0);
}

#[test]
fn an_account_says_what_it_can_do() {
    let can = refunds::provider::moyasar::capabilities(&Moyasar::settings("https://pg.moyasar.com"));
    assert_eq!((can.key, can.batch_max), (KeyProof::OnceEchoed, 1));
    assert_eq!(can.resend_window, Some(std::time::Duration::from_hours(24)));
    assert!(can.lookup && can.echoes_key && can.partial && can.several_per_order);
    assert!(!can.takes_transaction_id);
    assert_eq!((&can.currencies, can.refund_window), (&None, None));
}
