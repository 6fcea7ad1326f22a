//! What answers of Airalo mean that are no success: one table per endpoint, in which the first row that
//! fits decides and what fits none is no decision at all.

use super::super::assumption::Mark;
use super::wire::Said;
use crate::domain::answer::BlockCause;
use crate::domain::reason::FailureReason;

/// How the refusal of eSIMs begins that are not the company's; their numbers follow. \[doc]
pub(super) const FOREIGN: &str = "The following ICCIDs do not belong to your company:";

/// The complaint about a call without eSIMs. \[doc]
const NO_ICCIDS: &str = "The iccids field is required.";

/// The fields that all refunds of a call share. \[doc]
const SHARED: [&str; 3] = ["reason", "notes", "email"];

/// Which body a row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The complaint that names foreign eSIMs.
    Foreign,
    /// A complaint about `reason`, `notes`, `email`, or `iccids` as a whole.
    Shared,
    /// The provider's error object with this code.
    Code(u64),
    /// The provider's error object with `meta`.
    Meta,
    /// Any error object of the provider.
    Said,
    /// Anything, even nothing.
    Any,
}

/// What the answer to a refund call, or to a lookup, means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Some eSIMs are not the company's.
    Foreign,
    /// The call itself is refused, and so each of its refunds.
    Declined(FailureReason),
    /// One of the call's eSIMs is refused, and it is not said which.
    OneOf(FailureReason),
    /// The account is refused and nothing was taken.
    Blocked(BlockCause),
    /// Something before the provider refuses the account; what became of the refund it does not know.
    Barred(BlockCause),
    /// Too many calls: nothing was taken.
    Throttled,
    /// Not now.
    NotNow,
    /// The contract does not know it.
    Unlisted,
}

/// What the answer to a token call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The account is refused.
    Blocked(BlockCause),
    /// Too many calls.
    Throttled,
    /// Not now.
    NotNow,
    /// The contract does not know it.
    Unlisted,
}

struct Row<M> {
    first: u16,
    last: u16,
    body: Body,
    meaning: M,
    mark: Mark,
}

const fn row<M: Copy>(status: u16, body: Body, meaning: M, mark: Mark) -> Row<M> {
    Row { first: status, last: status, body, meaning, mark }
}

const fn all_5xx<M: Copy>(meaning: M) -> Row<M> {
    Row { first: 500, last: 599, body: Body::Any, meaning, mark: Mark::Doc }
}

/// All that is not a 202. Codes 11, 23, 33 and 34 are about orders and packages: no refund can be meant,
/// and so they are not listed. Code 53 is a 422 that says "something unexpected happened": as good as a
/// 500.
const TABLE: &[Row<Meaning>] = &[
    row(422, Body::Foreign, Meaning::Foreign, Mark::Doc),
    row(422, Body::Shared, Meaning::Declined(FailureReason::RequestRejected), Mark::Doc),
    row(422, Body::Meta, Meaning::OneOf(FailureReason::RequestRejected), Mark::Assumed),
    row(422, Body::Code(14), Meaning::OneOf(FailureReason::RequestRejected), Mark::Assumed),
    row(422, Body::Code(43), Meaning::OneOf(FailureReason::RequestRejected), Mark::Assumed),
    row(422, Body::Code(73), Meaning::OneOf(FailureReason::OrderNotRefundable), Mark::Assumed),
    row(422, Body::Code(13), Meaning::NotNow, Mark::Assumed),
    row(422, Body::Code(53), Meaning::NotNow, Mark::Assumed),
    row(422, Body::Code(89), Meaning::Blocked(BlockCause::Configuration), Mark::Assumed),
    row(403, Body::Code(89), Meaning::Blocked(BlockCause::Configuration), Mark::Doc),
    row(403, Body::Said, Meaning::Blocked(BlockCause::Permission), Mark::Assumed),
    row(403, Body::Any, Meaning::Barred(BlockCause::Configuration), Mark::Assumed),
    row(401, Body::Said, Meaning::Blocked(BlockCause::Credentials), Mark::Doc),
    row(401, Body::Any, Meaning::Barred(BlockCause::Credentials), Mark::Assumed),
    row(429, Body::Any, Meaning::Throttled, Mark::Contract),
    row(408, Body::Any, Meaning::NotNow, Mark::Assumed),
    row(409, Body::Any, Meaning::NotNow, Mark::Assumed),
    row(425, Body::Any, Meaning::NotNow, Mark::Assumed),
    all_5xx(Meaning::NotNow),
];

/// All that brings no token.
const TOKEN_TABLE: &[Row<Refused>] = &[
    row(401, Body::Any, Refused::Blocked(BlockCause::Credentials), Mark::Doc),
    row(422, Body::Meta, Refused::Blocked(BlockCause::Credentials), Mark::Doc),
    row(400, Body::Said, Refused::Blocked(BlockCause::Configuration), Mark::Assumed),
    row(403, Body::Code(89), Refused::Blocked(BlockCause::Configuration), Mark::Doc),
    row(403, Body::Any, Refused::Blocked(BlockCause::Permission), Mark::Assumed),
    row(429, Body::Any, Refused::Throttled, Mark::Doc),
    row(408, Body::Any, Refused::NotNow, Mark::Assumed),
    row(425, Body::Any, Refused::NotNow, Mark::Assumed),
    all_5xx(Refused::NotNow),
];

/// What a status with this error object means.
pub(super) fn meaning(status: u16, said: Option<&Said>) -> Meaning {
    first_fit(TABLE, status, said).unwrap_or(Meaning::Unlisted)
}

/// The same for a token call.
pub(super) fn token_refused(status: u16, said: Option<&Said>) -> Refused {
    first_fit(TOKEN_TABLE, status, said).unwrap_or(Refused::Unlisted)
}

fn first_fit<M: Copy>(table: &[Row<M>], status: u16, said: Option<&Said>) -> Option<M> {
    let fits = |row: &&Row<M>| (row.first..=row.last).contains(&status) && row.body.fits(said);
    table.iter().find(fits).map(|row| row.meaning)
}

impl Body {
    fn fits(self, said: Option<&Said>) -> bool {
        match (self, said) {
            (Self::Any, _) | (Self::Said, Some(_)) | (Self::Meta, Some(Said::Meta { .. })) => true,
            (Self::Code(code), Some(said)) => said.code() == Some(code),
            (Self::Foreign, Some(Said::Meta { message, .. })) => message.starts_with(FOREIGN),
            (Self::Shared, Some(Said::Meta { message, fields })) => {
                is_shared(message) || fields.iter().any(|(field, fault)| is_shared_field(field, fault))
            }
            (_, None)
            | (Self::Foreign | Self::Shared | Self::Meta, Some(Said::Coded { .. } | Said::Bare { .. })) => {
                false
            }
        }
    }

    fn word(self) -> String {
        match self {
            Self::Foreign => format!("\"{FOREIGN} …\""),
            Self::Shared => format!("about `{}`, or \"{NO_ICCIDS}\"", SHARED.join("`, `")),
            Self::Code(code) => format!("code {code}"),
            Self::Meta => "any error object with `meta`".to_owned(),
            Self::Said => "any error object".to_owned(),
            Self::Any => "anything".to_owned(),
        }
    }
}

fn is_shared(message: &str) -> bool {
    message == NO_ICCIDS || SHARED.iter().any(|field| message.starts_with(&format!("The {field} field ")))
}

fn is_shared_field(field: &str, fault: &str) -> bool {
    SHARED.contains(&field) || (field == "iccids" && fault == NO_ICCIDS)
}

/// The table of a refund call as Markdown, for `docs/providers/airalo.md`.
pub fn answers_to_markdown() -> String {
    to_markdown(TABLE, |meaning| match meaning {
        Meaning::Foreign => "the refunds that hold a named one are declined, `order_not_found`; \
                             of the others nothing was taken"
            .to_owned(),
        Meaning::Declined(reason) => format!("every refund of the call is declined, `{reason}`"),
        Meaning::OneOf(reason) => {
            format!("nothing was taken, each refund goes alone; one alone is declined, `{reason}`")
        }
        Meaning::Blocked(cause) => format!("account blocked, `{cause}`; nothing taken"),
        Meaning::Barred(cause) => format!("account blocked, `{cause}`; outcome unknown"),
        Meaning::Throttled => "quiet for a while; nothing taken".to_owned(),
        Meaning::NotNow => "not now; outcome unknown".to_owned(),
        Meaning::Unlisted => "outcome unknown".to_owned(),
    })
}

/// The table of a token call as Markdown, for `docs/providers/airalo.md`.
pub fn token_answers_to_markdown() -> String {
    to_markdown(TOKEN_TABLE, |refused| match refused {
        Refused::Blocked(cause) => format!("account blocked, `{cause}`"),
        Refused::Throttled => "quiet for a while".to_owned(),
        Refused::NotNow | Refused::Unlisted => "not now".to_owned(),
    })
}

fn to_markdown<M: Copy>(table: &[Row<M>], means: impl Fn(M) -> String) -> String {
    let mut text = String::from("| Status | Body | Means | Mark |\n|---|---|---|---|\n");
    for row in table {
        let status = if row.first == row.last {
            row.first.to_string()
        } else {
            format!("{} to {}", row.first, row.last)
        };
        let (body, means) = (row.body.word(), means(row.meaning));
        text.extend(["| ", &status, " | ", &body, " | ", &means, " | ", row.mark.word(), " |\n"]);
    }
    text
}
