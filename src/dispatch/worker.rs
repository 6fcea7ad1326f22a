//! One refund at work: decide the next step, take it, record it. Each step that changes anything is one
//! transaction.

use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span};

use crate::domain::answer::{Answer, Evidence, Face, FailurePhase, LookupAnswer, OrderSnapshot, Sight};
use crate::domain::attempt::AttemptKind;
use crate::domain::decision::Intent;
use crate::domain::plan::{Step, next_step};
use crate::domain::refund::{Change, Refund, StateKind, Wait};
use crate::domain::timestamp::Timestamp;
use crate::service::Point;
use crate::store::{self, Begun, Claimed};
use crate::telemetry::propagation::{self, TraceContext};
use crate::telemetry::{Chain, spans};

use super::lease::{Keeper, Lost};
use super::{Line, Parts, outcome};

/// The least of a lease that must be left before the first byte.
const LEASE_LEFT_MIN: Duration = Duration::from_secs(5);
/// Of a short lease at least this part must be left.
const LEASE_LEFT_MIN_PART: u32 = 3;
/// How long after the commit of an intent its first byte may leave.
const SLOT_AGE_MAX: Duration = Duration::from_secs(5);
/// How long a refund that waits for a person rests between looks.
const PERSON_REST: Duration = Duration::from_hours(24);

/// A refund at work.
pub(super) struct Worker {
    pub(super) parts: Arc<Parts>,
    pub(super) line: Line,
    pub(super) claimed: Claimed,
    keeper: Keeper,
}

/// Why a worker stopped early.
pub(super) enum Stop {
    /// The lease is another's now.
    LeaseLost,
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

/// A round trip, with what is needed to put it on record.
pub(super) struct Trip<T> {
    pub(super) answer: T,
    pub(super) started: Timestamp,
    pub(super) took: Duration,
}

impl Worker {
    pub(super) fn new(parts: Arc<Parts>, line: Line, claimed: Claimed, asked_at: Duration) -> Self {
        let keeper = Keeper::start(
            Arc::clone(&parts.store),
            Arc::clone(&parts.clock),
            claimed.lease.clone(),
            parts.settings.lease,
            asked_at,
        );
        Self { parts, line, claimed, keeper }
    }

    /// Works until the refund has to wait, is final, or the lease is lost: one attempt, and one trace of it.
    pub(super) async fn run(self) {
        let step = next_step(&self.claimed.refund, &self.line.account.capabilities, self.claimed.now);
        let span = attempt_span(&self.claimed.refund, &step);
        self.attempt(step).instrument(span).await;
    }

    async fn attempt(self, step: Step) {
        self.parts.interrupt.at(Point::AfterClaim);
        if self.claimed.taken_over {
            tracing::warn!("a lease ran out and was taken over");
        }
        match self.take(step).await {
            Ok(()) => {}
            Err(Stop::LeaseLost) => {
                spans::fail_attempt_span(&Span::current(), "lease_lost");
                tracing::warn!("the lease was lost: nothing was written");
            }
            Err(Stop::Store(error)) => {
                spans::fail_attempt_span(&Span::current(), "store");
                tracing::error!(error = %Chain(&error), "the store failed a worker");
            }
        }
    }

    async fn take(&self, step: Step) -> Result<(), Stop> {
        let refund = &self.claimed.refund;
        let account = &self.line.account;
        match step {
            Step::Reject(failure) => self.settle(Change::Reject(failure)).await,
            Step::Wait(wait, delay) => self.settle(Change::Wait { wait, delay }).await,
            Step::AskPerson => self.settle(Change::Wait { wait: Wait::Person, delay: PERSON_REST }).await,
            Step::Nothing => Ok(self.parts.store.release(std::slice::from_ref(&self.claimed.lease)).await?),
            Step::TakeOver => {
                // A missing record is not a missing send: whatever the dead worker did, it may have sent.
                self.settle(outcome::unanswered(refund, account, &[], self.parts.ids.jitter())).await
            }
            Step::Send => self.first_send().await,
            Step::Resend => self.send(refund, AttemptKind::Resend, None).await,
            Step::LookUp => self.look_up(false).await.map(|_| ()),
            Step::LookUpThenResend => match self.look_up(true).await? {
                Some(refund) => self.send(&refund, AttemptKind::Resend, None).await,
                None => Ok(()),
            },
        }
    }

    /// Looks at the order, then sends for the first time.
    async fn first_send(&self) -> Result<(), Stop> {
        let refund = &self.claimed.refund;
        let mut snapshot = None;
        if self.line.account.capabilities.lookup {
            let trip = self.look(refund).await?;
            self.parts.interrupt.at(Point::AfterPreflight);
            match trip.answer.sight.clone() {
                Sight::Order(order) => {
                    self.record_look(trip, AttemptKind::Preflight, None, true).await?;
                    snapshot = Some(order);
                }
                Sight::NoOrder => {
                    self.record_look(trip, AttemptKind::Preflight, None, true).await?;
                }
                Sight::Nothing => {
                    let jitter = self.parts.ids.jitter();
                    let change =
                        outcome::of_blind_preflight(refund, &self.line.account, &trip.answer.signals, jitter);
                    self.record_look(trip, AttemptKind::Preflight, Some(change), false).await?;
                    return Ok(());
                }
            }
        }
        self.send(refund, AttemptKind::Send, snapshot).await
    }

    /// Looks the order up. Gives the refund back if it may be sent again now, the lease still held.
    async fn look_up(&self, may_resend: bool) -> Result<Option<Refund>, Stop> {
        let refund = &self.claimed.refund;
        let trip = self.look(refund).await?;
        self.parts.interrupt.at(Point::AfterLookup);
        let effects = outcome::effects(&trip.answer.sight, refund);
        if effects > 1 {
            tracing::error!(effects, "one key, several effects: the provider did not heed it");
        }
        let jitter = self.parts.ids.jitter();
        let change =
            outcome::of_sight(&trip.answer.sight, refund, &self.line.account, &trip.answer.signals, jitter);
        // A resend follows only a look that answered and did not show the key.
        let go_on = may_resend && matches!(change, Change::Absent { .. });
        let after = self.record_look(trip, AttemptKind::Lookup, Some(change), go_on).await?;
        Ok(after.filter(|refund| go_on && refund.state.kind() == StateKind::Unknown))
    }

    async fn look(&self, refund: &Refund) -> Result<Trip<LookupAnswer>, Stop> {
        let started = self.parts.store.now().await?;
        let began = self.parts.clock.boottime();
        let answer = self.keeper.while_held(self.line.provider.look_up(refund)).await?;
        Ok(Trip { answer, started, took: self.parts.clock.boottime().saturating_sub(began) })
    }

    /// Commits the intent, and then, and only then, sends.
    async fn send(
        &self,
        refund: &Refund,
        kind: AttemptKind,
        snapshot: Option<OrderSnapshot>,
    ) -> Result<(), Stop> {
        // A first send whose key the order already lists was sent before, in a life that the database has
        // forgotten.
        let known = snapshot.as_ref().and_then(|order| order.success_of(refund));
        let intent = Intent {
            attempt: self.parts.ids.attempt_id(),
            kind,
            probe: self.claimed.probe,
            snapshot,
            lease: self.parts.settings.lease,
            trace_id: trace_id(),
        };
        let asked_at = self.parts.clock.boottime();
        // An error here may hide a commit: nothing is sent, and the end of the lease makes it UNKNOWN.
        let verdict = self.parts.store.begin(&self.claimed.lease, &intent, &self.line.account).await?;
        let refund = match verdict {
            Begun::Go(refund) => *refund,
            Begun::Stay(_) => return Ok(()),
            Begun::Stale => return Err(Stop::LeaseLost),
        };
        self.parts.interrupt.at(Point::AfterIntent);
        let began = self.parts.clock.boottime();
        let answer = if let Some(success) = known {
            let text = Some("the order already lists this key: nothing was sent".to_owned());
            let evidence = Evidence { provider_text: text, ..Evidence::default() };
            Answer { faces: vec![Face::Succeeded(success)], evidence, signals: Vec::new() }
        } else if let Some(why) = self.too_late(asked_at) {
            Answer { faces: vec![Face::NotSent], evidence: outcome::before_send(why), signals: Vec::new() }
        } else {
            let resends = refund.sends.saturating_sub(1);
            let members = std::slice::from_ref(&refund);
            let call = self.line.provider.send(members, resends);
            self.keeper.while_held(call).await.unwrap_or_else(|Lost| aborted())
        };
        let took = self.parts.clock.boottime().saturating_sub(began);
        self.parts.interrupt.at(Point::AfterAnswer);
        let done = self.record_answer(&refund, intent.attempt, answer, took).await;
        self.parts.interrupt.at(Point::AfterRecord);
        done
    }

    /// Why it must not be sent any more, if so: the lease or the slot ran short.
    fn too_late(&self, asked_at: Duration) -> Option<&'static str> {
        let least = LEASE_LEFT_MIN.min(self.parts.settings.lease / LEASE_LEFT_MIN_PART);
        if self.keeper.left() < least {
            return Some("too little of the lease was left to send");
        }
        let age = self.parts.clock.boottime().saturating_sub(asked_at);
        (age > SLOT_AGE_MAX).then_some("the slot was too old to send")
    }
}

/// The call was dropped because the lease was lost: it may have been sent.
fn aborted() -> Answer {
    let evidence = Evidence {
        phase: Some(FailurePhase::Exchange),
        provider_text: Some("the lease was lost during the call".to_owned()),
        ..Evidence::default()
    };
    Answer { faces: vec![Face::Unknown], evidence, signals: Vec::new() }
}

/// The span of one turn at a refund: a trace of its own that points to the caller's. Its number is that of
/// the send that this turn makes or may make; of a lookup alone, of the send that it asks about.
fn attempt_span(refund: &Refund, step: &Step) -> Span {
    let caller = refund
        .trace
        .as_ref()
        .map(|t| TraceContext { traceparent: t.parent.clone(), tracestate: t.state.clone() });
    let may_send = match step {
        Step::Send | Step::Resend | Step::LookUpThenResend => true,
        Step::Reject(_)
        | Step::Wait(..)
        | Step::TakeOver
        | Step::LookUp
        | Step::AskPerson
        | Step::Nothing => false,
    };
    let number = if may_send { refund.sends.saturating_add(1) } else { refund.sends };
    let (id, identity) = (refund.id.to_string(), &refund.identity);
    spans::attempt_span(&id, identity.name.as_str(), identity.provider.word(), number, caller.as_ref())
}

/// The trace of the attempt under way.
pub(super) fn trace_id() -> Option<String> {
    propagation::trace_id(&Span::current())
}
