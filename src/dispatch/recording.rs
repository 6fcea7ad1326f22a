//! What a worker puts on record: each step that changed anything, in one transaction with its round trip.

use std::time::Duration;

use tracing::Span;

use crate::domain::answer::{Answer, Face, FailurePhase, LookupAnswer, Signal};
use crate::domain::attempt::{Attempt, AttemptEnd, AttemptKind};
use crate::domain::id::AttemptId;
use crate::domain::refund::{Change, Refund, Wait};
use crate::provider::Unready;
use crate::store::{self, AttemptRecord, Held, Lease, Member, Record, Recorded};
use crate::telemetry::spans;

use super::looking::Look;
use super::outcome;
use super::trouble::Trouble;
use super::worker::{Stop, Worker, trace_id};

/// How long an answer is tried to be recorded while the store is away; then the lease's end decides.
const RECORD_TRIES_MAX: u32 = 120;
/// The rest between two tries.
const RECORD_REST: Duration = Duration::from_millis(500);
/// Ends of a round trip that make its attempt's span an error. A decline is an answer, a silence is none.
const FAILED: &[&str] = &["unknown", "not_sent", "blocked", "nothing_learned"];

impl Worker {
    /// A step without a round trip.
    pub(super) async fn settle(&self, held: &Held, change: Change) -> Result<(), Stop> {
        let record = self.record_of(vec![done(held.lease.clone(), change)]);
        self.one(record).await.map(|_| ())
    }

    /// The token for a send could not be had: nothing was asked of the refunds, which wait as they stand.
    /// What it tells of the account is told once.
    pub(super) async fn settle_unready(&self, held: &[&Held], unready: &Unready) -> Result<(), Stop> {
        let evidence = &unready.evidence;
        tracing::warn!(
            http_status = evidence.http_status,
            text = evidence.provider_text,
            "no token for a send"
        );
        // A token is no send: what was overdrawn is the budget of the other calls.
        let signals: Vec<Signal> =
            unready.signals.iter().map(|signal| self.of_look(signal.clone())).collect();
        self.settle_blind(held, signals).await
    }

    /// Refunds that were to be looked at with others, of which one taught that it is of no use now.
    pub(super) async fn settle_unlooked(&self, held: &[&Held]) -> Result<(), Stop> {
        self.settle_blind(held, Vec::new()).await
    }

    async fn settle_blind(&self, held: &[&Held], signals: Vec<Signal>) -> Result<(), Stop> {
        if held.is_empty() {
            return Ok(());
        }
        let member = |held: &&Held| {
            let (account, jitter) = (&self.line.account, self.parts.ids.jitter());
            done(held.lease.clone(), outcome::blind(&held.refund, account, &signals, Wait::Backoff, jitter))
        };
        let mut record = self.record_of(held.iter().map(member).collect());
        record.signals = signals;
        let recorded = self.record(record).await?;
        if recorded.contains(&Recorded::Stale) { Err(Stop::LeaseLost) } else { Ok(()) }
    }

    /// A look, with what it changes of the refund if anything; with `keep` the worker goes on with it.
    pub(super) async fn record_look(
        &self,
        held: &Held,
        look: Look,
        change: Option<Change>,
        keep: bool,
    ) -> Result<Refund, Stop> {
        let refund = &held.refund;
        let Look { kind, answer, started, took } = look;
        let LookupAnswer { sight, finding: _, evidence, signals } = answer;
        let word = change.as_ref().map_or_else(|| outcome::word_of_sight(&sight), outcome::word);
        let mut signals: Vec<Signal> = signals.into_iter().map(|signal| self.of_look(signal)).collect();
        if let Some(effects) = sight.order().map(|order| order.effects_of(refund)).filter(|n| *n > 1) {
            tracing::error!(effects, "one key, several effects: the provider does not heed it");
            signals.push(Signal::KeyIgnored);
        }
        let ended = started.plus(took);
        let end = AttemptEnd { ended, took, outcome: word.to_owned(), evidence, late: false };
        let attempt = Attempt {
            id: self.parts.ids.attempt_id(),
            kind,
            account: refund.content.account.clone(),
            members: vec![refund.id],
            started,
            end: Some(end),
            trace_id: trace_id(),
            preflight: if kind == AttemptKind::Preflight { sight.in_one_line() } else { None },
        };
        let mut record =
            self.record_of(vec![Member { lease: held.lease.clone(), change, items: Vec::new(), keep }]);
        record.attempt = Some(AttemptRecord::Whole(Box::new(attempt)));
        record.signals = signals;
        record.snapshot = sight.order().cloned();
        self.one(record).await
    }

    /// The answer to a send: each member's own face.
    pub(super) async fn record_answer(
        &self,
        leases: Vec<Lease>,
        refunds: Vec<Refund>,
        attempt: AttemptId,
        answer: Answer,
        took: Duration,
    ) -> Result<(), Stop> {
        let Answer { faces, evidence, signals, items } = answer;
        let mut faces = faces.into_iter();
        let mut words: Vec<&'static str> = Vec::new();
        let mut members = Vec::with_capacity(refunds.len());
        let started = refunds.first().map(|r| r.update_time);
        for (lease, refund) in leases.into_iter().zip(&refunds) {
            let face = faces.next().unwrap_or(Face::Unknown);
            let jitter = self.parts.ids.jitter();
            let change = outcome::of_face(face, refund, &self.line.account, &signals, jitter);
            let word = outcome::word(&change);
            if !words.contains(&word) {
                words.push(word);
            }
            members.push(done(lease, change));
        }
        if let [alone] = members.as_mut_slice() {
            alone.items = items;
        }
        let mut record = self.record_of(members);
        if let Some(started) = started {
            let ended = started.plus(took);
            let end = AttemptEnd { ended, took, outcome: words.join(","), evidence, late: false };
            record.attempt = Some(AttemptRecord::End(attempt, end));
        }
        record.signals = signals;
        let recorded = self.record(record).await?;
        if recorded.contains(&Recorded::Stale) { Err(Stop::LeaseLost) } else { Ok(()) }
    }

    fn record_of(&self, members: Vec<Member>) -> Record {
        Record {
            account: self.line.account.identity.name.clone(),
            attempt: None,
            members,
            signals: Vec::new(),
            snapshot: None,
            trace_id: trace_id(),
        }
    }

    /// That a lookup was answered says less of the account than that a send was; and where lookups have a
    /// budget of their own, it is that one which was overdrawn.
    fn of_look(&self, signal: Signal) -> Signal {
        match signal {
            Signal::Healthy => Signal::Readable { probe: self.claimed.probe },
            Signal::Throttle(quiet) if self.line.account.lookup_rate.is_some() => {
                Signal::ThrottleLooks(quiet)
            }
            Signal::Readable { .. }
            | Signal::Block(_)
            | Signal::Throttle(_)
            | Signal::ThrottleLooks(_)
            | Signal::Trouble
            | Signal::KeyHeeded
            | Signal::KeyIgnored => signal,
        }
    }

    async fn one(&self, record: Record) -> Result<Refund, Stop> {
        match self.record(record).await?.into_iter().next() {
            Some(Recorded::Applied(refund)) => Ok(*refund),
            Some(Recorded::Stale) | None => Err(Stop::LeaseLost),
        }
    }

    /// Puts a step on record. What a provider answered is too dear to drop because the store is away for a
    /// moment; the fencing token makes a late try harmless.
    async fn record(&self, record: Record) -> Result<Vec<Recorded>, Stop> {
        let mut tries = 0;
        let mut trouble = Trouble::new("an answer waits");
        loop {
            match self.parts.store.record(record.clone(), &self.line.account).await {
                Ok(recorded) => {
                    trouble.ends();
                    log_alarms(&record.signals);
                    log_step(&recorded, &record, self.claimed.members.len() > 1);
                    return Ok(recorded);
                }
                Err(error @ store::Error::Away { .. }) if tries < RECORD_TRIES_MAX => {
                    trouble.goes_on(&error);
                    tries += 1;
                    tokio::time::sleep(RECORD_REST).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn done(lease: Lease, change: Change) -> Member {
    Member { lease, change: Some(change), items: Vec::new(), keep: false }
}

/// What somebody must know of an account, whatever became of the refund.
fn log_alarms(signals: &[Signal]) {
    for signal in signals {
        match signal {
            Signal::Block(cause) => {
                tracing::error!(%cause, "the provider refuses the account: it is blocked");
            }
            Signal::KeyIgnored => {
                tracing::error!("the provider does not heed our key: nothing of the account is sent again");
            }
            Signal::Throttle(_)
            | Signal::ThrottleLooks(_)
            | Signal::Trouble
            | Signal::Healthy
            | Signal::Readable { .. }
            | Signal::KeyHeeded => {}
        }
    }
}

/// The canonical line of an intent, one per refund: it is SENDING now, or waits, or has failed by a rule.
pub(super) fn log_begun(refund: &Refund, shared: bool) {
    tracing::info!(
        refund.id = shared.then(|| tracing::field::display(refund.id)),
        caller = %refund.caller,
        state = %refund.state.kind(),
        history.number = refund.history.number,
        history.hash = %refund.history.hash,
        "intent"
    );
}

/// The canonical line of a step, one per refund. The account stands in the attempt's span, which it is
/// written in, and so does the refund where it is alone.
fn log_step(recorded: &[Recorded], record: &Record, shared: bool) {
    let end = match &record.attempt {
        Some(AttemptRecord::End(_, end)) => Some(end),
        Some(AttemptRecord::Whole(attempt)) => attempt.end.as_ref(),
        None => None,
    };
    let words = end.map_or("", |end| end.outcome.as_str());
    if let Some(failed) = words.split(',').find(|word| FAILED.contains(word)) {
        spans::fail_attempt_span(&Span::current(), failed);
    }
    for recorded in recorded {
        let Recorded::Applied(refund) = recorded else { continue };
        tracing::info!(
            refund.id = shared.then(|| tracing::field::display(refund.id)),
            caller = %refund.caller,
            state = %refund.state.kind(),
            outcome = end.map_or("settled", |e| e.outcome.as_str()),
            http_status = end.and_then(|e| e.evidence.http_status),
            provider_code = end.and_then(|e| e.evidence.provider_code.as_deref()),
            failure_phase = end.and_then(|e| e.evidence.phase).map(FailurePhase::word),
            took_ms = end.map(|e| u64::try_from(e.took.as_millis()).unwrap_or(u64::MAX)),
            history.number = refund.history.number,
            history.hash = %refund.history.hash,
            "step"
        );
    }
}
