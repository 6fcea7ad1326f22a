//! The faults, drawn by the seed, one after another; some go on while the next begins.

use std::sync::Arc;
use std::time::Duration;

use crate::postgres::Stop;
use crate::replicas::Order;
use crate::support::chance::Chance;
use crate::world::{World, count};

/// The rest between two faults.
const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(2_500));
/// Requests in a hundred thousand that are cut while nothing else is done to a connection.
const CUT_TO_SANDBOX: u32 = 600;
const CUT_TO_DATABASE: u32 = 8;
/// How long nobody gets through.
const SHUT: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// Requests that are cut in a row.
const CUT_NEXT_MAX: u32 = 6;
/// How long PostgreSQL is down.
const AWAY: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(2));

/// A fault, and how often it comes in all.
const FAULTS: &[(Fault, u32)] = &[
    (Fault::Kill, 30),
    (Fault::KillTwo, 8),
    (Fault::Stop, 10),
    (Fault::CutAnswers, 8),
    (Fault::CutSandbox, 6),
    (Fault::ShutSandbox, 5),
    (Fault::CutDatabase, 8),
    (Fault::PartDatabase, 5),
    (Fault::RestartFast, 2),
    (Fault::RestartImmediate, 3),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A replica is killed.
    Kill,
    /// Two are, at once.
    KillTwo,
    /// A replica sleeps past its lease.
    Stop,
    /// The next calls to the sandbox are cut, before they arrive or before they are answered.
    CutAnswers,
    /// All connections to the sandbox are cut.
    CutSandbox,
    /// Nobody gets through to the sandbox.
    ShutSandbox,
    /// The next statements of a replica are cut.
    CutDatabase,
    /// A replica does not get through to the database.
    PartDatabase,
    /// PostgreSQL is stopped in order, and started.
    RestartFast,
    /// PostgreSQL crashes, and is started.
    RestartImmediate,
}

impl Fault {
    fn needs_postgres(self) -> bool {
        match self {
            Self::CutDatabase
            | Self::PartDatabase
            | Self::RestartFast
            | Self::RestartImmediate
            | Self::KillTwo => true,
            Self::Kill | Self::Stop | Self::CutAnswers | Self::CutSandbox | Self::ShutSandbox => false,
        }
    }
}

/// Draws faults until there is enough.
pub(crate) async fn strike(world: Arc<World>, mut chance: Chance) {
    world.to_sandbox.cut_often(CUT_TO_SANDBOX);
    for proxy in &world.to_database {
        proxy.cut_often(CUT_TO_DATABASE);
    }
    while !world.enough.is_cancelled() {
        tokio::time::sleep(chance.between(REST.0, REST.1)).await;
        let fault = draw(&mut chance);
        if fault.needs_postgres() && !world.is_postgres() {
            continue;
        }
        suffer(&world, fault, &mut chance).await;
    }
}

fn draw(chance: &mut Chance) -> Fault {
    let all: u32 = FAULTS.iter().map(|(_, often)| often).sum();
    let mut left = chance.below(all);
    for (fault, often) in FAULTS {
        if left < *often {
            return *fault;
        }
        left -= often;
    }
    Fault::Kill
}

async fn suffer(world: &Arc<World>, fault: Fault, chance: &mut Chance) {
    let slot = usize::try_from(chance.below(u32::try_from(world.replicas.len()).unwrap())).unwrap();
    let span = chance.between(SHUT.0, SHUT.1);
    if matches!(fault, Fault::Kill | Fault::KillTwo) && !world.may_kill() {
        return;
    }
    match fault {
        Fault::Kill => world.replicas[slot].order(Order::Kill),
        Fault::KillTwo => {
            world.replicas[slot].order(Order::Kill);
            world.replicas[(slot + 1) % world.replicas.len()].order(Order::Kill);
        }
        Fault::Stop => world.replicas[slot].order(Order::Stop),
        Fault::CutAnswers => world.to_sandbox.cut_next(1 + chance.below(CUT_NEXT_MAX)),
        Fault::CutSandbox => world.to_sandbox.cut_all(),
        Fault::ShutSandbox => world.to_sandbox.shut_for(span).await,
        Fault::CutDatabase => world.to_database[slot].cut_next(1 + chance.below(CUT_NEXT_MAX)),
        Fault::PartDatabase => {
            // One that cannot reach the database takes nothing over.
            let _quake = world.calm.shake();
            world.to_database[slot].shut_for(span).await;
        }
        Fault::RestartFast => restart(world, Stop::Fast, chance).await,
        Fault::RestartImmediate => restart(world, Stop::Immediate, chance).await,
    }
}

async fn restart(world: &World, how: Stop, chance: &mut Chance) {
    let _quake = world.calm.shake();
    let mut postgres = world.postgres.as_ref().unwrap().lock().await;
    postgres.stop(how).await;
    tokio::time::sleep(chance.between(AWAY.0, AWAY.1)).await;
    postgres.resume().await;
    count(&world.counts.restarts);
}
