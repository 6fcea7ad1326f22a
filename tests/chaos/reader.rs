//! One reader of all events in their order, while everything happens: it must see each once, and no hole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Mutex;
use uuid::Uuid;

use crate::database::EventRow;
use crate::findings::Wrong;
use crate::world::World;

const READ_EVERY: Duration = Duration::from_millis(100);
const PAGE: i64 = 500;
/// How soon after its commit an event has its place, however slow the machine.
const PLACED_WITHIN_US: i64 = 30_000_000;

/// What the reader saw.
#[derive(Debug, Default)]
pub(crate) struct Reader(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    last: i64,
    /// The last position and sequence of each refund's events.
    of_refund: HashMap<Uuid, Vec<(i64, i64)>>,
}

impl Reader {
    /// Reads until the run is over.
    pub(crate) async fn run(world: Arc<World>) {
        while !world.over.is_cancelled() {
            // The database may be away: then there is nothing to see.
            if let Ok(0) | Err(_) = world.reader.read(&world).await {
                tokio::time::sleep(READ_EVERY).await;
            }
            if let Ok(backlog) = world.database.number(BACKLOG).await {
                world.backlog.store(u64::try_from(backlog).unwrap(), Ordering::SeqCst);
            }
        }
    }

    /// Reads what is new; how much that was.
    pub(crate) async fn read(&self, world: &World) -> Result<usize, sea_orm::DbErr> {
        let mut seen = self.0.lock().await;
        let events = world.database.events_from(seen.last, PAGE).await?;
        for event in &events {
            seen.see(event, world);
        }
        Ok(events.len())
    }

    /// The database knows no more than this: what came later never was.
    pub(crate) async fn rewind(&self, position: i64) {
        let mut seen = self.0.lock().await;
        for events in seen.of_refund.values_mut() {
            events.retain(|(at, _)| *at <= position);
        }
        seen.last = seen.last.min(position);
    }

    /// What it saw so far: refund, position, sequence.
    pub(crate) async fn seen(&self) -> HashSet<(Uuid, i64, i64)> {
        let seen = self.0.lock().await;
        let all = seen.of_refund.iter();
        all.flat_map(|(id, events)| events.iter().map(|(at, sequence)| (*id, *at, *sequence))).collect()
    }

    /// Holds what was seen against what stood in the table between two readings.
    pub(crate) async fn compare(
        &self,
        read_before: &HashSet<(Uuid, i64, i64)>,
        events: &[EventRow],
        world: &World,
    ) {
        let seen = self.seen().await;
        let newest = events.iter().map(|event| event.time_us).max().unwrap_or_default();
        let mut there = HashSet::new();
        for event in events {
            let about = || format!("{} {} at {:?}", event.refund_id, event.sequence, event.position);
            match event.position {
                // The turn to place events may just not have come.
                None if newest - event.time_us < PLACED_WITHIN_US => {}
                None => world.findings.add(Wrong::Gaps, format!("{} was never placed", about())),
                Some(position) => {
                    let event_read = (event.refund_id, position, event.sequence);
                    there.insert(event_read);
                    if !seen.contains(&event_read) {
                        world.findings.add(Wrong::Gaps, format!("{} was not read", about()));
                    }
                }
            }
        }
        for read in read_before.difference(&there) {
            world.findings.add(Wrong::Repeats, format!("{read:?} was read and is not there"));
        }
    }
}

/// What waits for the engine.
const BACKLOG: &str = "SELECT COUNT(*) FROM refunds
    WHERE due_us IS NOT NULL AND state IN ('pending', 'sending') AND account NOT LIKE '%\\_shut' ESCAPE '\\'";

impl Seen {
    fn see(&mut self, event: &EventRow, world: &World) {
        let Some(position) = event.position else { return };
        if position != self.last + 1 {
            let detail = format!("after position {} came {position}", self.last);
            world.findings.add(if position <= self.last { Wrong::Repeats } else { Wrong::Gaps }, detail);
        }
        self.last = self.last.max(position);
        let of_refund = self.of_refund.entry(event.refund_id).or_default();
        let before = of_refund.last().map_or(0, |(_, sequence)| *sequence);
        if event.sequence != before + 1 {
            let detail =
                format!("in the order of all, {} came from {before} to {}", event.refund_id, event.sequence);
            world.findings.add(if event.sequence <= before { Wrong::Repeats } else { Wrong::Gaps }, detail);
        }
        of_refund.push((position, event.sequence));
    }
}
