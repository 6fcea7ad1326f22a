//! What an account's provider cannot take, told before anything is accepted.

use crate::domain::account::{Account, ProviderKind, TargetShape};
use crate::domain::content::{Content, Target};
use crate::domain::timestamp::Timestamp;

use super::FieldFault;

/// The number of digits that an Afterpay order id may have.
const AFTERPAY_ORDER_DIGITS_MAX: usize = 20;
/// The number of characters that a Worldline order id may have.
const WORLDLINE_ORDER_CHARS_MAX: usize = 50;

/// What the account's provider cannot take, all at once.
pub(super) fn shape_faults(account: &Account, content: &Content, now: Timestamp) -> Vec<FieldFault> {
    let (can, provider) = (&account.capabilities, account.identity.provider);
    let mut faults = Vec::new();
    match (&content.target, can.shape) {
        (Target::Payment(_), TargetShape::Esims) => {
            faults.push(FieldFault::new("payment", format!("{provider} refunds eSIMs: give esims")));
        }
        (Target::Esims(_), TargetShape::Payment) => {
            faults.push(FieldFault::new("esims", format!("{provider} refunds payments: give payment")));
        }
        (Target::Payment(payment), TargetShape::Payment) => {
            if let Some(rule) = order_id_rule(provider, payment.order_id.as_str()) {
                faults.push(FieldFault::new("payment.order_id", rule));
            }
            if payment.transaction_id.is_some() && !can.takes_transaction_id {
                let rule = format!("{provider} refunds by order: leave it empty");
                faults.push(FieldFault::new("payment.transaction_id", rule));
            }
            if let Some(most) = can.amount_minor_max.filter(|most| payment.amount.minor() > *most) {
                let rule = format!("{provider} takes at most {most} minor units in one refund");
                faults.push(FieldFault::new("payment.amount.amount_minor", rule));
            }
            if provider == ProviderKind::Worldline
                && let Some(id) = &payment.transaction_id
                && !is_long(id.as_str())
            {
                let rule = "Worldline's transaction ids are whole numbers above zero";
                faults.push(FieldFault::new("payment.transaction_id", rule));
            }
            let currency = payment.amount.currency();
            if let Some(taken) = can.currencies.as_ref().filter(|taken| !taken.contains(&currency)) {
                let codes: Vec<_> = taken.iter().map(|c| c.code()).collect();
                let rule = format!("the account takes {}", codes.join(", "));
                faults.push(FieldFault::new("payment.amount.currency_code", rule));
            }
            for (name, given) in [
                ("captured_amount", content.captured_amount),
                ("expected_remaining", content.expected_remaining),
            ] {
                if given.is_some_and(|money| money.currency() != currency) {
                    let rule = format!("must be in {currency}, as payment.amount");
                    faults.push(FieldFault::new(format!("{name}.currency_code"), rule));
                }
            }
        }
        (Target::Esims(_), TargetShape::Esims) => {
            for (name, given) in [
                ("captured_amount", content.captured_amount),
                ("expected_remaining", content.expected_remaining),
            ] {
                if given.is_some() {
                    faults.push(FieldFault::new(name, "eSIMs have no amount: leave it unset"));
                }
            }
        }
    }
    faults.extend(reason_faults(account, content));
    faults.extend(time_faults(content, now));
    faults
}

/// What a provider with reasons of its own does not take.
fn reason_faults(account: &Account, content: &Content) -> Vec<FieldFault> {
    let Some(own) = &account.capabilities.reasons else { return Vec::new() };
    let provider = account.identity.provider;
    let theirs = content.provider_reason.as_deref();
    let mut faults = Vec::new();
    if theirs.is_some_and(|theirs| !own.words.contains(&theirs)) {
        let rule = format!("must be a reason of {provider}'s: {}", own.words.join(", "));
        faults.push(FieldFault::new("provider_reason", rule));
    }
    let wants_notes = match theirs {
        Some(theirs) => theirs == own.needs_notes,
        None => own.canonical_need_notes.contains(&content.reason),
    };
    if wants_notes && content.notes.as_deref().is_none_or(|notes| notes.trim().is_empty()) {
        let rule = format!("{provider} takes the reason {} only with notes that say which", own.needs_notes);
        faults.push(FieldFault::new("notes", rule));
    }
    faults
}

fn time_faults(content: &Content, now: Timestamp) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if content.purchase_time.is_some_and(|at| at > now) {
        faults.push(FieldFault::new("purchase_time", "must not be in the future"));
    }
    if content.send_before.is_some_and(|at| at <= now) {
        faults.push(FieldFault::new("send_before", "must be in the future"));
    }
    if let (Some(from), Some(until)) = (content.not_before, content.send_before)
        && from >= until
    {
        faults.push(FieldFault::new("not_before", "must be before send_before"));
    }
    faults
}

/// The form of an order id at its provider: `^\d+$` is what Afterpay's own library enforces, 50 characters
/// the length in Worldline's schema.
fn order_id_rule(provider: ProviderKind, order_id: &str) -> Option<String> {
    match provider {
        ProviderKind::Afterpay => {
            let fine =
                order_id.len() <= AFTERPAY_ORDER_DIGITS_MAX && order_id.bytes().all(|b| b.is_ascii_digit());
            (!fine).then(|| format!("Afterpay's order ids are 1 to {AFTERPAY_ORDER_DIGITS_MAX} digits"))
        }
        ProviderKind::Worldline => {
            let fine = order_id.chars().count() <= WORLDLINE_ORDER_CHARS_MAX;
            (!fine)
                .then(|| format!("Worldline's order ids have at most {WORLDLINE_ORDER_CHARS_MAX} characters"))
        }
        ProviderKind::Airalo | ProviderKind::Moyasar => None,
    }
}

/// Whether a text is a positive 64-bit number as it is printed.
fn is_long(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number > 0 && number.to_string() == text)
}
