//! Answers read: an order by its transactions, everything else by the table.

use std::time::Duration;

use super::super::http::{Credentials, Reply};
use super::super::reversal::TakenBack;
use super::codes::Treatment;
use super::table::{self, Meaning};
use super::transaction::{Transaction, Verdict, verdict};
use super::wire;
use super::{order, reversal};
use crate::domain::answer::{
    Answer, BlockCause, Evidence, Face, FailurePhase, Finding, LookupAnswer, Signal,
};
use crate::domain::content::Payment;
use crate::domain::reason::FailureReason;
use crate::domain::refund::{Failure, Refund};
use crate::domain::sight::Sight;

/// How long an account keeps quiet after a 429 that does not say how long, seconds. \[assumed]
const QUIET_S: u64 = 30;

const CONTENT_TYPE: &str = "content-type";

/// The headers of an answer that are read.
pub(super) const KEPT_HEADERS: &[&str] = &[CONTENT_TYPE];

/// What an answer is read for.
pub(super) struct Asked<'a> {
    /// The refund.
    pub(super) refund: &'a Refund,
    /// Its payment.
    pub(super) payment: &'a Payment,
    /// The merchant that asked.
    pub(super) merchant: &'a str,
    /// What it asked with, to be kept out of every record.
    pub(super) credentials: &'a Credentials,
}

/// An answer that is no order, read.
struct Refusal {
    meaning: Meaning,
    evidence: Evidence,
    signals: Vec<Signal>,
}

fn refusal(reply: &Reply, credentials: &Credentials) -> Refusal {
    let envelope = wire::envelope(&reply.body);
    let meaning = table::meaning(reply.status, envelope.as_ref());
    let phase = match meaning {
        Meaning::Declined(_) | Meaning::Blocked(_) | Meaning::NotSent => None,
        Meaning::Barred(_) | Meaning::Unlisted => Some(FailurePhase::Parse),
        Meaning::NotNow | Meaning::Throttled => Some(FailurePhase::NotNow),
    };
    let quiet = reply.retry_after.map(Signal::Throttle);
    let signals = match meaning {
        Meaning::Declined(_) => vec![Signal::Healthy],
        Meaning::Blocked(cause) | Meaning::Barred(cause) => vec![Signal::Block(cause)],
        Meaning::NotSent | Meaning::NotNow => [Signal::Trouble].into_iter().chain(quiet).collect(),
        Meaning::Throttled => vec![quiet.unwrap_or(Signal::Throttle(Duration::from_secs(QUIET_S)))],
        // An error of the provider's own that only our tables lack says nothing against its health.
        Meaning::Unlisted if envelope.is_some() => Vec::new(),
        Meaning::Unlisted => vec![Signal::Trouble],
    };
    let (code, text) = match envelope {
        Some(envelope) => (Some(envelope.code), envelope.message),
        None => (None, Some(describe(reply))),
    };
    let clean = |text: String| credentials.clean(&text);
    let evidence = evidence(reply, phase, code.map(clean), text.map(clean));
    Refusal { meaning, evidence, signals }
}

/// What a body is that is no JSON of the provider's.
pub(super) fn describe(reply: &Reply) -> String {
    let kind = reply.header(CONTENT_TYPE).unwrap_or("unnamed type");
    format!("no error of the provider's own: {} bytes of {kind}", reply.body.len())
}

fn evidence(
    reply: &Reply,
    phase: Option<FailurePhase>,
    provider_code: Option<String>,
    provider_text: Option<String>,
) -> Evidence {
    Evidence { phase, http_status: Some(reply.status), provider_code, provider_text, correlation_id: None }
}

/// The answer to a refund request; `confirmed` says whether the provider is known to heed our key.
pub(super) fn answer(reply: &Reply, asked: &Asked<'_>, confirmed: bool, resend_count: u32) -> Answer {
    if (200..300).contains(&reply.status) {
        return match order::transactions(&reply.body, asked) {
            Ok(all) => by_transactions(reply, asked, &all, confirmed, resend_count),
            Err(text) => unusable(reply, text, Signal::Trouble),
        };
    }
    let Refusal { meaning, evidence, signals } = refusal(reply, asked.credentials);
    let face = match meaning {
        Meaning::Declined(reason) => Face::Declined {
            failure: Failure {
                reason,
                provider_code: evidence.provider_code.clone(),
                text: evidence.provider_text.clone(),
            },
            // No transaction of ours tells it: the refusal of a resend may be caused by our own success.
            conclusive: false,
        },
        Meaning::NotSent => Face::NotSent { alone: false },
        Meaning::Blocked(cause) => Face::Blocked(cause),
        Meaning::Barred(_) | Meaning::NotNow | Meaning::Throttled | Meaning::Unlisted => Face::Unknown,
    };
    Answer::to_one(face, evidence, signals)
}

fn unusable(reply: &Reply, text: String, signal: Signal) -> Answer {
    let evidence = evidence(reply, Some(FailurePhase::Parse), None, Some(text));
    Answer::to_one(Face::Unknown, evidence, vec![signal])
}

/// The face of an order by those of its transactions that are ours.
fn by_transactions(
    reply: &Reply,
    asked: &Asked<'_>,
    all: &[Transaction],
    confirmed: bool,
    resend_count: u32,
) -> Answer {
    let ours = match order::ours(asked.refund, all) {
        Ok(ours) => ours,
        Err(text) => return unusable(reply, text, Signal::Trouble),
    };
    let verdict = match verdict(&ours, asked.payment.amount) {
        Ok(verdict) => verdict,
        Err(text) => return unusable(reply, text, Signal::Trouble),
    };
    let told = |phase, transaction: &Transaction| {
        evidence(reply, phase, transaction.code.clone(), transaction.text.clone())
    };
    let answer = match verdict {
        Verdict::Succeeded(success) => {
            let evidence = evidence(reply, None, None, None);
            Answer::to_one(Face::Succeeded(success), evidence, vec![Signal::Healthy])
        }
        Verdict::InReview(review, by) => {
            Answer::to_one(Face::InReview(review), told(None, by), vec![Signal::Healthy])
        }
        Verdict::Refused(failure, by) => {
            // With a key that is heeded the transaction is what became of every send of it.
            let face = Face::Declined { failure, conclusive: confirmed };
            Answer::to_one(face, told(None, by), vec![Signal::Healthy])
        }
        Verdict::Blocked(by) => {
            let cause = BlockCause::Configuration;
            Answer::to_one(Face::Blocked(cause), told(None, by), vec![Signal::Block(cause)])
        }
        Verdict::NothingSent(by) => {
            Answer::to_one(Face::NotSent { alone: false }, told(None, by), vec![Signal::Trouble])
        }
        Verdict::Unclear(treatment, by) => {
            let (phase, signals) = match treatment {
                Some(Treatment::Unsettled | Treatment::NothingSent) => {
                    (FailurePhase::NotNow, vec![Signal::Trouble])
                }
                Some(Treatment::Busy) => (FailurePhase::NotNow, Vec::new()),
                Some(
                    Treatment::Accepted
                    | Treatment::Refused(_)
                    | Treatment::Configuration
                    | Treatment::DoneBefore,
                )
                | None => (FailurePhase::Parse, Vec::new()),
            };
            Answer::to_one(Face::Unknown, told(Some(phase), by), signals)
        }
        Verdict::Excess(moving) => {
            let text = format!("the new transactions move {moving} minor units, more than was asked");
            // As much again after a resend: the likely story is that both sends took effect. Never a third.
            let twice = asked.payment.amount.minor().saturating_mul(2);
            let signal =
                if resend_count > 0 && moving >= twice { Signal::KeyIgnored } else { Signal::Trouble };
            return unusable(reply, text, signal);
        }
    };
    // Whatever became of it, its transactions are known as its own from now on.
    answer.showing(ours.iter().map(|transaction| transaction.item()).collect())
}

/// The answer to a lookup.
pub(super) fn lookup_answer(reply: &Reply, asked: &Asked<'_>) -> LookupAnswer {
    if reply.status == 200 {
        return match order::read(&reply.body, asked) {
            Ok((snapshot, all)) => {
                let (finding, code, text) = finding(asked, &all);
                LookupAnswer {
                    sight: Sight::Order(snapshot),
                    finding,
                    evidence: evidence(reply, None, code, text),
                    signals: vec![Signal::Healthy],
                }
            }
            Err(text) => {
                let evidence = evidence(reply, Some(FailurePhase::Parse), None, Some(text));
                LookupAnswer::nothing(evidence, vec![Signal::Trouble])
            }
        };
    }
    let Refusal { meaning, mut evidence, signals } = refusal(reply, asked.credentials);
    if meaning == Meaning::Declined(FailureReason::OrderNotFound) {
        let signals = vec![Signal::Healthy];
        return LookupAnswer { sight: Sight::NoOrder, finding: Finding::Absent, evidence, signals };
    }
    evidence.phase = evidence.phase.or(Some(FailurePhase::Parse));
    // A refusal of a lookup says nothing of sends.
    let signals = signals.into_iter().filter(|signal| *signal != Signal::Healthy).collect();
    LookupAnswer::nothing(evidence, signals)
}

/// What an order says of the refund: it follows transactions that are known as ours and nothing else. With a
/// code and a text for people.
fn finding(asked: &Asked<'_>, all: &[Transaction]) -> (Finding, Option<String>, Option<String>) {
    let refund = asked.refund;
    let known = order::known(refund, all);
    let hint = order::hint(refund, all);
    if known.is_empty() {
        // A refusal that is on record would become final by an absence: not while money moved that nobody
        // explains.
        let refused = refund.state.doubt().is_some_and(|doubt| doubt.refusal.is_some());
        let finding =
            if refused && order::has_unexplained(refund, all) { Finding::Nothing } else { Finding::Absent };
        return (finding, None, hint);
    }
    let hint = match reversal::of(refund, all, asked.payment.amount.currency()) {
        TakenBack::Whole(reversal) => {
            let (code, text) = (reversal.provider_code.clone(), reversal.text.clone());
            return (Finding::Reversed(reversal), code, Some(text));
        }
        TakenBack::Part(text) => Some(text),
        TakenBack::Nothing => hint,
    };
    let told = |transaction: &Transaction| (transaction.code.clone(), transaction.text.clone());
    let all_found = known.len() == refund.items.len();
    match verdict(&known, asked.payment.amount) {
        Err(text) => (Finding::Nothing, None, Some(text)),
        Ok(Verdict::InReview(review, by)) => {
            let (code, text) = told(by);
            (Finding::InReview(order::with_missing(review, refund)), code, text)
        }
        Ok(_) if !all_found => {
            (Finding::Nothing, None, Some("a transaction of ours is not listed any more".to_owned()))
        }
        Ok(Verdict::Succeeded(success)) => (Finding::Succeeded(success), None, hint),
        Ok(Verdict::Refused(failure, by)) => {
            let (code, text) = told(by);
            (Finding::Declined(failure), code, text)
        }
        // Ours is undecided, or ended without effect for no reason of the refund: no proof of anything, so
        // that the same key may be sent again where that is proven safe.
        Ok(Verdict::Blocked(by) | Verdict::NothingSent(by) | Verdict::Unclear(_, by)) => {
            let (code, text) = told(by);
            (Finding::Absent, code, text)
        }
        Ok(Verdict::Excess(moving)) => {
            let text = format!("our transactions move {moving} minor units, more than was asked");
            (Finding::Nothing, None, Some(text))
        }
    }
}
