//! Worldline's refusals of a request as a whole.
//!
//! HTTP statuses and the shape of the body are \[assumed] throughout: the documents show neither. The shape
//! is that of the SOAP fault (`code`, `description`); codes and texts are those of the published lists.

use serde_json::json;

use super::plan::describe;
use crate::sandbox::reply::Plain;

/// One refusal.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) code: u32,
    /// None: the published text of the code.
    detail: Option<&'static str>,
}

/// The names that an error's parts go by \[assumed].
#[derive(Clone, Copy, Debug)]
pub(super) enum Names {
    /// `{"code": "22041", "description": ".."}`
    Fault,
    /// `{"errorCode": "22041", "message": ".."}`
    ErrorCode,
}

impl Problem {
    const fn new(status: u16, code: u32) -> Self {
        Self { status, code, detail: None }
    }

    const fn detailed(status: u16, code: u32, detail: &'static str) -> Self {
        Self { status, code, detail: Some(detail) }
    }

    pub(super) fn answer(&self) -> Plain {
        self.named(Names::Fault)
    }

    pub(super) fn named(&self, names: Names) -> Plain {
        let text = self.detail.unwrap_or_else(|| describe(self.code));
        let body = match names {
            Names::Fault => json!({"code": self.code.to_string(), "description": text}),
            Names::ErrorCode => json!({"errorCode": self.code.to_string(), "message": text}),
        };
        Plain::json(self.status, body.to_string().into_bytes())
    }
}

pub(super) const UNAUTHORIZED: Problem = Problem::new(401, 39_002);
pub(super) const TOKEN_SCOPE: Problem =
    Problem::detailed(403, 39_002, "The token's scope does not cover this method");
pub(super) const FOREIGN_MID: Problem = Problem::new(403, 24_001);
pub(super) const METHOD_NOT_ALLOWED: Problem = Problem::detailed(405, 38_002, "Method not allowed");
pub(super) const NOT_ACCEPTABLE: Problem = Problem::detailed(406, 38_002, "Not acceptable");
pub(super) const REQUEST_TIMEOUT: Problem = Problem::detailed(408, 38_004, "Request timeout");
pub(super) const CONFLICT: Problem = Problem::new(409, 33_020);
pub(super) const UNSUPPORTED_MEDIA_TYPE: Problem = Problem::detailed(415, 38_002, "Unsupported media type");
pub(super) const TOO_MANY_REQUESTS: Problem = Problem::detailed(429, 38_004, "Too many requests");
pub(super) const INTERNAL: Problem = Problem::detailed(500, 22_002, "Internal server error");

pub(super) const NOT_JSON: Problem =
    Problem::detailed(400, 11_023, "Invalid input: body is not a JSON object");
pub(super) const AMOUNT_MISSING: Problem =
    Problem::detailed(400, 11_023, "Invalid input: amount is required");
pub(super) const AMOUNT_INVALID: Problem =
    Problem::detailed(400, 11_023, "Invalid input: amount is not a decimal number greater than 0");
pub(super) const AMOUNT_TOO_FINE: Problem =
    Problem::detailed(400, 11_023, "Invalid input: amount has more decimals than its currency");
pub(super) const REQUEST_ID_INVALID: Problem =
    Problem::detailed(400, 11_023, "Invalid input: requestId is not a string of at most 64 characters");
pub(super) const TRANSACTION_ID_INVALID: Problem =
    Problem::detailed(400, 11_023, "Invalid input: transactionId is not a number");
pub(super) const ORDER_ID_INVALID: Problem =
    Problem::detailed(400, 11_023, "Invalid input: orderId has not 1 to 50 characters");
pub(super) const CURRENCY_INVALID: Problem = Problem::new(400, 11_011);
/// The same request id with other parameters.
pub(super) const DUPLICATE: Problem = Problem::new(400, 11_001);
pub(super) const ORDER_UNKNOWN: Problem = Problem::new(404, 22_026);
pub(super) const REFERENCE_UNKNOWN: Problem = Problem::new(400, 22_033);
pub(super) const EXCEEDS: Problem = Problem::new(400, 22_041);
pub(super) const OTHER_CURRENCY: Problem = Problem::new(400, 22_047);
pub(super) const IN_PROGRESS: Problem = Problem::new(400, 33_020);
