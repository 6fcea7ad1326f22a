//! Wire in: which refunds to list.

use crate::domain::account::ProviderKind;
use crate::domain::free_text::{METADATA_KEY_BYTES_MAX, METADATA_VALUE_BYTES_MAX};
use crate::domain::id::{AccountName, CallerName, Iccid, OrderId};
use crate::domain::query::{Label, Query};
use crate::domain::refund::StateKind;
use crate::domain::{Rule, free_text};
use crate::service::{FieldFault, Filter, Paging};

use super::{Faults, proto, time};

/// Reads what to list, and which page of it.
///
/// # Errors
/// Every fault of every field.
pub(in crate::grpc) fn list(request: proto::ListRefundsRequest) -> Result<(Filter, Paging), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let account = given(&mut faults, "account", &request.account, AccountName::parse);
    let provider = given(&mut faults, "provider", &request.provider, provider);
    let order_id = given(&mut faults, "order_id", &request.order_id, OrderId::parse);
    if request.account.is_empty() && !request.order_id.is_empty() {
        faults.add("account", "must be given with order_id, which means something at its merchant alone");
    }
    let iccid = given(&mut faults, "iccid", &request.iccid, Iccid::parse);
    let states = states(&mut faults, &request.states);
    let created_from = time(&mut faults, "create_time_from", request.create_time_from);
    let created_until = time(&mut faults, "create_time_until", request.create_time_until);
    if created_from.zip(created_until).is_some_and(|(from, until)| from >= until) {
        faults.add("create_time_until", "must be after create_time_from");
    }
    let label = label(&mut faults, request.metadata_key, request.metadata_value);
    let caller = given(&mut faults, "caller", &request.caller, CallerName::parse);
    let paging = page(&mut faults, request.page_size, &request.page_token);
    let query = Query {
        caller,
        account,
        provider,
        order: None,
        provider_refund_id: Some(request.provider_refund_id).filter(|id| !id.is_empty()),
        iccid,
        states,
        created_from,
        created_until,
        label,
    };
    match paging {
        Some(paging) if faults.0.is_empty() => Ok((Filter { query, order_id }, paging)),
        Some(_) | None => Err(faults.0),
    }
}

/// Reads of which account to list what is overdue, and which page of it.
///
/// # Errors
/// Every fault of every field.
pub(in crate::grpc) fn overdue(
    request: &proto::ListOverdueRequest,
) -> Result<(Option<AccountName>, Paging), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let account = given(&mut faults, "account", &request.account, AccountName::parse);
    match page(&mut faults, request.page_size, &request.page_token) {
        Some(paging) if faults.0.is_empty() => Ok((account, paging)),
        Some(_) | None => Err(faults.0),
    }
}

/// Reads which account to tell of.
///
/// # Errors
/// The fault of the name.
pub(in crate::grpc) fn account_name(name: &str) -> Result<AccountName, Vec<FieldFault>> {
    AccountName::parse(name).map_err(|rule| vec![FieldFault::new("name", rule.0)])
}

pub(super) fn page(faults: &mut Faults, size: i32, token: &str) -> Option<Paging> {
    Paging::read(size, token).map_err(|of_page| faults.0.extend(of_page)).ok()
}

/// A filter that narrows unless it is empty.
pub(super) fn given<T>(
    faults: &mut Faults,
    field: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, Rule>,
) -> Option<T> {
    if text.is_empty() { None } else { faults.take(field, parse(text)) }
}

fn provider(word: &str) -> Result<ProviderKind, Rule> {
    ProviderKind::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = ProviderKind::ALL.iter().map(|provider| provider.word()).collect();
        Rule::new(format!("must be one of {}", words.join(", ")))
    })
}

fn states(faults: &mut Faults, wire: &[i32]) -> Vec<StateKind> {
    let mut states = Vec::new();
    for (i, state) in wire.iter().enumerate() {
        match proto::refund::State::try_from(*state).ok().and_then(state_kind) {
            Some(state) if states.contains(&state) => {}
            Some(state) => states.push(state),
            None => faults.add(format!("states[{i}]"), "must be one of Refund.State, and not unspecified"),
        }
    }
    states
}

fn state_kind(state: proto::refund::State) -> Option<StateKind> {
    use proto::refund::State as Wire;
    Some(match state {
        Wire::Unspecified => return None,
        Wire::Pending => StateKind::Pending,
        Wire::Sending => StateKind::Sending,
        Wire::Unknown => StateKind::Unknown,
        Wire::InReview => StateKind::InReview,
        Wire::Succeeded => StateKind::Succeeded,
        Wire::PartiallySucceeded => StateKind::PartiallySucceeded,
        Wire::Failed => StateKind::Failed,
        Wire::Canceled => StateKind::Canceled,
        Wire::Reversed => StateKind::Reversed,
    })
}

/// No entry of metadata is longer, or holds what these may not.
fn label(faults: &mut Faults, key: String, value: String) -> Option<Label> {
    if key.is_empty() && value.is_empty() {
        return None;
    }
    for (field, text, other, bytes_max) in [
        ("metadata_key", &key, "metadata_value", METADATA_KEY_BYTES_MAX),
        ("metadata_value", &value, "metadata_key", METADATA_VALUE_BYTES_MAX),
    ] {
        if text.is_empty() {
            faults.add(field, format!("must be given with {other}"));
        } else if text.len() > bytes_max {
            faults.add(field, format!("must have at most {bytes_max} bytes"));
        } else {
            faults.take(field, free_text::check(text, bytes_max));
        }
    }
    Some(Label { key, value })
}
