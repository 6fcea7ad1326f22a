//! Answers read: one face per refund of the call.

use std::time::Duration;

use super::super::http::{Credentials, Reply};
use super::evidence;
use super::table::{self, FOREIGN, Meaning};
use super::wire::{self, Said};
use crate::domain::answer::{Answer, Evidence, Face, FailurePhase, LookupAnswer, Review, Signal};
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, Item, ItemState, Refund};

const CORRELATION: &str = "x-request-id";
const EDGE_CORRELATION: &str = "cf-ray";
const CONTENT_TYPE: &str = "content-type";

/// How long an account keeps quiet after a lookup's 429 that does not say how long. \[assumed]
const LOOKUP_QUIET: Duration = Duration::from_mins(1);

/// The headers of an answer that are read.
pub(super) const KEPT_HEADERS: &[&str] = &[CORRELATION, EDGE_CORRELATION, CONTENT_TYPE];

/// The provider's name of the exchange.
pub(super) fn correlation(reply: &Reply) -> Option<&str> {
    reply.header(CORRELATION).or_else(|| reply.header(EDGE_CORRELATION))
}

/// How the account reads answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    /// Whether a refused call took none of its eSIMs.
    pub(super) atomic: bool,
    /// How long to keep quiet after a 429 that does not say.
    pub(super) quiet: Duration,
    /// What no record may hold.
    pub(super) guard: &'a Credentials,
}

/// Digits of the shortest number that may be an eSIM's.
const ICCID_DIGITS_MIN: usize = 10;

/// The answer to a refund call.
pub(super) fn answer(reply: &Reply, refunds: &[Refund], rules: Rules<'_>) -> Answer {
    if (200..300).contains(&reply.status) {
        let (faces, phase, text, signal) = match taken(reply, refunds, rules.guard) {
            Ok(faces) => (faces, None, None, Signal::Healthy),
            Err(text) => {
                (vec![Face::Unknown; refunds.len()], Some(FailurePhase::Parse), Some(text), Signal::Trouble)
            }
        };
        return Answer::to_all(faces, evidence(reply, phase, text, rules.guard), vec![signal]);
    }
    let (meaning, said, mut evidence, signals) = refusal(reply, rules);
    if refunds.len() > 1 {
        // The record of a shared call is shown to each member's caller: it names no eSIM of another's.
        evidence.provider_text = evidence.provider_text.map(|text| without_iccids(&text));
    }
    let unknown = || vec![Face::Unknown; refunds.len()];
    let failure = |reason, text| Failure { reason, provider_code: evidence.provider_code.clone(), text };
    let declined = |reason| Face::Declined {
        failure: failure(reason, evidence.provider_text.clone()),
        conclusive: false,
    };
    let faces = match meaning {
        Meaning::Foreign => {
            let named = named_in(said.as_ref());
            faces_of_foreign(refunds, &named, rules.atomic).unwrap_or_else(|| {
                evidence.phase = Some(FailurePhase::Parse);
                unknown()
            })
        }
        Meaning::Declined(reason) => vec![declined(reason); refunds.len()],
        Meaning::OneOf(reason) => match refunds {
            // Only what has no parts cannot have been taken in part.
            [refund] if rules.atomic || refund.content.iccids().len() == 1 => vec![declined(reason)],
            [_, _, ..] if rules.atomic => vec![Face::NotSent { alone: true }; refunds.len()],
            _parts => unknown(),
        },
        Meaning::Blocked(cause) => vec![Face::Blocked(cause); refunds.len()],
        Meaning::Throttled => vec![Face::NotSent { alone: false }; refunds.len()],
        Meaning::Barred(_) | Meaning::NotNow | Meaning::Unlisted => unknown(),
    };
    Answer::to_all(faces, evidence, signals)
}

/// A text without the numbers of eSIMs in it.
fn without_iccids(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if digits >= ICCID_DIGITS_MIN { "..." } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The case that a 202 is, or why it proves none.
fn taken(reply: &Reply, refunds: &[Refund], guard: &Credentials) -> Result<Vec<Face>, String> {
    if reply.status != 202 {
        return Err("a success that is not 202".to_owned());
    }
    let reference = guard.clean_id(&wire::refund_id(&reply.body)?);
    let review = |refund: &Refund| {
        let items = refund.content.iccids().iter().map(|iccid| Item {
            id: iccid.to_string(),
            state: ItemState::Pending,
            amount_minor: None,
            provider_code: None,
        });
        Face::InReview(Review { reference: Some(reference.clone()), items: items.collect() })
    };
    Ok(refunds.iter().map(review).collect())
}

/// The eSIMs that a complaint about foreign ones names.
fn named_in(said: Option<&Said>) -> Vec<String> {
    let Some(Said::Meta { message, .. }) = said else { return Vec::new() };
    let list = message.strip_prefix(FOREIGN).unwrap_or_default();
    list.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

/// Faces after a complaint that names foreign eSIMs; `None` if it names none of ours, so that it answers
/// another call.
fn faces_of_foreign(refunds: &[Refund], named: &[String], atomic: bool) -> Option<Vec<Face>> {
    let mut any = false;
    let mut faces = Vec::with_capacity(refunds.len());
    for refund in refunds {
        let iccids = refund.content.iccids().iter().map(ToString::to_string);
        let (foreign, fine): (Vec<String>, Vec<String>) = iccids.partition(|iccid| named.contains(iccid));
        any |= !foreign.is_empty();
        faces.push(match (foreign.is_empty(), fine.is_empty() || atomic) {
            // Its own eSIMs alone: the provider's text names those of other callers too.
            (false, true) => Face::Declined {
                failure: Failure {
                    reason: FailureReason::OrderNotFound,
                    provider_code: None,
                    text: Some(format!("{FOREIGN} {}", foreign.join(", "))),
                },
                conclusive: false,
            },
            (true, true) => Face::NotSent { alone: false },
            (_, false) => Face::Unknown,
        });
    }
    any.then_some(faces)
}

/// An answer to a lookup that shows no orders. Another limit holds for lookups than for refunds, and a
/// refusal has nothing to refuse.
pub(super) fn lookup_refusal(reply: &Reply, rules: Rules<'_>) -> LookupAnswer {
    let (_, _, mut evidence, mut signals) = refusal(reply, Rules { quiet: LOOKUP_QUIET, ..rules });
    evidence.phase = evidence.phase.or(Some(FailurePhase::Parse));
    signals.retain(|signal| *signal != Signal::Healthy);
    LookupAnswer::nothing(evidence, signals)
}

fn refusal(reply: &Reply, rules: Rules<'_>) -> (Meaning, Option<Said>, Evidence, Vec<Signal>) {
    let said = Said::read(&reply.body);
    let meaning = table::meaning(reply.status, said.as_ref());
    let phase = match meaning {
        Meaning::Foreign | Meaning::Declined(_) | Meaning::OneOf(_) | Meaning::Blocked(_) => None,
        Meaning::Barred(_) | Meaning::Unlisted => Some(FailurePhase::Parse),
        Meaning::Throttled | Meaning::NotNow => Some(FailurePhase::NotNow),
    };
    let quiet = reply.retry_after.map(Signal::Throttle);
    let signals = match meaning {
        Meaning::Foreign | Meaning::Declined(_) | Meaning::OneOf(_) => vec![Signal::Healthy],
        Meaning::Blocked(cause) | Meaning::Barred(cause) => vec![Signal::Block(cause)],
        Meaning::Throttled => vec![quiet.unwrap_or(Signal::Throttle(rules.quiet))],
        Meaning::NotNow => [Signal::Trouble].into_iter().chain(quiet).collect(),
        // An error of the provider's own that only our table lacks says nothing against its health.
        Meaning::Unlisted if said.is_some() => Vec::new(),
        Meaning::Unlisted => vec![Signal::Trouble],
    };
    let evidence = refusal_evidence(reply, phase, said.as_ref(), rules.guard);
    (meaning, said, evidence, signals)
}

/// The record of an answer that is no success.
pub(super) fn refusal_evidence(
    reply: &Reply,
    phase: Option<FailurePhase>,
    said: Option<&Said>,
    guard: &Credentials,
) -> Evidence {
    let text = said.map_or_else(
        || {
            let kind = reply.header(CONTENT_TYPE).unwrap_or("unnamed type");
            format!("no error of the provider's own: {} bytes of {kind}", reply.body.len())
        },
        Said::line,
    );
    let code = said.and_then(Said::code).map(|code| code.to_string());
    Evidence { provider_code: code, ..evidence(reply, phase, Some(text), guard) }
}
