//! A worker of a process that is to end: what has begun it finishes, what has not it gives back.

use std::time::Duration;

use crate::store::Lease;
use crate::telemetry::Chain;

use super::worker::{Stop, Worker};

impl Worker {
    /// Leaves what has not begun to another process, due at once. What this one has settled already is no
    /// longer held and stays as it is.
    pub(super) async fn give_back(&self) {
        let leases: Vec<Lease> = self.claimed.members.iter().map(|held| held.lease.clone()).collect();
        match self.parts.store.release(&leases).await {
            Ok(()) => tracing::info!("the process ends: work that had not begun was given back"),
            Err(error) => tracing::warn!(error = %Chain(&error), "work is left to its lease"),
        }
    }

    /// Asked before each round trip and each wait: once the process is to end, none begins any more.
    pub(super) fn may_begin(&self) -> Result<(), Stop> {
        if self.leaving.is_cancelled() { Err(Stop::Leaving) } else { Ok(()) }
    }

    /// Rests, unless the process is to end before.
    pub(super) async fn rest(&self, delay: Duration) -> Result<(), Stop> {
        self.keeper
            .while_held(self.leaving.run_until_cancelled(tokio::time::sleep(delay)))
            .await?
            .ok_or(Stop::Leaving)
    }
}
