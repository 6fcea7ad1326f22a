//! The JSON that goes over the wire, field by field as the contract has it.
//!
//! Fields that decide something have their type; fields that only describe are taken as they come.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::json::{decode, text};
use super::merchant_reference;
use crate::domain::content::Payment;
use crate::domain::money::{Currency, Money};
use crate::domain::refund::Refund;

/// The body of a refund request, in the contract's order. \[contract]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefundRequest<'a> {
    request_id: &'a str,
    amount: Amount,
    merchant_reference: &'a str,
    refund_merchant_reference: &'a str,
}

/// The body of a refund request, as bytes.
pub(super) fn refund_request(refund: &Refund, payment: &Payment) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&RefundRequest {
        request_id: &refund.key.to_string(),
        amount: Amount {
            amount: payment.amount.major().to_string(),
            currency: payment.amount.currency().code().to_owned(),
        },
        merchant_reference: &merchant_reference(refund.key),
        refund_merchant_reference: &refund.id.to_string(),
    })
}

/// Money: decimal text with two places, and an ISO 4217 code. \[doc]
#[derive(Serialize, Deserialize)]
pub(super) struct Amount {
    amount: String,
    currency: String,
}

impl Amount {
    /// As money of ours, if it is.
    pub(super) fn money(&self) -> Option<Money> {
        let currency = Currency::parse(&self.currency).ok()?;
        Money::parse_major(currency, &self.amount).ok()
    }
}

/// The answer to a refund: the request's parameters echoed, and two more. \[contract]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundReply {
    pub(super) refund_id: String,
    pub(super) request_id: Option<String>,
    pub(super) merchant_reference: Option<String>,
    pub(super) amount: Amount,
    pub(super) refunded_at: Option<Value>,
}

/// The body of every error. \[doc]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorReply {
    error_code: String,
    error_id: Option<Value>,
    message: Option<Value>,
    http_status_code: Option<Value>,
}

/// An error of the provider's own, as opposed to a page of something before it.
pub(super) struct Envelope {
    pub(super) code: String,
    pub(super) id: Option<String>,
    pub(super) message: Option<String>,
}

/// The error that a body is, unless it is none or speaks of another status.
pub(super) fn envelope(status: u16, body: &[u8]) -> Option<Envelope> {
    let reply: ErrorReply = decode(body).ok()?;
    let same_status = reply.http_status_code.is_none_or(|told| told.as_u64() == Some(u64::from(status)));
    (same_status && !reply.error_code.is_empty()).then(|| Envelope {
        code: reply.error_code,
        id: text(reply.error_id.as_ref()),
        message: text(reply.message.as_ref()),
    })
}

/// A payment as it is read back. \[doc]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentReply {
    pub(super) id: Option<Value>,
    pub(super) created: Option<Value>,
    pub(super) original_amount: Amount,
    pub(super) open_to_capture_amount: Option<Amount>,
    pub(super) payment_state: Option<String>,
    pub(super) refunds: Option<Vec<PaymentRefund>>,
    pub(super) events: Option<Vec<PaymentEvent>>,
}

/// A refund of a payment, or a void. \[doc]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentRefund {
    pub(super) request_id: Option<Value>,
    pub(super) amount: Amount,
    pub(super) merchant_reference: Option<Value>,
    pub(super) refund_merchant_reference: Option<Value>,
    pub(super) refund_id: Option<Value>,
    pub(super) refunded_at: Option<Value>,
}

/// Something that happened to a payment. \[doc]
#[derive(Deserialize)]
pub(super) struct PaymentEvent {
    pub(super) id: Option<Value>,
    pub(super) created: Option<Value>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) amount: Option<Amount>,
}
