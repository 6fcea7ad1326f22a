//! An operator, at the end: asks the provider what became of what no machine may decide, and says so.

use std::sync::Arc;
use std::time::Duration;

use refunds::domain::event::Actor;
use refunds::domain::id::{CallerName, RefundId};
use refunds::domain::ruling::Outcome;
use refunds::service::{Caller, Error, Resolution};
use refunds::store;
use tokio::time::{sleep, timeout};

use crate::nemesis::Replicas;
use crate::support::chance::Chance;
use crate::world::World;

/// How long an operator waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Decides what is undecided and of which the bank's books are clear; tells how many.
pub(crate) async fn decide(world: &Arc<World>, replicas: &Arc<Replicas>, chance: &mut Chance) -> usize {
    let mut decided = 0;
    for id in world.undecided() {
        let truth = world.stored(id).and_then(|refund| world.bank().truth(&refund));
        if let Some(outcome) = truth {
            decided += usize::from(resolve(world, replicas, chance, id, outcome).await);
        }
    }
    decided
}

/// Insists until it is decided, by this or by the machine.
async fn resolve(
    world: &Arc<World>,
    replicas: &Arc<Replicas>,
    chance: &mut Chance,
    refund_id: RefundId,
    outcome: Outcome,
) -> bool {
    loop {
        let resolution = Resolution {
            refund_id,
            outcome: outcome.clone(),
            amount: None,
            evidence: "the bank's books".to_owned(),
            note: "asked".to_owned(),
        };
        let service = replicas.any(chance).service();
        match timeout(PATIENCE, service.resolve(&operator(), resolution, Actor::of("operator"))).await {
            Ok(Ok(_)) => return true,
            Ok(Err(Error::AttemptOnItsWay { wait })) => sleep(wait).await,
            Ok(Err(Error::StateForbids { .. })) => return false,
            Ok(Err(Error::Store(store::Error::Away { .. }))) | Err(_) => {
                sleep(Duration::from_millis(100)).await;
            }
            Ok(Err(error)) => {
                world.laws().fault(world, format!("{refund_id} cannot be resolved: {error}"));
                return false;
            }
        }
    }
}

fn operator() -> Caller {
    let name = CallerName::parse("operator").unwrap();
    Caller { name, refund: false, read_all: false, operate: true, accounts: None }
}
