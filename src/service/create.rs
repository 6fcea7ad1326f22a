//! Accept a refund: decided by key first, then by rules, then by what remains.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::account::Account;
use crate::domain::content::Content;
use crate::domain::decision::Acceptance;
use crate::domain::guard::GuardRefusal;
use crate::domain::id::{AccountName, ProviderKey, RequestId};
use crate::domain::plan::window_objection;
use crate::domain::refund::{NewRefund, Refund, Trace};

use crate::store::Standing;

use super::rules::shape_faults;
use super::{Caller, Error, Point, Service};

/// What a caller asks, well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The idempotency key.
    pub request_id: RequestId,
    /// What is asked.
    pub content: Content,
    /// The caller's trace.
    pub trace: Option<Trace>,
}

/// A refund that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// As it stands.
    pub refund: Refund,
    /// Whether it had been accepted before.
    pub replayed: bool,
}

/// How deep the queues were when last looked at: the bound on a queue is a bound on work, not a law of money,
/// so that a second's lag is well spent on not counting for each refund.
#[derive(Debug, Default)]
pub(super) struct Depths(Mutex<BTreeMap<AccountName, u64>>);

impl Service {
    /// Accepts a refund. Returns once it is durable.
    pub async fn create(&self, caller: &Caller, wish: Wish) -> Result<Created, Error> {
        if !caller.refund {
            return Err(Error::RightMissing("refund"));
        }
        // A replay is decided before any rule that depends on time, configuration or what remains.
        if let Some(existing) = self.store.find_by_request(&caller.name, &wish.request_id).await? {
            return replay(existing, &wish.content);
        }
        self.accept(caller, wish).await
    }

    /// Accepts a wish whose key was not used yet, unless a twin is faster.
    pub(super) async fn accept(&self, caller: &Caller, wish: Wish) -> Result<Created, Error> {
        if self.drain.is_cancelled() {
            return Err(Error::Draining);
        }
        let new = self.checked(caller, wish).await?;
        let mut accepted = self.store.create(vec![new]).await?;
        self.interrupt.at(Point::AfterCreate);
        match accepted.pop() {
            Some(acceptance) => told(acceptance),
            None => Err(Error::Draining),
        }
    }

    /// A wish as it is put to the store, once the rules of its account let it.
    pub(super) async fn checked(&self, caller: &Caller, wish: Wish) -> Result<NewRefund, Error> {
        let account = self.account_of(caller, &wish.content.account)?;
        self.check(account, &wish.content).await?;
        self.check_retry(caller, &wish.content).await?;
        let identity = account.identity.clone();
        let key = ProviderKey::derive(&caller.name, &wish.request_id, &identity.merchant);
        Ok(NewRefund {
            id: self.ids.refund_id(),
            caller: caller.name.clone(),
            request_id: wish.request_id,
            content: wish.content,
            identity,
            key,
            trace: wish.trace,
        })
    }

    /// Looks at every queue, for the bound that [`Service::create`] keeps, and tells how each stands.
    pub async fn refresh_depths(&self) -> Result<Vec<Standing>, Error> {
        let standings = self.store.standings().await?;
        let fresh = standings.iter().map(|standing| (standing.account.clone(), standing.open())).collect();
        *self.depths.0.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(standings)
    }

    pub(super) fn account_of(&self, caller: &Caller, name: &AccountName) -> Result<&Account, Error> {
        self.accounts
            .get(name)
            .filter(|_| caller.may_use(name))
            .ok_or_else(|| Error::AccountNotFound(name.as_str().to_owned()))
    }

    /// The rules of the account: shape, currency, window, queue.
    pub(super) async fn check(&self, account: &Account, content: &Content) -> Result<(), Error> {
        let now = self.store.now().await?;
        let faults = shape_faults(account, content, now);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        if let Some(failure) =
            window_objection(content.purchase_time, account.capabilities.refund_window, now)
        {
            return Err(Error::RefundWindowExpired(failure.text.unwrap_or_default()));
        }
        let depths = self.depths.0.lock().unwrap_or_else(PoisonError::into_inner);
        if depths.get(&account.identity.name).is_some_and(|depth| *depth >= account.queue_max) {
            return Err(Error::QueueFull);
        }
        Ok(())
    }
}

/// What becomes of a wish, as its caller is told.
pub(super) fn told(acceptance: Acceptance) -> Result<Created, Error> {
    match acceptance {
        Acceptance::Accepted { transition, guard: _ } => {
            Ok(Created { refund: transition.refund, replayed: false })
        }
        Acceptance::Replayed(refund) => Ok(Created { refund: *refund, replayed: true }),
        Acceptance::Conflict { refund_id, fields } => Err(Error::KeyReused { refund_id, fields }),
        Acceptance::Refused(refusal) => Err(refused(refusal)),
        Acceptance::EsimTaken { iccid } => Err(Error::EsimTaken { iccid }),
    }
}

pub(super) fn replay(existing: Refund, content: &Content) -> Result<Created, Error> {
    let fields = existing.content.differences(content);
    if fields.is_empty() {
        Ok(Created { refund: existing, replayed: true })
    } else {
        Err(Error::KeyReused { refund_id: existing.id, fields })
    }
}

fn refused(refusal: GuardRefusal) -> Error {
    match refusal {
        GuardRefusal::Currency { order } => Error::CurrencyMismatch { order },
        GuardRefusal::Exceeds { remaining_minor } => Error::AmountExceedsRemaining { remaining_minor },
        GuardRefusal::Expectation { remaining_minor } => Error::ExpectedRemainingChanged { remaining_minor },
    }
}
