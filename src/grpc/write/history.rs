//! What happened to a refund, and what people are told of it, as messages.

use tonic::Status;
use tonic_types::StatusExt;

use super::{amount, duration, failure_of, money, state, time, wait};
use crate::domain::attempt::Attempt;
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::Event;
use crate::domain::history::Decision;
use crate::domain::money::Money;
use crate::domain::refund::StateKind;
use crate::grpc::{proto, status};
use crate::service::Validated;

pub(super) fn event(event: Event, of: Option<Money>) -> proto::StatusEvent {
    let minor = event.success.as_ref().and_then(|s| s.amount_minor);
    proto::StatusEvent {
        sequence: event.sequence,
        previous_state: event.previous.map_or(proto::refund::State::Unspecified, state).into(),
        state: state(event.state).into(),
        failure: event.failure.as_ref().map(failure_of),
        amount_succeeded: amount(minor, of.map(Money::currency)),
        provider_refund_id: event.success.and_then(|s| s.provider_refund_id).unwrap_or_default(),
        note: event.note.unwrap_or_default(),
        actor: event.actor.name,
        trace_id: event.actor.trace_id.unwrap_or_default(),
        time: Some(time(event.time)),
    }
}

pub(super) fn attempt(attempt: Attempt) -> proto::Attempt {
    let end = attempt.end;
    let evidence = end.as_ref().map(|e| e.evidence.clone()).unwrap_or_default();
    proto::Attempt {
        attempt_id: attempt.id.to_string(),
        kind: attempt.kind.word().to_owned(),
        start_time: Some(time(attempt.started)),
        end_time: end.as_ref().map(|e| time(e.ended)),
        duration: end.as_ref().map(|e| duration(e.took)),
        late: end.as_ref().is_some_and(|e| e.late),
        outcome: end.map(|e| e.outcome).unwrap_or_default(),
        failure_phase: evidence.phase.map(|p| p.word().to_owned()).unwrap_or_default(),
        http_status: evidence.http_status.map_or(0, i32::from),
        provider_code: evidence.provider_code.unwrap_or_default(),
        provider_text: evidence.provider_text.unwrap_or_default(),
        correlation_id: evidence.correlation_id.unwrap_or_default(),
        trace_id: attempt.trace_id.unwrap_or_default(),
        preflight: attempt.preflight.unwrap_or_default(),
    }
}

/// What a person decided; `of` is the amount of the refund.
pub(super) fn decision(decision: Decision, of: Option<Money>) -> proto::Decision {
    let outcome = |kind: Option<StateKind>| kind.map_or(proto::refund::State::Unspecified, state);
    proto::Decision {
        kind: decision.kind.word().to_owned(),
        actor: decision.actor.name,
        time: Some(time(decision.time)),
        trace_id: decision.actor.trace_id.unwrap_or_default(),
        outcome: outcome(decision.outcome).into(),
        amount_succeeded: amount(decision.amount_minor, of.map(Money::currency)),
        provider_refund_id: decision.provider_refund_id.unwrap_or_default(),
        evidence: decision.evidence.unwrap_or_default(),
        note: decision.note.unwrap_or_default(),
        retried_as: decision.retried_as.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// Money that moved although it should not have.
pub(in crate::grpc) fn discrepancy(discrepancy: Discrepancy) -> proto::Discrepancy {
    let (close_time, closed_by, close_note) = match discrepancy.closed {
        None => (None, String::new(), String::new()),
        Some(closing) => (Some(time(closing.time)), closing.by, closing.note),
    };
    proto::Discrepancy {
        discrepancy_id: format!("{}:{}", discrepancy.refund_id, discrepancy.number),
        refund_id: discrepancy.refund_id.to_string(),
        account: discrepancy.account.as_str().to_owned(),
        amount: amount(discrepancy.amount_minor, discrepancy.currency),
        provider_refund_id: discrepancy.provider_refund_id.unwrap_or_default(),
        open_time: Some(time(discrepancy.opened)),
        close_time,
        closed_by,
        close_note,
    }
}

/// An error as a part of an answer.
pub(in crate::grpc) fn refusal(status: &Status) -> proto::Refusal {
    let details = status.get_error_details();
    let info = details.error_info().cloned();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let violation =
        |v: tonic_types::FieldViolation| proto::FieldViolation { field: v.field, description: v.description };
    proto::Refusal {
        code: i32::from(status.code()),
        reason: info.as_ref().map(|info| info.reason.clone()).unwrap_or_default(),
        message: status.message().to_owned(),
        metadata: info.map(|info| info.metadata).unwrap_or_default(),
        field_violations: violations.into_iter().map(violation).collect(),
        retry_delay: details.retry_info().and_then(|retry| retry.retry_delay).map(duration),
    }
}

/// What would become of a refund.
pub(in crate::grpc) fn validated(validated: Validated) -> proto::ValidateRefundResponse {
    let (existing, refused) = match validated.verdict {
        Ok(existing) => (existing, None),
        Err(error) => (None, Some(refusal(&status::of(error)))),
    };
    proto::ValidateRefundResponse {
        accepted: refused.is_none(),
        refusal: refused,
        existing: existing.map(super::refund),
        remaining: validated.remaining.map(money),
        person_reviews: validated.person_reviews,
        earliest_send_time: validated.waiting.and_then(|waiting| waiting.send_time).map(time),
        waits_for: wait(validated.waiting.map(|waiting| waiting.wait)).into(),
    }
}
