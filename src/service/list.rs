//! List refunds: those that fit filters, and those that are overdue.

use crate::domain::id::{AccountName, CallerName, OrderId};
use crate::domain::query::{OrderOf, Query};
use crate::domain::refund::{Refund, StateKind};
use crate::domain::timestamp::Timestamp;
use crate::store::Page;

use super::paging::{List, Paging};
use super::{Caller, Error, Service};

/// Which refunds are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What they must fit. The order is told by [`Self::order_id`].
    pub query: Query,
    /// Of this order at the account of the query.
    pub order_id: Option<OrderId>,
}

/// A page of refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As they stand.
    pub refunds: Vec<Refund>,
    /// The token of the next page; empty when there is none.
    pub next_page_token: String,
}

impl Service {
    /// Lists refunds, newest first. Who may not read everyone's gets its own.
    pub async fn list(&self, caller: &Caller, filter: Filter, paging: &Paging) -> Result<Listed, Error> {
        let list = filter.list(&caller.name);
        let after = paging.after(&list)?;
        caller.needs_a_right()?;
        let Filter { mut query, order_id } = filter;
        // An empty answer would read as if the other had none.
        if query.caller.as_ref().is_some_and(|owner| !caller.may_read(owner)) {
            return Err(Error::RightMissing("read_all"));
        }
        if !(caller.read_all || caller.operate) {
            query.caller = Some(caller.name.clone());
        }
        if let (Some(order_id), Some(name)) = (order_id, &query.account) {
            let identity = &self.account_of(caller, name)?.identity;
            query.order = Some(OrderOf {
                provider: identity.provider,
                merchant: identity.merchant.clone(),
                key: identity.provider.canonical_order(&order_id),
            });
        }
        self.shown(self.store.list(&query, after, paging.size).await?, &list).await
    }

    /// Lists open refunds that take too long, the longest overdue first.
    pub async fn overdue(
        &self,
        caller: &Caller,
        account: Option<&AccountName>,
        paging: &Paging,
    ) -> Result<Listed, Error> {
        let list = List::new("overdue", &caller.name).with("account", account);
        let after = paging.after(&list)?;
        caller.must_operate()?;
        self.shown(self.store.overdue(account, after, paging.size).await?, &list).await
    }

    async fn shown(&self, page: Page, list: &List) -> Result<Listed, Error> {
        let Page { mut refunds, next } = page;
        self.tell_account_waits(&mut refunds).await?;
        Ok(Listed { refunds, next_page_token: next.map(|place| list.token(place)).unwrap_or_default() })
    }
}

impl Filter {
    fn list(&self, caller: &CallerName) -> List {
        let Query { caller: of, account, provider, provider_refund_id, iccid, label, .. } = &self.query;
        let states: Vec<&str> = StateKind::ALL
            .iter()
            .filter(|state| self.query.states.contains(state))
            .map(|state| state.word())
            .collect();
        List::new("refunds", caller)
            .with("caller", of.as_ref())
            .with("account", account.as_ref())
            .with("provider", *provider)
            .with("order_id", self.order_id.as_ref())
            .with("iccid", iccid.as_ref())
            .with("provider_refund_id", provider_refund_id.as_ref())
            .with("states", (!states.is_empty()).then(|| states.join(",")))
            .with("create_time_from", self.query.created_from.map(Timestamp::micros))
            .with("create_time_until", self.query.created_until.map(Timestamp::micros))
            .with("metadata_key", label.as_ref().map(|label| &label.key))
            .with("metadata_value", label.as_ref().map(|label| &label.value))
    }
}
