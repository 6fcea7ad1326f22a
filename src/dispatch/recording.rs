//! What a worker puts on record: each step that changed anything, in one transaction with its round trip.

use std::time::Duration;

use tracing::Span;

use crate::domain::answer::{Answer, Face, FailurePhase, LookupAnswer, Sight, Signal};
use crate::domain::attempt::{Attempt, AttemptEnd, AttemptKind};
use crate::domain::id::AttemptId;
use crate::domain::refund::{Change, Refund};
use crate::store::{self, AttemptRecord, Member, Record, Recorded};
use crate::telemetry::{Chain, spans};

use super::outcome;
use super::worker::{Stop, Trip, Worker, trace_id};

/// How long an answer is tried to be recorded while the store is away; then the lease's end decides.
const RECORD_TRIES_MAX: u32 = 120;
/// The rest between two tries.
const RECORD_REST: Duration = Duration::from_millis(500);
/// Ends of a round trip that make its attempt's span an error. A decline is an answer, a silence is none.
const FAILED: &[&str] = &["unknown", "not_sent", "blocked", "nothing_learned"];

impl Worker {
    /// A step without a round trip.
    pub(super) async fn settle(&self, change: Change) -> Result<(), Stop> {
        let record = Record {
            account: self.claimed.refund.content.account.clone(),
            attempt: None,
            members: vec![Member { lease: self.claimed.lease.clone(), change: Some(change), keep: false }],
            signals: Vec::new(),
            snapshot: None,
            trace_id: trace_id(),
        };
        self.record(record).await.map(|_| ())
    }

    pub(super) async fn record_look(
        &self,
        trip: Trip<LookupAnswer>,
        kind: AttemptKind,
        change: Option<Change>,
        keep: bool,
    ) -> Result<Option<Refund>, Stop> {
        let refund = &self.claimed.refund;
        let Trip { answer: LookupAnswer { sight, evidence, signals }, started, took } = trip;
        let outcome = match (&change, &sight) {
            (Some(change), _) => outcome::word(change),
            (None, Sight::Order(_)) => "seen",
            (None, Sight::NoOrder) => "no_order",
            (None, Sight::Nothing) => "nothing_learned",
        };
        let snapshot = match sight {
            Sight::Order(order) => Some(order),
            Sight::NoOrder | Sight::Nothing => None,
        };
        let attempt = Attempt {
            id: self.parts.ids.attempt_id(),
            kind,
            account: refund.content.account.clone(),
            members: vec![refund.id],
            started,
            end: Some(AttemptEnd {
                ended: started.plus(took),
                took,
                outcome: outcome.to_owned(),
                evidence,
                late: false,
            }),
            trace_id: trace_id(),
            preflight: None,
        };
        let record = Record {
            account: refund.content.account.clone(),
            attempt: Some(AttemptRecord::Whole(Box::new(attempt))),
            members: vec![Member { lease: self.claimed.lease.clone(), change, keep }],
            signals: signals.into_iter().map(readable).collect(),
            snapshot,
            trace_id: trace_id(),
        };
        self.record(record).await.map(Some)
    }

    pub(super) async fn record_answer(
        &self,
        refund: &Refund,
        attempt: AttemptId,
        answer: Answer,
        took: Duration,
    ) -> Result<(), Stop> {
        let Answer { mut faces, evidence, signals } = answer;
        let face = faces.pop().unwrap_or(Face::Unknown);
        let jitter = self.parts.ids.jitter();
        let change = outcome::of_face(face, refund, &self.line.account, &signals, jitter);
        let started = refund.update_time;
        let end = AttemptEnd {
            ended: started.plus(took),
            took,
            outcome: outcome::word(&change).to_owned(),
            evidence,
            late: false,
        };
        let record = Record {
            account: refund.content.account.clone(),
            attempt: Some(AttemptRecord::End(attempt, end)),
            members: vec![Member { lease: self.claimed.lease.clone(), change: Some(change), keep: false }],
            signals,
            snapshot: None,
            trace_id: trace_id(),
        };
        self.record(record).await.map(|_| ())
    }

    /// Puts a step on record. What a provider answered is too dear to drop because the store is away for a moment; the
    /// fencing token makes a late try harmless.
    async fn record(&self, record: Record) -> Result<Refund, Stop> {
        let mut tries = 0;
        loop {
            match self.parts.store.record(record.clone(), &self.line.account).await {
                Ok(recorded) => {
                    return match recorded.into_iter().next() {
                        Some(Recorded::Applied(refund)) => {
                            log_step(&refund, &record);
                            Ok(*refund)
                        }
                        Some(Recorded::Stale) | None => Err(Stop::LeaseLost),
                    };
                }
                Err(error @ store::Error::Away { .. }) if tries < RECORD_TRIES_MAX => {
                    tries += 1;
                    tracing::warn!(error = %Chain(&error), tries, "the store is away, an answer waits to be recorded");
                    tokio::time::sleep(RECORD_REST).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// That a lookup was answered says less of the account than that a send was.
fn readable(signal: Signal) -> Signal {
    match signal {
        Signal::Healthy => Signal::Readable,
        Signal::Readable | Signal::Block(_) | Signal::Throttle(_) | Signal::Trouble => signal,
    }
}

/// The canonical line of a step. Refund and account stand in the attempt's span, which it is written in.
fn log_step(refund: &Refund, record: &Record) {
    let end = match &record.attempt {
        Some(AttemptRecord::End(_, end)) => Some(end),
        Some(AttemptRecord::Whole(attempt)) => attempt.end.as_ref(),
        None => None,
    };
    if let Some(end) = end.filter(|end| FAILED.contains(&end.outcome.as_str())) {
        spans::fail_attempt_span(&Span::current(), &end.outcome);
    }
    tracing::info!(
        caller = %refund.caller,
        state = %refund.state.kind(),
        outcome = end.map_or("settled", |e| e.outcome.as_str()),
        http_status = end.and_then(|e| e.evidence.http_status),
        provider_code = end.and_then(|e| e.evidence.provider_code.as_deref()),
        failure_phase = end.and_then(|e| e.evidence.phase).map(FailurePhase::word),
        took_ms = end.map(|e| u64::try_from(e.took.as_millis()).unwrap_or(u64::MAX)),
        "step"
    );
}
