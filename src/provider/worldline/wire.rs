//! The JSON that goes over the wire. Fields that decide something are read strictly where they are used; here
//! every one is taken as it comes, since one odd field of one transaction must not hide the others.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::super::json::{decode, text};
use super::RequestIdPlace;
use crate::domain::content::Payment;
use crate::domain::money::{Currency, Money};
use crate::domain::refund::Refund;

/// The body of a refund request. \[contract]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefundRequest<'a> {
    amount: Amount<'a>,
    /// \[assumed] at this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// \[assumed] by this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Amount<'a> {
    #[serde(rename = "amount")]
    major: Number,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// The body of a refund request, as bytes. The amount is a number with exactly the currency's digits.
pub(super) fn refund_request(
    refund: &Refund,
    payment: &Payment,
    transaction_id: Option<i64>,
    place: &RequestIdPlace,
) -> Result<Vec<u8>, serde_json::Error> {
    let key = refund.key.to_string();
    let (top, inner) = match place {
        RequestIdPlace::Body => (Some(key.as_str()), None),
        RequestIdPlace::Amount => (None, Some(key.as_str())),
        RequestIdPlace::Header(_) => (None, None),
    };
    serde_json::to_vec(&RefundRequest {
        amount: Amount {
            major: payment.amount.major().to_string().parse()?,
            currency: payment.amount.currency().code(),
            request_id: inner,
        },
        request_id: top,
        transaction_id,
    })
}

/// An order: the answer to a refund and to a lookup alike. \[infer] for a refund, \[doc] for a lookup
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderReply {
    pub(super) mid: Option<Value>,
    pub(super) order_id: Option<Value>,
    pub(super) currency: Option<Value>,
    pub(super) captured_amount: Option<Value>,
    pub(super) refunded_amount: Option<Value>,
    pub(super) transaction_references: Option<Vec<TransactionReply>>,
}

/// A transaction of an order. \[doc]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionReply {
    pub(super) transaction_id: Option<Value>,
    pub(super) transaction_type: Option<Value>,
    pub(super) transaction_date: Option<Value>,
    pub(super) ref_transaction_id: Option<Value>,
    pub(super) transaction_desc: Option<Value>,
    pub(super) status_code: Option<Value>,
    pub(super) status: Option<Value>,
    pub(super) amount: Option<Value>,
    pub(super) currency: Option<Value>,
}

/// The body of an error, by any of the names that it may have. \[assumed]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorReply {
    code: Option<Value>,
    status_code: Option<Value>,
    error_code: Option<Value>,
    description: Option<Value>,
    message: Option<Value>,
}

/// An error of the provider's own, as opposed to a page of something before it.
pub(super) struct Envelope {
    pub(super) code: String,
    pub(super) message: Option<String>,
}

/// The error that a body is, unless it is none.
pub(super) fn envelope(body: &[u8]) -> Option<Envelope> {
    let reply: ErrorReply = decode(body).ok()?;
    let code = text(reply.code.as_ref())
        .or_else(|| text(reply.status_code.as_ref()))
        .or_else(|| text(reply.error_code.as_ref()))?;
    let message = text(reply.description.as_ref()).or_else(|| text(reply.message.as_ref()));
    Some(Envelope { code, message })
}

/// The money that a number of major units is, or a text that holds one.
pub(super) fn money(value: Option<&Value>, currency: Currency) -> Option<Money> {
    Money::from_major(currency, exact(&text(value)?)?).ok()
}

/// A currency by its code.
pub(super) fn currency(value: Option<&Value>) -> Option<Currency> {
    Currency::parse(&text(value)?).ok()
}

/// A decimal number without rounding, also one that is written with an exponent.
fn exact(text: &str) -> Option<Decimal> {
    let Some((mantissa, _)) = text.split_once(['e', 'E']) else {
        return Decimal::from_str_exact(text).ok();
    };
    Decimal::from_str_exact(mantissa).ok()?;
    Decimal::from_scientific(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(json: &str, code: &str) -> Option<i64> {
        let value: Value = serde_json::from_str(json).unwrap();
        money(Some(&value), Currency::parse(code).unwrap()).map(Money::minor)
    }

    #[test]
    fn amounts_are_exact_however_they_are_written() {
        let same = ["10.5", "10.50", "\"10.50\"", "1.05e1", "1.05E+1", "1050E-2", "10.500"];
        for json in same {
            assert_eq!(minor(json, "EUR"), Some(1_050), "{json}");
        }
        assert_eq!(minor("1050", "JPY"), Some(1_050));
        assert_eq!(minor("1.05E+3", "JPY"), Some(1_050));
        assert_eq!(minor("1.050", "KWD"), Some(1_050));
        for json in ["10.505", "-10.5", "true", "null", "\"\"", "\"ten\"", "1e40", "\"1e\"", "[10.5]"] {
            assert_eq!(minor(json, "EUR"), None, "{json}");
        }
        assert_eq!(minor("10.500000000000000000000000000000000001", "EUR"), None);
        assert_eq!(minor("1.0500000000000000000000000000000000001e1", "EUR"), None);
    }

    #[test]
    fn an_error_is_found_by_any_of_its_names() {
        for body in [
            r#"{"code":"22026","description":"Said."}"#,
            r#"{"statusCode":22026,"message":"Said."}"#,
            r#"{"errorCode":"22026","code":null,"description":"Said.","message":"No."}"#,
        ] {
            let envelope = envelope(body.as_bytes()).unwrap();
            assert_eq!((envelope.code.as_str(), envelope.message.as_deref()), ("22026", Some("Said.")));
        }
        for body in ["", "{}", "[]", r#"{"code":""}"#, r#"{"code":{}}"#, r#"{"code":"1"}{}"#, "<html>"] {
            assert!(envelope(body.as_bytes()).is_none(), "{body}");
        }
    }
}
