//! What an order says of our refund: the closed list of what our transaction may say, and what it takes
//! to believe it.

use super::super::assumption::Mark;
use super::order::{APPROVED, FAILED, Order, Own, REFUND, Transaction};
use crate::domain::content::Payment;
use crate::domain::id::ProviderKey;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, Success};

/// What became of our refund.
pub(super) enum Fate {
    /// The money went back.
    Succeeded(Success),
    /// The scheme was asked and has not answered; with the id of the transaction.
    InReview(String),
    /// The scheme or the issuer refused our very transaction.
    Declined(Failure),
    /// The provider has our transaction and does not know; a sentence says so.
    Open(String),
    /// The provider shows our transaction and it proves nothing; a sentence says why.
    Odd(&'static str),
    /// The order does not show it.
    Absent,
    /// Whether the order shows it cannot be told.
    Unclear,
    /// The order shows it more than once.
    Doubled,
}

#[derive(Clone, Copy)]
enum Says {
    Succeeded,
    InReview,
    Declined,
    Open,
}

struct Row {
    status: &'static str,
    says: Says,
    mark: Mark,
}

const fn row(status: &'static str, says: Says) -> Row {
    Row { status, says, mark: Mark::Doc }
}

/// The documented statuses of a transaction. Any other decides nothing.
const TABLE: &[Row] = &[
    row(APPROVED, Says::Succeeded),
    row("initiated", Says::InReview),
    row(FAILED, Says::Declined),
    row("timeout", Says::Open),
    row("system_error", Says::Open),
];

/// What an order says of the refund with this key, and the transaction that says it.
pub(super) fn of<'a>(
    order: &'a Order,
    key: ProviderKey,
    payment: &Payment,
) -> (Fate, Option<&'a Transaction>) {
    match order.own(key) {
        Own::One(own) => (of_own(order, own, key, payment), Some(own)),
        Own::Absent => (Fate::Absent, None),
        Own::Unclear => (Fate::Unclear, None),
        Own::Doubled => (Fate::Doubled, None),
    }
}

fn of_own(order: &Order, own: &Transaction, key: ProviderKey, payment: &Payment) -> Fate {
    if own.kind.as_deref() != Some(REFUND) {
        return Fate::Odd("the transaction with our id is no refund");
    }
    let status = own.status.as_deref().unwrap_or_default();
    match TABLE.iter().find(|row| row.status == status).map(|row| row.says) {
        Some(Says::Succeeded) => match doubt_of_success(order, own, payment) {
            Some(why) => Fate::Odd(why),
            None => Fate::Succeeded(Success {
                amount_minor: own.amount_minor,
                provider_refund_id: Some(key.to_string()),
                completed: own.created,
                items: Vec::new(),
            }),
        },
        Some(Says::InReview) => Fate::InReview(key.to_string()),
        Some(Says::Declined) => Fate::Declined(Failure {
            reason: FailureReason::Declined,
            provider_code: own.response_code.clone(),
            text: own.message.clone(),
        }),
        Some(Says::Open) => Fate::Open(format!("our transaction is `{status}`")),
        None => Fate::Odd("our transaction has a status that is not documented"),
    }
}

/// Why an approved refund with our id proves no success of ours, if so.
fn doubt_of_success(order: &Order, own: &Transaction, payment: &Payment) -> Option<&'static str> {
    let other_currency = order.currency.as_ref().is_some_and(|code| code != payment.amount.currency().code());
    if order.is_reversed(own) {
        Some("our transaction was approved and reversed")
    } else if own.amount_minor != Some(payment.amount.minor()) {
        Some("our transaction was approved for another amount")
    } else if other_currency {
        Some("our transaction was approved in another currency")
    } else {
        None
    }
}

/// The statuses as Markdown, for `docs/providers/moyasar.md`.
pub fn fates_to_markdown() -> String {
    let mut text = String::from("| Our transaction | Means | Mark |\n|---|---|---|\n");
    for row in TABLE {
        let means = match row.says {
            Says::Succeeded => "succeeded, if it has our amount and was not reversed".to_owned(),
            Says::InReview => "in review".to_owned(),
            Says::Declined => format!("declined, `{}`, also for every earlier send", FailureReason::Declined),
            Says::Open => "the provider does not know; outcome unknown".to_owned(),
        };
        text.extend(["| `", row.status, "` | ", &means, " | ", row.mark.word(), " |\n"]);
    }
    text
}
