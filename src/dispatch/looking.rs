//! Looks at orders: before a first send, to learn whether it may go, and after an unknown outcome, to learn
//! what became of it.

use std::time::Duration;

use crate::domain::answer::{Finding, LookupAnswer, Signal};
use crate::domain::attempt::AttemptKind;
use crate::domain::refund::{Change, StateKind, Wait};
use crate::domain::sight::Sight;
use crate::domain::timestamp::Timestamp;
use crate::service::Point;
use crate::store::Held;

use super::outcome;
use super::worker::{Stop, Worker};

/// The longest that a worker waits for a slot of the lookups' budget before it lets its refund wait instead:
/// long enough for each refund of a full call to be looked at.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(30);

/// A look at an order, with what is needed to put it on record.
pub(super) struct Look {
    pub(super) kind: AttemptKind,
    pub(super) answer: LookupAnswer,
    pub(super) started: Timestamp,
    pub(super) took: Duration,
}

/// A refund that its preflight found fit to be sent.
pub(super) struct Fit<'a> {
    pub(super) held: &'a Held,
    pub(super) sight: Option<Sight>,
    pub(super) finding: Finding,
    /// When the look began.
    pub(super) looked: Option<Timestamp>,
}

impl<'a> Fit<'a> {
    /// One that nobody has to look at first.
    fn unseen(held: &'a Held) -> Self {
        Self { held, sight: None, finding: Finding::Absent, looked: None }
    }
}

/// What a preflight leaves.
enum Looked<'a> {
    /// The refund may go.
    Fit(Fit<'a>),
    /// It waits; others may be looked at.
    Waits,
    /// It waits, and the provider would answer others of the account alike.
    Trouble,
    /// It waits, and so does every other: the account is refused.
    Refused,
}

impl Worker {
    /// Looks at each order, then sends for the first time what is fit.
    pub(super) async fn first_send(&self, unsent: Vec<&Held>) -> Result<(), Stop> {
        self.may_begin()?;
        // Tokens come before slots, of lookups and of sends: a slot that is spent is gone.
        if let Some(unready) = self.keeper.while_held(self.line.provider.prepare()).await? {
            return self.settle_unready(&unsent, &unready).await;
        }
        let (mut fit, mut rest) = (Vec::with_capacity(unsent.len()), Vec::new());
        let mut unsent = unsent.into_iter();
        for held in unsent.by_ref() {
            match self.preflight(held).await? {
                Looked::Fit(found) => fit.push(found),
                Looked::Waits => {}
                Looked::Trouble => break,
                Looked::Refused => {
                    rest.extend(fit.drain(..).map(|fit| fit.held));
                    break;
                }
            }
        }
        rest.extend(unsent);
        self.settle_unlooked(&rest).await?;
        if fit.is_empty() {
            return Ok(());
        }
        self.may_begin()?;
        // The looks took their time: what they were made with may have run out.
        if let Some(unready) = self.keeper.while_held(self.line.provider.prepare()).await? {
            let held: Vec<&Held> = fit.iter().map(|fit| fit.held).collect();
            return self.settle_unready(&held, &unready).await;
        }
        self.send(fit, AttemptKind::Send).await
    }

    /// Sends the same key again.
    pub(super) async fn resend(&self, held: &Held) -> Result<(), Stop> {
        self.may_begin()?;
        if let Some(unready) = self.keeper.while_held(self.line.provider.prepare()).await? {
            return self.settle_unready(&[held], &unready).await;
        }
        self.send(vec![Fit::unseen(held)], AttemptKind::Resend).await
    }

    /// Looks at the order before the first send.
    async fn preflight<'a>(&self, held: &'a Held) -> Result<Looked<'a>, Stop> {
        if !self.line.account.capabilities.lookup {
            return Ok(Looked::Fit(Fit::unseen(held)));
        }
        let Some(look) = self.look(held, AttemptKind::Preflight).await? else { return Ok(Looked::Waits) };
        self.parts.interrupt.at(Point::AfterPreflight);
        let (sight, finding) = (look.answer.sight.clone(), look.answer.finding.clone());
        let looked = Some(look.started);
        if sight == Sight::Nothing {
            let (account, signals) = (&self.line.account, look.answer.signals.clone());
            let jitter = self.parts.ids.jitter();
            let change = outcome::blind(&held.refund, account, &signals, Wait::Backoff, jitter);
            self.record_look(held, look, Some(change), false).await?;
            let refused = signals.iter().any(|signal| matches!(signal, Signal::Block(_)));
            let trouble = signals.iter().any(|s| matches!(s, Signal::Trouble | Signal::Throttle(_)));
            return Ok(match (refused, trouble) {
                (true, _) => Looked::Refused,
                (false, true) => Looked::Trouble,
                (false, false) => Looked::Waits,
            });
        }
        self.record_look(held, look, None, true).await?;
        Ok(Looked::Fit(Fit { held, sight: Some(sight), finding, looked }))
    }

    /// Looks the order up to learn what became of a send. Tells whether the same key may be sent again now.
    pub(super) async fn look_up(&self, held: &Held, may_resend: bool) -> Result<bool, Stop> {
        let Some(look) = self.look(held, AttemptKind::Lookup).await? else { return Ok(false) };
        self.parts.interrupt.at(Point::AfterLookup);
        let (account, jitter) = (&self.line.account, self.parts.ids.jitter());
        let (finding, signals) = (look.answer.finding.clone(), &look.answer.signals);
        let change = outcome::of_finding(finding, &held.refund, account, signals, jitter);
        // A resend follows only a look that answered and did not show the key.
        let go_on = may_resend && matches!(change, Change::Absent { .. });
        let after = self.record_look(held, look, Some(change), go_on).await?;
        Ok(go_on && after.state.kind() == StateKind::Unknown)
    }

    /// One look, for a slot of the lookups' budget where there is one. `None`: no slot, and the refund waits.
    async fn look(&self, held: &Held, kind: AttemptKind) -> Result<Option<Look>, Stop> {
        self.may_begin()?;
        if let Some(delay) = self.lookup_slot(held).await? {
            self.settle(held, Change::Wait { wait: Wait::Slot, delay }).await?;
            return Ok(None);
        }
        let started = self.parts.store.now().await?;
        let began = self.parts.clock.boottime();
        let answer = self.keeper.while_held(self.line.provider.look_up(&held.refund)).await?;
        let took = self.parts.clock.boottime().saturating_sub(began);
        Ok(Some(Look { kind, answer, started, took }))
    }

    /// Takes a slot of the lookups' budget, for as many round trips as the look makes, and waits for it if
    /// that is not for long. `Some` says how long until there may be one.
    async fn lookup_slot(&self, held: &Held) -> Result<Option<Duration>, Stop> {
        let Some(rate) = &self.line.account.lookup_rate else { return Ok(None) };
        let rate = rate.for_requests(held.refund.content.iccids().len());
        let began = self.parts.clock.boottime();
        loop {
            let Some(delay) = self.parts.store.spend(&rate).await? else { return Ok(None) };
            let waited = self.parts.clock.boottime().saturating_sub(began);
            if waited + delay > LOOK_WAIT_MAX {
                return Ok(Some(delay));
            }
            self.rest(delay).await?;
        }
    }
}
