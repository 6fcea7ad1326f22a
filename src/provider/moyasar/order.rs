//! An order as Moyasar shows it: its transactions, its figures, and which transaction is ours.

use serde_json::Value;

use super::super::http::Credentials;
use super::super::json;
use super::super::reversal::TakenBack;
use super::wire::{self, TransactionReply};
use crate::domain::account::ProviderKind;
use crate::domain::answer::Reversal;
use crate::domain::id::{OrderId, ProviderKey};
use crate::domain::money::Currency;
use crate::domain::sight::{OrderSnapshot, SeenRefund};
use crate::domain::timestamp::Timestamp;

pub(super) const APPROVED: &str = "approved";
pub(super) const FAILED: &str = "failed";
pub(super) const REFUND: &str = "refund";
/// What takes the money in one step may not count as captured. \[assumed]
const PURCHASE: &str = "purchase";

/// An order, its texts cleaned.
pub(super) struct Order {
    pub(super) currency: Option<String>,
    id: Option<String>,
    captured_minor: Option<i64>,
    refunded_minor: Option<i64>,
    created: Option<Timestamp>,
    transactions: Vec<Transaction>,
}

/// A transaction of an order.
pub(super) struct Transaction {
    pub(super) status: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) amount_minor: Option<i64>,
    pub(super) message: Option<String>,
    pub(super) response_code: Option<String>,
    /// What the scheme and the provider's support know it by.
    pub(super) retrieval_reference: Option<String>,
    pub(super) created: Option<Timestamp>,
    id: Option<String>,
    /// The transaction that this one takes back.
    reverses: Option<String>,
    reverse_reason: Option<String>,
}

/// Why a transaction that was approved is no success, or not for long.
pub(super) const REVERSED: &str = "our transaction was approved and reversed";

/// Which transaction is ours.
pub(super) enum Own<'a> {
    /// This one.
    One(&'a Transaction),
    /// None.
    Absent,
    /// None of those that have an id.
    Unclear,
    /// More than one.
    Doubled,
}

impl Order {
    /// Reads an order.
    ///
    /// # Errors
    /// A sentence that says what is not as documented.
    pub(super) fn read(body: &[u8], credentials: &Credentials) -> Result<Self, String> {
        let reply = wire::order(body)?;
        let transactions = reply.transactions.iter();
        Ok(Self {
            currency: json::text(reply.currency.as_ref()),
            id: json::text(reply.id.as_ref()),
            captured_minor: wire::amount(reply.captured_amount.as_ref()),
            refunded_minor: wire::amount(reply.refunded_amount.as_ref()),
            created: time(reply.created_at.as_ref()),
            transactions: transactions.map(|reply| Transaction::read(reply, credentials)).collect(),
        })
    }

    /// Our transaction: the one whose id is the key.
    pub(super) fn own(&self, key: ProviderKey) -> Own<'_> {
        let mut ours = self.transactions.iter().filter(|t| t.is(&key.to_string()));
        match (ours.next(), ours.next()) {
            (Some(own), None) => Own::One(own),
            (Some(_), Some(_)) => Own::Doubled,
            (None, _) if self.transactions.iter().any(|t| t.id.is_none()) => Own::Unclear,
            (None, _) => Own::Absent,
        }
    }

    /// Whether something took a transaction back, or is about to. Whether the mark stands on the one that
    /// was taken back or on the one that takes back is not documented: both are read.
    pub(super) fn is_reversed(&self, transaction: &Transaction) -> bool {
        let marked = transaction.reverse_reason.is_some() || transaction.reverses.is_some();
        let taken_back = |id: &String| {
            let mut others = self.transactions.iter().filter(|other| !other.has_status(FAILED));
            others.any(|other| other.reverses.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(id)))
        };
        marked || transaction.id.as_ref().is_some_and(taken_back)
    }

    /// How much of a transaction was taken back. Less is believed here than by [`Self::is_reversed`]: what
    /// takes back must be approved and be as much. The mark of the transaction itself counts where nothing
    /// else speaks of it, and only by its reason: the id that it names may be that of what it refunds.
    pub(super) fn taken_back(&self, transaction: &Transaction) -> TakenBack {
        if !self.is_reversed(transaction) {
            return TakenBack::Nothing;
        }
        let names_it = |other: &&Transaction| {
            let named = other.reverses.as_ref().is_some_and(|named| transaction.is(named));
            named && other.id != transaction.id
        };
        let by: Vec<&Transaction> = self.transactions.iter().filter(names_it).collect();
        let approved: Vec<&Transaction> = by.iter().copied().filter(|t| t.has_status(APPROVED)).collect();
        let minor = approved.iter().filter_map(|t| t.amount_minor).fold(0, i64::saturating_add);
        let is_whole = transaction.amount_minor.is_some_and(|own| own > 0 && own <= minor);
        let (shown_by, name) = match approved.last() {
            Some(last) if is_whole => (*last, format!(" by {}", last.id.as_deref().unwrap_or("another"))),
            None if by.is_empty() && transaction.reverse_reason.is_some() => (transaction, String::new()),
            Some(_) | None => return TakenBack::Part(format!("{REVERSED} in part, or not for good")),
        };
        let provider_code = shown_by.reverse_reason.clone();
        let why = provider_code.as_ref().map_or(String::new(), |why| format!(": {why}"));
        TakenBack::Whole(Reversal { provider_code, text: format!("{REVERSED}{name}{why}") })
    }

    /// The order's figures.
    ///
    /// # Errors
    /// A sentence that says what is missing. A figure that cannot be trusted makes the whole useless:
    /// half a sight would count money that is not there.
    pub(super) fn snapshot(&self, order_id: &OrderId) -> Result<OrderSnapshot, String> {
        if self.id.as_ref().is_some_and(|id| !is_same(id, order_id)) {
            return Err("another order".to_owned());
        }
        let code = self.currency.as_deref().unwrap_or_default();
        let currency = Currency::parse(code).map_err(|_| "currency is no currency")?;
        let captured = self.captured_minor.ok_or("captured_amount is no amount")?;
        let refunded = self.refunded_minor.ok_or("refunded_amount is no amount")?;
        let ids: Option<Vec<String>> = self.transactions.iter().map(|t| t.id.clone()).collect();
        Ok(OrderSnapshot {
            currency,
            captured_minor: captured.max(self.approved_minor(PURCHASE)?),
            refunded_minor: refunded.max(self.approved_minor(REFUND)?),
            purchase_time: self.created,
            refunds: self.approved(REFUND).filter_map(Transaction::seen).collect(),
            transactions: ids.ok_or("a transaction without id")?,
        })
    }

    /// What took effect: only that is in the order's totals, and so only that may be matched against them.
    fn approved<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Transaction> {
        let of_kind = self.transactions.iter().filter(move |t| t.kind.as_deref() == Some(kind));
        of_kind.filter(|t| t.has_status(APPROVED) && !self.is_reversed(t))
    }

    fn approved_minor(&self, kind: &str) -> Result<i64, String> {
        self.approved(kind).try_fold(0_i64, |sum, transaction| {
            let minor =
                transaction.amount_minor.ok_or_else(|| format!("an approved {kind} without amount"))?;
            sum.checked_add(minor).ok_or_else(|| format!("the sum of each {kind} overflows"))
        })
    }
}

impl Transaction {
    fn read(reply: &TransactionReply, credentials: &Credentials) -> Self {
        let id = |value: Option<&Value>| json::text(value).map(|id| credentials.clean_id(&id));
        let words = |value: Option<&Value>| json::text(value).map(|text| credentials.clean(&text));
        Self {
            status: words(reply.status.as_ref()),
            kind: words(reply.kind.as_ref()),
            amount_minor: wire::amount(reply.amount.as_ref()),
            message: words(reply.message.as_ref()),
            response_code: words(reply.response_code.as_ref()),
            retrieval_reference: id(reply.retrieval_reference.as_ref()),
            created: time(reply.created_at.as_ref()),
            id: id(reply.id.as_ref()),
            reverses: id(reply.reversed_transaction_id.as_ref()),
            reverse_reason: words(reply.reverse_reason.as_ref()),
        }
    }

    fn is(&self, key: &str) -> bool {
        self.id.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(key))
    }

    fn has_status(&self, status: &str) -> bool {
        self.status.as_deref() == Some(status)
    }

    fn seen(&self) -> Option<SeenRefund> {
        Some(SeenRefund {
            provider_refund_id: self.id.clone(),
            key: self.id.clone(),
            reference: None,
            amount_minor: self.amount_minor?,
            completed: self.created,
        })
    }
}

fn time(value: Option<&Value>) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&json::text(value)?)
}

fn is_same(id: &str, order_id: &OrderId) -> bool {
    let canonical = |id: &OrderId| ProviderKind::Moyasar.canonical_order(id);
    OrderId::parse(id).is_ok_and(|id| canonical(&id) == canonical(order_id))
}
