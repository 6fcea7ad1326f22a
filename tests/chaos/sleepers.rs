//! Replicas that stop between an intent and its first byte: when they wake past their lease they must not
//! send.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::findings::Wrong;
use crate::world::World;

/// How long a replica that woke may take to tell what it did.
const AWAKE_FOR: Duration = Duration::from_secs(5);

/// The intent whose send the stop forestalled, by the trace in which the worker told of it.
const INTENT: &str = "SELECT attempts.id, attempt_members.refund_id FROM attempts
    JOIN attempt_members ON attempt_id = attempts.id
    WHERE attempts.trace_id = $1 AND ended_us IS NULL AND kind IN ('send', 'resend')";
/// What is known of it; what the order listed already was not sent either.
const OUTCOME: &str = "SELECT outcome FROM attempts WHERE id = $1
    AND COALESCE(provider_text, '') NOT LIKE 'the order already lists this key%'";

/// An attempt that must not be sent any more.
pub(crate) struct Asleep {
    attempt: Uuid,
    refund: Uuid,
    restores: u64,
}

/// What a worker that just stopped had in its hand.
pub(crate) async fn asleep(world: &World, worker: &str) -> Option<Asleep> {
    let restores = world.restores();
    let log = std::fs::read_to_string(world.logs.join(format!("{worker}.log"))).unwrap();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let stop = lines.rfind(|line| line["message"] == "stops at a crash point")?;
    let rows = world.database.rows(INTENT, [stop["trace_id"].as_str()?.into()]).await.ok()?;
    let row = rows.first()?;
    Some(Asleep {
        attempt: row.try_get("", "id").ok()?,
        refund: row.try_get("", "refund_id").ok()?,
        restores,
    })
}

/// What became of it after the worker woke: nothing, or evidence that it was not sent.
pub(crate) async fn awake(world: Arc<World>, worker: String, asleep: Option<Asleep>) {
    let Some(Asleep { attempt, refund, restores }) = asleep else { return };
    tokio::time::sleep(AWAKE_FOR).await;
    let Ok(rows) = world.database.rows(OUTCOME, [attempt.into()]).await else { return };
    let outcome: Option<String> = rows.first().and_then(|row| row.try_get("", "outcome").unwrap());
    if world.restores() == restores && outcome.as_deref().is_some_and(|outcome| outcome != "not_sent") {
        let story = world.database.story(refund).await.unwrap_or_default();
        let detail = format!("{worker} woke past its lease and sent {refund}: {outcome:?}{story}");
        world.findings.add(Wrong::Doubled, detail);
    } else {
        world.findings.note("sleepers that did not send", || format!("{worker} {refund}: {outcome:?}"));
    }
}
