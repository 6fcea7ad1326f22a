//! A guard as a row of `guards`.

use sea_orm::ActiveValue::Set;

use super::Reading;
use crate::domain::guard::Guard;
use crate::domain::money::Currency;
use crate::store::Error;
use crate::store::row::GuardKey;
use crate::store::sql::entity::guard::{ActiveModel, Model};

impl TryFrom<Model> for Guard {
    type Error = Error;

    fn try_from(model: Model) -> Result<Self, Error> {
        let at = Reading::new("guards", &model.order_key);
        Ok(Self {
            currency: at.need("currency", Currency::parse(&model.currency).ok())?,
            captured_minor: model.captured_minor,
            confirmed: model.confirmed,
            external_minor: model.external_minor,
            own_minor: model.own_minor,
        })
    }
}

/// The whole row, to be inserted.
pub(in crate::store::sql) fn whole(key: &GuardKey, guard: &Guard) -> ActiveModel {
    ActiveModel {
        provider: Set(key.provider.to_owned()),
        merchant: Set(key.merchant.clone()),
        order_key: Set(key.order_key.clone()),
        ..changes(guard)
    }
}

/// What of a row may change.
pub(in crate::store::sql) fn changes(guard: &Guard) -> ActiveModel {
    ActiveModel {
        currency: Set(guard.currency.code().to_owned()),
        captured_minor: Set(guard.captured_minor),
        confirmed: Set(guard.confirmed),
        external_minor: Set(guard.external_minor),
        own_minor: Set(guard.own_minor),
        ..ActiveModel::default()
    }
}
