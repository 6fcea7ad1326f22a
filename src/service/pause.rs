//! Hold up an account, and let it go on: what is in flight finishes, nothing new goes out, refunds are
//! accepted.

use crate::domain::admission::{Amendment, Pause};
use crate::domain::id::AccountName;
use crate::domain::timestamp::Timestamp;

use super::{Caller, Error, FieldFault, Service};

impl Service {
    /// Holds up an account until a time, or until it is resumed.
    pub async fn pause(
        &self,
        caller: &Caller,
        account: &AccountName,
        note: String,
        until: Option<Timestamp>,
    ) -> Result<(), Error> {
        caller.must_operate()?;
        if let Some(until) = until
            && until <= self.store.now().await?
        {
            return Err(Error::Invalid(vec![FieldFault::new("until", "must be in the future")]));
        }
        let pause = Pause { by: caller.name.as_str().to_owned(), note, until };
        self.amend(caller, account, Amendment::Pause(pause)).await
    }

    /// Lets an account go on. With `key_heeded` what was seen of its key is forgotten: its provider was asked
    /// and heeds it.
    pub async fn resume(
        &self,
        caller: &Caller,
        account: &AccountName,
        note: &str,
        key_heeded: bool,
    ) -> Result<(), Error> {
        caller.must_operate()?;
        self.amend(caller, account, Amendment::Resume { key_heeded }).await?;
        tracing::warn!(account = account.as_str(), by = caller.name.as_str(), note, key_heeded, "resumed");
        Ok(())
    }

    async fn amend(&self, caller: &Caller, name: &AccountName, amendment: Amendment) -> Result<(), Error> {
        let account = self.account_of(caller, name)?;
        let state = self.store.amend(&account.identity, &amendment).await?;
        if let Some(pause) = &state.paused {
            let until = pause.until.map(tracing::field::display);
            tracing::warn!(account = name.as_str(), by = pause.by, note = pause.note, until, "paused");
        }
        Ok(())
    }
}
