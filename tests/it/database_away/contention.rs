//! Transactions that meet, and connections that are all taken.

use std::time::Duration;

use super::{Pulse, SETTINGS, assert_away, assert_may_repeat, assert_refunded_once, execute, insist};
use crate::support::app::{TestApp, request};
use crate::support::database::Kind;
use sea_orm::{ConnectionTrait, Database, TransactionTrait};

/// Serialization failure, deadlock, lock not available.
const RACES: [&str; 3] = ["40001", "40P01", "55P03"];
/// More calls than the pool has connections.
const CALLS: usize = 20;

/// SQL by which the next `times` inserts of refunds fail by a SQLSTATE.
pub(super) fn failing_inserts(sqlstate: &str, times: u32) -> Vec<String> {
    vec![
        "CREATE SEQUENCE IF NOT EXISTS tries".to_owned(),
        "ALTER SEQUENCE tries RESTART".to_owned(),
        format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('tries') <= {times} THEN RAISE 'made' USING ERRCODE = '{sqlstate}'; END IF; \
             RETURN NEW; END $$"
        ),
        "CREATE OR REPLACE TRIGGER fails AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION fail()"
            .to_owned(),
    ]
}

pub(super) async fn fail_inserts(app: &TestApp, sqlstate: &str, times: u32) {
    let statements = failing_inserts(sqlstate, times);
    execute(app, &statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_races_are_run_again_and_told_only_when_they_never_end() {
    let Some(app) = TestApp::start_with(Kind::Postgres, SETTINGS).await else { return };
    for (n, race) in RACES.into_iter().enumerate() {
        fail_inserts(&app, race, 5).await;
        let wish = request(&format!("some-{race}"), "1001", 100);
        assert!(!app.create(wish).await.unwrap().replayed, "{race}");
        fail_inserts(&app, race, 1_000_000).await;
        let (request_id, order) = (format!("all-{race}"), format!("11{n}"));
        let wish = request(&request_id, &order, 1_000);
        assert_away(&app.create(wish.clone()).await.unwrap_err());
        execute(&app, &["DROP TRIGGER fails ON refunds"]).await;
        let created = app.create(wish.clone()).await.unwrap();
        assert!(!created.replayed, "{race}: something of it was kept");
        assert_refunded_once(&app, &wish, &order, &created.refund.unwrap()).await;
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_all_taken_is_away_and_comes_back() {
    let Some(app) = TestApp::start_with(Kind::Postgres, SETTINGS).await else { return };
    let mut pulse = Pulse::of(&app.address);
    pulse.until(true).await;
    let raw = Database::connect(app.url.url.as_str()).await.unwrap();
    let lock = raw.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE refunds, idempotency_keys IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let wishes: Vec<_> =
        (0..CALLS).map(|n| request(&format!("pool-{n}"), &format!("13{n:03}"), 1_000)).collect();
    let calls: Vec<_> = wishes
        .iter()
        .map(|wish| {
            let (mut client, wish) = (super::client(&app.address), wish.clone());
            tokio::spawn(
                async move { client.create_refund(super::within(Duration::from_secs(5), wish)).await },
            )
        })
        .collect();
    let mut away = 0;
    for call in calls {
        let status = call.await.unwrap().unwrap_err();
        assert_may_repeat(&status);
        away += usize::from(status.code() == tonic::Code::Unavailable);
    }
    assert!(away > 0, "nobody was told that no connection is free");
    pulse.until(false).await;
    lock.rollback().await.unwrap();
    raw.close().await.unwrap();
    pulse.until(true).await;
    for (n, wish) in wishes.iter().enumerate() {
        let (created, _) = insist(&app.address, wish).await;
        assert_refunded_once(&app, wish, &format!("13{n:03}"), &created.refund.unwrap()).await;
    }
    pulse.end().await;
    app.finish().await;
}
