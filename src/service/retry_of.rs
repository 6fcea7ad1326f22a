//! A refund that tries another one again: what the other one must be.

use crate::domain::content::Content;

use super::{Caller, Error, FieldFault, Service};

impl Service {
    /// Whether `retry_of` names a refund that the caller may read, on the same account, of which something
    /// did not go back.
    pub(super) async fn check_retry(&self, caller: &Caller, content: &Content) -> Result<(), Error> {
        let Some(first) = content.retry_of else { return Ok(()) };
        let fault = |rule: &str| Err(Error::Invalid(vec![FieldFault::new("retry_of", rule)]));
        let first = match self.visible(caller, first).await {
            Ok(first) => first,
            Err(Error::RefundNotFound) => return fault("must be a refund that you may read"),
            Err(error) => return Err(error),
        };
        if first.content.account != content.account {
            return fault("must be a refund of the same account");
        }
        let state = first.state.kind();
        if state.leaves_a_rest() { Ok(()) } else { Err(Error::StateForbids { state, what: "tried again" }) }
    }
}
