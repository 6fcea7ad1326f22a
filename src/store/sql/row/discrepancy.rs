//! A discrepancy as a row of `discrepancies`.

use sea_orm::ActiveValue::Set;

use super::{Reading, micros_of};
use crate::domain::discrepancy::{Closing, Discrepancy};
use crate::domain::id::{AccountName, RefundId};
use crate::domain::money::Currency;
use crate::domain::timestamp::Timestamp;
use crate::store::Error;
use crate::store::sql::entity::discrepancy::{ActiveModel, Model};

impl TryFrom<Model> for Discrepancy {
    type Error = Error;

    fn try_from(model: Model) -> Result<Self, Error> {
        let at = Reading::new("discrepancies", &model.refund_id);
        let closed = match model.closed_us {
            None => None,
            Some(closed_us) => Some(Closing {
                time: Timestamp::from_micros(closed_us),
                by: at.need("closed_by", model.closed_by)?,
                note: at.need("close_note", model.close_note)?,
            }),
        };
        Ok(Self {
            refund_id: RefundId(model.refund_id),
            number: model.number,
            account: at.need("account", AccountName::parse(&model.account).ok())?,
            currency: at.may("currency", model.currency, |code| Currency::parse(&code).ok())?,
            amount_minor: model.amount_minor,
            provider_refund_id: Some(model.provider_refund_id).filter(|id| !id.is_empty()),
            opened: Timestamp::from_micros(model.opened_us),
            closed,
        })
    }
}

/// The whole row, to be inserted.
pub(in crate::store::sql) fn whole(discrepancy: &Discrepancy) -> ActiveModel {
    let closed = discrepancy.closed.as_ref();
    ActiveModel {
        refund_id: Set(discrepancy.refund_id.0),
        number: Set(discrepancy.number),
        account: Set(discrepancy.account.as_str().to_owned()),
        currency: Set(discrepancy.currency.map(|currency| currency.code().to_owned())),
        amount_minor: Set(discrepancy.amount_minor),
        provider_refund_id: Set(discrepancy.provider_refund_id.clone().unwrap_or_default()),
        opened_us: Set(discrepancy.opened.micros()),
        closed_us: Set(micros_of(closed.map(|closing| closing.time))),
        closed_by: Set(closed.map(|closing| closing.by.clone())),
        close_note: Set(closed.map(|closing| closing.note.clone())),
    }
}
