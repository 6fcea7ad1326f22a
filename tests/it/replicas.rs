//! Several whole services on one PostgreSQL: a stream of one tells what another did, and work that one has no
//! room for is done by another at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use refunds::app::{App, Error, Seams};
use refunds::config::Config;
use refunds::domain::refund::StateKind;
use refunds::grpc::proto::refund::State;
use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::grpc::proto::stream_refund_status_request::Target;
use refunds::grpc::proto::stream_refund_status_response::Message;
use refunds::grpc::proto::{GetRefundRequest, StreamFilter, StreamRefundStatusRequest};
use refunds::service::{Interrupt, Point};
use refunds::store::sql::{Options, SqlStore};
use refunds::store::{Changed, Store};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::stream::{Messages, Seen, next, of, rest, resumed};
use super::support::app::{PATIENCE, TestApp, request};
use super::support::clock::SkewedClock;
use super::support::database::Kind;
use super::support::process::until;
use super::support::sandbox::http;

/// Longer than any test: whoever looks only so often was woken.
const NEVER: Duration = Duration::from_hours(10);
/// How far ahead the clock of the replica that works is, so that nothing of its refunds is due to the others.
const AHEAD: Duration = Duration::from_hours(24);
/// What a held refund waits for.
const HELD: Duration = Duration::from_hours(1);
/// What the orders 9941... come to: the first answer is lost.
const STATUSES: [Seen; 3] =
    [Seen::Status(State::Sending, 2), Seen::Status(State::Unknown, 3), Seen::Status(State::Succeeded, 4)];
const LISTENING: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'";

/// Leaves an engine to its wakes.
fn never_looks(config: &mut Config) {
    config.dispatch.poll_ms = u64::try_from(NEVER.as_millis()).unwrap();
}

/// Counts what a replica's engine does.
#[derive(Default)]
struct Steps(AtomicUsize);

impl Interrupt for Steps {
    fn at(&self, point: Point) {
        if point != Point::AfterCreate {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A service on the database and the sandbox of a test.
struct Replica {
    address: String,
    steps: Arc<Steps>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Replica {
    async fn start(test: &TestApp, name: &str, clock: &SkewedClock, set: impl FnOnce(&mut Config)) -> Self {
        let mut config = test.config().unwrap();
        config.dispatch.worker_name = name.to_owned();
        set(&mut config);
        let steps = Arc::new(Steps::default());
        let mut seams = Seams::of(&config).unwrap();
        seams.store_time = clock.time_source();
        seams.interrupt = Arc::<Steps>::clone(&steps);
        let app = App::build(&config, seams).await.unwrap();
        let address = format!("http://{}", app.local_addr());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app.run(async {
            let _ = stopped.await;
        }));
        Self { address, steps, stop, task }
    }

    fn client(&self) -> RefundServiceClient<Channel> {
        RefundServiceClient::new(Endpoint::from_shared(self.address.clone()).unwrap().connect_lazy())
    }

    async fn stream(&self, message: StreamRefundStatusRequest) -> Messages {
        self.client().stream_refund_status(message).await.unwrap().into_inner()
    }

    async fn refund(&self, request_id: &str, order: &str) -> String {
        let created = self.client().create_refund(request(request_id, order, 1_000)).await.unwrap();
        created.into_inner().refund.unwrap().refund_id
    }

    async fn state(&self, refund_id: &str) -> State {
        let message = GetRefundRequest { refund_id: refund_id.to_owned(), ..GetRefundRequest::default() };
        self.client().get_refund(message).await.unwrap().into_inner().refund.unwrap().state()
    }

    /// Waits until a refund is in a state.
    async fn comes_to(&self, refund_id: &str, state: State) {
        until(state.as_str_name(), async || self.state(refund_id).await == state).await;
    }

    async fn finish(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// Three replicas, of which B alone works: its clock is ahead of the others'.
struct Three {
    test: TestApp,
    ahead: SkewedClock,
    a: Replica,
    b: Replica,
    c: Replica,
}

impl Three {
    /// `None` when this run does not cover PostgreSQL.
    async fn start(set: impl Fn(&mut Config)) -> Option<Self> {
        let mut test = TestApp::start(Kind::Postgres).await?;
        test.pause().await;
        let (clock, ahead) = (SkewedClock::new(), SkewedClock::new());
        ahead.advance(AHEAD);
        let a = Replica::start(&test, "a", &clock, &set).await;
        let b = Replica::start(&test, "b", &ahead, &set).await;
        let c = Replica::start(&test, "c", &clock, &set).await;
        Some(Self { test, ahead, a, b, c })
    }

    /// A refund that waits until [`Self::let_go`].
    async fn held(&self, order: &str) -> String {
        let mut wish = request(order, order, 1_000);
        let seconds = self.ahead.now().plus(HELD).micros() / 1_000_000;
        wish.not_before = Some(prost_types::Timestamp { seconds, nanos: 0 });
        self.b.client().create_refund(wish).await.unwrap().into_inner().refund.unwrap().refund_id
    }

    fn let_go(&self) {
        self.ahead.advance(HELD);
    }

    async fn raw(&self) -> DatabaseConnection {
        Database::connect(self.test.url.url.as_str()).await.unwrap()
    }

    async fn finish(self) {
        assert_eq!(self.a.steps.0.load(Ordering::SeqCst), 0, "A has worked");
        assert_eq!(self.c.steps.0.load(Ordering::SeqCst), 0, "C has worked");
        assert_ne!(self.b.steps.0.load(Ordering::SeqCst), 0);
        for replica in [self.a, self.b, self.c] {
            replica.finish().await;
        }
        self.test.finish().await;
    }
}

/// A stream from its beginning, past the snapshot; and the token after it.
async fn begun(replica: &Replica, refund_id: &str) -> (Messages, String) {
    let mut stream = replica.stream(of(refund_id)).await;
    assert_eq!(next(&mut stream).await.unwrap().unwrap().0, Seen::Snapshot(State::Pending, 1));
    let (end, token) = next(&mut stream).await.unwrap().unwrap();
    assert_eq!(end, Seen::SnapshotEnd);
    (stream, token)
}

async fn statuses(stream: Messages) -> Vec<Seen> {
    rest(stream).await.into_iter().map(|(seen, _)| seen).collect()
}

async fn listening(raw: &DatabaseConnection) -> Vec<i32> {
    let statement = Statement::from_string(raw.get_database_backend(), LISTENING);
    let rows = raw.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "pid").unwrap()).collect()
}

async fn cut_listeners(raw: &DatabaseConnection) -> Vec<i32> {
    let pids = listening(raw).await;
    for pid in &pids {
        raw.execute_unprepared(&format!("SELECT pg_terminate_backend({pid})")).await.unwrap();
    }
    pids
}

/// Streams on A of refunds that B works on, and streams that begin on A and go on at C after each message.
async fn streams_tell_all(three: &Three, orders: &[&str], disturb: impl AsyncFn()) {
    let mut whole = Vec::new();
    let mut broken = Vec::new();
    for order in orders {
        let id = three.held(order).await;
        whole.push(tokio::spawn(statuses(begun(&three.a, &id).await.0)));
        let (stream, token) = begun(&three.a, &id).await;
        broken.push((id, stream, token));
    }
    disturb().await;
    three.let_go();
    for (id, mut stream, mut token) in broken {
        let mut seen = Vec::new();
        // Each message from another replica than the one before.
        for replica in [&three.c, &three.a, &three.c] {
            let Some((told, after)) = next(&mut stream).await.unwrap() else { break };
            seen.push(told);
            token = after;
            disturb().await;
            stream = replica.stream(resumed(&id, &token)).await;
        }
        assert_eq!(seen, STATUSES, "of {id}");
        assert_eq!(statuses(stream).await, [], "after the last token of {id}: {token}");
    }
    for stream in whole {
        assert_eq!(stream.await.unwrap(), STATUSES);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_what_another_replica_did_and_its_token_goes_on_at_a_third() {
    let Some(three) = Three::start(|_| ()).await else { return };
    streams_tell_all(&three, &["9941001", "9941002", "9941003", "9941004"], async || ()).await;
    three.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_goes_on_at_another_replica_after_each_message() {
    let Some(three) = Three::start(|_| ()).await else { return };
    let orders = ["9941001", "9941002", "1003"];
    let mut left = Vec::new();
    for order in orders {
        let id = three.held(order).await;
        left.extend([2, 3].map(|sequence| (id.clone(), sequence)));
    }
    let target = Some(Target::Filter(StreamFilter::default()));
    let asked = StreamRefundStatusRequest { target, ..StreamRefundStatusRequest::default() };
    let mut stream = three.a.stream(asked.clone()).await;
    three.let_go();
    let mut told: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let replicas = [&three.c, &three.b, &three.a];
    for turn in 0.. {
        if left.is_empty() {
            break;
        }
        let message = timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap();
        if let Some(Message::Status(change)) = message.message {
            let sequence = change.event.unwrap().sequence;
            left.retain(|wanted| *wanted != (change.refund_id.clone(), sequence));
            told.entry(change.refund_id).or_default().push(sequence);
        }
        let resumed = StreamRefundStatusRequest { resume_token: message.resume_token, ..asked.clone() };
        stream = replicas[turn % 3].stream(resumed).await;
    }
    for (id, sequences) in told {
        // What the snapshot showed may come once more after it was left.
        let news: Vec<i64> = sequences.into_iter().skip_while(|sequence| *sequence == 1).collect();
        assert!(news.is_sorted_by(|a, b| a + 1 == *b) && news[0] == 2, "{id}: {news:?}");
    }
    three.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_all_where_replicas_do_not_listen() {
    let Some(three) = Three::start(|config| config.database.listen = false).await else { return };
    let raw = three.raw().await;
    streams_tell_all(&three, &["9941001", "9941002"], async || ()).await;
    assert!(listening(&raw).await.is_empty());
    raw.close().await.unwrap();
    three.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_all_while_what_listens_is_cut_and_it_listens_again() {
    let Some(three) = Three::start(|_| ()).await else { return };
    let raw = three.raw().await;
    until("all listen", async || listening(&raw).await.len() == 3).await;
    let cut = std::sync::Mutex::new(Vec::new());
    let disturb = async || {
        let pids = cut_listeners(&raw).await;
        cut.lock().unwrap().extend(pids);
    };
    streams_tell_all(&three, &["9941001", "9941002"], disturb).await;
    let cut = cut.into_inner().unwrap();
    assert!(cut.len() >= 3, "{cut:?}");
    until("all listen again", async || {
        let now = listening(&raw).await;
        now.len() == 3 && now.iter().all(|pid| !cut.contains(pid))
    })
    .await;
    raw.close().await.unwrap();
    three.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_has_no_room_for_is_sent_by_another_that_a_notice_wakes() {
    let Some(mut test) = TestApp::start(Kind::Postgres).await else { return };
    test.pause().await;
    test.set(&[
        ("REFUNDS__ACCOUNTS__AFTERPAY__CONCURRENCY_MAX", "1"),
        ("REFUNDS__ACCOUNTS__AFTERPAY__TIMEOUTS__READ_MS", "300000"),
        ("REFUNDS__SERVER__SHUTDOWN_GRACE_MS", "600000"),
    ]);
    test.sandbox.settings(&serde_json::json!({ "hold_ms": 600_000 })).await;
    let clock = SkewedClock::new();
    let a = Replica::start(&test, "a", &clock, |_| ()).await;
    let held = a.refund("held", "9940001").await;
    until("A is at work", async || !test.sandbox.posts("9940001").await.is_empty()).await;
    let b = Replica::start(&test, "b", &clock, never_looks).await;
    for n in 0..3 {
        let order = format!("100{n}");
        let id = a.refund(&order, &order).await;
        b.comes_to(&id, State::Succeeded).await;
        assert_eq!(test.sandbox.effects(&order).await.len(), 1);
    }
    assert_eq!(a.state(&held).await, State::Sending, "A had room");
    http(test.sandbox.address(), "POST", "/control/reset", "").await;
    a.finish().await;
    b.finish().await;
    test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_room_is_sent_when_there_is_room_and_not_at_the_next_look() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let Some(mut test) = TestApp::start(kind).await else { continue };
        test.pause().await;
        test.set(&[("REFUNDS__ACCOUNTS__AFTERPAY__CONCURRENCY_MAX", "1")]);
        let service = Replica::start(&test, "a", &SkewedClock::new(), never_looks).await;
        let mut ids = Vec::new();
        for n in 0..6 {
            let order = format!("100{n}");
            ids.push(service.refund(&order, &order).await);
        }
        for id in ids {
            service.comes_to(&id, State::Succeeded).await;
        }
        service.finish().await;
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_get_their_place_after_each_change_and_who_reads_by_place_is_woken() {
    let Some(mut test) = TestApp::start(Kind::Postgres).await else { return };
    test.pause().await;
    let service = Replica::start(&test, "a", &SkewedClock::new(), never_looks).await;
    let reader = SqlStore::connect(&test.url.url, Options::default()).await.unwrap();
    let mut changes = reader.changes();
    let id = service.refund("1001", "1001").await;
    let mut states = Vec::new();
    while states.last() != Some(&StateKind::Succeeded) {
        let position = i64::try_from(states.len()).unwrap();
        let events = reader.events_from(position, 100).await.unwrap();
        assert!(events.iter().all(|event| event.refund_id.to_string() == id));
        states.extend(events.iter().map(|event| event.state));
        if events.is_empty() {
            let woken =
                async { while !matches!(changes.recv().await, Ok(Changed::Placed | Changed::Any)) {} };
            timeout(PATIENCE, woken).await.expect("nothing woke the reader");
        }
    }
    assert_eq!(states, [StateKind::Pending, StateKind::Sending, StateKind::Succeeded]);
    drop(reader);
    service.finish().await;
    test.finish().await;
}
