//! What people decide and read: what the store answers to it.

use super::Result;
use super::history::{Sealed, opened};
use crate::domain::discrepancy::Discrepancy;
use crate::domain::history::{Hash, History};
use crate::domain::refund::Refund;
use crate::domain::ruling::Objection;

/// What became of a ruling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuledAs {
    /// It was done: the refund after it.
    Done(Box<Refund>),
    /// It had been done before: the refund as it stands.
    Already(Box<Refund>),
    /// It is refused; nothing changed.
    Refused(Box<Refund>, Objection),
    /// There is no such refund.
    NotFound,
}

/// What became of the closing of a discrepancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// It is closed now.
    Now(Box<Discrepancy>),
    /// It was closed before, as it says.
    Already(Box<Discrepancy>),
    /// There is no such discrepancy.
    NotFound,
}

/// A refund with the entries of its history as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The refund, with the head of its history.
    pub refund: Refund,
    /// The entries, in order.
    pub entries: Vec<Sealed>,
}

impl Chain {
    /// The entries as `domain::history::verify` takes them.
    pub fn links(&self) -> impl Iterator<Item = (i64, &str, Hash)> {
        self.entries.iter().map(|entry| (entry.number, entry.text.as_str(), entry.hash))
    }

    /// The changes of state that the entries tell, in order.
    ///
    /// # Errors
    /// [`Error::Inconsistent`](super::Error) when an entry cannot be read.
    pub fn history(&self) -> Result<History> {
        Ok(History::of(opened(self.refund.id, self.entries.iter().cloned())?))
    }
}
