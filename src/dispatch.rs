//! The engine: claim due work, look, commit the intent, call a provider, record the answer.
//!
//! A handler never calls a provider: it may be dropped at any await. Here each refund has a task of its own,
//! which holds a lease, and whatever kills it leaves a row that says how far it may have come.

mod counts;
mod lease;
mod leaving;
mod looking;
pub(crate) mod outcome;
mod placing;
mod recording;
mod trouble;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::domain::account::Account;
use crate::domain::id::AccountName;
use crate::provider::Provider;
use crate::service::{Clock, Ids, Interrupt};
use crate::store::{self, ClaimAsk, Claimed, Store};

use trouble::Trouble;
use worker::Worker;

pub use counts::Counts;

/// How long the engine rests after the store failed it.
const STORE_AWAY_REST: Duration = Duration::from_millis(500);

/// The engine's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// This process, as leases name it.
    pub worker: String,
    /// How long a lease runs.
    pub lease: Duration,
    /// How often due work is looked for when no wake tells of it.
    pub poll: Duration,
}

/// An account and the client that calls its provider.
#[derive(Clone)]
pub struct Line {
    /// The account.
    pub account: Account,
    /// Its client.
    pub provider: Arc<dyn Provider>,
    /// Calls at the same time.
    pub permits: Arc<Semaphore>,
}

impl Line {
    /// An account with its client.
    pub fn new(account: Account, provider: Arc<dyn Provider>) -> Self {
        let permits = Arc::new(Semaphore::new(account.concurrency_max));
        Self { account, provider, permits }
    }
}

/// What the engine is built from.
pub struct Parts {
    /// Where refunds live.
    pub store: Arc<dyn Store>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and chance.
    pub ids: Arc<dyn Ids>,
    /// Where a test may end the process.
    pub interrupt: Arc<dyn Interrupt>,
    /// The settings.
    pub settings: Settings,
}

/// The engine.
pub struct Dispatcher {
    parts: Arc<Parts>,
    lines: BTreeMap<AccountName, Line>,
    counts: Arc<Counts>,
    tasks: TaskTracker,
    /// Rings when an account has room again.
    room: Arc<Notify>,
}

impl Dispatcher {
    /// The engine for these accounts, at rest.
    pub fn new(parts: Parts, lines: Vec<Line>) -> Self {
        let lines = lines.into_iter().map(|l| (l.account.identity.name.clone(), l)).collect();
        Self {
            parts: Arc::new(parts),
            lines,
            counts: Arc::default(),
            tasks: TaskTracker::new(),
            room: Arc::default(),
        }
    }

    /// What it counts.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Works until `stop`, then claims and begins nothing more, gives back what has not begun, and lets what
    /// is in flight finish, for at most `grace`. What has not finished then is left to its lease.
    pub async fn run(self, stop: CancellationToken, grace: Duration) {
        let mut due = self.parts.store.due_work();
        let placing = placing::place_events(Arc::clone(&self.parts.store), self.parts.settings.poll);
        let _ends_with_this = AbortOnDropHandle::new(tokio::spawn(placing));
        let mut trouble = Trouble::new("nothing can be claimed");
        while !stop.is_cancelled() {
            let rest = match self.claim(&stop).await {
                Ok(claimed) => {
                    trouble.ends();
                    if claimed == 0 { self.parts.settings.poll } else { Duration::ZERO }
                }
                Err(error) => {
                    trouble.goes_on(&error);
                    STORE_AWAY_REST
                }
            };
            if !rest.is_zero() {
                tokio::select! {
                    // In one order, so that a seed replays.
                    biased;
                    () = stop.cancelled() => {}
                    () = woken(&mut due) => {}
                    () = self.room.notified() => {}
                    () = tokio::time::sleep(rest) => {}
                }
            }
        }
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                in_flight = self.tasks.len(),
                "the grace is over, calls in flight are left to their leases"
            );
        }
    }

    /// Claims what there is room for and sets a task to each. Tells how many.
    async fn claim(&self, stop: &CancellationToken) -> store::Result<usize> {
        let rooms: Vec<_> = self
            .lines
            .values()
            .map(|line| (line.account.clone(), line.permits.available_permits()))
            .collect();
        if rooms.iter().all(|(_, room)| *room == 0) {
            return Ok(0);
        }
        let settings = &self.parts.settings;
        // Read before the claim: the lease can only have begun later, so that its end is never believed too
        // late.
        let asked_at = self.parts.clock.boottime();
        let ask = ClaimAsk { worker: settings.worker.clone(), lease: settings.lease, rooms };
        let claimed = self.parts.store.claim(&ask).await?;
        let mut started = 0;
        for claimed in claimed {
            let Some(first) = claimed.members.first() else { continue };
            let Some(line) = self.lines.get(&first.refund.content.account) else { continue };
            if let Ok(permit) = Arc::clone(&line.permits).try_acquire_owned() {
                started += 1;
                self.start(claimed, line.clone(), asked_at, permit, stop.clone());
            } else {
                // More came than asked for (takeovers do): the leases go back.
                let leases: Vec<_> = claimed.members.into_iter().map(|held| held.lease).collect();
                self.parts.store.release(&leases).await?;
            }
        }
        Ok(started)
    }

    fn start(
        &self,
        claimed: Claimed,
        line: Line,
        asked_at: Duration,
        permit: OwnedSemaphorePermit,
        leaving: CancellationToken,
    ) {
        let (permits, room) = (Arc::clone(&line.permits), Arc::clone(&self.room));
        let (parts, counts) = (Arc::clone(&self.parts), Arc::clone(&self.counts));
        let worker = Worker::new(parts, counts, line, claimed, asked_at, leaving);
        self.tasks.spawn(async move {
            worker.run().await;
            // Only where there was none may the claims before have left something.
            let was_full = permits.available_permits() == 0;
            drop(permit);
            if was_full {
                room.notify_one();
            }
        });
    }
}

/// Returns when work may be due.
async fn woken(due: &mut broadcast::Receiver<()>) {
    match due.recv().await {
        // The next claim looks at all that is due: for one burst of wakes one is enough.
        Ok(()) | Err(broadcast::error::RecvError::Lagged(_)) => *due = due.resubscribe(),
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
}
