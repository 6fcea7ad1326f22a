//! Money that moved although it should not have: listed until a person settles it.

use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::Actor;
use crate::domain::id::{AccountName, RefundId};
use crate::domain::query::Place;
use crate::store::Closed;

use super::paging::{List, Paging};
use super::{Caller, Error, Service};

impl Service {
    /// Lists discrepancies, the oldest first: open ones alone, or all. With the token of the next page, empty
    /// when there is none.
    pub async fn discrepancies(
        &self,
        caller: &Caller,
        account: Option<&AccountName>,
        open: bool,
        paging: &Paging,
    ) -> Result<(Vec<Discrepancy>, String), Error> {
        let list = List::new("discrepancies", &caller.name).with("account", account).with("open", Some(open));
        let after = paging.after(&list)?;
        caller.must_operate()?;
        let found = self.store.discrepancies(account, open, after, paging.size).await?;
        let is_full = u64::try_from(found.len()).is_ok_and(|count| count == paging.size);
        let end = found.last().filter(|_| is_full);
        let next = end.map(|last| list.token(Place { time: last.opened, id: last.refund_id }));
        Ok((found, next.unwrap_or_default()))
    }

    /// Settles a discrepancy. One that is settled is answered as it is.
    pub async fn close_discrepancy(
        &self,
        caller: &Caller,
        id: RefundId,
        number: i64,
        note: &str,
        actor: &Actor,
    ) -> Result<Discrepancy, Error> {
        caller.must_operate()?;
        match self.store.close(id, number, actor, note).await? {
            Closed::Now(discrepancy) => {
                tracing::info!(refund.id = %id, number, actor = actor.name, "a discrepancy was closed");
                Ok(*discrepancy)
            }
            Closed::Already(discrepancy) => Ok(*discrepancy),
            Closed::NotFound => Err(Error::DiscrepancyNotFound),
        }
    }
}
