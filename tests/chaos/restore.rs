//! Once in a run: PostgreSQL goes back to a copy that is some seconds old.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use refunds::domain::timestamp::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::book::Fate;
use crate::callers;
use crate::catalogue::provider_of;
use crate::postgres::Stop;
use crate::replicas::Order;
use crate::support::process::Process;
use crate::wishes::is_findable;
use crate::world::World;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How old the copy is.
const AGE: Duration = Duration::from_secs(6);
const RESUME: &str = "UPDATE accounts SET paused_by = NULL, paused_note = NULL, paused_until_us = NULL
    WHERE paused_by = 'recover' RETURNING name";
const DATABASE_NOW: &str = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT";

/// Copies the database, goes on for a while, loses all of that, and recovers by the book: every replica is
/// down, `recover` runs before any is up, callers repeat what they were told since.
pub(crate) async fn restore(world: Arc<World>) {
    // What cannot be found again is for a person to sort out; here callers hold it back.
    world.wishes.make_findable_only(true);
    while owes_what_cannot_be_found(&world) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let postgres = world.postgres.as_ref().unwrap();
    let copied = Instant::now();
    let mut postgres = postgres.lock().await;
    let copy = postgres.snapshot().await;
    let restored_to = Timestamp::from_micros(world.database.number(DATABASE_NOW).await.unwrap());
    tokio::time::sleep(AGE).await;

    let quake = world.calm.shake();
    for replica in &world.replicas {
        let (dead, died) = oneshot::channel();
        replica.order(Order::Halt(dead));
        died.await.unwrap();
    }
    postgres.stop(Stop::Immediate).await;
    postgres.restore(&copy);
    world.restores.fetch_add(1, Ordering::SeqCst);
    postgres.resume().await;
    drop(postgres);
    let position = last_position(&world).await;
    world.reader.rewind(position).await;
    let owed = world.book.forget_after(copied);
    let time = restored_to.to_string();
    let arguments = ["recover", "--restored-to", &time];
    let url = &world.scene.variables(&[]);
    let (code, told) = Process::run(&arguments, &[url.clone(), accounts(&world, url)].concat()).await;
    assert_eq!(code, Some(0), "{told}");
    eprintln!(
        "chaos: restored, {} refunds are owed again; {}",
        owed.len(),
        told.lines().next().unwrap_or("")
    );
    // Callers held back what could not be found again, so that no repeat was taken before: as an operator.
    world.database.rows(RESUME, []).await.unwrap();
    for replica in &world.replicas {
        replica.order(Order::Go);
    }
    drop(quake);
    let repeats = owed.into_iter().map(|number| {
        let world = Arc::clone(&world);
        async move {
            let mut chance = world.chance(2_000_000 + u64::try_from(number).unwrap());
            callers::create(&world, number, &mut chance).await;
        }
    });
    futures::future::join_all(repeats).await;
    world.wishes.make_findable_only(false);
}

/// Whether a caller still asks for something that could not be found again.
fn owes_what_cannot_be_found(world: &World) -> bool {
    let owed = world.book.entries().into_iter().filter(|entry| entry.fate == Fate::Owed);
    owed.into_iter().any(|entry| !is_findable(provider_of(&entry.request.account), &entry.sort))
}

fn accounts(world: &World, variables: &[(String, String)]) -> Vec<(String, String)> {
    crate::catalogue::account_variables(variables, world.to_sandbox.address)
}

async fn last_position(world: &World) -> i64 {
    loop {
        match world.database.number("SELECT last_position FROM event_positions").await {
            Ok(position) => return position,
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}
