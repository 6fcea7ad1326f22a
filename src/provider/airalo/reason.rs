//! Why eSIMs are given back, in Airalo's words.

use crate::domain::account::OwnReasons;
use crate::domain::content::Content;
use crate::domain::reason::Reason;

/// The reasons that Airalo takes. \[doc]
const REASONS: [&str; 23] = [
    "INSTALLATION_FAILURE",
    "NO_COVERAGE",
    "APN_FAILURE",
    "TRIP_CANCELLATION",
    "INTERMITTENT_CONNECTION",
    "BLOCKED_NETWORK",
    "CHANGE_OF_PLAN",
    "DELETED_ESIM",
    "EARLY_EXPIRY",
    "HOTSPOT_NOT_WORKING",
    "IMSI_CHANGE",
    "INCOMPATIBLE_DEVICE",
    "LOCKED_DEVICE",
    "NO_VOICE_TEXT_SERVICES",
    "OVERCHARGED",
    "SLOW_SPEED",
    "TOP_UP_PACKAGE_FAILURE",
    "UNKNOWN_CHARGES",
    "WRONG_PURCHASE",
    "UNABLE_TO_ACCESS_APPS",
    "SERVICE_DEGRADATION",
    "QR_ISSUE_PARTNERS",
    OTHERS,
];

/// The one that needs notes. \[doc]
const OTHERS: &str = "OTHERS";

/// The list as callers are held to it.
pub(super) const OWN: OwnReasons =
    OwnReasons { words: &REASONS, needs_notes: OTHERS, canonical_need_notes: &[Reason::Other] };

/// A canonical reason as Airalo hears it.
struct Row {
    theirs: &'static str,
    /// What stands in the notes if the caller writes none.
    notes: &'static str,
}

const fn row(theirs: &'static str) -> Row {
    Row { theirs, notes: "" }
}

const fn others(notes: &'static str) -> Row {
    Row { theirs: OTHERS, notes }
}

/// The table. \[assumed]
const fn mapped(reason: Reason) -> Row {
    match reason {
        Reason::Unspecified => others("No reason was given."),
        Reason::RequestedByCustomer => others("Requested by the customer."),
        Reason::NotDelivered => others("The eSIM was not delivered."),
        Reason::Defective | Reason::PoorService => row("SERVICE_DEGRADATION"),
        Reason::WrongPurchase => row("WRONG_PURCHASE"),
        Reason::Canceled => row("CHANGE_OF_PLAN"),
        Reason::Duplicate => others("The customer was charged twice."),
        Reason::Overcharged => row("OVERCHARGED"),
        Reason::Fraudulent => others("The payment was fraudulent."),
        Reason::InstallationFailure => row("INSTALLATION_FAILURE"),
        Reason::NoCoverage => row("NO_COVERAGE"),
        Reason::IncompatibleDevice => row("INCOMPATIBLE_DEVICE"),
        Reason::Other => others(""),
    }
}

/// What a call says of why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub(super) reason: &'a str,
    pub(super) notes: &'a str,
}

/// What is told of a refund.
///
/// # Errors
/// A sentence for the caller: the provider would refuse it.
pub(super) fn told(content: &Content) -> Result<Told<'_>, String> {
    let written = content.notes.as_deref().unwrap_or_default();
    let told = if let Some(theirs) = content.provider_reason.as_deref() {
        let known = REASONS.into_iter().find(|reason| *reason == theirs);
        let reason = known
            .ok_or_else(|| format!("\"{theirs}\" is no reason of Airalo's: one of {}", REASONS.join(", ")))?;
        Told { reason, notes: written }
    } else {
        let Row { theirs, notes } = mapped(content.reason);
        Told { reason: theirs, notes: if written.trim().is_empty() { notes } else { written } }
    };
    if told.reason == OTHERS && told.notes.trim().is_empty() {
        return Err("Airalo takes the reason OTHERS only with notes that say which".to_owned());
    }
    Ok(told)
}

/// The table as Markdown, for `docs/providers/airalo.md`.
pub fn reasons_to_markdown() -> String {
    let mut text = String::from("| Reason | At Airalo | Notes if the caller writes none |\n|---|---|---|\n");
    for reason in Reason::ALL {
        let Row { theirs, notes } = mapped(*reason);
        let notes = match (theirs, notes) {
            (OTHERS, "") => "refused: Airalo wants notes",
            (_, "") => "-",
            (_, notes) => notes,
        };
        text.extend(["| `", reason.word(), "` | `", theirs, "` | ", notes, " |\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::content;
    use super::*;

    #[test]
    fn every_canonical_reason_is_one_that_the_provider_takes() {
        for reason in Reason::ALL {
            assert!(REASONS.contains(&mapped(*reason).theirs), "{reason}");
            let with_notes = Content { reason: *reason, notes: Some("why".to_owned()), ..content(&["1"]) };
            assert_eq!(told(&with_notes).unwrap(), Told { reason: mapped(*reason).theirs, notes: "why" });
            let without = Content { reason: *reason, ..content(&["1"]) };
            assert_eq!(told(&without).is_err(), OWN.canonical_need_notes.contains(reason), "{reason}");
        }
    }

    #[test]
    fn the_callers_own_word_beats_the_table_if_it_is_one_of_the_list() {
        let with = |theirs: &str, notes: Option<&str>| Content {
            provider_reason: Some(theirs.to_owned()),
            notes: notes.map(str::to_owned),
            ..content(&["1"])
        };
        for theirs in REASONS {
            let content = with(theirs, Some("why"));
            assert_eq!(told(&content).unwrap(), Told { reason: theirs, notes: "why" });
            assert_eq!(told(&with(theirs, None)).is_ok(), theirs != OTHERS);
            assert_eq!(told(&with(theirs, Some(" "))).is_ok(), theirs != OTHERS);
        }
        for theirs in ["", "SERVICE_ISSUES", "no_coverage", "\"NO_COVERAGE\"", "NO_COVERAGE "] {
            let text = told(&with(theirs, Some("why"))).unwrap_err();
            assert!(text.contains("INSTALLATION_FAILURE, NO_COVERAGE") && text.ends_with("OTHERS"), "{text}");
        }
    }
}
