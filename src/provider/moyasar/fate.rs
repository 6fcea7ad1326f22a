//! What an order says of our refund: the closed list of what our transaction may say, and what it takes
//! to believe it.

use super::super::assumption::Mark;
use super::super::reversal::{TakenBack, success_of};
use super::order::{APPROVED, FAILED, Order, Own, REFUND, Transaction};
use crate::domain::answer::Reversal;
use crate::domain::content::Payment;
use crate::domain::id::ProviderKey;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, Refund, Success};

/// What became of our refund.
pub(super) enum Fate {
    /// The money went back.
    Succeeded(Success),
    /// The scheme was asked and has not answered; with the id of the transaction.
    InReview(String),
    /// The scheme or the issuer refused our very transaction.
    Declined(Failure),
    /// Our very transaction was approved, and all of it taken back.
    Reversed(Reversal),
    /// The provider has our transaction and does not know; a sentence says so.
    Open(String),
    /// The provider shows our transaction and it proves nothing; a sentence says why.
    Odd(String),
    /// The order does not show it.
    Absent,
    /// Whether the order shows it cannot be told.
    Unclear,
    /// The order shows it more than once.
    Doubled,
}

impl Fate {
    /// The reversal of a success that this shows, if it does. The id of a success is that of our approved
    /// transaction: one without it was not read here.
    pub(super) fn reversal_of(&self, refund: &Refund) -> Option<Reversal> {
        let id = success_of(refund)?.provider_refund_id.as_ref()?;
        if *id != refund.key.to_string() {
            return None;
        }
        match self {
            Self::Reversed(reversal) => Some(reversal.clone()),
            Self::Declined(failure) => {
                let why = failure.text.as_ref().map_or(String::new(), |why| format!(": {why}"));
                let text = format!("our transaction was approved and is `{FAILED}` now{why}");
                Some(Reversal { provider_code: failure.provider_code.clone(), text })
            }
            Self::Succeeded(_)
            | Self::InReview(_)
            | Self::Open(_)
            | Self::Odd(_)
            | Self::Absent
            | Self::Unclear
            | Self::Doubled => None,
        }
    }
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
        return Fate::Odd("the transaction with our id is no refund".to_owned());
    }
    let status = own.status.as_deref().unwrap_or_default();
    match TABLE.iter().find(|row| row.status == status).map(|row| row.says) {
        Some(Says::Succeeded) => approved(order, own, key, payment),
        Some(Says::InReview) => Fate::InReview(key.to_string()),
        Some(Says::Declined) => Fate::Declined(Failure {
            reason: FailureReason::Declined,
            provider_code: own.response_code.clone(),
            text: own.message.clone(),
        }),
        Some(Says::Open) => Fate::Open(format!("our transaction is `{status}`")),
        None => Fate::Odd("our transaction has a status that is not documented".to_owned()),
    }
}

/// What an approved refund with our id proves.
fn approved(order: &Order, own: &Transaction, key: ProviderKey, payment: &Payment) -> Fate {
    let other_currency = order.currency.as_ref().is_some_and(|code| code != payment.amount.currency().code());
    let doubt = if own.amount_minor != Some(payment.amount.minor()) {
        Some("our transaction was approved for another amount")
    } else if other_currency {
        Some("our transaction was approved in another currency")
    } else {
        None
    };
    match (order.taken_back(own), doubt) {
        (TakenBack::Whole(reversal), None) => Fate::Reversed(reversal),
        (TakenBack::Whole(Reversal { text, .. }) | TakenBack::Part(text), _) => Fate::Odd(text),
        (TakenBack::Nothing, Some(why)) => Fate::Odd(why.to_owned()),
        (TakenBack::Nothing, None) => Fate::Succeeded(Success {
            amount_minor: own.amount_minor,
            provider_refund_id: Some(key.to_string()),
            completed: own.created,
            items: Vec::new(),
        }),
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
