//! The JSON that goes over the wire, field by field as the contract has it.
//!
//! Every field of an answer may be missing, null or of another type; what decides something is checked
//! where it decides. What nobody reads (card digits, names, addresses) is not read here either.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::json::{decode, text};
use crate::domain::content::Payment;
use crate::domain::refund::Refund;

/// The body of a refund request. `transaction_id` is optional there and always sent here: it is the id
/// that the new transaction gets, and the key of a repeat. \[contract]
#[derive(Serialize)]
struct RefundRequest<'a> {
    amount: i64,
    transaction_id: &'a str,
}

/// The body of a refund request, as bytes.
pub(super) fn refund_request(refund: &Refund, payment: &Payment) -> Result<Vec<u8>, serde_json::Error> {
    let transaction_id = &refund.key.to_string();
    serde_json::to_vec(&RefundRequest { amount: payment.amount.minor(), transaction_id })
}

/// An order: the answer to a refund and to a lookup. \[contract]
#[derive(Deserialize)]
pub(super) struct OrderReply {
    pub(super) id: Option<Value>,
    pub(super) currency: Option<Value>,
    pub(super) captured_amount: Option<Value>,
    pub(super) refunded_amount: Option<Value>,
    pub(super) created_at: Option<Value>,
    pub(super) transactions: Vec<TransactionReply>,
}

/// A transaction of an order. \[contract]
#[derive(Deserialize)]
pub(super) struct TransactionReply {
    pub(super) id: Option<Value>,
    pub(super) status: Option<Value>,
    #[serde(rename = "type")]
    pub(super) kind: Option<Value>,
    pub(super) reverse_reason: Option<Value>,
    pub(super) reversed_transaction_id: Option<Value>,
    pub(super) message: Option<Value>,
    pub(super) response_code: Option<Value>,
    pub(super) retrieval_reference: Option<Value>,
    pub(super) amount: Option<Value>,
    pub(super) created_at: Option<Value>,
}

/// The order that a body is. The contract's schema can be read as a list with the order in it.
///
/// # Errors
/// Where it is none; repeats nothing of it.
pub(super) fn order(body: &[u8]) -> Result<OrderReply, String> {
    if body.trim_ascii_start().starts_with(b"[") {
        let [order] = decode::<[OrderReply; 1]>(body)?;
        return Ok(order);
    }
    decode(body)
}

/// The body of every error. There are no codes. \[contract]
#[derive(Deserialize)]
struct ErrorReply {
    message: String,
    errors: Option<Value>,
}

/// An error of the provider's own, as opposed to a page of something before it.
pub(super) struct Envelope {
    pub(super) message: String,
    /// The fields that are wrong, each with what is wrong with it.
    pub(super) fields: Vec<(String, String)>,
}

impl Envelope {
    /// All that it says, in one line.
    pub(super) fn text(&self) -> String {
        let fields = self.fields.iter().map(|(name, text)| format!("; {name}: {text}"));
        [self.message.clone()].into_iter().chain(fields).collect()
    }
}

/// The error that a body is, unless it is none.
pub(super) fn envelope(body: &[u8]) -> Option<Envelope> {
    let reply: ErrorReply = decode(body).ok()?;
    let message = reply.message.trim().to_owned();
    let fields = match reply.errors {
        Some(Value::Object(fields)) => {
            fields.into_iter().map(|(name, texts)| (name, joined(texts))).collect()
        }
        Some(_) | None => Vec::new(),
    };
    (!message.is_empty()).then_some(Envelope { message, fields })
}

fn joined(texts: Value) -> String {
    let texts = match texts {
        Value::Array(texts) => texts,
        one => vec![one],
    };
    let texts: Vec<String> = texts.into_iter().filter_map(|one| text(&one)).collect();
    texts.join(" ")
}

/// An amount: a whole number of minor units, never negative.
pub(super) fn amount(value: Option<&Value>) -> Option<i64> {
    value?.as_i64().filter(|minor| *minor >= 0)
}
