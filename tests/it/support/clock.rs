//! A clock that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use refunds::domain::timestamp::Timestamp;
use refunds::store::TimeSource;

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
