//! Read a refund, with its history on request.

use crate::domain::admission::AccountState;
use crate::domain::history::History;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::refund::{Refund, State, Wait};

use super::{Caller, Error, Service};

/// A refund as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// As it stands.
    pub refund: Refund,
    /// Everything known of it, if asked for.
    pub history: Option<History>,
}

impl Service {
    /// Reads a refund that the caller may see. Another caller's is not found.
    pub async fn get(&self, caller: &Caller, id: RefundId, full: bool) -> Result<Got, Error> {
        let mut refund = self.visible(caller, id).await?;
        self.tell_account_wait(&mut refund).await?;
        let history = if full { Some(self.store.history(id).await?) } else { None };
        Ok(Got { refund, history })
    }

    pub(super) async fn visible(&self, caller: &Caller, id: RefundId) -> Result<Refund, Error> {
        if !(caller.refund || caller.read_all || caller.operate) {
            return Err(Error::RightMissing("refund"));
        }
        let found = self.store.find(id).await?;
        found.filter(|refund| caller.may_read(&refund.caller)).ok_or(Error::RefundNotFound)
    }

    /// A refund that waits for its turn on an account that is blocked, paused, broken or without a slot
    /// waits for the account. Its row says so only once a worker had it, so that blocking an account does
    /// not have to touch each refund.
    async fn tell_account_wait(&self, refund: &mut Refund) -> Result<(), Error> {
        if let State::Pending { wait: wait @ (Wait::Turn | Wait::Backoff) } = &mut refund.state {
            let name = &refund.content.account;
            let account = self.store.account_state(name).await?;
            if account.paused.is_some() {
                *wait = Wait::AccountPaused;
            } else if account.blocked.is_some() {
                *wait = Wait::AccountBlocked;
            } else if account.open_until.is_some() {
                *wait = Wait::Breaker;
            } else if self.lacks_slot(name, &account).await? {
                *wait = Wait::Slot;
            }
        }
        Ok(())
    }

    async fn lacks_slot(&self, name: &AccountName, state: &AccountState) -> Result<bool, Error> {
        if let Some(until) = state.throttled_until
            && until > self.store.now().await?
        {
            return Ok(true);
        }
        match self.accounts.get(name).and_then(|account| account.admission.rate.as_ref()) {
            Some(rate) => Ok(self.store.next_slot(rate).await?.is_some()),
            None => Ok(false),
        }
    }
}
