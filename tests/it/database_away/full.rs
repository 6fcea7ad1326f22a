//! No room left for what is to be kept.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use refunds::grpc::proto::refund::State;
use tokio::process::Command;

use super::contention::fail_inserts;
use super::{SETTINGS, assert_away, assert_refunded_once, execute, insist};
use crate::support::app::{PATIENCE, TestApp, request};
use crate::support::database::Kind;
use crate::support::process::{Scene, ask, create, succeeded};
use crate::support::sandbox::effects;
use crate::support::url::TestUrl;

/// Fails unless every table that a create writes to is empty but of what an earlier one left.
const NOTHING_HALF_DONE: &str = "SELECT 1 / (CASE WHEN (SELECT COUNT(*) FROM refunds) = 1 \
    AND (SELECT COUNT(*) FROM idempotency_keys) = 1 AND (SELECT COUNT(*) FROM guards) = 1 \
    AND (SELECT COUNT(*) FROM events WHERE sequence = 1) = 1 THEN 1 ELSE 0 END)";
/// Nobody may note a step for a while: the disk is full.
const NO_STEP: [&str; 2] = [
    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     RAISE 'no space left on device' USING ERRCODE = '53100'; END $$",
    "CREATE TRIGGER full_disk BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION full_disk()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_postgres_leaves_nothing_half_done() {
    let Some(app) = TestApp::start_with(Kind::Postgres, SETTINGS).await else { return };
    let first = app.refund("first", "1001").await;
    assert_refunded_once(&app, &request("first", "1001", 1_000), "1001", &first).await;
    fail_inserts(&app, "53100", 1_000_000).await;
    let wish = request("full", "1002", 1_000);
    for _ in 0..3 {
        assert_away(&app.create(wish.clone()).await.unwrap_err());
    }
    execute(&app, &[NOTHING_HALF_DONE, "DROP TRIGGER fails ON refunds"]).await;
    let created = app.create(wish.clone()).await.unwrap();
    assert!(!created.replayed);
    assert_refunded_once(&app, &wish, "1002", &created.refund.unwrap()).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_waits_until_there_is_room_to_note_it() {
    let Some(app) = TestApp::start_with(Kind::Postgres, SETTINGS).await else { return };
    execute(&app, &NO_STEP).await;
    let wish = request("noted-late", "1001", 1_000);
    let refund = app.create(wish.clone()).await.unwrap().refund.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while app.effects("1001").await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "it was never sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Longer than a lease: it is renewed, because the service holds an answer.
    tokio::time::sleep(Duration::from_secs(4)).await;
    execute(&app, &["DROP TRIGGER full_disk ON attempts"]).await;
    assert_refunded_once(&app, &wish, "1001", &refund).await;
    let attempts = app.full(&refund.refund_id).await.attempts;
    let sends: Vec<_> = attempts
        .iter()
        .filter(|a| a.kind != "preflight")
        .map(|a| (a.kind.as_str(), a.outcome.as_str()))
        .collect();
    assert_eq!(sends, [("send", "succeeded")]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_sqlite_that_cannot_grow_leaves_nothing_half_done() {
    let known = Command::new("prlimit").arg("--version").stdout(Stdio::null()).status().await;
    if known.is_err() {
        return;
    }
    let database = TestUrl::fresh(Kind::Sqlite).await.unwrap();
    let scene = Scene::set(&database.url).await;
    let (mut process, address) = scene.serve_limited(&[]).await;
    let first = create(&address, "first", "1001").await.unwrap().refund.unwrap();
    succeeded(&address, &first.refund_id).await;
    // Less than its log has already, and enough for its index.
    process.limit_files("65536").await;
    let wish = request("full", "1002", 1_000);
    for _ in 0..5 {
        assert_away(&ask(&address, wish.clone()).await.unwrap_err());
    }
    // What it has may be read.
    succeeded(&address, &first.refund_id).await;
    process.limit_files("unlimited").await;
    let created = ask(&address, wish.clone()).await.unwrap();
    assert!(!created.replayed);
    let refund = created.refund.unwrap();
    succeeded(&address, &refund.refund_id).await;
    // What is said to be kept is kept: not by a transaction that the failed ones left open.
    process.kill().await;
    let (_next, address) = scene.serve(&[]).await;
    succeeded(&address, &refund.refund_id).await;
    assert_eq!(effects(scene.sandbox, "1002").await.len(), 1);
    database.remove().await;
}

/// A file system that holds little. Unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this process may not mount one.
    fn mounted() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(directory.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then(|| Self(directory))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path("ballast")).unwrap();
        while ballast.write_all(&[0; 1_024]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_sqlite_leaves_nothing_half_done() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let url = format!("sqlite://{}?mode=rwc", disk.path("refunds.sqlite").display());
    let app = TestApp::start_at(Kind::Sqlite, TestUrl::elsewhere(url), SETTINGS).await;
    let first = app.refund("first", "1001").await;
    app.wait_for(&first.refund_id, State::Succeeded).await;
    disk.fill();
    let wish = request("full", "1002", 1_000);
    for _ in 0..5 {
        assert_away(&app.create(wish.clone()).await.unwrap_err());
    }
    std::fs::remove_file(disk.path("ballast")).unwrap();
    let (created, _) = insist(&app.address, &wish).await;
    assert!(!created.replayed);
    assert_refunded_once(&app, &wish, "1002", &created.refund.unwrap()).await;
    app.finish().await;
}
