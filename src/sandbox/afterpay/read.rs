//! `GET /v2/payments/{orderId}` and `GET /v2/payments`.

use axum::{extract::Query, http::Uri};
use serde::Serialize;

use super::{Afterpay, NAME, Orders, money::Money, payment::Payment, problem, refund::RefundObject, scatter};
use crate::sandbox::{
    body::pretty,
    clock::{self, DAY_MS},
    faults::Lookup,
    provider::Answered,
    reply::{Plain, Reply},
    shared::Inner,
};

/// [doc: payments list]
const LIMIT_MAX: usize = 250;
/// How long an authorisation stays open to capture [doc: 13 days].
const AUTHORISED_DAYS: i64 = 13;

/// A Payment object [doc: payment object].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentObject {
    id: String,
    token: String,
    status: &'static str,
    created: String,
    original_amount: Money,
    open_to_capture_amount: Money,
    payment_state: &'static str,
    merchant_reference: String,
    refunds: Vec<RefundObject>,
    order_details: OrderDetails,
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderDetails {
    items: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: String,
    created: String,
    expires: Option<String>,
    r#type: &'static str,
    amount: Money,
    payment_event_merchant_reference: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    total_results: usize,
    offset: usize,
    limit: usize,
    results: Vec<PaymentObject>,
}

/// One payment, as the order's behaviour shows it.
pub(super) fn payment(afterpay: &Afterpay, id: &str) -> Answered {
    let mut orders = afterpay.orders();
    let (script, lookup) = (orders.script(id), orders.lookup(id));
    let behaviour = script.iter().find(|row| row.lookup != Lookup::Usual).map(|row| row.name);
    let reply = match lookup {
        Lookup::Fails(count) if orders.scripts.read(id, || script) <= count => {
            Reply::Plain(afterpay.problem(&problem::INTERNAL))
        }
        Lookup::Holds => Reply::Hold,
        Lookup::Fails(_)
        | Lookup::Usual
        | Lookup::HidesRefunds
        | Lookup::NotFound
        | Lookup::OtherOrder
        | Lookup::Limited(_)
        | Lookup::Lags => {
            let shown = if lookup == Lookup::OtherOrder { format!("1{id}") } else { id.to_owned() };
            Reply::Plain(match object(&orders, &afterpay.shared.lock(), &shown) {
                Some(object) => afterpay.marked(Plain::json(200, pretty(&object))),
                None => afterpay.problem(&problem::NOT_FOUND),
            })
        }
    };
    Answered { reply, behaviour }
}

/// Payments by `ids` and `merchantReferences`, each as often as wanted, in the order asked for.
pub(super) fn payments(afterpay: &Afterpay, query: &str) -> Plain {
    let pairs = format!("/?{query}").parse::<Uri>().ok();
    let pairs = pairs.and_then(|uri| Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
    let Some(Query(pairs)) = pairs else {
        return afterpay.problem(&problem::BAD_QUERY);
    };
    let (mut limit, mut offset, mut ids) = (LIMIT_MAX, 0, Vec::new());
    let orders = afterpay.orders();
    for (name, value) in pairs {
        let number = value.parse::<usize>().ok();
        match (name.as_str(), number) {
            ("limit", Some(number @ 1..=LIMIT_MAX)) => limit = number,
            ("offset", Some(number)) => offset = number,
            ("limit" | "offset", _) => return afterpay.problem(&problem::BAD_QUERY),
            ("ids", _) => ids.push(value),
            ("merchantReferences", _) => ids.extend(referred(&orders, &value)),
            _ => {}
        }
    }
    let inner = afterpay.shared.lock();
    let found: Vec<_> = ids.iter().filter_map(|id| object(&orders, &inner, id)).collect();
    let total_results = found.len();
    let results = found.into_iter().skip(offset).take(limit).collect();
    afterpay.marked(Plain::json(200, pretty(&List { total_results, offset, limit, results })))
}

/// The orders with a merchant reference: those that a test made, and the one whose reference was never
/// changed.
fn referred(orders: &Orders, reference: &str) -> Vec<String> {
    let made = orders.made.iter().filter(|(_, made)| made.payment.merchant_reference == reference);
    let mut ids: Vec<String> = made.map(|(id, _)| id.clone()).collect();
    let unmade = reference.strip_prefix("order-").filter(|id| !orders.made.contains_key(*id));
    ids.extend(unmade.map(str::to_owned));
    ids
}

fn object(orders: &Orders, inner: &Inner, id: &str) -> Option<PaymentObject> {
    let lookup = orders.lookup(id);
    let payment = orders.payment(id, inner.ledger.opened_ms()).filter(|_| lookup != Lookup::NotFound)?;
    let money = |minor| Money::new(minor, &payment.currency);
    let mut refunds: Vec<RefundObject> = Vec::new();
    if lookup != Lookup::HidesRefunds {
        let lag_ms = i64::try_from(inner.settings.lookup_lag_ms).unwrap_or(i64::MAX);
        let seen_ms = inner.now_ms().saturating_sub(lag_ms);
        let effects = inner.ledger.of_order(NAME, id).rev();
        refunds.extend(effects.filter(|effect| effect.at_ms <= seen_ms).map(RefundObject::from));
    }
    let earlier = |minor, refund_id, at_ms| RefundObject {
        request_id: None,
        amount: Some(money(minor)),
        merchant_reference: None,
        refund_merchant_reference: None,
        refund_id: Some(refund_id),
        refunded_at: clock::stamp(at_ms),
    };
    if payment.voided_minor > 0 {
        // A void stands in `refunds` under the id of its event [doc: recorded answers].
        refunds.push(earlier(payment.voided_minor, event_id(id, 2), payment.created_ms + 2 * DAY_MS));
    }
    if payment.elsewhere_minor > 0 {
        let refund_id = (scatter(seed(id)) % 10_000_000).to_string();
        refunds.push(earlier(payment.elsewhere_minor, refund_id, payment.created_ms + DAY_MS));
    }
    Some(PaymentObject {
        id: id.to_owned(),
        token: format!("002.{}", event_id(id, 9).to_lowercase()),
        status: if payment.declined { "DECLINED" } else { "APPROVED" },
        created: clock::stamp(payment.created_ms),
        original_amount: money(payment.original_minor),
        open_to_capture_amount: money(payment.open_to_capture_minor()),
        payment_state: payment.state(),
        merchant_reference: payment.merchant_reference.clone(),
        refunds,
        order_details: OrderDetails { items: Vec::new() },
        events: events(id, &payment),
    })
}

fn events(id: &str, payment: &Payment) -> Vec<Event> {
    let event = |number, r#type, minor, at_ms| Event {
        id: event_id(id, number),
        created: clock::stamp(at_ms),
        expires: None,
        r#type,
        amount: Money::new(minor, &payment.currency),
        payment_event_merchant_reference: None,
    };
    let created_ms = payment.created_ms;
    if payment.declined {
        return vec![event(0, "AUTH_DECLINED", payment.original_minor, created_ms)];
    }
    let mut events = vec![event(0, "AUTH_APPROVED", payment.original_minor, created_ms)];
    if payment.open_to_capture_minor() > 0
        && let Some(authorised) = events.first_mut()
    {
        authorised.expires = Some(clock::stamp(created_ms + AUTHORISED_DAYS * DAY_MS));
    }
    if payment.captured_minor > 0 {
        events.push(event(1, "CAPTURED", payment.captured_minor, created_ms));
    }
    if payment.voided_minor > 0 {
        events.push(event(2, "VOIDED", payment.voided_minor, created_ms + 2 * DAY_MS));
    }
    events
}

/// 27 letters and digits, the form of a KSUID; the same for the same event always.
fn event_id(order_id: &str, number: u64) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let start = seed(order_id).wrapping_add(number.wrapping_mul(1_000));
    let letter = |step| usize::try_from(scatter(start.wrapping_add(step)) % 62).ok();
    (0..27)
        .filter_map(|step| letter(step).and_then(|at| LETTERS.get(at)))
        .map(|&byte| char::from(byte))
        .collect()
}

/// FNV-1a.
fn seed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
