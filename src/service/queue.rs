//! What a refund that was never sent waits for, its place, and when it can be sent at the earliest.

use std::collections::BTreeMap;

use crate::domain::account::Account;
use crate::domain::admission::AccountState;
use crate::domain::id::AccountName;
use crate::domain::refund::{Refund, State, Wait};
use crate::domain::timestamp::Timestamp;

use super::{Error, Service};

/// How a PENDING refund waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// What for.
    pub wait: Wait,
    /// Its place among those of its account, or of accounts that share its budget, that were never sent; from
    /// 1.
    pub place: u64,
    /// When it can be sent at the earliest, as things stand; `None` where only a person or another refund
    /// decides.
    pub send_time: Option<Timestamp>,
}

/// How an account stands, as far as its queue goes by it.
struct Standing {
    state: AccountState,
    now: Timestamp,
    /// When its budget has a slot, if it has none now.
    slot: Option<Timestamp>,
}

impl Service {
    /// How a refund waits; `None` unless it is PENDING. Its row says what an account holds up only once a
    /// worker had it, so that blocking an account does not have to touch each refund.
    pub(super) async fn waiting(&self, refund: &Refund) -> Result<Option<Waiting>, Error> {
        let State::Pending { wait } = refund.state else { return Ok(None) };
        let name = &refund.content.account;
        let standing = self.standing(name).await?;
        let account = self.accounts.get(name);
        let ahead = self.store.ahead(&self.sharing(account, name), refund).await?;
        Ok(Some(Waiting {
            wait: standing.told(refund, wait),
            place: ahead.saturating_add(1),
            send_time: standing.send_time(refund, wait, account, ahead),
        }))
    }

    /// Says of refunds that wait for their turn what their accounts hold them up for; each account is looked
    /// at once.
    pub(super) async fn tell_account_waits(&self, refunds: &mut [Refund]) -> Result<(), Error> {
        let mut known: BTreeMap<AccountName, Standing> = BTreeMap::new();
        for refund in refunds {
            let State::Pending { wait } = refund.state else { continue };
            let name = &refund.content.account;
            let told = if let Some(standing) = known.get(name) {
                standing.told(refund, wait)
            } else {
                let standing = self.standing(name).await?;
                let told = standing.told(refund, wait);
                known.insert(name.clone(), standing);
                told
            };
            refund.state = State::Pending { wait: told };
        }
        Ok(())
    }

    async fn standing(&self, name: &AccountName) -> Result<Standing, Error> {
        let state = self.store.account_state(name).await?;
        let now = self.store.now().await?;
        let rate = self.accounts.get(name).and_then(|account| account.admission.rate.as_ref());
        let slot = match rate {
            Some(rate) => self.store.next_slot(rate).await?.map(|wait| now.plus(wait)),
            None => None,
        };
        let slot = slot.max(state.throttled_until.filter(|until| *until > now));
        Ok(Standing { state, now, slot })
    }

    /// The accounts that go for the slots of the same budget; an account without one stands alone.
    fn sharing(&self, account: Option<&Account>, name: &AccountName) -> Vec<AccountName> {
        let bucket = |account: &Account| account.admission.rate.as_ref().map(|rate| rate.bucket.clone());
        let Some(shared) = account.and_then(bucket) else { return vec![name.clone()] };
        let others = self.accounts.values().filter(|other| bucket(other).as_ref() == Some(&shared));
        others.map(|other| other.identity.name.clone()).collect()
    }
}

impl Standing {
    /// What it really waits for: what held up its account, or itself, when its row was written may be over.
    fn told(&self, refund: &Refund, wait: Wait) -> Wait {
        match wait {
            Wait::AccountBlocked | Wait::AccountPaused | Wait::Breaker => {
                self.held_up_by().unwrap_or(Wait::Turn)
            }
            Wait::NotBefore if refund.content.not_before.is_none_or(|at| at <= self.now) => {
                self.held_up_by().unwrap_or(Wait::Turn)
            }
            Wait::Turn | Wait::Backoff | Wait::Slot => self.held_up_by().unwrap_or(wait),
            Wait::Order | Wait::NotBefore | Wait::Answer | Wait::Check | Wait::Review | Wait::Person => wait,
        }
    }

    /// What holds up the account now.
    fn held_up_by(&self) -> Option<Wait> {
        if self.state.is_paused(self.now) {
            Some(Wait::AccountPaused)
        } else if self.state.blocked.is_some() {
            Some(Wait::AccountBlocked)
        } else if self.state.open_until.is_some() {
            Some(Wait::Breaker)
        } else {
            self.slot.map(|_| Wait::Slot)
        }
    }

    /// Those ahead go first, in full calls, a slot each.
    fn send_time(
        &self,
        refund: &Refund,
        wait: Wait,
        account: Option<&Account>,
        ahead: u64,
    ) -> Option<Timestamp> {
        let account = account?;
        let paused = self.state.paused.as_ref().filter(|_| self.state.is_paused(self.now));
        // Another refund decides, or a person.
        if wait == Wait::Order || paused.is_some_and(|pause| pause.until.is_none()) {
            return None;
        }
        let probe_at = self.state.blocked.as_ref().map(|block| block.probe_at);
        let until = paused.and_then(|pause| pause.until);
        let holds =
            [refund.due, refund.content.not_before, self.slot, until, probe_at, self.state.open_until];
        let first = holds.into_iter().flatten().fold(self.now, Timestamp::max);
        let Some(rate) = &account.admission.rate else { return Some(first) };
        let in_a_call = u64::try_from(account.capabilities.batch_max).unwrap_or(1).max(1);
        let calls = u32::try_from(ahead / in_a_call).unwrap_or(u32::MAX);
        Some(first.plus(rate.every.saturating_mul(calls)))
    }
}
