//! The history of a refund: told whole, chained, and checked by a command that sees what was changed
//! afterwards.

use std::path::Path;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{self, GetRefundResponse};
use sea_orm::{ConnectionTrait, Database};

use super::support::app::TestApp;
use super::support::on_every_app;
use super::support::process::{Process, Scene};

/// Runs `verify-history` on the database of a service that is paused: whether it found no fault, and what it
/// said.
async fn verified(app: &TestApp, log: Option<&Path>) -> (bool, String) {
    let scene = Scene::set(&app.url.url).await;
    let log = log.map(|log| log.to_str().unwrap());
    let arguments: Vec<&str> =
        ["verify-history"].into_iter().chain(log.iter().flat_map(|l| ["--log", l])).collect();
    let (code, said) = Process::run(&arguments, &scene.variables(&[])).await;
    (code == Some(0), said)
}

async fn execute(app: &TestApp, sql: &str) {
    let raw = Database::connect(&app.url.url).await.unwrap();
    raw.execute_unprepared(sql).await.unwrap();
    raw.close().await.unwrap();
}

/// A refund whose first answer is lost, at its end.
async fn lost_and_found(app: &TestApp) -> GetRefundResponse {
    let id = app.refund("h1", "9941001").await.refund_id;
    app.wait_for(&id, State::Succeeded).await;
    app.full(&id).await
}

on_every_app! {
    async fn every_state_and_round_trip_is_told_from_the_chain(app: &mut TestApp) {
        let told = lost_and_found(app).await;
        let states: Vec<_> = told.events.iter().map(proto::StatusEvent::state).collect();
        assert_eq!(states, [State::Pending, State::Sending, State::Unknown, State::Succeeded]);
        let kinds: Vec<_> = told.attempts.iter().map(|attempt| attempt.kind.as_str()).collect();
        assert_eq!(kinds, ["preflight", "send", "lookup"]);
        let send = &told.attempts[1];
        assert_eq!((send.failure_phase.as_str(), send.outcome.as_str()), ("exchange", "unknown"));
        assert!(send.duration.is_some() && send.trace_id.len() == 32);
        // Four states, a begun and an ended send, two looks.
        assert_eq!((told.history_number, told.history_hash.len()), (8, 64));
    }

    async fn the_command_finds_what_was_written_and_sees_what_was_changed(app: &mut TestApp) {
        let told = lost_and_found(app).await;
        let id = told.refund.unwrap().refund_id;
        app.pause().await;
        let (fine, said) = verified(app, None).await;
        assert!(fine && said.contains("1 refunds, 8 entries, 0 accepted before"), "{said}");

        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let (number, hash) = (told.history_number, &told.history_hash);
        let line = serde_json::json!({ "refund.id": id, "history.number": number, "history.hash": hash });
        std::fs::write(&log, line.to_string()).unwrap();
        let (fine, said) = verified(app, Some(&log)).await;
        assert!(fine, "{said}");

        // The tail is cut off, and the head in the row moved back to hide it: the log knows better.
        let cut = "DELETE FROM history WHERE number = 8;
            UPDATE refunds SET history_number = 7, state = 'unknown', wait = 'check', sequence = 3,
                first_sent_us = updated_us, checks = 0, due_us = 9e15, planned_us = 9e15, overdue_us = 9e15,
                follow_us = NULL, success_minor = NULL, provider_refund_id = NULL, completed_us = NULL,
                history_hash = (SELECT hash FROM history WHERE number = 7);
            DELETE FROM events WHERE sequence = 4";
        execute(app, cut).await;
        let (fine, said) = verified(app, None).await;
        assert!(fine, "a chain that was cut with its head looks whole: {said}");
        let (fine, said) = verified(app, Some(&log)).await;
        assert!(!fine && said.contains("a log tells of entry 8"), "{said}");

        for (change, seen) in [
            ("UPDATE refunds SET history_hash = (SELECT hash FROM history WHERE number = 1)", "the head is"),
            ("DELETE FROM history WHERE number = 3", "entry 3 is missing"),
            ("UPDATE history SET text = REPLACE(text, 'pending', 'failed')", "entry 1 does not"),
        ] {
            execute(app, change).await;
            let (fine, said) = verified(app, None).await;
            assert!(!fine && said.contains(seen), "{change}: {said}");
        }
        app.resume().await;
    }
}
