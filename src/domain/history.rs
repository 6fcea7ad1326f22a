//! The history of a refund: what happened to it, entry after entry, each sealed by a hash over the one
//! before.
//!
//! The head, which is the number and the hash of the last entry, stands with the refund and in the log line
//! of each step: whoever changes, drops or cuts off entries afterwards has to change those too.

use std::fmt;

use sha2::{Digest, Sha256};

use super::attempt::{Attempt, AttemptEnd};
use super::discrepancy::Discrepancy;
use super::event::{Actor, Event};
use super::id::{AttemptId, RefundId};
use super::reason::words;
use super::refund::StateKind;
use super::timestamp::Timestamp;

/// What each seal begins with, so that no other hash of this service is one.
const SEAL: &str = "refunds.v1 history";

/// One thing that happened to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Its state changed.
    Event(Event),
    /// An intent was committed: from here on bytes may leave. Its end is another entry.
    Begun(Attempt),
    /// The attempt of an intent ended.
    Ended(AttemptId, AttemptEnd),
    /// A round trip that needs no intent: a look, with its end.
    Looked(Attempt),
    /// A person decided something.
    Decided(Decision),
    /// Money moved on it although it was FAILED or CANCELED.
    Noticed(Discrepancy),
}

words! {
    /// What a person decided.
    DecisionKind {
        /// What became of the refund.
        Resolve = "resolve",
        /// That it is tried again, as a refund of its own.
        Retry = "retry",
        /// That its provider is asked now.
        Check = "check",
        /// That a discrepancy is settled.
        Close = "close",
    }
}

/// A decision of a person, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub kind: DecisionKind,
    /// Who decided, and in which trace.
    pub actor: Actor,
    /// When.
    pub time: Timestamp,
    /// The outcome that was recorded, if one was.
    pub outcome: Option<StateKind>,
    /// How much went back by that outcome, minor units, where it was said.
    pub amount_minor: Option<i64>,
    /// The provider's own reference, where it was given.
    pub provider_refund_id: Option<String>,
    /// What it rests on.
    pub evidence: Option<String>,
    /// Why, for people.
    pub note: Option<String>,
    /// The refund that tries it again.
    pub retried_as: Option<RefundId>,
}

impl Decision {
    /// A decision that says nothing yet but who made it.
    pub fn new(kind: DecisionKind, actor: Actor, time: Timestamp) -> Self {
        Self {
            kind,
            actor,
            time,
            outcome: None,
            amount_minor: None,
            provider_refund_id: None,
            evidence: None,
            note: None,
            retried_as: None,
        }
    }

    /// Whether another decision says the same, whenever it was made.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let told = |d: &Self| Self { time: Timestamp::EPOCH, actor: Actor::of(&d.actor.name), ..d.clone() };
        told(self) == told(other)
    }
}

/// The last entry of a chain: its number, from 1, and its hash. Number 0 is the chain without entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// How many entries there are.
    pub number: i64,
    /// The hash of the last one.
    pub hash: Hash,
}

/// A SHA-256 hash, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash([u8; 32]);

impl Head {
    /// The head after one more entry of that refund, as it is written.
    #[must_use]
    pub fn after(&self, refund_id: RefundId, text: &str) -> Self {
        let number = self.number.saturating_add(1);
        let mut hash = Sha256::new();
        hash.update(SEAL.as_bytes());
        hash.update(self.hash.0);
        hash.update(refund_id.0.as_bytes());
        hash.update(number.to_be_bytes());
        hash.update(text.as_bytes());
        Self { number, hash: Hash(hash.finalize().into()) }
    }
}

impl Hash {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, place) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(text.get(place..place + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything known of one refund.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Its changes of state, in order.
    pub events: Vec<Event>,
    /// Its round trips, in order of their beginning.
    pub attempts: Vec<Attempt>,
    /// What people decided, in order.
    pub decisions: Vec<Decision>,
    /// Money that moved although it should not have, in order.
    pub discrepancies: Vec<Discrepancy>,
}

impl History {
    /// What entries tell, which come in order.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut history = Self::default();
        for entry in entries {
            match entry {
                Entry::Event(event) => history.events.push(event),
                Entry::Begun(attempt) | Entry::Looked(attempt) => {
                    // A record that comes again, after a commit whose confirmation was lost, tells it again.
                    if history.attempts.iter().all(|known| known.id != attempt.id) {
                        history.attempts.push(attempt);
                    }
                }
                Entry::Ended(id, end) => history.end(id, end),
                Entry::Decided(decision) => history.decisions.push(decision),
                Entry::Noticed(discrepancy) => history.discrepancies.push(discrepancy),
            }
        }
        history.attempts.sort_by_key(|attempt| (attempt.started, attempt.id));
        history
    }

    /// Late evidence is what really came of an attempt: it replaces what another inferred, and is not
    /// replaced by it.
    fn end(&mut self, id: AttemptId, end: AttemptEnd) {
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.id == id);
        if let Some(attempt) = attempt.filter(|a| end.late || !a.end.as_ref().is_some_and(|e| e.late)) {
            attempt.end = Some(end);
        }
    }
}

/// A fault of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// An entry is missing, or stands twice.
    #[error("entry {expected} is missing, entry {found} stands in its place")]
    Gap {
        /// The number that should follow.
        expected: i64,
        /// The number that does.
        found: i64,
    },
    /// An entry, or one before it, is not what was sealed.
    #[error("entry {number} does not have the hash that it was sealed with")]
    Changed {
        /// Its number.
        number: i64,
    },
    /// The chain does not end in the head that stands elsewhere.
    #[error("the chain ends in entry {number}, {hash}; the head is entry {head_number}, {head_hash}")]
    Head {
        /// The number of its last entry.
        number: i64,
        /// The hash of that.
        hash: Hash,
        /// The number that the head names.
        head_number: i64,
        /// Its hash.
        head_hash: Hash,
    },
    /// The chain ends in another state than the refund.
    #[error(
        "the last state in the chain is {told} at sequence {told_at}, the refund is {stands} at {stands_at}"
    )]
    State {
        /// What the chain says.
        told: StateKind,
        /// The sequence of that.
        told_at: i64,
        /// What the refund says.
        stands: StateKind,
        /// Its sequence.
        stands_at: i64,
    },
}

/// Checks a chain: `entries` are number, text and hash of each, in order, and `head` is what it must end in.
/// Gives the head of each entry.
///
/// # Errors
/// The first fault.
pub fn verify<'a>(
    refund_id: RefundId,
    entries: impl IntoIterator<Item = (i64, &'a str, Hash)>,
    head: Head,
) -> Result<Vec<Head>, ChainFault> {
    let (mut last, mut heads) = (Head::default(), Vec::new());
    for (number, text, hash) in entries {
        let next = last.after(refund_id, text);
        if next.number != number {
            return Err(ChainFault::Gap { expected: next.number, found: number });
        }
        if next.hash != hash {
            return Err(ChainFault::Changed { number });
        }
        heads.push(next);
        last = next;
    }
    if last == head {
        Ok(heads)
    } else {
        let (Head { number, hash }, Head { number: head_number, hash: head_hash }) = (last, head);
        Err(ChainFault::Head { number, hash, head_number, head_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(texts: &[&'static str]) -> (RefundId, Vec<(i64, &'static str, Hash)>, Head) {
        let id = RefundId(uuid::Uuid::from_u128(7));
        let mut head = Head::default();
        let mut entries = Vec::new();
        for text in texts {
            head = head.after(id, text);
            entries.push((head.number, *text, head.hash));
        }
        (id, entries, head)
    }

    #[test]
    fn a_chain_as_it_was_written_is_verified() {
        let (id, entries, head) = chain(&["a", "b", "c"]);
        assert_eq!(verify(id, entries, head).unwrap().last(), Some(&head));
        assert_eq!(verify(id, [], Head::default()), Ok(Vec::new()));
        assert_eq!(Hash::parse(&head.hash.to_string()), Some(head.hash));
    }

    #[test]
    fn a_change_a_gap_a_cut_tail_and_another_refunds_chain_are_seen() {
        let (id, entries, head) = chain(&["a", "b", "c"]);
        let mut changed = entries.clone();
        changed[1].1 = "x";
        assert_eq!(verify(id, changed, head), Err(ChainFault::Changed { number: 2 }));
        let mut gap = entries.clone();
        gap.remove(1);
        assert_eq!(verify(id, gap, head), Err(ChainFault::Gap { expected: 2, found: 3 }));
        let cut = entries[..2].to_vec();
        assert!(matches!(verify(id, cut, head), Err(ChainFault::Head { number: 2, head_number: 3, .. })));
        let other = RefundId(uuid::Uuid::from_u128(8));
        assert_eq!(verify(other, entries, head), Err(ChainFault::Changed { number: 1 }));
    }
}
