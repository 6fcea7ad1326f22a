//! Nouns and laws of giving money back. No I/O, no async, no clock: time is an argument.
//!
//! The table of states stands in [`refund`]; what a row lock must decide (accept, send, record) stands in
//! [`decision`], so that every form of the store obeys the same laws.

pub mod account;
pub mod admission;
pub mod answer;
pub mod attempt;
pub mod batch;
pub mod content;
pub mod decision;
pub mod discrepancy;
pub mod event;
pub mod free_text;
pub mod guard;
pub mod history;
pub mod id;
pub mod money;
pub mod plan;
pub mod query;
pub mod reason;
pub mod refund;
pub mod ruling;
pub mod sight;
pub mod timestamp;

/// Why a value is not acceptable: one sentence that states the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rule(pub String);

impl Rule {
    /// A rule from its sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}
