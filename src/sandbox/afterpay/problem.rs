//! Afterpay's documented errors. A client should decide on status and `errorCode`; messages may change.

use serde::Serialize;

use crate::sandbox::{body::pretty, reply::Plain};

/// One error as Afterpay words it.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    code: &'static str,
    message: &'static str,
}

impl Problem {
    const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }

    /// The envelope that every error comes in; `id` is 16 hexadecimal digits.
    pub(super) fn answer(&self, id: &str) -> Plain {
        let envelope = Envelope {
            error_code: self.code,
            error_id: id,
            message: self.message,
            http_status_code: self.status,
        };
        Plain::json(self.status, pretty(&envelope))
    }

    /// For tests: what the envelope will say.
    #[cfg(test)]
    pub(super) fn face(&self) -> (u16, &'static str, &'static str) {
        (self.status, self.code, self.message)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    error_code: &'a str,
    error_id: &'a str,
    message: &'a str,
    http_status_code: u16,
}

// Generic POST and PUT errors [doc: common errors].
pub(super) const INVALID_JSON: Problem = Problem::new(400, "invalid_json", "Bad request");
pub(super) const UNAUTHORIZED: Problem =
    Problem::new(401, "unauthorized", "Credentials are required to access this resource.");
pub(super) const METHOD_NOT_ALLOWED: Problem = Problem::new(405, "method_not_allowed", "Method not allowed");
pub(super) const NOT_ACCEPTABLE: Problem = Problem::new(406, "error", "Not acceptable");
pub(super) const UNSUPPORTED_MEDIA_TYPE: Problem = Problem::new(415, "error", "Unsupported media type");
pub(super) const INTERNAL: Problem = Problem::new(500, "error", "Internal server error");

/// From sibling APIs of Afterpay; that refunds can answer so is \[assumed].
pub(super) const INSUFFICIENT_PERMISSIONS: Problem = Problem::new(
    403,
    "insufficient_permissions",
    "The credentials lack the permission merchant_api_v2/refund.",
);
/// Status [doc: idempotent requests]; the code is not published \[assumed].
pub(super) const CONFLICT: Problem =
    Problem::new(409, "conflict", "A request with this requestId is still in process.");
/// Code and message from sibling APIs; that refunds can answer so is \[assumed].
pub(super) const TOO_MANY_REQUESTS: Problem = Problem::new(429, "too_many_requests", "Too many requests");

// Errors of Create Refund: codes from the refund page, messages [doc: retailers quoting Afterpay] or
// [assumed].
pub(super) const NOT_FOUND: Problem = Problem::new(404, "not_found", "Afterpay payment ID not found.");
pub(super) const PRECONDITION_FAILED: Problem = Problem::new(
    412,
    "precondition_failed",
    "The orderId is invalid, does not exist, or is not eligible for a refund.",
);
pub(super) const REFERENCE_TOO_LONG: Problem =
    Problem::new(422, "invalid_object", "refundMerchantReference size must be between 0 and 128");
pub(super) const KEY_TOO_LONG: Problem =
    Problem::new(422, "invalid_object", "requestId and merchantReference size must be between 0 and 64");
pub(super) const NOT_TEXT: Problem =
    Problem::new(422, "invalid_object", "requestId and references must be strings");
pub(super) const EXCEEDS_AVAILABLE: Problem =
    Problem::new(422, "invalid_amount", "Refund amount exceeded open to refund amount.");
pub(super) const OTHER_CURRENCY: Problem = Problem::new(
    422,
    "invalid_object",
    "The currency of the refund does not match the currency of the order.",
);
pub(super) const TIME_LIMIT: Problem =
    Problem::new(422, "refund_timelimit_exceeded", "The refund exceeds the time limit of 120 days");

// Money object [doc: money object].
pub(super) const AMOUNT_MISSING: Problem =
    Problem::new(422, "invalid_object", "amount.amount Amount field required");
pub(super) const AMOUNT_INVALID: Problem =
    Problem::new(422, "invalid_object", "amount.amount Amount field must be a valid ISO 4217 format value");
pub(super) const AMOUNT_TOO_FINE: Problem =
    Problem::new(422, "invalid_object", "amount. must be a valid ISO 4217 format value");
pub(super) const AMOUNT_COMMA: Problem =
    Problem::new(422, "invalid_amount", "Amount must be a valid ISO 4217 format value");
pub(super) const AMOUNT_NOT_POSITIVE: Problem =
    Problem::new(422, "invalid_object", "amount must be greater than 0.00");
pub(super) const CURRENCY_MISSING: Problem =
    Problem::new(422, "invalid_object", "amount.currency Currency field required");
pub(super) const CURRENCY_UNKNOWN: Problem =
    Problem::new(422, "invalid_object", "amount.currency Currency not supported for this merchant");
pub(super) const CURRENCY_UNSUPPORTED: Problem =
    Problem::new(422, "unsupported_currency", "An error occurred");

/// Bad query parameters of the list of payments [doc: payments list]; the wording is \[assumed].
pub(super) const BAD_QUERY: Problem =
    Problem::new(422, "invalid_object", "limit must be between 1 and 250, offset at least 0");
