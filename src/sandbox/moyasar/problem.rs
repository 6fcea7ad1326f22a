//! Moyasar's errors: a message, and for refused fields their reasons. There are no machine-readable codes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sandbox::{body::compact, reply::Plain};

/// One error as Moyasar words it.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    message: &'static str,
    /// A field of the request and what is wrong with it.
    fault: Option<(&'static str, &'static str)>,
}

impl Problem {
    const fn new(status: u16, message: &'static str) -> Self {
        Self { status, message, fault: None }
    }

    /// 422: status, message and shape [doc: the refund page's example].
    const fn of_field(field: &'static str, reason: &'static str) -> Self {
        Self { status: 422, message: "Data validation failed", fault: Some((field, reason)) }
    }

    pub(super) fn answer(&self) -> Plain {
        let errors = self.fault.map(|(field, reason)| BTreeMap::from([(field, [reason])]));
        Plain::json(self.status, compact(&Envelope { message: self.message, errors }))
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<BTreeMap<&'a str, [&'a str; 1]>>,
}

// [doc: the refund page's examples]
pub(super) const STILL_PROCESSING: Problem = Problem::new(400, "Initial request is still processing.");
pub(super) const UNAUTHENTICATED: Problem = Problem::new(401, "Missing authentication information");
pub(super) const FORBIDDEN: Problem = Problem::new(403, "Unauthorized");
pub(super) const AMOUNT_TOO_LOW: Problem =
    Problem::of_field("amount", "The value must be greater than or equal to 1.");

// 400 is the status of broken business rules [doc: the acquirer's API]; the messages are [assumed].
pub(super) const EXCEEDS_REFUNDABLE: Problem =
    Problem::new(400, "The amount exceeds the refundable amount of the order.");
pub(super) const NOT_REFUNDABLE: Problem = Problem::new(400, "The order cannot be refunded.");
pub(super) const INVALID_JSON: Problem = Problem::new(400, "The request body is not valid JSON.");

/// Status [doc: showing and extending orders], message \[assumed].
pub(super) const NOT_FOUND: Problem = Problem::new(404, "Not Found");

// Shape [doc], reasons [assumed]; the upper bound is documented for voids.
pub(super) const AMOUNT_MISSING: Problem = Problem::of_field("amount", "The value is required.");
pub(super) const AMOUNT_NOT_INTEGER: Problem = Problem::of_field("amount", "The value must be an integer.");
pub(super) const AMOUNT_TOO_HIGH: Problem =
    Problem::of_field("amount", "The value must be less than or equal to 100000000.");
pub(super) const ID_NOT_UUID: Problem =
    Problem::of_field("transaction_id", "The value must be a valid UUID.");
/// The id belongs to another refund, of this order or of another \[assumed].
pub(super) const ID_TAKEN: Problem = Problem::of_field("transaction_id", "The value has already been taken.");

// Not documented for this product; forms [assumed].
pub(super) const METHOD_NOT_ALLOWED: Problem = Problem::new(405, "Method Not Allowed");
pub(super) const CONFLICT: Problem = Problem::new(409, "Conflict");
pub(super) const TOO_MANY_REQUESTS: Problem = Problem::new(429, "Too Many Requests");
pub(super) const INTERNAL: Problem = Problem::new(500, "Server Error");

#[cfg(test)]
mod tests {
    use super::{AMOUNT_TOO_LOW, STILL_PROCESSING};

    #[test]
    fn errors_have_the_documented_shape() {
        let text = |problem: &super::Problem| String::from_utf8(problem.answer().body).unwrap();
        assert_eq!(text(&STILL_PROCESSING), r#"{"message":"Initial request is still processing."}"#);
        let errors = r#""errors":{"amount":["The value must be greater than or equal to 1."]}"#;
        assert_eq!(text(&AMOUNT_TOO_LOW), format!(r#"{{"message":"Data validation failed",{errors}}}"#));
    }
}
