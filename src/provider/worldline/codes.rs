//! The provider's status codes and what each means for a refund: a closed list. What is not in it decides
//! nothing.
//!
//! Texts: the provider's published map of status codes of 2015, which agrees with its page "Status codes" as
//! far as that page shows. Marks are those of the meaning: `[doc]` where the page names the code's group.

use super::super::assumption::Mark;
use crate::domain::reason::FailureReason;

/// What a status code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Accepted.
    Accepted,
    /// The refund is refused.
    Refused(FailureReason),
    /// The merchant is refused, not the refund.
    Configuration,
    /// It failed before anything went to the acquirer.
    NothingSent,
    /// Nobody knows yet: only the same request again can tell.
    Unsettled,
    /// An earlier request is still at work.
    Busy,
    /// It was done before, perhaps by our own request.
    DoneBefore,
}

struct Row {
    codes: &'static [u32],
    text: &'static str,
    treatment: Treatment,
    mark: Mark,
}

const fn row(codes: &'static [u32], text: &'static str, treatment: Treatment, mark: Mark) -> Row {
    Row { codes, text, treatment, mark }
}

const fn refused(codes: &'static [u32], text: &'static str, reason: FailureReason, mark: Mark) -> Row {
    row(codes, text, Treatment::Refused(reason), mark)
}

const TABLE: &[Row] = &[
    row(&[0], "accepted", Treatment::Accepted, Mark::Doc),
    refused(&[11011], "invalid currency", FailureReason::RequestRejected, Mark::Doc),
    refused(&[24009, 33039], "invalid currency", FailureReason::RequestRejected, Mark::Infer),
    refused(&[11013], "invalid transaction channel", FailureReason::RequestRejected, Mark::Doc),
    refused(&[11023], "invalid input", FailureReason::RequestRejected, Mark::Doc),
    refused(&[23008, 33037], "invalid input", FailureReason::RequestRejected, Mark::Infer),
    refused(&[22026], "invalid order ID", FailureReason::OrderNotFound, Mark::Doc),
    refused(&[24010, 33023, 33046], "invalid order ID", FailureReason::OrderNotFound, Mark::Infer),
    refused(
        &[22033, 33026, 33033, 36021],
        "reference transaction invalid or not found",
        FailureReason::RequestRejected,
        Mark::Infer,
    ),
    refused(
        &[33027],
        "order ID is not that of the referenced transaction",
        FailureReason::RequestRejected,
        Mark::Infer,
    ),
    refused(
        &[22041, 33019, 36020],
        "credits exceed the debited amount, or a payout its scope",
        FailureReason::AmountExceedsRefundable,
        Mark::Infer,
    ),
    refused(
        &[22047, 22070, 33021, 36019],
        "currency differs from the reference",
        FailureReason::CurrencyMismatch,
        Mark::Infer,
    ),
    refused(
        &[22044, 22045, 33012, 33013],
        "status or type of the reference does not allow it",
        FailureReason::OrderNotRefundable,
        Mark::Infer,
    ),
    refused(&[22022], "operation not supported by the bank", FailureReason::OrderNotRefundable, Mark::Doc),
    refused(
        &[33050, 34011],
        "operation not supported by the bank",
        FailureReason::OrderNotRefundable,
        Mark::Infer,
    ),
    refused(&[22027, 22028, 22029, 22030, 22031, 22032], "refused", FailureReason::Declined, Mark::Doc),
    refused(&[22039, 22040, 22052, 27001, 34001, 39004], "refused", FailureReason::Declined, Mark::Infer),
    refused(
        &[22053, 24027, 24028, 39003],
        "expired card, invalid account, suspected fraud",
        FailureReason::Declined,
        Mark::Infer,
    ),
    refused(
        &[38002, 38003],
        "illegal argument, business rule violated",
        FailureReason::RequestRejected,
        Mark::Infer,
    ),
    row(
        &[22050, 22069, 33017, 24001, 33034, 36003],
        "merchant ID inactive or invalid",
        Treatment::Configuration,
        Mark::Infer,
    ),
    row(&[39002], "authentication problem", Treatment::Configuration, Mark::Infer),
    row(
        &[22014, 22017],
        "server or bank error, nothing sent to the acquirer",
        Treatment::NothingSent,
        Mark::Doc,
    ),
    row(
        &[22042, 22051, 22062, 22074, 33001, 33002, 33010],
        "server or bank error, nothing sent to the acquirer",
        Treatment::NothingSent,
        Mark::Doc,
    ),
    row(
        &[22002, 22020, 22021],
        "server configuration, bank system error, bank unreachable for now",
        Treatment::Unsettled,
        Mark::Doc,
    ),
    row(
        &[22035, 22036, 22038, 22048, 33015, 33038, 23007],
        "communication problem, unavailable for now",
        Treatment::Unsettled,
        Mark::Infer,
    ),
    row(
        &[22037, 33004, 27041, 34007, 34010],
        "no answer of the bank in time, status unknown, not yet completed",
        Treatment::Unsettled,
        Mark::Infer,
    ),
    row(
        &[33020, 36027, 38004],
        "already in progress, reference locked, cannot be done now",
        Treatment::Busy,
        Mark::Infer,
    ),
    row(&[11001], "duplicate transaction found", Treatment::DoneBefore, Mark::Doc),
    row(&[24021, 33024], "duplicate transaction found", Treatment::DoneBefore, Mark::Infer),
    row(&[33018], "reference already completed", Treatment::DoneBefore, Mark::Infer),
];

/// What a code means; nothing if the list does not have it.
pub(super) fn treatment(code: &str) -> Option<Treatment> {
    let code: u32 = code.parse().ok()?;
    TABLE.iter().find(|row| row.codes.contains(&code)).map(|row| row.treatment)
}

/// The table as Markdown, for `docs/providers/worldline.md`.
pub fn codes_to_markdown() -> String {
    let mut text =
        String::from("| Code | Text | In a refused transaction means | Mark |\n|---|---|---|---|\n");
    for row in TABLE {
        let codes: Vec<String> = row.codes.iter().map(u32::to_string).collect();
        let means = match row.treatment {
            Treatment::Accepted => "nothing: only a processed one is accepted".to_owned(),
            Treatment::Refused(reason) => format!("declined, `{reason}`"),
            Treatment::Configuration => "account blocked, `configuration`; nothing taken".to_owned(),
            Treatment::NothingSent => "not sent".to_owned(),
            Treatment::Unsettled => "outcome unknown, provider in trouble".to_owned(),
            Treatment::Busy => "an earlier request is still at work; outcome unknown".to_owned(),
            Treatment::DoneBefore => "perhaps our own success; outcome unknown".to_owned(),
        };
        text.extend([
            "| ",
            &codes.join(", "),
            " | ",
            row.text,
            " | ",
            &means,
            " | ",
            row.mark.word(),
            " |\n",
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_code_is_listed_twice_and_only_whole_numbers_are_codes() {
        let all: Vec<u32> = TABLE.iter().flat_map(|row| row.codes).copied().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(treatment("0"), Some(Treatment::Accepted));
        for code in ["", "-1", "0.0", "22", "99999", "2202 6", "x"] {
            assert_eq!(treatment(code), None, "{code}");
        }
    }

    #[test]
    fn what_our_own_success_may_cause_is_no_refusal() {
        for code in ["11001", "24021", "33024", "33018", "33020", "22037"] {
            assert!(
                !matches!(treatment(code), Some(Treatment::Refused(_) | Treatment::NothingSent)),
                "{code}"
            );
        }
    }
}
