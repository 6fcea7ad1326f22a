//! Streams: each status once and in order, resumable from every token, bounded, and ended kindly.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost_types::Timestamp;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::stream_refund_status_request::Target;
use refunds::grpc::proto::stream_refund_status_response::Message;
use refunds::grpc::proto::{Refund, StreamRefundStatusRequest, StreamStart};
use sea_orm::ConnectionTrait;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use super::support::app::{PATIENCE, TestApp, request, with_token};
use super::support::on_every_app;

pub(super) type Messages = Streaming<refunds::grpc::proto::StreamRefundStatusResponse>;

/// How far the clock is put forward to let a held refund go.
const HELD: Duration = Duration::from_hours(1);
/// The heartbeat of tests that wait for one.
const HEARTBEAT: (&str, &str) = ("REFUNDS__SERVER__STREAM_HEARTBEAT_MS", "100");

/// A message, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Snapshot(State, i64),
    SnapshotEnd,
    Status(State, i64),
    Heartbeat,
}

/// What the order 9941... comes to: its first answer is lost.
const ALL: [Seen; 4] = [
    Seen::Status(State::Pending, 1),
    Seen::Status(State::Sending, 2),
    Seen::Status(State::Unknown, 3),
    Seen::Status(State::Succeeded, 4),
];

pub(super) fn of(refund_id: &str) -> StreamRefundStatusRequest {
    let target = Some(Target::RefundId(refund_id.to_owned()));
    StreamRefundStatusRequest { target, ..StreamRefundStatusRequest::default() }
}

pub(super) fn now(refund_id: &str) -> StreamRefundStatusRequest {
    StreamRefundStatusRequest { start: StreamStart::Now.into(), ..of(refund_id) }
}

pub(super) fn resumed(refund_id: &str, token: &str) -> StreamRefundStatusRequest {
    StreamRefundStatusRequest { resume_token: token.to_owned(), ..of(refund_id) }
}

pub(super) async fn open(app: &TestApp, message: StreamRefundStatusRequest) -> Result<Messages, Status> {
    app.client().await.stream_refund_status(message).await.map(tonic::Response::into_inner)
}

/// The next message with its token; `None` at the end.
pub(super) async fn next(stream: &mut Messages) -> Result<Option<(Seen, String)>, Status> {
    let Some(message) = timeout(PATIENCE, stream.message()).await.unwrap()? else { return Ok(None) };
    let seen = match message.message.unwrap() {
        Message::Snapshot(item) => {
            let refund = item.refund.unwrap();
            Seen::Snapshot(refund.state(), refund.sequence)
        }
        Message::SnapshotEnd(_) => Seen::SnapshotEnd,
        Message::Status(change) => {
            let event = change.event.unwrap();
            Seen::Status(event.state(), event.sequence)
        }
        Message::Heartbeat(_) => Seen::Heartbeat,
    };
    Ok(Some((seen, message.resume_token)))
}

/// Everything but heartbeats, until the stream ends by itself.
pub(super) async fn rest(mut stream: Messages) -> Vec<(Seen, String)> {
    let mut all = Vec::new();
    while let Some((seen, token)) = next(&mut stream).await.unwrap() {
        if seen != Seen::Heartbeat {
            all.push((seen, token));
        }
    }
    all
}

async fn told(app: &TestApp, message: StreamRefundStatusRequest) -> Vec<Seen> {
    rest(open(app, message).await.unwrap()).await.into_iter().map(|(seen, _)| seen).collect()
}

/// A refund that stays PENDING until the clock moves by [`HELD`].
async fn held(app: &TestApp, request_id: &str, order_id: &str) -> Refund {
    let mut wish = request(request_id, order_id, 1_000);
    let seconds = app.clock.now().micros() / 1_000_000 + 3_600;
    wish.not_before = Some(Timestamp { seconds, nanos: 0 });
    app.create(wish).await.unwrap().refund.unwrap()
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

fn assert_drained(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Unavailable, "DRAINING"), "{status:?}");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
}

on_every_app! {
    async fn a_stream_tells_each_status_once_and_in_order_and_ends_after_the_last(app: &mut TestApp) {
        let id = held(app, "s1", "9941001").await.refund_id;
        let mut stream = open(app, of(&id)).await.unwrap();
        assert_eq!(next(&mut stream).await.unwrap().unwrap().0, Seen::Snapshot(State::Pending, 1));
        assert_eq!(next(&mut stream).await.unwrap().unwrap().0, Seen::SnapshotEnd);
        app.clock.advance(HELD);
        let seen: Vec<_> = rest(stream).await.into_iter().map(|(seen, _)| seen).collect();
        assert_eq!(seen, ALL[1..]);
        // How it stands now, and nothing to follow.
        assert_eq!(told(app, of(&id)).await, [Seen::Snapshot(State::Succeeded, 4), Seen::SnapshotEnd]);
    }

    async fn a_stream_from_now_tells_what_follows_alone(app: &mut TestApp) {
        let id = held(app, "n1", "9941001").await.refund_id;
        let stream = open(app, now(&id)).await.unwrap();
        app.clock.advance(HELD);
        let seen: Vec<_> = rest(stream).await.into_iter().map(|(seen, _)| seen).collect();
        assert_eq!(seen, ALL[1..]);
        assert_eq!(told(app, now(&id)).await, []);
    }

    async fn each_token_goes_on_without_gap_or_repeat_even_after_a_restart(app: &mut TestApp) {
        let id = held(app, "r1", "9941001").await.refund_id;
        let mut stream = open(app, of(&id)).await.unwrap();
        let mut first = Vec::new();
        for _ in 0..2 {
            first.push(next(&mut stream).await.unwrap().unwrap());
        }
        drop(stream);
        // The connection was lost while nothing happened: the second stream lives through all of it.
        let stream = open(app, resumed(&id, &first[1].1)).await.unwrap();
        app.clock.advance(HELD);
        first.extend(rest(stream).await);
        let seen: Vec<_> = first.iter().skip(2).map(|(seen, _)| seen.clone()).collect();
        assert_eq!(seen, ALL[1..]);
        for restarted in [false, true] {
            if restarted {
                app.pause().await;
                app.resume().await;
            }
            for (n, (_, token)) in first.iter().enumerate() {
                let seen: Vec<_> = first.iter().skip(n + 1).map(|(seen, _)| seen.clone()).collect();
                let seen: Vec<_> = seen.into_iter().filter(|s| matches!(s, Seen::Status(..))).collect();
                let told = told(app, resumed(&id, token)).await;
                assert_eq!(told, seen, "from message {n}, restarted: {restarted}");
            }
        }
    }

    async fn a_quiet_stream_says_that_it_lives_and_from_where_to_go_on(app: &mut TestApp) {
        app.pause().await;
        app.set(&[HEARTBEAT]);
        app.resume().await;
        let id = held(app, "h1", "9941001").await.refund_id;
        let mut stream = open(app, now(&id)).await.unwrap();
        let began = Instant::now();
        let mut token = String::new();
        for _ in 0..10 {
            let (seen, its) = next(&mut stream).await.unwrap().unwrap();
            assert_eq!(seen, Seen::Heartbeat);
            token = its;
        }
        assert!(began.elapsed() < Duration::from_secs(8), "10 heartbeats took {:?}", began.elapsed());
        drop(stream);
        app.clock.advance(HELD);
        assert_eq!(told(app, resumed(&id, &token)).await, ALL[1..]);
    }

    async fn a_token_that_is_not_this_callers_of_this_refund_is_refused(app: &mut TestApp) {
        let id = app.refund("t1", "1001").await.refund_id;
        let other = app.refund("t2", "1002").await.refund_id;
        app.wait_for(&id, State::Succeeded).await;
        let own = rest(open(app, of(&id)).await.unwrap()).await.pop().unwrap().1;
        let others = rest(open(app, of(&other)).await.unwrap()).await.pop().unwrap().1;
        let mut client = app.client().await;
        let operators = client.stream_refund_status(with_token(of(&id), "operator-token")).await.unwrap();
        let operators = rest(operators.into_inner()).await.pop().unwrap().1;
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(&own).unwrap()).unwrap();
        let parts: Vec<&str> = plain.split('.').collect();
        let with = |place: usize, part: &str| {
            let mut parts = parts.clone();
            parts[place] = part;
            URL_SAFE_NO_PAD.encode(parts.join("."))
        };
        assert_eq!(told(app, resumed(&id, &with(2, "2"))).await, [Seen::Status(State::Succeeded, 3)]);
        let wrong = [
            ("another refund's", others),
            ("another caller's", operators),
            ("from the future", with(2, "4")),
            ("from before the beginning", with(2, "-1")),
            ("of a number too large", with(2, "9223372036854775808")),
            ("of another version", with(0, "2")),
            ("of another refund by hand", with(1, &other)),
            ("with a short hash", with(3, "")),
            ("cut", own[..own.len() - 3].to_owned()),
            ("longer", format!("{own}AAAA")),
            ("garbage", "x".to_owned()),
            ("no text", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
        ];
        for (what, token) in wrong {
            let status = open(app, resumed(&id, &token)).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{what}");
            assert_eq!(reason(&status), "INVALID_FIELD", "{what}");
            let violations = status.get_details_bad_request().unwrap().field_violations;
            let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
            assert_eq!(fields, ["resume_token"], "{what}");
        }
        assert_eq!(told(app, resumed(&id, &own)).await, []);
    }

    async fn a_token_older_than_the_history_kept_is_told_so_and_never_a_silent_gap(app: &mut TestApp) {
        let id = held(app, "g1", "9941001").await.refund_id;
        let mut stream = open(app, of(&id)).await.unwrap();
        let token = next(&mut stream).await.unwrap().unwrap().1;
        app.clock.advance(HELD);
        let all = rest(stream).await;
        app.pause().await;
        let raw = sea_orm::Database::connect(app.url.url.as_str()).await.unwrap();
        raw.execute_unprepared("DELETE FROM events WHERE sequence = 3").await.unwrap();
        raw.close().await.unwrap();
        app.resume().await;
        let mut stream = open(app, resumed(&id, &token)).await.unwrap();
        assert_eq!(next(&mut stream).await.unwrap().unwrap().0, ALL[1]);
        let status = next(&mut stream).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "HISTORY_GONE"));
        // From behind the gap it goes on.
        let behind = all.iter().find(|(seen, _)| *seen == ALL[2]).unwrap();
        assert_eq!(told(app, resumed(&id, &behind.1)).await, ALL[3..]);
    }

    async fn another_callers_refund_cannot_be_watched(app: &mut TestApp) {
        let mut client = app.client().await;
        let theirs = client.create_refund(with_token(request("x1", "1001", 1_000), "operator-token")).await;
        let id = theirs.unwrap().into_inner().refund.unwrap().refund_id;
        for message in [of(&id), now(&id)] {
            let status = client.stream_refund_status(message).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "REFUND_NOT_FOUND"));
        }
        // An operator watches everyone's.
        let ours = app.refund("x2", "1002").await.refund_id;
        assert!(client.stream_refund_status(with_token(of(&ours), "operator-token")).await.is_ok());
    }

    async fn one_who_follows_reversals_stays_after_the_final_state(app: &mut TestApp) {
        app.pause().await;
        app.set(&[HEARTBEAT]);
        app.resume().await;
        let id = held(app, "f1", "1001").await.refund_id;
        let follow = |message| StreamRefundStatusRequest { follow_reversals: true, ..message };
        let mut living = open(app, follow(now(&id))).await.unwrap();
        app.clock.advance(HELD);
        app.wait_for(&id, State::Succeeded).await;
        let mut late = open(app, follow(of(&id))).await.unwrap();
        assert_eq!(next(&mut late).await.unwrap().unwrap().0, Seen::Snapshot(State::Succeeded, 3));
        assert_eq!(next(&mut late).await.unwrap().unwrap().0, Seen::SnapshotEnd);
        for stream in [&mut living, &mut late] {
            let mut heartbeats = 0;
            while heartbeats < 3 {
                match next(stream).await.unwrap().unwrap() {
                    (Seen::Heartbeat, _) => heartbeats += 1,
                    (Seen::Status(..), _) => heartbeats = 0,
                    (Seen::Snapshot(..) | Seen::SnapshotEnd, _) => panic!("a snapshot in the middle"),
                }
            }
        }
        let (living, late) = (tokio::spawn(until_error(living)), tokio::spawn(until_error(late)));
        app.pause().await;
        assert_drained(&living.await.unwrap());
        assert_drained(&late.await.unwrap());
    }

    async fn streams_are_bounded_and_one_who_goes_makes_room(app: &mut TestApp) {
        app.pause().await;
        app.set(&[("REFUNDS__SERVER__STREAMS_MAX", "1")]);
        app.resume().await;
        let id = held(app, "b1", "1001").await.refund_id;
        let mut first = open(app, of(&id)).await.unwrap();
        next(&mut first).await.unwrap();
        let status = open(app, of(&id)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_STREAMS"));
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
        // What is refused for another cause takes no room, and neither do other calls.
        assert_eq!(open(app, resumed(&id, "x")).await.unwrap_err().code(), Code::InvalidArgument);
        app.get(&id).await;
        drop(first);
        let deadline = Instant::now() + PATIENCE;
        let second = loop {
            match open(app, of(&id)).await {
                Ok(stream) => break stream,
                Err(status) => assert_eq!(reason(&status), "TOO_MANY_STREAMS"),
            }
            assert!(Instant::now() < deadline, "the room was not given back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        // One that ends by itself makes room too.
        app.clock.advance(HELD);
        rest(second).await;
        let deadline = Instant::now() + PATIENCE;
        while let Err(status) = open(app, of(&id)).await {
            assert!(reason(&status) == "TOO_MANY_STREAMS" && Instant::now() < deadline, "{status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn a_drain_ends_a_stream_and_its_token_goes_on_elsewhere(app: &mut TestApp) {
        let id = held(app, "d1", "9941001").await.refund_id;
        let mut stream = open(app, of(&id)).await.unwrap();
        next(&mut stream).await.unwrap();
        let (_, token) = next(&mut stream).await.unwrap().unwrap();
        let ended = tokio::spawn(until_error(stream));
        app.pause().await;
        assert_drained(&ended.await.unwrap());
        app.resume().await;
        let stream = open(app, resumed(&id, &token)).await.unwrap();
        app.clock.advance(HELD);
        let seen: Vec<_> = rest(stream).await.into_iter().map(|(seen, _)| seen).collect();
        assert_eq!(seen, ALL[1..]);
    }

    async fn fifty_streams_of_one_refund_see_the_same(app: &mut TestApp) {
        let id = held(app, "c1", "9941001").await.refund_id;
        let channel = app.client().await;
        let mut streams = Vec::new();
        for _ in 0..50 {
            streams.push(channel.clone().stream_refund_status(of(&id)).await.unwrap().into_inner());
        }
        let watchers: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(rest(stream))).collect();
        app.clock.advance(HELD);
        let mut expected = vec![Seen::Snapshot(State::Pending, 1), Seen::SnapshotEnd];
        expected.extend_from_slice(&ALL[1..]);
        for watcher in watchers {
            let seen: Vec<_> = watcher.await.unwrap().into_iter().map(|(seen, _)| seen).collect();
            assert_eq!(seen, expected);
        }
    }
}

/// The error that a stream ends with.
async fn until_error(mut stream: Messages) -> Status {
    loop {
        match next(&mut stream).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended in good order"),
            Err(status) => return status,
        }
    }
}
