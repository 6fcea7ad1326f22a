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

    /// As it was when the sandbox started with an empty ledger.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        self.generation += 1;
        self.settings = Settings::default();
        self.calls.clear();
        self.ledger.clear()
    }
}

impl Shared {
    pub(super) fn open(path: Option<&Path>, fresh: bool) -> Result<(Arc<Self>, Vec<Line>), Error> {
        let (ledger, lines) = Ledger::open(path, fresh)?;
        let inner = Inner {
            ledger,
            settings: Settings::default(),
            calls: Calls::default(),
            generation: 0,
        };
        let (closing, _) = watch::channel(false);
        Ok((
            Arc::new(Self {
                inner: Mutex::new(inner),
                closing,
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

    /// Completes once the sandbox has stopped.
    pub(super) async fn closed(&self) {
        // The sender lives as long as `self`, so an error is impossible; it would mean stopped.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Waits for `ms`; false when the sandbox stopped first.
    pub(super) async fn pause(&self, ms: u64) -> bool {
        tokio::select! {
            () = self.closed() => false,
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
