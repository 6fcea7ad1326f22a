//! The table of states as code: one function per state, one arm per change.

use std::time::Duration;

use super::super::timestamp::Timestamp;
use super::{Change, Doubt, Failure, Refund, Refusal, State, Success, Wait};

/// A state together with when it is looked at next and from when on it is overdue.
pub(super) struct Next {
    pub(super) state: State,
    pub(super) due: Option<Timestamp>,
    pub(super) overdue: Option<Timestamp>,
    pub(super) idle_steps: u32,
    pub(super) note: Option<String>,
}

impl Refund {
    pub(super) fn next(&self, change: Change, now: Timestamp) -> Option<Next> {
        match &self.state {
            State::Pending { .. } => self.next_of_pending(change, now),
            State::Sending { attempt: _, started, earlier } => {
                self.next_of_sending(change, *started, earlier.as_ref(), now)
            }
            State::Unknown { doubt, .. } => self.next_of_unknown(change, doubt, now),
            State::InReview { reference, doubt } => {
                self.next_of_review(change, reference.as_ref(), doubt, now)
            }
            State::Succeeded(success) | State::PartiallySucceeded(success) => match change {
                Change::Reverse { note } => Some(Next::reversed(success.clone(), note)),
                other => self.followed_up(&other),
            },
            State::Failed(_) | State::Canceled | State::Reversed(_) => self.followed_up(&change),
        }
    }

    /// A final refund was looked at, or could not be, and stays as it is.
    fn followed_up(&self, change: &Change) -> Option<Next> {
        let idle_steps = match change {
            Change::Absent { .. } => 0,
            Change::Wait { .. } => self.idle_steps.saturating_add(1),
            Change::Send { .. }
            | Change::NothingSent { .. }
            | Change::Unanswered { .. }
            | Change::Decline { .. }
            | Change::Review { .. }
            | Change::Confirm(_)
            | Change::ConfirmPart(_)
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse { .. } => return None,
        };
        Some(Next { idle_steps, ..Next::ended(self.state.clone()) })
    }

    fn next_of_pending(&self, change: Change, now: Timestamp) -> Option<Next> {
        match change {
            Change::Send { attempt, lease, baseline: _ } => Some(Next {
                state: State::Sending { attempt, started: now, earlier: None },
                due: Some(now.plus(lease)),
                overdue: self.overdue,
                idle_steps: self.idle_steps,
                note: None,
            }),
            Change::Wait { wait, delay } => Some(Next {
                state: State::Pending { wait },
                due: Some(now.plus(delay)),
                overdue: self.overdue,
                idle_steps: self.idle_steps.saturating_add(u32::from(wait == Wait::Backoff)),
                note: None,
            }),
            Change::Reject(failure) => Some(Next::ended(State::Failed(failure))),
            Change::Cancel => Some(Next::ended(State::Canceled)),
            Change::NothingSent { .. }
            | Change::Unanswered { .. }
            | Change::Decline { .. }
            | Change::Review { .. }
            | Change::Confirm(_)
            | Change::ConfirmPart(_)
            | Change::Absent { .. }
            | Change::Reverse { .. } => None,
        }
    }

    fn next_of_sending(
        &self,
        change: Change,
        started: Timestamp,
        earlier: Option<&Doubt>,
        now: Timestamp,
    ) -> Option<Next> {
        let doubt = || earlier.cloned().unwrap_or(Doubt { first_sent: started, refusal: None, checks: 0 });
        let idle_steps = self.idle_steps.saturating_add(1);
        match change {
            Change::NothingSent { wait, delay, alone: _ } => Some(Next {
                state: match earlier {
                    None => State::Pending { wait },
                    Some(doubt) => State::Unknown { wait, doubt: doubt.clone() },
                },
                due: Some(now.plus(delay)),
                overdue: self.overdue,
                idle_steps,
                note: Some("the attempt sent nothing".to_owned()),
            }),
            Change::Unanswered { delay, overdue_after } => {
                let doubt = doubt();
                let overdue = Some(doubt.first_sent.plus(overdue_after));
                Some(Next {
                    state: State::Unknown { wait: Wait::Check, doubt },
                    due: Some(now.plus(delay)),
                    overdue,
                    idle_steps,
                    note: Some("no usable answer: the money may have moved".to_owned()),
                })
            }
            Change::Decline { failure, conclusive, delay } => Some(match earlier {
                Some(doubt) if !conclusive => self.refused(failure, doubt, delay, now),
                Some(_) | None => Next::ended(State::Failed(failure)),
            }),
            Change::Review { review, delay, overdue_after } => {
                Some(Next::review(review.reference, doubt(), now.plus(delay), now.plus(overdue_after)))
            }
            Change::Confirm(success) => Some(self.confirmed(success)),
            Change::ConfirmPart(success) => Some(Next::ended(State::PartiallySucceeded(success))),
            Change::Send { .. }
            | Change::Absent { .. }
            | Change::Wait { .. }
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse { .. } => None,
        }
    }

    fn next_of_unknown(&self, change: Change, doubt: &Doubt, now: Timestamp) -> Option<Next> {
        let stay = |wait, doubt, delay| Next {
            state: State::Unknown { wait, doubt },
            due: Some(now.plus(delay)),
            overdue: self.overdue,
            idle_steps: self.idle_steps.saturating_add(1),
            note: None,
        };
        match change {
            Change::Send { attempt, lease, baseline: _ } => Some(Next {
                state: State::Sending { attempt, started: now, earlier: Some(doubt.clone()) },
                due: Some(now.plus(lease)),
                overdue: self.overdue,
                idle_steps: self.idle_steps,
                note: Some("sent again with the same key".to_owned()),
            }),
            Change::Decline { failure, conclusive: true, delay: _ } => {
                Some(Next::ended(State::Failed(failure)))
            }
            Change::Review { review, delay, overdue_after } => {
                Some(Next::review(review.reference, doubt.clone(), now.plus(delay), now.plus(overdue_after)))
            }
            Change::Confirm(success) => Some(self.confirmed(success)),
            Change::ConfirmPart(success) => Some(Next::ended(State::PartiallySucceeded(success))),
            Change::Absent { delay, refusal_age_min } => Some(match &doubt.refusal {
                Some(refusal) if refusal_age_min.is_some_and(|age| now >= refusal.time.plus(age)) => {
                    Next::ended(State::Failed(refusal.failure.clone()))
                }
                Some(_) | None => stay(Wait::Check, doubt.checked(), delay),
            }),
            Change::Wait { wait, delay } => Some(stay(wait, doubt.clone(), delay)),
            Change::Decline { conclusive: false, .. }
            | Change::NothingSent { .. }
            | Change::Unanswered { .. }
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse { .. } => None,
        }
    }

    fn next_of_review(
        &self,
        change: Change,
        reference: Option<&String>,
        doubt: &Doubt,
        now: Timestamp,
    ) -> Option<Next> {
        let overdue = self.overdue.unwrap_or(now);
        match change {
            Change::Unanswered { delay, overdue_after } => Some(Next {
                state: State::Unknown { wait: Wait::Check, doubt: doubt.clone() },
                due: Some(now.plus(delay)),
                overdue: Some(now.plus(overdue_after)),
                idle_steps: 0,
                note: Some("the review can no longer be found".to_owned()),
            }),
            Change::Decline { failure, conclusive: true, delay: _ } => {
                Some(Next::ended(State::Failed(failure)))
            }
            Change::Review { review, delay, overdue_after: _ } => {
                let reference = review.reference.or(reference.cloned());
                Some(Next::review(reference, doubt.checked(), now.plus(delay), overdue))
            }
            Change::Absent { delay, .. } | Change::Wait { wait: Wait::Check, delay } => {
                Some(Next::review(reference.cloned(), doubt.checked(), now.plus(delay), overdue))
            }
            // Nobody looked: it waits for a slot, or for its account.
            Change::Wait { wait: _, delay } => {
                Some(Next::review(reference.cloned(), doubt.clone(), now.plus(delay), overdue))
            }
            Change::Confirm(success) => Some(self.confirmed(success)),
            Change::ConfirmPart(success) => Some(Next::ended(State::PartiallySucceeded(success))),
            Change::Send { .. }
            | Change::NothingSent { .. }
            | Change::Decline { conclusive: false, .. }
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse { .. } => None,
        }
    }

    fn confirmed(&self, success: Success) -> Next {
        let wanted = self.content.payment().map(|p| p.amount.minor());
        Next::ended(match (wanted, success.amount_minor) {
            (Some(wanted), Some(moved)) if moved < wanted => State::PartiallySucceeded(success),
            (Some(_) | None, Some(_) | None) => State::Succeeded(success),
        })
    }

    /// A refusal of a resend is not the fate of the first send.
    fn refused(&self, failure: Failure, doubt: &Doubt, delay: Duration, now: Timestamp) -> Next {
        let refusal = Some(Refusal { failure, time: now });
        Next {
            state: State::Unknown { wait: Wait::Check, doubt: Doubt { refusal, ..doubt.clone() } },
            due: Some(now.plus(delay)),
            overdue: self.overdue,
            idle_steps: 0,
            note: Some("a resend was refused, which is not the fate of the first send".to_owned()),
        }
    }
}

impl Next {
    fn ended(state: State) -> Self {
        Self { state, due: None, overdue: None, idle_steps: 0, note: None }
    }

    fn reversed(success: Success, note: String) -> Self {
        Self { note: Some(note), ..Self::ended(State::Reversed(success)) }
    }

    fn review(reference: Option<String>, doubt: Doubt, due: Timestamp, overdue: Timestamp) -> Self {
        let state = State::InReview { reference, doubt };
        Self { state, due: Some(due), overdue: Some(overdue), idle_steps: 0, note: None }
    }
}
