//! An order as Worldline shows it: its figures, its transactions, and which of them are a refund's.

use super::super::json;
use super::classify::Asked;
use super::reversal;
use super::transaction::{Stand, Transaction};
use super::wire::{self, OrderReply};
use crate::domain::answer::Review;
use crate::domain::money::Money;
use crate::domain::refund::Refund;
use crate::domain::sight::{OrderSnapshot, SeenRefund};

/// The transactions of the order in a body.
///
/// # Errors
/// A sentence that says what is not as documented: half a list would make a foreign transaction ours or hide
/// one.
pub(super) fn transactions(body: &[u8], asked: &Asked<'_>) -> Result<Vec<Transaction>, String> {
    listed(&json::decode(body)?, asked)
}

fn listed(reply: &OrderReply, asked: &Asked<'_>) -> Result<Vec<Transaction>, String> {
    let other = |told: Option<String>, own: &str| told.is_some_and(|told| told != own);
    if other(json::text(reply.order_id.as_ref()), asked.payment.order_id.as_str()) {
        return Err("another order".to_owned());
    }
    if other(json::text(reply.mid.as_ref()), asked.merchant) {
        return Err("an order of another merchant".to_owned());
    }
    let listed = reply.transaction_references.as_deref().ok_or("an order without transactionReferences")?;
    listed.iter().map(|transaction| Transaction::read(transaction, asked.credentials)).collect()
}

/// The order in a body, with its transactions.
///
/// # Errors
/// As [`transactions`]; and a figure that cannot be trusted makes the whole useless.
pub(super) fn read(body: &[u8], asked: &Asked<'_>) -> Result<(OrderSnapshot, Vec<Transaction>), String> {
    let reply: OrderReply = json::decode(body)?;
    let all = listed(&reply, asked)?;
    let currency = wire::currency(reply.currency.as_ref()).ok_or("an order without a currency")?;
    let minor = |value| wire::money(value, currency).map(Money::minor);
    let captured_minor = minor(reply.captured_amount.as_ref()).ok_or("an order without capturedAmount")?;
    let refunded_minor = minor(reply.refunded_amount.as_ref()).ok_or("an order without refundedAmount")?;
    // What an answer adds to this list is taken for ours: a list that leaves something out must not be the
    // first one.
    if captured_minor > 0 && all.is_empty() {
        return Err("a captured order without transactions".to_owned());
    }
    if refunded_minor > 0 && !all.iter().any(|transaction| transaction.is_refund) {
        return Err("a refunded order without refund transactions".to_owned());
    }
    let counted = all.iter().filter(|transaction| transaction.is_refund && may_count(transaction.stand));
    // One of another currency stays a foreign part of the refunded amount: that is the careful side.
    let refunds = counted.filter_map(|transaction| {
        let moves = transaction.moves(currency).ok()?;
        let left = moves.saturating_sub(reversal::canceled_minor(transaction, &all, currency));
        (left > 0 || left == moves).then(|| SeenRefund {
            provider_refund_id: Some(transaction.id.clone()),
            key: None,
            reference: None,
            amount_minor: left,
            completed: transaction.time,
        })
    });
    let refunds = refunds.collect();
    let snapshot = OrderSnapshot {
        currency,
        captured_minor,
        refunded_minor,
        purchase_time: None,
        refunds,
        transactions: all.iter().map(|transaction| transaction.id.clone()).collect(),
    };
    Ok((snapshot, all))
}

/// Whether the order's refunded amount may count a transaction that stands so: it counts what was asked for,
/// cleared or not. \[doc]
fn may_count(stand: Stand) -> bool {
    match stand {
        Stand::Done | Stand::Registered | Stand::Unclear(_) => true,
        Stand::Refused(_) | Stand::Blocked | Stand::NothingSent => false,
    }
}

/// Those transactions of an answer to our own request that are ours: what gives money back and was not there
/// before the first send. The answer names no key.
///
/// # Errors
/// A sentence if nobody can tell: what was there before is not known, or nothing is new.
pub(super) fn ours<'a>(refund: &Refund, all: &'a [Transaction]) -> Result<Vec<&'a Transaction>, String> {
    if refund.baseline.transactions.is_empty() && refund.items.is_empty() {
        return Err("what the order held before the first send is not known".to_owned());
    }
    let of_ours: Vec<_> = if refund.baseline.transactions.is_empty() {
        known(refund, all)
    } else {
        all.iter().filter(|t| t.is_refund && (is_new(refund, t) || is_known(refund, t))).collect()
    };
    if of_ours.is_empty() { Err("no transaction of this refund".to_owned()) } else { Ok(of_ours) }
}

/// Those transactions that an earlier answer showed to be ours.
pub(super) fn known<'a>(refund: &Refund, all: &'a [Transaction]) -> Vec<&'a Transaction> {
    all.iter().filter(|transaction| is_known(refund, transaction)).collect()
}

/// Whether money went back, or may have, since before the first send, in no transaction that is known as
/// ours.
pub(super) fn has_unexplained(refund: &Refund, all: &[Transaction]) -> bool {
    unexplained(refund, all).next().is_some()
}

fn unexplained<'a>(refund: &Refund, all: &'a [Transaction]) -> impl Iterator<Item = &'a Transaction> {
    let open = move |t: &&Transaction| {
        t.is_refund && may_count(t.stand) && is_new(refund, t) && !is_known(refund, t)
    };
    all.iter().filter(open)
}

/// For people: the transactions that came after the first send and may be ours.
pub(super) fn hint(refund: &Refund, all: &[Transaction]) -> Option<String> {
    if refund.baseline.transactions.is_empty() {
        return None;
    }
    let ids: Vec<&str> = unexplained(refund, all).map(|transaction| transaction.id.as_str()).collect();
    (!ids.is_empty()).then(|| format!("new since the first send, not known as ours: {}", ids.join(", ")))
}

/// A review that also keeps those of our transactions that the order does not list now, as they were.
pub(super) fn with_missing(mut review: Review, refund: &Refund) -> Review {
    for item in &refund.items {
        if !review.items.iter().any(|listed| listed.id == item.id) {
            review.items.push(item.clone());
        }
    }
    review
}

fn is_new(refund: &Refund, transaction: &Transaction) -> bool {
    !refund.baseline.transactions.contains(&transaction.id)
}

fn is_known(refund: &Refund, transaction: &Transaction) -> bool {
    refund.items.iter().any(|item| item.id == transaction.id)
}
