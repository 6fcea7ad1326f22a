//! Wire out: what the domain holds as messages.

mod account;

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp as WireTime};

use crate::domain::content::Target;
use crate::domain::money::{Currency, Money};
use crate::domain::reason::{FailureReason, Reason};
use crate::domain::refund::{Failure, Item, ItemState, Refund, State, StateKind, Success, Wait};
use crate::domain::timestamp::Timestamp;
use crate::service::{Got, Waiting, WatchItem, Watched};

use super::proto;

pub(super) use account::account;
mod history;

use history::event;
pub(super) use history::{discrepancy, refusal, validated};

/// A refund that is read alone: with its place in the queue.
pub(super) fn waiting_refund(refund: Refund, waiting: Option<Waiting>) -> proto::Refund {
    let mut wire = self::refund(refund);
    if let Some(waiting) = waiting {
        wire.queue_place = i64::try_from(waiting.place).unwrap_or(i64::MAX);
        wire.estimated_send_time = waiting.send_time.map(time);
        wire.waits_for = wait(Some(waiting.wait)).into();
    }
    wire
}

/// A refund.
pub(super) fn refund(refund: Refund) -> proto::Refund {
    let (failure, success) = outcome(&refund.state);
    let provider_refund_id = refund.state.provider_refund_id().unwrap_or_default().to_owned();
    let content = refund.content;
    let currency = content.payment().map(|p| p.amount.currency());
    let amount_succeeded = amount(success.and_then(|s| s.amount_minor), currency);
    let items = refund.items.into_iter().map(|part| item(part, currency)).collect();
    proto::Refund {
        refund_id: refund.id.to_string(),
        request_id: refund.request_id.as_str().to_owned(),
        caller: refund.caller.as_str().to_owned(),
        account: content.account.as_str().to_owned(),
        provider: refund.identity.provider.word().to_owned(),
        state: state(refund.state.kind()).into(),
        failure: failure.map(failure_of),
        amount_succeeded,
        provider_refund_id,
        provider_complete_time: success.and_then(|s| s.completed).map(time),
        provider_key: refund.key.to_string(),
        waits_for: wait(refund.state.wait()).into(),
        next_check_time: refund.due.map(time),
        overdue_time: refund.overdue.map(time),
        sequence: refund.sequence,
        send_count: i32::try_from(refund.sends).unwrap_or(i32::MAX),
        create_time: Some(time(refund.create_time)),
        update_time: Some(time(refund.update_time)),
        first_sent_time: first_sent(&refund.state).map(time),
        send_before: Some(time(refund.send_before)),
        target: Some(target(content.target)),
        reason: reason(content.reason).into(),
        provider_reason: content.provider_reason.unwrap_or_default(),
        notes: content.notes.unwrap_or_default(),
        email: content.email.unwrap_or_default(),
        metadata: content.metadata.into_iter().collect(),
        purchase_time: content.purchase_time.map(time),
        not_before: content.not_before.map(time),
        captured_amount: content.captured_amount.map(money),
        expected_remaining: content.expected_remaining.map(money),
        items,
        retry_of: content.retry_of.map(|id| id.to_string()).unwrap_or_default(),
        queue_place: 0,
        estimated_send_time: None,
        amount_freed: refund.freed,
    }
}

/// A refund as read, with its history if it was asked for.
pub(super) fn got(got: Got) -> proto::GetRefundResponse {
    let amount = got.refund.content.payment().map(|p| p.amount);
    let head = got.refund.history;
    let history = got.history.unwrap_or_default();
    proto::GetRefundResponse {
        refund: Some(waiting_refund(got.refund, got.waiting)),
        events: history.events.into_iter().map(|e| event(e, amount)).collect(),
        attempts: history.attempts.into_iter().map(history::attempt).collect(),
        decisions: history.decisions.into_iter().map(|d| history::decision(d, amount)).collect(),
        discrepancies: history.discrepancies.into_iter().map(discrepancy).collect(),
        retried_as: got.retried_as.iter().map(ToString::to_string).collect(),
        history_number: head.number,
        history_hash: if head.number == 0 { String::new() } else { head.hash.to_string() },
    }
}

/// A message of a stream.
pub(super) fn watched(watched: Watched) -> proto::StreamRefundStatusResponse {
    use proto::stream_refund_status_response::Message;
    let message = match watched.item {
        WatchItem::Snapshot(snapshot) => {
            Message::Snapshot(proto::SnapshotItem { refund: Some(refund(*snapshot)) })
        }
        WatchItem::SnapshotEnd => Message::SnapshotEnd(proto::SnapshotEnd {}),
        WatchItem::Change(change) => Message::Status(proto::StatusChange {
            refund_id: change.refund_id.to_string(),
            event: Some(event(*change, watched.amount)),
        }),
        WatchItem::Heartbeat(now) => Message::Heartbeat(proto::Heartbeat { time: Some(time(now)) }),
    };
    proto::StreamRefundStatusResponse { message: Some(message), resume_token: watched.token.encode() }
}

fn outcome(state: &State) -> (Option<&Failure>, Option<&Success>) {
    match state {
        State::Failed(failure) => (Some(failure), None),
        State::Unknown { doubt, .. } => (doubt.refusal.as_ref().map(|r| &r.failure), None),
        State::Succeeded(success) | State::PartiallySucceeded(success) | State::Reversed(success) => {
            (None, Some(success))
        }
        State::Pending { .. } | State::Sending { .. } | State::InReview { .. } | State::Canceled => {
            (None, None)
        }
    }
}

fn first_sent(state: &State) -> Option<Timestamp> {
    match (state, state.doubt()) {
        (_, Some(doubt)) => Some(doubt.first_sent),
        (State::Sending { started, .. }, None) => Some(*started),
        (_, None) => None,
    }
}

fn target(target: Target) -> proto::refund::Target {
    match target {
        Target::Payment(payment) => proto::refund::Target::Payment(proto::Payment {
            order_id: payment.order_id.as_str().to_owned(),
            transaction_id: payment.transaction_id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            amount: Some(money(payment.amount)),
        }),
        Target::Esims(iccids) => proto::refund::Target::Esims(proto::Esims {
            iccids: iccids.into_iter().map(|iccid| iccid.as_str().to_owned()).collect(),
        }),
    }
}

fn item(item: Item, currency: Option<Currency>) -> proto::Item {
    use proto::item::State as Wire;
    let state = match item.state {
        ItemState::Pending => Wire::Pending,
        ItemState::Succeeded => Wire::Succeeded,
        ItemState::Failed => Wire::Failed,
    };
    proto::Item {
        item_id: item.id,
        state: state.into(),
        amount: amount(item.amount_minor, currency),
        provider_code: item.provider_code.unwrap_or_default(),
    }
}

fn failure_of(failure: &Failure) -> proto::Failure {
    proto::Failure {
        reason: failure_reason(failure.reason).into(),
        provider_code: failure.provider_code.clone().unwrap_or_default(),
        text: failure.text.clone().unwrap_or_default(),
    }
}

/// An amount where both parts of it are known; eSIMs have no currency.
fn amount(minor: Option<i64>, currency: Option<Currency>) -> Option<proto::Money> {
    let (minor, currency) = minor.zip(currency)?;
    Money::new(currency, minor).ok().map(money)
}

fn money(money: Money) -> proto::Money {
    proto::Money { currency_code: money.currency().code().to_owned(), amount_minor: money.minor() }
}

fn time(at: Timestamp) -> WireTime {
    let micros = at.micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    WireTime { seconds: micros.div_euclid(1_000_000), nanos }
}

fn duration(span: Duration) -> WireDuration {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    WireDuration { seconds, nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0) }
}

fn state(kind: StateKind) -> proto::refund::State {
    use proto::refund::State as Wire;
    match kind {
        StateKind::Pending => Wire::Pending,
        StateKind::Sending => Wire::Sending,
        StateKind::Unknown => Wire::Unknown,
        StateKind::InReview => Wire::InReview,
        StateKind::Succeeded => Wire::Succeeded,
        StateKind::PartiallySucceeded => Wire::PartiallySucceeded,
        StateKind::Failed => Wire::Failed,
        StateKind::Canceled => Wire::Canceled,
        StateKind::Reversed => Wire::Reversed,
    }
}

fn wait(wait: Option<Wait>) -> proto::Wait {
    match wait {
        None => proto::Wait::Unspecified,
        Some(Wait::Turn) => proto::Wait::Turn,
        Some(Wait::Slot) => proto::Wait::Slot,
        Some(Wait::Order) => proto::Wait::Order,
        Some(Wait::AccountBlocked) => proto::Wait::AccountBlocked,
        Some(Wait::AccountPaused) => proto::Wait::AccountPaused,
        Some(Wait::Breaker) => proto::Wait::Breaker,
        Some(Wait::NotBefore) => proto::Wait::NotBefore,
        Some(Wait::Backoff) => proto::Wait::Backoff,
        Some(Wait::Answer) => proto::Wait::Answer,
        Some(Wait::Check) => proto::Wait::Check,
        Some(Wait::Review) => proto::Wait::Review,
        Some(Wait::Person) => proto::Wait::Person,
    }
}

fn reason(reason: Reason) -> proto::Reason {
    match reason {
        Reason::Unspecified => proto::Reason::Unspecified,
        Reason::RequestedByCustomer => proto::Reason::RequestedByCustomer,
        Reason::NotDelivered => proto::Reason::NotDelivered,
        Reason::Defective => proto::Reason::Defective,
        Reason::WrongPurchase => proto::Reason::WrongPurchase,
        Reason::Canceled => proto::Reason::Canceled,
        Reason::Duplicate => proto::Reason::Duplicate,
        Reason::Overcharged => proto::Reason::Overcharged,
        Reason::Fraudulent => proto::Reason::Fraudulent,
        Reason::InstallationFailure => proto::Reason::InstallationFailure,
        Reason::NoCoverage => proto::Reason::NoCoverage,
        Reason::PoorService => proto::Reason::PoorService,
        Reason::IncompatibleDevice => proto::Reason::IncompatibleDevice,
        Reason::Other => proto::Reason::Other,
    }
}

fn failure_reason(reason: FailureReason) -> proto::FailureReason {
    use proto::FailureReason as Wire;
    match reason {
        FailureReason::AmountExceedsRefundable => Wire::AmountExceedsRefundable,
        FailureReason::RemainingChanged => Wire::RemainingChanged,
        FailureReason::CurrencyMismatch => Wire::CurrencyMismatch,
        FailureReason::OrderNotFound => Wire::OrderNotFound,
        FailureReason::OrderNotRefundable => Wire::OrderNotRefundable,
        FailureReason::RefundWindowExpired => Wire::RefundWindowExpired,
        FailureReason::RequestRejected => Wire::RequestRejected,
        FailureReason::Declined => Wire::Declined,
        FailureReason::SendBeforePassed => Wire::SendBeforePassed,
        FailureReason::ResolvedByOperator => Wire::ResolvedByOperator,
    }
}
