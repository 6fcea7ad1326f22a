//! What people decide of a refund: withdraw it, say what became of it, have it looked at, try it again.

use crate::domain::content::{Content, Payment, Target};
use crate::domain::event::Actor;
use crate::domain::id::{RefundId, RequestId};
use crate::domain::money::Money;
use crate::domain::refund::{Refund, State, StateKind, Trace};
use crate::domain::ruling::{Action, Objection, Outcome, Ruling};
use crate::store::RuledAs;

use super::create::{Created, replay};
use super::{Caller, Error, FieldFault, Service, Wish};

/// What an operator says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The refund.
    pub refund_id: RefundId,
    /// What became of it.
    pub outcome: Outcome,
    /// The currency in which the outcome's amount was given, if one was.
    pub amount: Option<Money>,
    /// What shows it.
    pub evidence: String,
    /// Why, for people.
    pub note: String,
}

/// A refund that is to be tried again, as a refund of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The key of the new refund, in the operator's scope.
    pub request_id: RequestId,
    /// The refund.
    pub refund_id: RefundId,
    /// How much; all that did not go back when `None`.
    pub amount: Option<Money>,
    /// What shows that nothing was effected; needed while the refund is UNKNOWN.
    pub evidence: Option<String>,
    /// Why, for people.
    pub note: String,
    /// The operator's trace.
    pub trace: Option<Trace>,
}

impl Service {
    /// Withdraws a refund of which nothing was ever sent. One that was withdrawn before is answered as it is.
    pub async fn cancel(&self, caller: &Caller, id: RefundId, actor: Actor) -> Result<Refund, Error> {
        if !(caller.refund || caller.operate) {
            return Err(Error::RightMissing("refund"));
        }
        let refund = self.visible(caller, id).await?;
        // Who may read everyone's may not withdraw everyone's.
        if refund.caller != caller.name && !caller.operate {
            return Err(Error::RightMissing("operate"));
        }
        self.rule(id, Action::Cancel, actor, None, None).await
    }

    /// Records what became of a refund in doubt or in review, or that a success was taken back.
    pub async fn resolve(
        &self,
        caller: &Caller,
        resolution: Resolution,
        actor: Actor,
    ) -> Result<Refund, Error> {
        let refund = self.operated(caller, resolution.refund_id).await?;
        check_amount(&refund, &resolution)?;
        let Resolution { refund_id, outcome, amount: _, evidence, note } = resolution;
        self.rule(refund_id, Action::Resolve(outcome), actor, Some(evidence), Some(note)).await
    }

    /// Has a refund looked up, or sent again by the rules, now.
    pub async fn check_now(
        &self,
        caller: &Caller,
        id: RefundId,
        note: Option<String>,
        actor: Actor,
    ) -> Result<Refund, Error> {
        self.operated(caller, id).await?;
        self.rule(id, Action::Check, actor, None, note).await
    }

    /// Tries a refund again that failed, in whole or part, as a refund of its own. Of one in doubt it first
    /// records, by the evidence, that nothing was effected.
    pub async fn retry(&self, caller: &Caller, retry: Retry, actor: Actor) -> Result<Created, Error> {
        let first = self.operated(caller, retry.refund_id).await?;
        if let Some(existing) = self.store.find_by_request(&caller.name, &retry.request_id).await? {
            // By what was said alone: how much the rest is may have changed by its own success.
            let mut content = existing.content.clone();
            content.retry_of = Some(retry.refund_id);
            if let (Target::Payment(payment), Some(amount)) = (&mut content.target, retry.amount) {
                payment.amount = amount;
            }
            let id = existing.id;
            let replayed = replay(existing, &content)?;
            // It may have ended between the refund and the note of it.
            self.rule(first.id, Action::Retried(id), actor, retry.evidence, Some(retry.note)).await?;
            return Ok(replayed);
        }
        let content = Content {
            target: what_to_retry(&first, &retry)?,
            not_before: None,
            send_before: None,
            expected_remaining: None,
            retry_of: Some(first.id),
            ..first.content.clone()
        };
        if first.state.kind() == StateKind::Unknown {
            // What would be refused for its form or its age decides nothing.
            self.check(self.account_of(caller, &content.account)?, &content).await?;
            let (failed, note) = (Action::Resolve(Outcome::Failed), Some(retry.note.clone()));
            self.rule(first.id, failed, actor.clone(), retry.evidence.clone(), note).await?;
        }
        let wish = Wish { request_id: retry.request_id, content, trace: retry.trace };
        let created = self.accept(caller, wish).await?;
        let note = Action::Retried(created.refund.id);
        self.rule(first.id, note, actor, retry.evidence, Some(retry.note)).await?;
        Ok(created)
    }

    /// A refund, for an operator.
    async fn operated(&self, caller: &Caller, id: RefundId) -> Result<Refund, Error> {
        caller.must_operate()?;
        self.store.find(id).await?.ok_or(Error::RefundNotFound)
    }

    async fn rule(
        &self,
        id: RefundId,
        action: Action,
        actor: Actor,
        evidence: Option<String>,
        note: Option<String>,
    ) -> Result<Refund, Error> {
        let done = match &action {
            Action::Cancel => "canceled",
            Action::Resolve(_) => "resolved",
            Action::Check => "checked",
            Action::Retried(_) => "tried again",
        };
        let ruling = Ruling { action, actor, evidence, note };
        let found = self.store.find(id).await?;
        let account = found.and_then(|refund| self.accounts.get(&refund.content.account));
        match self.store.rule(id, &ruling, account).await? {
            RuledAs::Done(refund) => {
                tracing::info!(
                    refund.id = %refund.id,
                    state = %refund.state.kind(),
                    actor = ruling.actor.name,
                    history.number = refund.history.number,
                    history.hash = %refund.history.hash,
                    done,
                    "a person decided"
                );
                Ok(*refund)
            }
            RuledAs::Already(refund) => Ok(*refund),
            RuledAs::Refused(_, Objection::State(state)) => Err(Error::StateForbids { state, what: done }),
            RuledAs::Refused(_, Objection::OnItsWay(wait)) => Err(Error::AttemptOnItsWay { wait }),
            RuledAs::Refused(_, Objection::NoPart) => Err(Error::Invalid(vec![no_part()])),
            RuledAs::Refused(_, Objection::NoLookup) => Err(Error::NoLookup),
            RuledAs::NotFound => Err(Error::RefundNotFound),
        }
    }
}

fn check_amount(refund: &Refund, resolution: &Resolution) -> Result<(), Error> {
    let Some(amount) = resolution.amount else { return Ok(()) };
    let fault = match refund.content.payment() {
        None => "eSIMs have no amount: leave it unset".to_owned(),
        Some(payment) if payment.amount.currency() != amount.currency() => {
            format!("must be in {}, as the refund", payment.amount.currency())
        }
        Some(_) => return Ok(()),
    };
    Err(Error::Invalid(vec![FieldFault::new("amount_succeeded", fault)]))
}

fn no_part() -> FieldFault {
    let rule = "must be at least 1 minor unit and less than the refund for PARTIALLY_SUCCEEDED, the whole or \
                nothing for SUCCEEDED";
    FieldFault::new("amount_succeeded", rule)
}

/// What of a refund did not go back: all of one that failed, was canceled or taken back, or that is in doubt
/// and of which the evidence shows it; the rest of one that succeeded in part.
fn what_to_retry(refund: &Refund, retry: &Retry) -> Result<Target, Error> {
    let (state, mut faults) = (refund.state.kind(), Vec::new());
    if state == StateKind::Unknown {
        if retry.evidence.is_none() {
            let rule = "the refund is UNKNOWN: say what shows that nothing was effected";
            faults.push(FieldFault::new("evidence", rule));
        }
    } else if !state.leaves_a_rest() {
        return Err(Error::StateForbids { state, what: "tried again" });
    }
    let target = match &refund.content.target {
        Target::Payment(payment) => failed_payment(refund, payment, retry.amount).map(Target::Payment),
        Target::Esims(_) if retry.amount.is_some() => {
            Err(FieldFault::new("amount", "eSIMs have no amount: leave it unset"))
        }
        // Airalo does not say which of them came back: a person names them in a refund of its own.
        Target::Esims(_) if state == StateKind::PartiallySucceeded => {
            return Err(Error::StateForbids { state, what: "tried again" });
        }
        Target::Esims(iccids) => Ok(Target::Esims(iccids.clone())),
    };
    match target {
        Ok(target) if faults.is_empty() => Ok(target),
        told => {
            faults.extend(told.err());
            Err(Error::Invalid(faults))
        }
    }
}

fn failed_payment(refund: &Refund, payment: &Payment, amount: Option<Money>) -> Result<Payment, FieldFault> {
    let went_back = match &refund.state {
        State::PartiallySucceeded(success) => success.amount_minor.unwrap_or(0),
        _nothing_did => 0,
    };
    let most_minor = payment.amount.minor().saturating_sub(went_back);
    let currency = payment.amount.currency();
    let rest = Money::new(currency, most_minor).ok();
    let amount = match amount.or(rest) {
        Some(amount) if amount.currency() == currency && (1..=most_minor).contains(&amount.minor()) => amount,
        Some(_) | None => {
            let rule = format!("must be 1 to {most_minor} minor units of {currency}: what did not go back");
            return Err(FieldFault::new("amount", rule));
        }
    };
    Ok(Payment { amount, ..payment.clone() })
}
