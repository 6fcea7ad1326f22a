//! Say what would become of a refund, and leave no trace.

use crate::domain::money::Money;
use crate::domain::refund::Refund;

use super::create::{replay, told};
use super::queue::Waiting;
use super::{Caller, Error, Service, Wish};

/// What would become of a refund.
#[derive(Debug)]
pub struct Validated {
    /// Accepted, with the refund that has the key already if one does; or why not.
    pub verdict: Result<Option<Refund>, Error>,
    /// What remains on the order before it, where that is known.
    pub remaining: Option<Money>,
    /// Whether the provider's people decide each refund of the account.
    pub person_reviews: bool,
    /// How it would wait.
    pub waiting: Option<Waiting>,
}

impl Service {
    /// Says what [`Service::create`] would. Refusals of the wish are a part of the answer; that the caller
    /// may not ask, or that the store is away, is an error as ever.
    pub async fn validate(&self, caller: &Caller, wish: Wish) -> Result<Validated, Error> {
        if !caller.refund {
            return Err(Error::RightMissing("refund"));
        }
        let account = self.account_of(caller, &wish.content.account).ok().cloned();
        let mut validated = Validated {
            verdict: Ok(None),
            remaining: None,
            person_reviews: account.as_ref().is_some_and(|account| account.capabilities.person_reviews),
            waiting: None,
        };
        if let Some(account) = &account
            && let Some(payment) = wish.content.payment()
        {
            let order = account.identity.provider.canonical_order(&payment.order_id);
            let guard = self.store.guard(&account.identity, &order).await?;
            let known = guard.and_then(|guard| Some((guard.currency, guard.remaining_minor()?)));
            validated.remaining = known.and_then(|(currency, minor)| Money::new(currency, minor.max(0)).ok());
        }
        let existing = self.store.find_by_request(&caller.name, &wish.request_id).await?;
        if let Some(existing) = existing {
            validated.verdict = replay(existing, &wish.content).map(|created| Some(created.refund));
            return Ok(validated);
        }
        let new = match self.checked(caller, wish).await {
            Ok(new) => new,
            Err(error @ (Error::Store(_) | Error::Draining)) => return Err(error),
            Err(refusal) => {
                validated.verdict = Err(refusal);
                return Ok(validated);
            }
        };
        match told(self.store.rehearse(new).await?) {
            Ok(created) if created.replayed => validated.verdict = Ok(Some(created.refund)),
            Ok(created) => validated.waiting = self.waiting(&created.refund).await?,
            Err(refusal) => validated.verdict = Err(refusal),
        }
        Ok(validated)
    }
}
