//! What the engine counts of leases: each of these is rare, and many of them say that something is wrong.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since the process began.
#[derive(Debug, Default)]
pub struct Counts {
    takeovers: AtomicU64,
    fenced: AtomicU64,
    withheld: AtomicU64,
}

impl Counts {
    /// Refunds taken over from a worker whose lease ran out.
    pub fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::Relaxed)
    }

    /// Times that a worker found its lease lost, and wrote nothing.
    pub fn fenced(&self) -> u64 {
        self.fenced.load(Ordering::Relaxed)
    }

    /// Times that a committed intent was not sent, because too little of its lease or slot was left.
    pub fn withheld(&self) -> u64 {
        self.withheld.load(Ordering::Relaxed)
    }

    /// Counts one and tells how many there were.
    pub(super) fn takeover(&self) -> u64 {
        one_more(&self.takeovers)
    }

    /// The same.
    pub(super) fn fence(&self) -> u64 {
        one_more(&self.fenced)
    }

    /// The same.
    pub(super) fn withhold(&self) -> u64 {
        one_more(&self.withheld)
    }
}

fn one_more(count: &AtomicU64) -> u64 {
    count.fetch_add(1, Ordering::Relaxed).saturating_add(1)
}
