//! Answers read: a success by what it echoes, everything else by the table.

use std::time::Duration;

use super::super::http::{Credentials, Reply};
use super::super::json;
use super::table::{self, Meaning};
use super::wire::{self, RefundReply};
use super::{merchant_reference, snapshot};
use crate::domain::answer::{Answer, Evidence, Face, FailurePhase, LookupAnswer, Signal};
use crate::domain::content::Payment;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, Refund, Success};
use crate::domain::sight::Sight;
use crate::domain::timestamp::Timestamp;

/// How long an account keeps quiet after a 429 that does not say how long, seconds. \[assumed]
pub(super) const QUIET_S: u64 = 30;

const CORRELATION: &str = "http-correlation-id";
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
    let envelope = wire::envelope(reply.status, &reply.body);
    let meaning = table::meaning(reply.status, envelope.as_ref());
    let phase = match meaning {
        Meaning::Declined(_) | Meaning::Blocked(_) => None,
        Meaning::Barred(_) | Meaning::Unlisted => Some(FailurePhase::Parse),
        Meaning::InProcess | Meaning::NotNow | Meaning::Throttled => Some(FailurePhase::NotNow),
    };
    let quiet = reply.retry_after.map(Signal::Throttle);
    let signals = match meaning {
        Meaning::Declined(_) => vec![Signal::Healthy],
        Meaning::Blocked(cause) | Meaning::Barred(cause) => vec![Signal::Block(cause)],
        Meaning::InProcess => Vec::new(),
        Meaning::NotNow => [Signal::Trouble].into_iter().chain(quiet).collect(),
        Meaning::Throttled => vec![quiet.unwrap_or(Signal::Throttle(Duration::from_secs(QUIET_S)))],
        // An error of the provider's own that only our table lacks says nothing against its health.
        Meaning::Unlisted if envelope.is_some() => Vec::new(),
        Meaning::Unlisted => vec![Signal::Trouble],
    };
    let text = match &envelope {
        Some(envelope) => envelope.message.clone(),
        None => Some(format!(
            "no error of the provider's own: {} bytes of {}",
            reply.body.len(),
            reply.header(CONTENT_TYPE).unwrap_or("unnamed type")
        )),
    };
    let clean = |text: String| credentials.clean(&text);
    let mut evidence = evidence(reply, phase, text.map(clean), credentials);
    if let Some(envelope) = envelope {
        evidence.provider_code = Some(clean(envelope.code));
        evidence.correlation_id = envelope.id.map(|id| credentials.clean_id(&id)).or(evidence.correlation_id);
    }
    Refusal { meaning, evidence, signals }
}

fn evidence(
    reply: &Reply,
    phase: Option<FailurePhase>,
    text: Option<String>,
    credentials: &Credentials,
) -> Evidence {
    let correlation = reply.header(CORRELATION).or_else(|| reply.header(EDGE_CORRELATION));
    Evidence {
        phase,
        http_status: Some(reply.status),
        provider_code: None,
        provider_text: text,
        correlation_id: correlation.map(|id| credentials.clean_id(id)),
    }
}

/// The answer to a refund request.
pub(super) fn answer(reply: &Reply, refund: &Refund, payment: &Payment, credentials: &Credentials) -> Answer {
    if (200..300).contains(&reply.status) {
        let (face, phase, text, signal) = match success(reply, refund, payment, credentials) {
            Ok(success) => (Face::Succeeded(success), None, None, Signal::Healthy),
            Err(text) => (Face::Unknown, Some(FailurePhase::Parse), Some(text), Signal::Trouble),
        };
        return Answer::to_one(face, evidence(reply, phase, text, credentials), vec![signal]);
    }
    let Refusal { meaning, evidence, signals } = refusal(reply, credentials);
    let face = match meaning {
        Meaning::Declined(reason) => Face::Declined {
            failure: Failure {
                reason,
                provider_code: evidence.provider_code.clone(),
                text: evidence.provider_text.clone(),
            },
            // The provider names no key: the refusal of a resend may be caused by our own success.
            conclusive: false,
        },
        Meaning::Blocked(cause) => Face::Blocked(cause),
        Meaning::Barred(_)
        | Meaning::InProcess
        | Meaning::NotNow
        | Meaning::Throttled
        | Meaning::Unlisted => Face::Unknown,
    };
    Answer::to_one(face, evidence, signals)
}

/// The success that a 2xx is, or why it proves none. What is echoed must be what was sent, but for
/// `refundMerchantReference`: after a restore the same key may answer with the refund id of before.
fn success(
    reply: &Reply,
    refund: &Refund,
    payment: &Payment,
    credentials: &Credentials,
) -> Result<Success, String> {
    if reply.status != 201 {
        return Err("a success that is not 201".to_owned());
    }
    let body: RefundReply = json::decode(&reply.body)?;
    let same = |echo: Option<&String>, sent: &str| echo.is_none_or(|echo| echo.eq_ignore_ascii_case(sent));
    if !same(body.request_id.as_ref(), &refund.key.to_string()) {
        return Err("the answer is to another requestId".to_owned());
    }
    if !same(body.merchant_reference.as_ref(), &merchant_reference(refund.key)) {
        return Err("the answer is to another merchantReference".to_owned());
    }
    if body.amount.money() != Some(payment.amount) {
        return Err("the answer is about another amount".to_owned());
    }
    if body.refund_id.is_empty() {
        return Err("the answer has no refundId".to_owned());
    }
    Ok(Success {
        amount_minor: Some(payment.amount.minor()),
        provider_refund_id: Some(credentials.clean_id(&body.refund_id)),
        completed: json::text(body.refunded_at.as_ref()).and_then(|text| Timestamp::parse_rfc3339(&text)),
        items: Vec::new(),
    })
}

/// The answer to a lookup.
pub(super) fn lookup_answer(
    reply: &Reply,
    refund: &Refund,
    payment: &Payment,
    credentials: &Credentials,
) -> LookupAnswer {
    if reply.status == 200 {
        let (sight, phase, text, signal) = match snapshot::read(&reply.body, refund, payment, credentials) {
            Ok(order) => (Sight::Order(order), None, None, Signal::Healthy),
            Err(text) => (Sight::Nothing, Some(FailurePhase::Parse), Some(text), Signal::Trouble),
        };
        let evidence = evidence(reply, phase, text, credentials);
        let finding = sight.finding_by_key(refund);
        return LookupAnswer { sight, finding, evidence, signals: vec![signal] };
    }
    let Refusal { meaning, mut evidence, signals } = refusal(reply, credentials);
    let sight = match meaning {
        Meaning::Declined(FailureReason::OrderNotFound) => Sight::NoOrder,
        Meaning::Declined(_)
        | Meaning::Blocked(_)
        | Meaning::Barred(_)
        | Meaning::InProcess
        | Meaning::NotNow
        | Meaning::Throttled
        | Meaning::Unlisted => Sight::Nothing,
    };
    if sight == Sight::Nothing && evidence.phase.is_none() {
        evidence.phase = Some(FailurePhase::Parse);
    }
    let finding = sight.finding_by_key(refund);
    LookupAnswer { sight, finding, evidence, signals }
}
