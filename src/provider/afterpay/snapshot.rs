//! A payment as Afterpay shows it, turned into the figures of an order.

use super::super::http::Credentials;
use super::super::json;
use super::merchant_reference;
use super::wire::{Amount, PaymentEvent, PaymentRefund, PaymentReply};
use crate::domain::account::ProviderKind;
use crate::domain::content::Payment;
use crate::domain::id::OrderId;
use crate::domain::money::Currency;
use crate::domain::refund::Refund;
use crate::domain::sight::{OrderSnapshot, SeenRefund};
use crate::domain::timestamp::Timestamp;

/// Reads the order of a refund.
///
/// # Errors
/// A sentence that says what is not as documented. A figure that cannot be trusted makes the whole useless:
/// half a sight would count money that is not there.
pub(super) fn read(
    body: &[u8],
    refund: &Refund,
    payment: &Payment,
    credentials: &Credentials,
) -> Result<OrderSnapshot, String> {
    let reply: PaymentReply = json::decode(body)?;
    if json::text(reply.id.as_ref()).is_some_and(|id| !is_same_order(&id, payment)) {
        return Err("the payment of another order".to_owned());
    }
    let original = reply.original_amount.money().ok_or("originalAmount is no amount")?;
    let currency = original.currency();
    let events = reply.events.as_deref().unwrap_or_default();
    let captures = captures(events, currency)?;
    let captured_minor = match (events, &reply.payment_state) {
        ([], state) => captured_without_events(state.as_deref(), original.minor(), &reply)?,
        (_, _) => {
            captures.iter().try_fold(0_i64, |sum, c| sum.checked_add(c.minor)).ok_or("captures overflow")?
        }
    };
    let first_capture = captures.iter().filter_map(|c| c.time).min();
    let nothing_captured = captured_minor == 0;
    let released: Vec<String> = events
        .iter()
        .filter(|event| matches!(event.kind.as_str(), "VOIDED" | "EXPIRED"))
        .filter_map(|event| json::text(event.id.as_ref()))
        .collect();
    let mut seen = Vec::new();
    let mut refunded_minor = 0_i64;
    for entry in reply.refunds.unwrap_or_default() {
        let entry = seen_refund(&entry, currency, refund)?;
        // What was never captured is released, not refunded; the list holds both. Ours are never releases.
        let ours = entry.is_of(refund);
        let by_event = entry.provider_refund_id.as_ref().is_some_and(|id| released.contains(id));
        let before_capture = entry.completed.zip(first_capture).is_some_and(|(done, first)| done < first);
        if !ours && (by_event || before_capture || nothing_captured) {
            continue;
        }
        refunded_minor = refunded_minor.checked_add(entry.amount_minor).ok_or("refunds overflow")?;
        let clean = |id: Option<String>| id.map(|id| credentials.clean_id(&id));
        seen.push(SeenRefund {
            provider_refund_id: clean(entry.provider_refund_id),
            key: clean(entry.key),
            reference: clean(entry.reference),
            ..entry
        });
    }
    Ok(OrderSnapshot {
        currency,
        captured_minor,
        refunded_minor,
        purchase_time: time(reply.created.as_ref()),
        refunds: seen,
        transactions: Vec::new(),
    })
}

struct Capture {
    minor: i64,
    time: Option<Timestamp>,
}

fn captures(events: &[PaymentEvent], currency: Currency) -> Result<Vec<Capture>, String> {
    let captured = events.iter().filter(|event| event.kind == "CAPTURED");
    let read = captured.map(|event| {
        let minor = event.amount.as_ref().and_then(|amount| minor(amount, currency));
        Ok(Capture {
            minor: minor.ok_or("a capture without an amount in the payment's currency")?,
            time: time(event.created.as_ref()),
        })
    });
    read.collect()
}

/// What was captured of a payment that shows no events: what is not open to capture any more.
fn captured_without_events(
    state: Option<&str>,
    original_minor: i64,
    reply: &PaymentReply,
) -> Result<i64, String> {
    match state {
        Some("CAPTURED" | "PARTIALLY_CAPTURED") => {
            let open = reply.open_to_capture_amount.as_ref();
            let open = open.and_then(|amount| minor(amount, reply.original_amount.money()?.currency()));
            let captured = open.map(|open| original_minor - open).filter(|captured| *captured >= 0);
            captured.ok_or_else(|| "a captured payment without events or openToCaptureAmount".to_owned())
        }
        Some("AUTH_APPROVED" | "AUTH_DECLINED" | "CAPTURE_DECLINED" | "VOIDED") => Ok(0),
        Some(_) | None => Err("no events and no known paymentState".to_owned()),
    }
}

/// An entry of `refunds`. Where it lacks `requestId`, our own `merchantReference` stands for the key, of
/// which it is made; `refundMerchantReference` cannot, since after a restore the same key may belong to a
/// new refund of ours.
fn seen_refund(entry: &PaymentRefund, currency: Currency, refund: &Refund) -> Result<SeenRefund, String> {
    let amount_minor = minor(&entry.amount, currency);
    let ours = merchant_reference(refund.key);
    let by_reference =
        || json::text(entry.merchant_reference.as_ref()).filter(|text| text.eq_ignore_ascii_case(&ours));
    Ok(SeenRefund {
        key: json::text(entry.request_id.as_ref()).or_else(by_reference),
        provider_refund_id: json::text(entry.refund_id.as_ref()),
        reference: json::text(entry.refund_merchant_reference.as_ref()),
        amount_minor: amount_minor.ok_or("a refund without an amount in the payment's currency")?,
        completed: time(entry.refunded_at.as_ref()),
    })
}

fn minor(amount: &Amount, currency: Currency) -> Option<i64> {
    let money = amount.money()?;
    (money.currency() == currency).then_some(money.minor())
}

fn time(value: Option<&serde_json::Value>) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&json::text(value)?)
}

fn is_same_order(id: &str, payment: &Payment) -> bool {
    let canonical = |id: &OrderId| ProviderKind::Afterpay.canonical_order(id);
    OrderId::parse(id).is_ok_and(|id| canonical(&id) == canonical(&payment.order_id))
}
