//! What operators send.

use super::list::{given, page};
use super::{Faults, money, text, time};
use crate::domain::id::{AccountName, RefundId, RequestId};
use crate::domain::money::Money;
use crate::domain::refund::Trace;
use crate::domain::ruling::Outcome;
use crate::domain::timestamp::Timestamp;
use crate::grpc::proto;
use crate::service::{FieldFault, Paging, Resolution, Retry};

/// Characters of evidence and notes.
const TEXT_CHARS_MAX: usize = 1_000;
/// Characters of a provider's reference.
const REFERENCE_CHARS_MAX: usize = 255;
/// Resolutions in one call.
const BATCH_MAX: usize = 100;

/// Reads what became of a refund.
///
/// # Errors
/// Every fault of every field.
pub(in crate::grpc) fn resolution(
    request: proto::ResolveRefundRequest,
) -> Result<Resolution, Vec<FieldFault>> {
    let mut faults = Faults::default();
    let refund_id = faults.take("refund_id", RefundId::parse(&request.refund_id));
    let amount = request.amount_succeeded.and_then(|wire| money(&mut faults, "amount_succeeded", &wire));
    let reference = text(&mut faults, "provider_refund_id", request.provider_refund_id, REFERENCE_CHARS_MAX);
    let outcome = outcome(&mut faults, request.outcome, amount, reference);
    let evidence = needed(&mut faults, "evidence", &request.evidence);
    let note = needed(&mut faults, "note", &request.note);
    match (refund_id, outcome, evidence, note) {
        (Some(refund_id), Some(outcome), Some(evidence), Some(note)) if faults.0.is_empty() => {
            Ok(Resolution { refund_id, outcome, amount, evidence, note })
        }
        (_, _, _, _) => Err(faults.0),
    }
}

fn outcome(
    faults: &mut Faults,
    wire: i32,
    amount: Option<Money>,
    provider_refund_id: Option<String>,
) -> Option<Outcome> {
    let amount_minor = amount.map(Money::minor);
    let nothing_went_back = |faults: &mut Faults, outcome| {
        if amount.is_some() {
            faults.add("amount_succeeded", "must be unset for this outcome");
        }
        Some(outcome)
    };
    match proto::Outcome::try_from(wire) {
        Ok(proto::Outcome::Succeeded) => Some(Outcome::Succeeded { amount_minor, provider_refund_id }),
        Ok(proto::Outcome::PartiallySucceeded) => {
            Some(Outcome::PartiallySucceeded { amount_minor, provider_refund_id })
        }
        Ok(proto::Outcome::Failed) => nothing_went_back(faults, Outcome::Failed),
        Ok(proto::Outcome::Reversed) => nothing_went_back(faults, Outcome::Reversed),
        Ok(proto::Outcome::Unspecified) | Err(_) => {
            faults.add("outcome", "must say what became of the refund");
            None
        }
    }
}

/// The resolutions of a batch, each read on its own.
///
/// # Errors
/// When there are none, too many, or two of one refund.
pub(in crate::grpc) fn batch(
    request: proto::BatchResolveRefundsRequest,
) -> Result<Vec<proto::ResolveRefundRequest>, Vec<FieldFault>> {
    let requests = request.requests;
    if requests.is_empty() || requests.len() > BATCH_MAX {
        return Err(vec![FieldFault::new("requests", format!("must be 1 to {BATCH_MAX}"))]);
    }
    let twice = |(place, one): (usize, &proto::ResolveRefundRequest)| {
        let before = requests.iter().take(place).any(|other| other.refund_id == one.refund_id);
        before.then(|| FieldFault::new(format!("requests[{place}].refund_id"), "must not stand there twice"))
    };
    let faults: Vec<_> = requests.iter().enumerate().filter_map(twice).collect();
    if faults.is_empty() { Ok(requests) } else { Err(faults) }
}

/// Reads what to try again.
pub(in crate::grpc) fn retry(
    request: proto::RetryRefundRequest,
    trace: Option<Trace>,
) -> Result<Retry, Vec<FieldFault>> {
    let mut faults = Faults::default();
    let request_id = faults.take("request_id", RequestId::parse(&request.request_id));
    let refund_id = faults.take("refund_id", RefundId::parse(&request.refund_id));
    let amount = request.amount.and_then(|wire| money(&mut faults, "amount", &wire));
    let given = Some(request.evidence).filter(|given| !given.trim().is_empty()).unwrap_or_default();
    let evidence = text(&mut faults, "evidence", given, TEXT_CHARS_MAX);
    let note = needed(&mut faults, "note", &request.note);
    match (request_id, refund_id, note) {
        (Some(request_id), Some(refund_id), Some(note)) if faults.0.is_empty() => {
            Ok(Retry { request_id, refund_id, amount, evidence, note, trace })
        }
        (_, _, _) => Err(faults.0),
    }
}

/// Reads which refund is to be looked at, and why.
pub(in crate::grpc) fn check(
    request: proto::CheckRefundRequest,
) -> Result<(RefundId, Option<String>), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let refund_id = faults.take("refund_id", RefundId::parse(&request.refund_id));
    let note = text(&mut faults, "note", request.note, TEXT_CHARS_MAX);
    match refund_id {
        Some(refund_id) if faults.0.is_empty() => Ok((refund_id, note)),
        Some(_) | None => Err(faults.0),
    }
}

/// Reads which account is to be held up, why, and until when.
pub(in crate::grpc) fn pause(
    request: &proto::PauseAccountRequest,
) -> Result<(AccountName, String, Option<Timestamp>), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let account = faults.take("account", AccountName::parse(&request.account));
    let note = needed(&mut faults, "note", &request.note);
    let until = time(&mut faults, "until", request.until);
    match (account, note) {
        (Some(account), Some(note)) if faults.0.is_empty() => Ok((account, note, until)),
        (_, _) => Err(faults.0),
    }
}

/// Reads which account is to go on, and why.
pub(in crate::grpc) fn resume(
    request: &proto::ResumeAccountRequest,
) -> Result<(AccountName, String, bool), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let account = faults.take("account", AccountName::parse(&request.account));
    let note = needed(&mut faults, "note", &request.note);
    match (account, note) {
        (Some(account), Some(note)) if faults.0.is_empty() => Ok((account, note, request.key_heeded)),
        (_, _) => Err(faults.0),
    }
}

/// Reads which discrepancies to list: of which account, open ones alone or all, and which page.
pub(in crate::grpc) fn discrepancies(
    request: &proto::ListDiscrepanciesRequest,
) -> Result<(Option<AccountName>, bool, Paging), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let account = given(&mut faults, "account", &request.account, AccountName::parse);
    match page(&mut faults, request.page_size, &request.page_token) {
        Some(paging) if faults.0.is_empty() => Ok((account, !request.include_closed, paging)),
        Some(_) | None => Err(faults.0),
    }
}

/// Reads which discrepancy is settled, and how.
pub(in crate::grpc) fn close(
    request: &proto::CloseDiscrepancyRequest,
) -> Result<(RefundId, i64, String), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let id = request.discrepancy_id.split_once(':').and_then(|(id, number)| {
        Some((RefundId::parse(id).ok()?, number.parse().ok().filter(|number: &i64| *number >= 1)?))
    });
    if id.is_none() {
        faults.add("discrepancy_id", "must be the id of a refund, a colon and a number");
    }
    let note = needed(&mut faults, "note", &request.note);
    match (id, note) {
        (Some((id, number)), Some(note)) if faults.0.is_empty() => Ok((id, number, note)),
        (_, _) => Err(faults.0),
    }
}

fn needed(faults: &mut Faults, field: &str, given: &str) -> Option<String> {
    let read = text(faults, field, given.to_owned(), TEXT_CHARS_MAX);
    if given.trim().is_empty() {
        faults.add(field, "must be given");
        return None;
    }
    read
}
