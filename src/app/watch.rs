//! Looks at the store every second: readiness, the depth of the queues, what is overdue.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::grpc;
use crate::service::Service;
use crate::store::{Standing, Store};
use crate::telemetry::Chain;

/// How often readiness and the depth of the queues are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How often it is told that refunds are overdue.
const OVERDUE_EVERY: Duration = Duration::from_mins(1);

/// Tells what is overdue while anything is: a log full of one sentence tells nothing else.
#[derive(Debug, Default)]
struct Overdue {
    told: Option<Instant>,
}

impl Overdue {
    fn tell(&mut self, standings: &[Standing]) {
        if self.told.is_some_and(|told| told.elapsed() < OVERDUE_EVERY) {
            return;
        }
        for standing in standings.iter().filter(|standing| standing.overdue > 0) {
            let Standing { account, overdue, unknown, in_review, .. } = standing;
            self.told = Some(Instant::now());
            tracing::warn!(%account, overdue, unknown, in_review, "refunds are overdue");
        }
    }
}

/// Keeps readiness and the depth of the queues in step with the store.
pub(super) async fn watch(
    store: Arc<dyn Store>,
    service: Arc<Service>,
    health: oneshot::Receiver<grpc::Health>,
    stop: CancellationToken,
) {
    let Ok(health) = health.await else { return };
    let (mut was_ready, mut overdue) = (None, Overdue::default());
    while !stop.is_cancelled() {
        let looked = match store.ready().await {
            Ok(()) => service
                .refresh_depths()
                .await
                .map(|standings| overdue.tell(&standings))
                .map_err(|error| Chain(&error).to_string()),
            Err(error) => Err(Chain(&error).to_string()),
        };
        let ready = looked.is_ok();
        if was_ready != Some(ready) {
            tracing::info!(ready, cause = looked.err(), "readiness");
            if !stop.is_cancelled() {
                health.set_serving(ready).await;
            }
            was_ready = Some(ready);
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
    }
}
