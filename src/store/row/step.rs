//! What a step writes of one refund: the row, the entries of its history, its event.

use std::time::Duration;

use super::Row;
use crate::domain::account::Account;
use crate::domain::attempt::{Attempt, AttemptEnd};
use crate::domain::decision::Verdict;
use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::{Actor, Event};
use crate::domain::history::{Decision, DecisionKind, Entry, Head};
use crate::domain::id::RefundId;
use crate::domain::plan::next_follow;
use crate::domain::refund::{Change, IllegalTransition, Refund, State, StateKind, Success, Transition};
use crate::domain::ruling::{Ruled, Ruling, rule};
use crate::domain::timestamp::Timestamp;
use crate::store::history::{Sealed, seal};
use crate::store::{AttemptRecord, Member, Record, RuledAs};

/// How often in a row a final refund waits for a look that teaches something, once its schedule is over.
const FOLLOW_WAITS_MAX: u32 = 20;

/// What is written of one refund.
#[derive(Debug, Clone)]
pub(in crate::store) struct Written {
    /// The row after it; the head of its history is that of the entries.
    pub(in crate::store) row: Row,
    /// What its history gains.
    pub(in crate::store) sealed: Vec<Sealed>,
    /// The changes of its state, which streams tell.
    pub(in crate::store) events: Vec<Event>,
    /// What a person must be told of.
    pub(in crate::store) discrepancy: Option<Discrepancy>,
}

/// What becomes of one member of a record.
#[derive(Debug, Clone)]
pub(in crate::store) enum Stepped {
    /// Its lease was held.
    Applied(Written),
    /// Its lease was lost: the round trip is kept as late evidence, if there was one.
    Late(Option<Written>),
}

impl Written {
    /// The refund with the head of its history.
    pub(in crate::store) fn head(&self) -> (RefundId, Head) {
        (self.row.refund.id, self.row.refund.history)
    }

    /// A refund that was accepted; the transition's refund gets the head of its history.
    pub(in crate::store) fn accepted(transition: &mut Transition) -> Self {
        let entries = transition.event.iter().cloned().map(Entry::Event).collect();
        let written = Row::accepted(transition.refund.clone()).written(entries);
        transition.refund.history = written.row.refund.history;
        written
    }
}

impl Row {
    /// The row with what its history gains.
    pub(in crate::store) fn written(mut self, entries: Vec<Entry>) -> Written {
        let (head, sealed) = seal(self.refund.id, self.refund.history, &entries);
        self.refund.history = head;
        let (mut events, mut discrepancy) = (Vec::new(), None);
        for entry in entries {
            match entry {
                Entry::Event(event) => events.push(event),
                Entry::Noticed(noticed) => discrepancy = Some(noticed),
                Entry::Begun(_) | Entry::Ended(..) | Entry::Looked(_) | Entry::Decided(_) => {}
            }
        }
        Written { row: self, sealed, events, discrepancy }
    }

    /// One member's step of a record. `noticed` names, by the provider's ids, the discrepancies of the refund
    /// that are known.
    pub(in crate::store) fn step(
        &self,
        member: &Member,
        record: &Record,
        noticed: &[String],
        account: &Account,
        now: Timestamp,
    ) -> Result<Stepped, IllegalTransition> {
        let held = self.is_held_by(&member.lease);
        let mut entries: Vec<Entry> = trip(record, !held).into_iter().collect();
        let moved = match &member.change {
            Some(Change::Confirm(success) | Change::ConfirmPart(success)) => self.moves_after_all(success),
            Some(_) | None => None,
        };
        if let Some(success) = moved.filter(|success| !noticed.contains(&id_of(success))) {
            entries.push(Entry::Noticed(self.discrepancy(success, entries.len(), now)));
        }
        if !held {
            let written = (!entries.is_empty()).then(|| self.clone().written(entries));
            return Ok(Stepped::Late(written));
        }
        let change = member.change.as_ref().filter(|_| moved.is_none());
        let mut refund = match change {
            None => self.refund.clone(),
            Some(change) => {
                let actor = Actor::dispatcher(record.trace_id.clone());
                let Transition { refund, event } = self.refund.apply(change.clone(), actor, now)?;
                let (refund, event) = told_once(refund, event);
                entries.extend(event.map(Entry::Event));
                refund
            }
        };
        // A transaction that was once shown as ours stays ours, whatever its face was.
        if !member.items.is_empty() {
            refund.items.clone_from(&member.items);
        }
        if refund.state.kind() == StateKind::Reversed && !refund.freed {
            refund.freed = record.snapshot.as_ref().is_some_and(|order| order.is_free_of(&refund));
        }
        refund.follow = if moved.is_some() { None } else { self.follow(&refund, change, account, now) };
        let length = self.held.as_ref().map_or(Duration::ZERO, |held| held.length);
        let row = if member.keep { self.kept(refund, length, now) } else { self.settled(refund) };
        Ok(Stepped::Applied(row.written(entries)))
    }

    /// What becomes of a member of an intent; `attempt` is what is begun, if anybody goes.
    pub(in crate::store) fn begun(
        &self,
        verdict: Verdict,
        attempt: Option<&Attempt>,
        lease: Duration,
        now: Timestamp,
    ) -> Written {
        let Transition { refund, event } = verdict.transition;
        let begun = attempt.filter(|_| verdict.goes).cloned().map(Entry::Begun);
        let entries = begun.into_iter().chain(event.map(Entry::Event)).collect();
        let row = if verdict.goes { self.kept(refund, lease, now) } else { self.settled(refund) };
        row.written(entries)
    }

    /// What a person's ruling writes. A worker that has the refund loses it by a change of its state.
    ///
    /// # Errors
    /// What it comes to where nothing is to be written.
    pub(in crate::store) fn rule(
        &self,
        ruling: &Ruling,
        account: Option<&Account>,
        earlier: &[Decision],
        now: Timestamp,
    ) -> Result<Written, RuledAs> {
        let stands = || Box::new(self.refund.clone());
        let (refund, entries) = match rule(&self.refund, ruling, account, earlier, now) {
            Ok(Ruled::Already) => return Err(RuledAs::Already(stands())),
            Err(objection) => return Err(RuledAs::Refused(stands(), objection)),
            Ok(ruled) => ruled.applied(&self.refund),
        };
        if refund.state.kind() == self.refund.state.kind() {
            // Whoever looks at it now need not be asked to.
            let mut row = self.clone();
            row.refund = refund;
            row.due = if self.held.is_some() { self.due } else { row.refund.due };
            return Ok(row.written(entries));
        }
        let (mut refund, _told) = told_once(refund, None);
        refund.follow = account.and_then(|account| self.follow(&refund, None, account, now));
        Ok(self.settled(refund).written(entries))
    }

    /// What the closing of a discrepancy writes of its refund.
    pub(in crate::store) fn closing(&self, actor: &Actor, note: &str, now: Timestamp) -> Written {
        let decision = Decision::new(DecisionKind::Close, actor.clone(), now);
        self.clone().written(vec![Entry::Decided(Decision { note: Some(note.to_owned()), ..decision })])
    }

    /// When the refund that a step leaves is looked at again, if it is final.
    fn follow(
        &self,
        after: &Refund,
        change: Option<&Change>,
        account: &Account,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if after.due.is_some() {
            return None;
        }
        let was_final = self.refund.state.kind().is_final();
        let schedule = &account.schedule;
        match change {
            // Nobody looked yet, or the look taught nothing: again, but not for ever.
            Some(Change::Wait { delay, .. }) if was_final => {
                let last = schedule.follow_steps.last().copied().unwrap_or_default();
                let end = after.update_time.plus(last + schedule.follow_again());
                let few = self.refund.idle_steps < FOLLOW_WAITS_MAX;
                Some(now.plus(*delay)).filter(|_| few || now < end)
            }
            Some(_) | None => {
                let doubted = self.refund.state.doubt().is_some() || self.is_followed();
                next_follow(after, doubted, account, now)
            }
        }
    }

    /// Money that moves on a refund that says it did not.
    fn moves_after_all<'a>(&self, success: &'a Success) -> Option<&'a Success> {
        match self.refund.state {
            State::Failed(_) | State::Canceled => Some(success),
            State::Pending { .. }
            | State::Sending { .. }
            | State::Unknown { .. }
            | State::InReview { .. }
            | State::Succeeded(_)
            | State::PartiallySucceeded(_)
            | State::Reversed(_) => None,
        }
    }

    /// `before` is how many entries come before it in the same step.
    fn discrepancy(&self, success: &Success, before: usize, now: Timestamp) -> Discrepancy {
        let refund = &self.refund;
        let place = i64::try_from(before).unwrap_or(i64::MAX).saturating_add(1);
        Discrepancy {
            refund_id: refund.id,
            number: refund.history.number.saturating_add(place),
            account: refund.identity.name.clone(),
            currency: refund.content.payment().map(|payment| payment.amount.currency()),
            amount_minor: success.amount_minor,
            provider_refund_id: success.provider_refund_id.clone(),
            opened: now,
            closed: None,
        }
    }
}

/// The round trip of a record as an entry.
fn trip(record: &Record, late: bool) -> Option<Entry> {
    let marked = |end: &AttemptEnd| AttemptEnd { late: end.late || late, ..end.clone() };
    record.attempt.as_ref().map(|attempt| match attempt {
        AttemptRecord::End(id, end) => Entry::Ended(*id, marked(end)),
        AttemptRecord::Whole(whole) => {
            let mut whole = (**whole).clone();
            whole.end = whole.end.as_ref().map(marked);
            whole.members.sort_unstable();
            Entry::Looked(whole)
        }
    })
}

/// The provider's id of what moved, as discrepancies are told apart by it.
fn id_of(success: &Success) -> String {
    success.provider_refund_id.clone().unwrap_or_default()
}

/// A refund and its event as they are kept: the parts of a success stand with the refund alone.
fn told_once(mut refund: Refund, mut event: Option<Event>) -> (Refund, Option<Event>) {
    if let State::Succeeded(success) | State::PartiallySucceeded(success) | State::Reversed(success) =
        &mut refund.state
    {
        success.items.clear();
    }
    if let Some(success) = event.as_mut().and_then(|event| event.success.as_mut()) {
        success.items.clear();
    }
    (refund, event)
}
