//! Transactions of an order, and what those of one refund say together. Pure.

use super::super::http::Credentials;
use super::super::json;
use super::codes::{self, Treatment};
use super::wire::{self, TransactionReply};
use crate::domain::answer::Review;
use crate::domain::money::{Currency, Money};
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, Item, ItemState, Success};
use crate::domain::timestamp::Timestamp;

/// How a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// The money went back.
    Done,
    /// It waits for a person, a bank or another party.
    Registered,
    /// Declined, by a listed code.
    Refused(FailureReason),
    /// Declined for the merchant's sake.
    Blocked,
    /// It failed before anything went to the acquirer.
    NothingSent,
    /// Anything else: nobody knows. With what its code means, if it is listed.
    Unclear(Option<Treatment>),
}

/// A transaction, as far as it matters.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    /// The provider's id.
    pub(super) id: String,
    /// Whether it gives money back.
    pub(super) is_refund: bool,
    /// The transaction that it takes back, if it is a `Cancel`.
    pub(super) cancels: Option<String>,
    /// How it stands.
    pub(super) stand: Stand,
    /// Its status code.
    pub(super) code: Option<String>,
    /// Its text.
    pub(super) text: Option<String>,
    /// When it was made.
    pub(super) time: Option<Timestamp>,
    currency: Option<Currency>,
    amount: Option<Money>,
}

impl Transaction {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence if it cannot be told from others, or whether it gives money back.
    pub(super) fn read(reply: &TransactionReply, credentials: &Credentials) -> Result<Self, String> {
        let id = json::text(reply.transaction_id.as_ref()).ok_or("a transaction without transactionId")?;
        let kind =
            json::text(reply.transaction_type.as_ref()).ok_or("a transaction without transactionType")?;
        let code = json::text(reply.status_code.as_ref());
        let status = json::text(reply.status.as_ref()).unwrap_or_default();
        let currency = wire::currency(reply.currency.as_ref());
        Ok(Self {
            id: credentials.clean_id(&id),
            is_refund: matches!(kind.as_str(), "Credit" | "Payout"),
            cancels: json::text(reply.ref_transaction_id.as_ref())
                .filter(|_| kind == "Cancel")
                .map(|id| credentials.clean_id(&id)),
            stand: stand(&status, code.as_deref()),
            code: code.map(|code| credentials.clean(&code)),
            text: json::text(reply.transaction_desc.as_ref()).map(|text| credentials.clean(&text)),
            currency,
            amount: currency.and_then(|currency| wire::money(reply.amount.as_ref(), currency)),
            time: json::text(reply.transaction_date.as_ref()).and_then(|t| Timestamp::parse_rfc3339(&t)),
        })
    }

    /// What it moves or may still move, in this currency.
    ///
    /// # Errors
    /// A sentence if it does not say so.
    pub(super) fn moves(&self, currency: Currency) -> Result<i64, String> {
        let has_ended = match self.stand {
            Stand::Done | Stand::Registered | Stand::Unclear(_) => false,
            Stand::Refused(_) | Stand::Blocked | Stand::NothingSent => true,
        };
        if has_ended {
            return Ok(0);
        }
        if self.currency.is_some_and(|own| own != currency) {
            return Err(format!("the transaction {} is in another currency", self.id));
        }
        match self.amount {
            Some(amount) => Ok(amount.minor()),
            None if self.stand == Stand::Done => Err(format!("the transaction {} has no amount", self.id)),
            None => Ok(0),
        }
    }

    /// As a part of its refund.
    pub(super) fn item(&self) -> Item {
        Item {
            id: self.id.clone(),
            state: match self.stand {
                Stand::Done => ItemState::Succeeded,
                Stand::Registered | Stand::Unclear(_) => ItemState::Pending,
                Stand::Refused(_) | Stand::Blocked | Stand::NothingSent => ItemState::Failed,
            },
            amount_minor: self.amount.map(Money::minor),
            provider_code: self.code.clone(),
        }
    }
}

/// How a transaction with this status and code stands. `Rejected` is an older word for `Declined`; `Paid`,
/// the other word of the older list, is not taken for a success. \[doc]
fn stand(status: &str, code: Option<&str>) -> Stand {
    let treatment = code.and_then(codes::treatment);
    match (status, treatment) {
        ("Processed", Some(Treatment::Accepted)) => Stand::Done,
        ("Registered", _) => Stand::Registered,
        ("Declined" | "Rejected", Some(Treatment::Refused(reason))) => Stand::Refused(reason),
        ("Declined" | "Rejected", Some(Treatment::Configuration)) => Stand::Blocked,
        ("Declined" | "Rejected" | "System Error", Some(Treatment::NothingSent)) => Stand::NothingSent,
        ("System Error", None) => Stand::Unclear(Some(Treatment::Unsettled)),
        (_, treatment) => Stand::Unclear(treatment),
    }
}

/// What the transactions of a refund say together.
#[derive(Debug, Clone)]
pub(super) enum Verdict<'a> {
    /// The money went back, or part of it and no more will.
    Succeeded(Success),
    /// Some of it is undecided.
    InReview(Review, &'a Transaction),
    /// All of it is refused.
    Refused(Failure, &'a Transaction),
    /// All of it failed, some for the merchant's sake.
    Blocked(&'a Transaction),
    /// All of it failed before anything went to the acquirer.
    NothingSent(&'a Transaction),
    /// Nobody knows.
    Unclear(Option<Treatment>, &'a Transaction),
    /// More moves than was asked: some of it is not ours, or the key was not heeded.
    Excess(i64),
}

/// Reads the transactions of a refund; at least one.
///
/// # Errors
/// A sentence if they say nothing: there is none, or what moved cannot be summed.
pub(super) fn verdict<'a>(ours: &[&'a Transaction], wanted: Money) -> Result<Verdict<'a>, String> {
    let (mut moving, mut moved) = (0_i64, 0_i64);
    for transaction in ours {
        let amount = transaction.moves(wanted.currency())?;
        moving = moving.checked_add(amount).ok_or("the amounts overflow")?;
        if transaction.stand == Stand::Done {
            moved += amount;
        }
    }
    if moving > wanted.minor() {
        return Ok(Verdict::Excess(moving));
    }
    let first = |fits: fn(Stand) -> bool| ours.iter().copied().find(|t| fits(t.stand));
    let items = || ours.iter().map(|t| t.item()).collect();
    if let Some(registered) = first(|stand| stand == Stand::Registered) {
        let review = Review { reference: Some(registered.id.clone()), items: items() };
        return Ok(Verdict::InReview(review, registered));
    }
    if let Some(unclear) = first(|stand| matches!(stand, Stand::Unclear(_))) {
        let treatment = if let Stand::Unclear(treatment) = unclear.stand { treatment } else { None };
        return Ok(Verdict::Unclear(treatment, unclear));
    }
    if let Some(done) = first(|stand| stand == Stand::Done) {
        if moved == 0 {
            return Err(format!("the transaction {} moved nothing", done.id));
        }
        return Ok(Verdict::Succeeded(Success {
            amount_minor: Some(moved),
            provider_refund_id: Some(done.id.clone()),
            completed: ours.iter().filter(|t| t.stand == Stand::Done).filter_map(|t| t.time).max(),
            items: items(),
        }));
    }
    for transaction in ours {
        if let Stand::Refused(reason) = transaction.stand {
            let (provider_code, text) = (transaction.code.clone(), transaction.text.clone());
            return Ok(Verdict::Refused(Failure { reason, provider_code, text }, transaction));
        }
    }
    let blocked = first(|stand| stand == Stand::Blocked).map(Verdict::Blocked);
    let failed = blocked.or_else(|| first(|stand| stand == Stand::NothingSent).map(Verdict::NothingSent));
    failed.ok_or_else(|| "no transaction of this refund".to_owned())
}
