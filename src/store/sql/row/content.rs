//! What was asked, as columns of `refunds`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Reading, time_of};
use crate::domain::content::{Content, Payment, Target};
use crate::domain::id::{AccountName, Iccid, OrderId, RefundId, TransactionId};
use crate::domain::money::{Currency, Money};
use crate::domain::reason::Reason;
use crate::store::Error;
use crate::store::sql::entity::refund;

pub(super) fn content_of(at: &Reading, model: &refund::Model) -> Result<Content, Error> {
    Ok(Content {
        account: at.need("account", AccountName::parse(&model.account).ok())?,
        target: target_of(at, model)?,
        reason: at.need("reason", Reason::from_word(&model.reason))?,
        provider_reason: model.provider_reason.clone(),
        notes: model.notes.clone(),
        email: model.email.clone(),
        metadata: at.need("metadata", metadata_of(&model.metadata))?,
        purchase_time: time_of(model.purchased_us),
        captured_amount: money_of(
            at,
            "captured_minor",
            model.captured_currency.as_deref(),
            model.captured_minor,
        )?,
        expected_remaining: money_of(
            at,
            "expected_minor",
            model.expected_currency.as_deref(),
            model.expected_minor,
        )?,
        not_before: time_of(model.not_before_us),
        send_before: time_of(model.asked_send_before_us),
        retry_of: model.retry_of.map(RefundId),
    })
}

fn target_of(at: &Reading, model: &refund::Model) -> Result<Target, Error> {
    if let Some(order_id) = &model.order_id {
        let amount = money_of(at, "amount_minor", model.currency.as_deref(), model.amount_minor)?;
        return Ok(Target::Payment(Payment {
            order_id: at.need("order_id", OrderId::parse(order_id).ok())?,
            transaction_id: at.may("transaction_id", model.transaction_id.as_deref(), |text| {
                TransactionId::parse(text).ok()
            })?,
            amount: at.need("amount_minor", amount)?,
        }));
    }
    let iccids = model
        .iccids
        .as_ref()
        .and_then(|json| json.as_array()?.iter().map(|value| Iccid::parse(value.as_str()?).ok()).collect());
    Ok(Target::Esims(at.need("iccids", iccids)?))
}

fn metadata_of(json: &Value) -> Option<BTreeMap<String, String>> {
    json.as_object()?.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn money_of(
    at: &Reading,
    column: &'static str,
    currency: Option<&str>,
    minor: Option<i64>,
) -> Result<Option<Money>, Error> {
    match (currency, minor) {
        (None, None) => Ok(None),
        (currency, minor) => {
            let money = currency
                .zip(minor)
                .and_then(|(code, minor)| Money::new(Currency::parse(code).ok()?, minor).ok());
            at.need(column, money).map(Some)
        }
    }
}

pub(super) fn metadata_json(metadata: &BTreeMap<String, String>) -> Value {
    let entries = metadata.iter();
    Value::Object(entries.map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect())
}

pub(super) fn iccids_json(target: &Target) -> Option<Value> {
    match target {
        Target::Payment(_) => None,
        Target::Esims(iccids) => {
            Some(Value::Array(iccids.iter().map(|iccid| Value::String(iccid.as_str().to_owned())).collect()))
        }
    }
}
