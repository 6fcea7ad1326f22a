//! An account's state as a row of `accounts`.

use sea_orm::ActiveValue::Set;

use super::{Reading, micros_of, time_of};
use crate::domain::account::AccountIdentity;
use crate::domain::admission::{AccountState, Block, Pause};
use crate::domain::answer::BlockCause;
use crate::store::Error;
use crate::store::sql::entity::account::{ActiveModel, Model};

impl TryFrom<Model> for AccountState {
    type Error = Error;

    fn try_from(model: Model) -> Result<Self, Error> {
        let at = Reading::new("accounts", &model.name);
        let cause = at.may("blocked_cause", model.blocked_cause.as_deref(), BlockCause::from_word)?;
        let blocked = match cause {
            None => None,
            Some(cause) => Some(Block {
                cause,
                since: at.need("blocked_since_us", time_of(model.blocked_since_us))?,
                probe_at: at.need("probe_at_us", time_of(model.probe_at_us))?,
                probes: at.count("probes", at.need("probes", model.probes)?)?,
            }),
        };
        let paused = match model.paused_by {
            None => None,
            Some(by) => Some(Pause {
                by,
                note: at.need("paused_note", model.paused_note)?,
                until: time_of(model.paused_until_us),
            }),
        };
        Ok(Self {
            paused,
            blocked,
            failures: at.count("failures", model.failures)?,
            open_until: time_of(model.open_until_us),
            throttled_until: time_of(model.throttled_until_us),
            retry_spent_milli: model.retry_spent_milli,
            retry_reckoned: time_of(model.retry_reckoned_us),
            key_heeded: model.key_heeded,
        })
    }
}

/// The whole row, to be inserted.
pub(in crate::store::sql) fn whole(identity: &AccountIdentity, state: &AccountState) -> ActiveModel {
    ActiveModel {
        name: Set(identity.name.as_str().to_owned()),
        ..ActiveModel {
            provider: Set(identity.provider.word().to_owned()),
            merchant: Set(identity.merchant.clone()),
            base_url: Set(identity.base_url.clone()),
            ..changes(state)
        }
    }
}

/// The state alone.
pub(in crate::store::sql) fn changes(state: &AccountState) -> ActiveModel {
    let (paused, blocked) = (state.paused.as_ref(), state.blocked.as_ref());
    ActiveModel {
        paused_by: Set(paused.map(|p| p.by.clone())),
        paused_note: Set(paused.map(|p| p.note.clone())),
        paused_until_us: Set(paused.and_then(|p| micros_of(p.until))),
        blocked_cause: Set(blocked.map(|b| b.cause.word().to_owned())),
        blocked_since_us: Set(blocked.map(|b| b.since.micros())),
        probe_at_us: Set(blocked.map(|b| b.probe_at.micros())),
        probes: Set(blocked.map(|b| i64::from(b.probes))),
        failures: Set(i64::from(state.failures)),
        open_until_us: Set(micros_of(state.open_until)),
        throttled_until_us: Set(micros_of(state.throttled_until)),
        retry_spent_milli: Set(state.retry_spent_milli),
        retry_reckoned_us: Set(micros_of(state.retry_reckoned)),
        key_heeded: Set(state.key_heeded),
        ..ActiveModel::default()
    }
}
