//! What an answer of Afterpay means that is no success: one table, in which the first row that fits decides
//! and what fits none is no decision at all.

use super::super::assumption::Mark;
use super::wire::Envelope;
use crate::domain::answer::BlockCause;
use crate::domain::reason::FailureReason;

/// Which body a row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The provider's error object with this code.
    Code(&'static str),
    /// The provider's error object.
    Envelope,
    /// Anything, even nothing.
    Any,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The refund is refused.
    Declined(FailureReason),
    /// The account is refused and nothing was taken.
    Blocked(BlockCause),
    /// Something before the provider refuses the account; what became of the refund it does not know.
    Barred(BlockCause),
    /// The first request with this key is still at work.
    InProcess,
    /// Not now.
    NotNow,
    /// Not now, and nothing else for a while.
    Throttled,
    /// The contract does not know it.
    Unlisted,
}

struct Row {
    first: u16,
    last: u16,
    body: Body,
    meaning: Meaning,
    mark: Mark,
}

const fn row(first: u16, last: u16, body: Body, meaning: Meaning, mark: Mark) -> Row {
    Row { first, last, body, meaning, mark }
}

const fn declined(status: u16, code: &'static str, reason: FailureReason, mark: Mark) -> Row {
    row(status, status, Body::Code(code), Meaning::Declined(reason), mark)
}

const fn blocked(status: u16, body: Body, cause: BlockCause, mark: Mark) -> Row {
    row(status, status, body, Meaning::Blocked(cause), mark)
}

const fn barred(status: u16, cause: BlockCause) -> Row {
    row(status, status, Body::Any, Meaning::Barred(cause), Mark::Assumed)
}

/// All that is not a success. `invalid_object` also says that the currency is not the order's: the two
/// cannot be told apart.
const TABLE: &[Row] = &[
    declined(404, "not_found", FailureReason::OrderNotFound, Mark::Doc),
    declined(412, "precondition_failed", FailureReason::OrderNotRefundable, Mark::Contract),
    declined(422, "invalid_amount", FailureReason::AmountExceedsRefundable, Mark::Contract),
    declined(422, "invalid_object", FailureReason::RequestRejected, Mark::Contract),
    declined(422, "refund_timelimit_exceeded", FailureReason::RefundWindowExpired, Mark::Contract),
    declined(422, "unsupported_currency", FailureReason::CurrencyMismatch, Mark::Doc),
    blocked(400, Body::Code("invalid_json"), BlockCause::Configuration, Mark::Doc),
    blocked(401, Body::Code("insufficient_permissions"), BlockCause::Permission, Mark::Assumed),
    blocked(401, Body::Envelope, BlockCause::Credentials, Mark::Doc),
    barred(401, BlockCause::Credentials),
    blocked(403, Body::Envelope, BlockCause::Permission, Mark::Assumed),
    barred(403, BlockCause::Configuration),
    blocked(405, Body::Envelope, BlockCause::Configuration, Mark::Doc),
    blocked(406, Body::Envelope, BlockCause::Configuration, Mark::Doc),
    blocked(415, Body::Envelope, BlockCause::Configuration, Mark::Doc),
    row(409, 409, Body::Any, Meaning::InProcess, Mark::Doc),
    row(429, 429, Body::Any, Meaning::Throttled, Mark::Assumed),
    row(408, 408, Body::Any, Meaning::NotNow, Mark::Assumed),
    row(425, 425, Body::Any, Meaning::NotNow, Mark::Assumed),
    row(500, 599, Body::Any, Meaning::NotNow, Mark::Doc),
];

/// What a status with this error object means.
pub(super) fn meaning(status: u16, envelope: Option<&Envelope>) -> Meaning {
    let fits = |row: &&Row| {
        (row.first..=row.last).contains(&status)
            && match row.body {
                Body::Code(code) => envelope.is_some_and(|e| e.code == code),
                Body::Envelope => envelope.is_some(),
                Body::Any => true,
            }
    };
    TABLE.iter().find(fits).map_or(Meaning::Unlisted, |row| row.meaning)
}

/// The table as Markdown, for `docs/providers/afterpay.md`.
pub fn answers_to_markdown() -> String {
    let mut text = String::from("| Status | Body | Means | Mark |\n|---|---|---|---|\n");
    for row in TABLE {
        let status = if row.first == row.last {
            row.first.to_string()
        } else {
            format!("{} to {}", row.first, row.last)
        };
        let body = match row.body {
            Body::Code(code) => format!("`{code}`"),
            Body::Envelope => "any error object".to_owned(),
            Body::Any => "anything".to_owned(),
        };
        let means = match row.meaning {
            Meaning::Declined(reason) => format!("declined, `{reason}`"),
            Meaning::Blocked(cause) => format!("account blocked, `{cause}`; nothing taken"),
            Meaning::Barred(cause) => format!("account blocked, `{cause}`; outcome unknown"),
            Meaning::InProcess => "the first request is still at work; outcome unknown".to_owned(),
            Meaning::NotNow => "not now; outcome unknown".to_owned(),
            Meaning::Throttled => "not now, quiet for a while; outcome unknown".to_owned(),
            Meaning::Unlisted => "outcome unknown".to_owned(),
        };
        text.extend(["| ", &status, " | ", &body, " | ", &means, " | ", row.mark.word(), " |\n"]);
    }
    text
}
