//! Entries of a history as they are written: JSON text, sealed as it stands, so that no later form of the
//! code can read it otherwise than it was.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Result};
use crate::domain::answer::{Evidence, FailurePhase};
use crate::domain::attempt::{Attempt, AttemptEnd, AttemptKind};
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::{Actor, Event};
use crate::domain::history::{Decision, DecisionKind, Entry, Hash, Head};
use crate::domain::id::{AccountName, AttemptId, RefundId};
use crate::domain::money::Currency;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, StateKind, Success};
use crate::domain::timestamp::Timestamp;

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its number, from 1.
    pub number: i64,
    /// What it says.
    pub text: String,
    /// The hash over it and all before it.
    pub hash: Hash,
}

/// Seals entries of a refund after a head; the head after them.
pub(super) fn seal(refund_id: RefundId, mut head: Head, entries: &[Entry]) -> (Head, Vec<Sealed>) {
    let mut sealed = Vec::with_capacity(entries.len());
    for entry in entries {
        let text = text_of(entry);
        head = head.after(refund_id, &text);
        sealed.push(Sealed { number: head.number, text, hash: head.hash });
    }
    (head, sealed)
}

/// What sealed entries of a refund say.
///
/// # Errors
/// [`Error::Inconsistent`] names the refund whose entry cannot be read.
pub(super) fn opened(refund_id: RefundId, sealed: impl IntoIterator<Item = Sealed>) -> Result<Vec<Entry>> {
    let unreadable = || Error::Inconsistent { table: "history", column: "text", id: refund_id.to_string() };
    let read = |text: &str| {
        let written: Written = serde_json::from_str(text).ok()?;
        written.entry(refund_id)
    };
    sealed.into_iter().map(|sealed| read(&sealed.text).ok_or_else(unreadable)).collect()
}

fn text_of(entry: &Entry) -> String {
    serde_json::to_string(&Written::of(entry)).unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    Event(EventText),
    Begun(AttemptText),
    Looked(AttemptText),
    Ended(EndedText),
    Decided(DecisionText),
    Noticed(NoticeText),
}

#[derive(Serialize, Deserialize)]
struct EventText {
    sequence: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<SuccessText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    time_us: i64,
}

#[derive(Serialize, Deserialize)]
struct FailureText {
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SuccessText {
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_refund_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_us: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct AttemptText {
    attempt_id: Uuid,
    kind: String,
    account: String,
    members: Vec<Uuid>,
    started_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<EndText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preflight: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct EndedText {
    attempt_id: Uuid,
    end: EndText,
}

#[derive(Serialize, Deserialize)]
struct EndText {
    ended_us: i64,
    took_us: u64,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
}

#[derive(Serialize, Deserialize)]
struct DecisionText {
    kind: String,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    time_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_refund_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_as: Option<Uuid>,
}

#[derive(Serialize, Deserialize)]
struct NoticeText {
    number: i64,
    account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_refund_id: Option<String>,
    opened_us: i64,
}

impl Written {
    fn of(entry: &Entry) -> Self {
        match entry {
            Entry::Event(event) => Self::Event(EventText::of(event)),
            Entry::Begun(attempt) => Self::Begun(AttemptText::of(attempt)),
            Entry::Looked(attempt) => Self::Looked(AttemptText::of(attempt)),
            Entry::Ended(id, end) => Self::Ended(EndedText { attempt_id: id.0, end: EndText::of(end) }),
            Entry::Decided(decision) => Self::Decided(DecisionText::of(decision)),
            Entry::Noticed(discrepancy) => Self::Noticed(NoticeText::of(discrepancy)),
        }
    }

    fn entry(self, refund_id: RefundId) -> Option<Entry> {
        Some(match self {
            Self::Event(text) => Entry::Event(text.event(refund_id)?),
            Self::Begun(text) => Entry::Begun(text.attempt()?),
            Self::Looked(text) => Entry::Looked(text.attempt()?),
            Self::Ended(text) => Entry::Ended(AttemptId(text.attempt_id), text.end.end()?),
            Self::Decided(text) => Entry::Decided(text.decision()?),
            Self::Noticed(text) => Entry::Noticed(text.discrepancy(refund_id)?),
        })
    }
}

impl EventText {
    fn of(event: &Event) -> Self {
        Self {
            sequence: event.sequence,
            previous: event.previous.map(|state| state.word().to_owned()),
            state: event.state.word().to_owned(),
            failure: event.failure.as_ref().map(|failure| FailureText {
                reason: failure.reason.word().to_owned(),
                provider_code: failure.provider_code.clone(),
                text: failure.text.clone(),
            }),
            success: event.success.as_ref().map(|success| SuccessText {
                amount_minor: success.amount_minor,
                provider_refund_id: success.provider_refund_id.clone(),
                completed_us: success.completed.map(Timestamp::micros),
            }),
            note: event.note.clone(),
            actor: event.actor.name.clone(),
            trace_id: event.actor.trace_id.clone(),
            time_us: event.time.micros(),
        }
    }

    fn event(self, refund_id: RefundId) -> Option<Event> {
        let failure = match self.failure {
            None => None,
            Some(told) => Some(Failure {
                reason: FailureReason::from_word(&told.reason)?,
                provider_code: told.provider_code,
                text: told.text,
            }),
        };
        Some(Event {
            refund_id,
            sequence: self.sequence,
            position: None,
            previous: may(self.previous, StateKind::from_word).ok()?,
            state: StateKind::from_word(&self.state)?,
            failure,
            success: self.success.map(|told| Success {
                amount_minor: told.amount_minor,
                provider_refund_id: told.provider_refund_id,
                completed: told.completed_us.map(Timestamp::from_micros),
                items: Vec::new(),
            }),
            note: self.note,
            actor: Actor { name: self.actor, trace_id: self.trace_id },
            time: Timestamp::from_micros(self.time_us),
        })
    }
}

impl AttemptText {
    fn of(attempt: &Attempt) -> Self {
        Self {
            attempt_id: attempt.id.0,
            kind: attempt.kind.word().to_owned(),
            account: attempt.account.as_str().to_owned(),
            members: attempt.members.iter().map(|id| id.0).collect(),
            started_us: attempt.started.micros(),
            end: attempt.end.as_ref().map(EndText::of),
            trace_id: attempt.trace_id.clone(),
            preflight: attempt.preflight.clone(),
        }
    }

    fn attempt(self) -> Option<Attempt> {
        let end = match self.end {
            None => None,
            Some(told) => Some(told.end()?),
        };
        Some(Attempt {
            id: AttemptId(self.attempt_id),
            kind: AttemptKind::from_word(&self.kind)?,
            account: AccountName::parse(&self.account).ok()?,
            members: self.members.into_iter().map(RefundId).collect(),
            started: Timestamp::from_micros(self.started_us),
            end,
            trace_id: self.trace_id,
            preflight: self.preflight,
        })
    }
}

impl EndText {
    fn of(end: &AttemptEnd) -> Self {
        let evidence = &end.evidence;
        Self {
            ended_us: end.ended.micros(),
            took_us: u64::try_from(end.took.as_micros()).unwrap_or(u64::MAX),
            outcome: end.outcome.clone(),
            phase: evidence.phase.map(|phase| phase.word().to_owned()),
            http_status: evidence.http_status,
            provider_code: evidence.provider_code.clone(),
            provider_text: evidence.provider_text.clone(),
            correlation_id: evidence.correlation_id.clone(),
            late: end.late,
        }
    }

    fn end(self) -> Option<AttemptEnd> {
        Some(AttemptEnd {
            ended: Timestamp::from_micros(self.ended_us),
            took: Duration::from_micros(self.took_us),
            outcome: self.outcome,
            evidence: Evidence {
                phase: may(self.phase, FailurePhase::from_word).ok()?,
                http_status: self.http_status,
                provider_code: self.provider_code,
                provider_text: self.provider_text,
                correlation_id: self.correlation_id,
            },
            late: self.late,
        })
    }
}

impl DecisionText {
    fn of(decision: &Decision) -> Self {
        Self {
            kind: decision.kind.word().to_owned(),
            actor: decision.actor.name.clone(),
            trace_id: decision.actor.trace_id.clone(),
            time_us: decision.time.micros(),
            outcome: decision.outcome.map(|state| state.word().to_owned()),
            amount_minor: decision.amount_minor,
            provider_refund_id: decision.provider_refund_id.clone(),
            evidence: decision.evidence.clone(),
            note: decision.note.clone(),
            retried_as: decision.retried_as.map(|id| id.0),
        }
    }

    fn decision(self) -> Option<Decision> {
        Some(Decision {
            kind: DecisionKind::from_word(&self.kind)?,
            actor: Actor { name: self.actor, trace_id: self.trace_id },
            time: Timestamp::from_micros(self.time_us),
            outcome: may(self.outcome, StateKind::from_word).ok()?,
            amount_minor: self.amount_minor,
            provider_refund_id: self.provider_refund_id,
            evidence: self.evidence,
            note: self.note,
            retried_as: self.retried_as.map(RefundId),
        })
    }
}

impl NoticeText {
    fn of(discrepancy: &Discrepancy) -> Self {
        Self {
            number: discrepancy.number,
            account: discrepancy.account.as_str().to_owned(),
            currency: discrepancy.currency.map(|currency| currency.code().to_owned()),
            amount_minor: discrepancy.amount_minor,
            provider_refund_id: discrepancy.provider_refund_id.clone(),
            opened_us: discrepancy.opened.micros(),
        }
    }

    fn discrepancy(self, refund_id: RefundId) -> Option<Discrepancy> {
        Some(Discrepancy {
            refund_id,
            number: self.number,
            account: AccountName::parse(&self.account).ok()?,
            currency: may(self.currency, |code| Currency::parse(code).ok()).ok()?,
            amount_minor: self.amount_minor,
            provider_refund_id: self.provider_refund_id,
            opened: Timestamp::from_micros(self.opened_us),
            closed: None,
        })
    }
}

/// No word of ours.
struct Unknown;

/// A word that may be absent, but must be known if it is there.
fn may<T>(word: Option<String>, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Unknown> {
    word.map(|word| parse(&word).ok_or(Unknown)).transpose()
}
