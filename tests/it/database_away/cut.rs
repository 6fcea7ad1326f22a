//! The network between service and PostgreSQL: cut, turned away, silent, cut in a commit.

use std::time::Duration;

use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::{GetRefundRequest, StatusEvent};
use tokio::time::{Instant, timeout};

use super::{
    Pulse, assert_away, assert_may_repeat, assert_refunded_once, behind_proxy, client, insist, within,
};
use crate::stream::{next, now, open};
use crate::support::app::{PATIENCE, request};
use crate::support::proxy::Mode;

/// Connections are given up together when they are at least this old.
const GROWN_UP: Duration = Duration::from_millis(1_200);
/// Enough calls at the same time to have every connection of the pool opened.
const ALL: usize = 12;
/// However long the network is silent, a call ends by then: the service's own bound on unary calls, and some.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_confirmation_is_lost_is_repeated_as_a_replay() {
    let Some((app, proxy)) = behind_proxy(&[]).await else { return };
    proxy.lose_commit_of("INSERT INTO \"idempotency_keys\"");
    let wish = request("lost", "1001", 1_000);
    assert_away(&app.create(wish.clone()).await.unwrap_err());
    proxy.commit_lost().await;
    let (created, _) = insist(&app.address, &wish).await;
    assert!(created.replayed);
    assert_refunded_once(&app, &wish, "1001", &created.refund.unwrap()).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_whose_confirmation_is_lost_sends_nothing() {
    let Some((app, proxy)) = behind_proxy(&[]).await else { return };
    // Only an intent reads its account like that.
    proxy.lose_commit_of("FOR SHARE");
    let wish = request("lost", "1001", 1_000);
    let refund = app.create(wish.clone()).await.unwrap().refund.unwrap();
    timeout(PATIENCE, proxy.commit_lost()).await.unwrap();
    // The lease has to run out first: nothing is sent in the life of the intent that nobody confirmed.
    app.wait_for(&refund.refund_id, State::Succeeded).await;
    let full = app.full(&refund.refund_id).await;
    let states: Vec<_> = full.events.iter().map(StatusEvent::state).collect();
    let expected = [State::Pending, State::Sending, State::Unknown, State::Sending, State::Succeeded];
    assert_eq!(states, expected);
    let sends: Vec<_> = full
        .attempts
        .iter()
        .filter(|attempt| matches!(attempt.kind.as_str(), "send" | "resend"))
        .map(|attempt| (attempt.kind.as_str(), attempt.outcome.as_str()))
        .collect();
    assert_eq!(sends, [("send", ""), ("resend", "succeeded")]);
    assert_eq!(app.sandbox.posts("1001").await.len(), 1);
    assert_refunded_once(&app, &wish, "1001", &refund).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_cut_no_stale_connection_fails_a_call() {
    let Some((app, proxy)) = behind_proxy(&[]).await else { return };
    let id = app.refund("first", "1001").await.refund_id;
    for round in 0..3 {
        let reads: Vec<_> = (0..ALL).map(|_| get(&app.address, &id)).collect();
        for read in reads {
            read.await.unwrap().unwrap();
        }
        tokio::time::sleep(GROWN_UP).await;
        proxy.cut();
        for call in 0..ALL {
            get(&app.address, &id).await.unwrap().unwrap_or_else(|status| panic!("{call}: {status:?}"));
        }
        let request_id = format!("after-{round}");
        app.create(request(&request_id, "1001", 100)).await.unwrap();
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_turns_away_is_away_and_comes_back() {
    let Some((app, proxy)) = behind_proxy(&[]).await else { return };
    let mut pulse = Pulse::of(&app.address);
    pulse.until(true).await;
    proxy.set(Mode::TurnAway);
    proxy.cut();
    pulse.until(false).await;
    let wish = request("turned-away", "1001", 1_000);
    assert_away(&app.create(wish.clone()).await.unwrap_err());
    proxy.set(Mode::Pass);
    let (created, _) = insist(&app.address, &wish).await;
    pulse.until(true).await;
    assert_refunded_once(&app, &wish, "1001", &created.refund.unwrap()).await;
    pulse.end().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_hangs_on_a_silent_database_and_connections_that_stay_silent_are_replaced() {
    let Some((app, proxy)) = behind_proxy(&[]).await else { return };
    let mut pulse = Pulse::of(&app.address);
    pulse.until(true).await;
    let id = app.refund("first", "1001").await.refund_id;
    app.wait_for(&id, State::Succeeded).await;
    let mut follow = now(&id);
    follow.follow_reversals = true;
    let mut stream = open(&app, follow).await.unwrap();
    proxy.set(Mode::Silent);
    proxy.freeze();
    let began = Instant::now();
    // Callers that give up early leave connections behind in the middle of an answer.
    let impatient: Vec<_> =
        (0..ALL).map(|_| get_within(&app.address, &id, Duration::from_millis(300))).collect();
    for call in impatient {
        assert_may_repeat(&call.await.unwrap().unwrap_err());
    }
    let wish = request("silent", "1002", 1_000);
    let patient = timeout(ENDS_WITHIN, app.create(wish.clone())).await.unwrap();
    assert_may_repeat(&patient.unwrap_err());
    pulse.until(false).await;
    let ended = loop {
        match timeout(ENDS_WITHIN, next(&mut stream)).await.unwrap() {
            Ok(_heartbeat) => {}
            Err(status) => break status,
        }
    };
    assert_away(&ended);
    assert!(began.elapsed() < 2 * ENDS_WITHIN, "it took {:?}", began.elapsed());
    // The old connections never speak again: only new ones help.
    proxy.set(Mode::Pass);
    pulse.until(true).await;
    let (created, _) = insist(&app.address, &wish).await;
    assert_refunded_once(&app, &wish, "1002", &created.refund.unwrap()).await;
    let reads: Vec<_> = (0..ALL).map(|_| get(&app.address, &id)).collect();
    for read in reads {
        read.await.unwrap().unwrap();
    }
    pulse.end().await;
    app.finish().await;
}

type Answer = tokio::task::JoinHandle<Result<(), tonic::Status>>;

fn get(address: &str, refund_id: &str) -> Answer {
    get_within(address, refund_id, super::DEADLINE)
}

fn get_within(address: &str, refund_id: &str, deadline: Duration) -> Answer {
    let message = GetRefundRequest { refund_id: refund_id.to_owned(), ..GetRefundRequest::default() };
    let mut client = client(address);
    tokio::spawn(async move { client.get_refund(within(deadline, message)).await.map(|_| ()) })
}
