//! A refund as a row of `refunds`.

use sea_orm::ActiveValue::Set;

use super::content::{content_of, iccids_json, metadata_json};
use super::{Reading, micros_of, parts, span_micros, span_of, time_of};
use crate::domain::account::{AccountIdentity, ProviderKind};
use crate::domain::history::{Hash, Head};
use crate::domain::id::{AccountName, AttemptId, CallerName, ProviderKey, RefundId, RequestId};
use crate::domain::money::Money;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Doubt, Failure, Refund, Refusal, State, StateKind, Success, Trace, Wait};
use crate::domain::timestamp::Timestamp;
use crate::store::Error;
use crate::store::row::{Holder, Row};
use crate::store::sql::entity::refund::{ActiveModel, Model};

impl TryFrom<Model> for Row {
    type Error = Error;

    fn try_from(model: Model) -> Result<Self, Error> {
        let at = Reading::new("refunds", &model.id);
        let state = state_of(&at, &model)?;
        let history = head_of(&at, &model)?;
        let refund = Refund {
            id: RefundId(model.id),
            caller: at.need("caller", CallerName::parse(&model.caller).ok())?,
            request_id: at.need("request_id", RequestId::parse(&model.request_id).ok())?,
            content: content_of(&at, &model)?,
            identity: AccountIdentity {
                name: at.need("account", AccountName::parse(&model.account).ok())?,
                provider: at.need("provider", ProviderKind::from_word(&model.provider))?,
                merchant: model.merchant,
                base_url: model.base_url,
            },
            key: ProviderKey(model.provider_key),
            send_before: Timestamp::from_micros(model.send_before_us),
            state,
            sequence: model.sequence,
            sends: at.count("sends", model.sends)?,
            baseline: at.may("baseline", model.baseline.as_ref(), parts::baseline_of)?.unwrap_or_default(),
            items: at.may("items", model.items.as_ref(), parts::items_of)?.unwrap_or_default(),
            alone: model.alone,
            idle_steps: at.count("idle_steps", model.idle_steps)?,
            due: time_of(model.planned_us),
            overdue: time_of(model.overdue_us),
            follow: time_of(model.follow_us),
            freed: model.freed,
            history,
            create_time: Timestamp::from_micros(model.created_us),
            update_time: Timestamp::from_micros(model.updated_us),
            trace: model.trace_parent.map(|parent| Trace { parent, state: model.trace_state }),
        };
        Ok(Self {
            refund,
            due: time_of(model.due_us),
            held: model
                .lease_worker
                .map(|worker| Holder { worker, length: span_of(model.lease_length_us.unwrap_or(0)) }),
            token: model.lease_token,
        })
    }
}

fn head_of(at: &Reading, model: &Model) -> Result<Head, Error> {
    let hash = at.may("history_hash", model.history_hash.as_deref(), Hash::parse)?;
    Ok(Head { number: model.history_number, hash: hash.unwrap_or_default() })
}

fn state_of(at: &Reading, model: &Model) -> Result<State, Error> {
    let kind = at.need("state", StateKind::from_word(&model.state))?;
    let wait = || at.need("wait", model.wait.as_deref().and_then(Wait::from_word));
    let doubt = doubt_of(at, model)?;
    let success = || Success {
        amount_minor: model.success_minor,
        provider_refund_id: model.provider_refund_id.clone(),
        completed: time_of(model.completed_us),
        items: Vec::new(),
    };
    Ok(match kind {
        StateKind::Pending => State::Pending { wait: wait()? },
        StateKind::Sending => State::Sending {
            attempt: AttemptId(at.need("attempt_id", model.attempt_id)?),
            started: at.need("sending_us", time_of(model.sending_us))?,
            earlier: doubt,
        },
        StateKind::Unknown => State::Unknown { wait: wait()?, doubt: at.need("first_sent_us", doubt)? },
        StateKind::InReview => State::InReview {
            reference: model.review_reference.clone(),
            doubt: at.need("first_sent_us", doubt)?,
        },
        StateKind::Succeeded => State::Succeeded(success()),
        StateKind::PartiallySucceeded => State::PartiallySucceeded(success()),
        StateKind::Failed => {
            let reason = model.failure_reason.as_deref();
            State::Failed(Failure {
                reason: at.need("failure_reason", reason.and_then(FailureReason::from_word))?,
                provider_code: model.failure_code.clone(),
                text: model.failure_text.clone(),
            })
        }
        StateKind::Canceled => State::Canceled,
        StateKind::Reversed => State::Reversed(success()),
    })
}

fn doubt_of(at: &Reading, model: &Model) -> Result<Option<Doubt>, Error> {
    let Some(first_sent) = time_of(model.first_sent_us) else {
        return Ok(None);
    };
    let reason = at.may("refusal_reason", model.refusal_reason.as_deref(), FailureReason::from_word)?;
    let refusal = match reason {
        None => None,
        Some(reason) => Some(Refusal {
            failure: Failure {
                reason,
                provider_code: model.refusal_code.clone(),
                text: model.refusal_text.clone(),
            },
            time: at.need("refusal_us", time_of(model.refusal_us))?,
        }),
    };
    let checks = at.need("checks", model.checks)?;
    Ok(Some(Doubt { first_sent, refusal, checks: at.count("checks", checks)? }))
}

/// The whole row, to be inserted.
pub(in crate::store::sql) fn whole(row: &Row) -> ActiveModel {
    let refund = &row.refund;
    let content = &refund.content;
    let payment = content.payment();
    let captured = content.captured_amount;
    let expected = content.expected_remaining;
    ActiveModel {
        id: Set(refund.id.0),
        caller: Set(refund.caller.as_str().to_owned()),
        request_id: Set(refund.request_id.as_str().to_owned()),
        account: Set(refund.identity.name.as_str().to_owned()),
        provider: Set(refund.identity.provider.word().to_owned()),
        merchant: Set(refund.identity.merchant.clone()),
        base_url: Set(refund.identity.base_url.clone()),
        provider_key: Set(refund.key.0),
        order_key: Set(refund.order_key()),
        order_id: Set(payment.map(|p| p.order_id.as_str().to_owned())),
        transaction_id: Set(payment.and_then(|p| Some(p.transaction_id.as_ref()?.as_str().to_owned()))),
        currency: Set(payment.map(|p| p.amount.currency().code().to_owned())),
        amount_minor: Set(payment.map(|p| p.amount.minor())),
        iccids: Set(iccids_json(&content.target)),
        reason: Set(content.reason.word().to_owned()),
        provider_reason: Set(content.provider_reason.clone()),
        notes: Set(content.notes.clone()),
        email: Set(content.email.clone()),
        metadata: Set(metadata_json(&content.metadata)),
        purchased_us: Set(micros_of(content.purchase_time)),
        captured_currency: Set(captured.map(|m| m.currency().code().to_owned())),
        captured_minor: Set(captured.map(Money::minor)),
        expected_currency: Set(expected.map(|m| m.currency().code().to_owned())),
        expected_minor: Set(expected.map(Money::minor)),
        not_before_us: Set(micros_of(content.not_before)),
        asked_send_before_us: Set(micros_of(content.send_before)),
        retry_of: Set(content.retry_of.map(|id| id.0)),
        trace_parent: Set(refund.trace.as_ref().map(|t| t.parent.clone())),
        trace_state: Set(refund.trace.as_ref().and_then(|t| t.state.clone())),
        send_before_us: Set(refund.send_before.micros()),
        created_us: Set(refund.create_time.micros()),
        ..changes(row)
    }
}

/// What of a row may change, always the same columns, so that one prepared statement serves.
pub(in crate::store::sql) fn changes(row: &Row) -> ActiveModel {
    let refund = &row.refund;
    let state = &refund.state;
    let wait = match state {
        State::Pending { wait } | State::Unknown { wait, .. } => Some(*wait),
        State::Sending { .. }
        | State::InReview { .. }
        | State::Succeeded(_)
        | State::PartiallySucceeded(_)
        | State::Failed(_)
        | State::Canceled
        | State::Reversed(_) => None,
    };
    let sending = match state {
        State::Sending { attempt, started, .. } => Some((attempt.0, started.micros())),
        _not_sending => None,
    };
    let reference = match state {
        State::InReview { reference, .. } => reference.clone(),
        _not_in_review => None,
    };
    let success = match state {
        State::Succeeded(s) | State::PartiallySucceeded(s) | State::Reversed(s) => Some(s),
        _no_success => None,
    };
    let failure = match state {
        State::Failed(failure) => Some(failure),
        _no_failure => None,
    };
    let doubt = state.doubt();
    let refusal = doubt.and_then(|d| d.refusal.as_ref());
    ActiveModel {
        updated_us: Set(refund.update_time.micros()),
        sequence: Set(refund.sequence),
        sends: Set(i64::from(refund.sends)),
        idle_steps: Set(i64::from(refund.idle_steps)),
        baseline: Set(parts::baseline_json(&refund.baseline)),
        items: Set(parts::items_json(&refund.items)),
        alone: Set(refund.alone),
        planned_us: Set(micros_of(refund.due)),
        overdue_us: Set(micros_of(refund.overdue)),
        state: Set(state.kind().word().to_owned()),
        wait: Set(wait.map(|w| w.word().to_owned())),
        attempt_id: Set(sending.map(|(attempt, _)| attempt)),
        sending_us: Set(sending.map(|(_, started)| started)),
        first_sent_us: Set(doubt.map(|d| d.first_sent.micros())),
        checks: Set(doubt.map(|d| i64::from(d.checks))),
        refusal_reason: Set(refusal.map(|r| r.failure.reason.word().to_owned())),
        refusal_code: Set(refusal.and_then(|r| r.failure.provider_code.clone())),
        refusal_text: Set(refusal.and_then(|r| r.failure.text.clone())),
        refusal_us: Set(refusal.map(|r| r.time.micros())),
        review_reference: Set(reference),
        success_minor: Set(success.and_then(|s| s.amount_minor)),
        provider_refund_id: Set(success.and_then(|s| s.provider_refund_id.clone())),
        completed_us: Set(success.and_then(|s| micros_of(s.completed))),
        failure_reason: Set(failure.map(|f| f.reason.word().to_owned())),
        failure_code: Set(failure.and_then(|f| f.provider_code.clone())),
        failure_text: Set(failure.and_then(|f| f.text.clone())),
        due_us: Set(micros_of(row.due)),
        lease_worker: Set(row.held.as_ref().map(|h| h.worker.clone())),
        lease_token: Set(row.token),
        lease_length_us: Set(row.held.as_ref().map(|h| span_micros(h.length))),
        history_number: Set(refund.history.number),
        history_hash: Set((refund.history.number > 0).then(|| refund.history.hash.to_string())),
        follow_us: Set(micros_of(refund.follow)),
        freed: Set(refund.freed),
        ..ActiveModel::default()
    }
}
