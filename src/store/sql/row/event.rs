//! An event as a row of `events`.

use sea_orm::ActiveValue::{NotSet, Set};

use super::{Reading, micros_of, time_of};
use crate::domain::event::{Actor, Event};
use crate::domain::id::RefundId;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, StateKind, Success};
use crate::domain::timestamp::Timestamp;
use crate::store::Error;
use crate::store::sql::entity::event::{ActiveModel, Model};

impl TryFrom<Model> for Event {
    type Error = Error;

    fn try_from(model: Model) -> Result<Self, Error> {
        let at = Reading::new("events", &model.id);
        let state = at.need("state", StateKind::from_word(&model.state))?;
        let reason = at.may("failure_reason", model.failure_reason.as_deref(), FailureReason::from_word)?;
        let has_success =
            matches!(state, StateKind::Succeeded | StateKind::PartiallySucceeded | StateKind::Reversed);
        Ok(Self {
            refund_id: RefundId(model.refund_id),
            sequence: model.sequence,
            position: model.position,
            previous: at.may("previous", model.previous.as_deref(), StateKind::from_word)?,
            state,
            failure: reason.map(|reason| Failure {
                reason,
                provider_code: model.failure_code,
                text: model.failure_text,
            }),
            success: has_success.then_some(Success {
                amount_minor: model.success_minor,
                provider_refund_id: model.provider_refund_id,
                completed: time_of(model.completed_us),
                items: Vec::new(),
            }),
            note: model.note,
            actor: Actor { name: model.actor, trace_id: model.trace_id },
            time: Timestamp::from_micros(model.time_us),
        })
    }
}

/// The row, to be inserted; the database numbers it.
pub(in crate::store::sql) fn whole(event: Event) -> ActiveModel {
    let (failure, success) = (event.failure, event.success);
    ActiveModel {
        id: NotSet,
        refund_id: Set(event.refund_id.0),
        sequence: Set(event.sequence),
        position: Set(event.position),
        previous: Set(event.previous.map(|s| s.word().to_owned())),
        state: Set(event.state.word().to_owned()),
        failure_reason: Set(failure.as_ref().map(|f| f.reason.word().to_owned())),
        failure_code: Set(failure.as_ref().and_then(|f| f.provider_code.clone())),
        failure_text: Set(failure.and_then(|f| f.text)),
        success_minor: Set(success.as_ref().and_then(|s| s.amount_minor)),
        completed_us: Set(success.as_ref().and_then(|s| micros_of(s.completed))),
        provider_refund_id: Set(success.and_then(|s| s.provider_refund_id)),
        note: Set(event.note),
        actor: Set(event.actor.name),
        trace_id: Set(event.actor.trace_id),
        time_us: Set(event.time.micros()),
    }
}
