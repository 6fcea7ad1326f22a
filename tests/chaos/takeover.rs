//! How soon another replica has what a killed one held.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::findings::Wrong;
use crate::settings::SHORT_LEASE;
use crate::world::World;

/// What the service promises beyond the lease.
const PROMISED: Duration = Duration::from_secs(1);
/// What a machine that is busy with other things may take more: so much, and so often what one look at the
/// database took.
const SLACK: Duration = Duration::from_secs(4);
const SLACK_LOOKS: u32 = 15;
/// After this the run's end tells what became of it.
const WATCH_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a worker may have sent, which nothing but its lease keeps from others. What was not sent waits its
/// turn, as before.
const HELD: &str = "SELECT id FROM refunds WHERE lease_worker = $1 AND state = 'sending'";

/// All that was measured: lease and time from the kill to the claim.
#[derive(Debug, Default)]
pub(crate) struct Takeovers(Mutex<Vec<(Duration, Duration)>>);

impl Takeovers {
    fn add(&self, lease: Duration, took: Duration) {
        self.0.lock().unwrap().push((lease, took));
    }

    /// How many, and what 99 of 100 did not exceed, with the short lease or with another.
    pub(crate) fn p99(&self, short: bool) -> (usize, Duration) {
        let all = self.0.lock().unwrap();
        let of_lease = all.iter().filter(|(lease, _)| (*lease == SHORT_LEASE) == short);
        let mut took: Vec<Duration> = of_lease.map(|(_, took)| *took).collect();
        took.sort();
        let place = (took.len() * 99).div_ceil(100).saturating_sub(1);
        (took.len(), took.get(place).copied().unwrap_or_default())
    }
}

/// Watches what a worker held when it was killed until others have all of it. Where there is no other, the
/// time runs from its next start.
pub(crate) async fn watch(world: Arc<World>, slot: usize, worker: String, killed: Instant) {
    let lease = world.lease();
    let Some(calm) = world.calm.now() else { return };
    let Some(mut left) = held(&world, &worker).await else { return };
    let (mut from, mut slowest) = (killed, Duration::ZERO);
    if !world.is_postgres() {
        let Some(started) = next_start(&world, slot, killed).await else { return };
        from = started;
    }
    while left > 0 && from.elapsed() < WATCH_MAX {
        let others_work = !world.is_postgres()
            || world.replicas.iter().any(|r| r.slot != slot && r.working_since().is_some_and(|s| s <= from));
        if !others_work || world.calm.now() != Some(calm) || world.over.is_cancelled() {
            return;
        }
        let look = Instant::now();
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(now) = held(&world, &worker).await else { return };
        let (took, look) = (from.elapsed(), look.elapsed());
        slowest = slowest.max(look.saturating_sub(LOOK_EVERY));
        let slack = SLACK + slowest * SLACK_LOOKS;
        for _ in now..left {
            world.takeovers.add(lease, took);
            if took > lease + PROMISED {
                let about = || format!("{worker} {took:?}, a look {slowest:?}, {:?}", world.now());
                world.findings.note("slow takeovers", about);
            }
            let most = if world.is_postgres() { lease + PROMISED + slack } else { PROMISED + slack };
            if took > most {
                let detail = format!("what {worker} held was taken over after {took:?}, lease {lease:?}");
                world.findings.add(Wrong::Stuck, detail);
            }
        }
        left = left.min(now);
    }
    if left > 0 {
        let detail = format!("{left} refunds of {worker} were not taken over in {WATCH_MAX:?}");
        world.findings.add(Wrong::Stuck, detail);
    }
}

/// How many refunds a worker holds; `None` when the database is away.
async fn held(world: &World, worker: &str) -> Option<usize> {
    world.database.rows(HELD, [worker.into()]).await.ok().map(|rows| rows.len())
}

/// When the one replica worked again.
async fn next_start(world: &World, slot: usize, killed: Instant) -> Option<Instant> {
    while !world.over.is_cancelled() {
        if let Some(since) = world.replicas[slot].working_since().filter(|since| *since > killed) {
            return Some(since);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}
