//! PostgreSQL restarted under callers, in order and by a crash.

use std::time::Duration;

use prost_types::Timestamp;
use refunds::grpc::proto::refund::State;
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use tonic::Code;

use super::{Callers, DEADLINE, Pulse, SETTINGS, assert_away, assert_refunded_once, client, insist, within};
use crate::stream::{Seen, next, of, resumed};
use crate::support::app::{TestApp, request};
use crate::support::database::Kind;
use crate::support::own_server::{OwnServer, Stop};
use crate::support::url::TestUrl;

/// How far the clock is put forward to let the held refund go.
const HELD: Duration = Duration::from_hours(1);
const CALLERS: u32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_callers_is_outlived() {
    outlived(Stop::Fast).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_under_callers_is_outlived() {
    outlived(Stop::Immediate).await;
}

async fn outlived(how: Stop) {
    let Some(mut server) = OwnServer::start().await else { return };
    let app = TestApp::start_at(Kind::Postgres, TestUrl::elsewhere(server.url()), SETTINGS).await;
    let mut pulse = Pulse::of(&app.address);
    pulse.until(true).await;
    let held = held(&app).await;
    let stream = tokio::spawn(follow(app.address.clone(), held.clone()));
    let callers = Callers::start(&app.address, CALLERS);
    callers.more(8).await;
    for _ in 0..2 {
        server.stop(how).await;
        pulse.until(false).await;
        server.run().await;
        pulse.until(true).await;
        callers.more(8).await;
    }
    let (accepted, refusals) = callers.stop().await;
    assert!(refusals > 0, "nobody met the trouble");
    for (order, refund) in &accepted {
        assert_refunded_once(&app, &request(order, order, 1_000), order, refund).await;
    }
    app.clock.advance(HELD);
    app.wait_for(&held, State::Succeeded).await;
    assert_eq!(stream.await.unwrap(), [1, 2, 3], "the stream");
    server.execute(&count_is(accepted.len() + 1)).await.unwrap();
    pulse.end().await;
    app.finish().await;
}

/// A refund that stays PENDING until the clock moves by [`HELD`].
async fn held(app: &TestApp) -> String {
    let mut wish = request("held", "1999", 1_000);
    let seconds = app.clock.now().micros() / 1_000_000 + 3_600;
    wish.not_before = Some(Timestamp { seconds, nanos: 0 });
    app.create(wish).await.unwrap().refund.unwrap().refund_id
}

/// The sequences that a stream tells until it ends by itself, gone on with by its token each time that it
/// ends otherwise.
async fn follow(address: String, refund_id: String) -> Vec<i64> {
    let (mut told, mut token) = (Vec::new(), None::<String>);
    loop {
        let message = token.as_ref().map_or_else(|| of(&refund_id), |token| resumed(&refund_id, token));
        let ended = match client(&address).stream_refund_status(message).await {
            Err(status) => status,
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match next(&mut stream).await {
                        Ok(Some((seen, its))) => {
                            match seen {
                                Seen::Snapshot(_, sequence) | Seen::Status(_, sequence) => {
                                    told.push(sequence);
                                }
                                Seen::SnapshotEnd | Seen::Heartbeat => {}
                            }
                            token = Some(its);
                        }
                        Ok(None) => return told,
                        Err(status) => break status,
                    }
                }
            }
        };
        assert_ne!(ended.code(), Code::Internal);
        assert_away(&ended);
        tokio::time::sleep(super::REST).await;
    }
}

/// SQL that fails unless so many refunds are kept.
fn count_is(refunds: usize) -> String {
    format!("SELECT 1 / (CASE WHEN (SELECT COUNT(*) FROM refunds) = {refunds} THEN 1 ELSE 0 END)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_a_server_that_shuts_down_is_away() {
    let Some(mut server) = OwnServer::start().await else { return };
    let app = TestApp::start_at(Kind::Postgres, TestUrl::elsewhere(server.url()), SETTINGS).await;
    for (round, how) in [Stop::Fast, Stop::Immediate].into_iter().enumerate() {
        let other = Database::connect(server.url()).await.unwrap();
        let lock = other.begin().await.unwrap();
        lock.execute_unprepared("LOCK TABLE guards IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let orders: Vec<_> = (0..3).map(|n| format!("17{round}{n}")).collect();
        let calls: Vec<_> = orders
            .iter()
            .map(|order| {
                let (mut client, wish) = (client(&app.address), request(order, order, 1_000));
                tokio::spawn(async move { client.create_refund(within(DEADLINE, wish)).await })
            })
            .collect();
        server.execute(&waiting(calls.len())).await.unwrap();
        server.stop(how).await;
        for call in calls {
            assert_away(&call.await.unwrap().unwrap_err());
        }
        drop((lock, other));
        server.run().await;
        for order in &orders {
            let wish = request(order, order, 1_000);
            let (created, _) = insist(&app.address, &wish).await;
            assert!(!created.replayed, "half done");
            assert_refunded_once(&app, &wish, order, &created.refund.unwrap()).await;
        }
    }
    app.finish().await;
}

/// SQL that returns when so many sessions wait for a lock, and fails if they never do.
fn waiting(sessions: usize) -> String {
    format!(
        "DO $$ BEGIN FOR i IN 1..600 LOOP \
         IF (SELECT COUNT(*) FROM pg_locks WHERE NOT granted) >= {sessions} THEN RETURN; END IF; \
         PERFORM pg_sleep(0.05); END LOOP; RAISE 'nobody waits'; END $$"
    )
}
