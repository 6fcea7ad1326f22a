//! A stream of one refund, opened anywhere, cut often, and gone on with at another replica by its token.

use std::sync::Arc;
use std::time::Duration;

use refunds::domain::id::RefundId;
use refunds::service::{Start, Watch, WatchItem, WatchTarget};
use tokio::time::{sleep, timeout};

use crate::callers::caller;
use crate::nemesis::Replicas;
use crate::replica::HEARTBEAT;
use crate::support::chance::Chance;
use crate::world::World;

/// How long a stream may be silent before its reader goes elsewhere.
const SILENCE_MAX: Duration = Duration::from_secs(7);

/// Reads a refund's changes up to its end, or the end of the run.
pub(crate) async fn watch(world: Arc<World>, replicas: Arc<Replicas>, mut chance: Chance, id: RefundId) {
    let mut start = if chance.in_thousand(500) { Start::Snapshot } else { Start::Now };
    let mut last: Option<i64> = None;
    world.laws().figures.streams += 1;
    loop {
        // What is read from here on is all that there will ever be.
        let is_over = world.is_over();
        let service = replicas.any(&mut chance).service();
        let asked = Watch { target: WatchTarget::Refund(id), start: start.clone(), follow_reversals: false };
        let opened = timeout(HEARTBEAT, service.watch(&caller(), asked)).await;
        let Ok(Ok(mut messages)) = opened else {
            sleep(Duration::from_millis(300)).await;
            continue;
        };
        // A reader that goes away for no reason of the service's.
        let mut patience: u32 = if is_over { u32::MAX } else { 1 + chance.below(6) };
        let mut ended = false;
        while patience > 0 && !ended {
            let Ok(message) = timeout(SILENCE_MAX, messages.recv()).await else { break };
            let Some(Ok(watched)) = message else {
                ended = message.is_none();
                break;
            };
            start = Start::Resume(watched.token.encode());
            match watched.item {
                WatchItem::Snapshot(refund) => last = Some(refund.sequence),
                WatchItem::Change(event) => {
                    if last.is_some_and(|last| event.sequence != last + 1) {
                        let fault = format!("{id}: a stream told {} after {last:?}", event.sequence);
                        world.laws().fault(&world, fault);
                    }
                    last = Some(event.sequence);
                    patience -= 1;
                }
                WatchItem::Heartbeat(_) if is_over => ended = true,
                WatchItem::Heartbeat(_) if world.is_over() => break,
                WatchItem::SnapshotEnd | WatchItem::Heartbeat(_) => {}
            }
        }
        world.laws().streamed(id, last);
        if ended && (is_over || world.is_final(id)) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
