//! One call at work: decide the next step of each refund in it, take it, record it. Each step that changes
//! anything is one transaction.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::domain::admission::SLOT_AGE_MAX;
use crate::domain::answer::{Answer, Evidence, Face, FailurePhase, Finding};
use crate::domain::attempt::AttemptKind;
use crate::domain::decision::Intent;
use crate::domain::plan::{Step, next_step};
use crate::domain::refund::{Change, Wait};
use crate::service::Point;
use crate::store::{self, Begun, Claimed, Held, Lease};
use crate::telemetry::propagation::{self, TraceContext};
use crate::telemetry::{Chain, spans};

use super::lease::{Keeper, Lost};
use super::looking::Fit;
use super::recording::log_begun;
use super::{Counts, Line, Parts, outcome};

/// The least of a lease that must be left before the first byte.
const LEASE_LEFT_MIN: Duration = Duration::from_secs(5);
/// Of a short lease at least this part must be left.
const LEASE_LEFT_MIN_PART: u32 = 3;
/// How long a refund that waits for a person rests between looks.
const PERSON_REST: Duration = Duration::from_hours(24);

/// Refunds at work: one, or several that share a call.
pub(super) struct Worker {
    pub(super) parts: Arc<Parts>,
    counts: Arc<Counts>,
    pub(super) line: Line,
    pub(super) claimed: Claimed,
    pub(super) keeper: Keeper,
    /// Cancelled when the process is to end.
    pub(super) leaving: CancellationToken,
}

/// Why a worker stopped early.
pub(super) enum Stop {
    /// The lease is another's now.
    LeaseLost,
    /// The process is to end, and the next round trip has not begun.
    Leaving,
    /// The store failed; the lease will run out.
    Store(store::Error),
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Lost> for Stop {
    fn from(_: Lost) -> Self {
        Self::LeaseLost
    }
}

impl Worker {
    pub(super) fn new(
        parts: Arc<Parts>,
        counts: Arc<Counts>,
        line: Line,
        claimed: Claimed,
        asked_at: Duration,
        leaving: CancellationToken,
    ) -> Self {
        let leases = claimed.members.iter().map(|held| held.lease.clone()).collect();
        let (store, clock) = (Arc::clone(&parts.store), Arc::clone(&parts.clock));
        let keeper = Keeper::start(store, clock, leases, parts.settings.lease, asked_at);
        Self { parts, counts, line, claimed, keeper, leaving }
    }

    /// Works until each refund has to wait, is final, or the lease is lost: one attempt, and one trace of it.
    pub(super) async fn run(self) {
        let can = &self.line.account.capabilities;
        let heeded = self.claimed.account_state.key_heeded;
        let now = self.claimed.now;
        let steps: Vec<Step> =
            self.claimed.members.iter().map(|held| next_step(&held.refund, can, heeded, now)).collect();
        let span = attempt_span(&self.claimed, &steps);
        self.attempt(steps).instrument(span).await;
    }

    async fn attempt(self, steps: Vec<Step>) {
        self.parts.interrupt.at(Point::AfterClaim);
        if self.claimed.taken_over {
            let takeovers = self.counts.takeover();
            tracing::warn!(takeovers, "a lease ran out and was taken over");
        }
        match self.take(steps).await {
            Ok(()) => {}
            Err(Stop::LeaseLost) => {
                spans::fail_attempt_span(&Span::current(), "lease_lost");
                let fenced = self.counts.fence();
                tracing::warn!(fenced, "the lease was lost: nothing was written");
            }
            Err(Stop::Leaving) => self.give_back().await,
            Err(Stop::Store(error)) => {
                spans::fail_attempt_span(&Span::current(), "store");
                tracing::error!(error = %Chain(&error), "the store failed a worker");
            }
        }
    }

    async fn take(&self, steps: Vec<Step>) -> Result<(), Stop> {
        let mut unsent = Vec::new();
        for (held, step) in self.claimed.members.iter().zip(steps) {
            match step {
                Step::Send => unsent.push(held),
                step => self.step(held, step).await?,
            }
        }
        if unsent.is_empty() { Ok(()) } else { self.first_send(unsent).await }
    }

    async fn step(&self, held: &Held, step: Step) -> Result<(), Stop> {
        let refund = &held.refund;
        match step {
            Step::Send | Step::Nothing => {
                Ok(self.parts.store.release(std::slice::from_ref(&held.lease)).await?)
            }
            Step::Reject(failure) => self.settle(held, Change::Reject(failure)).await,
            Step::Wait(wait, delay) => self.settle(held, Change::Wait { wait, delay }).await,
            Step::AskPerson => {
                self.settle(held, Change::Wait { wait: Wait::Person, delay: PERSON_REST }).await
            }
            Step::TakeOver => {
                // A missing record is not a missing send: whatever the dead worker did, it may have sent.
                let jitter = self.parts.ids.jitter();
                self.settle(held, outcome::unanswered(refund, &self.line.account, &[], jitter)).await
            }
            Step::Resend => self.resend(held).await,
            Step::LookUp => self.look_up(held, false).await.map(|_| ()),
            Step::LookUpThenResend => {
                if self.look_up(held, true).await? {
                    self.resend(held).await
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Commits the intent, and then, and only then, sends.
    pub(super) async fn send(&self, fit: Vec<Fit<'_>>, kind: AttemptKind) -> Result<(), Stop> {
        self.may_begin()?;
        let leases: Vec<Lease> = fit.iter().map(|fit| fit.held.lease.clone()).collect();
        // A first send whose key the order already lists was sent before, in a life that the database has
        // forgotten.
        let known = match fit.as_slice() {
            [Fit { finding: Finding::Succeeded(success), .. }] => Some(success.clone()),
            _several_or_new => None,
        };
        let intent = Intent {
            attempt: self.parts.ids.attempt_id(),
            kind,
            probe: self.claimed.probe,
            looked: fit.iter().filter_map(|fit| fit.looked).min(),
            sights: fit.into_iter().map(|fit| fit.sight).collect(),
            lease: self.parts.settings.lease,
            trace_id: trace_id(),
        };
        let asked_at = self.parts.clock.boottime();
        // An error here may hide a commit: nothing is sent, and the end of the lease makes it UNKNOWN.
        let verdicts = self.parts.store.begin(&leases, &intent, &self.line.account).await?;
        let (mut going, mut refunds) = (Vec::new(), Vec::new());
        let shared = leases.len() > 1;
        for (lease, verdict) in leases.into_iter().zip(verdicts) {
            match verdict {
                Begun::Go(refund) => {
                    log_begun(&refund, shared);
                    going.push(lease);
                    refunds.push(*refund);
                }
                Begun::Stay(refund) => log_begun(&refund, shared),
                Begun::Stale => {
                    let fenced = self.counts.fence();
                    tracing::warn!(fenced, refund.id = %lease.refund_id, "a lease was lost before the send");
                }
            }
        }
        if refunds.is_empty() {
            return Ok(());
        }
        self.parts.interrupt.at(Point::AfterIntent);
        let began = self.parts.clock.boottime();
        let answer = if let Some(success) = known {
            let text = Some("the order already lists this key: nothing was sent".to_owned());
            let evidence = Evidence { provider_text: text, ..Evidence::default() };
            Answer::to_one(Face::Succeeded(success), evidence, Vec::new())
        } else if let Some(why) = self.too_late(asked_at) {
            let withheld = self.counts.withhold();
            tracing::warn!(withheld, why, "an intent is not sent");
            let faces = vec![Face::NotSent { alone: false }; refunds.len()];
            Answer::to_all(faces, Evidence::before_send(why), Vec::new())
        } else {
            let resends = match kind {
                AttemptKind::Resend => refunds.iter().map(|r| r.sends.saturating_sub(1)).max().unwrap_or(0),
                // What came before provably sent nothing.
                AttemptKind::Send | AttemptKind::Preflight | AttemptKind::Lookup | AttemptKind::Restore => 0,
            };
            let call = self.line.provider.send(&refunds, resends);
            self.keeper.while_held(call).await.unwrap_or_else(|Lost| aborted(refunds.len()))
        };
        let took = self.parts.clock.boottime().saturating_sub(began);
        self.parts.interrupt.at(Point::AfterAnswer);
        let done = self.record_answer(going, refunds, intent.attempt, answer, took).await;
        self.parts.interrupt.at(Point::AfterRecord);
        done
    }

    /// Why it must not be sent any more, if so: the lease or the slot ran short.
    fn too_late(&self, asked_at: Duration) -> Option<&'static str> {
        let least = LEASE_LEFT_MIN.min(self.parts.settings.lease / LEASE_LEFT_MIN_PART);
        if self.keeper.left() < least {
            return Some("too little of the lease was left to send");
        }
        let account = &self.line.account;
        let (age_max, connect) = match &account.admission.rate {
            Some(rate) => (rate.slot_age_max, account.connect),
            // No provider counts when it comes: the intent alone must not be stale.
            None => (SLOT_AGE_MAX, Duration::ZERO),
        };
        let age = self.parts.clock.boottime().saturating_sub(asked_at);
        (age + connect > age_max).then_some("the slot was too old to send")
    }
}

/// The call was dropped because the lease was lost: it may have been sent.
fn aborted(refunds: usize) -> Answer {
    let evidence = Evidence {
        phase: Some(FailurePhase::Exchange),
        provider_text: Some("the lease was lost during the call".to_owned()),
        ..Evidence::default()
    };
    Answer::to_all(vec![Face::Unknown; refunds], evidence, Vec::new())
}

/// The span of one turn at the refunds of a call: a trace of its own that points to each caller's. Its number
/// is that of the send that this turn makes or may make; of a lookup alone, of the send that it asks about.
fn attempt_span(claimed: &Claimed, steps: &[Step]) -> Span {
    let may_send = |step: &Step| match step {
        Step::Send | Step::Resend | Step::LookUpThenResend => true,
        Step::Reject(_)
        | Step::Wait(..)
        | Step::TakeOver
        | Step::LookUp
        | Step::AskPerson
        | Step::Nothing => false,
    };
    let (mut members, mut number) = (Vec::new(), 0);
    for (Held { refund, .. }, step) in claimed.members.iter().zip(steps) {
        number = number.max(refund.sends.saturating_add(u32::from(may_send(step))));
        let caller = refund
            .trace
            .as_ref()
            .map(|t| TraceContext { traceparent: t.parent.clone(), tracestate: t.state.clone() });
        members.push((refund.id.to_string(), caller));
    }
    let Some(Held { refund, .. }) = claimed.members.first() else { return Span::none() };
    let (name, provider) = (refund.identity.name.as_str(), refund.identity.provider.word());
    spans::attempt_span(&members, name, provider, number)
}

/// The trace of the attempt under way.
pub(super) fn trace_id() -> Option<String> {
    propagation::trace_id(&Span::current())
}
