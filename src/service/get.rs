//! Read a refund, with its history on request.

use crate::domain::history::History;
use crate::domain::id::RefundId;
use crate::domain::refund::{Refund, State};

use super::queue::Waiting;
use super::{Caller, Error, Service};

/// How many retries of retries are followed back to the first.
const RETRIES_MAX: usize = 10;

/// A refund as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// As it stands.
    pub refund: Refund,
    /// How it waits, while nothing was ever sent.
    pub waiting: Option<Waiting>,
    /// Everything known of it, if asked for.
    pub history: Option<History>,
    /// The refunds that try it again, if everything was asked for.
    pub retried_as: Vec<RefundId>,
}

impl Service {
    /// Reads a refund that the caller may see. Another caller's is not found.
    pub async fn get(&self, caller: &Caller, id: RefundId, full: bool) -> Result<Got, Error> {
        let mut refund = self.visible(caller, id).await?;
        let waiting = self.waiting(&refund).await?;
        if let (State::Pending { wait }, Some(waiting)) = (&mut refund.state, waiting) {
            *wait = waiting.wait;
        }
        let (mut history, mut retried_as) = (None, Vec::new());
        if full {
            history = Some(self.store.history(id).await?);
            retried_as = self.store.retries_of(id).await?;
        }
        Ok(Got { refund, waiting, history, retried_as })
    }

    pub(super) async fn visible(&self, caller: &Caller, id: RefundId) -> Result<Refund, Error> {
        caller.needs_a_right()?;
        let found = self.store.find(id).await?.ok_or(Error::RefundNotFound)?;
        if caller.may_read(&found.caller) {
            return Ok(found);
        }
        // An operator's retry, or one of a retry, is for the caller whose refund it tries again, too.
        let mut before = found.content.retry_of;
        for _ in 0..RETRIES_MAX {
            let Some(first) = before else { break };
            let Some(first) = self.store.find(first).await? else { break };
            if caller.may_read(&first.caller) {
                return Ok(found);
            }
            before = first.content.retry_of;
        }
        Err(Error::RefundNotFound)
    }
}
