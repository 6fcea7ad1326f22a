//! The one place where a state changes: an exhaustive match over state and change.

use std::time::Duration;

use super::super::event::{Actor, Event};
use super::super::id::AttemptId;
use super::super::timestamp::Timestamp;
use super::{Doubt, Failure, Refund, Refusal, State, StateKind, Success, Wait};

/// What happened to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An intent was committed: from here on bytes may leave.
    Send {
        /// The attempt.
        attempt: AttemptId,
        /// How long its worker may take before another looks.
        lease: Duration,
    },
    /// The attempt provably sent nothing, or its answer is documented to mean that nothing was taken.
    NothingSent {
        /// What it waits for now.
        wait: Wait,
        /// How long.
        delay: Duration,
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
        /// The provider's reference of the case.
        reference: Option<String>,
        /// How long until it is looked at.
        delay: Duration,
        /// How long after now somebody must be told.
        overdue_after: Duration,
    },
    /// The provider says that the money went back.
    Confirm(Success),
    /// A lookup answered and did not show our key.
    Absent {
        /// How long until the next look.
        delay: Duration,
        /// How old a refusal must be for the absence to end it.
        refusal_age_min: Duration,
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
    Reverse,
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

/// A state together with when it is looked at next and from when on it is overdue.
struct Next {
    state: State,
    due: Option<Timestamp>,
    overdue: Option<Timestamp>,
    idle_steps: u32,
    note: Option<String>,
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
        let illegal = IllegalTransition {
            state: from,
            change: name,
        };
        let counts_as_send = matches!(change, Change::Send { .. });
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
        refund.sends = self.sends.saturating_add(u32::from(counts_as_send));
        if changed {
            refund.sequence = self.sequence.saturating_add(1);
            refund.update_time = now.max(self.update_time);
        }
        let event = changed.then(|| refund.event(Some(from), next.note, actor));
        Ok(Transition { refund, event })
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

    fn next(&self, change: Change, now: Timestamp) -> Option<Next> {
        match &self.state {
            State::Pending { .. } => self.next_of_pending(change, now),
            State::Sending {
                attempt: _,
                started,
                earlier,
            } => self.next_of_sending(change, *started, earlier.as_ref(), now),
            State::Unknown { doubt, .. } => self.next_of_unknown(change, doubt, now),
            State::InReview { reference, doubt } => {
                self.next_of_review(change, reference.as_ref(), doubt, now)
            }
            State::Succeeded(success) | State::PartiallySucceeded(success) => match change {
                Change::Reverse => Some(Next::ended(State::Reversed(success.clone()))),
                _other => None,
            },
            State::Failed(_) | State::Canceled | State::Reversed(_) => None,
        }
    }

    fn next_of_pending(&self, change: Change, now: Timestamp) -> Option<Next> {
        match change {
            Change::Send { attempt, lease } => Some(Next {
                state: State::Sending {
                    attempt,
                    started: now,
                    earlier: None,
                },
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
            | Change::Absent { .. }
            | Change::Reverse => None,
        }
    }

    fn next_of_sending(
        &self,
        change: Change,
        started: Timestamp,
        earlier: Option<&Doubt>,
        now: Timestamp,
    ) -> Option<Next> {
        let doubt = || {
            earlier.cloned().unwrap_or(Doubt {
                first_sent: started,
                refusal: None,
                checks: 0,
            })
        };
        let idle_steps = self.idle_steps.saturating_add(1);
        match change {
            Change::NothingSent { wait, delay } => Some(Next {
                state: match earlier {
                    None => State::Pending { wait },
                    Some(doubt) => State::Unknown {
                        wait,
                        doubt: doubt.clone(),
                    },
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
                    state: State::Unknown {
                        wait: Wait::Check,
                        doubt,
                    },
                    due: Some(now.plus(delay)),
                    overdue,
                    idle_steps,
                    note: Some("no usable answer: the money may have moved".to_owned()),
                })
            }
            Change::Decline {
                failure,
                conclusive,
                delay,
            } => Some(if conclusive || earlier.is_none() {
                Next::ended(State::Failed(failure))
            } else {
                let refusal = Some(Refusal { failure, time: now });
                Next {
                    state: State::Unknown {
                        wait: Wait::Check,
                        doubt: Doubt { refusal, ..doubt() },
                    },
                    due: Some(now.plus(delay)),
                    overdue: self.overdue,
                    idle_steps: 0,
                    note: Some("a resend was refused, which is not the fate of the first send".to_owned()),
                }
            }),
            Change::Review {
                reference,
                delay,
                overdue_after,
            } => Some(Next::review(
                reference,
                doubt(),
                now.plus(delay),
                now.plus(overdue_after),
            )),
            Change::Confirm(success) => Some(self.confirmed(success)),
            Change::Send { .. }
            | Change::Absent { .. }
            | Change::Wait { .. }
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse => None,
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
            Change::Send { attempt, lease } => Some(Next {
                state: State::Sending {
                    attempt,
                    started: now,
                    earlier: Some(doubt.clone()),
                },
                due: Some(now.plus(lease)),
                overdue: self.overdue,
                idle_steps: self.idle_steps,
                note: Some("sent again with the same key".to_owned()),
            }),
            Change::Decline {
                failure,
                conclusive: true,
                delay: _,
            } => Some(Next::ended(State::Failed(failure))),
            Change::Review {
                reference,
                delay,
                overdue_after,
            } => Some(Next::review(
                reference,
                doubt.clone(),
                now.plus(delay),
                now.plus(overdue_after),
            )),
            Change::Confirm(success) => Some(self.confirmed(success)),
            Change::Absent {
                delay,
                refusal_age_min,
            } => Some(match &doubt.refusal {
                Some(refusal) if now >= refusal.time.plus(refusal_age_min) => {
                    Next::ended(State::Failed(refusal.failure.clone()))
                }
                Some(_) | None => {
                    let checks = doubt.checks.saturating_add(1);
                    stay(
                        Wait::Check,
                        Doubt {
                            checks,
                            ..doubt.clone()
                        },
                        delay,
                    )
                }
            }),
            Change::Wait { wait, delay } => Some(stay(wait, doubt.clone(), delay)),
            Change::Decline {
                conclusive: false, ..
            }
            | Change::NothingSent { .. }
            | Change::Unanswered { .. }
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse => None,
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
                state: State::Unknown {
                    wait: Wait::Check,
                    doubt: doubt.clone(),
                },
                due: Some(now.plus(delay)),
                overdue: Some(now.plus(overdue_after)),
                idle_steps: 0,
                note: Some("the review can no longer be found".to_owned()),
            }),
            Change::Decline {
                failure,
                conclusive: true,
                delay: _,
            } => Some(Next::ended(State::Failed(failure))),
            Change::Review {
                reference: seen,
                delay,
                overdue_after: _,
            } => {
                let mut next = Next::review(
                    seen.or(reference.cloned()),
                    doubt.clone(),
                    now.plus(delay),
                    overdue,
                );
                next.idle_steps = self.idle_steps.saturating_add(1);
                Some(next)
            }
            Change::Absent { delay, .. } | Change::Wait { wait: _, delay } => {
                let checks = doubt.checks.saturating_add(1);
                let doubt = Doubt {
                    checks,
                    ..doubt.clone()
                };
                Some(Next::review(reference.cloned(), doubt, now.plus(delay), overdue))
            }
            Change::Confirm(success) => Some(self.confirmed(success)),
            Change::Send { .. }
            | Change::NothingSent { .. }
            | Change::Decline {
                conclusive: false, ..
            }
            | Change::Reject(_)
            | Change::Cancel
            | Change::Reverse => None,
        }
    }

    fn confirmed(&self, success: Success) -> Next {
        let wanted = self.content.payment().map(|p| p.amount.minor());
        Next::ended(match (wanted, success.amount_minor) {
            (Some(wanted), Some(moved)) if moved < wanted => State::PartiallySucceeded(success),
            (Some(_) | None, Some(_) | None) => State::Succeeded(success),
        })
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
            Self::Absent { .. } => "absent",
            Self::Wait { .. } => "wait",
            Self::Reject(_) => "reject",
            Self::Cancel => "cancel",
            Self::Reverse => "reverse",
        }
    }
}

impl Next {
    fn ended(state: State) -> Self {
        Self {
            state,
            due: None,
            overdue: None,
            idle_steps: 0,
            note: None,
        }
    }

    fn review(reference: Option<String>, doubt: Doubt, due: Timestamp, overdue: Timestamp) -> Self {
        let state = State::InReview { reference, doubt };
        Self {
            state,
            due: Some(due),
            overdue: Some(overdue),
            idle_steps: 0,
            note: None,
        }
    }
}
