//! A clock that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use refunds::domain::timestamp::Timestamp;
use refunds::service::{Clock, SystemClock};
use refunds::store::TimeSource;
use tokio::time::Instant;

/// Stands still until it is moved; shared by its clones.
#[derive(Clone, Debug)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows 2026-11-22T00:00:00Z.
    pub(crate) fn new() -> Self {
        let start = Timestamp::parse_rfc3339("2026-11-22T00:00:00Z").unwrap();
        Self(Arc::new(AtomicI64::new(start.micros())))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap();
        self.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// For a store.
    pub(crate) fn time_source(&self) -> TimeSource {
        let clock = self.clone();
        TimeSource::Manual(Arc::new(move || clock.now()))
    }
}

/// Runs as the real one does, and can be put forward.
#[derive(Clone, Debug)]
pub(crate) struct SkewedClock(Arc<AtomicI64>);

impl SkewedClock {
    /// The real time.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(0)))
    }

    pub(crate) fn now(&self) -> Timestamp {
        let ahead = Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs());
        SystemClock.now().plus(ahead)
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// For a store.
    pub(crate) fn time_source(&self) -> TimeSource {
        let clock = self.clone();
        TimeSource::Manual(Arc::new(move || clock.now()))
    }
}

/// Tokio's own time, which a paused runtime puts forward as soon as nobody has work to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VirtualClock(Instant);

impl VirtualClock {
    /// A clock that shows 2026-11-22T00:00:00Z.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// For a store.
    pub(crate) fn time_source(self) -> TimeSource {
        TimeSource::Manual(Arc::new(move || self.now()))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        ManualClock::new().now().plus(self.boottime())
    }

    fn boottime(&self) -> Duration {
        self.0.elapsed()
    }
}
