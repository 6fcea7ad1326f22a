//! What an answer means that is no order: one table by status, in which the first row that fits decides and
//! what fits none is no decision at all. The provider documents no error of its REST interface: every row is
//! \[assumed].

use super::super::assumption::Mark;
use super::codes::{self, Treatment};
use super::wire::Envelope;
use crate::domain::answer::BlockCause;
use crate::domain::reason::FailureReason;

/// Which body a row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The provider's error object with a code that refuses the refund.
    Refusal,
    /// The provider's error object with a code that says that there is no such order.
    NoOrder,
    /// The provider's error object with a code that refuses the merchant.
    Configuration,
    /// The provider's error object with a code that says that nothing went to the acquirer.
    NothingSent,
    /// The provider's error object.
    Envelope,
    /// Anything, even nothing.
    Any,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The refund is refused, for the reason that goes with the code.
    Declined(FailureReason),
    /// Nothing was taken.
    NotSent,
    /// The account is refused and nothing was taken.
    Blocked(BlockCause),
    /// Something before the provider refuses the account; what became of the refund it does not know.
    Barred(BlockCause),
    /// Not now.
    NotNow,
    /// Not now, and nothing else for a while.
    Throttled,
    /// The contract does not know it.
    Unlisted,
}

/// What a row makes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Declined, for the reason that goes with the code.
    ByCode,
    /// Always this.
    Always(Meaning),
}

struct Row {
    first: u16,
    last: u16,
    body: Body,
    rule: Rule,
}

const fn row(status: u16, body: Body, meaning: Meaning) -> Row {
    Row { first: status, last: status, body, rule: Rule::Always(meaning) }
}

const MARK: Mark = Mark::Assumed;

const TABLE: &[Row] = &[
    Row { first: 400, last: 400, body: Body::Refusal, rule: Rule::ByCode },
    row(400, Body::Configuration, Meaning::Blocked(BlockCause::Configuration)),
    row(400, Body::NothingSent, Meaning::NotSent),
    row(401, Body::Envelope, Meaning::Blocked(BlockCause::Credentials)),
    row(401, Body::Any, Meaning::Barred(BlockCause::Credentials)),
    row(403, Body::Envelope, Meaning::Blocked(BlockCause::Permission)),
    row(403, Body::Any, Meaning::Barred(BlockCause::Configuration)),
    Row { first: 404, last: 404, body: Body::NoOrder, rule: Rule::ByCode },
    row(404, Body::Configuration, Meaning::Blocked(BlockCause::Configuration)),
    row(408, Body::Any, Meaning::NotNow),
    row(409, Body::Any, Meaning::NotNow),
    row(425, Body::Any, Meaning::NotNow),
    row(429, Body::Any, Meaning::Throttled),
    Row { first: 500, last: 599, body: Body::Any, rule: Rule::Always(Meaning::NotNow) },
];

/// What a status with this error object means.
pub(super) fn meaning(status: u16, envelope: Option<&Envelope>) -> Meaning {
    let treatment = envelope.and_then(|envelope| codes::treatment(&envelope.code));
    let fits = |row: &&Row| {
        (row.first..=row.last).contains(&status)
            && match row.body {
                Body::Refusal => matches!(treatment, Some(Treatment::Refused(_))),
                Body::NoOrder => treatment == Some(Treatment::Refused(FailureReason::OrderNotFound)),
                Body::Configuration => treatment == Some(Treatment::Configuration),
                Body::NothingSent => treatment == Some(Treatment::NothingSent),
                Body::Envelope => envelope.is_some(),
                Body::Any => true,
            }
    };
    match (TABLE.iter().find(fits).map(|row| row.rule), treatment) {
        (Some(Rule::Always(meaning)), _) => meaning,
        (Some(Rule::ByCode), Some(Treatment::Refused(reason))) => Meaning::Declined(reason),
        (Some(Rule::ByCode) | None, _) => Meaning::Unlisted,
    }
}

/// The table as Markdown, for `docs/providers/worldline.md`.
pub fn answers_to_markdown() -> String {
    let mut text = String::from("| Status | Body | Means | Mark |\n|---|---|---|---|\n");
    for row in TABLE {
        let status = if row.first == row.last {
            row.first.to_string()
        } else {
            format!("{} to {}", row.first, row.last)
        };
        let body = match row.body {
            Body::Refusal => "error object with a code that declines",
            Body::NoOrder => "error object with a code for `order_not_found`",
            Body::Configuration => "error object with a code that blocks the account",
            Body::NothingSent => "error object with a code for \"not sent\"",
            Body::Envelope => "any error object",
            Body::Any => "anything",
        };
        let means = match row.rule {
            Rule::ByCode => "declined, by the code".to_owned(),
            Rule::Always(meaning) => words(meaning),
        };
        text.extend(["| ", &status, " | ", body, " | ", &means, " | ", MARK.word(), " |\n"]);
    }
    text
}

fn words(meaning: Meaning) -> String {
    match meaning {
        Meaning::Declined(reason) => format!("declined, `{reason}`"),
        Meaning::NotSent => "not sent".to_owned(),
        Meaning::Blocked(cause) => format!("account blocked, `{cause}`; nothing taken"),
        Meaning::Barred(cause) => format!("account blocked, `{cause}`; outcome unknown"),
        Meaning::NotNow => "not now; outcome unknown".to_owned(),
        Meaning::Throttled => "not now, quiet for a while; outcome unknown".to_owned(),
        Meaning::Unlisted => "outcome unknown".to_owned(),
    }
}
