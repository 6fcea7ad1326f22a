//! The engine: claim due work, look, commit the intent, call a provider, record the answer.
//!
//! A handler never calls a provider: it may be dropped at any await. Here each refund has a task of its own,
//! which holds a lease, and whatever kills it leaves a row that says how far it may have come.

mod lease;
mod looking;
pub(crate) mod outcome;
mod recording;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::account::Account;
use crate::domain::id::AccountName;
use crate::provider::Provider;
use crate::service::{Clock, Ids, Interrupt};
use crate::store::{self, ClaimAsk, Claimed, Store};
use crate::telemetry::Chain;

use worker::Worker;

/// How long the engine rests after the store failed it.
const STORE_AWAY_REST: Duration = Duration::from_millis(500);
/// Of the rounds that fail one after the other, the first is told and each so many-th after it.
const AWAY_TOLD_EVERY: u32 = 20;
/// Events that get a position in one transaction.
const SEQUENCE_BATCH_MAX: u64 = 1_000;

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
    tasks: TaskTracker,
}

impl Dispatcher {
    /// The engine for these accounts, at rest.
    pub fn new(parts: Parts, lines: Vec<Line>) -> Self {
        let lines = lines.into_iter().map(|l| (l.account.identity.name.clone(), l)).collect();
        Self { parts: Arc::new(parts), lines, tasks: TaskTracker::new() }
    }

    /// Works until `stop`, then claims nothing more and lets what is in flight finish, for at most `grace`.
    /// What has not finished then is left to its lease.
    pub async fn run(self, stop: CancellationToken, grace: Duration) {
        let mut due = self.parts.store.due_work();
        let mut trouble = Trouble::default();
        while !stop.is_cancelled() {
            let rest = match self.round().await {
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
                    () = stop.cancelled() => {}
                    () = woken(&mut due) => {}
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
    async fn claim(&self) -> store::Result<usize> {
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
                self.start(claimed, line.clone(), asked_at, permit);
            } else {
                // More came than asked for (takeovers do): the leases go back.
                let leases: Vec<_> = claimed.members.into_iter().map(|held| held.lease).collect();
                self.parts.store.release(&leases).await?;
            }
        }
        Ok(started)
    }

    fn start(&self, claimed: Claimed, line: Line, asked_at: Duration, permit: OwnedSemaphorePermit) {
        let worker = Worker::new(Arc::clone(&self.parts), line, claimed, asked_at);
        self.tasks.spawn(async move {
            worker.run().await;
            drop(permit);
        });
    }

    /// Claims, and gives events their positions. Tells how many calls were claimed.
    async fn round(&self) -> store::Result<usize> {
        let claimed = self.claim().await?;
        self.parts.store.sequence_events(SEQUENCE_BATCH_MAX).await?;
        Ok(claimed)
    }
}

/// Rounds that the store failed, one after the other.
#[derive(Default)]
struct Trouble {
    rounds: u32,
}

impl Trouble {
    /// The first is told, and each so many-th after it: a log full of one sentence tells nothing else.
    fn goes_on(&mut self, error: &store::Error) {
        if self.rounds.is_multiple_of(AWAY_TOLD_EVERY) {
            let rounds = self.rounds;
            tracing::warn!(error = %Chain(error), rounds, "the store is away, the engine rests");
        }
        self.rounds = self.rounds.saturating_add(1);
    }

    fn ends(&mut self) {
        if self.rounds > 0 {
            tracing::info!(rounds = self.rounds, "the store is back");
            self.rounds = 0;
        }
    }
}

/// Returns when work may be due.
async fn woken(due: &mut broadcast::Receiver<()>) {
    match due.recv().await {
        Ok(()) | Err(broadcast::error::RecvError::Lagged(_)) => {}
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
}
