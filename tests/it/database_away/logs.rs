//! What a process says of a database that is away for a while, and that it needs no restart after it.

use std::time::Duration;

use serde_json::Value;

use super::{Pulse, SETTINGS, assert_away};
use crate::support::own_server::{OwnServer, Stop};
use crate::support::process::{Scene, create, succeeded};
use crate::support::sandbox::effects;

/// How long the database stays away: many rounds of the engine.
const AWAY: Duration = Duration::from_secs(8);
/// Lines above `info` that the engine may write in that time for itself and one answer that waits.
const LINES_MAX: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_tells_of_it_in_few_lines_and_goes_on_by_itself() {
    let Some(mut server) = OwnServer::start().await else { return };
    let scene = Scene::set(&server.url()).await;
    let (mut process, address) = scene.serve(SETTINGS).await;
    let mut pulse = Pulse::of(&format!("http://{address}"));
    pulse.until(true).await;
    // The provider takes the money and answers when the database is gone.
    let slow = create(&address, "slow", "9940001").await.unwrap().refund.unwrap();
    scene.sent("9940001").await;
    server.stop(Stop::Immediate).await;
    pulse.until(false).await;
    tokio::time::sleep(AWAY).await;
    assert_away(&create(&address, "away", "1002").await.unwrap_err());
    server.run().await;
    pulse.until(true).await;
    succeeded(&address, &slow.refund_id).await;
    assert_eq!(effects(scene.sandbox, "9940001").await.len(), 1);
    let later = create(&address, "later", "1003").await.unwrap().refund.unwrap();
    succeeded(&address, &later.refund_id).await;
    pulse.end().await;
    process.signal("TERM").await;
    assert_eq!(process.end().await, Some(0));
    let told: Vec<Value> = process.seen.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let loud: Vec<_> =
        told.iter().filter(|line| matches!(line["level"].as_str(), Some("WARN" | "ERROR"))).collect();
    assert!(!loud.is_empty(), "nobody was told");
    assert!(loud.len() <= LINES_MAX, "{} lines: {loud:#?}", loud.len());
    assert!(told.iter().any(|line| line["message"] == "the store is back"));
}
