//! Gives events their place among all, soon after each change of this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::STORE_AWAY_REST;
use super::trouble::Trouble;
use crate::store::{Changed, Store};

/// Events that get a position in one transaction.
const BATCH_MAX: u64 = 1_000;
/// Changes within this time share a transaction.
const GATHER: Duration = Duration::from_millis(10);

/// Places events for ever. Each process places what its own changes left; what a process left that has ended
/// is found every `poll`.
pub(super) async fn place_events(store: Arc<dyn Store>, poll: Duration) {
    let mut changes = store.changes();
    let mut trouble = Trouble::new("events get no position");
    loop {
        // Whatever was told so far is committed, and so placed by this run.
        changes = changes.resubscribe();
        let rest = match store.sequence_events(BATCH_MAX).await {
            Ok(placed) => {
                trouble.ends();
                if placed >= BATCH_MAX { Duration::ZERO } else { poll }
            }
            Err(error) => {
                trouble.goes_on(&error);
                STORE_AWAY_REST
            }
        };
        tokio::select! {
            // In one order, so that a seed replays.
            biased;
            () = changed_here(&mut changes) => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Returns when this process changed something, or when it may have.
async fn changed_here(changes: &mut Receiver<Changed>) {
    loop {
        match changes.recv().await {
            Ok(Changed::Elsewhere(_) | Changed::Placed) => {}
            Ok(Changed::Here(_) | Changed::Any) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
