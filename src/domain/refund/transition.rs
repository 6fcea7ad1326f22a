//! The one place where a state changes: an exhaustive match over state and change.

use std::time::Duration;

use super::super::answer::Review;
use super::super::event::{Actor, Event};
use super::super::id::AttemptId;
use super::super::sight::Baseline;
use super::super::timestamp::Timestamp;
use super::{Failure, Item, Refund, State, StateKind, Success, Wait};

/// What happened to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An intent was committed: from here on bytes may leave.
    Send {
        /// The attempt.
        attempt: AttemptId,
        /// What the preflight saw; `None` keeps what is known, as every resend does.
        baseline: Option<Baseline>,
        /// How long its worker may take before another looks.
        lease: Duration,
    },
    /// The attempt provably sent nothing, or its answer is documented to mean that nothing was taken.
    NothingSent {
        /// What it waits for now.
        wait: Wait,
        /// How long.
        delay: Duration,
        /// It is not to share a call again.
        alone: bool,
    },
    /// No usable answer came.
    Unanswered {
        /// How long until it is looked at.
        delay: Duration,
        /// How long after the first send somebody must be told.
        overdue_after: Duration,
    },
    /// The provider refused.
    Decline {
        /// Why.
        failure: Failure,
        /// Whether the refusal speaks of our own key, so that it is the fate of every earlier send too.
        conclusive: bool,
        /// How long after a refusal of a resend the provider is looked at before it counts.
        delay: Duration,
    },
    /// The provider has taken it and will decide later.
    Review {
        /// The case.
        review: Review,
        /// How long until it is looked at.
        delay: Duration,
        /// How long after now somebody must be told.
        overdue_after: Duration,
    },
    /// The provider says that the money went back.
    Confirm(Success),
    /// The provider says that part of the money went back and no more will, without a sum that shows it.
    ConfirmPart(Success),
    /// A lookup answered and did not show our key.
    Absent {
        /// How long until the next look.
        delay: Duration,
        /// How old a refusal must be for the absence to end it; `None` where no absence does.
        refusal_age_min: Option<Duration>,
    },
    /// Nothing happened but that it has to wait.
    Wait {
        /// What for.
        wait: Wait,
        /// How long.
        delay: Duration,
    },
    /// A rule refused it before anything was sent.
    Reject(Failure),
    /// The caller withdrew it.
    Cancel,
    /// The provider took the money back, on positive evidence.
    Reverse {
        /// What shows it, in one sentence.
        note: String,
    },
}

/// A change that the table does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a refund that is {state} cannot take the change {change}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub state: StateKind,
    /// The change that was asked.
    pub change: &'static str,
}

/// What a change made: the refund after it, and the event to append if the state changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The refund after the change.
    pub refund: Refund,
    /// The event, if the state changed.
    pub event: Option<Event>,
}

impl Refund {
    /// Applies a change.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the table has no such change in this state; nothing is changed then.
    pub fn apply(
        &self,
        change: Change,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Transition, IllegalTransition> {
        let from = self.state.kind();
        let name = change.name();
        let illegal = IllegalTransition { state: from, change: name };
        let counts_as_send = matches!(change, Change::Send { .. });
        let (baseline, items, alone) = self.kept_by(&change);
        let next = self.next(change, now).ok_or_else(|| illegal.clone())?;
        let to = next.state.kind();
        let changed = from != to;
        if changed && !from.may_become(to) {
            return Err(illegal);
        }
        let mut refund = self.clone();
        refund.state = next.state;
        refund.due = next.due;
        refund.overdue = next.overdue;
        refund.idle_steps = next.idle_steps;
        refund.baseline = baseline;
        refund.items = items;
        refund.alone = alone;
        refund.sends = self.sends.saturating_add(u32::from(counts_as_send));
        if changed {
            refund.sequence = self.sequence.saturating_add(1);
            refund.update_time = now.max(self.update_time);
        }
        let event = changed.then(|| refund.event(Some(from), next.note, actor));
        Ok(Transition { refund, event })
    }

    /// What a change leaves beside the state: the baseline of the first send, the parts, whether it goes
    /// alone.
    fn kept_by(&self, change: &Change) -> (Baseline, Vec<Item>, bool) {
        let (mut baseline, mut items, mut alone) = (self.baseline.clone(), self.items.clone(), self.alone);
        match change {
            Change::Send { baseline: Some(seen), .. } => baseline.clone_from(seen),
            Change::NothingSent { alone: from_now_on, .. } => alone |= from_now_on,
            Change::Review { review, .. } if !review.items.is_empty() => items.clone_from(&review.items),
            Change::Confirm(success) | Change::ConfirmPart(success) if !success.items.is_empty() => {
                items.clone_from(&success.items);
            }
            Change::Send { baseline: None, .. }
            | Change::Review { .. }
            | Change::Confirm(_)
            | Change::ConfirmPart(_)
            | Change::Unanswered { .. }
            | Change::Decline { .. }
            | Change::Absent { .. }
            | Change::Wait { .. }
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse { .. } => {}
        }
        (baseline, items, alone)
    }

    /// The event that tells how this refund stands now.
    pub(super) fn event(&self, previous: Option<StateKind>, note: Option<String>, actor: Actor) -> Event {
        let (failure, success) = match &self.state {
            State::Failed(failure) => (Some(failure.clone()), None),
            State::Unknown { doubt, .. } => (doubt.refusal.as_ref().map(|r| r.failure.clone()), None),
            State::Succeeded(success) | State::PartiallySucceeded(success) | State::Reversed(success) => {
                (None, Some(success.clone()))
            }
            State::Pending { .. } | State::Sending { .. } | State::InReview { .. } | State::Canceled => {
                (None, None)
            }
        };
        Event {
            refund_id: self.id,
            sequence: self.sequence,
            position: None,
            previous,
            state: self.state.kind(),
            failure,
            success,
            note,
            actor,
            time: self.update_time,
        }
    }
}

impl Change {
    /// Its name, for errors and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send { .. } => "send",
            Self::NothingSent { .. } => "nothing_sent",
            Self::Unanswered { .. } => "unanswered",
            Self::Decline { .. } => "decline",
            Self::Review { .. } => "review",
            Self::Confirm(_) => "confirm",
            Self::ConfirmPart(_) => "confirm_part",
            Self::Absent { .. } => "absent",
            Self::Wait { .. } => "wait",
            Self::Reject(_) => "reject",
            Self::Cancel => "cancel",
            Self::Reverse { .. } => "reverse",
        }
    }
}
