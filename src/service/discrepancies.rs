//! Money that moved although it should not have: listed until a person settles it.

use crate::domain::discrepancy::Discrepancy;
use crate::domain::event::Actor;
use crate::domain::id::{AccountName, RefundId};
use crate::store::{Closed, DiscrepancyPlace};

use super::{Caller, Error, Service};

impl Service {
    /// Discrepancies after a place, the oldest first, at most `limit`; open ones alone, or all.
    pub async fn discrepancies(
        &self,
        caller: &Caller,
        account: Option<&AccountName>,
        open: bool,
        after: Option<DiscrepancyPlace>,
        limit: u64,
    ) -> Result<Vec<Discrepancy>, Error> {
        caller.must_operate()?;
        Ok(self.store.discrepancies(account, open, after, limit).await?)
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
