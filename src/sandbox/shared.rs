//! What all providers of one sandbox share: ledger, settings, the list of calls, and whether it has stopped.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use super::{
    Error,
    calls::Calls,
    clock,
    ledger::{Ledger, Line},
    settings::Settings,
};

/// The state of one sandbox. A provider that has a lock of its own takes that one first.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    closing: watch::Sender<bool>,
    resets: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) ledger: Ledger,
    pub(super) settings: Settings,
    pub(super) calls: Calls,
    /// Counts resets, so that a slow request from before one does not take effect after it.
    pub(super) generation: u64,
}

impl Inner {
    /// The sandbox's own time.
    pub(super) fn now_ms(&self) -> i64 {
        clock::system_ms().saturating_add(self.settings.clock_offset_s.saturating_mul(1_000))
    }
}

impl Shared {
    pub(super) fn open(path: Option<&Path>, fresh: bool) -> Result<(Arc<Self>, Vec<Line>), Error> {
        let (ledger, lines) = Ledger::open(path, fresh)?;
        let inner = Inner { ledger, settings: Settings::default(), calls: Calls::default(), generation: 0 };
        Ok((
            Arc::new(Self {
                inner: Mutex::new(inner),
                closing: watch::Sender::new(false),
                resets: watch::Sender::new(0),
            }),
            lines,
        ))
    }

    /// Never held across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the ledger and wakes everything that waits.
    pub(super) fn close(&self) {
        self.lock().ledger.stop();
        self.closing.send_replace(true);
    }

    /// As it was when the sandbox started with an empty ledger. What waits is woken and goes unanswered.
    pub(super) fn reset(&self) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.settings = Settings::default();
        inner.calls.clear();
        self.resets.send_replace(inner.generation);
        inner.ledger.clear()
    }

    /// Completes once the sandbox has stopped.
    pub(super) async fn closed(&self) {
        // The sender lives as long as `self`, so an error is impossible; it would mean stopped.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Waits for `ms`; false when the sandbox was stopped or reset first.
    pub(super) async fn pause(&self, ms: u64) -> bool {
        let mut resets = self.resets.subscribe();
        tokio::select! {
            () = self.closed() => false,
            _ = resets.changed() => false,
            () = sleep(Duration::from_millis(ms)) => true,
        }
    }
}

/// Closes the sandbox when dropped.
pub(super) struct Closer(Arc<Shared>);

impl Closer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.close();
    }
}
