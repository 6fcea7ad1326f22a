//! Answers read: a 2xx by our transaction in it, everything else by the table.

use std::time::Duration;

use super::super::http::{Credentials, Reply};
use super::fate::{self, Fate};
use super::order::{Order, Transaction};
use super::table::{self, Meaning};
use super::wire;
use crate::domain::answer::{
    Answer, Evidence, Face, FailurePhase, Finding, LookupAnswer, Reversal, Review, Signal,
};
use crate::domain::content::Payment;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, Refund};
use crate::domain::sight::Sight;

/// How long an account keeps quiet after a 429 that does not say how long, seconds. \[assumed]
pub(super) const QUIET_S: u64 = 30;

const CORRELATION: &str = "x-request-id";
const EDGE_CORRELATION: &str = "cf-ray";
const CONTENT_TYPE: &str = "content-type";

/// The headers of an answer that are read.
pub(super) const KEPT_HEADERS: &[&str] = &[CORRELATION, EDGE_CORRELATION, CONTENT_TYPE];

/// An answer that is no success, read.
struct Refusal {
    meaning: Meaning,
    evidence: Evidence,
    signals: Vec<Signal>,
}

fn refusal(reply: &Reply, credentials: &Credentials) -> Refusal {
    let envelope = wire::envelope(&reply.body);
    let meaning = table::meaning(reply.status, envelope.as_ref());
    let phase = match meaning {
        Meaning::Declined(_) | Meaning::Blocked(_) => None,
        Meaning::Barred(_) | Meaning::KeyRefused | Meaning::Unlisted => Some(FailurePhase::Parse),
        Meaning::InProcess | Meaning::NotNow | Meaning::Throttled => Some(FailurePhase::NotNow),
    };
    let quiet = reply.retry_after.map(Signal::Throttle);
    let signals = match meaning {
        Meaning::Declined(_) => vec![Signal::Healthy],
        Meaning::Blocked(cause) | Meaning::Barred(cause) => vec![Signal::Block(cause)],
        Meaning::InProcess | Meaning::KeyRefused => Vec::new(),
        Meaning::NotNow => [Signal::Trouble].into_iter().chain(quiet).collect(),
        Meaning::Throttled => vec![quiet.unwrap_or(Signal::Throttle(Duration::from_secs(QUIET_S)))],
        // An error of the provider's own that only our table lacks says nothing against its health.
        Meaning::Unlisted if envelope.is_some() => Vec::new(),
        Meaning::Unlisted => vec![Signal::Trouble],
    };
    let text = envelope.map_or_else(|| not_theirs(reply), |envelope| envelope.text());
    let evidence = evidence(reply, phase, Some(text), None, credentials);
    Refusal { meaning, evidence, signals }
}

fn not_theirs(reply: &Reply) -> String {
    let kind = reply.header(CONTENT_TYPE).unwrap_or("unnamed type");
    format!("no error of the provider's own: {} bytes of {kind}", reply.body.len())
}

/// The record of an answer. Where our transaction is in it, its code, its message and the reference that
/// the provider's support knows it by.
fn evidence(
    reply: &Reply,
    phase: Option<FailurePhase>,
    text: Option<String>,
    own: Option<&Transaction>,
    credentials: &Credentials,
) -> Evidence {
    let header = reply.header(CORRELATION).or_else(|| reply.header(EDGE_CORRELATION));
    let text = text.map(|text| credentials.clean(&text));
    let message = own.and_then(|own| own.message.clone());
    Evidence {
        phase,
        http_status: Some(reply.status),
        provider_code: own.and_then(|own| own.response_code.clone()),
        provider_text: match (text, message) {
            (Some(text), Some(message)) => Some(format!("{text}: {message}")),
            (text, message) => text.or(message),
        },
        correlation_id: own
            .and_then(|own| own.retrieval_reference.clone())
            .or_else(|| header.map(|id| credentials.clean_id(id))),
    }
}

/// The answer to a refund request.
pub(super) fn answer(reply: &Reply, refund: &Refund, payment: &Payment, credentials: &Credentials) -> Answer {
    if (200..300).contains(&reply.status) {
        return attempted(reply, refund, payment, credentials);
    }
    let Refusal { meaning, evidence, signals } = refusal(reply, credentials);
    let face = match meaning {
        Meaning::Declined(reason) => Face::Declined {
            failure: Failure { reason, provider_code: None, text: evidence.provider_text.clone() },
            // The provider names no key: the refusal of a resend may be caused by our own success.
            conclusive: false,
        },
        Meaning::Blocked(cause) => Face::Blocked(cause),
        Meaning::Barred(_)
        | Meaning::InProcess
        | Meaning::KeyRefused
        | Meaning::NotNow
        | Meaning::Throttled
        | Meaning::Unlisted => Face::Unknown,
    };
    Answer::to_one(face, evidence, signals)
}

/// A 2xx: the refund was attempted, and what came of it our transaction says.
fn attempted(reply: &Reply, refund: &Refund, payment: &Payment, credentials: &Credentials) -> Answer {
    let parse = Some(FailurePhase::Parse);
    let order = match Order::read(&reply.body, credentials) {
        Ok(order) => order,
        Err(text) => {
            let evidence = evidence(reply, parse, Some(text), None, credentials);
            return Answer::to_one(Face::Unknown, evidence, vec![Signal::Trouble]);
        }
    };
    let (became, own) = fate::of(&order, refund.key, payment);
    let done = vec![Signal::Healthy, Signal::KeyHeeded];
    let (face, phase, text, signals) = match became {
        Fate::Succeeded(success) => (Face::Succeeded(success), None, None, done),
        Fate::InReview(id) => (Face::InReview(review(id)), None, None, done),
        Fate::Declined(failure) => (Face::Declined { failure, conclusive: true }, None, None, done),
        Fate::Open(why) => {
            let signals = vec![Signal::Trouble, Signal::KeyHeeded];
            (Face::Unknown, Some(FailurePhase::NotNow), Some(why), signals)
        }
        Fate::Odd(why) | Fate::Reversed(Reversal { text: why, .. }) => {
            (Face::Unknown, parse, Some(why), vec![Signal::KeyHeeded])
        }
        Fate::Absent => {
            let why = "a success without a transaction that has the id that was sent";
            (Face::Unknown, parse, Some(why.to_owned()), vec![Signal::KeyIgnored])
        }
        Fate::Unclear => (Face::Unknown, parse, Some(UNCLEAR.to_owned()), vec![Signal::Trouble]),
        Fate::Doubled => (Face::Unknown, parse, Some(DOUBLED.to_owned()), vec![Signal::KeyIgnored]),
    };
    Answer::to_one(face, evidence(reply, phase, text, own, credentials), signals)
}

const UNCLEAR: &str = "a transaction without an id";
const DOUBLED: &str = "more than one transaction with our id";

fn review(id: String) -> Review {
    Review { reference: Some(id), items: Vec::new() }
}

/// The answer to a lookup.
pub(super) fn lookup_answer(
    reply: &Reply,
    refund: &Refund,
    payment: &Payment,
    credentials: &Credentials,
) -> LookupAnswer {
    if (200..300).contains(&reply.status) {
        return looked(reply, refund, payment, credentials);
    }
    let Refusal { meaning, mut evidence, signals } = refusal(reply, credentials);
    let (sight, finding, signals) = match meaning {
        Meaning::Declined(FailureReason::OrderNotFound) => {
            (Sight::NoOrder, Finding::Absent, vec![Signal::Healthy])
        }
        // It refuses to give money back, which nobody asked for.
        Meaning::Declined(_) => (Sight::Nothing, Finding::Nothing, Vec::new()),
        Meaning::Blocked(_)
        | Meaning::Barred(_)
        | Meaning::InProcess
        | Meaning::KeyRefused
        | Meaning::NotNow
        | Meaning::Throttled
        | Meaning::Unlisted => (Sight::Nothing, Finding::Nothing, signals),
    };
    if sight == Sight::Nothing && evidence.phase.is_none() {
        evidence.phase = Some(FailurePhase::Parse);
    }
    LookupAnswer { sight, finding, evidence, signals }
}

/// A 2xx to a lookup. Our own transaction is believed even where the order's figures are not.
fn looked(reply: &Reply, refund: &Refund, payment: &Payment, credentials: &Credentials) -> LookupAnswer {
    let order = match Order::read(&reply.body, credentials) {
        Ok(order) => order,
        Err(text) => {
            let evidence = evidence(reply, Some(FailurePhase::Parse), Some(text), None, credentials);
            return LookupAnswer::nothing(evidence, vec![Signal::Trouble]);
        }
    };
    let (sight, fault) = match order.snapshot(&payment.order_id) {
        Ok(snapshot) => (Sight::Order(snapshot), None),
        Err(fault) => (Sight::Nothing, Some(fault)),
    };
    let (became, own) = fate::of(&order, refund.key, payment);
    let key_signal = match became {
        Fate::Absent | Fate::Unclear => None,
        Fate::Doubled => Some(Signal::KeyIgnored),
        Fate::Succeeded(_)
        | Fate::InReview(_)
        | Fate::Declined(_)
        | Fate::Reversed(_)
        | Fate::Open(_)
        | Fate::Odd(_) => Some(Signal::KeyHeeded),
    };
    // No reversal of a success is read from an order that cannot be trusted.
    let reversal = became.reversal_of(refund).filter(|_| fault.is_none());
    let (finding, text) = match (became, reversal) {
        (_, Some(reversal)) => (Finding::Reversed(reversal), None),
        (Fate::Succeeded(success), None) => (Finding::Succeeded(success), None),
        (Fate::InReview(id), None) => (Finding::InReview(review(id)), None),
        (Fate::Declined(failure), None) => (Finding::Declined(failure), None),
        (Fate::Open(why) | Fate::Odd(why) | Fate::Reversed(Reversal { text: why, .. }), None) => {
            (Finding::Nothing, Some(why))
        }
        // Of an order that cannot be trusted it is not even known that it does not show our refund.
        (Fate::Absent, None) if fault.is_some() => (Finding::Nothing, None),
        (Fate::Absent, None) => (Finding::Absent, None),
        (Fate::Unclear, None) => (Finding::Nothing, Some(UNCLEAR.to_owned())),
        (Fate::Doubled, None) => (Finding::Nothing, Some(DOUBLED.to_owned())),
    };
    let health = if fault.is_some() { Signal::Trouble } else { Signal::Healthy };
    let phase = fault.as_ref().map(|_| FailurePhase::Parse);
    let mut evidence = evidence(reply, phase, text.or(fault), own, credentials);
    if let Finding::Reversed(reversal) = &finding {
        evidence.provider_code.clone_from(&reversal.provider_code);
        evidence.provider_text = Some(reversal.text.clone());
    }
    LookupAnswer { sight, finding, evidence, signals: [health].into_iter().chain(key_signal).collect() }
}
