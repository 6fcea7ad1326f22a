//! What this client takes for true without the contract saying so, to be confirmed with the provider.

use super::super::assumption::{Assumption, Mark};

const fn fact(fact: &'static str, mark: Mark, used_in: &'static str) -> Assumption {
    Assumption { fact, mark, used_in, setting: None }
}

const fn set_by(assumption: Assumption, setting: &'static str) -> Assumption {
    Assumption { setting: Some(setting), ..assumption }
}

/// All of it; the tables of answers in `docs/providers/afterpay.md` carry marks of their own.
pub const ASSUMED: &[Assumption] = &[
    set_by(
        fact(
            "A key is remembered for at least 24 h: \"up to 24 h for most endpoints, longer for refunds\"",
            Mark::Doc,
            "the resend window, an hour less",
        ),
        "resend_window_s",
    ),
    fact(
        "A repeat of requestId and merchantReference answers 201 with the first answer's body",
        Mark::Doc,
        "reading a success",
    ),
    fact(
        "A refusal is not tied to a key: that of a resend may be caused by the success of the first send",
        Mark::Assumed,
        "declines are not conclusive",
    ),
    fact(
        "merchantReference may have 64 characters; another page says 85",
        Mark::Doc,
        "merchantReference is the 36 characters of the key",
    ),
    fact(
        "The body of a 409 is not published: any 409 means that the first request is in process",
        Mark::Doc,
        "the table of answers",
    ),
    fact(
        "404 not_found refuses a refund as finally as 412: seen for order ids that are no numbers",
        Mark::Doc,
        "the table of answers",
    ),
    fact(
        "Afterpay's sibling interfaces answer 401 insufficient_permissions and 403; so may this one",
        Mark::Assumed,
        "the table of answers",
    ),
    fact(
        "A 401 or 403 without the provider's error object comes from an edge that knows of no refund",
        Mark::Assumed,
        "the table of answers",
    ),
    fact(
        "429 and Retry-After are not documented; without Retry-After the account keeps quiet for 30 s",
        Mark::Assumed,
        "the table of answers",
    ),
    set_by(
        fact(
            "The 120 days begin at the payment's `created`, and end when 120 days have passed",
            Mark::Infer,
            "the refund window",
        ),
        "refund_window_days",
    ),
    set_by(
        fact("EUR is taken: one page lists it, another does not", Mark::Doc, "the currencies"),
        "currencies",
    ),
    fact("Captured is the sum of the payment's CAPTURED events", Mark::Infer, "the preflight and lookups"),
    fact(
        "A captured payment without events has originalAmount less openToCaptureAmount captured",
        Mark::Infer,
        "the preflight and lookups",
    ),
    fact("A payment without `refunds` has none", Mark::Infer, "the preflight and lookups"),
    fact(
        "`refunds` lists voids too: an entry is one if its refundId is the id of a VOIDED or EXPIRED event, \
         or it is older than the first capture, or nothing was captured",
        Mark::Infer,
        "the refunded total",
    ),
    fact(
        "A refund is irreversible: nothing in a payment shows one taken back",
        Mark::Doc,
        "no success is ever reversed",
    ),
    fact(
        "An entry of `refunds` without requestId is ours if its merchantReference is our key",
        Mark::Infer,
        "matching our refunds",
    ),
];
