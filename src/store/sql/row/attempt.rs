//! A round trip as a row of `attempts`.

use std::time::Duration;

use sea_orm::ActiveValue::Set;

use super::{Reading, span_of, time_of};
use crate::domain::answer::{Evidence, FailurePhase};
use crate::domain::attempt::{Attempt, AttemptEnd, AttemptKind};
use crate::domain::id::{AccountName, AttemptId, RefundId};
use crate::domain::timestamp::Timestamp;
use crate::store::Error;
use crate::store::sql::entity::attempt::{ActiveModel, Model};

/// The attempt with its members.
pub(in crate::store::sql) fn attempt_of(model: Model, members: Vec<RefundId>) -> Result<Attempt, Error> {
    let at = Reading::new("attempts", &model.id);
    let end = match time_of(model.ended_us) {
        None => None,
        Some(ended) => Some(AttemptEnd {
            ended,
            took: span_of(at.need("took_us", model.took_us)?),
            outcome: at.need("outcome", model.outcome)?,
            evidence: Evidence {
                phase: at.may("phase", model.phase.as_deref(), FailurePhase::from_word)?,
                http_status: at.may("http_status", model.http_status, |s| u16::try_from(s).ok())?,
                provider_code: model.provider_code,
                provider_text: model.provider_text,
                correlation_id: model.correlation_id,
            },
            late: model.late,
        }),
    };
    Ok(Attempt {
        id: AttemptId(model.id),
        kind: at.need("kind", AttemptKind::from_word(&model.kind))?,
        account: at.need("account", AccountName::parse(&model.account).ok())?,
        members,
        started: Timestamp::from_micros(model.started_us),
        end,
        trace_id: model.trace_id,
        preflight: model.preflight,
    })
}

/// The whole row, to be inserted.
pub(in crate::store::sql) fn whole(attempt: &Attempt) -> ActiveModel {
    ActiveModel {
        id: Set(attempt.id.0),
        kind: Set(attempt.kind.word().to_owned()),
        account: Set(attempt.account.as_str().to_owned()),
        started_us: Set(attempt.started.micros()),
        trace_id: Set(attempt.trace_id.clone()),
        preflight: Set(attempt.preflight.clone()),
        ..end(attempt.end.as_ref())
    }
}

/// The end alone.
pub(in crate::store::sql) fn end(end: Option<&AttemptEnd>) -> ActiveModel {
    let evidence = end.map(|e| &e.evidence);
    let took_us = |took: Duration| i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
    ActiveModel {
        ended_us: Set(end.map(|e| e.ended.micros())),
        took_us: Set(end.map(|e| took_us(e.took))),
        outcome: Set(end.map(|e| e.outcome.clone())),
        phase: Set(evidence.and_then(|e| e.phase).map(|p| p.word().to_owned())),
        http_status: Set(evidence.and_then(|e| e.http_status).map(i64::from)),
        provider_code: Set(evidence.and_then(|e| e.provider_code.clone())),
        provider_text: Set(evidence.and_then(|e| e.provider_text.clone())),
        correlation_id: Set(evidence.and_then(|e| e.correlation_id.clone())),
        late: Set(end.is_some_and(|e| e.late)),
        ..ActiveModel::default()
    }
}
