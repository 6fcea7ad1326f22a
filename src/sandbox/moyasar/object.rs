//! The order object: the one shape in which refunds and lookups are answered.
//!
//! Fields and their order are those of the refund page's example; what the example does not show is marked.

use serde::Serialize;

use super::{
    ids,
    order::{EXAMPLE_ID, Order},
    transaction::{Status, Transaction},
};
use crate::sandbox::clock;

/// The running numbers of retrieval reference and trace number have seven and six digits.
const STAN_MODULUS: u64 = 1_000_000;

#[derive(Clone, Debug, Serialize)]
pub(super) struct OrderObject {
    pub(super) id: String,
    merchant: Merchant,
    pub(super) currency: String,
    amount: i64,
    captured_amount: i64,
    refunded_amount: i64,
    voided_amount: i64,
    description: String,
    created_at: String,
    updated_at: String,
    source: Source,
    reauthorized_order_id: Option<String>,
    airline: Airline,
    sub_merchant: SubMerchant,
    agreement: Option<String>,
    /// None only in an answer that is to be broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transactions: Option<Vec<TransactionObject>>,
}

#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the provider's")]
struct Merchant {
    id: &'static str,
    acquirer_id: &'static str,
    name: &'static str,
    arabic_name: &'static str,
    merchant_id: &'static str,
    rule_precedence: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Source {
    r#type: &'static str,
    issuer: Option<&'static str>,
    card_type: Option<&'static str>,
    category: Option<&'static str>,
    country_alpha2: Option<&'static str>,
    scheme: &'static str,
    first_digits: &'static str,
    last_digits: &'static str,
    month: u8,
    year: u16,
}

#[derive(Clone, Debug, Serialize)]
struct Airline {
    reference: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct SubMerchant {
    id: &'static str,
    registered_name: &'static str,
    trading_name: &'static str,
    email: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TransactionObject {
    pub(super) id: String,
    status: &'static str,
    pub(super) r#type: &'static str,
    source_type: &'static str,
    reverse_reason: Option<&'static str>,
    justification: Option<&'static str>,
    reversed_transaction_id: Option<String>,
    message: Option<&'static str>,
    response_code: Option<&'static str>,
    retrieval_reference: String,
    stan: String,
    auth_code: Option<String>,
    pub(super) amount: i64,
    /// Stays 0 on a capture that was refunded.
    refunded_amount: i64,
    created_at: String,
}

/// The order of the example, in all that no refund changes.
const MERCHANT: Merchant = Merchant {
    id: "0191f5a7-44a5-7700-8c11-ffc3703a7990",
    acquirer_id: "0191f5a7-44a2-73d5-9a9c-745f40f8db31",
    name: "Merchant 52",
    arabic_name: "الإسم العربي",
    merchant_id: "60052",
    rule_precedence: "mixed",
};
const SOURCE: Source = Source {
    r#type: "card",
    issuer: None,
    card_type: None,
    category: None,
    country_alpha2: None,
    scheme: "mastercard",
    first_digits: "55555555",
    last_digits: "4444",
    month: 12,
    year: 2026,
};
const AIRLINE: Airline = Airline { reference: "576449881" };
const SUB_MERCHANT: SubMerchant = SubMerchant {
    id: "ecb0e32fd3d95b41cbf2ca9a9513a3",
    registered_name: "Rolfson-Legros",
    trading_name: "Hane-Jerde",
    email: "herschel@kilback-hamill.test",
};

/// A transaction with the time it stands at and, of a refund made here, its serial.
type Entry = (i64, Option<u64>, TransactionObject);

/// The order as it was at `now_ms`, and where in it the refund with `serial` stands.
pub(super) fn shown<'a>(
    id: &str,
    order: &Order,
    refunds: impl Iterator<Item = &'a Transaction>,
    serial: Option<u64>,
    now_ms: i64,
) -> (OrderObject, Option<usize>) {
    let mut entries = earlier(id, order);
    let (mut refunded, mut updated_ms) = (order.elsewhere_minor, order.created_ms);
    for refund in refunds.filter(|refund| refund.at_ms <= now_ms) {
        refunded += refund.refunded_minor(now_ms);
        updated_ms = updated_ms.max(refund.changed_ms(now_ms));
        entries.push((refund.at_ms, Some(refund.serial), refund_object(refund, now_ms)));
        if let Some(at_ms) = refund.reversed_ms(now_ms) {
            entries.push((at_ms, None, reversal(refund, at_ms)));
        }
    }
    // Stable: what happened at the same time stays as it was asked for.
    entries.sort_by_key(|(at_ms, _, _)| *at_ms);
    let place = entries.iter().position(|(_, of, _)| of.is_some() && *of == serial);
    let object = OrderObject {
        id: id.to_owned(),
        merchant: MERCHANT,
        currency: order.currency.clone(),
        amount: order.amount_minor,
        captured_amount: order.captured_minor,
        refunded_amount: refunded,
        voided_amount: order.voided_minor,
        description: order.description.clone(),
        created_at: clock::stamp_seconds(order.created_ms),
        updated_at: clock::stamp_seconds(updated_ms),
        source: SOURCE,
        reauthorized_order_id: None,
        airline: AIRLINE,
        sub_merchant: SUB_MERCHANT,
        agreement: None,
        transactions: Some(entries.into_iter().map(|(_, _, object)| object).collect()),
    };
    (object, place)
}

fn refund_object(refund: &Transaction, now_ms: i64) -> TransactionObject {
    let status = refund.status(now_ms);
    TransactionObject {
        id: refund.id.clone(),
        status: status.word(),
        r#type: "refund",
        source_type: "merchant",
        reverse_reason: None,
        justification: None,
        reversed_transaction_id: None,
        message: status.message(),
        response_code: status.response_code(),
        retrieval_reference: format!("{}{:07}", clock::year_and_day(refund.at_ms), refund.serial),
        stan: format!("{:06}", refund.serial % STAN_MODULUS),
        auth_code: None,
        amount: refund.amount_minor,
        refunded_amount: 0,
        created_at: clock::stamp_seconds(refund.at_ms),
    }
}

/// Type, reason and that it names the other transaction are \[assumed] from the names of the fields.
fn reversal(refund: &Transaction, at_ms: i64) -> TransactionObject {
    let about = format!("{}/{}/reversal", refund.order_id, refund.serial);
    TransactionObject {
        id: ids::made(&about, at_ms),
        status: Status::Approved.word(),
        r#type: "reversal",
        reverse_reason: Some(if refund.first == Status::Timeout { "timeout" } else { "suspected_fraud" }),
        reversed_transaction_id: Some(refund.id.clone()),
        message: Status::Approved.message(),
        response_code: Status::Approved.response_code(),
        created_at: clock::stamp_seconds(at_ms),
        ..refund_object(refund, at_ms)
    }
}

/// What happened to the order before: capture (or authorisation), void, refund by somebody else.
fn earlier(id: &str, order: &Order) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |r#type, minor, with_auth_code: bool| {
        let about = format!("{id}/{type}");
        let object = TransactionObject {
            id: ids::made(&about, order.created_ms),
            status: Status::Approved.word(),
            r#type,
            source_type: "merchant",
            reverse_reason: None,
            justification: None,
            reversed_transaction_id: None,
            message: Status::Approved.message(),
            response_code: Status::Approved.response_code(),
            retrieval_reference: ids::digits(&format!("{about}/retrieval_reference"), 12),
            stan: ids::digits(&format!("{about}/stan"), 6),
            auth_code: with_auth_code.then(|| ids::digits(&format!("{about}/auth_code"), 6)),
            amount: minor,
            refunded_amount: 0,
            created_at: clock::stamp_seconds(order.created_ms),
        };
        entries.push((order.created_ms, None, if id == EXAMPLE_ID { example(object) } else { object }));
    };
    if order.captured_minor == 0 {
        add("authorize", order.amount_minor, true);
    } else {
        add("capture", order.captured_minor, true);
    }
    if order.voided_minor > 0 {
        add("void", order.voided_minor, false);
    }
    if order.elsewhere_minor > 0 {
        add("refund", order.elsewhere_minor, false);
    }
    entries
}

/// The capture of the example.
fn example(object: TransactionObject) -> TransactionObject {
    if object.r#type != "capture" {
        return object;
    }
    TransactionObject {
        id: "0191f5a7-44ab-7fbb-ab3c-1e1a98a5166e".to_owned(),
        retrieval_reference: "886117264145".to_owned(),
        stan: "912425".to_owned(),
        auth_code: Some("663390".to_owned()),
        ..object
    }
}
