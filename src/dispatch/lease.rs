//! Keeps the leases of a call while its worker works, and knows on a clock that counts suspension how much
//! is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::Clock;
use crate::store::{Lease, Store};

/// A lease is renewed when this part of it has passed.
const RENEW_AFTER_PART: u32 = 3;

/// Leases that are being renewed together.
pub(super) struct Keeper {
    clock: Arc<dyn Clock>,
    /// When they surely end, in milliseconds of boot time.
    ends_ms: Arc<AtomicU64>,
    lost: CancellationToken,
    stop: CancellationToken,
}

/// A lease was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

impl Keeper {
    /// Keeps leases that were asked for at `asked_at` of boot time. Members of one call are lost together.
    pub(super) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        leases: Vec<Lease>,
        length: Duration,
        asked_at: Duration,
    ) -> Self {
        let keeper = Self {
            clock: Arc::clone(&clock),
            ends_ms: Arc::new(AtomicU64::new(millis(asked_at + length))),
            lost: CancellationToken::new(),
            stop: CancellationToken::new(),
        };
        let (ends_ms, lost, stop) = (Arc::clone(&keeper.ends_ms), keeper.lost.clone(), keeper.stop.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(length / RENEW_AFTER_PART) => {}
                }
                let asked_at = clock.boottime();
                let left = ends_ms.load(Ordering::SeqCst).saturating_sub(millis(asked_at));
                // A store that is silent for longer than they run does not keep them.
                let renewed =
                    tokio::time::timeout(Duration::from_millis(left), store.renew(&leases, length)).await;
                match renewed {
                    // One that was settled on the way is no longer held, and nobody misses it.
                    Ok(Ok(held)) if held.contains(&true) => {
                        ends_ms.store(millis(asked_at + length), Ordering::SeqCst);
                    }
                    Ok(Err(_)) if millis(clock.boottime()) < ends_ms.load(Ordering::SeqCst) => {
                        // The store is away: the leases still run, and it may come back in time.
                    }
                    Ok(Ok(_) | Err(_)) | Err(_) => break,
                }
            }
            lost.cancel();
        });
        keeper
    }

    /// How much of the leases is surely left.
    pub(super) fn left(&self) -> Duration {
        let now_ms = millis(self.clock.boottime());
        Duration::from_millis(self.ends_ms.load(Ordering::SeqCst).saturating_sub(now_ms))
    }

    /// Does `work`, unless the leases are lost before it ends: then it is dropped where it stands.
    pub(super) async fn while_held<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(Lost),
            done = work => Ok(done),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
