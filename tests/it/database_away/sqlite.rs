//! Another program that holds SQLite's lock for too long.

use sea_orm::{ConnectionTrait, Database};

use super::{Pulse, SETTINGS, assert_away, assert_refunded_once, insist};
use crate::support::app::{TestApp, request};
use crate::support::database::Kind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_by_another_program_is_away_and_then_all_goes_on() {
    let app = TestApp::start_with(Kind::Sqlite, SETTINGS).await.unwrap();
    let mut pulse = Pulse::of(&app.address);
    pulse.until(true).await;
    let mut options = sea_orm::ConnectOptions::new(app.url.url.as_str());
    options.max_connections(1);
    let other = Database::connect(options).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let wish = request("busy", "1001", 1_000);
    for _ in 0..2 {
        assert_away(&app.create(wish.clone()).await.unwrap_err());
    }
    pulse.until(false).await;
    other.execute_unprepared("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    let (created, _) = insist(&app.address, &wish).await;
    assert!(!created.replayed);
    pulse.until(true).await;
    assert_refunded_once(&app, &wish, "1001", &created.refund.unwrap()).await;
    pulse.end().await;
    app.finish().await;
}
