//! What an answer of Moyasar means that is no success: one table, in which the first row that fits
//! decides and what fits none is no decision at all.

use super::super::assumption::Mark;
use super::wire::Envelope;
use crate::domain::answer::BlockCause;
use crate::domain::reason::FailureReason;

/// What a repeat says while the first request with its id is at work, and the first one when the provider
/// gave up waiting for itself. Compared without case and outer spaces. \[contract]
const STILL_PROCESSING: &str = "Initial request is still processing.";
/// No message with this word in it is taken for a refusal: the exact text may change. \[assumed]
const PROCESSING: &str = "processing";
/// The field that our key travels in.
const KEY_FIELD: &str = "transaction_id";

/// Which body a row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The provider's error object with this message.
    Message(&'static str),
    /// The provider's error object with this word in its message.
    Word(&'static str),
    /// The provider's error object, with this among the fields that are wrong.
    Field(&'static str),
    /// The provider's error object, with fields that are wrong.
    Fields,
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
    /// The key is refused: it may be known already, for an earlier send of this very refund.
    KeyRefused,
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

const fn row(status: u16, body: Body, meaning: Meaning, mark: Mark) -> Row {
    Row { first: status, last: status, body, meaning, mark }
}

/// All that is not a success. There are no error codes: only the message tells the two kinds of 400
/// apart, and nothing tells why a business rule refused.
const TABLE: &[Row] = &[
    row(400, Body::Message(STILL_PROCESSING), Meaning::InProcess, Mark::Contract),
    row(400, Body::Word(PROCESSING), Meaning::InProcess, Mark::Assumed),
    row(400, Body::Field(KEY_FIELD), Meaning::KeyRefused, Mark::Assumed),
    row(400, Body::Envelope, Meaning::Declined(FailureReason::Declined), Mark::Doc),
    row(401, Body::Envelope, Meaning::Blocked(BlockCause::Credentials), Mark::Contract),
    row(401, Body::Any, Meaning::Barred(BlockCause::Credentials), Mark::Assumed),
    row(403, Body::Envelope, Meaning::Blocked(BlockCause::Permission), Mark::Contract),
    row(403, Body::Any, Meaning::Barred(BlockCause::Configuration), Mark::Assumed),
    row(404, Body::Envelope, Meaning::Declined(FailureReason::OrderNotFound), Mark::Doc),
    row(422, Body::Field(KEY_FIELD), Meaning::KeyRefused, Mark::Assumed),
    row(422, Body::Fields, Meaning::Declined(FailureReason::RequestRejected), Mark::Contract),
    row(429, Body::Any, Meaning::Throttled, Mark::Assumed),
    row(408, Body::Any, Meaning::NotNow, Mark::Assumed),
    row(409, Body::Any, Meaning::NotNow, Mark::Assumed),
    row(425, Body::Any, Meaning::NotNow, Mark::Assumed),
    Row { first: 500, last: 599, body: Body::Any, meaning: Meaning::NotNow, mark: Mark::Assumed },
];

impl Body {
    fn fits(self, envelope: Option<&Envelope>) -> bool {
        let Some(envelope) = envelope else { return self == Self::Any };
        match self {
            Self::Message(text) => envelope.message.eq_ignore_ascii_case(text),
            Self::Word(word) => envelope.message.to_ascii_lowercase().contains(word),
            Self::Field(field) => envelope.fields.iter().any(|(name, _)| name == field),
            Self::Fields => !envelope.fields.is_empty(),
            Self::Envelope | Self::Any => true,
        }
    }
}

/// What a status with this error object means.
pub(super) fn meaning(status: u16, envelope: Option<&Envelope>) -> Meaning {
    let fits = |row: &&Row| (row.first..=row.last).contains(&status) && row.body.fits(envelope);
    TABLE.iter().find(fits).map_or(Meaning::Unlisted, |row| row.meaning)
}

/// The table as Markdown, for `docs/providers/moyasar.md`.
pub fn answers_to_markdown() -> String {
    let mut text = String::from("| Status | Body | Means | Mark |\n|---|---|---|---|\n");
    for row in TABLE {
        let status = if row.first == row.last {
            row.first.to_string()
        } else {
            format!("{} to {}", row.first, row.last)
        };
        let body = match row.body {
            Body::Message(text) => format!("`message` \"{text}\""),
            Body::Word(word) => format!("`message` with the word \"{word}\""),
            Body::Field(field) => format!("`errors` names `{field}`"),
            Body::Fields => "`errors` names any field".to_owned(),
            Body::Envelope => "any `message`".to_owned(),
            Body::Any => "anything".to_owned(),
        };
        let means = match row.meaning {
            Meaning::Declined(reason) => format!("declined, `{reason}`"),
            Meaning::Blocked(cause) => format!("account blocked, `{cause}`; nothing taken"),
            Meaning::Barred(cause) => format!("account blocked, `{cause}`; outcome unknown"),
            Meaning::InProcess => "the first request is still at work; outcome unknown".to_owned(),
            Meaning::KeyRefused => "the key may be known already; outcome unknown".to_owned(),
            Meaning::NotNow => "not now; outcome unknown".to_owned(),
            Meaning::Throttled => "not now, quiet for a while; outcome unknown".to_owned(),
            Meaning::Unlisted => "outcome unknown".to_owned(),
        };
        text.extend(["| ", &status, " | ", &body, " | ", &means, " | ", row.mark.word(), " |\n"]);
    }
    text
}
