//! Payments read back, and the documents held against the tables. What goes over the wire is tested on the
//! wire.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::assumption::{hold_section, to_markdown};
use super::*;
use crate::domain::account::{AccountIdentity, ProviderKind};
use crate::domain::content::Payment;
use crate::domain::content::{Content, Target};
use crate::domain::id::{AccountName, CallerName, OrderId, RefundId, RequestId};
use crate::domain::money::Money;
use crate::domain::reason::Reason;
use crate::domain::refund::NewRefund;
use crate::domain::sight::OrderSnapshot;
use crate::domain::timestamp::Timestamp;

const KEY: &str = "0191f5a7-44d3-4430-8739-2d80821416bf";

fn refund(order: &str) -> Refund {
    let payment = Payment {
        order_id: OrderId::parse(order).unwrap(),
        transaction_id: None,
        amount: Money::parse_major(Currency::parse("AUD").unwrap(), "10.00").unwrap(),
    };
    let content = Content {
        account: AccountName::parse("afterpay-au").unwrap(),
        target: Target::Payment(payment),
        reason: Reason::Unspecified,
        provider_reason: None,
        notes: None,
        email: None,
        metadata: std::collections::BTreeMap::new(),
        purchase_time: None,
        captured_amount: None,
        expected_remaining: None,
        not_before: None,
        send_before: None,
        retry_of: None,
    };
    let new = NewRefund {
        id: RefundId(Uuid::from_u128(7)),
        caller: CallerName::parse("shop").unwrap(),
        request_id: RequestId::parse("r1").unwrap(),
        identity: AccountIdentity {
            name: content.account.clone(),
            provider: ProviderKind::Afterpay,
            merchant: "600032000".to_owned(),
            base_url: "https://global-api.afterpay.com".to_owned(),
        },
        content,
        key: ProviderKey::parse(KEY).unwrap(),
        trace: None,
    };
    Refund::accept(new, Timestamp::EPOCH).refund
}

fn read(body: &Value) -> Result<OrderSnapshot, String> {
    let refund = refund("100101768366");
    let payment = refund.content.payment().unwrap();
    let credentials = Credentials::basic("600032000", &SecretString::from("s3cret")).unwrap();
    snapshot::read(body.to_string().as_bytes(), &refund, payment, &credentials)
}

fn aud(amount: &str) -> Value {
    json!({"amount": amount, "currency": "AUD"})
}

/// A payment of 100.00 with 60.00 and 20.00 captured, 20.00 voided, and three refunds of which one is the
/// void.
fn payment() -> Value {
    json!({
        "id": "100101768366", "token": "t", "status": "APPROVED", "created": "2026-01-01T00:00:00.000Z",
        "originalAmount": aud("100.00"), "openToCaptureAmount": aud("0.00"), "paymentState": "CAPTURED",
        "merchantReference": "order-1",
        "refunds": [
            {"refundId": "1xUMgHuj1jjX1bYsQRYhUjVK9Gz", "refundedAt": "2026-01-04T00:00:00.000Z",
             "amount": aud("20.00"), "requestId": "void-1"},
            {"refundId": "1934419", "refundedAt": "2026-01-05T00:00:00.000Z", "amount": aud("10.00"),
             "requestId": KEY, "merchantReference": KEY, "refundMerchantReference": "r"},
            {"refundId": "1934420", "refundedAt": "2026-01-06T00:00:00.000Z", "amount": aud("5.5")}
        ],
        "orderDetails": {},
        "events": [
            {"id": "a", "created": "2026-01-01T00:00:00.000Z", "type": "AUTH_APPROVED",
             "amount": aud("100.00")},
            {"id": "b", "created": "2026-01-02T00:00:00.000Z", "type": "CAPTURED", "amount": aud("60.00")},
            {"id": "c", "created": "2026-01-03T00:00:00.000Z", "type": "CAPTURED", "amount": aud("20.00")},
            {"id": "1xUMgHuj1jjX1bYsQRYhUjVK9Gz", "created": "2026-01-04T00:00:00.001Z", "type": "VOIDED",
             "amount": aud("20.00"), "expires": null},
            {"id": "d", "created": "2026-01-07T00:00:00.000Z", "type": "SOMETHING_NEW"}
        ]
    })
}

#[test]
fn a_payment_is_summed_up_and_voids_are_no_refunds() {
    let order = read(&payment()).unwrap();
    assert_eq!(order.currency.code(), "AUD");
    assert_eq!((order.captured_minor, order.refunded_minor), (8_000, 1_550));
    assert_eq!(order.purchase_time.unwrap().to_string(), "2026-01-01T00:00:00Z");
    let ids: Vec<_> = order.refunds.iter().map(|r| r.provider_refund_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["1934419", "1934420"]);
    let success = order.success_of(&refund("100101768366")).unwrap();
    assert_eq!(success.provider_refund_id.as_deref(), Some("1934419"));
    assert_eq!(success.amount_minor, Some(1_000));
    assert_eq!(success.completed.unwrap().to_string(), "2026-01-05T00:00:00Z");
}

#[test]
fn what_was_released_before_the_first_capture_was_never_refunded() {
    let mut body = payment();
    body["refunds"][2]["refundedAt"] = json!("2026-01-01T12:00:00.000Z");
    assert_eq!(read(&body).unwrap().refunded_minor, 1_000);
    body["events"] = json!([{"id": "a", "type": "AUTH_APPROVED", "amount": aud("100.00")}]);
    let order = read(&body).unwrap();
    assert_eq!((order.captured_minor, order.refunds.len()), (0, 1), "ours is never a void");
}

#[test]
fn an_entry_without_a_key_is_ours_by_the_reference_made_of_it() {
    let mut body = payment();
    body["refunds"][1]["requestId"] = Value::Null;
    assert!(read(&body).unwrap().success_of(&refund("1")).is_some());
    body["refunds"][1]["merchantReference"] = json!("another");
    assert!(read(&body).unwrap().success_of(&refund("1")).is_none());
    body["refunds"][1]["refundMerchantReference"] = json!(refund("1").id.to_string());
    assert!(read(&body).unwrap().success_of(&refund("1")).is_some());
    body["refunds"][1]["requestId"] = json!("another");
    assert!(read(&body).unwrap().success_of(&refund("1")).is_none(), "a key decides before references");
}

#[test]
fn a_payment_without_events_is_read_by_its_state() {
    let without_events = |state: &str, open: &str| {
        let mut body = payment();
        body["events"] = json!([]);
        body["paymentState"] = json!(state);
        body["openToCaptureAmount"] = aud(open);
        read(&body).map(|order| order.captured_minor)
    };
    assert_eq!(without_events("CAPTURED", "0.00"), Ok(10_000));
    assert_eq!(without_events("PARTIALLY_CAPTURED", "40.00"), Ok(6_000));
    assert_eq!(without_events("AUTH_APPROVED", "100.00"), Ok(0));
    assert!(without_events("PARTIALLY_CAPTURED", "100.01").is_err());
    assert!(without_events("SOMETHING_NEW", "0.00").is_err());
}

#[test]
fn fields_that_only_describe_may_be_odd() {
    let mut body = payment();
    body["created"] = json!("yesterday");
    body["refunds"][1]["refundedAt"] = json!(17);
    body["refunds"][1]["refundId"] = json!(1_934_419);
    body["refunds"][2]["merchantReference"] = json!({"a": 1});
    let order = read(&body).unwrap();
    assert_eq!(order.purchase_time, None);
    assert_eq!(order.refunds[0].provider_refund_id.as_deref(), Some("1934419"));
    body["refunds"] = Value::Null;
    assert_eq!(read(&body).unwrap().refunded_minor, 0);
}

#[test]
fn a_figure_that_cannot_be_trusted_makes_the_sight_useless() {
    let faults: [(&str, Value); 8] = [
        ("/originalAmount", json!("100.00")),
        ("/originalAmount/currency", json!("aud")),
        ("/originalAmount/currency", json!("NZD")),
        ("/refunds/0/amount/amount", json!("1.005")),
        ("/refunds/2/amount", Value::Null),
        ("/events/1/amount/currency", json!("USD")),
        ("/events/1/type", Value::Null),
        ("/id", json!("100101768367")),
    ];
    for (place, value) in faults {
        let mut body = payment();
        *body.pointer_mut(place).unwrap() = value;
        assert!(read(&body).is_err(), "{place}");
    }
    let mut same = payment();
    same["id"] = json!("00100101768366");
    assert!(read(&same).is_ok(), "another spelling of the same number");
}

#[test]
fn the_documents_say_what_the_tables_say() {
    hold_section("providers/afterpay.md", "afterpay answers", &answers_to_markdown());
    hold_section("providers/afterpay.md", "afterpay assumptions", &to_markdown(ASSUMED));
}
