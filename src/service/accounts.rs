//! Read accounts: what each can do, and how it is now.

use std::collections::BTreeMap;

use crate::domain::account::Account;
use crate::domain::admission::{AccountState, Rate};
use crate::domain::id::AccountName;
use crate::domain::timestamp::Timestamp;
use crate::store::Standing;

use super::{Caller, Error, Service};

/// An account as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// As the engine obeys it.
    pub account: Account,
    /// How it stands, what is over left out.
    pub state: AccountState,
    /// Its open refunds.
    pub standing: Standing,
    /// Its budget of sends.
    pub sends: Option<Budget>,
    /// Its budget of lookups.
    pub lookups: Option<Budget>,
}

/// A rate budget as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The budget.
    pub rate: Rate,
    /// When it has its next slot; `None` when it has one now.
    pub next_slot: Option<Timestamp>,
    /// Whether other accounts spend from it.
    pub shared: bool,
    /// Those of them that the caller may use.
    pub shared_with: Vec<AccountName>,
}

impl Service {
    /// The accounts that a caller may use, by name.
    pub async fn accounts(&self, caller: &Caller) -> Result<Vec<Seen>, Error> {
        caller.needs_a_right()?;
        let mut standings = self.standings().await?;
        let mut seen = Vec::new();
        for account in self.accounts.values().filter(|account| caller.may_use(&account.identity.name)) {
            seen.push(self.seen(caller, account, &mut standings).await?);
        }
        Ok(seen)
    }

    /// One account that the caller may use.
    pub async fn account(&self, caller: &Caller, name: &AccountName) -> Result<Seen, Error> {
        caller.needs_a_right()?;
        let account = self.account_of(caller, name)?;
        self.seen(caller, account, &mut self.standings().await?).await
    }

    async fn standings(&self) -> Result<BTreeMap<AccountName, Standing>, Error> {
        let standings = self.store.standings().await?;
        Ok(standings.into_iter().map(|standing| (standing.account.clone(), standing)).collect())
    }

    async fn seen(
        &self,
        caller: &Caller,
        account: &Account,
        standings: &mut BTreeMap<AccountName, Standing>,
    ) -> Result<Seen, Error> {
        let name = &account.identity.name;
        let (now, mut state) = (self.store.now().await?, self.store.account_state(name).await?);
        if !state.is_paused(now) {
            state.paused = None;
        }
        state.throttled_until = state.throttled_until.filter(|until| *until > now);
        Ok(Seen {
            sends: self.budget(caller, account, sends, now).await?,
            lookups: self.budget(caller, account, lookups, now).await?,
            standing: standings.remove(name).unwrap_or_else(|| Standing::empty(name.clone())),
            account: account.clone(),
            state,
        })
    }

    async fn budget(
        &self,
        caller: &Caller,
        account: &Account,
        of: fn(&Account) -> Option<&Rate>,
        now: Timestamp,
    ) -> Result<Option<Budget>, Error> {
        let Some(rate) = of(account) else { return Ok(None) };
        let name = &account.identity.name;
        let shares = |other: &&Account| {
            other.identity.name != *name && of(other).is_some_and(|other| other.bucket == rate.bucket)
        };
        let others: Vec<_> =
            self.accounts.values().filter(shares).map(|other| &other.identity.name).collect();
        let next_slot = self.store.next_slot(rate).await?.map(|wait| now.plus(wait));
        Ok(Some(Budget {
            rate: rate.clone(),
            next_slot,
            shared: !others.is_empty(),
            shared_with: others.into_iter().filter(|other| caller.may_use(other)).cloned().collect(),
        }))
    }
}

fn sends(account: &Account) -> Option<&Rate> {
    account.admission.rate.as_ref()
}

fn lookups(account: &Account) -> Option<&Rate> {
    account.lookup_rate.as_ref()
}
