//! Streams of a filter: what is not final, then every change of all that match, each once and in order, from
//! every token on, and of nothing that the caller may not read.

use std::collections::BTreeMap;
use std::time::Duration;

use prost_types::Timestamp;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::stream_refund_status_request::Target;
use refunds::grpc::proto::stream_refund_status_response::Message;
use refunds::grpc::proto::{Refund, StreamFilter, StreamRefundStatusRequest, StreamStart};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::stream::Messages;
use super::support::app::{PATIENCE, TestApp, request, with_token};
use super::support::callers;
use super::support::on_every_app;

/// How far the clock is put forward to let held refunds go.
const HELD: Duration = Duration::from_hours(1);

/// A message, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Snapshot(String, State, i64),
    SnapshotEnd,
    Status(String, State, i64),
    Heartbeat,
}

fn all() -> StreamFilter {
    StreamFilter::default()
}

fn of_account(account: &str) -> StreamFilter {
    StreamFilter { account: account.to_owned(), ..StreamFilter::default() }
}

fn of_order(account: &str, order_id: &str) -> StreamFilter {
    StreamFilter { order_id: order_id.to_owned(), ..of_account(account) }
}

fn watching(filter: StreamFilter) -> StreamRefundStatusRequest {
    let target = Some(Target::Filter(filter));
    StreamRefundStatusRequest { target, ..StreamRefundStatusRequest::default() }
}

fn resumed(filter: StreamFilter, token: &str) -> StreamRefundStatusRequest {
    StreamRefundStatusRequest { resume_token: token.to_owned(), ..watching(filter) }
}

fn from_now(filter: StreamFilter) -> StreamRefundStatusRequest {
    StreamRefundStatusRequest { start: StreamStart::Now.into(), ..watching(filter) }
}

async fn open(app: &TestApp, message: StreamRefundStatusRequest) -> Result<Messages, Status> {
    app.client().await.stream_refund_status(message).await.map(tonic::Response::into_inner)
}

async fn open_as(app: &TestApp, token: &str, message: StreamRefundStatusRequest) -> Result<Messages, Status> {
    let message = with_token(message, token);
    app.client().await.stream_refund_status(message).await.map(tonic::Response::into_inner)
}

async fn next(stream: &mut Messages) -> (Seen, String) {
    let message = timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap();
    let seen = match message.message.unwrap() {
        Message::Snapshot(item) => {
            let refund = item.refund.unwrap();
            Seen::Snapshot(refund.refund_id.clone(), refund.state(), refund.sequence)
        }
        Message::SnapshotEnd(_) => Seen::SnapshotEnd,
        Message::Status(change) => {
            let event = change.event.unwrap();
            Seen::Status(change.refund_id, event.state(), event.sequence)
        }
        Message::Heartbeat(_) => Seen::Heartbeat,
    };
    (seen, message.resume_token)
}

/// Reads until each of these refunds was told to be final; heartbeats apart.
async fn until_final(stream: &mut Messages, ids: &[String]) -> Vec<(Seen, String)> {
    let mut told = Vec::new();
    let mut left: Vec<&String> = ids.iter().collect();
    while !left.is_empty() {
        let (seen, token) = next(stream).await;
        if let Seen::Status(id, State::Succeeded | State::Failed | State::Canceled, _) = &seen {
            left.retain(|wanted| *wanted != id);
        }
        if seen != Seen::Heartbeat {
            told.push((seen, token));
        }
    }
    told
}

/// The sequences that statuses tell, per refund, in the order told.
fn sequences(told: &[(Seen, String)]) -> BTreeMap<String, Vec<i64>> {
    let mut sequences: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (seen, _) in told {
        if let Seen::Status(id, _, sequence) = seen {
            sequences.entry(id.clone()).or_default().push(*sequence);
        }
    }
    sequences
}

/// A refund that stays PENDING until the clock moves by [`HELD`].
async fn held(app: &TestApp, request_id: &str, order_id: &str) -> Refund {
    let mut wish = request(request_id, order_id, 1_000);
    let seconds = app.clock.now().micros() / 1_000_000 + 3_600;
    wish.not_before = Some(Timestamp { seconds, nanos: 0 });
    app.create(wish).await.unwrap().refund.unwrap()
}

async fn held_ids(app: &TestApp, prefix: &str, orders: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for (n, order) in orders.iter().enumerate() {
        ids.push(held(app, &format!("{prefix}{n}"), order).await.refund_id);
    }
    ids
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

on_every_app! {
    async fn all_that_is_open_and_then_each_change_once_and_in_order(app: &mut TestApp) {
        // The answers of 9941... are lost first; 1... succeed at once.
        let ids = held_ids(app, "f", &["9941001", "1001", "9941002", "1002"]).await;
        let done = app.refund("f9", "1009").await.refund_id;
        app.wait_for(&done, State::Succeeded).await;
        let mut stream = open(app, watching(all())).await.unwrap();
        let mut snapshot = Vec::new();
        loop {
            match next(&mut stream).await.0 {
                Seen::Snapshot(id, State::Pending, 1) => snapshot.push(id),
                Seen::SnapshotEnd => break,
                other => panic!("{other:?}"),
            }
        }
        snapshot.sort_unstable();
        let mut open_ids = ids.clone();
        open_ids.sort_unstable();
        assert_eq!(snapshot, open_ids, "what is final is not in it");
        app.clock.advance(HELD);
        let late = app.refund("f10", "1010").await.refund_id;
        let mut all_ids = ids.clone();
        all_ids.push(late.clone());
        let told = until_final(&mut stream, &all_ids).await;
        let sequences = sequences(&told);
        for id in &ids {
            let last = app.get(id).await.sequence;
            assert_eq!(sequences[id], (2..=last).collect::<Vec<_>>(), "{id}");
        }
        assert_eq!(sequences[&late], [1, 2, 3], "its beginning too");
        assert!(!sequences.contains_key(&done), "nothing of it was new");
    }

    async fn each_token_goes_on_and_nothing_is_missing(app: &mut TestApp) {
        let ids = held_ids(app, "r", &["9941001", "1001"]).await;
        let mut stream = open(app, watching(all())).await.unwrap();
        let mut told = vec![next(&mut stream).await, next(&mut stream).await, next(&mut stream).await];
        app.clock.advance(HELD);
        told.extend(until_final(&mut stream, &ids).await);
        drop(stream);
        app.pause().await;
        app.resume().await;
        for (n, (_, token)) in told.iter().enumerate() {
            let expected = sequences(&told[n + 1..]);
            let mut stream = open(app, resumed(all(), token)).await.unwrap();
            let mut again: Vec<(Seen, String)> = Vec::new();
            let behind = |again: &[(Seen, String)]| {
                let got = sequences(again);
                expected.iter().any(|(id, all)| got.get(id).and_then(|got| got.last()) != all.last())
            };
            while behind(&again) {
                again.push(next(&mut stream).await);
            }
            let got = sequences(&again);
            for (id, all) in &expected {
                // What the snapshot showed may come as a change, too; within the stream each comes once.
                assert!(got[id].ends_with(all), "{got:?} from message {n}: {told:#?}");
                assert!(got[id].is_sorted_by(|a, b| a + 1 == *b), "{got:?} from message {n}");
            }
        }
    }

    async fn a_filter_tells_its_account_and_its_order_alone(app: &mut TestApp) {
        let ids = held_ids(app, "o", &["1001", "1002"]).await;
        let mut of_one = open(app, from_now(of_order("afterpay", "0001001"))).await.unwrap();
        let mut of_other = open(app, from_now(of_account("moyasar"))).await.unwrap();
        let mut of_all = open(app, from_now(of_account("afterpay"))).await.unwrap();
        app.clock.advance(HELD);
        let told = until_final(&mut of_one, &ids[..1]).await;
        assert_eq!(sequences(&told).into_keys().collect::<Vec<_>>(), [ids[0].clone()], "by its canonical id");
        assert_eq!(sequences(&until_final(&mut of_all, &ids).await).len(), 2);
        assert!(timeout(Duration::from_millis(500), of_other.message()).await.is_err());
        for (filter, field) in [
            (StreamFilter { order_id: "1".to_owned(), ..all() }, "filter.order_id"),
            (StreamFilter { account: "NO".to_owned(), ..all() }, "filter.account"),
        ] {
            let refused = open(app, watching(filter)).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            let fields = refused.get_details_bad_request().unwrap().field_violations;
            assert_eq!(fields[0].field, field);
        }
        let unknown = open(app, watching(of_account("nowhere"))).await.unwrap_err();
        assert_eq!(reason(&unknown), "ACCOUNT_NOT_FOUND");
    }

    async fn nobody_is_told_of_what_it_may_not_read(app: &mut TestApp) {
        let _file = callers::install(app).await;
        let id = held(app, "c1", "1001").await.refund_id;
        let mut own = open(app, watching(all())).await.unwrap();
        let mut desk = open_as(app, "desk-token", watching(all())).await.unwrap();
        let named = StreamFilter { caller: "dev".to_owned(), ..all() };
        let mut desks_dev = open_as(app, "desk-token", watching(named.clone())).await.unwrap();
        let mut boss = open_as(app, "boss-token", watching(named)).await.unwrap();
        assert!(matches!(next(&mut own).await.0, Seen::Snapshot(..)));
        assert_eq!(next(&mut desk).await.0, Seen::SnapshotEnd);
        assert_eq!(next(&mut desks_dev).await.0, Seen::SnapshotEnd, "as if there were none");
        assert!(matches!(next(&mut boss).await.0, Seen::Snapshot(..)));
        app.clock.advance(HELD);
        until_final(&mut boss, std::slice::from_ref(&id)).await;
        let own = until_final(&mut own, &[id]).await;
        for stream in [&mut desk, &mut desks_dev] {
            assert!(timeout(Duration::from_millis(500), stream.message()).await.is_err());
        }
        let token = &own.last().unwrap().1;
        let foreign = open_as(app, "desk-token", resumed(all(), token)).await.unwrap_err();
        assert_eq!((foreign.code(), reason(&foreign).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
        let other = open(app, resumed(of_account("afterpay"), token)).await.unwrap_err();
        assert_eq!(other.get_details_bad_request().unwrap().field_violations[0].field, "resume_token");
        let nobody = open_as(app, "nobody-token", watching(all())).await.unwrap_err();
        assert_eq!(reason(&nobody), "RIGHT_MISSING");
    }

    async fn it_ends_kindly_when_the_service_drains(app: &mut TestApp) {
        let mut stream = open(app, watching(all())).await.unwrap();
        let (end, token) = next(&mut stream).await;
        assert_eq!(end, Seen::SnapshotEnd);
        app.pause().await;
        let ended = timeout(PATIENCE, stream.message()).await.unwrap().unwrap_err();
        assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "DRAINING"));
        app.resume().await;
        let mut stream = open(app, resumed(all(), &token)).await.unwrap();
        let id = app.refund("d1", "1001").await.refund_id;
        assert_eq!(sequences(&until_final(&mut stream, std::slice::from_ref(&id)).await)[&id], [1, 2, 3]);
    }
}
