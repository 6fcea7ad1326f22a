//! What a lookup shows of a success that was taken back.

use crate::domain::answer::Reversal;
use crate::domain::refund::{Refund, State, Success};

/// How much of what had gone back was taken back. Nothing follows from what is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TakenBack {
    /// Nothing, as far as is shown.
    Nothing,
    /// Part of it, or it is not done yet; a sentence says so.
    Part(String),
    /// All of it.
    Whole(Reversal),
}

/// The success that a refund is, or was before it was taken back. Of no other is a reversal told: what the
/// provider took back before anybody knew of it decides nothing.
pub(super) fn success_of(refund: &Refund) -> Option<&Success> {
    match &refund.state {
        State::Succeeded(success) | State::PartiallySucceeded(success) | State::Reversed(success) => {
            Some(success)
        }
        State::Pending { .. }
        | State::Sending { .. }
        | State::Unknown { .. }
        | State::InReview { .. }
        | State::Failed(_)
        | State::Canceled => None,
    }
}
