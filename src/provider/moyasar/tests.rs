//! Orders read back, and the documents held against the tables. What goes over the wire is tested on the
//! wire.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::assumption::{hold_section, to_markdown};
use super::fate::Fate;
use super::order::Order;
use super::*;
use crate::domain::content::Payment;
use crate::domain::id::{OrderId, ProviderKey};
use crate::domain::money::{Currency, Money};
use crate::domain::sight::OrderSnapshot;

const KEY: &str = "f351a2a3-97c4-4f12-add3-80c1044091f5";
const CAPTURE: &str = "0191f5a7-44ab-7fbb-ab3c-1e1a98a5166e";
const ORDER: &str = "0191f5a7-44a9-76c2-9fec-39709fdbf723";

fn payment() -> Payment {
    Payment {
        order_id: OrderId::parse(ORDER).unwrap(),
        transaction_id: None,
        amount: Money::new(Currency::parse("SAR").unwrap(), 5_000).unwrap(),
    }
}

fn order(body: &Value) -> Result<Order, String> {
    let credentials = Credentials::bearer(&SecretString::from("sk_s3cret")).unwrap();
    Order::read(body.to_string().as_bytes(), &credentials)
}

fn snapshot(body: &Value) -> Result<OrderSnapshot, String> {
    order(body)?.snapshot(&payment().order_id)
}

/// What an order says of ours, in a word.
fn fate(body: &Value) -> &'static str {
    let order = order(body).unwrap();
    match fate::of(&order, ProviderKey::parse(KEY).unwrap(), &payment()).0 {
        Fate::Succeeded(success) => {
            assert_eq!(success.amount_minor, Some(5_000));
            assert_eq!(success.provider_refund_id.as_deref(), Some(KEY));
            "succeeded"
        }
        Fate::InReview(_) => "in review",
        Fate::Declined(_) => "declined",
        Fate::Reversed(_) => "reversed",
        Fate::Open(_) => "open",
        Fate::Odd(_) => "odd",
        Fate::Absent => "absent",
        Fate::Unclear => "unclear",
        Fate::Doubled => "doubled",
    }
}

fn transaction(id: &str, kind: &str, status: &str, amount: i64) -> Value {
    json!({
        "id": id, "status": status, "type": kind, "source_type": "merchant", "reverse_reason": null,
        "justification": null, "reversed_transaction_id": null, "message": "M", "response_code": "00",
        "retrieval_reference": "242590000001", "stan": "000001", "auth_code": null, "amount": amount,
        "refunded_amount": 0, "created_at": "2024-09-15T12:27:45Z"
    })
}

/// An order of 100.00 of which 90.00 were captured and 70.00 refunded: 50.00 by us, 20.00 by others.
fn sample() -> Value {
    json!({
        "id": ORDER, "currency": "SAR", "amount": 10_000, "captured_amount": 9_000,
        "refunded_amount": 7_000, "voided_amount": 0, "created_at": "2024-09-15T12:27:44Z",
        "transactions": [
            transaction(CAPTURE, "capture", "approved", 9_000),
            transaction(KEY, "refund", "approved", 5_000),
            transaction("b", "refund", "approved", 2_000),
            transaction("c", "refund", "failed", 1_000),
            transaction("d", "refund", "initiated", 500)
        ]
    })
}

#[test]
fn an_order_is_summed_up_and_only_approved_refunds_are_listed() {
    let order = snapshot(&sample()).unwrap();
    assert_eq!((order.currency.code(), order.captured_minor, order.refunded_minor), ("SAR", 9_000, 7_000));
    assert_eq!(order.purchase_time.unwrap().to_string(), "2024-09-15T12:27:44Z");
    let refunds: Vec<_> = order.refunds.iter().map(|r| (r.key.as_deref().unwrap(), r.amount_minor)).collect();
    assert_eq!(refunds, [(KEY, 5_000), ("b", 2_000)]);
    assert_eq!(order.transactions, [CAPTURE, KEY, "b", "c", "d"]);
}

#[test]
fn a_purchase_counts_as_captured_even_if_the_total_leaves_it_out() {
    let mut body = sample();
    body["captured_amount"] = json!(0);
    body["transactions"][0]["type"] = json!("purchase");
    assert_eq!(snapshot(&body).unwrap().captured_minor, 9_000);
    body["captured_amount"] = json!(9_000);
    assert_eq!(snapshot(&body).unwrap().captured_minor, 9_000);
    body["captured_amount"] = json!(0);
    body["transactions"][0]["status"] = json!("failed");
    assert_eq!(snapshot(&body).unwrap().captured_minor, 0);
}

#[test]
fn refunds_that_the_total_leaves_out_are_refunded_all_the_same() {
    let mut body = sample();
    body["refunded_amount"] = json!(2_000);
    assert_eq!(snapshot(&body).unwrap().refunded_minor, 7_000);
    body["refunded_amount"] = json!(8_000);
    assert_eq!(snapshot(&body).unwrap().refunded_minor, 8_000);
}

#[test]
fn each_documented_status_of_our_transaction_has_its_fate_and_no_other_has() {
    for (status, expected) in [
        ("approved", "succeeded"),
        ("initiated", "in review"),
        ("failed", "declined"),
        ("timeout", "open"),
        ("system_error", "open"),
        ("Approved", "odd"),
        ("reversed", "odd"),
        ("", "odd"),
    ] {
        let mut body = sample();
        body["transactions"][1]["status"] = json!(status);
        assert_eq!(fate(&body), expected, "{status}");
    }
}

#[test]
fn an_approved_transaction_proves_a_success_only_if_all_of_it_is_ours() {
    assert_eq!(fate(&sample()), "succeeded");
    for (place, value, expected) in [
        ("/transactions/1/type", json!("void"), "odd"),
        ("/transactions/1/type", Value::Null, "odd"),
        ("/transactions/1/amount", json!(5_001), "odd"),
        ("/transactions/1/amount", json!("5000"), "odd"),
        ("/transactions/1/amount", json!(5_000.0), "odd"),
        ("/transactions/1/amount", Value::Null, "odd"),
        ("/transactions/1/id", json!("e"), "absent"),
        ("/transactions/1/id", json!(KEY.to_uppercase()), "succeeded"),
        ("/transactions/1/id", Value::Null, "unclear"),
        ("/transactions/2/id", Value::Null, "succeeded"),
        ("/transactions/2/id", json!(KEY), "doubled"),
        ("/currency", json!("USD"), "odd"),
        ("/currency", Value::Null, "succeeded"),
        ("/transactions", json!([]), "absent"),
    ] {
        let mut body = sample();
        *body.pointer_mut(place).unwrap() = value;
        assert_eq!(fate(&body), expected, "{place}");
    }
}

/// What takes ours back.
fn reversal(status: &str, amount: i64) -> Value {
    let mut reversal = transaction("r", "reversal", status, amount);
    reversal["reversed_transaction_id"] = json!(KEY);
    reversal["reverse_reason"] = json!("timeout");
    reversal
}

fn with(transactions: &[Value]) -> Value {
    let mut body = sample();
    body["transactions"].as_array_mut().unwrap().extend_from_slice(transactions);
    body
}

#[test]
fn what_was_reversed_is_neither_a_success_nor_listed() {
    let marked = |field: &str, value: &str| {
        let mut body = sample();
        body["transactions"][1][field] = json!(value);
        body
    };
    for (body, expected) in [
        (with(&[reversal("approved", 5_000)]), "reversed"),
        (with(&[reversal("approved", 2_000), reversal("approved", 3_000)]), "reversed"),
        (with(&[reversal("failed", 5_000), reversal("approved", 5_000)]), "reversed"),
        (marked("reverse_reason", "timeout"), "reversed"),
        // Not done, not whole, or not said of ours.
        (with(&[reversal("initiated", 5_000)]), "odd"),
        (with(&[reversal("timeout", 5_000)]), "odd"),
        (with(&[reversal("approved", 4_999)]), "odd"),
        (with(&[reversal("approved", 4_999), reversal("initiated", 1)]), "odd"),
        (marked("reversed_transaction_id", "r"), "odd"),
        (marked("reversed_transaction_id", CAPTURE), "odd"),
        (marked("reversed_transaction_id", KEY), "odd"),
    ] {
        assert_eq!(fate(&body), expected, "{body}");
        let order = snapshot(&body).unwrap();
        assert_eq!((order.refunds.len(), order.refunded_minor), (1, 7_000));
    }
    let mut contradiction = with(&[reversal("failed", 5_000)]);
    assert_eq!(fate(&contradiction), "succeeded", "what took it back failed");
    contradiction["transactions"][1]["reverse_reason"] = json!("timeout");
    assert_eq!(fate(&contradiction), "odd");
    let mut unknown = with(&[reversal("approved", 5_000)]);
    unknown["transactions"][5]["amount"] = Value::Null;
    assert_eq!(fate(&unknown), "odd");
}

#[test]
fn a_total_that_goes_down_with_a_reversal_is_the_orders() {
    let mut body = with(&[reversal("approved", 5_000)]);
    body["refunded_amount"] = json!(2_000);
    let order = snapshot(&body).unwrap();
    assert_eq!((order.refunded_minor, order.refunds.len()), (2_000, 1));
    assert_eq!(order.refunds[0].key.as_deref(), Some("b"));
}

#[test]
fn a_figure_that_cannot_be_trusted_makes_the_sight_useless() {
    for (place, value) in [
        ("/currency", json!("sar")),
        ("/currency", Value::Null),
        ("/captured_amount", json!("9000")),
        ("/captured_amount", json!(-1)),
        ("/captured_amount", json!(9_000.5)),
        ("/refunded_amount", Value::Null),
        ("/transactions/2/amount", Value::Null),
        ("/transactions/0/id", Value::Null),
        ("/id", json!(CAPTURE)),
    ] {
        let mut body = sample();
        *body.pointer_mut(place).unwrap() = value;
        assert!(snapshot(&body).is_err(), "{place}");
    }
    for id in [json!(ORDER.to_uppercase()), Value::Null] {
        let mut body = sample();
        body["id"] = id;
        assert!(snapshot(&body).is_ok(), "another spelling of the same order, or none");
    }
}

#[test]
fn an_order_may_come_in_a_list_of_one() {
    assert_eq!(fate(&json!([sample()])), "succeeded");
    for body in [json!([]), json!([sample(), sample()]), json!([[sample()]]), json!({"transactions": null})] {
        assert!(order(&body).is_err(), "{body}");
    }
}

fn any_transaction() -> impl Strategy<Value = Value> {
    let ids = prop::sample::select(vec![KEY, CAPTURE, "b", "c"]);
    let kinds = prop::sample::select(vec!["refund", "capture", "void", "purchase"]);
    let statuses = prop::sample::select(vec!["approved", "failed", "initiated", "timeout", "new"]);
    let amounts = prop::sample::select(vec![5_000_i64, 1, i64::MAX]);
    (ids, kinds, statuses, amounts).prop_map(|(id, kind, status, minor)| transaction(id, kind, status, minor))
}

proptest! {
    #[test]
    fn no_order_proves_a_success_without_our_approved_refund(
        transactions in prop::collection::vec(any_transaction(), 0..5),
    ) {
        let ours = transactions.iter().filter(|t| t["id"] == KEY).collect::<Vec<_>>();
        let proven = ours.len() == 1
            && (&ours[0]["type"], &ours[0]["status"], &ours[0]["amount"])
                == (&json!("refund"), &json!("approved"), &json!(5_000));
        let mut body = sample();
        body["transactions"] = json!(transactions);
        prop_assert_eq!(fate(&body) == "succeeded", proven);
        if let Ok(order) = snapshot(&body) {
            let listed: i64 = order.refunds.iter().map(|r| r.amount_minor).sum();
            prop_assert!(order.refunded_minor >= listed);
        }
    }

    #[test]
    fn no_body_breaks_the_reader(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(wire::order(&body).is_err());
        prop_assert!(wire::envelope(&body).is_none());
    }
}

#[test]
fn the_documents_say_what_the_tables_say() {
    hold_section("providers/moyasar.md", "moyasar transactions", &fates_to_markdown());
    hold_section("providers/moyasar.md", "moyasar answers", &answers_to_markdown());
    hold_section("providers/moyasar.md", "moyasar assumptions", &to_markdown(ASSUMED));
}
