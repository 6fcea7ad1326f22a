//! What people decide of one refund, under its row lock: a caller withdraws it, an operator says what became
//! of it or has it looked at. What the machine may not decide a person may, and no more than the table of
//! states allows.

use std::time::Duration;

use super::account::Account;
use super::event::Actor;
use super::history::{Decision, DecisionKind, Entry};
use super::id::RefundId;
use super::reason::FailureReason;
use super::refund::{
    Change, Failure, IllegalTransition, Item, ItemState, Refund, State, StateKind, Success, Transition,
};
use super::timestamp::Timestamp;

/// How long an account that is not configured any more is taken to have needed for an answer.
const ANSWER_MAX: Duration = Duration::from_mins(2);

/// What somebody wants done with a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What.
    pub action: Action,
    /// Who, and in which trace.
    pub actor: Actor,
    /// What it rests on.
    pub evidence: Option<String>,
    /// Why, for people.
    pub note: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Withdraw it, if nothing was ever sent.
    Cancel,
    /// Record what became of it.
    Resolve(Outcome),
    /// Look it up, or send it again by the rules, now.
    Check,
    /// Note that another refund tries it again.
    Retried(RefundId),
}

/// What became of a refund, as a person found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The money went back: this much, minor units, or all of it.
    Succeeded {
        /// How much; `None`: all of it, or for eSIMs what the provider decided.
        amount_minor: Option<i64>,
        /// The provider's reference.
        provider_refund_id: Option<String>,
    },
    /// A part of the eSIMs, or of the sum, went back and no more will.
    PartiallySucceeded {
        /// How much, minor units; needed for payments.
        amount_minor: Option<i64>,
        /// The provider's reference.
        provider_refund_id: Option<String>,
    },
    /// Nothing was effected.
    Failed,
    /// It had gone back and was taken back.
    Reversed,
}

/// What a ruling makes of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruled {
    /// It changed; the decision, if it is one of an operator, goes on record with it.
    Changed(Box<Transition>, Option<Decision>),
    /// It stays in its state and is looked at now.
    Due(Box<Refund>, Decision),
    /// Nothing changes but its history.
    Noted(Decision),
    /// It was so before: the same ruling was made already.
    Already,
}

/// Why a ruling is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// The state does not allow it.
    State(StateKind),
    /// What was sent may still be on its way: only after this much time may a person say what became of it.
    OnItsWay(Duration),
    /// An amount that is not less than the whole is no part of it.
    NoPart,
    /// The refund cannot be looked up.
    NoLookup,
}

/// Decides. `account` is that of the refund as configured, if it still is; `earlier` are the decisions on
/// record, which only what [`asks`](Ruling::asks_history) for them needs.
///
/// # Errors
/// Why not: nothing changes then.
pub fn rule(
    refund: &Refund,
    ruling: &Ruling,
    account: Option<&Account>,
    earlier: &[Decision],
    now: Timestamp,
) -> Result<Ruled, Objection> {
    let state = refund.state.kind();
    let answer = account.map_or(ANSWER_MAX, |account| account.answer);
    let lookup = account.is_some_and(|account| account.capabilities.lookup);
    let not_so = |_: IllegalTransition| Objection::State(state);
    match &ruling.action {
        Action::Cancel if state == StateKind::Canceled => Ok(Ruled::Already),
        Action::Cancel => {
            let canceled = refund.apply(Change::Cancel, ruling.actor.clone(), now).map_err(not_so)?;
            Ok(Ruled::Changed(Box::new(canceled), None))
        }
        Action::Resolve(outcome) => {
            let decision = outcome.told_by(ruling.decision(DecisionKind::Resolve, now));
            // No outcome can be recorded twice: the same again was said before.
            if earlier.iter().any(|other| other.says_the_same(&decision)) {
                return Ok(Ruled::Already);
            }
            may_be_resolved(refund, outcome, answer, now)?;
            let names_key = account.is_none_or(|account| account.capabilities.echoes_key);
            let change = change_of(refund, outcome, ruling, names_key)?;
            let resolved = refund.apply(change, ruling.actor.clone(), now).map_err(not_so)?;
            Ok(Ruled::Changed(Box::new(resolved), Some(decision)))
        }
        Action::Check => {
            let decision = ruling.decision(DecisionKind::Check, now);
            checked(refund, lookup, now).map(|due| Ruled::Due(Box::new(due), decision))
        }
        Action::Retried(id) => {
            let again = earlier.iter().any(|other| other.retried_as == Some(*id));
            let decision = ruling.decision(DecisionKind::Retry, now);
            let noted = Ruled::Noted(Decision { retried_as: Some(*id), ..decision });
            Ok(if again { Ruled::Already } else { noted })
        }
    }
}

/// A refund in doubt or in review, once its attempt cannot be on its way any more; a success only as taken
/// back.
fn may_be_resolved(
    refund: &Refund,
    outcome: &Outcome,
    answer: Duration,
    now: Timestamp,
) -> Result<(), Objection> {
    let state = refund.state.kind();
    match state {
        StateKind::Unknown => {
            let settled = refund.update_time.plus(answer);
            if now < settled { Err(Objection::OnItsWay(settled.since(now))) } else { Ok(()) }
        }
        StateKind::Sending => {
            let taken_over = refund.due.map_or(Duration::ZERO, |due| due.since(now));
            Err(Objection::OnItsWay(taken_over + answer))
        }
        StateKind::InReview => Ok(()),
        StateKind::Succeeded | StateKind::PartiallySucceeded if *outcome == Outcome::Reversed => Ok(()),
        StateKind::Pending
        | StateKind::Succeeded
        | StateKind::PartiallySucceeded
        | StateKind::Failed
        | StateKind::Canceled
        | StateKind::Reversed => Err(Objection::State(state)),
    }
}

fn change_of(
    refund: &Refund,
    outcome: &Outcome,
    ruling: &Ruling,
    names_key: bool,
) -> Result<Change, Objection> {
    let whole = refund.content.payment().map(|payment| payment.amount.minor());
    let success = |amount_minor: Option<i64>, id: &Option<String>| {
        let amount_minor = amount_minor.or(whole);
        // Where an order names no key its transactions are known as ours by their ids alone.
        let known = id.as_ref().filter(|_| !names_key && refund.items.is_empty() && whole.is_some());
        let state = ItemState::Succeeded;
        let item = |id: &String| Item { id: id.clone(), state, amount_minor, provider_code: None };
        let items = known.map(item).into_iter().collect();
        Success { amount_minor, provider_refund_id: id.clone(), completed: None, items }
    };
    match outcome {
        Outcome::Succeeded { amount_minor, provider_refund_id } => {
            if whole.zip(*amount_minor).is_some_and(|(whole, moved)| whole != moved) {
                return Err(Objection::NoPart);
            }
            Ok(Change::Confirm(success(None, provider_refund_id)))
        }
        Outcome::PartiallySucceeded { amount_minor, provider_refund_id } => {
            let is_part = match (whole, amount_minor) {
                (Some(whole), Some(moved)) => (1..whole).contains(moved),
                (Some(_), None) => false,
                (None, _) => true,
            };
            if !is_part {
                return Err(Objection::NoPart);
            }
            Ok(Change::ConfirmPart(success(*amount_minor, provider_refund_id)))
        }
        Outcome::Failed => {
            let text = ruling.note.clone().or_else(|| ruling.evidence.clone());
            let failure = Failure { reason: FailureReason::ResolvedByOperator, provider_code: None, text };
            Ok(Change::Decline { failure, conclusive: true, delay: Duration::ZERO })
        }
        Outcome::Reversed => {
            let note = ruling.evidence.clone().unwrap_or_default();
            Ok(Change::Reverse { note })
        }
    }
}

/// The refund, due now.
fn checked(refund: &Refund, lookup: bool, now: Timestamp) -> Result<Refund, Objection> {
    let state = refund.state.kind();
    let mut refund = refund.clone();
    match &refund.state {
        State::Unknown { .. } | State::InReview { .. } => refund.due = Some(now),
        State::Succeeded(_) | State::PartiallySucceeded(_) | State::Reversed(_) | State::Failed(_)
            if refund.sends > 0 =>
        {
            if !lookup {
                return Err(Objection::NoLookup);
            }
            refund.follow = Some(now);
        }
        State::Pending { .. }
        | State::Sending { .. }
        | State::Succeeded(_)
        | State::PartiallySucceeded(_)
        | State::Failed(_)
        | State::Canceled
        | State::Reversed(_) => return Err(Objection::State(state)),
    }
    Ok(refund)
}

impl Ruling {
    /// Whether what was decided before matters to it.
    pub fn asks_history(&self) -> bool {
        match &self.action {
            Action::Resolve(_) | Action::Retried(_) => true,
            Action::Check | Action::Cancel => false,
        }
    }

    /// What goes on record of it, whatever it is.
    fn decision(&self, kind: DecisionKind, now: Timestamp) -> Decision {
        let (evidence, note) = (self.evidence.clone(), self.note.clone());
        Decision { evidence, note, ..Decision::new(kind, self.actor.clone(), now) }
    }
}

impl Outcome {
    /// A decision that tells it: the state that it records, how much went back, the provider's reference.
    fn told_by(&self, decision: Decision) -> Decision {
        let (state, amount_minor, provider_refund_id) = match self {
            Self::Succeeded { amount_minor, provider_refund_id } => {
                (StateKind::Succeeded, *amount_minor, provider_refund_id.clone())
            }
            Self::PartiallySucceeded { amount_minor, provider_refund_id } => {
                (StateKind::PartiallySucceeded, *amount_minor, provider_refund_id.clone())
            }
            Self::Failed => (StateKind::Failed, None, None),
            Self::Reversed => (StateKind::Reversed, None, None),
        };
        Decision { outcome: Some(state), amount_minor, provider_refund_id, ..decision }
    }
}

impl Ruled {
    /// The refund after it, and what its history gains, in order.
    pub fn applied(self, before: &Refund) -> (Refund, Vec<Entry>) {
        match self {
            Self::Changed(transition, decision) => {
                let Transition { refund, event } = *transition;
                let decided = decision.map(Entry::Decided);
                (refund, decided.into_iter().chain(event.map(Entry::Event)).collect())
            }
            Self::Due(refund, decision) => (*refund, vec![Entry::Decided(decision)]),
            Self::Noted(decision) => (before.clone(), vec![Entry::Decided(decision)]),
            Self::Already => (before.clone(), Vec::new()),
        }
    }
}
