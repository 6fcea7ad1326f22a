//! A store that is away, told in few lines: a log full of one sentence tells nothing else.

use crate::store;
use crate::telemetry::Chain;

/// Of the rounds that fail one after the other, the first is told and each so many-th after it.
const TOLD_EVERY: u32 = 20;

/// Rounds that the store failed, one after the other.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What does not happen meanwhile.
    what: &'static str,
    rounds: u32,
}

impl Trouble {
    pub(super) const fn new(what: &'static str) -> Self {
        Self { what, rounds: 0 }
    }

    /// The store failed one more.
    pub(super) fn goes_on(&mut self, error: &store::Error) {
        if self.rounds.is_multiple_of(TOLD_EVERY) {
            let (what, rounds) = (self.what, self.rounds);
            tracing::warn!(error = %Chain(error), what, rounds, "the store is away");
        }
        self.rounds = self.rounds.saturating_add(1);
    }

    /// The store did one.
    pub(super) fn ends(&mut self) {
        if self.rounds > 0 {
            tracing::info!(what = self.what, rounds = self.rounds, "the store is back");
            self.rounds = 0;
        }
    }
}
