//! Chance that replays: the same seed draws the same.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use refunds::domain::id::{AttemptId, RefundId};
use refunds::domain::plan::Jitter;
use refunds::service::Ids;

use super::samples::{attempt_id, refund_id};

/// A source of chance; what one draws changes nothing for another.
#[derive(Debug)]
pub(crate) struct Chance(StdRng);

impl Chance {
    /// The source of one purpose.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(purpose)))
    }

    /// Whether that happens which happens so often in a thousand times.
    pub(crate) fn in_thousand(&mut self, often: u32) -> bool {
        self.below(1_000) < often
    }

    /// A number below another.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0.random_range(0..end)
    }

    /// One of several.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let any = self.below(u32::try_from(all.len()).unwrap());
        &all[usize::try_from(any).unwrap()]
    }

    /// A time from one to another.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        self.0.random_range(least..=most)
    }
}

/// Identifiers in order of their making, and jitter of a seed.
#[derive(Debug)]
pub(crate) struct SeededIds(Mutex<Chance>);

impl SeededIds {
    /// Those of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Chance::new(seed, 0)))
    }
}

impl Ids for SeededIds {
    fn refund_id(&self) -> RefundId {
        refund_id()
    }

    fn attempt_id(&self) -> AttemptId {
        attempt_id()
    }

    fn jitter(&self) -> Jitter {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Jitter(chance.0.next_u32())
    }
}
