//! What of a success was taken back, as its order shows it. Pure.

use super::super::reversal::{TakenBack, success_of};
use super::transaction::{Stand, Transaction};
use crate::domain::answer::Reversal;
use crate::domain::money::Currency;
use crate::domain::refund::{Item, ItemState, Refund};

/// How a part of a success stands now.
enum Now {
    /// It was taken back; with what shows it.
    Gone(String),
    /// Less of it than it moved was; with what shows it.
    Lessened(String),
    /// It never moved anything, and does not now.
    Void,
    /// It stands, or cannot be read.
    Stands,
}

/// How much of a success these transactions of its order take back. All of it only if each of its parts is
/// shown, and none of them moves anything any more.
pub(super) fn of(refund: &Refund, all: &[Transaction], currency: Currency) -> TakenBack {
    if success_of(refund).is_none() {
        return TakenBack::Nothing;
    }
    let (mut shown, mut provider_code, mut is_whole) = (Vec::new(), None, true);
    for item in &refund.items {
        let mut listed = all.iter().filter(|transaction| transaction.id == item.id);
        let (Some(transaction), None) = (listed.next(), listed.next()) else {
            is_whole = false;
            continue;
        };
        match now(item, transaction, all, currency) {
            Now::Gone(what) => {
                shown.push(what);
                // The code of one that was processed only says so.
                let code = transaction.code.clone().filter(|_| transaction.stand != Stand::Done);
                provider_code = provider_code.or(code);
            }
            Now::Lessened(what) => {
                shown.push(what);
                is_whole = false;
            }
            Now::Void => {}
            Now::Stands => is_whole = false,
        }
    }
    let text = shown.join("; ");
    match (shown.is_empty(), is_whole) {
        (true, _) => TakenBack::Nothing,
        (false, true) => TakenBack::Whole(Reversal { provider_code, text }),
        (false, false) => TakenBack::Part(format!("taken back in part: {text}")),
    }
}

fn now(item: &Item, transaction: &Transaction, all: &[Transaction], currency: Currency) -> Now {
    let id = &transaction.id;
    match (item.state, transaction.stand) {
        (ItemState::Succeeded, Stand::Refused(_)) => {
            Now::Gone(format!("the transaction {id} was processed and is declined now"))
        }
        (ItemState::Succeeded, Stand::Done) => {
            let canceled = canceled_minor(transaction, all, currency);
            match transaction.moves(currency) {
                Ok(moved) if moved > 0 && canceled >= moved => {
                    Now::Gone(format!("the transaction {id} was processed and then canceled"))
                }
                Ok(_) | Err(_) if canceled > 0 => {
                    Now::Lessened(format!("{canceled} minor units of the transaction {id} were canceled"))
                }
                Ok(_) | Err(_) => Now::Stands,
            }
        }
        (ItemState::Failed, Stand::Refused(_) | Stand::Blocked | Stand::NothingSent) => Now::Void,
        (ItemState::Succeeded | ItemState::Failed | ItemState::Pending, _) => Now::Stands,
    }
}

/// How much of a transaction was canceled, minor units of this currency: what cancels it, went through and
/// says how much.
pub(super) fn canceled_minor(transaction: &Transaction, all: &[Transaction], currency: Currency) -> i64 {
    let cancels = all.iter().filter(|other| {
        other.stand == Stand::Done && other.cancels.as_ref().is_some_and(|id| *id == transaction.id)
    });
    cancels.filter_map(|cancel| cancel.moves(currency).ok()).fold(0, i64::saturating_add)
}
