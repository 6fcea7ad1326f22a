//! The end: the callers' book, the database and the sandbox's ledger tell the same story.

mod evidence;
mod histories;
mod laws;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::book::Fate;
use crate::callers;
use crate::findings::Wrong;
use crate::logs;
use crate::world::World;
use evidence::Evidence;

/// How long a run may go on without any progress before what rests counts as stuck.
const STILL_MAX: Duration = Duration::from_mins(1);
/// How long it may go on in all.
const SETTLE_MAX: Duration = Duration::from_mins(20);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Acknowledged wishes that are called for and read once more at the end.
const REPEATED: usize = 200;
/// How long a replica may take to answer at the end.
const ANSWER_PATIENCE: Duration = Duration::from_mins(1);

/// Waits until nothing moves any more that should.
pub(crate) async fn settle(world: &Arc<World>) {
    let (began, mut moved, mut fewest) = (Instant::now(), Instant::now(), usize::MAX);
    let mut told = Instant::now();
    loop {
        let gathering = Instant::now();
        let evidence = Evidence::gather(world).await;
        let gathered = gathering.elapsed();
        let open = evidence.resting().len();
        if open == 0 && world.reader.read(world).await.is_ok_and(|new| new == 0) {
            return;
        }
        // What goes to and fro makes no progress, however much it does.
        if open < fewest {
            (fewest, moved) = (open, Instant::now());
        }
        if moved.elapsed() > STILL_MAX || began.elapsed() > SETTLE_MAX {
            return;
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!("chaos: {open} refunds are on their way");
        }
        // A long run has much to gather, which is not to be all that is done.
        tokio::time::sleep(LOOK_EVERY + gathered).await;
    }
}

/// Holds everything against everything.
pub(crate) async fn judge(world: &Arc<World>) {
    call_again(world).await;
    let read_before = world.reader.seen().await;
    let evidence = Evidence::gather(world).await;
    while world.reader.read(world).await.is_ok_and(|new| new > 0) {}
    logs::judge(world);
    evidence.nothing_is_lost(world);
    evidence.nothing_is_doubled(world).await;
    evidence.nothing_is_over(world);
    evidence.nothing_is_stuck(world).await;
    evidence.every_change_is_told(world).await;
    histories::judge(world).await;
    world.reader.compare(&read_before, &evidence.tables.events, world).await;
}

/// Calls and reads what was acknowledged once more, spread over the whole run.
async fn call_again(world: &Arc<World>) {
    let entries = world.book.entries();
    let told = |entry: &crate::book::Entry| matches!(entry.fate, Fate::Acknowledged { .. });
    let acknowledged: Vec<usize> = (0..entries.len()).filter(|number| told(&entries[*number])).collect();
    let step = acknowledged.len().div_ceil(REPEATED).max(1);
    let mut chance = world.chance(3_000_000);
    for number in acknowledged.into_iter().step_by(step) {
        callers::create(world, number, &mut chance).await;
        for slot in 0..world.replicas.len() {
            let deadline = Instant::now() + ANSWER_PATIENCE;
            while !callers::read(world, slot, number).await {
                if Instant::now() > deadline {
                    let id = &entries[number].request.request_id;
                    world.findings.add(Wrong::Stuck, format!("{id} cannot be read at replica {slot}"));
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}
