//! A reader of all events by their place among all, at any replica: no place is missing, none comes twice,
//! and each refund's events come in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use refunds::domain::id::RefundId;
use refunds::store::Store;
use tokio::time::{sleep, timeout};

use crate::gate::Gate;
use crate::nemesis::Replicas;
use crate::support::chance::Chance;
use crate::world::World;

/// How long a read may take before another replica is asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// Events of one read: few, so that many reads are made.
const LIMIT: u64 = 7;

/// Reads until the end of the run.
pub(crate) async fn read_all(world: Arc<World>, replicas: Arc<Replicas>, mut chance: Chance) {
    let mut position = 0;
    let mut sequences: BTreeMap<RefundId, i64> = BTreeMap::new();
    loop {
        let is_over = world.is_over();
        let gate = Gate::new(replicas.any(&mut chance));
        let read = timeout(PATIENCE, gate.events_from(position, LIMIT)).await;
        let events = read.ok().and_then(Result::ok);
        if is_over && events.as_ref().is_some_and(Vec::is_empty) {
            break;
        }
        for event in events.into_iter().flatten() {
            let last = sequences.insert(event.refund_id, event.sequence).unwrap_or_default();
            if event.position != Some(position + 1) || event.sequence != last + 1 {
                let (id, at, sequence) = (event.refund_id, event.position, event.sequence);
                let fault = format!("{id}: event {sequence} after {last} has place {at:?} after {position}");
                world.laws().fault(&world, fault);
            }
            position += 1;
        }
        let rest = chance.between(Duration::from_millis(50), Duration::from_secs(2));
        sleep(rest).await;
    }
    let ids = world.laws().refunds();
    for id in ids {
        let stored = world.store.find(id).now_or_never().unwrap().unwrap().unwrap();
        let read = sequences.get(&id).copied().unwrap_or_default();
        if stored.sequence != read {
            world.laws().fault(&world, format!("{id}: read to {read} of {}", stored.sequence));
        }
    }
}
