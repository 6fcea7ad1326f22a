//! A failover that leads to a server which takes no writes, for a while.

use super::{Pulse, SETTINGS, assert_away, assert_refunded_once, execute, insist};
use crate::support::app::{TestApp, request};
use crate::support::database::Kind;

const WRITABLE: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_is_away_and_its_sessions_are_given_up() {
    let Some(app) = TestApp::start_with(Kind::Postgres, SETTINGS).await else { return };
    let mut pulse = Pulse::of(&app.address);
    pulse.until(true).await;
    let earlier = app.refund("earlier", "1001").await;
    let set = database_setting("SET default_transaction_read_only = on");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(&app, &[&set, end]).await;
    pulse.until(false).await;
    let wish = request("in-failover", "1002", 1_000);
    for _ in 0..5 {
        assert_away(&app.create(wish.clone()).await.unwrap_err());
    }
    // What it has may be read.
    assert_eq!(app.get(&earlier.refund_id).await.refund_id, earlier.refund_id);
    // Sessions of before the change stay as they are: the service has to let go of them by itself.
    let reset = database_setting("RESET default_transaction_read_only");
    execute(&app, &[WRITABLE, &reset]).await;
    let (created, _) = insist(&app.address, &wish).await;
    pulse.until(true).await;
    assert_refunded_once(&app, &wish, "1002", &created.refund.unwrap()).await;
    pulse.end().await;
    app.finish().await;
}

fn database_setting(change: &str) -> String {
    format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {change}', current_database()); END $$")
}
