//! `POST /v2/payments/{orderId}/refund`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Afterpay,
    money::{self, Money},
    problem::{self, Problem},
    settle::{Key, settle, settle_late},
    table::{self, Alteration, Own, Row},
};
use crate::sandbox::{
    body::pretty,
    faults::{Answer, Commit},
    ledger::Effect,
    provider::{Answered, Incoming},
    reply::{Plain, Reply},
};

/// A request body whose fields have the right types.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) request_id: Option<String>,
    pub(super) amount: Option<Value>,
    pub(super) merchant_reference: Option<String>,
    pub(super) refund_merchant_reference: Option<String>,
}

/// A Refund object; what is absent is left out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) merchant_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refund_merchant_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refund_id: Option<String>,
    pub(super) refunded_at: String,
}

impl From<&Effect> for RefundObject {
    fn from(effect: &Effect) -> Self {
        Self {
            request_id: effect.request_id.clone(),
            amount: Some(Money { amount: effect.amount.clone(), currency: effect.currency.clone() }),
            merchant_reference: effect.merchant_reference.clone(),
            refund_merchant_reference: effect.refund_merchant_reference.clone(),
            refund_id: Some(effect.provider_refund_id.clone()),
            refunded_at: effect.at.clone(),
        }
    }
}

/// Answers one refund call, by the order's behaviour.
pub(super) async fn post(afterpay: &Afterpay, id: &str, incoming: &Incoming) -> Answered {
    let asked = match Asked::read(&incoming.body) {
        Ok(asked) => asked,
        Err(problem) => {
            return Answered { reply: Reply::Plain(afterpay.problem(problem)), behaviour: None };
        }
    };
    let step = afterpay.step(id);
    let row = step.row.unwrap_or(&table::OK);
    let said = match row.commit {
        Commit::Never => Some(None),
        Commit::AtOnce => settle(afterpay, id, &asked, step.call, None).map(Some),
        Commit::Late => settle_late(afterpay, id, &asked, step.call).await.map(Some),
    };
    let reply = said.map_or(Reply::Reset, |said| dress(afterpay, row, said));
    Answered { reply, behaviour: (row.name != table::OK.name).then_some(row.name) }
}

/// Gives what the API says the form that the behaviour wants.
fn dress(afterpay: &Afterpay, row: &Row, said: Option<Result<RefundObject, &'static Problem>>) -> Reply {
    let plain = |said: Option<Result<RefundObject, &'static Problem>>| match said {
        Some(Ok(refund)) => afterpay.marked(Plain::json(201, pretty(&refund))),
        Some(Err(problem)) => afterpay.problem(problem),
        None => Plain::empty(500),
    };
    let Answer::Own(own) = row.answer else {
        return row.answer.mangle(plain(said));
    };
    Reply::Plain(match own {
        Own::Problem(problem) => afterpay.problem(problem),
        Own::RateLimited => {
            let seconds = afterpay.shared.lock().settings.retry_after_s.to_string();
            afterpay.problem(&problem::TOO_MANY_REQUESTS).with_header("retry-after", &seconds)
        }
        Own::Html(status, title) => Plain::html(status, title),
        Own::Bare(status) => Plain::empty(status),
        Own::Alter(alteration) => plain(said.map(|said| said.map(|refund| altered(refund, alteration)))),
    })
}

fn altered(mut refund: RefundObject, alteration: Alteration) -> RefundObject {
    match alteration {
        Alteration::NoRefundId => refund.refund_id = None,
        Alteration::NoEcho => {
            refund.request_id = None;
            refund.amount = None;
            refund.merchant_reference = None;
            refund.refund_merchant_reference = None;
        }
        Alteration::RequestId => refund.request_id = Some("00000000-0000-4000-8000-000000000000".to_owned()),
        Alteration::Amount => {
            refund.amount = refund.amount.map(|money| {
                let higher = money::minor(&money.amount).unwrap_or_default() + 1;
                Money::new(higher, &money.currency)
            });
        }
        Alteration::Currency => {
            refund.amount = refund.amount.map(|money| Money {
                currency: if money.currency == "NZD" { "AUD" } else { "NZD" }.to_owned(),
                ..money
            });
        }
        Alteration::MerchantReference => refund.merchant_reference = Some("another-reference".to_owned()),
        Alteration::RefundMerchantReference => {
            refund.refund_merchant_reference = Some("another-refund-reference".to_owned());
        }
    }
    refund
}

impl Asked {
    fn read(body: &[u8]) -> Result<Self, &'static Problem> {
        let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|_| &problem::INVALID_JSON)?;
        let text = |name| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(&problem::NOT_TEXT),
        };
        Ok(Self {
            request_id: text("requestId")?,
            amount: fields.get("amount").cloned(),
            merchant_reference: text("merchantReference")?,
            refund_merchant_reference: text("refundMerchantReference")?,
        })
    }

    /// Only both together make a request repeatable; an empty one is as if it were not given \[assumed].
    pub(super) fn key(&self, id: &str) -> Option<Key> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Some((id.to_owned(), given(&self.request_id)?, given(&self.merchant_reference)?))
    }
}
